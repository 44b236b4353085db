/**
 * Xen's own mappings in guest tables: the M2P window, the linear mapping of the table itself, and Xen's private areas,
 * which guests cannot use (supervisor entries to an empty table of Xen's). They stand in the root or, for PAE, in the
 * L2 of the root's last slot. What each slot holds is a row of the ABI. Facts 1.4, 2.5, 2.6, 2.8.
 */

import type { LevelRow, XenSlots } from '../abi/index.ts';
import { FrameFlag, xenSlotsOf } from '../machine/frames.ts';
import { A, D, P, RW, US, entryFrame, entryHi, entryLo } from '../pte.ts';
import type { DomainId, Mfn } from '../units.ts';
import { entryWord } from '../walk.ts';
import type { Hypervisor } from './hypervisor.ts';

/** VMASST_TYPE_m2p_strict. */
const M2P_STRICT = 32;
const XEN_FLAGS = P | RW | A | D;

/** Xen's slots of a table; null when it has none. */
export const xenSlots = (hv: Hypervisor, table: Mfn, row: LevelRow): XenSlots | null =>
  xenSlotsOf(hv.frames, table, row);

export const isWithin = (slots: XenSlots | null, slot: number): boolean =>
  slots !== null && slot >= slots.from && slot <= slots.to;

/** Writes Xen's slots of a table that has just been validated. */
export function writeXenSlots(hv: Hypervisor, table: Mfn, slots: XenSlots): void {
  const { abi, machine } = hv;
  // Where user mode has roots of its own, the M2P comes when the table becomes a kernel root; with the assist, now.
  const showsM2p = !abi.kernelInRing3 || hasM2pStrict(hv, table);
  for (let slot = slots.from, m2p = 0; slot <= slots.to; slot++) {
    switch (abi.xenSlotContents[slot - slots.from] ?? 'nothing') {
      case 'm2p': {
        const entry = showsM2p ? machine.m2pEntries[m2p++] : undefined;
        writeEntry(hv, table, slot, entry?.lo ?? 0, entry?.hi ?? 0);
        break;
      }
      case 'self':
        writeEntry(hv, table, slot, entryLo(table, XEN_FLAGS), entryHi(table, 0));
        break;
      case 'xen':
        writeEntry(
          hv,
          table,
          slot,
          entryLo(machine.xenPrivateTable, XEN_FLAGS),
          entryHi(machine.xenPrivateTable, 0),
        );
        break;
      case 'l2s':
      case 'nothing':
        writeEntry(hv, table, slot, 0, 0);
    }
  }
}

/**
 * A 32-bit Xen shows itself the L2 tables of a PAE root through its linear page table, in the top L2: to be called
 * when the root was validated or one of its entries has changed.
 */
export function linkL2Tables(hv: Hypervisor, root: Mfn): void {
  const { abi, memory } = hv;
  const first = abi.xenSlotContents.indexOf('l2s');
  const slots = abi.levels[1]?.xenSlots ?? null;
  if (first < 0 || slots === null || abi.topL2Slot === null) return;
  const entryAt = (slot: number): readonly [number, number] => [
    memory.readWord(root, entryWord(abi, slot)),
    memory.readWord(root, entryWord(abi, slot) + 1),
  ];
  const topL2 = entryFrame(...entryAt(abi.topL2Slot));
  for (let slot = 0; slot <= abi.topL2Slot; slot++) {
    const [lo, hi] = entryAt(slot);
    const frame = entryFrame(lo, hi);
    const isPresent = (lo & P) !== 0;
    writeEntry(
      hv,
      topL2,
      slots.from + first + slot,
      isPresent ? entryLo(frame, XEN_FLAGS) : 0,
      isPresent ? entryHi(frame, 0) : 0,
    );
  }
}

/** Shows the M2P in a root that becomes a kernel root (x86_64; facts 2.5, 3.18). It stays there afterwards. */
export function fillM2pSlot(hv: Hypervisor, root: Mfn): void {
  const [entry] = hv.machine.m2pEntries;
  const slots = rootSlots(hv);
  if (slots === null || entry === undefined || hasM2pStrict(hv, root)) return;
  writeEntry(hv, root, slots.from, entry.lo | US, entry.hi);
}

/** Hides the M2P from a root that becomes a user root under the assist m2p_strict. */
export function zapM2pSlot(hv: Hypervisor, root: Mfn): void {
  const slots = rootSlots(hv);
  if (slots !== null && hasM2pStrict(hv, root)) writeEntry(hv, root, slots.from, 0, 0);
}

const hasM2pStrict = (hv: Hypervisor, root: Mfn): boolean =>
  hv.machine.domain(hv.frames.owner.get(root) as DomainId)?.hasAssist(M2P_STRICT) === true;

/** Xen's slots of a root whose kernel and user mode have roots of their own; null on the 32-bit ABIs. */
function rootSlots(hv: Hypervisor): XenSlots | null {
  return hv.abi.kernelInRing3 ? (hv.abi.levels[hv.abi.rootLevel - 1]?.xenSlots ?? null) : null;
}

/** Whether a table is marked as the L2 of a PAE root's last slot. */
export const isTopL2 = (hv: Hypervisor, table: number): boolean =>
  (hv.frames.flags.get(table) & FrameFlag.paeXenL2) !== 0;

function writeEntry(hv: Hypervisor, table: Mfn, slot: number, lo: number, hi: number): void {
  const word = entryWord(hv.abi, slot);
  hv.memory.writeWord(table, word, lo);
  if (hv.wide) hv.memory.writeWord(table, word + 1, hi);
}
