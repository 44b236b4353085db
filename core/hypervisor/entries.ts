/**
 * Entries of live tables: taking the references that a present entry stands for, dropping them, and changing an entry
 * (facts 3.10, 3.11, 2.5). The order of the checks is Xen's, for it decides which error a guest sees.
 */

import { FrameFlag, PageType } from '../machine/frames.ts';
import { A, D, G, GUEST_KERNEL_HI, P, PAT, PCD, PWT, RW, US, entryFrame as frameOf } from '../pte.ts';
import { DOMID, type DomainId, type Mfn } from '../units.ts';
import type { Domain } from '../machine/domain.ts';
import type { Hypervisor } from './hypervisor.ts';
import { checkL1tf } from './l1tf.ts';
import { getLinearPageTable, putLinearPageTable } from './linear.ts';
import { getPage, putPage } from './references.ts';
import { implicitUnmap } from './implicit-unmap.ts';
import { met, refuse } from './refusal.ts';
import type { RuleId } from './rules.ts';
import { did, left, leftVoid } from './trace.ts';
import {
  TOP_L2,
  TypeFailure,
  getPageAndType,
  getPageType,
  putPageAndType,
  putPageType,
} from './type-system.ts';
import { isWithin, linkL2Tables, xenSlots } from './xen-slots.ts';

/** Rules of the things that can be wrong with an upper entry, by level. */
const UPPER_RULES: readonly { readonly flags: RuleId; readonly owner: RuleId; readonly type: RuleId }[] = [
  { flags: 'l1e.flags', owner: 'l1e.owner', type: 'l1e.writable-type' },
  { flags: 'l1e.flags', owner: 'l1e.owner', type: 'l1e.writable-type' },
  { flags: 'l2e.flags', owner: 'l2e.child-owner', type: 'l2e.child-type' },
  { flags: 'l3e.flags', owner: 'l3e.child-owner', type: 'l3e.child-type' },
  { flags: 'l4e.flags', owner: 'l4e.child-owner', type: 'l4e.child-type' },
];

/** Not even the hardware domain may map what lies past the processor's physical addresses (40 bits), or the APIC. */
const PHYSICAL_FRAMES = 2 ** 28;
const LOCAL_APIC_FRAME = 0xfee00;

/** The flag word that Xen stores instead of the guest's, low part; see `adjustedHi`. */
export function adjustedLo(hv: Hypervisor, level: number, lo: number, hi: number): number {
  if ((lo & P) === 0) return lo;
  if (level > 1) return lo | (hv.masks.added[level - 1] as number);
  if (!hv.abi.marksKernelEntries) return lo;
  if ((lo & US) === 0 || (hi & GUEST_KERNEL_HI) !== 0) return lo | US;
  return lo | G;
}

/**
 * The low word of an L1 entry that was accepted, as Xen stores it: frames that are no RAM are mapped uncached where
 * they would be cached (WB, WT and WP become UC).
 */
export function acceptedLo(hv: Hypervisor, lo: number, hi: number): number {
  if (hv.machine.isRam(frameOf(lo, hi)) || !hv.ruleSet.mmioIsUncached) return lo;
  const attributes = lo & (PWT | PCD | PAT);
  const isCached = attributes === 0 || attributes === PWT || attributes === (PWT | PAT);
  return isCached ? (lo & ~PAT) | PWT | PCD : lo;
}

export function adjustedHi(hv: Hypervisor, level: number, lo: number, hi: number): number {
  return hv.abi.marksKernelEntries && level === 1 && (lo & (P | US)) === P ? hi | GUEST_KERNEL_HI : hi;
}

/**
 * Takes what a present L1 entry needs: a reference on the frame, and a writable one if the entry is writable.
 * `mapper` is the domain whose table holds the entry, `pageOwner` the one whose frames may be mapped.
 */
export function getPageFromL1e(
  hv: Hypervisor,
  lo: number,
  hi: number,
  mapper: Domain,
  pageOwner: number,
): number {
  if (hv.tracer === null) return takeL1e(hv, lo, hi, mapper, pageOwner);
  hv.tracer.entered('get_page_from_l1e', {
    level: 1,
    entryLo: lo,
    entryHi: hi,
    frame: frameOf(lo, hi),
    pageOwner,
  });
  return left(hv, takeL1e(hv, lo, hi, mapper, pageOwner));
}

