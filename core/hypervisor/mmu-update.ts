/**
 * HYPERVISOR_mmu_update (1): a batch of requests { u64 ptr, u64 val }; the low bits of ptr are the command, the rest
 * the machine address of an entry. Requests are carried out in order; the first that fails ends the batch, and what
 * was done before it stays. Facts 3.15.
 */

import { PageType } from '../machine/frames.ts';
import type { Domain } from '../machine/domain.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { type DomainId, type Mfn, formatHex, joinWords, mfn } from '../units.ts';
import { modL1Entry, modUpperEntry } from './entries.ts';
import { mayActOn, refuseUnprivileged, resolveForeign } from './foreign.ts';
import { carryInto, isGuestAddress, isNull } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { ownsPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import { did } from './trace.ts';
import { TOP_L2, TypeFailure, getPageType, putPageType } from './type-system.ts';
import { isTopL2 } from './xen-slots.ts';

export const MMU_NORMAL_PT_UPDATE = 0;
export const MMU_MACHPHYS_UPDATE = 1;
export const MMU_PT_UPDATE_PRESERVE_AD = 2;
export const MMU_PT_UPDATE_NO_TRANSLATE = 3;
/** In `count`: the call continues an earlier one, of which *pdone requests are done. */
export const MMU_UPDATE_PREEMPTED = 1 << 31;
export const REQUEST_BYTES = 16;
const HIGH_FRAME_WEIGHT = 0x10_0000;

export function mmuUpdate(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const listLo = args[0] as number;
  const listHi = args[1] as number;
  const foreign = args[6] as number;
  const count = (args[2] as number) & ~MMU_UPDATE_PREEMPTED;
  const continues = ((args[2] as number) & MMU_UPDATE_PREEMPTED) !== 0;
  if (continues && count === 0 && isNull(listLo, listHi)) return foreign | 0;
  const before = continues ? readDone(vcpu, args) : 0;
  hv.done = 0;
  const { entryErrorsWriteDone, foreignTableOwner } = hv.ruleSet;
  if (!entryErrorsWriteDone && !isGuestAddress(hv.abi, listLo, listHi)) return refuseList(hv, args, count, 0);
  if (!entryErrorsWriteDone) met(hv, 'mmu_update.requests');
  const tableOwner = foreignTableOwner ? resolveTableOwner(hv, vcpu, foreign >>> 16) : vcpu.domain;
  if (typeof tableOwner === 'number') return tableOwner;
  if (hv.tracer !== null) hv.tracer.did('pt_owner', { tableOwner: tableOwner.id });
  const pageOwner = resolveForeign(hv, vcpu, foreign);
  if (pageOwner < 0) {
    writeDone(vcpu, args, before);
    return pageOwner;
  }
  if (entryErrorsWriteDone && !isGuestAddress(hv.abi, listLo, listHi)) {
    writeDone(vcpu, args, before);
    return refuseList(hv, args, count, 0);
  }
  if (entryErrorsWriteDone) met(hv, 'mmu_update.requests');
  const rc = runBatch(hv, vcpu, args, count, tableOwner, pageOwner);
  if (hv.flushDue) {
    hv.flushDue = false;
    hv.tlb.flushDomain(tableOwner);
    did(hv, 'flush');
  }
  writeDone(vcpu, args, before + hv.done);
  if (hv.tracer !== null) hv.tracer.did('done', { done: before + hv.done });
  hv.done += before;
  return rc;
}

function runBatch(
  hv: Hypervisor,
  vcpu: Vcpu,
  args: Int32Array,
  count: number,
  tableOwner: Domain,
  pageOwner: number,
): number {
  const { mmu } = vcpu;
  let vaLo = args[0] as number;
  let vaHi = args[1] as number;
  for (let i = 0; i < count; i++) {
    hv.requestIndex = i;
    if (!isGuestAddress(hv.abi, vaLo, vaHi) || !mmu.load(vaLo, vaHi, 8))
      return refuseList(hv, args, count, i);
    const ptrLo = mmu.lo;
    const ptrHi = mmu.hi;
    const valueHi = carryInto(vaLo, vaHi, 8);
    if (!mmu.load((vaLo + 8) | 0, valueHi, 8)) return refuseList(hv, args, count, i);
    if (hv.tracer !== null) tellRequest(hv, i, count, ptrLo, ptrHi);
    const rc = request(hv, vcpu, ptrLo, ptrHi, mmu.lo, mmu.hi, tableOwner, pageOwner);
    if (rc !== 0) return rc;
    hv.done = i + 1;
    vaHi = carryInto(vaLo, vaHi, REQUEST_BYTES);
    vaLo = (vaLo + REQUEST_BYTES) | 0;
  }
  return 0;
}

/** The request that has been read: its value is still in the caller's Mmu. */
function tellRequest(hv: Hypervisor, i: number, count: number, ptrLo: number, ptrHi: number): void {
  const frame = frameOfPointer(ptrLo, ptrHi, hv.wide);
  met(hv, 'mmu_update.requests');
  hv.tracer?.did('request', { i, count, ptr: formatHex(joinWords(ptrLo, ptrHi)), table: frame });
}

function request(
  hv: Hypervisor,
  vcpu: Vcpu,
  ptrLo: number,
  ptrHi: number,
  lo: number,
  hi: number,
  tableOwner: Domain,
  pageOwner: number,
): number {
  const { wide } = hv;
  const command = ptrLo & (wide ? 7 : 3);
  if (command >= hv.ruleSet.mmuUpdateCommands)
    return refuse(hv, 'mmu_update.command', { command, ptr: formatHex(joinWords(ptrLo, ptrHi)) });
  met(hv, 'mmu_update.command');
  const frame = frameOfPointer(ptrLo, ptrHi, wide);
  if (command === MMU_MACHPHYS_UPDATE) return machphysUpdate(hv, vcpu, frame, lo, hi, tableOwner, pageOwner);
  if (pageOwner !== vcpu.domain.id && !mayActOn(vcpu, pageOwner)) return refuseUnprivileged(hv, pageOwner);
  met(hv, 'foreign.unprivileged');
  if (!ownsPage(hv, frame, tableOwner.id))
    return refuse(hv, 'mmu_update.table-owner', {
      frame,
      table: frame,
      ptr: formatHex(joinWords(ptrLo, ptrHi)),
    });
  met(hv, 'mmu_update.table-owner');
  const word = (ptrLo & (wide ? 0xff8 : 0xffc)) >>> 2;
  const table = mfn(frame);
  if (hv.ruleSet.updateByStoredType)
    return updateByStoredType(hv, table, word, lo, hi, tableOwner, pageOwner);
  const frames = hv.frames;
  const type = frames.type.get(table);
  if (frames.typeCount.get(table) === 0) return storePlainly(hv, table, word, lo, hi, ptrLo, ptrHi);
  if (type === PageType.l1)
    return modL1Entry(
      hv,
      table,
      word,
      lo,
      wide ? hi : 0,
      tableOwner,
      pageOwner,
      command === MMU_PT_UPDATE_PRESERVE_AD,
    );
  if (type >= PageType.l2 && type <= PageType.l4) {
    if (pageOwner !== tableOwner.id) return refuse(hv, 'mmu_update.foreign-upper', { frame, table: frame });
    met(hv, 'mmu_update.foreign-upper');
    const slot = wide ? word >>> 1 : word;
    const rc = modUpperEntry(hv, type, table, slot, lo, wide ? hi : 0, command === MMU_PT_UPDATE_PRESERVE_AD);
    if (rc === 0 && hv.ruleSet.flushAfterUpperUpdate) hv.flushDue = true;
    return rc;
  }
  if (type !== PageType.writable)
    return refuse(hv, 'mmu_update.not-storable', {
      frame,
      table: frame,
      ptr: formatHex(joinWords(ptrLo, ptrHi)),
    });
  met(hv, 'mmu_update.not-storable');
  storeEntry(hv, table, word, lo, hi);
  did(hv, 'store');
  return 0;
}

/** The way of 3.0.4: what the frame was last used as decides, even at type count 0; then it is validated for the update. */
function updateByStoredType(
  hv: Hypervisor,
  table: Mfn,
  word: number,
  lo: number,
  hi: number,
  tableOwner: Domain,
  pageOwner: number,
): number {
  const type = hv.frames.type.get(table);
  const { wide } = hv;
  if (type >= PageType.l1 && type <= PageType.l4) {
    if (getPageType(hv, table, isTopL2(hv, table) ? TOP_L2 : type) === 0) {
      const rc =
        type === PageType.l1
          ? modL1Entry(hv, table, word, lo, wide ? hi : 0, tableOwner, pageOwner, false)
          : modUpperEntry(hv, type, table, wide ? word >>> 1 : word, lo, wide ? hi : 0, false);
      putPageType(hv, table);
      return rc;
    }
    hv.pending = null;
  }
  return storePlainly(hv, table, word, lo, hi, (table << 12) | (word << 2), table / HIGH_FRAME_WEIGHT);
}

/** An update of a frame that is no table in use is a plain store, for which the frame must be able to be writable. */
function storePlainly(
  hv: Hypervisor,
  table: Mfn,
  word: number,
  lo: number,
  hi: number,
  ptrLo: number,
  ptrHi: number,
): number {
  const rc = getPageType(hv, table, PageType.writable);
  if (rc !== 0) {
    if (hv.typeFailure !== TypeFailure.mismatch) return rc;
    return refuse(hv, 'mmu_update.not-storable', {
      frame: table,
      table,
      ptr: formatHex(joinWords(ptrLo, ptrHi)),
    });
  }
  met(hv, 'mmu_update.not-storable');
  storeEntry(hv, table, word, lo, hi);
  did(hv, 'store');
  putPageType(hv, table);
  return 0;
}

function storeEntry(hv: Hypervisor, table: Mfn, word: number, lo: number, hi: number): void {
  hv.memory.writeWord(table, word, lo);
  if (hv.abi.entryBytes === 8) hv.memory.writeWord(table, word + 1, hi);
}

function machphysUpdate(
  hv: Hypervisor,
  vcpu: Vcpu,
  frame: number,
  lo: number,
  hi: number,
  tableOwner: Domain,
  pageOwner: number,
): number {
  if (tableOwner !== vcpu.domain) return refuse(hv, 'mmu_update.m2p-table-owner', {});
  met(hv, 'mmu_update.m2p-table-owner');
  if (pageOwner !== vcpu.domain.id && !mayActOn(vcpu, pageOwner)) return refuseUnprivileged(hv, pageOwner);
  met(hv, 'foreign.unprivileged');
  if (!ownsPage(hv, frame, pageOwner)) return refuse(hv, 'mmu_update.m2p-owner', { frame, table: frame });
  met(hv, 'mmu_update.m2p-owner');
  hv.machine.setM2p(mfn(frame), lo, hv.abi.wordBytes === 8 ? hi : 0);
  did(hv, 'm2p');
  return 0;
}

/** Bits 31:16 of the domain argument: 0 for the caller's own tables, else the domain's number plus 1. */
function resolveTableOwner(hv: Hypervisor, vcpu: Vcpu, field: number): Domain | number {
  if (field === 0 || field - 1 === vcpu.domain.id) return vcpu.domain;
  const id = field - 1;
  const domain = hv.machine.domain(id as DomainId);
  if (domain === undefined)
    return refuse(hv, 'foreign.unknown', { foreign: id, foreignHex: id.toString(16) });
  return mayActOn(vcpu, id) ? domain : refuseUnprivileged(hv, id);
}

/** The frame of ptr; a 2-level hypervisor keeps 32 bits of it. */
const frameOfPointer = (ptrLo: number, ptrHi: number, wide: boolean): number =>
  wide ? (ptrHi >>> 0) * HIGH_FRAME_WEIGHT + (ptrLo >>> 12) : ((ptrHi << 20) | (ptrLo >>> 12)) >>> 0;

function refuseList(hv: Hypervisor, args: Int32Array, count: number, request: number): number {
  return refuse(hv, 'mmu_update.requests', {
    addressLo: args[0] as number,
    addressHi: args[1] as number,
    count,
    request,
  });
}

/** The requests that an interrupted call had done; an unreadable pointer counts as 0. */
export function readDone(vcpu: Vcpu, args: Int32Array): number {
  const lo = args[4] as number;
  const hi = args[5] as number;
  if (isNull(lo, hi) || !isGuestAddress(vcpu.domain.abi, lo, hi)) return 0;
  return vcpu.mmu.load(lo, hi, 4) ? vcpu.mmu.lo >>> 0 : 0;
}

/** Writes *pdone; a NULL or unwritable pointer is passed over. */
export function writeDone(vcpu: Vcpu, args: Int32Array, done: number): void {
  const lo = args[4] as number;
  const hi = args[5] as number;
  if (!isNull(lo, hi) && isGuestAddress(vcpu.domain.abi, lo, hi)) vcpu.mmu.store(lo, hi, 4, done, 0);
}
