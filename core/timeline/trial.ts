/** What-if: an expression with hypercalls, run and taken back, and what it would have done. */

import type { Machine } from '../machine/machine.ts';
import { PAGE_TYPE_NAMES } from '../machine/frames.ts';
import type { Mark } from '../state/store.ts';
import type { Evaluation, RefusalRecord } from './types.ts';

/** A hypercall of the trial. */
export interface TriedCall {
  readonly name: string;
  readonly rc: number;
  readonly done: number | null;
}

/** A row of the frame table that would be another. */
export interface FrameChange {
  readonly mfn: number;
  readonly what: 'type' | 'type count' | 'reference count' | 'owner';
  readonly old: string;
  readonly now: string;
}

export interface Trial {
  readonly evaluation: Evaluation;
  readonly calls: readonly TriedCall[];
  readonly refusals: readonly RefusalRecord[];
  /** What the hypercalls would have changed in the frame table, as far as it is told. */
  readonly changes: readonly FrameChange[];
}

const MAX_CHANGES = 64;

/** Columns of the frame table that are told, by their names in the store. */
const COLUMNS: Readonly<Record<string, FrameChange['what']>> = {
  'frame.type': 'type',
  'frame.typeCount': 'type count',
  'frame.refCount': 'reference count',
  'frame.owner': 'owner',
};

/** The rows of the frame table that differ from what they were at a mark. */
export function frameChanges(machine: Machine, since: Mark): FrameChange[] {
  const olds = new Map<string, { readonly mfn: number; readonly column: string; readonly old: number }>();
  machine.store.forEachChangeSince(since, (cell, old) => {
    if (cell.kind !== 'column' || !(cell.owner in COLUMNS)) return;
    const key = `${cell.owner} ${cell.index}`;
    if (!olds.has(key)) olds.set(key, { mfn: cell.index, column: cell.owner, old: old >>> 0 });
  });
  return [...olds.values()]
    .flatMap(({ mfn, column, old }): FrameChange[] => {
      const what = COLUMNS[column];
      const now = valueNow(machine, column, mfn);
      if (what === undefined || now === old) return [];
      return [{ mfn, what, old: textOf(what, old), now: textOf(what, now) }];
    })
    .slice(0, MAX_CHANGES);
}

function valueNow({ frames }: Machine, column: string, mfn: number): number {
  if (column === 'frame.type') return frames.type.get(mfn);
  if (column === 'frame.typeCount') return frames.typeCount.get(mfn);
  return column === 'frame.refCount' ? frames.refCount.get(mfn) : frames.owner.get(mfn);
}

const textOf = (what: FrameChange['what'], value: number): string =>
  what === 'type' ? (PAGE_TYPE_NAMES[value] ?? String(value)) : String(value);
