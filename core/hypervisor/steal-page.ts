/**
 * Taking a page away from its domain for good, as exchange and grant transfer do: possible only while nothing but the
 * allocation itself refers to it. A stolen page belongs to nobody until it is assigned or freed. Facts 4.4, 5.8.
 */

import type { Domain } from '../machine/domain.ts';
import { FrameFlag, NO_OWNER, PageType } from '../machine/frames.ts';
import { type Mfn, mfn } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { assignPage } from './references.ts';

/** Steals the frame; false, with nothing changed, when it is not the domain's or anything else refers to it. */
export function stealPage(hv: Hypervisor, domain: Domain, frame: number): boolean {
  const { frames } = hv;
  if (!hv.machine.isRam(mfn(frame)) || frames.owner.get(frame) !== domain.id) return false;
  const { allocated, xenHeap } = FrameFlag;
  if ((frames.flags.get(frame) & (allocated | xenHeap)) !== allocated) return false;
  if (frames.refCount.get(frame) !== 1) return false;
  frames.type.set(frame, PageType.none);
  frames.flags.set(frame, 0);
  frames.linearCount.set(frame, 0);
  frames.owner.set(frame, NO_OWNER);
  hv.tlb.stampFrame(frame);
  return true;
}

/** Why a frame cannot be stolen, for the end of a sentence. */
export function whyNotStolen(hv: Hypervisor, domain: Domain, frame: number): string {
  const { frames } = hv;
  if (!hv.machine.isRam(mfn(frame))) return 'is no memory of this machine';
  if (frames.owner.get(frame) !== domain.id) return `is not a page of d${domain.id}`;
  if (frames.hasFlag(mfn(frame), FrameFlag.xenHeap)) return 'is shared with Xen';
  const others = frames.refCount.get(frame) - (frames.hasFlag(mfn(frame), FrameFlag.allocated) ? 1 : 0);
  return `has ${others} ${others === 1 ? 'reference' : 'references'} beside its allocation (mappings, pins, grants)`;
}

/** Gives a stolen page to a domain. */
export function assignStolen(hv: Hypervisor, frame: Mfn, domain: Domain): void {
  hv.tlb.flushForReuse(frame);
  assignPage(hv, frame, domain);
}

/** Takes 2^order frames below a limit from the heap, scrubbed, for nobody yet; null when there are none. */
export function takeForNobody(hv: Hypervisor, order: number, below: number): Mfn | null {
  const base = hv.heap.find(order, below);
  if (base === null) return null;
  const count = 2 ** order;
  for (let i = 0; i < count; i++) {
    hv.frames.refCount.set(base + i, 1);
    hv.memory.fillFrame(mfn(base + i), 0);
  }
  hv.heap.took(count);
  return base;
}

/** Puts a stolen page back into the heap. */
export function freeStolen(hv: Hypervisor, frame: Mfn): void {
  hv.frames.refCount.set(frame, 0);
  hv.machine.invalidateM2p(frame);
  hv.heap.took(-1);
}
