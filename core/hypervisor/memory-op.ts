/**
 * HYPERVISOR_memory_op (12): taking frames from Xen and giving them back. The reservation operations return how many
 * extents were done, and in 4.17 hide even argument errors in a count of 0. Facts 4.1 to 4.3, 4.5.
 */

import type { Field } from '../abi/index.ts';
import type { Domain } from '../machine/domain.ts';
import { FrameFlag } from '../machine/frames.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { DOMID, type DomainId, type Mfn, lowWord, highWord, mfn } from '../units.ts';
import { isGuestAddress, readField, writeField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { exchange } from './memory-exchange.ts';
import { machineMemoryMap, machphysMfnList, maximumGpfn, memoryMap, physmap } from './memory-queries.ts';
import { allocatePages, getPage, putPage } from './references.ts';
import { type Facts, met, refuse } from './refusal.ts';
import type { RuleId } from './rules.ts';
import { did, left } from './trace.ts';
import { putPageAndType } from './type-system.ts';

export const XENMEM_NAMES: readonly string[] = [
  'XENMEM_increase_reservation',
  'XENMEM_decrease_reservation',
  'XENMEM_maximum_ram_page',
  'XENMEM_current_reservation',
  'XENMEM_maximum_reservation',
  'XENMEM_machphys_mfn_list',
  'XENMEM_populate_physmap',
  'XENMEM_add_to_physmap',
  'XENMEM_translate_gpfn_list',
  'XENMEM_memory_map',
  'XENMEM_machine_memory_map',
  'XENMEM_exchange',
  'XENMEM_machphys_mapping',
  'XENMEM_set_memory_map',
  'XENMEM_maximum_gpfn',
  'XENMEM_remove_from_physmap',
];

const INCREASE = 0;
const DECREASE = 1;
const MAXIMUM_RAM_PAGE = 2;
const CURRENT_RESERVATION = 3;
const MAXIMUM_RESERVATION = 4;
const POPULATE = 6;
const MACHPHYS_MFN_LIST = 5;
const ADD_TO_PHYSMAP = 7;
const MEMORY_MAP = 9;
const MACHINE_MEMORY_MAP = 10;
const EXCHANGE = 11;
const MACHPHYS_MAPPING = 12;
const SET_MEMORY_MAP = 13;
const MAXIMUM_GPFN = 14;
const REMOVE_FROM_PHYSMAP = 15;
const ADD_TO_PHYSMAP_BATCH = 23;
/** Given up by Xen, and for 32-bit guests of a toolstack's. */
const TRANSLATE_GPFN_LIST = 8;
const MACHPHYS_COMPAT_MFN_LIST = 25;
/** Operations that go on at the extent that the upper bits of the command name; those beside them refuse one. */
const CONTINUABLE: ReadonlySet<number> = new Set([
  INCREASE,
  DECREASE,
  POPULATE,
  ADD_TO_PHYSMAP,
  ADD_TO_PHYSMAP_BATCH,
]);
/** Operations whose code compares the whole command, so that with an extent in it there is no such operation. */
const WHOLE_COMMAND: ReadonlySet<number> = new Set([
  MACHPHYS_MFN_LIST,
  TRANSLATE_GPFN_LIST,
  MACHPHYS_COMPAT_MFN_LIST,
  MEMORY_MAP,
  MACHINE_MEMORY_MAP,
  MACHPHYS_MAPPING,
  SET_MEMORY_MAP,
]);
/** Xen keeps the number of the next extent above the operation when it interrupts itself. */
const MAX_EXTENTS = 0xffff_ffff >>> 6;
/** XENMEMF_address_bits of the flags. */
const ADDRESS_BITS = 0xff;
const PAGE_BITS = 12;
const HIGH_WORD_WEIGHT = 0x1_0000_0000;

/** A struct xen_memory_reservation as read from the guest. */
interface Reservation {
  readonly command: number;
  /** The extent to begin with. */
  readonly start: number;
  readonly listLo: number;
  readonly listHi: number;
  readonly count: number;
  readonly order: number;
  readonly memFlags: number;
  readonly domain: Domain;
}

export function memoryOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const { memoryOpBits, lastMemoryOp, memoryOpReturnsErrors } = hv.ruleSet;
  const command = (args[0] as number) & (2 ** memoryOpBits - 1);
  const start = (args[0] as number) >>> memoryOpBits;
  const lo = args[2] as number;
  const hi = args[3] as number;
  const isStray = start !== 0 && !CONTINUABLE.has(command) && !memoryOpReturnsErrors;
  if (command > lastMemoryOp || (isStray && WHOLE_COMMAND.has(command)))
    return refuse(hv, 'memory_op.command', { command: (args[0] as number) >>> 0 });
  met(hv, 'memory_op.command');
  if (isStray) return refuse(hv, 'memory_op.continuation', { command, start });
  met(hv, 'memory_op.continuation');
  switch (command) {
    case INCREASE:
    case DECREASE:
    case POPULATE:
      return reservation(hv, vcpu, command, start, lo, hi);
    case MAXIMUM_RAM_PAGE:
      return hv.machine.maxPage;
    case CURRENT_RESERVATION:
    case MAXIMUM_RESERVATION:
    case MAXIMUM_GPFN:
      return queryReservation(hv, vcpu, command, lo, hi);
    case MACHPHYS_MFN_LIST:
      return machphysMfnList(hv, vcpu, lo, hi);
    case ADD_TO_PHYSMAP:
    case REMOVE_FROM_PHYSMAP:
    case ADD_TO_PHYSMAP_BATCH:
      return physmap(hv, vcpu, command, lo, hi);
    case MEMORY_MAP:
      return memoryMap(hv, vcpu, lo, hi);
    case MACHINE_MEMORY_MAP:
      return machineMemoryMap(hv, vcpu, lo, hi);
    case EXCHANGE:
      return exchange(hv, vcpu, lo, hi);
    case MACHPHYS_MAPPING:
      return machphysMapping(hv, vcpu, lo, hi);
    case SET_MEMORY_MAP:
      return vcpu.domain.role === 'hardware'
        ? refuse(hv, 'memory_op.not-modelled', { command })
        : refuse(hv, 'memory_op.set-map', {});
    default:
      return refuse(hv, 'memory_op.not-modelled', { command });
  }
}