function takeL1e(hv: Hypervisor, lo: number, hi: number, mapper: Domain, pageOwner: number): number {
  if (hasBadL1Flags(hv, lo, hi, mapper))
    return refuse(hv, 'l1e.flags', { level: 1, entryLo: lo, entryHi: hi });
  met(hv, 'l1e.flags');
  const frame = frameOf(lo, hi);
  if (!hv.machine.isRam(frame)) return mapMmio(hv, lo, hi, frame, mapper, pageOwner);
  if (!getPage(hv, frame, pageOwner))
    return refuse(hv, 'l1e.owner', { level: 1, entryLo: lo, entryHi: hi, frame });
  met(hv, 'l1e.owner');
  if ((lo & RW) !== 0) {
    const rc = getPageType(hv, frame, PageType.writable);
    if (rc !== 0) {
      putPage(hv, frame);
      if (hv.typeFailure !== TypeFailure.mismatch) return rc;
      return refuse(hv, 'l1e.writable-type', { level: 1, entryLo: lo, entryHi: hi, frame });
    }
    met(hv, 'l1e.writable-type');
  }
  if (
    (lo & (PWT | PCD | PAT)) !== 0 &&
    hv.ruleSet.xenPagesAreWriteBack &&
    hv.frames.hasFlag(frame, FrameFlag.xenHeap)
  ) {
    if ((lo & RW) !== 0) putPageType(hv, frame);
    putPage(hv, frame);
    return refuse(hv, 'l1e.cache-attributes', { level: 1, entryLo: lo, entryHi: hi, frame });
  }
  met(hv, 'l1e.cache-attributes');
  return 0;
}

/** Drops what an L1 entry held. */
export function putPageFromL1e(hv: Hypervisor, lo: number, hi: number): void {
  if ((lo & P) === 0) return;
  if (hv.tracer !== null)
    hv.tracer.entered('put_page_from_l1e', {
      level: 1,
      entryLo: lo,
      entryHi: hi,
      frame: frameOf(lo, hi),
    });
  dropL1e(hv, lo, hi);
  leftVoid(hv);
}

function dropL1e(hv: Hypervisor, lo: number, hi: number): void {
  if (((lo & hv.masks.grantMarkLo) | (hi & hv.masks.grantMarkHi)) !== 0) implicitUnmap(hv, lo, hi);
  const frame = frameOf(lo, hi);
  if (!hv.machine.isRam(frame)) return;
  if ((lo & RW) !== 0) putPageType(hv, frame);
  putPage(hv, frame);
  did(hv, 'put_page');
}

/** Takes what a present entry of an upper table needs: its child as a table of the level below, or a linear entry. */
export function getPageFromUpper(
  hv: Hypervisor,
  level: number,
  lo: number,
  hi: number,
  table: Mfn,
  slot: number,
): number {
  if (hv.tracer === null) return takeUpper(hv, level, lo, hi, table, slot);
  hv.tracer.entered(`get_page_from_l${level}e`, {
    level,
    entryLo: lo,
    entryHi: hi,
    table,
    slot,
    frame: frameOf(lo, hi),
  });
  return left(hv, takeUpper(hv, level, lo, hi, table, slot));
}

function takeUpper(hv: Hypervisor, level: number, lo: number, hi: number, table: Mfn, slot: number): number {
  const rules = UPPER_RULES[level] as (typeof UPPER_RULES)[number];
  if (
    (lo & (hv.masks.badLo[level - 1] as number)) !== 0 ||
    (hi & (hv.masks.badHi[level - 1] as number)) !== 0
  )
    return refuse(hv, rules.flags, { level, entryLo: lo, entryHi: hi, table });
  met(hv, rules.flags);
  const frame = frameOf(lo, hi);
  const owner = hv.frames.owner.get(table);
  const isTopSlot = slot === hv.abi.topL2Slot && level === hv.abi.rootLevel;
  const rc = getPageAndType(hv, frame, owner, isTopSlot ? TOP_L2 : level - 1, rules.owner);
  if (rc === 0) {
    met(hv, rules.type);
    return 0;
  }
  if (hv.typeFailure === TypeFailure.promotion || hv.typeFailure === TypeFailure.overflow) return rc;
  if (hv.typeFailure === TypeFailure.owner) {
    return refuse(hv, rules.owner, { level, entryLo: lo, entryHi: hi, table, frame });
  }
  if (isTopSlot && hv.frames.type.get(frame) === PageType.l2)
    return refuse(hv, 'l3e.plain-l2', { level, entryLo: lo, entryHi: hi, table, frame });
  if (hv.frames.type.get(frame) === level - 1)
    return refuse(hv, 'l3e.top-l2', { level, entryLo: lo, entryHi: hi, table, frame, slot });
  if (hv.frames.type.get(frame) === level) return getLinearPageTable(hv, level, lo, hi, table, frame);
  return refuse(hv, rules.type, { level, entryLo: lo, entryHi: hi, table, frame, wantedType: level - 1 });
}

