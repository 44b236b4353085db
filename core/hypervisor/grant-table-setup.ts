/**
 * The commands about a grant table as a whole: setup_table, query_size, set_version and get_version, swap_grant_ref.
 * The model has version 1, as under Xen's option gnttab=max-ver:1. Facts 5.3, 5.10.
 */

import type { Domain } from '../machine/domain.ts';
import { DOMID, type DomainId } from '../units.ts';
import type { Element, Layouts } from './grant-element.ts';
import { ENTRIES_PER_FRAME, type GrantTable } from './grant-table.ts';
import { isGuestAddress } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

const VERSION = 1;
const KNOWN_VERSIONS = [1, 2];

export function setupTable(element: Element, { setup }: Layouts): number {
  const { hv, vcpu } = element;
  const domid = element.number(setup.domid);
  const frames = element.number(setup.frames);
  const list = element.words(setup.list);
  if (!element.isGood) return 0;
  const { oldOrder, maxFrames } = hv.ruleSet.grantTable;
  if (!oldOrder && !isGuestAddress(hv.abi, list.lo, list.hi))
    return refuse(hv, 'grant_table_op.argument', { addressLo: list.lo, addressHi: list.hi });
  met(hv, 'grant_table_op.argument');
  const tooMany = () => refuse(hv, 'grant.setup-frames', { frames, maxFrames });
  let status = oldOrder && frames > maxFrames ? tooMany() : 0;
  const domain = status === 0 ? tableOwner(hv, vcpu.domain, domid) : null;
  if (typeof domain === 'number') status = domain;
  else if (domain !== null) {
    const table = hv.grants.of(domain);
    if (frames <= maxFrames) met(hv, 'grant.setup-frames');
    status = frames > maxFrames ? tooMany() : grow(hv, table, frames);
    if (status === 0 && !listFrames(element, table, frames, list)) status = refuseList(hv, list);
  }
  element.put(setup.status, status);
  return 0;
}

function grow(hv: Hypervisor, table: GrantTable, frames: number): number {
  if (!table.grow(frames)) return refuse(hv, 'grant.table-memory', { frames });
  met(hv, 'grant.table-memory');
  return 0;
}

/** Writes the machine frames of the table's pages to the guest's list. */
function listFrames(
  { hv, vcpu }: Element,
  table: GrantTable,
  count: number,
  { lo, hi }: { readonly lo: number; readonly hi: number },
): boolean {
  const { wordBytes } = hv.abi;
  for (let i = 0; i < count; i++) {
    const frame = table.frame(i);
    if (frame === null) throw new Error(`setup_table: page ${i} of ${table.domain.name} is missing`);
    const at = (lo + i * wordBytes) | 0;
    const carry = (lo >>> 0) + i * wordBytes > 0xffff_ffff ? 1 : 0;
    const isWritten =
      isGuestAddress(hv.abi, at, hi + carry) &&
      vcpu.mmu.store(at, hi + carry, wordBytes, frame | 0, Math.floor(frame / 0x1_0000_0000));
    if (!isWritten) return hv.ruleSet.grantTable.oldOrder;
  }
  met(hv, 'grant.frame-list');
  return true;
}

const refuseList = (hv: Hypervisor, list: { readonly lo: number; readonly hi: number }): number =>
  refuse(hv, 'grant.frame-list', { addressLo: list.lo, addressHi: list.hi });

/** One's own table, or anybody's for the privileged domain; 3.0.4 looks at the privilege first. */
function tableOwner(hv: Hypervisor, caller: Domain, domid: number): Domain | number {
  if (domid === DOMID.SELF) return caller;
  const facts = { foreign: domid, foreignHex: domid.toString(16) };
  const isPrivileged = caller.role === 'hardware';
  if (hv.ruleSet.grantTable.oldOrder && !isPrivileged) return refuse(hv, 'grant.privilege', facts);
  const domain = hv.machine.domain(domid as DomainId);
  if (domain === undefined) return refuse(hv, 'grant.domain', facts);
  met(hv, 'grant.domain');
  if (domain !== caller && !isPrivileged) return refuse(hv, 'grant.privilege', facts);
  met(hv, 'grant.privilege');
  return domain;
}

export function querySize(element: Element, { querySize: layout }: Layouts): number {
  const { hv, vcpu } = element;
  const domid = element.number(layout.domid);
  if (!element.isGood) return 0;
  const domain = tableOwner(hv, vcpu.domain, domid);
  if (typeof domain === 'number') {
    element.put(layout.status, domain);
    return 0;
  }
  element.put(layout.frames, hv.grants.of(domain).frames);
  element.put(layout.maxFrames, hv.ruleSet.grantTable.maxFrames);
  element.put(layout.status, 0);
  return 0;
}

/** The version afterwards is written back also on failure. */
export function setVersion(element: Element, { setVersion: layout }: Layouts): number {
  const { hv } = element;
  const wanted = element.number(layout.version);
  if (!element.isGood) return 0;
  let rc = 0;
  if (!KNOWN_VERSIONS.includes(wanted)) rc = refuse(hv, 'grant.version', { wanted });
  else if (wanted > VERSION) rc = refuse(hv, 'grant.version-2', {});
  if (rc === 0) met(hv, 'grant.version');
  element.put(layout.version, VERSION);
  return rc;
}

export function getVersion(element: Element, { getVersion: layout }: Layouts): number {
  const { hv, vcpu } = element;
  const domid = element.number(layout.domid);
  if (!element.isGood) return 0;
  const facts = { foreign: domid, foreignHex: domid.toString(16) };
  const domain = domid === DOMID.SELF ? vcpu.domain : hv.machine.domain(domid as DomainId);
  if (domain === undefined) return refuse(hv, 'grant.version-domain', facts);
  met(hv, 'grant.version-domain');
  if (domain !== vcpu.domain && vcpu.domain.role !== 'hardware')
    return refuse(hv, 'grant.version-privilege', facts);
  met(hv, 'grant.version-privilege');
  element.put(layout.version, VERSION);
  return 0;
}

export function swapReferences(element: Element, { swap }: Layouts): number {
  const { hv, vcpu } = element;
  const refs = [element.number(swap.a), element.number(swap.b)] as const;
  if (!element.isGood) return -1;
  const status = swapEntries(hv, hv.grants.of(vcpu.domain), refs);
  element.put(swap.status, status);
  return status;
}

function swapEntries(hv: Hypervisor, table: GrantTable, refs: readonly [number, number]): number {
  const granter = table.domain.id;
  for (const ref of refs)
    if (ref >= table.entries) return refuse(hv, 'grant.reference', { ref, granter, entries: table.entries });
  if (refs[0] === refs[1]) return 0;
  for (const ref of refs) if (table.pin(ref) !== 0) return refuse(hv, 'grant.swap-pinned', { ref });
  met(hv, 'grant.swap-pinned');
  for (const ref of refs)
    if (!table.grow(Math.floor(ref / ENTRIES_PER_FRAME) + 1))
      return refuse(hv, 'grant.table-memory', { frames: table.frames });
  table.swap(refs[0], refs[1]);
  return 0;
}