/** An error that 4.17 turns into "no further extent done". */
function argumentError(hv: Hypervisor, start: number, rule: RuleId, facts: Facts): number {
  const rc = refuse(hv, rule, facts);
  return hv.ruleSet.memoryOpReturnsErrors ? rc : start;
}

function reservation(
  hv: Hypervisor,
  vcpu: Vcpu,
  command: number,
  start: number,
  addressLo: number,
  addressHi: number,
): number {
  hv.done = 0;
  const { memoryReservation: layout } = hv.abi;
  const { mmu } = vcpu;
  const wide = hv.abi.wordBytes === 8;
  const read = (field: Field): boolean => readField(vcpu, addressLo, addressHi, field);
  const unreadable = (): number => argumentError(hv, start, 'memory_op.argument', { addressLo, addressHi });
  if (!read(layout.extentStart)) return unreadable();
  const listLo = mmu.lo;
  const listHi = mmu.hi;
  if (!read(layout.nrExtents)) return unreadable();
  const count = (mmu.lo >>> 0) + (wide ? (mmu.hi >>> 0) * HIGH_WORD_WEIGHT : 0);
  if (!read(layout.extentOrder)) return unreadable();
  const order = mmu.lo >>> 0;
  if (!read(layout.memFlags)) return unreadable();
  const memFlags = mmu.lo;
  if (!read(layout.domid)) return unreadable();
  met(hv, 'memory_op.argument');
  if (count > MAX_EXTENTS)
    return argumentError(hv, start, 'memory_op.extents', { count, limit: MAX_EXTENTS });
  met(hv, 'memory_op.extents');
  if (start >= count) return start;
  const domain = reservationDomain(hv, vcpu, mmu.lo);
  if (domain === null) return hv.ruleSet.memoryOpReturnsErrors ? lastError(hv) : start;
  const bits = memFlags & ADDRESS_BITS;
  if (bits !== 0 && bits <= PAGE_BITS && !hv.ruleSet.memoryOpReturnsErrors)
    return argumentZero(hv, start, 'memory_op.address-bits', { bits });
  met(hv, 'memory_op.address-bits');
  const limit = hv.ruleSet.maxOrder[vcpu.domain.role];
  const facts = { addressLo: listLo, addressHi: listHi, extent: 0 };
  const isLimited = command !== DECREASE || !hv.ruleSet.memoryOpReturnsErrors;
  if (order > limit && isLimited) return argumentZero(hv, start, 'memory_op.order', { order, limit });
  met(hv, 'memory_op.order');
  const mayBeNull = command === INCREASE && listLo === 0 && listHi === 0;
  if (!mayBeNull && !isGuestAddress(hv.abi, listLo, listHi))
    return argumentZero(hv, start, 'memory_op.list', facts);
  met(hv, 'memory_op.list');
  if (hv.tracer !== null) hv.tracer.entered(EXTENT_FUNCTIONS[command] ?? '', { extents: count, order });
  const reservation = { command, start, listLo, listHi, count, order, memFlags, domain };
  const done = left(hv, runExtents(hv, vcpu, reservation));
  if (hv.flushDue) {
    hv.flushDue = false;
    hv.tlb.flushDomain(domain);
    did(hv, 'flush');
  }
  hv.done = done;
  return done;
}

