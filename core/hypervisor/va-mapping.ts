/**
 * HYPERVISOR_update_va_mapping (14) and _otherdomain (22): changes the L1 entry that maps a virtual address in the
 * current kernel root, and flushes as the flags say. Facts 3.16.
 */

import { FrameFlag, PageType } from '../machine/frames.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { type Mfn, mfn } from '../units.ts';
import { WalkRecord, entryWord, walk } from '../walk.ts';
import { modL1Entry } from './entries.ts';
import { mayActOn, refuseUnprivileged, resolveForeign } from './foreign.ts';
import { isGuestAddress } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { ownsPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import { did, left } from './trace.ts';

export const UVMF_NONE = 0;
export const UVMF_TLB_FLUSH = 1;
export const UVMF_INVLPG = 2;
export const UVMF_FLUSHTYPE_MASK = 3;
export const UVMF_LOCAL = 0;
export const UVMF_ALL = 4;

const record = new WalkRecord();

/** Where a call's arguments lie, by entry size: 32-bit guests pass the value as two words. */
const ARGUMENTS = {
  8: { valueLo: 2, valueHi: 3, flags: 4, domid: 6 },
  4: { valueLo: 2, valueHi: 4, flags: 6, domid: 8 },
} as const;

export const updateVaMapping = (hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number =>
  change(hv, vcpu, args, vcpu.domain.id);

export function updateVaMappingOtherDomain(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const owner = resolveForeign(hv, vcpu, args[ARGUMENTS[hv.abi.wordBytes].domid] as number);
  if (owner < 0) return owner;
  if (!mayActOn(vcpu, owner) || (owner === IO && vcpu.domain.role !== 'hardware'))
    return refuseUnprivileged(hv, owner);
  met(hv, 'foreign.unprivileged');
  return change(hv, vcpu, args, owner);
}

/** DOMID_IO: privileged here, unlike in mmu_update. */
const IO = 0x7ff1;

function change(hv: Hypervisor, vcpu: Vcpu, args: Int32Array, pageOwner: number): number {
  const vaLo = args[0] as number;
  const vaHi = hv.abi.wordBytes === 8 ? (args[1] as number) : 0;
  if (hv.tracer === null) return changeAt(hv, vcpu, args, vaLo, vaHi, pageOwner);
  const at = ARGUMENTS[hv.abi.wordBytes];
  hv.tracer.entered('__do_update_va_mapping', {
    addressLo: vaLo,
    addressHi: vaHi,
    level: 1,
    entryLo: args[at.valueLo] as number,
    entryHi: hv.wide ? (args[at.valueHi] as number) : 0,
    pageOwner,
  });
  return left(hv, changeAt(hv, vcpu, args, vaLo, vaHi, pageOwner));
}

function changeAt(
  hv: Hypervisor,
  vcpu: Vcpu,
  args: Int32Array,
  vaLo: number,
  vaHi: number,
  pageOwner: number,
): number {
  const at = ARGUMENTS[hv.abi.wordBytes];
  if (!isGuestAddress(hv.abi, vaLo, vaHi))
    return refuse(hv, 'va_mapping.address', { addressLo: vaLo, addressHi: vaHi });
  met(hv, 'va_mapping.address');
  const rc = changeEntry(
    hv,
    vcpu,
    vaLo,
    vaHi,
    args[at.valueLo] as number,
    args[at.valueHi] as number,
    pageOwner,
  );
  if (rc !== 0 && !hv.ruleSet.flushAfterFailedVaMapping) return rc;
  const flushed = flush(hv, vcpu, vaLo, vaHi, args[at.flags] as number, args[at.flags + 1] as number);
  if (hv.flushDue) {
    hv.flushDue = false;
    hv.tlb.flushDomain(vcpu.domain);
    did(hv, 'flush-all');
  }
  return rc !== 0 ? rc : flushed;
}

function changeEntry(
  hv: Hypervisor,
  vcpu: Vcpu,
  vaLo: number,
  vaHi: number,
  lo: number,
  hi: number,
  pageOwner: number,
): number {
  const root = vcpu.kernelRoot;
  if (root === null) throw new Error(`update_va_mapping: ${vcpu.name} runs without a root`);
  walk(hv.memory, hv.abi, root, vaLo, vaHi, record);
  // Xen reads the L2 entry through its linear mapping of the guest's own tables: a walk through the levels above it.
  vcpu.mmu.markTables(record, Math.max(record.level, 2));
  if (record.level !== 1 || record.end === 'noMemory')
    return refuse(hv, 'va_mapping.no-l1', {
      addressLo: vaLo,
      addressHi: vaHi,
      level: record.level,
      slot: record.slots[record.level - 1] as number,
      table: record.tables[record.level - 1] as Mfn,
    });
  met(hv, 'va_mapping.no-l1');
  const table = record.tables[0] as Mfn;
  if (hv.tracer !== null) hv.tracer.did('walk', { table, slot: record.slots[0] as number });
  const frames = hv.frames;
  const isL1 =
    ownsPage(hv, table, vcpu.domain.id) &&
    frames.type.get(table) === PageType.l1 &&
    frames.typeCount.get(table) !== 0 &&
    frames.hasFlag(table, FrameFlag.validated);
  if (!isL1)
    return refuse(hv, 'va_mapping.not-l1', { addressLo: vaLo, addressHi: vaHi, frame: table, table });
  met(hv, 'va_mapping.not-l1');
  const word = entryWord(hv.abi, record.slots[0] as number);
  return modL1Entry(
    hv,
    mfn(table),
    word,
    lo,
    hv.abi.entryBytes === 8 ? hi : 0,
    vcpu.domain,
    pageOwner,
    false,
  );
}

/** Flushes as the flags demand; -EFAULT when the bitmap of vCPUs cannot be read. */
function flush(
  hv: Hypervisor,
  vcpu: Vcpu,
  vaLo: number,
  vaHi: number,
  flagsLo: number,
  flagsHi: number,
): number {
  const kind = flagsLo & UVMF_FLUSHTYPE_MASK;
  if (kind !== UVMF_TLB_FLUSH && kind !== UVMF_INVLPG) return 0;
  const target = (flagsLo & ~UVMF_FLUSHTYPE_MASK) | 0;
  const targetHi = hv.abi.wordBytes === 8 ? flagsHi : 0;
  let vcpus: readonly Vcpu[];
  if (targetHi === 0 && target === UVMF_LOCAL) vcpus = [vcpu];
  else if (targetHi === 0 && target === UVMF_ALL) vcpus = vcpu.domain.vcpus;
  else {
    const chosen = vcpusOfBitmap(hv, vcpu, target, targetHi);
    if (chosen === null)
      return refuse(hv, 'va_mapping.flush-bitmap', { addressLo: target, addressHi: targetHi });
    met(hv, 'va_mapping.flush-bitmap');
    vcpus = chosen;
  }
  for (const each of vcpus) {
    if (kind === UVMF_TLB_FLUSH) hv.tlb.flushVcpu(each);
    else each.mmu.flushPage(vaLo, vaHi);
  }
  did(hv, 'flush');
  return 0;
}

/** The vCPUs that a guest's bitmap (one `unsigned long`) names; null when it cannot be read. */
export function vcpusOfBitmap(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): readonly Vcpu[] | null {
  if (!isGuestAddress(hv.abi, lo, hi) || !vcpu.mmu.load(lo, hi, hv.abi.wordBytes)) return null;
  const bits = vcpu.mmu.lo;
  return vcpu.domain.vcpus.filter((each) => each.id < 32 && ((bits >>> each.id) & 1) !== 0);
}
