/**
 * GNTTABOP_copy: Xen copies bytes between two pages, each named by a grant or, for the caller's own, by its frame. A
 * grant is pinned only while the copy lasts. Facts 5.9.
 */

import type { Domain } from '../machine/domain.ts';
import { PageType } from '../machine/frames.ts';
import { DOMID, type DomainId, type Mfn, PAGE_SIZE, mfn } from '../units.ts';
import type { Element, Layouts } from './grant-element.ts';
import { pinEntry, unpinEntry } from './grant-map.ts';
import { Pin } from './grant-table.ts';
import type { Hypervisor } from './hypervisor.ts';
import { getPage, putPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import { did, left } from './trace.ts';
import { getPageType, putPageType } from './type-system.ts';

/** GNTCOPY_*: the page is named by a grant. */
const SOURCE_GREF = 1;
const DEST_GREF = 2;
const HIGH_WORD_WEIGHT = 0x1_0000_0000;

/** One side of a copy, as the guest named it. */
interface Side {
  readonly name: 'source' | 'destination';
  readonly byGrant: boolean;
  /** A grant reference or a frame. */
  readonly what: number;
  readonly domid: number;
  readonly offset: number;
}

/** A side's page, with what is held of it. */
interface Claimed {
  readonly frame: Mfn;
  release(): void;
}

export function copyGrant(element: Element, { copy }: Layouts): number {
  const length = element.number(copy.length);
  const flags = element.number(copy.flags);
  const source = readSide(element, copy.source, 'source', (flags & SOURCE_GREF) !== 0);
  const dest = readSide(element, copy.dest, 'destination', (flags & DEST_GREF) !== 0);
  if (!element.isGood) return -1;
  const { hv } = element;
  if (hv.tracer !== null) hv.tracer.entered('gnttab_copy_one', { length });
  const status = left(hv, copyBetween(hv, element.vcpu.domain, source, dest, length));
  element.put(copy.status, status);
  return status;
}

function readSide(
  element: Element,
  layout: Layouts['copy']['source'],
  name: Side['name'],
  byGrant: boolean,
): Side {
  const words = element.words(layout.what);
  return {
    name,
    byGrant,
    what: byGrant ? words.lo >>> 0 : (words.hi >>> 0) * HIGH_WORD_WEIGHT + (words.lo >>> 0),
    domid: element.number(layout.domid),
    offset: element.number(layout.offset),
  };
}

function copyBetween(hv: Hypervisor, caller: Domain, source: Side, dest: Side, length: number): number {
  const { copyBoundsFirst } = hv.ruleSet.grantTable;
  const isWithin = source.offset + length <= PAGE_SIZE && dest.offset + length <= PAGE_SIZE;
  const refuseBounds = () =>
    refuse(hv, 'copy.bounds', { length, sourceOffset: source.offset, destOffset: dest.offset });
  if (copyBoundsFirst && !isWithin) return refuseBounds();
  if (copyBoundsFirst) met(hv, 'copy.bounds');
  const from = domainOf(hv, caller, source);
  if (typeof from === 'number') return from;
  const to = domainOf(hv, caller, dest);
  if (typeof to === 'number') return to;
  const claimedSource = claim(hv, caller, from, source);
  if (typeof claimedSource === 'number') return claimedSource;
  const claimedDest = claim(hv, caller, to, dest);
  if (typeof claimedDest === 'number') {
    claimedSource.release();
    return claimedDest;
  }
  const status = isWithin ? 0 : refuseBounds();
  if (status === 0 && !copyBoundsFirst) met(hv, 'copy.bounds');
  if (status === 0) move(hv, claimedSource.frame, source.offset, claimedDest.frame, dest.offset, length);
  if (status === 0) did(hv, 'copy');
  claimedDest.release();
  claimedSource.release();
  return status;
}

/** The domain that a side names. */
function domainOf(hv: Hypervisor, caller: Domain, side: Side): Domain | number {
  if (hv.ruleSet.grantTable.copyByFrameSeenAt === 'domain') {
    const refused = checkByFrame(hv, side);
    if (refused !== 0) return refused;
  }
  if (side.domid === DOMID.SELF) return caller;
  return hv.machine.domain(side.domid as DomainId) ?? refuse(hv, 'copy.domain', sideFacts(side));
}

/** Only one's own pages, as DOMID_SELF, may be named by their frame. */
function checkByFrame(hv: Hypervisor, side: Side): number {
  if (side.domid !== DOMID.SELF && !side.byGrant) return refuse(hv, 'copy.by-frame', sideFacts(side));
  met(hv, 'copy.by-frame');
  return 0;
}

const sideFacts = (side: Side): Record<string, string | number> => ({
  side: side.name,
  foreign: side.domid,
  foreignHex: side.domid.toString(16),
});

function claim(hv: Hypervisor, caller: Domain, owner: Domain, side: Side): Claimed | number {
  const readonly = side.name === 'source';
  const increment = readonly ? Pin.hostRead : Pin.hostWrite;
  const table = hv.grants.of(owner);
  if (hv.ruleSet.grantTable.copyByFrameSeenAt === 'page') {
    const refused = checkByFrame(hv, side);
    if (refused !== 0) return refused;
  }
  if (side.byGrant) {
    const status = pinEntry(hv, table, caller.id, side.what, increment, readonly, 'copy');
    if (status !== 0) return status;
  }
  const frame = side.byGrant ? table.pinnedFrame(side.what) : mfn(side.what);
  const unpin = () => {
    if (side.byGrant) unpinEntry(table, side.what, increment, readonly);
  };
  if (!getPage(hv, frame, owner.id)) {
    unpin();
    // The frame of an entry that was not pinned before has been looked at just now: this one has gone since it was pinned.
    const hasGone = side.byGrant && hv.ruleSet.grantTable.copyComparesFrame;
    return refuse(hv, hasGone ? 'copy.frame-gone' : 'copy.frame', { side: side.name, frame });
  }
  if (hv.tracer !== null) hv.tracer.checked('copy.frame', 'met', { side: side.name, frame });
  if (!readonly && getPageType(hv, frame, PageType.writable) !== 0) {
    putPage(hv, frame);
    unpin();
    return refuse(hv, 'copy.dest-type', { frame });
  }
  if (!readonly) met(hv, 'copy.dest-type');
  return {
    frame,
    release: () => {
      if (!readonly) putPageType(hv, frame);
      putPage(hv, frame);
      unpin();
      did(hv, 'release');
    },
  };
}

function move(hv: Hypervisor, from: Mfn, offset: number, to: Mfn, toOffset: number, length: number): void {
  const bytes = Uint8Array.from({ length }, (_, i) => hv.memory.readByte(from, offset + i));
  hv.memory.writeBytes(to, toOffset, bytes);
}
