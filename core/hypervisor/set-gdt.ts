/** HYPERVISOR_set_gdt (2): the frames of the guest's GDT, which become descriptor pages. Facts 8.3. */

import { PageType } from '../machine/frames.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { type Mfn, mfn } from '../units.ts';
import { DESCRIPTORS_PER_PAGE, GUEST_GDT_ENTRIES } from './descriptors.ts';
import { readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { did, left } from './trace.ts';
import { TypeFailure, getPageAndType, putPageAndType } from './type-system.ts';

const HIGH_WORD_WEIGHT = 0x1_0000_0000;

export function setGdt(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const addressLo = args[0] as number;
  const addressHi = args[1] as number;
  const entries = (args[2] as number) >>> 0;
  if (entries > GUEST_GDT_ENTRIES) return refuse(hv, 'set_gdt.entries', { entries });
  met(hv, 'set_gdt.entries');
  const frames: number[] = [];
  for (let i = 0; i < Math.ceil(entries / DESCRIPTORS_PER_PAGE); i++) {
    const { wordBytes } = hv.abi;
    if (!readField(vcpu, addressLo, addressHi, { offset: i * wordBytes, bytes: wordBytes }))
      return refuse(hv, 'set_gdt.list', { addressLo, addressHi });
    met(hv, 'set_gdt.list');
    frames.push((vcpu.mmu.hi >>> 0) * HIGH_WORD_WEIGHT + (vcpu.mmu.lo >>> 0));
  }
  return installGdt(hv, vcpu, frames);
}

/** Makes the frames the vCPU's GDT; 0, or the error with the old GDT kept. */
export function installGdt(hv: Hypervisor, vcpu: Vcpu, frames: readonly number[]): number {
  if (hv.tracer !== null) hv.tracer.entered('pv_set_gdt', { frames: frames.length });
  return left(hv, changeGdt(hv, vcpu, frames));
}

function changeGdt(hv: Hypervisor, vcpu: Vcpu, frames: readonly number[]): number {
  const taken: Mfn[] = [];
  for (const frame of frames) {
    const rc = getPageAndType(hv, frame, vcpu.domain.id, PageType.segDesc);
    if (rc !== 0) {
      for (const each of taken) putPageAndType(hv, each);
      return hv.typeFailure === TypeFailure.promotion ? rc : refuse(hv, 'set_gdt.frame', { frame });
    }
    met(hv, 'set_gdt.frame');
    taken.push(mfn(frame));
  }
  for (const old of hv.extras.gdtFrames(vcpu)) putPageAndType(hv, old);
  hv.extras.setGdtFrames(vcpu, taken);
  hv.tlb.flushVcpu(vcpu);
  did(hv, 'load');
  return 0;
}
