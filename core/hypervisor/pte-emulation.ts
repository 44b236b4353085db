/**
 * Writable page tables: a store of the guest kernel to a read-only mapping of one of its L1 tables is carried out by
 * Xen as a checked update, for a domain with the assist, and always for the hardware domain. Facts 7.4; L2 to L4
 * tables are never emulated, and a store that the checks refuse is an ordinary page fault for the guest.
 */

import { FrameFlag, PageType } from '../machine/frames.ts';
import { FAULT_FETCH, FAULT_PRESENT, FAULT_WRITE } from '../machine/mmu.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { P, RW } from '../pte.ts';
import type { Mfn } from '../units.ts';
import { acceptedLo, adjustedHi, adjustedLo, getPageFromL1e, putPageFromL1e } from './entries.ts';
import type { Hypervisor } from './hypervisor.ts';
import { checkL1tf } from './l1tf.ts';
import { ownsPage } from './references.ts';
import { did, leftVoid } from './trace.ts';

export const VMASST_WRITABLE_PAGETABLES = 2;

/** Carries out the faulting store if it is one that Xen emulates; false when the guest must get the fault. */
export function emulatePteWrite(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { fault } = vcpu.mmu;
  const { domain } = vcpu;
  const isProtectionWrite =
    (fault.errorCode & (FAULT_PRESENT | FAULT_WRITE | FAULT_FETCH)) === (FAULT_PRESENT | FAULT_WRITE);
  const isOn = domain.role === 'hardware' || domain.hasAssist(VMASST_WRITABLE_PAGETABLES);
  if (!isProtectionWrite || vcpu.inUserMode || !isOn || !isEmulatedWidth(hv, vcpu)) return false;
  const walk = vcpu.mmu.probe(fault.vaLo, fault.vaHi);
  // Only the last entry's own RW counts: a table may also be written to through tables that are read-only themselves.
  if (walk.end !== 'page' || walk.level !== 1 || ((walk.los[0] as number) & RW) !== 0) return false;
  const table = walk.frame;
  const isL1InUse =
    ownsPage(hv, table, domain.id) &&
    hv.frames.type.get(table) === PageType.l1 &&
    hv.frames.typeCount.get(table) !== 0 &&
    hv.frames.hasFlag(table, FrameFlag.validated);
  if (!isL1InUse) return false;
  if (hv.tracer === null) return storeEntry(hv, vcpu, table);
  const slot = Math.floor((fault.vaLo & 0xfff) / hv.abi.entryBytes);
  hv.tracer.entered('pv_ro_page_fault', { addressLo: fault.vaLo, addressHi: fault.vaHi, table, slot });
  const isDone = storeEntry(hv, vcpu, table);
  leftVoid(hv);
  return isDone;
}

/** One naturally aligned write of at most an entry. */
function isEmulatedWidth(hv: Hypervisor, vcpu: Vcpu): boolean {
  const { bytes, vaLo } = vcpu.mmu.fault;
  return bytes > 0 && bytes <= hv.abi.entryBytes && (vaLo & (bytes - 1)) === 0;
}

function storeEntry(hv: Hypervisor, vcpu: Vcpu, table: Mfn): boolean {
  const { fault } = vcpu.mmu;
  const { entryBytes } = hv.abi;
  const word = (fault.vaLo & 0xfff & -entryBytes) >>> 2;
  const oldLo = hv.memory.readWord(table, word);
  const oldHi = entryBytes === 8 ? hv.memory.readWord(table, word + 1) : 0;
  const within = fault.vaLo & (entryBytes - 1);
  let lo = within < 4 ? merged(oldLo, within, fault.bytes, fault.lo) : oldLo;
  let hi =
    within >= 4 ? merged(oldHi, within - 4, fault.bytes, fault.lo) : fault.bytes === 8 ? fault.hi : oldHi;
  if (hv.tracer !== null)
    hv.tracer.did('merge', { level: 1, entryLo: lo, entryHi: hi, oldEntryLo: oldLo, oldEntryHi: oldHi });
  if ((lo & P) === 0) {
    if (checkL1tf(hv, vcpu.domain, 1, lo, hi) !== 0) return true;
  } else if (takeReferences(hv, vcpu, lo, hi)) {
    [lo, hi] = [acceptedLo(hv, adjustedLo(hv, 1, lo, hi), hi), adjustedHi(hv, 1, lo, hi)];
  } else if (isUpperHalfFirst(hv, vcpu, within)) {
    hv.pending = null;
    lo &= ~P;
    did(hv, 'upper-half');
  } else {
    did(hv, 'refused');
    return false;
  }
  if (fault.expected !== null && !holdsExpected(vcpu, within, oldLo, oldHi)) {
    // As the processor's own cmpxchg: nothing is stored, and the guest sees what is there.
    putPageFromL1e(hv, lo, hi);
    did(hv, 'mismatch');
    return true;
  }
  hv.memory.writeWord(table, word, lo);
  if (entryBytes === 8) hv.memory.writeWord(table, word + 1, hi);
  did(hv, 'write');
  putPageFromL1e(hv, oldLo, oldHi);
  hv.observer?.pteWriteEmulated?.(vcpu, table, entryBytes === 8 ? word >>> 1 : word, lo, hi);
  return true;
}

function takeReferences(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): boolean {
  hv.pending = null;
  hv.caller = vcpu.domain.id;
  hv.requestIndex = -1;
  return getPageFromL1e(hv, lo, hi, vcpu.domain, vcpu.domain.id) === 0;
}

/**
 * A 32-bit guest that writes the upper half of an 8-byte entry while the lower half is present has got the order
 * wrong: Xen takes P away and expects the lower half next.
 */
const isUpperHalfFirst = (hv: Hypervisor, vcpu: Vcpu, within: number): boolean =>
  hv.abi.wordBytes === 4 && within === 4 && vcpu.mmu.fault.bytes === 4 && vcpu.mmu.fault.expected === null;

/** Compares the old entry with what a compare-exchange expects; the old value is left in `mmu.lo` and `mmu.hi`. */
function holdsExpected(vcpu: Vcpu, within: number, oldLo: number, oldHi: number): boolean {
  const { mmu } = vcpu;
  const { bytes, expected } = mmu.fault;
  if (expected === null) return true;
  const mask = bytes >= 4 ? -1 : (1 << (bytes * 8)) - 1;
  mmu.lo = ((within >= 4 ? oldHi : oldLo) >>> ((within & 3) * 8)) & mask;
  mmu.hi = bytes === 8 ? oldHi : 0;
  return ((mmu.lo ^ expected.lo) & mask) === 0 && (bytes < 8 || oldHi === expected.hi);
}

/** A word with `bytes` bytes at an offset replaced. */
function merged(old: number, offset: number, bytes: number, value: number): number {
  if (bytes >= 4) return value;
  const mask = (bytes === 1 ? 0xff : 0xffff) << (offset * 8);
  return (old & ~mask) | ((value << (offset * 8)) & mask);
}