/** An error that every rule set turns into "no further extent done". */
function argumentZero(hv: Hypervisor, start: number, rule: RuleId, facts: Facts): number {
  refuse(hv, rule, facts);
  return start;
}

const lastError = (hv: Hypervisor): number =>
  hv.pending === null ? 0 : refuse(hv, hv.pending.rule, hv.pending.facts);

/** DOMID_SELF, one's own number, or for the privileged domain any other; null with the refusal noted. */
function reservationDomain(hv: Hypervisor, vcpu: Vcpu, domid: number): Domain | null {
  if (domid === DOMID.SELF || domid === vcpu.domain.id) return vcpu.domain;
  const foreign = { foreign: domid, foreignHex: domid.toString(16) };
  const domain = hv.machine.domain(domid as DomainId);
  if (domain === undefined) {
    refuse(hv, 'memory_op.domain', { ...foreign, why: 'does not exist' });
    return null;
  }
  met(hv, 'memory_op.domain');
  if (vcpu.domain.role !== 'hardware') {
    refuse(hv, 'memory_op.privilege', foreign);
    return null;
  }
  met(hv, 'memory_op.privilege');
  return domain;
}

const EXTENT_FUNCTIONS: Readonly<Record<number, string>> = {
  [INCREASE]: 'increase_reservation',
  [DECREASE]: 'decrease_reservation',
  [POPULATE]: 'populate_physmap',
};

/** Works through the extents; the number of those that are done. */
function runExtents(hv: Hypervisor, vcpu: Vcpu, r: Reservation): number {
  for (let extent = r.start; extent < r.count; extent++) {
    hv.requestIndex = extent;
    const isDone =
      r.command === DECREASE
        ? decreaseExtent(hv, vcpu, r, extent)
        : r.command === POPULATE
          ? populateExtent(hv, vcpu, r, extent)
          : increaseExtent(hv, vcpu, r, extent);
    if (!isDone) return extent;
  }
  return r.count;
}

function increaseExtent(hv: Hypervisor, vcpu: Vcpu, r: Reservation, extent: number): boolean {
  const base = allocateExtent(hv, r, extent);
  if (base === null) return false;
  if (r.listLo === 0 && r.listHi === 0) return true;
  return writeListed(hv, vcpu, r, extent, base) || refuseList(hv, r, extent);
}

function populateExtent(hv: Hypervisor, vcpu: Vcpu, r: Reservation, extent: number): boolean {
  if (!readListed(hv, vcpu, r, extent)) return refuseList(hv, r, extent);
  const pfnLo = vcpu.mmu.lo;
  const pfnHi = vcpu.mmu.hi;
  const base = allocateExtent(hv, r, extent);
  if (base === null) return false;
  for (let j = 0; j < 2 ** r.order; j++) {
    const carry = (pfnLo >>> 0) + j > 0xffff_ffff ? 1 : 0;
    hv.machine.setM2p(mfn(base + j), (pfnLo + j) | 0, (pfnHi + carry) | 0);
  }
  did(hv, 'm2p');
  return writeListed(hv, vcpu, r, extent, base) || refuseList(hv, r, extent);
}

function allocateExtent(hv: Hypervisor, r: Reservation, extent: number): Mfn | null {
  const pages = 2 ** r.order;
  const facts = { extent, order: r.order, memFlags: r.memFlags, count: r.count };
  if (r.domain.totPages + pages > r.domain.maxPages) {
    const why = `d${r.domain.id} has ${r.domain.totPages} of at most ${r.domain.maxPages} pages`;
    refuse(hv, 'memory_op.no-memory', { ...facts, why });
    return null;
  }
  const base = allocatePages(hv, r.domain, r.order);
  if (base === null)
    refuse(hv, 'memory_op.no-memory', { ...facts, why: `the machine has ${hv.heap.freeFrames} free frames` });
  else if (hv.tracer !== null) hv.tracer.checked('memory_op.no-memory', 'met', { extent, frame: base });
  return base;
}

function decreaseExtent(hv: Hypervisor, vcpu: Vcpu, r: Reservation, extent: number): boolean {
  if (!readListed(hv, vcpu, r, extent)) return refuseList(hv, r, extent);
  const base = (vcpu.mmu.hi >>> 0) * HIGH_WORD_WEIGHT + (vcpu.mmu.lo >>> 0);
  for (let j = 0; j < 2 ** r.order; j++) if (!removePage(hv, r.domain, base + j, extent)) return false;
  return true;
}

