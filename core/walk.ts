/**
 * The page walk, written once: what the processor does with a virtual address, without side effects. The software TLB
 * builds on it (and sets A and D afterwards), and so do the debugger's reads and the views.
 *
 * At each level, from the root down, `shift` and `slots` of the ABI's row give the slot:
 *
 *   x86_64   47:39 L4 · 38:30 L3 · 29:21 L2 · 20:12 L1      (facts 2.1)
 *   PAE                  31:30 L3 · 29:21 L2 · 20:12 L1
 *   2-level  31:22 L2 · 21:12 L1
 *
 * A not-present entry ends the walk. Rights are the intersection over the levels that have them (the root entries of
 * a processor in PAE mode have none); NX is their union. An entry with PSE ends it as a superpage where the ABI's row
 * says that the level has them.
 */

import type { Abi, LevelRow } from './abi/index.ts';
import type { PhysicalMemory } from './machine/memory.ts';
import { NX_HI, P, PSE, RW, US, entryFrame } from './pte.ts';
import { type Mfn, mfn } from './units.ts';

/** How a walk ended. `noMemory`: an entry names a table in a frame that is no machine memory. */
export type WalkEnd = 'page' | 'notPresent' | 'noMemory';

/** The reusable result of a walk; arrays are indexed by level - 1 and valid from `rootLevel` down to `level`. */
export class WalkRecord {
  readonly tables: Mfn[] = [mfn(0), mfn(0), mfn(0), mfn(0)];
  readonly slots = new Int32Array(4);
  readonly los = new Int32Array(4);
  readonly his = new Int32Array(4);
  end: WalkEnd = 'notPresent';
  /** The level at which the walk ended. */
  level = 1;
  /** For `page`: the frame that holds the address. */
  frame: Mfn = mfn(0);
  writable = false;
  user = false;
  executable = false;
}

/** The slot that an address selects in a table of this level. */
export function slotOf(row: LevelRow, vaLo: number, vaHi: number): number {
  const bits = row.shift < 32 ? (vaHi << (32 - row.shift)) | (vaLo >>> row.shift) : vaHi >>> (row.shift - 32);
  return bits & (row.slots - 1);
}

/** Whether bits 63:47 of the address are equal, as x86_64 demands; always so for 32-bit addresses. */
export const isCanonical = (abi: Abi, vaHi: number): boolean =>
  abi.wordBytes === 4 || vaHi >> 15 === 0 || vaHi >> 15 === -1;

/** The first word of an entry within its table's frame. */
export const entryWord = (abi: Abi, slot: number): number => (abi.entryBytes === 8 ? slot * 2 : slot);

export function walk(
  memory: PhysicalMemory,
  abi: Abi,
  root: Mfn,
  vaLo: number,
  vaHi: number,
  into: WalkRecord,
): WalkEnd {
  let table = root;
  into.writable = true;
  into.user = true;
  into.executable = true;
  for (let index = abi.levels.length - 1; index >= 0; index--) {
    const row = abi.levels[index] as LevelRow;
    into.level = row.level;
    if (!memory.has(table)) return (into.end = 'noMemory');
    const slot = slotOf(row, vaLo, vaHi);
    const word = entryWord(abi, slot);
    const lo = memory.readWord(table, word);
    const hi = abi.entryBytes === 8 ? memory.readWord(table, word + 1) : 0;
    into.tables[index] = table;
    into.slots[index] = slot;
    into.los[index] = lo;
    into.his[index] = hi;
    if ((lo & P) === 0) return (into.end = 'notPresent');
    if (row.hasRights) {
      if ((lo & RW) === 0) into.writable = false;
      if ((lo & US) === 0) into.user = false;
      if ((hi & NX_HI) !== 0) into.executable = false;
    }
    const frame = entryFrame(lo, hi);
    if (index === 0) into.frame = frame;
    else if (row.superpages && (lo & PSE) !== 0) {
      // The entry names the superpage's first frame (its low bits are reserved); the address adds the rest.
      const inside = ((vaHi << 20) | (vaLo >>> 12)) & ((1 << (row.shift - 12)) - 1);
      into.frame = mfn(frame - (frame % (1 << (row.shift - 12))) + inside);
      return (into.end = 'page');
    }
    table = frame;
  }
  return (into.end = 'page');
}
