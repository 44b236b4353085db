/**
 * Everything that refers to a frame: what its two counts count, one by one. When Xen refuses to give a frame another
 * type because its type count is not zero, these are what stands in the way. The same rules as those of the audit.
 */

import type { LevelRow } from '../abi/index.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { FrameFlag, PageType, xenSlotsOf } from '../machine/frames.ts';
import { describeFlags, entryFrame, isPresent, isWritable } from '../pte.ts';
import { type Level, type Mfn, formatFrame, formatHex, joinWords, mfn } from '../units.ts';
import { readEntry } from './tables.ts';

export interface Reference {
  /** What refers, in words. */
  readonly text: string;
  /** It counts as a use of the frame's type, beside keeping the frame allocated. */
  readonly usesType: boolean;
  /** How many references it is. */
  readonly count: number;
  /** For an entry of a page table: where it is, and the first address that it maps, if a root leads to it. */
  readonly entry?: {
    readonly table: number;
    readonly slot: number;
    readonly level: Level;
    readonly pte: string;
    readonly va: string | null;
  };
}

/** A table's entry that leads to another table. */
interface Parent {
  readonly table: Mfn;
  readonly slot: number;
  readonly row: LevelRow;
}

export function referencesTo(hv: Hypervisor, frame: Mfn): Reference[] {
  const { frames } = hv;
  const found: Reference[] = [];
  const add = (text: string, usesType: boolean, count = 1): void => {
    if (count > 0) found.push({ text, usesType, count });
  };
  const flags = frames.flags.get(frame);
  if ((flags & FrameFlag.allocated) !== 0) add('allocated to its owner', false);
  if ((flags & FrameFlag.xenHeap) !== 0) add('of Xen’s own memory, shared with guests', true);
  if ((flags & FrameFlag.pinned) !== 0) add('pinned by MMUEXT_PIN_*', true);
  for (const domain of hv.machine.domains) {
    for (const vcpu of domain.vcpus) {
      if (vcpu.kernelRoot === frame) add(`kernel root (CR3) of ${vcpu.name}`, true);
      if (vcpu.userRoot === frame) add(`user root of ${vcpu.name}`, true);
      add(`GDT of ${vcpu.name}`, true, countOf(hv.extras.gdtFrames(vcpu), frame));
      add(`LDT of ${vcpu.name}`, true, countOf(hv.extras.ldtFrames(vcpu), frame));
    }
  }
  for (const table of hv.grants.all()) {
    for (const ref of table.pinnedRefs()) {
      if (table.pinnedFrame(ref) !== frame) continue;
      const pin = table.pin(ref);
      add(`device mapping through grant ${ref}, read-only`, false, (pin >>> 24) & 0xff);
      add(`device mapping through grant ${ref}, writable`, true, (pin >>> 16) & 0xff);
    }
  }
  return [...found, ...entriesTo(hv, frame)];
}

const countOf = (frames: readonly Mfn[], frame: Mfn): number => frames.filter((one) => one === frame).length;

/** The entries of page tables in use that name the frame. */
function entriesTo(hv: Hypervisor, frame: Mfn): Reference[] {
  const parents = new Map<number, Parent>();
  const naming: (Parent & { readonly lo: number; readonly hi: number })[] = [];
  forEachEntry(hv, (table, slot, row, lo, hi) => {
    const child = entryFrame(lo, hi);
    if (child === table) return;
    if (row.level > 1 && !parents.has(child)) parents.set(child, { table, slot, row });
    if (child === frame) naming.push({ table, slot, row, lo, hi });
  });
  return naming.map((parent) => {
    const { table, slot, row, lo, hi } = parent;
    const va = addressOf(hv, parents, parent);
    const usesType = row.level > 1 || isWritable(lo);
    const kind = row.level > 1 ? 'as a table' : usesType ? 'writable' : 'read-only';
    const at = va === null ? '' : `, maps ${formatHex(va)}`;
    return {
      text: `L${row.level} entry: slot ${formatHex(slot)} of mfn ${formatFrame(table)}, ${kind}${at} (${describeFlags(lo, hi, row.level)})`,
      usesType,
      count: 1,
      entry: {
        table,
        slot,
        level: row.level,
        pte: formatHex(joinWords(lo, hi)),
        va: va === null ? null : formatHex(va),
      },
    };
  });
}

/** The first address that an entry covers, by the tables that lead to it; null when no root does. */
function addressOf(hv: Hypervisor, parents: ReadonlyMap<number, Parent>, entry: Parent): bigint | null {
  const { rootLevel, wordBytes } = hv.abi;
  let va = 0n;
  let at: Parent | undefined = entry;
  for (let steps = 0; at !== undefined && steps <= rootLevel; steps++) {
    va += BigInt(at.slot) << BigInt(at.row.shift);
    if (at.row.level === rootLevel)
      return wordBytes === 8 ? BigInt.asUintN(64, BigInt.asIntN(48, va)) : BigInt.asUintN(32, va);
    at = parents.get(at.table);
  }
  return null;
}

/** Calls for every present entry of the tables that Xen has validated, its own slots left out. */
function forEachEntry(
  hv: Hypervisor,
  visit: (table: Mfn, slot: number, row: LevelRow, lo: number, hi: number) => void,
): void {
  const { frames, machine, abi } = hv;
  for (let i = frames.type.nextTouched(0); i !== null && i < frames.count; i++) {
    if ((i & 4095) === 0) i = frames.type.nextTouched(i) ?? frames.count;
    const type = frames.type.get(i);
    const row = abi.levels[type - 1];
    const isTable = type >= PageType.l1 && type <= PageType.l4 && frames.typeCount.get(i) > 0;
    if (!isTable || row === undefined || !frames.hasFlag(mfn(i), FrameFlag.validated)) continue;
    const closed = xenSlotsOf(frames, mfn(i), row);
    for (let slot = 0; slot < row.slots; slot++) {
      if (closed !== null && slot >= closed.from && slot <= closed.to) continue;
      const { lo, hi } = readEntry(machine, mfn(i), slot);
      if (isPresent(lo)) visit(mfn(i), slot, row, lo, hi);
    }
  }
}
