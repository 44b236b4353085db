/** Entries of page tables, and walks, as rows. */

import type { Abi, LevelRow } from '../abi/index.ts';
import type { Domain } from '../machine/domain.ts';
import { xenSlotsOf } from '../machine/frames.ts';
import type { Machine } from '../machine/machine.ts';
import { PSE, describeFlags, entryFrame, isPresent, joinPte } from '../pte.ts';
import {
  type Level,
  type Mfn,
  type VirtualAddress,
  formatFrame,
  formatHex,
  highWord,
  lowWord,
  machineAddress,
  mfn,
  mfnToMaddr,
  offsetInPage,
} from '../units.ts';
import { WalkRecord, entryWord, isCanonical, walk } from '../walk.ts';
import type { Changes } from './changes.ts';
import type { TableEntryRow, TableQuery, TableRows, Unknown, Walk, WalkStep } from './machine-source.ts';
import { m2pOf } from './roles.ts';

export function tableRows(
  machine: Machine,
  domain: Domain,
  changes: Changes,
  query: TableQuery,
): TableRows | Unknown {
  const { abi } = machine;
  const frame = query.mfn ?? domain.vcpus[0]?.kernelRoot ?? null;
  if (frame === null) return { unknown: `${domain.name} has no root table loaded.` };
  if (!machine.memory.has(frame)) return { unknown: `mfn ${formatFrame(frame)} is no machine memory.` };
  const level = query.level ?? (query.mfn === null ? abi.rootLevel : typedLevel(machine, frame));
  const row = abi.levels.find((each) => each.level === level);
  if (row === undefined) {
    const type = machine.frames.typeName(frame);
    return {
      unknown: `mfn ${formatFrame(frame)} is no page table (its type is ${type}); name a level to read it as one.`,
    };
  }
  const slots = matchingSlots(machine, changes, frame, row, query.presentOnly);
  return {
    mfn: frame,
    level: row.level,
    total: slots.length,
    rows: slots
      .slice(query.from, query.from + query.count)
      .map((slot) => entryRow(machine, changes, frame, row, slot, query.base)),
  };
}

/** The walk of an address from the kernel root. */
export function walkRows(machine: Machine, domain: Domain, va: VirtualAddress): Walk | Unknown {
  const { abi, memory } = machine;
  const root = domain.vcpus[0]?.kernelRoot ?? null;
  if (root === null) return { unknown: `${domain.name} has no root table loaded.` };
  const text = formatHex(va);
  if (!isAddress(abi, va)) {
    return { va: text, steps: [], maddr: null, fault: `${text} is no canonical address of ${abi.name}` };
  }
  const record = new WalkRecord();
  walk(memory, abi, root, lowWord(va), highWord(va), record);
  const steps = walkSteps(abi, record);
  if (record.end !== 'page') return { va: text, steps, maddr: null, fault: walkFault(record, steps) };
  const maddr = machineAddress(mfnToMaddr(record.frame) + BigInt(offsetInPage(va)));
  return { va: text, steps, maddr: formatHex(maddr), fault: null };
}

/** The frame that maps a virtual address in the domain's kernel tables, or why there is none. */
export function translate(machine: Machine, domain: Domain, va: VirtualAddress): Mfn | Unknown {
  const root = domain.vcpus[0]?.kernelRoot ?? null;
  if (root === null) return { unknown: `${domain.name} has no root table loaded` };
  if (!isAddress(machine.abi, va)) {
    return { unknown: `${formatHex(va)} is no canonical address of ${machine.abi.name}` };
  }
  const record = new WalkRecord();
  const end = walk(machine.memory, machine.abi, root, lowWord(va), highWord(va), record);
  if (end !== 'page') return { unknown: walkFault(record, walkSteps(machine.abi, record)) };
  return machine.memory.has(record.frame)
    ? record.frame
    : { unknown: `mfn ${formatFrame(record.frame)} is no machine memory` };
}

/** Whether the processor takes the number as an address: within the word, canonical on x86_64. */
const isAddress = (abi: Abi, va: bigint): boolean =>
  va >= 0n && va >> BigInt(abi.wordBytes * 8) === 0n && isCanonical(abi, highWord(va));

