/**
 * The page-table entries that grants are mapped by: Xen writes them itself, into an L1 entry of the caller that is
 * named by the address it maps or, with GNTMAP_contains_pte, by its own machine address. Facts 5.5, 5.6, 5.10.
 */

import { PageType } from '../machine/frames.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { A, D, NX_HI, P, RW, US, entryFrame, entryHi, entryLo } from '../pte.ts';
import { type Mfn, mfn } from '../units.ts';
import { WalkRecord, entryWord, walk } from '../walk.ts';
import { adjustedHi, adjustedLo, putPageFromL1e } from './entries.ts';
import { GNTMAP_AVAIL_SHIFT, Gntmap } from './grant-table.ts';
import { isGuestAddress } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { ownsPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import { did, left } from './trace.ts';
import { isTableInUse } from './type-system.ts';

/** Software bits of an entry that the guest may choose: three, from bit 9 on. */
const AVAIL_FIRST_BIT = 9;
const AVAIL_BITS = 7;
const HIGH_FRAME_WEIGHT = 0x10_0000;

/** A 64-bit address as the guest passes it, in words. */
export interface Address {
  readonly lo: number;
  readonly hi: number;
}

/** An L1 entry of the caller: a table in use, and the entry's first word. */
interface EntryPlace {
  readonly table: Mfn;
  readonly word: number;
}

const record = new WalkRecord();

/**
 * Writes the entry of a host mapping; what it replaces loses its references. The references of the new entry are the
 * caller's, taken before. 0, or the status with nothing changed.
 */
export function createGrantMapping(
  hv: Hypervisor,
  vcpu: Vcpu,
  at: Address,
  frame: Mfn,
  flags: number,
): number {
  if (hv.tracer !== null)
    hv.tracer.entered('create_grant_pv_mapping', { addressLo: at.lo, addressHi: at.hi, frame });
  return left(hv, makeMapping(hv, vcpu, at, frame, flags));
}

function makeMapping(hv: Hypervisor, vcpu: Vcpu, at: Address, frame: Mfn, flags: number): number {
  const place = findEntry(hv, vcpu, at, flags);
  if (typeof place === 'number') return place;
  const lo = grantFlagsLo(hv, flags);
  const hi = grantFlagsHi(hv);
  const oldLo = hv.memory.readWord(place.table, place.word);
  const oldHi = hv.wide ? hv.memory.readWord(place.table, place.word + 1) : 0;
  const newLo = entryLo(frame, lo);
  const newHi = entryHi(frame, hi);
  writeEntry(hv, place, adjustedLo(hv, 1, newLo, newHi), adjustedHi(hv, 1, newLo, newHi));
  did(hv, 'write');
  putPageFromL1e(hv, oldLo, oldHi);
  return 0;
}

/**
 * Takes the entry of a host mapping away, or puts the entry that maps `replacement` in its place (which then maps
 * nothing). The references stay with the caller. 0, or the status: then `replacement` may have lost its mapping.
 */
export function replaceGrantMapping(
  hv: Hypervisor,
  vcpu: Vcpu,
  at: Address,
  frame: Mfn,
  flags: number,
  replacement: Address | null,
): number {
  if (hv.tracer !== null)
    hv.tracer.entered('replace_grant_pv_mapping', { addressLo: at.lo, addressHi: at.hi, frame });
  return left(hv, takeMapping(hv, vcpu, at, frame, flags, replacement));
}

function takeMapping(
  hv: Hypervisor,
  vcpu: Vcpu,
  at: Address,
  frame: Mfn,
  flags: number,
  replacement: Address | null,
): number {
  let newLo = 0;
  let newHi = 0;
  if (replacement !== null) {
    if ((flags & Gntmap.containsPte) !== 0) return refuse(hv, 'grant.replace-pte', {});
    met(hv, 'grant.replace-pte');
    const stolen = findEntry(hv, vcpu, replacement, 0);
    if (typeof stolen === 'number') return stolen;
    newLo = hv.memory.readWord(stolen.table, stolen.word);
    newHi = hv.wide ? hv.memory.readWord(stolen.table, stolen.word + 1) : 0;
    writeEntry(hv, stolen, 0, 0);
    did(hv, 'steal');
  }
  const place = findEntry(hv, vcpu, at, flags);
  const status = typeof place === 'number' ? place : checkMapping(hv, place, at, frame, flags);
  if (typeof place === 'number' || status !== 0) {
    putPageFromL1e(hv, newLo, newHi);
    return status;
  }
  writeEntry(hv, place, newLo, newHi);
  did(hv, 'write');
  return 0;
}

/** The guest's own idea of where the mapping is must agree with the entry that is there. */
function checkMapping(hv: Hypervisor, place: EntryPlace, at: Address, frame: Mfn, flags: number): number {
  const lo = hv.memory.readWord(place.table, place.word);
  const hi = hv.wide ? hv.memory.readWord(place.table, place.word + 1) : 0;
  const differing = (lo ^ grantFlagsLo(hv, flags)) & (P | RW);
  if (entryFrame(lo, hi) === frame && differing === 0) {
    met(hv, 'grant.pte-mismatch');
    return 0;
  }
  return refuse(hv, 'grant.pte-mismatch', {
    level: 1,
    entryLo: lo,
    entryHi: hi,
    table: place.table,
    addressLo: at.lo,
    addressHi: at.hi,
    granted: `mfn ${frame.toString(16).padStart(5, '0')}, ${(flags & Gntmap.readonly) !== 0 ? 'read-only' : 'writable'}`,
  });
}

function findEntry(hv: Hypervisor, vcpu: Vcpu, at: Address, flags: number): EntryPlace | number {
  return (flags & Gntmap.containsPte) !== 0 ? entryNamed(hv, vcpu, at) : entryMapping(hv, vcpu, at);
}

/** The entry at a machine address. */
function entryNamed(hv: Hypervisor, vcpu: Vcpu, at: Address): EntryPlace | number {
  const facts = { addressLo: at.lo, addressHi: at.hi };
  if ((at.lo & (hv.abi.entryBytes - 1)) !== 0) return refuse(hv, 'grant.pte-aligned', facts);
  met(hv, 'grant.pte-aligned');
  const frame = (at.hi >>> 0) * HIGH_FRAME_WEIGHT + (at.lo >>> 12);
  if (!ownsPage(hv, frame, vcpu.domain.id)) return refuse(hv, 'grant.pte-owner', { ...facts, frame });
  met(hv, 'grant.pte-owner');
  if (!isTableInUse(hv, frame, PageType.l1)) return refuse(hv, 'grant.pte-type', { ...facts, frame });
  met(hv, 'grant.pte-type');
  return { table: mfn(frame), word: (at.lo & 0xfff) >>> 2 };
}

/** The entry that maps an address in the kernel root that is loaded. */
function entryMapping(hv: Hypervisor, vcpu: Vcpu, at: Address): EntryPlace | number {
  const facts = { addressLo: at.lo, addressHi: at.hi };
  const root = vcpu.kernelRoot;
  if (root === null) throw new Error(`grant mapping: ${vcpu.name} runs without a root`);
  const isShort = hv.abi.wordBytes === 8 || at.hi === 0;
  if (!isShort || !isGuestAddress(hv.abi, at.lo, at.hi)) return refuse(hv, 'grant.address', facts);
  met(hv, 'grant.address');
  walk(hv.memory, hv.abi, root, at.lo, at.hi, record);
  if (record.level !== 1 || record.end === 'noMemory')
    return refuse(hv, 'grant.no-l1', { ...facts, level: record.level });
  met(hv, 'grant.no-l1');
  const table = record.tables[0] as Mfn;
  if (!ownsPage(hv, table, vcpu.domain.id) || !isTableInUse(hv, table, PageType.l1))
    return refuse(hv, 'grant.pte-type', { ...facts, frame: table });
  met(hv, 'grant.pte-type');
  return { table, word: entryWord(hv.abi, record.slots[0] as number) };
}

function writeEntry(hv: Hypervisor, { table, word }: EntryPlace, lo: number, hi: number): void {
  hv.memory.writeWord(table, word, lo);
  if (hv.wide) hv.memory.writeWord(table, word + 1, hi);
}

function grantFlagsLo(hv: Hypervisor, flags: number): number {
  const { debugMark, mappingsNoExec } = hv.ruleSet.grantTable;
  const chosen = mappingsNoExec ? ((flags >>> GNTMAP_AVAIL_SHIFT) & AVAIL_BITS) << AVAIL_FIRST_BIT : 0;
  const writable = (flags & Gntmap.readonly) !== 0 ? 0 : RW;
  const user =
    (flags & Gntmap.application) !== 0 || hv.ruleSet.grantTable.alwaysUser.has(hv.abi.name) ? US : 0;
  return P | A | D | writable | user | chosen | (hv.options.debug ? debugMark.lo : 0);
}

const grantFlagsHi = (hv: Hypervisor): number =>
  !hv.wide
    ? 0
    : (hv.ruleSet.grantTable.mappingsNoExec ? NX_HI : 0) |
      (hv.options.debug ? hv.ruleSet.grantTable.debugMark.hi : 0);