/** Gives one frame back: the reference of the allocation goes, the frame itself when nothing else holds it. */
function removePage(hv: Hypervisor, domain: Domain, frame: number, extent: number): boolean {
  if (hv.tracer === null) return giveBack(hv, domain, frame, extent);
  hv.tracer.entered('guest_remove_page', { frame });
  const isGone = giveBack(hv, domain, frame, extent);
  hv.tracer.left(null);
  return isGone;
}

function giveBack(hv: Hypervisor, domain: Domain, frame: number, extent: number): boolean {
  const { frames } = hv;
  if (!hv.machine.isRam(mfn(frame))) {
    refuse(hv, 'memory_op.invalid-frame', { frame, extent });
    return false;
  }
  met(hv, 'memory_op.invalid-frame');
  if (!getPage(hv, frame, domain.id)) {
    refuse(hv, 'memory_op.not-owned', { frame, extent });
    return false;
  }
  met(hv, 'memory_op.not-owned');
  if (hv.ruleSet.decreaseUnpins && frames.hasFlag(mfn(frame), FrameFlag.pinned)) {
    frames.clearFlag(mfn(frame), FrameFlag.pinned);
    did(hv, 'unpin');
    putPageAndType(hv, frame);
  }
  if (frames.hasFlag(mfn(frame), FrameFlag.allocated)) {
    frames.clearFlag(mfn(frame), FrameFlag.allocated);
    putPage(hv, frame);
    did(hv, 'release');
  }
  putPage(hv, frame);
  did(hv, 'put');
  return true;
}

const listField = (hv: Hypervisor, extent: number) => ({
  offset: extent * hv.abi.wordBytes,
  bytes: hv.abi.wordBytes,
});

const readListed = (hv: Hypervisor, vcpu: Vcpu, r: Reservation, extent: number): boolean =>
  tellList(hv, extent, readField(vcpu, r.listLo, r.listHi, listField(hv, extent)));

const writeListed = (hv: Hypervisor, vcpu: Vcpu, r: Reservation, extent: number, frame: Mfn): boolean =>
  tellList(
    hv,
    extent,
    writeField(
      vcpu,
      r.listLo,
      r.listHi,
      listField(hv, extent),
      frame | 0,
      Math.floor(frame / HIGH_WORD_WEIGHT),
    ),
  );

/** An element of the list was accessed, or not: then the caller refuses. */
function tellList(hv: Hypervisor, extent: number, isDone: boolean): boolean {
  if (isDone && hv.tracer !== null) hv.tracer.checked('memory_op.list', 'met', { extent });
  return isDone;
}

function refuseList(hv: Hypervisor, r: Reservation, extent: number): false {
  refuse(hv, 'memory_op.list', { addressLo: r.listLo, addressHi: r.listHi, extent });
  return false;
}

/** The argument of these three is a domid_t alone. */
function queryReservation(
  hv: Hypervisor,
  vcpu: Vcpu,
  command: number,
  addressLo: number,
  addressHi: number,
): number {
  if (!readField(vcpu, addressLo, addressHi, { offset: 0, bytes: 2 }))
    return refuse(hv, 'memory_op.argument', { addressLo, addressHi });
  const domain = reservationDomain(hv, vcpu, vcpu.mmu.lo);
  if (domain === null) return lastError(hv);
  if (command === MAXIMUM_GPFN) return maximumGpfn(hv, domain);
  return command === CURRENT_RESERVATION ? domain.totPages : domain.maxPages;
}

/** struct xen_machphys_mapping { v_start, v_end, max_mfn }. */
function machphysMapping(hv: Hypervisor, vcpu: Vcpu, addressLo: number, addressHi: number): number {
  const { m2pWindow, wordBytes } = hv.abi;
  const windowEntries = (m2pWindow.end - m2pWindow.start) / BigInt(wordBytes);
  const maxMfn =
    wordBytes === 8 && vcpu.domain.role === 'hardware' ? BigInt(hv.machine.maxPage - 1) : windowEntries - 1n;
  const values = [m2pWindow.start, m2pWindow.end, maxMfn];
  const isWritten = values.every((value, i) =>
    writeField(
      vcpu,
      addressLo,
      addressHi,
      { offset: i * wordBytes, bytes: wordBytes },
      lowWord(value),
      highWord(value),
    ),
  );
  return isWritten ? 0 : refuse(hv, 'memory_op.argument', { addressLo, addressHi });
}
