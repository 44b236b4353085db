/** Rows of the frame table. Scans skip stretches that were never used, so that a 1 TiB machine costs what is in use. */

import { FrameFlag, PAGE_TYPE_NAMES } from '../machine/frames.ts';
import type { Machine } from '../machine/machine.ts';
import type { Column } from '../state/column.ts';
import { type Mfn, mfn } from '../units.ts';
import type { Changes } from './changes.ts';
import type { FrameFilter, FrameQuery, FrameRow, FrameRows } from './machine-source.ts';
import { frameRole, m2pOf, ownerName } from './roles.ts';

/** Rows that one request looks at before it answers with what it has. */
const MAX_SCANNED = 1_000_000;

export function frameRows(machine: Machine, changes: Changes, query: FrameQuery): FrameRows {
  if (query.filter.changedOnly) return changedFrameRows(machine, changes, query);
  const rows: FrameRow[] = [];
  const skip = skippable(machine, query.filter);
  let frame: number = query.from;
  for (let scanned = 0; frame < machine.maxPage; scanned++, frame++) {
    const touched = skip === null ? frame : skip.nextTouched(frame);
    if (touched === null) return { rows, next: null };
    frame = touched;
    if (frame >= machine.maxPage) return { rows, next: null };
    if (rows.length === query.count || scanned === MAX_SCANNED) return { rows, next: frame };
    if (matches(machine, mfn(frame), query.filter)) rows.push(frameRow(machine, changes, mfn(frame)));
  }
  return { rows, next: null };
}

export function frameRow(machine: Machine, changes: Changes, frame: Mfn): FrameRow {
  const { frames } = machine;
  const role = frameRole(machine, frame);
  return {
    mfn: frame,
    owner: frames.ownerOf(frame),
    ownerName: ownerName(machine, frame),
    type: frames.typeName(frame),
    typeCount: frames.typeCount.get(frame),
    refCount: frames.refCount.get(frame),
    pinned: frames.hasFlag(frame, FrameFlag.pinned),
    validated: frames.hasFlag(frame, FrameFlag.validated),
    allocated: frames.hasFlag(frame, FrameFlag.allocated),
    m2p: m2pOf(machine, frame),
    ...(role === undefined ? {} : { role }),
    changed: changes.row(frame),
  };
}

function changedFrameRows(
  machine: Machine,
  changes: Changes,
  { from, count, filter }: FrameQuery,
): FrameRows {
  const wanted = changes.rows.filter((frame) => frame >= from && matches(machine, frame, filter));
  return {
    rows: wanted.slice(0, count).map((frame) => frameRow(machine, changes, frame)),
    next: wanted[count] ?? null,
  };
}

/** A column in which a row that was never written cannot match the filter; null when it could. */
function skippable({ frames }: Machine, { owner, type, pinnedOnly }: FrameFilter): Column | null {
  if (pinnedOnly) return frames.flags;
  if (type !== undefined && type !== 'none') return frames.type;
  return owner !== undefined && owner !== 'free' ? frames.owner : null;
}

function matches(machine: Machine, frame: Mfn, { owner, type, pinnedOnly }: FrameFilter): boolean {
  const { frames } = machine;
  if (pinnedOnly && !frames.hasFlag(frame, FrameFlag.pinned)) return false;
  if (type !== undefined && PAGE_TYPE_NAMES[frames.typeOf(frame)] !== type) return false;
  if (owner === undefined) return true;
  const actual = frames.ownerOf(frame);
  return owner === 'free' ? actual === null && machine.isRam(frame) : actual === owner;
}
