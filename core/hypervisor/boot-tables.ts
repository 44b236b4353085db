/**
 * The bootstrap page tables, written as the domain builder writes them: as plain memory, before the frames are tables.
 * Page-table pages are mapped read-only, all others writable (facts 6.3).
 */

import type { Abi, LevelRow } from '../abi/index.ts';
import type { PhysicalMemory } from '../machine/memory.ts';
import { RW, entryHi, entryLo } from '../pte.ts';
import { type Mfn, PAGE_SIZE, highWord, lowWord, mfn } from '../units.ts';
import { entryWord, slotOf } from '../walk.ts';
import type { BootLayout } from './boot-layout.ts';

/**
 * Writes the tables and returns the root's frame.
 * @param mfns the domain's frames by PFN; pages past its end stay unmapped.
 */
export function writeBootTables(
  memory: PhysicalMemory,
  abi: Abi,
  layout: BootLayout,
  mfns: Uint32Array,
): Mfn {
  const firsts = firstPfns(layout);
  for (let index = 0; index < abi.levels.length; index++) {
    const row = abi.levels[index] as LevelRow;
    const children =
      row.level === 1 ? Math.min(layout.mappedPages, mfns.length) : (layout.tables[index - 1] ?? 0);
    const firstChild = row.level === 1 ? 0 : (firsts[index - 1] as number);
    for (let i = 0; i < children; i++) {
      const pfn = firstChild + i;
      const { table, slot } = placeOf(abi, row, i, firsts[index] as number, mfns);
      const isReadOnly = row.level === 1 && isTable(layout, pfn);
      const flags = isReadOnly ? row.builderFlags & ~RW : row.builderFlags;
      const child = mfn(mfns[pfn] as number);
      const word = entryWord(abi, slot);
      memory.writeWord(table, word, entryLo(child, flags));
      if (abi.entryBytes === 8) memory.writeWord(table, word + 1, entryHi(child, 0));
    }
  }
  return mfn(mfns[layout.tablesPfn] as number);
}

const isTable = (layout: BootLayout, pfn: number): boolean =>
  pfn >= layout.tablesPfn && pfn < layout.tablesPfn + layout.tablePages;

/** PFN of the first table of each level, by level - 1: the root comes first. */
function firstPfns(layout: BootLayout): number[] {
  const firsts: number[] = [];
  let pfn = layout.tablesPfn;
  for (let index = layout.tables.length - 1; index >= 0; index--) {
    firsts[index] = pfn;
    pfn += layout.tables[index] as number;
  }
  return firsts;
}

/** The table and slot of the `i`-th child that a level holds, counted from virtBase. */
function placeOf(
  abi: Abi,
  row: LevelRow,
  i: number,
  firstPfn: number,
  mfns: Uint32Array,
): { table: Mfn; slot: number } {
  const base = (abi.virtBase >> BigInt(row.shift)) << BigInt(row.shift);
  const va = base + BigInt(i) * 2n ** BigInt(row.shift);
  const slot = slotOf(row, lowWord(va), highWord(va));
  const firstSlot = slotOf(row, lowWord(abi.virtBase), highWord(abi.virtBase));
  const table = Math.floor((firstSlot + i) / row.slots);
  return { table: mfn(mfns[firstPfn + table] as number), slot };
}

/** Largest region, in pages, that a boot mapping from virtBase can have. */
export function largestRegion(abi: Abi): number {
  const top = 2n ** BigInt(abi.wordBytes * 8);
  const end = abi.xenHole.from > abi.virtBase ? abi.xenHole.from : top;
  return Number((end - abi.virtBase) / BigInt(PAGE_SIZE));
}
