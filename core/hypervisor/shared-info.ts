/** The shared info page of a domain, as Xen reads and writes it: through its machine frame (facts 6.6). */

import type { Field } from '../abi/index.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import type { Mfn } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';

/** Stores the address of a page fault where the guest looks for it. */
export function setGuestCr2(hv: Hypervisor, vcpu: Vcpu, vaLo: number, vaHi: number): void {
  const frame = frameOf(vcpu);
  const at = (vcpu.id * hv.abi.sharedInfo.vcpuInfoBytes + hv.abi.sharedInfo.cr2.offset) >>> 2;
  hv.memory.writeWord(frame, at, vaLo);
  if (hv.abi.sharedInfo.cr2.bytes === 8) hv.memory.writeWord(frame, at + 1, vaHi);
}

/** evtchn_upcall_mask: 1 while the guest takes no events. */
export const upcallMask = (hv: Hypervisor, vcpu: Vcpu): number =>
  hv.memory.readByte(frameOf(vcpu), byteOf(hv, vcpu, hv.abi.sharedInfo.upcallMask));

export const setUpcallMask = (hv: Hypervisor, vcpu: Vcpu, value: 0 | 1): void =>
  hv.memory.writeBytes(frameOf(vcpu), byteOf(hv, vcpu, hv.abi.sharedInfo.upcallMask), Uint8Array.of(value));

export const upcallPending = (hv: Hypervisor, vcpu: Vcpu): boolean =>
  hv.memory.readByte(frameOf(vcpu), byteOf(hv, vcpu, hv.abi.sharedInfo.upcallPending)) !== 0;

const byteOf = (hv: Hypervisor, vcpu: Vcpu, field: Field): number =>
  vcpu.id * hv.abi.sharedInfo.vcpuInfoBytes + field.offset;

function frameOf(vcpu: Vcpu): Mfn {
  const { layout } = vcpu.domain;
  if (layout === null) throw new Error(`shared_info: ${vcpu.name} has not been built`);
  return layout.sharedInfo;
}
