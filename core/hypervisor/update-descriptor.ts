/** HYPERVISOR_update_descriptor (10): stores one descriptor at a machine address. Facts 8.3. */

import { PageType } from '../machine/frames.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { formatHex, joinWords, mfn } from '../units.ts';
import { DESCRIPTOR_BYTES, acceptedDescriptor } from './descriptors.ts';
import type { Hypervisor } from './hypervisor.ts';
import { ownsPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import { did } from './trace.ts';
import { TypeFailure, getPageType, putPageType } from './type-system.ts';

/** Where address and descriptor lie among the arguments: 32-bit guests pass each as two words. */
const ARGUMENTS = {
  8: { addressLo: 0, addressHi: 1, lo: 2, hi: 3 },
  4: { addressLo: 0, addressHi: 2, lo: 4, hi: 6 },
} as const;
const HIGH_FRAME_WEIGHT = 0x10_0000;

export function updateDescriptor(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const at = ARGUMENTS[hv.abi.wordBytes];
  const [addressLo, addressHi] = [args[at.addressLo] as number, args[at.addressHi] as number];
  const [lo, hi] = [args[at.lo] as number, args[at.hi] as number];
  const address = formatHex(joinWords(addressLo, addressHi));
  const frame = (addressHi >>> 0) * HIGH_FRAME_WEIGHT + (addressLo >>> 12);
  if ((addressLo & (DESCRIPTOR_BYTES - 1)) !== 0) return refuse(hv, 'update_descriptor.address', { address });
  met(hv, 'update_descriptor.address');
  if (!ownsPage(hv, frame, vcpu.domain.id)) return refuse(hv, 'update_descriptor.owner', { frame, address });
  met(hv, 'update_descriptor.owner');
  const accepted = acceptedDescriptor(hv, lo, hi);
  const slot = (addressLo & 0xfff) / DESCRIPTOR_BYTES;
  if (accepted === null)
    return refuse(hv, 'descriptor.bad', { frame, slot, descriptor: formatHex(joinWords(lo, hi)) });
  met(hv, 'descriptor.bad');
  const stored = hv.frames.type.get(frame);
  const rc = getPageType(hv, frame, stored === PageType.segDesc ? stored : PageType.writable);
  if (rc !== 0)
    return hv.typeFailure === TypeFailure.mismatch ? refuse(hv, 'update_descriptor.frame', { frame }) : rc;
  met(hv, 'update_descriptor.frame');
  hv.memory.writeWord(mfn(frame), slot * 2, accepted.lo);
  hv.memory.writeWord(mfn(frame), slot * 2 + 1, accepted.hi);
  did(hv, 'write');
  putPageType(hv, frame);
  return 0;
}