export function putPageFromUpper(hv: Hypervisor, level: number, lo: number, hi: number, table: Mfn): void {
  if ((lo & P) === 0) return;
  const frame = frameOf(lo, hi);
  if (hv.tracer !== null)
    hv.tracer.entered(`put_page_from_l${level}e`, { level, entryLo: lo, entryHi: hi, table, frame });
  // A linear entry to its own table holds nothing.
  if (frame !== table) {
    // A child that is in use at the container's own level can only have been linked as a linear entry.
    if (hv.frames.type.get(frame) === level) {
      putLinearPageTable(hv, table, frame);
      did(hv, 'linear');
    }
    putPageAndType(hv, frame);
  }
  leftVoid(hv);
}

/**
 * Changes the L1 entry at a slot of a validated L1 table. `slotWord` is the entry's first word within the table.
 * New references are taken before the old ones are dropped.
 */
export function modL1Entry(
  hv: Hypervisor,
  table: Mfn,
  word: number,
  lo: number,
  hi: number,
  mapper: Domain,
  pageOwner: number,
  preserveAD: boolean,
): number {
  if (hv.tracer === null) return changeL1Entry(hv, table, word, lo, hi, mapper, pageOwner, preserveAD);
  hv.tracer.entered('mod_l1_entry', {
    level: 1,
    table,
    slot: hv.wide ? word >>> 1 : word,
    entryLo: lo,
    entryHi: hi,
    frame: frameOf(lo, hi),
    pageOwner,
  });
  return left(hv, changeL1Entry(hv, table, word, lo, hi, mapper, pageOwner, preserveAD));
}

function changeL1Entry(
  hv: Hypervisor,
  table: Mfn,
  word: number,
  lo: number,
  hi: number,
  mapper: Domain,
  pageOwner: number,
  preserveAD: boolean,
): number {
  const slot = hv.memory.slotOf(table);
  const { memory, masks, wide } = hv;
  const oldLo = memory.readSlotWord(slot, word);
  const oldHi = wide ? memory.readSlotWord(slot, word + 1) : 0;
  if (hv.tracer !== null) hv.tracer.did('read', { oldEntryLo: oldLo, oldEntryHi: oldHi });
  let newLo = lo;
  let newHi = hi;
  if ((lo & P) !== 0) {
    if (hasBadL1Flags(hv, lo, hi, mapper))
      return refuse(hv, 'l1e.flags', { level: 1, entryLo: lo, entryHi: hi, table });
    met(hv, 'l1e.flags');
    newLo = adjustedLo(hv, 1, lo, hi);
    newHi = adjustedHi(hv, 1, lo, hi);
    if (hv.tracer !== null) hv.tracer.did('adjust', { entryLo: newLo, entryHi: newHi });
    const sameReferences =
      (oldLo & P) !== 0 &&
      ((oldLo ^ newLo) & masks.significantL1Lo) === 0 &&
      ((oldHi ^ newHi) & masks.significantL1Hi) === 0;
    if (!sameReferences) {
      const rc = getPageFromL1e(hv, newLo, newHi, mapper, pageOwner);
      if (rc !== 0) return rc;
      newLo = acceptedLo(hv, newLo, newHi);
    }
    if (preserveAD) newLo |= oldLo & (A | D);
    memory.writeSlotWord(slot, word, newLo);
    if (wide) memory.writeSlotWord(slot, word + 1, newHi);
    did(hv, sameReferences ? 'write-flags' : 'write');
    if (sameReferences) return 0;
  } else {
    const unsafe = checkL1tf(hv, mapper, 1, lo, hi);
    if (unsafe !== 0) return unsafe;
    // The old A and D are kept in an entry that is not present, too.
    memory.writeSlotWord(slot, word, preserveAD ? newLo | (oldLo & (A | D)) : newLo);
    if (wide) memory.writeSlotWord(slot, word + 1, newHi);
    did(hv, 'clear');
  }
  putPageFromL1e(hv, oldLo, oldHi);
  return 0;
}

/** Changes an entry of a validated L2, L3 or L4 table of the ABI. */
export function modUpperEntry(
  hv: Hypervisor,
  level: number,
  table: Mfn,
  slot: number,
  lo: number,
  hi: number,
  preserveAD: boolean,
): number {
  if (hv.tracer === null) return changeUpperEntry(hv, level, table, slot, lo, hi, preserveAD);
  const frame = frameOf(lo, hi);
  hv.tracer.entered(`mod_l${level}_entry`, { level, table, slot, entryLo: lo, entryHi: hi, frame });
  return left(hv, changeUpperEntry(hv, level, table, slot, lo, hi, preserveAD));
}

