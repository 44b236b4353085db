/**
 * What has changed since a mark in the journal: words of memory and rows of the frame table whose present value
 * differs from the one they had. A word that was changed and changed back counts as unchanged.
 */

import type { Machine } from '../machine/machine.ts';
import type { Mark } from '../state/store.ts';
import { type Mfn, PAGE_SIZE, mfn } from '../units.ts';

/** Beyond so many changes the marks would cost more than they tell. */
const MAX_CHANGES = 2_000_000;
const FRAME_COLUMN = 'frame.';

export interface Changes {
  /** False when the journal no longer knows; then nothing counts as changed. */
  readonly known: boolean;
  /** Whether a word (0..1023) of a frame's contents changed. */
  word(frame: Mfn, word: number): boolean;
  /** Whether anything in the frame's contents changed. */
  contents(frame: Mfn): boolean;
  /** Whether the frame-table row or the M2P entry of a frame changed. */
  row(frame: Mfn): boolean;
  /** Frames whose row or M2P entry changed, ascending. */
  readonly rows: readonly Mfn[];
}

const NOTHING: Omit<Changes, 'known'> = {
  word: () => false,
  contents: () => false,
  row: () => false,
  rows: [],
};

/** Compares the machine with what it was at `mark`; null stands for "no earlier moment". */
export function changesSince(machine: Machine, mark: Mark | null): Changes {
  if (mark === null) return { known: true, ...NOTHING };
  const { store } = machine;
  if (store.mark() - mark > MAX_CHANGES) return { known: false, ...NOTHING };
  const firstMemory = new Map<number, number>();
  const firstRow = new Map<
    string,
    { readonly owner: string; readonly index: number; readonly old: number }
  >();
  const known = store.forEachChangeSince(mark, (cell, old) => {
    if (cell.kind === 'memory') {
      const key = cell.slot * 1024 + cell.word;
      if (!firstMemory.has(key)) firstMemory.set(key, old);
    } else if (cell.owner.startsWith(FRAME_COLUMN)) {
      const key = `${cell.owner} ${cell.index}`;
      if (!firstRow.has(key)) firstRow.set(key, { owner: cell.owner, index: cell.index, old });
    }
  });
  if (!known) return { known: false, ...NOTHING };
  const words = changedWords(machine, firstMemory);
  const rows = new Set<Mfn>(changedM2p(machine, words));
  for (const { owner, index, old } of firstRow.values()) {
    if (rowValue(machine, owner, index) !== old >>> 0) rows.add(mfn(index));
  }
  return {
    known: true,
    word: (frame, word) => words.get(frame)?.has(word) ?? false,
    contents: (frame) => words.has(frame),
    row: (frame) => rows.has(frame),
    rows: [...rows].sort((a, b) => a - b),
  };
}

function changedWords(
  { memory }: Machine,
  first: ReadonlyMap<number, number>,
): ReadonlyMap<Mfn, ReadonlySet<number>> {
  const words = new Map<Mfn, Set<number>>();
  for (const [key, old] of first) {
    const frame = memory.frameOfSlot(Math.floor(key / 1024));
    const word = key % 1024;
    if (!memory.has(frame) || memory.readWord(frame, word) === old) continue;
    const ofFrame = words.get(frame) ?? new Set();
    words.set(frame, ofFrame.add(word));
  }
  return words;
}

/** Frames whose M2P entry lies in a changed word. */
function* changedM2p(
  { m2pBase, m2pFrames, abi, maxPage }: Machine,
  words: ReadonlyMap<Mfn, ReadonlySet<number>>,
): Generator<Mfn> {
  for (const [frame, changed] of words) {
    const page = frame - m2pBase;
    if (page < 0 || page >= m2pFrames) continue;
    for (const word of changed) {
      const entry = Math.floor((page * PAGE_SIZE + word * 4) / abi.wordBytes);
      if (entry < maxPage) yield mfn(entry);
    }
  }
}

function rowValue({ frames }: Machine, owner: string, index: number): number | null {
  const columns = [
    frames.type,
    frames.typeCount,
    frames.refCount,
    frames.owner,
    frames.flags,
    frames.linearCount,
  ];
  return columns.find(({ name }) => name === owner)?.get(index) ?? null;
}
