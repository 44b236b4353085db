/**
 * The type system: a frame has at most one type at a time, counted; the type may change only when the count is 0. A
 * frame that first gets a page-table type is validated (promotion.ts), and one whose count falls to 0 is given up
 * again (demotion). Facts 3.2, 3.6, 3.7, 3.9.
 */

import { FrameFlag, PageType } from '../machine/frames.ts';
import { type DomainId, mfn } from '../units.ts';
import { ERRNO } from './errno.ts';
import type { Hypervisor } from './hypervisor.ts';
import { demote, promote } from './promotion.ts';
import { getPage, putPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import type { RuleId } from './rules.ts';
import { did, left, leftVoid } from './trace.ts';
import { isTopL2 } from './xen-slots.ts';

/** Why getPageType failed, in `hv.typeFailure`. */
export const TypeFailure = {
  /** getPageAndType alone: the frame is not the domain's own. The caller says what that means. */
  owner: 4,
  /** The frame is in use with another type: the caller says what that means. */
  mismatch: 1,
  overflow: 2,
  /** An entry of the table was refused: that refusal is noted already. */
  promotion: 3,
} as const;

/**
 * The wanted type of the L2 in the last slot of a PAE root: the mark PGT_pae_xen_l2 is part of type equality, so such a
 * table is no plain L2, nor the other way round (facts 2.8).
 */
export const TOP_L2 = PageType.l2 | 8;
const TYPE_MASK = 7;

const EINVAL = -ERRNO.EINVAL;

/**
 * Takes a type reference; `wanted` is a page type or TOP_L2. 0, or the negative error with `hv.typeFailure` set.
 */
export function getPageType(hv: Hypervisor, frame: number, wanted: number): number {
  if (hv.tracer === null) return takeType(hv, frame, wanted);
  hv.tracer.entered('get_page_type', { frame, wantedType: wanted & TYPE_MASK });
  return left(hv, takeType(hv, frame, wanted));
}

function takeType(hv: Hypervisor, frame: number, wanted: number): number {
  const frames = hv.frames;
  const count = frames.typeCount.get(frame);
  const type = wanted & TYPE_MASK;
  const isSame =
    frames.type.get(frame) === type && (type !== PageType.l2 || isTopL2(hv, frame) === (wanted === TOP_L2));
  if (count !== 0) {
    if (!isSame) {
      hv.typeFailure = TypeFailure.mismatch;
      did(hv, 'mismatch');
      return EINVAL;
    }
    if (count >= hv.ruleSet.maxTypeCount) {
      hv.typeFailure = TypeFailure.overflow;
      return refuse(hv, 'type.count-overflow', { frame });
    }
    met(hv, 'type.count-overflow');
    frames.typeCount.set(frame, count + 1);
    did(hv, 'count');
    return 0;
  }
  if (isSame) {
    frames.typeCount.set(frame, 1);
    did(hv, 'first');
    if (isPageTable(type) && (frames.flags.get(frame) & FrameFlag.validated) === 0)
      return validate(hv, frame, type);
    return 0;
  }
  return changeType(hv, frame, wanted);
}

/** Drops a type reference; the last one of a page table gives the table up. */
export function putPageType(hv: Hypervisor, frame: number): void {
  if (hv.tracer === null) {
    dropType(hv, frame);
    return;
  }
  hv.tracer.entered('put_page_type', { frame });
  dropType(hv, frame);
  leftVoid(hv);
}

function dropType(hv: Hypervisor, frame: number): void {
  const frames = hv.frames;
  const count = frames.typeCount.get(frame);
  if (count === 0) throw new Error(`put_page_type: mfn ${frame.toString(16)} has no type reference`);
  if (count !== 1) {
    frames.typeCount.set(frame, count - 1);
    did(hv, 'count');
    return;
  }
  const type = frames.type.get(frame);
  if (isPageTable(type)) {
    frames.clearFlag(mfn(frame), FrameFlag.validated);
    did(hv, 'invalidate');
    demote(hv, frame, type);
    frames.clearFlag(mfn(frame), FrameFlag.paeXenL2);
    if (hv.ruleSet.flushAfterDemotion) hv.flushDue = true;
  }
  frames.typeCount.set(frame, 0);
  hv.tlb.stampFrame(frame);
  did(hv, 'last');
}

/**
 * getPage and getPageType: as getPageType, with no reference kept on failure. `ownerRule` is what the caller refuses
 * by when the page is not the owner's.
 */
export function getPageAndType(
  hv: Hypervisor,
  frame: number,
  owner: number,
  wanted: number,
  ownerRule: RuleId | null = null,
): number {
  if (!getPage(hv, frame, owner)) {
    hv.typeFailure = TypeFailure.owner;
    return EINVAL;
  }
  if (ownerRule !== null) met(hv, ownerRule);
  const rc = getPageType(hv, frame, wanted);
  if (rc !== 0) putPage(hv, frame);
  return rc;
}

export function putPageAndType(hv: Hypervisor, frame: number): void {
  putPageType(hv, frame);
  putPage(hv, frame);
  did(hv, 'put_page');
}

/** Whether the frame is in use as a validated page table of the type. */
export const isTableInUse = (hv: Hypervisor, frame: number, type: number): boolean =>
  hv.frames.type.get(frame) === type &&
  hv.frames.typeCount.get(frame) !== 0 &&
  (hv.frames.flags.get(frame) & FrameFlag.validated) !== 0;

export const isPageTable = (type: number): boolean => type >= PageType.l1 && type <= PageType.l4;

function changeType(hv: Hypervisor, frame: number, wanted: number): number {
  const frames = hv.frames;
  const type = wanted & TYPE_MASK;
  const owner = hv.machine.domain(frames.owner.get(frame) as DomainId);
  if (owner !== undefined) hv.tlb.flushForTypeChange(owner, frame);
  frames.type.set(frame, type);
  frames.typeCount.set(frame, 1);
  if (!isPageTable(type) && type !== PageType.segDesc) {
    did(hv, 'change');
    frames.setFlag(mfn(frame), FrameFlag.validated);
    did(hv, 'valid');
    return 0;
  }
  frames.clearFlag(mfn(frame), FrameFlag.validated);
  if (wanted === TOP_L2) frames.setFlag(mfn(frame), FrameFlag.paeXenL2);
  did(hv, 'change');
  return validate(hv, frame, type);
}

/** Validates a table whose count has just become 1; on failure nothing of it is kept (facts 3.9). */
function validate(hv: Hypervisor, frame: number, type: number): number {
  const frames = hv.frames;
  const rc = promote(hv, frame, type);
  if (rc === 0) {
    frames.flags.set(frame, frames.flags.get(frame) | FrameFlag.validated);
    did(hv, 'validated');
    return 0;
  }
  frames.typeCount.set(frame, 0);
  frames.clearFlag(mfn(frame), FrameFlag.paeXenL2);
  if (!hv.promotionKeptType) frames.type.set(frame, PageType.none);
  hv.tlb.stampFrame(frame);
  hv.typeFailure = TypeFailure.promotion;
  did(hv, 'invalid');
  return rc;
}
