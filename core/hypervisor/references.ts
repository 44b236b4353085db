/**
 * General references of frames: get_page and put_page, allocation and release (facts 3.2 to 3.5). A frame whose count
 * is 0 is free.
 */

import { FrameFlag, NO_OWNER, PageType } from '../machine/frames.ts';
import type { Domain } from '../machine/domain.ts';
import { type DomainId, type Mfn, mfn } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';

/** Takes a reference on a frame that the domain owns; false when it is free, foreign or no memory. */
export function getPage(hv: Hypervisor, frame: number, owner: number): boolean {
  const frames = hv.frames;
  if (frame >= frames.count || frames.owner.get(frame) !== owner) return false;
  const count = frames.refCount.get(frame);
  if (count === 0) return false;
  frames.refCount.set(frame, count + 1);
  return true;
}

/** Whether the domain owns the frame: getPage without the reference, for checks that hold it only for themselves. */
export function ownsPage(hv: Hypervisor, frame: number, owner: number): boolean {
  const frames = hv.frames;
  return frame < frames.count && frames.owner.get(frame) === owner && frames.refCount.get(frame) !== 0;
}

/** Drops a reference; the last one frees the frame. */
export function putPage(hv: Hypervisor, frame: number): void {
  const count = hv.frames.refCount.get(frame);
  if (count === 0) throw new Error(`put_page: mfn ${frame.toString(16)} has no reference`);
  hv.frames.refCount.set(frame, count - 1);
  if (count === 1) freePage(hv, frame);
}

/** Gives a free frame to a domain: type none, one reference for the allocation. Contents are left as they are. */
export function assignPage(hv: Hypervisor, frame: Mfn, domain: Domain): void {
  const frames = hv.frames;
  frames.type.set(frame, PageType.none);
  frames.typeCount.set(frame, 0);
  frames.linearCount.set(frame, 0);
  frames.refCount.set(frame, 1);
  frames.owner.set(frame, domain.id);
  frames.flags.set(frame, FrameFlag.allocated);
}

/** Takes 2^order frames from the heap for a domain; null when the heap has none that are contiguous. */
export function allocatePages(hv: Hypervisor, domain: Domain, order: number): Mfn | null {
  const base = hv.heap.find(order);
  if (base === null) return null;
  const count = 2 ** order;
  for (let i = 0; i < count; i++) {
    hv.tlb.flushForReuse(base + i);
    assignPage(hv, mfn(base + i), domain);
    hv.memory.fillFrame(mfn(base + i), 0);
  }
  hv.heap.took(count);
  domain.totPages += count;
  return base;
}

function freePage(hv: Hypervisor, frame: number): void {
  const frames = hv.frames;
  // A page of Xen's that was shared with the domain leaves it, but stays Xen's: it never enters the heap.
  if (frames.hasFlag(mfn(frame), FrameFlag.xenHeap)) return;
  const owner = hv.machine.domain(frames.owner.get(frame) as DomainId);
  const inUse = frames.typeCount.get(frame);
  if (inUse !== 0) throw new Error(`put_page: mfn ${frame.toString(16)} freed with type count ${inUse}`);
  frames.type.set(frame, PageType.none);
  frames.flags.set(frame, 0);
  frames.linearCount.set(frame, 0);
  frames.owner.set(frame, NO_OWNER);
  hv.machine.invalidateM2p(mfn(frame));
  hv.heap.took(-1);
  hv.tlb.stampFrame(frame);
  if (owner !== undefined) owner.totPages -= 1;
}
