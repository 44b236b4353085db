/**
 * GNTTABOP_map_grant_ref, unmap_grant_ref and unmap_and_replace: a domain maps a page that another one has granted it.
 * A mapping pins the entry (a count for each kind of access), holds a reference on the page, a writable one if it may
 * write, and sets GTF_reading and GTF_writing in the granter's entry. Facts 5.4 to 5.6, 5.10, 5.11; 3.0.4 by its source.
 */

import type { Domain } from '../machine/domain.ts';
import { PageType } from '../machine/frames.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { type DomainId, type Mfn, formatHex, joinWords, mfn } from '../units.ts';
import { type Address, createGrantMapping, replaceGrantMapping } from './grant-pte.ts';
import { type GrantTable, Gntmap, Gtf, Pin } from './grant-table.ts';
import type { Hypervisor } from './hypervisor.ts';
import { getPage, ownsPage, putPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import { did, left, leftVoid } from './trace.ts';
import { getPageType, putPageAndType } from './type-system.ts';

const isZero = ({ lo, hi }: Address): boolean => lo === 0 && hi === 0;

export interface MapRequest {
  readonly host: Address;
  readonly flags: number;
  readonly ref: number;
  readonly domid: number;
}

/** What a mapping that succeeded is told: its handle and the frame, whose address is dev_bus_addr. */
export interface Mapped {
  readonly handle: number;
  readonly frame: Mfn;
}

/** The status, negative, or the new mapping. */
export function mapGrantRef(hv: Hypervisor, vcpu: Vcpu, request: MapRequest): Mapped | number {
  const { flags, ref, domid } = request;
  const { oldOrder } = hv.ruleSet.grantTable;
  if ((flags & (Gntmap.device | Gntmap.host)) === 0)
    return refuse(hv, 'grant.map-flags', { flags: formatHex(flags) });
  met(hv, 'grant.map-flags');
  const granter = hv.machine.domain(domid as DomainId);
  if (oldOrder && ref >= hv.ruleSet.grantTable.maxFrames * 512) return refuseReference(hv, ref, domid, 0);
  if (granter === undefined)
    return refuse(hv, 'grant.domain', { foreignHex: domid.toString(16), foreign: domid });
  met(hv, 'grant.domain');
  const table = hv.grants.of(granter);
  const own = hv.grants.of(vcpu.domain);
  const handle = own.takeHandle();
  if (handle === null) return refuse(hv, 'grant.no-handle', { handles: own.handleLimit });
  met(hv, 'grant.no-handle');
  const frame = pinAndMap(hv, vcpu, table, request);
  if (typeof frame === 'object') {
    own.setHandle(handle, granter.id, ref, flags);
    if (hv.tracer !== null) hv.tracer.did('track', { handle });
    return { handle, frame: frame.frame };
  }
  own.putHandle(handle);
  did(hv, 'release');
  return frame;
}

/** Pins the entry and makes the mapping, with all undone on failure. */
function pinAndMap(
  hv: Hypervisor,
  vcpu: Vcpu,
  table: GrantTable,
  { host, flags, ref }: MapRequest,
): { frame: Mfn } | number {
  const readonly = (flags & Gntmap.readonly) !== 0;
  const increment =
    ((flags & Gntmap.device) !== 0 ? (readonly ? Pin.deviceRead : Pin.deviceWrite) : 0) +
    ((flags & Gntmap.host) !== 0 ? (readonly ? Pin.hostRead : Pin.hostWrite) : 0);
  const pinned = pinEntry(hv, table, vcpu.domain.id, ref, increment, readonly, 'map');
  if (pinned !== 0) return pinned;
  const frame = table.pinnedFrame(ref);
  const held = takeReferences(hv, table.domain, frame, flags);
  const status =
    held !== 0 || (flags & Gntmap.host) === 0 ? held : createGrantMapping(hv, vcpu, host, frame, flags);
  if (status === 0) return { frame };
  if (held === 0) dropReferences(hv, frame, flags);
  unpinEntry(table, ref, increment, readonly);
  return status;
}

/** A mapping of the whole page, or a copy from or to a part of it. */
export type PinPurpose = 'map' | 'copy';

/**
 * Pins an entry for a mapper: checks what it permits, marks it as being read or written, and looks at its frame when it
 * is the first pin. Shared with copies by reference. 0, or the status with nothing changed.
 */
export function pinEntry(
  hv: Hypervisor,
  table: GrantTable,
  mapper: number,
  ref: number,
  increment: number,
  readonly: boolean,
  purpose: PinPurpose,
): number {
  if (hv.tracer === null) return pinChecked(hv, table, mapper, ref, increment, readonly, purpose);
  hv.tracer.entered('acquire_grant', { ref, granter: table.domain.id, mapper });
  return left(hv, pinChecked(hv, table, mapper, ref, increment, readonly, purpose));
}

function pinChecked(
  hv: Hypervisor,
  table: GrantTable,
  mapper: number,
  ref: number,
  increment: number,
  readonly: boolean,
  purpose: PinPurpose,
): number {
  const granter = table.domain.id;
  if (ref >= table.entries) return refuseReference(hv, ref, granter, table.entries);
  met(hv, 'grant.reference');
  const pin = table.pin(ref);
  const facts = { ref, granter };
  if (pin !== 0 && table.mapper(ref) !== mapper)
    return refuse(hv, 'grant.pinned-by-other', { ...facts, other: table.mapper(ref) });
  met(hv, 'grant.pinned-by-other');
  const limits = hv.ruleSet.grantTable.limitOfAnyCounter ? Pin.limits : increment << 7;
  if ((pin & limits) !== 0) return refuse(hv, 'grant.pin-overflow', { ...facts, pin: formatHex(pin >>> 0) });
  met(hv, 'grant.pin-overflow');
  const isFirst = pin === 0;
  if (isFirst || (!readonly && (pin & Pin.writers) === 0)) {
    const status = markEntry(hv, table, mapper, ref, isFirst, readonly, purpose);
    if (status !== 0) return status;
    if (isFirst || (purpose === 'copy' && hv.ruleSet.grantTable.copyComparesFrame)) {
      const frame = table.entryFrame(ref);
      const undo = (): void => {
        clearMarks(table, ref, isFirst, !readonly);
      };
      if (!ownsPage(hv, frame, granter)) {
        undo();
        return refuse(hv, 'grant.frame', { ...facts, frame });
      }
      if (hv.tracer !== null) hv.tracer.checked('grant.frame', 'met', { frame });
      if (!isFirst && frame !== table.pinnedFrame(ref)) {
        undo();
        return refuse(hv, 'copy.entry-changed', { ...facts, frame, pinned: table.pinnedFrame(ref) });
      }
      if (isFirst) table.activate(ref, mapper, mfn(frame));
    }
  }
  table.setPin(ref, pin + increment);
  did(hv, 'pin');
  return 0;
}

/** Sets GTF_reading and GTF_writing in an entry that permits the access. */
function markEntry(
  hv: Hypervisor,
  table: GrantTable,
  mapper: number,
  ref: number,
  isFirst: boolean,
  readonly: boolean,
  purpose: PinPurpose,
): number {
  const flags = table.flags(ref);
  const type = Gtf.typeMask | (purpose === 'map' && hv.ruleSet.grantTable.hasSubPages ? Gtf.subPage : 0);
  const facts = { ref, granter: table.domain.id, flags: formatHex(flags), grantee: table.grantee(ref) };
  if (isFirst && (flags & type) !== Gtf.permitAccess) return refuse(hv, 'grant.entry-type', facts);
  if (isFirst) met(hv, 'grant.entry-type');
  if (isFirst && table.grantee(ref) !== mapper) return refuse(hv, 'grant.entry-domain', facts);
  if (isFirst) met(hv, 'grant.entry-domain');
  if (!readonly && (flags & Gtf.readonly) !== 0) return refuse(hv, 'grant.entry-readonly', facts);
  if (!readonly) met(hv, 'grant.entry-readonly');
  table.setFlags(ref, flags | Gtf.reading | (readonly ? 0 : Gtf.writing));
  did(hv, 'mark');
  return 0;
}

/** Takes a pin back; the marks in the entry go when nothing needs them. */
export function unpinEntry(table: GrantTable, ref: number, increment: number, readonly: boolean): void {
  const pin = table.pin(ref) - increment;
  table.setPin(ref, pin);
  clearMarks(table, ref, pin === 0, !readonly && (pin & Pin.writers) === 0);
}

function clearMarks(table: GrantTable, ref: number, reading: boolean, writing: boolean): void {
  const cleared = (reading ? Gtf.reading : 0) | (writing ? Gtf.writing : 0);
  table.setFlags(ref, table.flags(ref) & ~cleared);
}

/** One reference for each half of the mapping, with the type writable if it may write. */
function takeReferences(hv: Hypervisor, granter: Domain, frame: Mfn, flags: number): number {
  const halves = halvesOf(flags);
  for (let taken = 0; taken < halves; taken++) {
    const status = takeReference(hv, granter, frame, (flags & Gntmap.readonly) === 0);
    if (status === 0) continue;
    for (let i = 0; i < taken; i++) dropReference(hv, frame, flags);
    return status;
  }
  return 0;
}

function takeReference(hv: Hypervisor, granter: Domain, frame: Mfn, writable: boolean): number {
  if (!getPage(hv, frame, granter.id)) return refuse(hv, 'grant.frame-gone', { frame, granter: granter.id });
  if (hv.tracer !== null) hv.tracer.checked('grant.frame-gone', 'met', { frame });
  if (!writable) return 0;
  if (getPageType(hv, frame, PageType.writable) === 0) {
    met(hv, 'grant.writable-type');
    return 0;
  }
  putPage(hv, frame);
  return refuse(hv, 'grant.writable-type', { frame, granter: granter.id });
}

function dropReferences(hv: Hypervisor, frame: Mfn, flags: number): void {
  for (let i = 0; i < halvesOf(flags); i++) dropReference(hv, frame, flags);
}

function dropReference(hv: Hypervisor, frame: Mfn, flags: number): void {
  if ((flags & Gntmap.readonly) === 0) putPageAndType(hv, frame);
  else {
    putPage(hv, frame);
    did(hv, 'put_page');
  }
}

const halvesOf = (flags: number): number =>
  ((flags & Gntmap.device) !== 0 ? 1 : 0) + ((flags & Gntmap.host) !== 0 ? 1 : 0);

function refuseReference(hv: Hypervisor, ref: number, granter: number, entries: number): number {
  return refuse(hv, 'grant.reference', {
    ref,
    granter,
    entries: entries || hv.ruleSet.grantTable.maxFrames * 512,
  });
}

// ---- unmapping -----------------------------------------------------------------------------------------------------

export interface UnmapRequest {
  readonly host: Address;
  readonly device: Address;
  readonly handle: number;
  /** For unmap_and_replace: the address whose entry takes the place. */
  readonly replacement: Address | null;
}

/** What of a mapping is gone from the tables and still holds its references. */
export interface Unmapped {
  readonly granter: Domain;
  readonly ref: number;
  readonly frame: Mfn;
  /** GNTMAP_* bits of the halves that are done, and of the access. */
  readonly done: number;
}

/** Takes a mapping out of the caller's tables; `status`, and what `completeUnmap` has to drop after the flush. */
export function unmapGrantRef(
  hv: Hypervisor,
  vcpu: Vcpu,
  request: UnmapRequest,
): { readonly status: number; readonly unmapped: Unmapped | null } {
  const { handle, host, device } = request;
  const own = hv.grants.of(vcpu.domain);
  const flags = own.flagsOf(handle);
  if (flags === 0) return { status: refuse(hv, 'grant.handle', { handle }), unmapped: null };
  met(hv, 'grant.handle');
  const granter = hv.machine.domain(own.granterOf(handle) as DomainId);
  if (granter === undefined) throw new Error(`unmap_grant_ref: d${own.granterOf(handle)} is gone`);
  const ref = own.refOf(handle);
  const frame = hv.grants.of(granter).pinnedFrame(ref);
  let done = 0;
  const unmapsDevice = !isZero(device) && (flags & Gntmap.device) !== 0;
  const isChecked = unmapsDevice || (!hv.ruleSet.grantTable.unmapsInBatches && !isZero(device));
  if (isChecked && !isFrameAddress(hv, device, frame))
    return { status: refuseDeviceAddress(hv, device, frame), unmapped: null };
  if (isChecked) met(hv, 'grant.device-address');
  if (unmapsDevice && !hv.ruleSet.grantTable.unmapsInBatches) done |= Gntmap.device;
  let status = 0;
  if (!isZero(host) && (flags & Gntmap.host) !== 0) {
    status = replaceGrantMapping(hv, vcpu, host, frame, flags, request.replacement);
    if (status === 0) done |= Gntmap.host;
  }
  if (status === 0 && unmapsDevice) done |= Gntmap.device;
  const left = flags & ~done;
  if ((left & (Gntmap.device | Gntmap.host)) === 0) own.putHandle(handle);
  else own.setFlagsOf(handle, left);
  did(hv, 'track');
  if (done === 0) return { status, unmapped: null };
  return { status, unmapped: { granter, ref, frame, done: done | (flags & Gntmap.readonly) } };
}

/** Drops the references and pins of what was unmapped. */
export function completeUnmap(hv: Hypervisor, { granter, ref, frame, done }: Unmapped): void {
  const readonly = (done & Gntmap.readonly) !== 0;
  if (hv.tracer !== null) hv.tracer.entered('unmap_common_complete', { frame, ref });
  dropReferences(hv, frame, done);
  const increment =
    ((done & Gntmap.device) !== 0 ? (readonly ? Pin.deviceRead : Pin.deviceWrite) : 0) +
    ((done & Gntmap.host) !== 0 ? (readonly ? Pin.hostRead : Pin.hostWrite) : 0);
  unpinEntry(hv.grants.of(granter), ref, increment, readonly);
  did(hv, 'unpin');
  leftVoid(hv);
}

const isFrameAddress = (hv: Hypervisor, { lo, hi }: Address, frame: Mfn): boolean =>
  hv.ruleSet.grantTable.unmapsInBatches
    ? joinWords(lo, hi) === BigInt(frame) << 12n
    : joinWords(lo, hi) >> 12n === BigInt(frame);

function refuseDeviceAddress(hv: Hypervisor, device: Address, frame: Mfn): number {
  return refuse(hv, 'grant.device-address', {
    frame,
    addressLo: device.lo,
    addressHi: device.hi,
    deviceAddress: formatHex(joinWords(device.lo, device.hi)),
  });
}
