/**
 * HYPERVISOR_grant_table_op (20): lists of grant operations. The hypercall returns 0 although elements fail: each has a
 * status of its own, GNTST_*. The refusal that is told is that of the first element that failed. Facts 5.2.
 */

import type { Vcpu } from '../machine/vcpu.ts';
import { GRANT_LAYOUTS } from './grant-layouts.ts';
import { copyGrant } from './grant-copy.ts';
import { Element, type Layouts } from './grant-element.ts';
import { type MapRequest, type Unmapped, completeUnmap, mapGrantRef, unmapGrantRef } from './grant-map.ts';
import { getVersion, querySize, setVersion, setupTable, swapReferences } from './grant-table-setup.ts';
import { transferPage } from './grant-transfer.ts';
import { isGuestAddress } from './guest-access.ts';
import { formatHex } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { left } from './trace.ts';

export const GNTTABOP_NAMES: readonly string[] = [
  'GNTTABOP_map_grant_ref',
  'GNTTABOP_unmap_grant_ref',
  'GNTTABOP_setup_table',
  'GNTTABOP_dump_table',
  'GNTTABOP_transfer',
  'GNTTABOP_copy',
  'GNTTABOP_query_size',
  'GNTTABOP_unmap_and_replace',
  'GNTTABOP_set_version',
  'GNTTABOP_get_status_frames',
  'GNTTABOP_get_version',
  'GNTTABOP_swap_grant_ref',
];

const UNMAP_AND_REPLACE = 7;
/** Elements that are unmapped before the TLBs are flushed and their references dropped. */
const UNMAP_BATCH = 32;

/** The work of a command: the result of the hypercall. */
type Command = (element: Element, count: number) => number;

export function grantTableOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const count = (args[4] as number) >>> 0;
  hv.done = 0;
  const { commands, maxCount } = hv.ruleSet.grantTable;
  if (count > maxCount) return refuse(hv, 'grant_table_op.count', { command: nameOf(command), count });
  met(hv, 'grant_table_op.count');
  const run = COMMANDS[command];
  if (run === undefined || !commands.has(command)) return refuse(hv, 'grant_table_op.command', { command });
  met(hv, 'grant_table_op.command');
  const lo = args[2] as number;
  const hi = hv.abi.wordBytes === 8 ? (args[3] as number) : 0;
  const element = new Element(hv, vcpu, lo, hi);
  if (!isGuestAddress(hv.abi, lo, hi)) return element.fault();
  met(hv, 'grant_table_op.argument');
  return run(element, count);
}

const nameOf = (command: number): string => GNTTABOP_NAMES[command] ?? `command ${command}`;

/** Runs a command on each element in turn; `work` returns the element's status. */
const each =
  (bytesOf: (layouts: Layouts) => number, work: (element: Element, layouts: Layouts) => number): Command =>
  (element, count) => {
    const { hv } = element;
    const layouts = GRANT_LAYOUTS[hv.abi.wordBytes];
    for (let i = 0; i < count; i++) {
      hv.requestIndex = i;
      if (hv.tracer !== null) hv.tracer.did('element', { i, count });
      const status = work(element, layouts);
      if (!element.isGood) return element.fault();
      met(hv, 'grant_table_op.argument');
      if (status === 0) hv.done += 1;
      element.moveBy(bytesOf(layouts));
    }
    return 0;
  };

/** Commands that take one structure; `count` must be 1, or is not looked at. Their result is the hypercall's. */
const single =
  (countMatters: 'counts' | 'any', work: (element: Element, layouts: Layouts) => number): Command =>
  (element, count) => {
    const { hv } = element;
    if (countMatters === 'counts' && count !== 1) return refuse(hv, 'grant_table_op.single', { count });
    const rc = work(element, GRANT_LAYOUTS[hv.abi.wordBytes]);
    if (!element.isGood) return element.fault();
    met(hv, 'grant_table_op.argument');
    hv.done = hv.pending === null ? 1 : 0;
    return rc;
  };