function walkSteps(abi: Abi, record: WalkRecord): WalkStep[] {
  const steps: WalkStep[] = [];
  for (const { level, superpages } of abi.levels.toReversed()) {
    if (level < record.level) break;
    // A walk that found its table to be no memory read no entry of it.
    if (level === record.level && record.end === 'noMemory') break;
    const lo = record.los[level - 1] ?? 0;
    const hi = record.his[level - 1] ?? 0;
    steps.push({
      level,
      tableMfn: record.tables[level - 1] ?? 0,
      slot: record.slots[level - 1] ?? 0,
      pte: formatHex(joinPte(lo, hi)),
      flags: describeFlags(lo, hi, level),
      present: isPresent(lo),
      superpage: superpages && isPresent(lo) && (lo & PSE) !== 0,
    });
  }
  return steps;
}

function walkFault(record: WalkRecord, steps: readonly WalkStep[]): string {
  const last = steps.at(-1);
  if (last === undefined) return 'the root table is no machine memory';
  const place = `L${last.level}[0x${last.slot.toString(16)}]`;
  if (record.end === 'notPresent') return `${place} is not present`;
  return `${place} names a table in a frame that is no machine memory`;
}

/** The level that the frame's type says, or null for frames that are no page tables. */
function typedLevel({ frames }: Machine, frame: Mfn): Level | null {
  const type = frames.typeOf(frame);
  return type === 1 || type === 2 || type === 3 || type === 4 ? type : null;
}

function matchingSlots(
  machine: Machine,
  changes: Changes,
  frame: Mfn,
  { slots }: LevelRow,
  presentOnly: boolean,
): number[] {
  const all = Array.from({ length: slots }, (_, slot) => slot);
  if (!presentOnly) return all;
  return all.filter((slot) => {
    const { lo, hi } = readEntry(machine, frame, slot);
    return lo !== 0 || hi !== 0 || entryChanged(machine.abi, changes, frame, slot);
  });
}

function entryRow(
  machine: Machine,
  changes: Changes,
  frame: Mfn,
  row: LevelRow,
  slot: number,
  base: VirtualAddress,
): TableEntryRow {
  const { lo, hi } = readEntry(machine, frame, slot);
  const present = isPresent(lo);
  const superpage = present && row.superpages && (lo & PSE) !== 0;
  const target = entryFrame(lo, hi);
  const xenSlots = xenSlotsOf(machine.frames, frame, row);
  return {
    slot,
    pte: formatHex(joinPte(lo, hi)),
    present,
    flags: describeFlags(lo, hi, row.level),
    mfn: target,
    pfn: present ? m2pOf(machine, target) : null,
    childLevel: childLevel(row.level, present && !superpage),
    superpage,
    va: formatHex(coveredFrom(machine.abi, row, slot, base)),
    xen: xenSlots !== null && slot >= xenSlots.from && slot <= xenSlots.to,
    changed: entryChanged(machine.abi, changes, frame, slot),
  };
}

function childLevel(level: Level, pointsToTable: boolean): 0 | Level {
  const below = level - 1;
  return pointsToTable && (below === 1 || below === 2 || below === 3) ? below : 0;
}

/** First virtual address under a slot, canonical on x86_64. */
function coveredFrom(abi: Abi, row: LevelRow, slot: number, base: VirtualAddress): bigint {
  const va = base + (BigInt(slot) << BigInt(row.shift));
  if (abi.wordBytes === 4) return BigInt.asUintN(32, va);
  return BigInt.asUintN(64, BigInt.asIntN(48, va));
}

export function readEntry(
  { memory, abi }: Machine,
  table: Mfn,
  slot: number,
): { readonly lo: number; readonly hi: number } {
  const word = entryWord(abi, slot);
  return {
    lo: memory.readWord(mfn(table), word),
    hi: abi.entryBytes === 8 ? memory.readWord(table, word + 1) : 0,
  };
}

function entryChanged(abi: Abi, changes: Changes, table: Mfn, slot: number): boolean {
  const word = entryWord(abi, slot);
  return changes.word(table, word) || (abi.entryBytes === 8 && changes.word(table, word + 1));
}
