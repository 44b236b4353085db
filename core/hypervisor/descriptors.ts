/**
 * Segment descriptors: what Xen accepts in a page that is part of a GDT or LDT, and how it changes it in place (facts
 * 3.8, 8.3 "descriptor rule"). Two words:
 *
 *   lo   15:0 limit   31:16 base; of a call gate 15:0 offset, 31:16 selector of the target
 *   hi   7:0 base   11:8 type   12 code or data   14:13 DPL   15 present   19:16 limit   21 L   23 G   31:24 base
 */

import { type Mfn, PAGE_SIZE, formatHex, joinWords } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

export const DESCRIPTOR_BYTES = 8;
export const DESCRIPTORS_PER_PAGE = PAGE_SIZE / DESCRIPTOR_BYTES;
/** Entries of a GDT that are the guest's; Xen's own follow (facts 9.5). */
export const GUEST_GDT_ENTRIES = 7168;

export const PRESENT = 0x8000;
export const CODE_OR_DATA = 0x1000;
const DPL_SHIFT = 13;
const DPL_MASK = 3 << DPL_SHIFT;
const TYPE_MASK = 0xf00;
const CALL_GATE = 0xc00;
const LONG_MODE = 1 << 21;
const GRANULAR = 1 << 23;
const LIMIT_HI = 0x000f_0000;
const LIMIT_LO = 0xffff;
/** Bits of a call gate's high word that must be 0: of a 64-bit guest all up to the type, else the reserved ones. */
const GATE_RESERVED = { 8: 0xff, 4: 0xe0 } as const;
/** In a selector: it names an entry of the LDT. */
export const SELECTOR_LDT = 4;
const RPL = 3;

/** A descriptor as Xen stores it. */
export interface Descriptor {
  readonly lo: number;
  readonly hi: number;
}

/** The descriptor as Xen would store it in a page in use; null when it refuses it. */
export function acceptedDescriptor(hv: Hypervisor, lo: number, hi: number): Descriptor | null {
  if ((hi & PRESENT) === 0) return { lo, hi };
  const dpl = Math.max((hi & DPL_MASK) >>> DPL_SHIFT, hv.abi.selectors.kernelRpl);
  const raised = (hi & ~DPL_MASK) | (dpl << DPL_SHIFT);
  if ((hi & CODE_OR_DATA) !== 0) return acceptedSegment(hv, lo, raised);
  const type = hi & TYPE_MASK;
  // The second half of a 16-byte call gate; harmless by itself.
  if (type === 0) return { lo, hi };
  if (type !== CALL_GATE || !mayBeGateTarget(hv, lo >>> 16)) return null;
  if ((hi & GATE_RESERVED[hv.abi.wordBytes]) !== 0) return null;
  // A call gate is emulated: with DPL 0 the processor faults on it, and the selector keeps what DPL it had.
  return { lo: (lo & ~(RPL << 16)) | (dpl << 16), hi: hi & ~DPL_MASK };
}

/** Checks and adjusts every descriptor of a page; 0 or -EINVAL. */
export function validateDescriptors(hv: Hypervisor, frame: Mfn): number {
  for (let slot = 0; slot < DESCRIPTORS_PER_PAGE; slot++) {
    const lo = hv.memory.readWord(frame, slot * 2);
    const hi = hv.memory.readWord(frame, slot * 2 + 1);
    const accepted = acceptedDescriptor(hv, lo, hi);
    if (accepted === null)
      return refuse(hv, 'descriptor.bad', { frame, slot, descriptor: formatHex(joinWords(lo, hi)) });
    hv.memory.writeWord(frame, slot * 2, accepted.lo);
    hv.memory.writeWord(frame, slot * 2 + 1, accepted.hi);
  }
  met(hv, 'descriptor.bad');
  return 0;
}

/** Code and data segments are free in base and limit, but a 32-bit guest has no 64-bit code. */
function acceptedSegment(hv: Hypervisor, lo: number, hi: number): Descriptor | null {
  if (hv.abi.wordBytes === 8) return { lo, hi };
  if ((hi & LONG_MODE) !== 0) return null;
  const base = (hi & 0xff00_0000) | ((hi & 0xff) << 16) | (lo >>> 16);
  const pages = ((hi & LIMIT_HI) | (lo & LIMIT_LO)) + 1;
  const limit = (hi & GRANULAR) !== 0 ? pages * PAGE_SIZE : pages;
  // A flat segment of a guest made for a smaller hole reaches the whole M2P of a 64-bit Xen.
  const isExtended = base === 0 && hv.abi.segmentLimit === null && limit > Number(hv.abi.xenHole.from);
  return isExtended ? { lo: lo | LIMIT_LO, hi: hi | LIMIT_HI } : { lo, hi };
}

/** A call gate may lead to a segment of the guest's, or to the flat code segment that Xen gives its kernel. */
const mayBeGateTarget = (hv: Hypervisor, selector: number): boolean =>
  selector >>> 3 < GUEST_GDT_ENTRIES ||
  selector === hv.abi.selectors.kernelCs ||
  (selector & SELECTOR_LDT) !== 0;