/** Work that is a function of Xen's by itself. */
const named =
  (name: string, work: (element: Element, layouts: Layouts) => number) =>
  (element: Element, layouts: Layouts): number => {
    if (element.hv.tracer !== null) element.hv.tracer.entered(name, {});
    return left(element.hv, work(element, layouts));
  };

function mapElement(element: Element, { map }: Layouts): number {
  const { hv, vcpu } = element;
  const request = {
    host: element.words(map.host),
    flags: element.number(map.flags),
    ref: element.number(map.ref),
    domid: element.number(map.domid),
  };
  if (!element.isGood) return -1;
  if (hv.tracer !== null) tellMap(hv, request);
  const mapped = mapGrantRef(hv, vcpu, request);
  left(hv, typeof mapped === 'number' ? mapped : 0);
  if (typeof mapped === 'number') {
    element.put(map.status, mapped);
    return mapped;
  }
  element.put(map.status, 0);
  element.put(map.handle, mapped.handle);
  element.put(map.device, mapped.frame << 12, Math.floor(mapped.frame / 0x10_0000));
  return 0;
}

function tellMap(hv: Hypervisor, { host, flags, ref, domid }: MapRequest): void {
  const facts = { addressLo: host.lo, addressHi: host.hi, flags: formatHex(flags), ref, granter: domid };
  hv.tracer?.entered('map_grant_ref', facts);
}

/** unmap_grant_ref and unmap_and_replace: in 4.17, 32 elements share a TLB flush before references are dropped. */
const unmapElements =
  (command: 'unmap' | 'replace'): Command =>
  (element, count) => {
    const { hv, vcpu } = element;
    const batch = hv.ruleSet.grantTable.unmapsInBatches ? UNMAP_BATCH : 1;
    let gone: Unmapped[] = [];
    const finish = () => {
      hv.tlb.flushDomain(vcpu.domain);
      for (const unmapped of gone) completeUnmap(hv, unmapped);
      gone = [];
    };
    for (let i = 0; i < count; i++) {
      hv.requestIndex = i;
      if (hv.tracer !== null) hv.tracer.did('element', { i, count });
      const { status, unmapped } = unmapElement(element, command);
      if (unmapped !== null) gone.push(unmapped);
      if (!element.isGood) break;
      if (status === 0) hv.done += 1;
      if ((i + 1) % batch === 0 && i + 1 < count) finish();
      element.moveBy(GRANT_LAYOUTS[hv.abi.wordBytes][command].bytes);
    }
    finish();
    return element.isGood ? 0 : element.fault();
  };

const NULL_ADDRESS = { lo: 0, hi: 0 };

function unmapElement(element: Element, command: 'unmap' | 'replace') {
  const { unmap, replace } = GRANT_LAYOUTS[element.hv.abi.wordBytes];
  const host = element.words(unmap.host);
  const second = element.words(command === 'unmap' ? unmap.device : replace.replacement);
  const handle = element.number(unmap.handle);
  if (!element.isGood) return { status: -1, unmapped: null };
  const isReplaced = command === 'replace' && (second.lo | second.hi) !== 0;
  const { tracer } = element.hv;
  if (tracer !== null) tracer.entered('unmap_common', { addressLo: host.lo, addressHi: host.hi, handle });
  const done = unmapGrantRef(element.hv, element.vcpu, {
    host,
    device: command === 'unmap' ? second : NULL_ADDRESS,
    handle,
    replacement: isReplaced ? second : null,
  });
  left(element.hv, done.status);
  element.put(unmap.status, done.status);
  return done;
}

const COMMANDS: { readonly [command: number]: Command } = {
  0: each(({ map }) => map.bytes, mapElement),
  1: unmapElements('unmap'),
  2: single('counts', named('gnttab_setup_table', setupTable)),
  4: each(({ transfer }) => transfer.bytes, transferPage),
  5: each(({ copy }) => copy.bytes, copyGrant),
  6: single('counts', named('gnttab_query_size', querySize)),
  [UNMAP_AND_REPLACE]: unmapElements('replace'),
  8: single('any', named('gnttab_set_version', setVersion)),
  10: single('any', named('gnttab_get_version', getVersion)),
  11: each(({ swap }) => swap.bytes, named('swap_grant_ref', swapReferences)),
};
