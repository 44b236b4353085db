/**
 * Promotion: validating a frame that is to be a page table (or descriptor page), entry by entry in slot order, taking
 * the references of each; demotion gives them back. Facts 2.6, 3.8, 3.9, 3.12.
 */

import { PageType } from '../machine/frames.ts';
import type { LevelRow } from '../abi/index.ts';
import { A, D, P, RW, US, entryHi, entryLo } from '../pte.ts';
import { type DomainId, type Mfn, mfn } from '../units.ts';
import { validateDescriptors } from './descriptors.ts';
import {
  adjustedHi,
  adjustedLo,
  getPageFromL1e,
  getPageFromUpper,
  putPageFromL1e,
  putPageFromUpper,
} from './entries.ts';
import type { Hypervisor } from './hypervisor.ts';
import { whileValidating } from './refusal.ts';

/** Validates a frame as what its new type says; 0, or the error of the entry that was refused. */
export function promote(hv: Hypervisor, frame: number, type: number): number {
  const table = mfn(frame);
  hv.promotionKeptType = false;
  if (type === PageType.segDesc) return validateDescriptors(hv, table);
  const row = hv.abi.levels[type - 1];
  if (row === undefined) throw new Error(`promote: ABI ${hv.abi.name} has no tables of level ${type}`);
  const domain = hv.machine.domain(hv.frames.owner.get(frame) as DomainId);
  if (domain === undefined) throw new Error(`promote: mfn ${frame.toString(16)} has no owner`);
  const { memory } = hv;
  const slot = memory.slotOf(table);
  const wide = hv.abi.entryBytes === 8;
  for (let i = 0; i < row.slots; i++) {
    if (isXenSlot(row, i)) continue;
    const word = wide ? i * 2 : i;
    const lo = memory.readWord(table, word);
    if ((lo & P) === 0) continue;
    const hi = wide ? memory.readWord(table, word + 1) : 0;
    const rc =
      type === PageType.l1
        ? getPageFromL1e(hv, lo, hi, domain, domain.id)
        : getPageFromUpper(hv, type, lo, hi, table);
    if (rc !== 0) {
      whileValidating(hv, frame, type, i, rc);
      dropEntries(hv, table, row, i);
      hv.promotionKeptType = hv.ruleSet.failedPromotionKeepsType && type !== PageType.l1 && i > 0;
      return rc;
    }
    memory.writeSlotWord(slot, word, adjustedLo(hv, type, lo, hi));
    if (wide) memory.writeSlotWord(slot, word + 1, adjustedHi(hv, type, lo, hi));
  }
  if (row.xenSlots !== null) writeXenSlots(hv, table, row);
  return 0;
}

/** Gives up what the entries of a table hold; its contents stay as they are. */
export function demote(hv: Hypervisor, frame: number, type: number): void {
  const row = hv.abi.levels[type - 1];
  if (row !== undefined) dropEntries(hv, mfn(frame), row, row.slots);
}

/** Drops the references of the guest's entries in the slots below `end`. */
function dropEntries(hv: Hypervisor, table: Mfn, row: LevelRow, end: number): void {
  const wide = hv.abi.entryBytes === 8;
  for (let i = 0; i < end; i++) {
    if (isXenSlot(row, i)) continue;
    const word = wide ? i * 2 : i;
    const lo = hv.memory.readWord(table, word);
    if ((lo & P) === 0) continue;
    const hi = wide ? hv.memory.readWord(table, word + 1) : 0;
    if (row.level === 1) putPageFromL1e(hv, lo, hi);
    else putPageFromUpper(hv, row.level, lo, hi, table);
  }
}

const isXenSlot = (row: LevelRow, slot: number): boolean =>
  row.xenSlots !== null && slot >= row.xenSlots.from && slot <= row.xenSlots.to;

/**
 * Xen's own mappings in a root: the M2P window, the linear mapping of the table itself, and Xen's private areas, which
 * guests cannot use (supervisor entries to an empty table of Xen's). Offsets within the slots: facts 1.4, 2.6.
 */
function writeXenSlots(hv: Hypervisor, table: Mfn, row: LevelRow): void {
  const slots = row.xenSlots;
  if (slots === null) return;
  for (const { offset, holds } of XEN_SLOTS[hv.abi.entryBytes]) {
    const slot = slots.from + offset;
    if (holds === 'm2p') {
      const { lo, hi } = hv.machine.m2pRootEntry;
      writeXenEntry(hv, table, slot, hv.abi.kernelInRing3 ? 0 : lo, hv.abi.kernelInRing3 ? 0 : hi);
    } else if (holds === 'self') {
      writeXenEntry(hv, table, slot, entryLo(table, P | RW | A | D), entryHi(table, 0));
    } else if (holds === 'xen') {
      const { xenPrivateTable } = hv.machine;
      writeXenEntry(hv, table, slot, entryLo(xenPrivateTable, P | RW | A | D), entryHi(xenPrivateTable, 0));
    } else writeXenEntry(hv, table, slot, 0, 0);
  }
}

/** Shows the M2P in a root that becomes a kernel root (x86_64; facts 2.5). It stays there afterwards. */
export function fillM2pSlot(hv: Hypervisor, root: Mfn): void {
  const slots = hv.abi.levels[hv.abi.rootLevel - 1]?.xenSlots ?? null;
  if (slots === null || !hv.abi.kernelInRing3) return;
  writeXenEntry(hv, root, slots.from, hv.machine.m2pRootEntry.lo | US, hv.machine.m2pRootEntry.hi);
}

/** Hides the M2P from a root that becomes a user root under the assist m2p_strict. */
export function zapM2pSlot(hv: Hypervisor, root: Mfn): void {
  const slots = hv.abi.levels[hv.abi.rootLevel - 1]?.xenSlots ?? null;
  if (slots !== null && hv.abi.kernelInRing3) writeXenEntry(hv, root, slots.from, 0, 0);
}

function writeXenEntry(hv: Hypervisor, table: Mfn, slot: number, lo: number, hi: number): void {
  const wide = hv.abi.entryBytes === 8;
  hv.memory.writeWord(table, wide ? slot * 2 : slot, lo);
  if (wide) hv.memory.writeWord(table, slot * 2 + 1, hi);
}

type XenSlot = { readonly offset: number; readonly holds: 'm2p' | 'self' | 'xen' | 'nothing' };

/** What Xen's slots hold, by entry size: the 2-level page directory, and the x86_64 L4. */
const XEN_SLOTS: { readonly [bytes in 4 | 8]: readonly XenSlot[] } = {
  4: Array.from({ length: 16 }, (_, offset) => ({
    offset,
    holds: offset === 0 ? 'm2p' : offset === 8 ? 'self' : 'xen',
  })),
  8: Array.from({ length: 16 }, (_, offset) => ({
    offset,
    holds: offset === 0 ? 'm2p' : offset === 2 ? 'self' : offset === 3 || offset > 6 ? 'nothing' : 'xen',
  })),
};