function changeUpperEntry(
  hv: Hypervisor,
  level: number,
  table: Mfn,
  slot: number,
  lo: number,
  hi: number,
  preserveAD: boolean,
): number {
  const row = hv.abi.levels[level - 1];
  if (row === undefined) throw new Error(`mod_entry: ABI ${hv.abi.name} has no tables of level ${level}`);
  if (isWithin(xenSlots(hv, table, row), slot))
    return refuse(hv, level === 2 ? 'l2e.xen-slot' : 'l4e.xen-slot', { table, slot, level });
  if (level !== 3) met(hv, level === 2 ? 'l2e.xen-slot' : 'l4e.xen-slot');
  const isPaeRoot = level === hv.abi.rootLevel && hv.abi.topL2Slot !== null;
  if (isPaeRoot && slot >= (hv.abi.topL2Slot ?? 0))
    return refuse(hv, 'l3e.closed-slot', { table, slot, level });
  if (isPaeRoot) met(hv, 'l3e.closed-slot');
  const { wide } = hv;
  const word = wide ? slot * 2 : slot;
  if ((lo & P) === 0) {
    const domain = hv.machine.domain(hv.frames.owner.get(table) as DomainId);
    const unsafe = domain === undefined ? 0 : checkL1tf(hv, domain, level, lo, hi);
    if (unsafe !== 0) return unsafe;
  }
  const oldLo = hv.memory.readWord(table, word);
  const oldHi = wide ? hv.memory.readWord(table, word + 1) : 0;
  if (hv.tracer !== null) hv.tracer.did('read', { oldEntryLo: oldLo, oldEntryHi: oldHi });
  let newLo = lo;
  let keepsReferences = false;
  if ((lo & P) !== 0) {
    const masks = hv.masks;
    if ((lo & (masks.badLo[level - 1] as number)) !== 0 || (hi & (masks.badHi[level - 1] as number)) !== 0)
      return refuse(hv, (UPPER_RULES[level] as (typeof UPPER_RULES)[number]).flags, {
        level,
        entryLo: lo,
        entryHi: hi,
        table,
      });
    met(hv, (UPPER_RULES[level] as (typeof UPPER_RULES)[number]).flags);
    newLo = adjustedLo(hv, level, lo, hi);
    if (hv.tracer !== null) hv.tracer.did('adjust', { entryLo: newLo, entryHi: hi });
    keepsReferences =
      (oldLo & P) !== 0 &&
      ((oldLo ^ newLo) & (masks.significantLo[level - 1] as number)) === 0 &&
      ((oldHi ^ hi) & (masks.significantHi[level - 1] as number)) === 0;
    if (!keepsReferences) {
      const rc = getPageFromUpper(hv, level, newLo, hi, table, slot);
      if (rc !== 0) return rc;
    }
  }
  if (preserveAD) newLo |= oldLo & (A | D);
  hv.memory.writeWord(table, word, newLo);
  if (wide) hv.memory.writeWord(table, word + 1, hi);
  did(hv, (lo & P) === 0 ? 'clear' : keepsReferences ? 'write-flags' : 'write');
  if (isPaeRoot) linkL2Tables(hv, table);
  if (!keepsReferences) putPageFromUpper(hv, level, oldLo, oldHi, table);
  return 0;
}

const hasBadL1Flags = (hv: Hypervisor, lo: number, hi: number, mapper: Domain): boolean =>
  mapper.role === 'hardware'
    ? ((lo & hv.masks.ioBadL1Lo) | (hi & hv.masks.ioBadL1Hi)) !== 0
    : ((lo & hv.masks.badL1Lo) | (hi & hv.masks.badL1Hi)) !== 0;

/** A frame that is no RAM needs I/O rights and takes no references. */
function mapMmio(
  hv: Hypervisor,
  lo: number,
  hi: number,
  frame: Mfn,
  mapper: Domain,
  pageOwner: number,
): number {
  const facts = { level: 1, entryLo: lo, entryHi: hi, frame };
  if ((lo & ~0xfff) === ~0xfff && (hi & hv.abi.frameMaskHi) === hv.abi.frameMaskHi)
    return refuse(hv, 'l1e.invalid-frame', facts);
  met(hv, 'l1e.invalid-frame');
  // The owner that the request names needs the right, too; DOMID_IO stands for the caller.
  const owner = pageOwner === DOMID.IO ? mapper : hv.machine.domain(pageOwner as DomainId);
  const haveRights = mapper.role === 'hardware' && owner?.role === 'hardware';
  const hasRight = haveRights && frame < PHYSICAL_FRAMES && frame !== LOCAL_APIC_FRAME;
  if (!hasRight) return refuse(hv, 'l1e.mmio', facts);
  met(hv, 'l1e.mmio');
  return 0;
}
