/**
 * Descriptor pages: what Xen accepts in a page that becomes part of a GDT or LDT, and how it changes it in place
 * (facts 3.8, 8.3 "descriptor rule"). Bits of the high word: 15 present, 14:13 DPL, 12 code or data, 11:8 type, 21 L.
 */

import { type Mfn, PAGE_SIZE, formatHex, joinWords } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { refuse } from './refusal.ts';

const PRESENT = 0x8000;
const CODE_OR_DATA = 0x1000;
const DPL_SHIFT = 13;
const DPL_MASK = 3 << DPL_SHIFT;
const TYPE_MASK = 0xf00;
const CALL_GATE = 0xc00;
const LONG_MODE = 1 << 21;
const DESCRIPTOR_BYTES = 8;

/** Checks and adjusts every descriptor of a page; 0 or -EINVAL. */
export function validateDescriptors(hv: Hypervisor, frame: Mfn): number {
  for (let i = 0; i < PAGE_SIZE / DESCRIPTOR_BYTES; i++) {
    const lo = hv.memory.readWord(frame, i * 2);
    const hi = hv.memory.readWord(frame, i * 2 + 1);
    if (!isAccepted(hv, hi))
      return refuse(hv, 'descriptor.bad', { frame, slot: i, descriptor: formatHex(joinWords(lo, hi)) });
    if ((hi & PRESENT) === 0) continue;
    if ((hi & CODE_OR_DATA) !== 0) hv.memory.writeWord(frame, i * 2 + 1, withKernelDpl(hv, hi));
    else if ((hi & TYPE_MASK) === CALL_GATE) {
      // A call gate is emulated: the processor must fault on it, and the selector keeps its DPL.
      hv.memory.writeWord(frame, i * 2, (lo & ~(3 << 16)) | (((hi & DPL_MASK) >>> DPL_SHIFT) << 16));
      hv.memory.writeWord(frame, i * 2 + 1, hi & ~DPL_MASK);
    }
  }
  return 0;
}

function isAccepted(hv: Hypervisor, hi: number): boolean {
  if ((hi & PRESENT) === 0) return true;
  if ((hi & CODE_OR_DATA) !== 0) return hv.abi.wordBytes === 8 || (hi & LONG_MODE) === 0;
  const type = hi & TYPE_MASK;
  return type === 0 || type === CALL_GATE;
}

function withKernelDpl(hv: Hypervisor, hi: number): number {
  const dpl = (hi & DPL_MASK) >>> DPL_SHIFT;
  const least = hv.abi.selectors.kernelRpl;
  return dpl >= least ? hi : (hi & ~DPL_MASK) | (least << DPL_SHIFT);
}
