/**
 * Linear (recursive) page tables: an entry without RW may name its own table, or another validated table of the same
 * level. Facts 2.9; 4.17 counts entries and uses and allows one level of nesting (XSA-240), 3.0.4 has them at the
 * root level alone and does not count.
 */

import { FrameFlag } from '../machine/frames.ts';
import { RW } from '../pte.ts';
import type { Mfn } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { getPage, putPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import type { RuleId } from './rules.ts';
import { did, left } from './trace.ts';

const MAX_ENTRIES = 32767;
const MAX_USES = 32768;

const CHILD_TYPE_RULES: readonly RuleId[] = ['l2e.child-type', 'l3e.child-type', 'l4e.child-type'];

/** Accepts an entry whose child is in use at the table's own level as a linear entry; 0 or the negative error. */
export function getLinearPageTable(
  hv: Hypervisor,
  level: number,
  lo: number,
  hi: number,
  table: Mfn,
  frame: Mfn,
): number {
  if (hv.tracer === null) return takeLinear(hv, level, lo, hi, table, frame);
  hv.tracer.entered('get_linear_pagetable', { level, entryLo: lo, entryHi: hi, table, frame });
  return left(hv, takeLinear(hv, level, lo, hi, table, frame));
}

function takeLinear(hv: Hypervisor, level: number, lo: number, hi: number, table: Mfn, frame: Mfn): number {
  const facts = { level, entryLo: lo, entryHi: hi, table, frame, wantedType: level - 1 };
  const counted = hv.ruleSet.linearTables === 'counted';
  const exists = hv.abi.levels[level - 1]?.linear === true && (counted || level === hv.abi.rootLevel);
  if (!exists) return refuse(hv, CHILD_TYPE_RULES[level - 2] as RuleId, facts);
  if (!hv.options.linearPageTables) return refuse(hv, 'linear.disabled', facts);
  met(hv, 'linear.disabled');
  if ((lo & RW) !== 0) return refuse(hv, 'linear.writable', facts);
  met(hv, 'linear.writable');
  if (frame === table) {
    did(hv, 'self');
    return 0;
  }
  const frames = hv.frames;
  // The caller has found the frame to be the domain's own when it tried to take it as a table of the level below.
  if (!getPage(hv, frame, frames.owner.get(table)))
    throw new Error('get_linear_pagetable: the frame is foreign');
  const uses = -linearCount(hv, table);
  const own = linearCount(hv, frame);
  const isFull = counted && (-uses >= MAX_ENTRIES || -own >= MAX_USES);
  const nests = counted && (uses > 0 || own > 0);
  const isValid = frames.typeCount.get(frame) > 0 && (frames.flags.get(frame) & FrameFlag.validated) !== 0;
  if (nests || isFull || !isValid || frames.typeCount.get(frame) >= hv.ruleSet.maxTypeCount) {
    putPage(hv, frame);
    if (!isValid) return refuse(hv, CHILD_TYPE_RULES[level - 2] as RuleId, facts);
    return refuse(hv, 'linear.nested', { ...facts, uses: Math.max(uses, 0), own: Math.max(own, 0) });
  }
  met(hv, 'linear.nested');
  frames.typeCount.set(frame, frames.typeCount.get(frame) + 1);
  if (counted) {
    frames.linearCount.set(table, -uses + 1);
    frames.linearCount.set(frame, own - 1);
  }
  did(hv, 'count');
  return 0;
}

/** Drops the counters of a linear entry to another table; the references are the caller's to drop. */
export function putLinearPageTable(hv: Hypervisor, table: Mfn, frame: Mfn): void {
  if (hv.ruleSet.linearTables !== 'counted') return;
  hv.frames.linearCount.set(table, linearCount(hv, table) - 1);
  hv.frames.linearCount.set(frame, linearCount(hv, frame) + 1);
}

/** Linear entries of a table (+) or linear uses of it (-). */
export const linearCount = (hv: Hypervisor, frame: Mfn): number => hv.frames.linearCount.get(frame) | 0;
