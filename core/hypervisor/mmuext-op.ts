/**
 * HYPERVISOR_mmuext_op (26): a batch of struct mmuext_op { u32 cmd; arg1; arg2 }: pins, base pointers, TLB flushes,
 * page clearing and copying. Facts 3.17.
 */

import { FrameFlag, PageType } from '../machine/frames.ts';
import { Control } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { DOMID, formatHex, joinWords, mfn } from '../units.ts';
import { mayActOn, refuseUnprivileged, resolveForeign } from './foreign.ts';
import { carryInto, isGuestAddress, isNull, readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { MMU_UPDATE_PREEMPTED, readDone, writeDone } from './mmu-update.ts';
import { getPage, ownsPage, putPage } from './references.ts';
import { met, refuse } from './refusal.ts';
import type { RuleId } from './rules.ts';
import { did } from './trace.ts';
import { loadKernelRoot, loadUserRoot } from './root.ts';
import { dropLdtPages } from './segments.ts';
import { TypeFailure, getPageAndType, putPageAndType } from './type-system.ts';
import { vcpusOfBitmap } from './va-mapping.ts';

/** The commands by number, named as in the public header. */
export const MMUEXT_NAMES: readonly (string | null)[] = [
  'MMUEXT_PIN_L1_TABLE',
  'MMUEXT_PIN_L2_TABLE',
  'MMUEXT_PIN_L3_TABLE',
  'MMUEXT_PIN_L4_TABLE',
  'MMUEXT_UNPIN_TABLE',
  'MMUEXT_NEW_BASEPTR',
  'MMUEXT_TLB_FLUSH_LOCAL',
  'MMUEXT_INVLPG_LOCAL',
  'MMUEXT_TLB_FLUSH_MULTI',
  'MMUEXT_INVLPG_MULTI',
  'MMUEXT_TLB_FLUSH_ALL',
  'MMUEXT_INVLPG_ALL',
  'MMUEXT_FLUSH_CACHE',
  'MMUEXT_SET_LDT',
  null,
  'MMUEXT_NEW_USER_BASEPTR',
  'MMUEXT_CLEAR_PAGE',
  'MMUEXT_COPY_PAGE',
  'MMUEXT_FLUSH_CACHE_GLOBAL',
  'MMUEXT_MARK_SUPER',
  'MMUEXT_UNMARK_SUPER',
];

/** One operation as read from the guest. `owner` is the domain that the call names. */
interface Operation {
  command: number;
  arg1Lo: number;
  arg1Hi: number;
  arg2Lo: number;
  arg2Hi: number;
  owner: number;
}

const NEW_USER_BASEPTR = 15;
const LDT_MAX_ENTRIES = 8192;
const HIGH_WORD_WEIGHT = 0x1_0000_0000;

export function mmuextOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const listLo = args[0] as number;
  const listHi = args[1] as number;
  const foreign = args[6] as number;
  const count = (args[2] as number) & ~MMU_UPDATE_PREEMPTED;
  const continues = ((args[2] as number) & MMU_UPDATE_PREEMPTED) !== 0;
  if (continues && count === 0 && isNull(listLo, listHi)) return foreign | 0;
  const before = continues ? readDone(vcpu, args) : 0;
  hv.done = 0;
  const early = entryChecks(hv, vcpu, args, count);
  if (early < 0) {
    if (hv.ruleSet.entryErrorsWriteDone) writeDone(vcpu, args, before);
    return early;
  }
  const rc = runBatch(hv, vcpu, args, count, early);
  if (hv.flushDue) {
    hv.flushDue = false;
    hv.tlb.flushDomain(vcpu.domain);
    did(hv, 'flush');
  }
  writeDone(vcpu, args, before + hv.done);
  if (hv.tracer !== null) hv.tracer.did('done', { done: before + hv.done });
  hv.done += before;
  return rc;
}

/** The checks before the first operation; the owner of the frames, or the negative error. */
function entryChecks(hv: Hypervisor, vcpu: Vcpu, args: Int32Array, count: number): number {
  const isReadable = isGuestAddress(hv.abi, args[0] as number, args[1] as number);
  if (!isReadable && !hv.ruleSet.entryErrorsWriteDone) return refuseList(hv, args, count, 0);
  const owner = resolveForeign(hv, vcpu, args[6] as number);
  if (owner < 0) return owner;
  if (hv.ruleSet.mmuextChecksForeign && (!mayActOn(vcpu, owner) || isUnprivilegedIo(vcpu, owner)))
    return refuseUnprivileged(hv, owner);
  met(hv, 'foreign.unprivileged');
  if (!isReadable) return refuseList(hv, args, count, 0);
  met(hv, 'mmuext_op.operations');
  return owner;
}

const isUnprivilegedIo = (vcpu: Vcpu, owner: number): boolean =>
  owner === DOMID.IO && vcpu.domain.role !== 'hardware';

function runBatch(hv: Hypervisor, vcpu: Vcpu, args: Int32Array, count: number, owner: number): number {
  const layout = hv.abi.mmuextOp;
  const op: Operation = { command: 0, arg1Lo: 0, arg1Hi: 0, arg2Lo: 0, arg2Hi: 0, owner };
  let vaLo = args[0] as number;
  let vaHi = args[1] as number;
  for (let i = 0; i < count; i++) {
    hv.requestIndex = i;
    if (!readOperation(hv, vcpu, vaLo, vaHi, op)) return refuseList(hv, args, count, i);
    if (hv.tracer !== null) tellOperation(hv, i, count, op);
    const rc = operation(hv, vcpu, op);
    if (rc !== 0) return rc;
    hv.done = i + 1;
    vaHi = carryInto(vaLo, vaHi, layout.bytes);
    vaLo = (vaLo + layout.bytes) | 0;
  }
  return 0;
}

function readOperation(hv: Hypervisor, vcpu: Vcpu, vaLo: number, vaHi: number, op: Operation): boolean {
  const { mmu } = vcpu;
  const layout = hv.abi.mmuextOp;
  if (!readField(vcpu, vaLo, vaHi, { offset: 0, bytes: 4 })) return false;
  op.command = mmu.lo >>> 0;
  if (!readField(vcpu, vaLo, vaHi, layout.arg1)) return false;
  op.arg1Lo = mmu.lo;
  op.arg1Hi = mmu.hi;
  if (!readField(vcpu, vaLo, vaHi, layout.arg2)) return false;
  op.arg2Lo = mmu.lo;
  op.arg2Hi = mmu.hi;
  return true;
}

/** The operation that has been read. */
function tellOperation(hv: Hypervisor, i: number, count: number, op: Operation): void {
  met(hv, 'mmuext_op.operations');
  hv.tracer?.did('operation', {
    i,
    count,
    command: nameOf(op),
    arg1: formatHex(joinWords(op.arg1Lo, op.arg1Hi)),
    arg2: formatHex(joinWords(op.arg2Lo, op.arg2Hi)),
    ...(NAMES_FRAME.has(op.command) ? { frame: frameOf(op.arg1Lo, op.arg1Hi) } : {}),
  });
}

/** Commands whose first argument is a machine frame. */
const NAMES_FRAME: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, NEW_USER_BASEPTR, 16, 17]);

type Run = (hv: Hypervisor, vcpu: Vcpu, op: Operation) => number;

/** The work of each command; null where Xen has none. `ownOnly`: refuses a foreign domain. */
const OPERATIONS: readonly ({ readonly ownOnly: boolean; readonly run: Run } | null)[] = [
  { ownOnly: false, run: pin },
  { ownOnly: false, run: pin },
  { ownOnly: false, run: pin },
  { ownOnly: false, run: pin },
  { ownOnly: false, run: unpin },
  { ownOnly: true, run: (hv, vcpu, op) => loadKernelRoot(hv, vcpu, frameOf(op.arg1Lo, op.arg1Hi)) },
  { ownOnly: true, run: (hv, vcpu) => flushed(hv, () => hv.tlb.flushVcpu(vcpu)) },
  { ownOnly: true, run: (hv, vcpu, op) => flushed(hv, () => vcpu.mmu.flushPage(op.arg1Lo, op.arg1Hi)) },
  { ownOnly: true, run: flushMulti },
  { ownOnly: true, run: flushMulti },
  { ownOnly: true, run: (hv, vcpu) => flushed(hv, () => hv.tlb.flushDomain(vcpu.domain)) },
  { ownOnly: true, run: invlpgAll },
  { ownOnly: true, run: flushCache },
  { ownOnly: true, run: setLdt },
  null,
  { ownOnly: true, run: (hv, vcpu, op) => loadUserRoot(hv, vcpu, frameOf(op.arg1Lo, op.arg1Hi)) },
  { ownOnly: false, run: clearPage },
  { ownOnly: false, run: copyPage },
  { ownOnly: true, run: flushCache },
  { ownOnly: false, run: superpage },
  { ownOnly: false, run: superpage },
];

function operation(hv: Hypervisor, vcpu: Vcpu, op: Operation): number {
  const row = OPERATIONS[op.command] ?? null;
  if (row === null || !hv.ruleSet.mmuextCommands.has(op.command))
    return refuse(hv, 'mmuext_op.command', { command: op.command });
  if (op.command === NEW_USER_BASEPTR && !hv.abi.kernelInRing3)
    return refuse(hv, 'mmuext_op.user-root', { name: nameOf(op) });
  if (row.ownOnly && op.owner !== vcpu.domain.id && hv.ruleSet.mmuextChecksForeign)
    return refuse(hv, 'mmuext_op.foreign', { name: nameOf(op), foreign: op.owner });
  met(hv, 'mmuext_op.command');
  if (op.command === NEW_USER_BASEPTR) met(hv, 'mmuext_op.user-root');
  if (row.ownOnly) met(hv, 'mmuext_op.foreign');
  return row.run(hv, vcpu, op);
}

function pin(hv: Hypervisor, _vcpu: Vcpu, op: Operation): number {
  const type = op.command + 1;
  if (type > hv.abi.rootLevel) return 0;
  const frame = frameOf(op.arg1Lo, op.arg1Hi);
  const rc = getPageAndType(hv, frame, op.owner, type, 'pin.owner');
  if (rc !== 0) {
    if (hv.typeFailure === TypeFailure.owner) return refuse(hv, 'pin.owner', { frame });
    if (hv.typeFailure !== TypeFailure.mismatch) return rc;
    return refuse(hv, 'pin.type', { frame, wanted: `L${type} page table`, wantedType: type });
  }
  met(hv, 'pin.type');
  if (hv.frames.hasFlag(mfn(frame), FrameFlag.pinned)) {
    const refused = refuse(hv, 'pin.twice', { frame });
    putPageAndType(hv, frame);
    return refused;
  }
  met(hv, 'pin.twice');
  hv.frames.setFlag(mfn(frame), FrameFlag.pinned);
  did(hv, 'pin');
  return 0;
}

function unpin(hv: Hypervisor, vcpu: Vcpu, op: Operation): number {
  const frame = frameOf(op.arg1Lo, op.arg1Hi);
  const owner = hv.ruleSet.mmuextChecksForeign ? op.owner : vcpu.domain.id;
  if (!getPage(hv, frame, owner)) return refuse(hv, 'unpin.owner', { frame });
  met(hv, 'unpin.owner');
  if (!hv.frames.hasFlag(mfn(frame), FrameFlag.pinned)) {
    putPage(hv, frame);
    return refuse(hv, 'unpin.not-pinned', { frame });
  }
  met(hv, 'unpin.not-pinned');
  hv.frames.clearFlag(mfn(frame), FrameFlag.pinned);
  did(hv, 'unpin');
  putPageAndType(hv, frame);
  putPage(hv, frame);
  did(hv, 'release');
  return 0;
}

function flushMulti(hv: Hypervisor, vcpu: Vcpu, op: Operation): number {
  const vcpus = vcpusOfBitmap(hv, vcpu, op.arg2Lo, op.arg2Hi);
  if (vcpus === null)
    return refuse(hv, 'mmuext_op.flush-bitmap', { addressLo: op.arg2Lo, addressHi: op.arg2Hi });
  met(hv, 'mmuext_op.flush-bitmap');
  for (const each of vcpus) {
    if (op.command === 8) hv.tlb.flushVcpu(each);
    else each.mmu.flushPage(op.arg1Lo, op.arg1Hi);
  }
  did(hv, 'flush-tlb');
  return 0;
}

function invlpgAll(hv: Hypervisor, vcpu: Vcpu, op: Operation): number {
  for (const each of vcpu.domain.vcpus) each.mmu.flushPage(op.arg1Lo, op.arg1Hi);
  did(hv, 'flush-tlb');
  return 0;
}

/** Caches are not modelled: a permitted flush has nothing to do. */
function flushCache(hv: Hypervisor, vcpu: Vcpu, op: Operation): number {
  const rule: RuleId = op.command === 12 ? 'mmuext_op.flush-cache' : 'mmuext_op.flush-cache-global';
  if (vcpu.domain.role === 'hardware') {
    met(hv, rule);
    return 0;
  }
  return refuse(hv, rule, { name: nameOf(op) });
}

/** The LDT's pages are taken when a selector is first loaded from them (segments.ts). */
function setLdt(hv: Hypervisor, vcpu: Vcpu, op: Operation): number {
  const entries = (op.arg2Lo >>> 0) + (hv.abi.wordBytes === 8 ? (op.arg2Hi >>> 0) * HIGH_WORD_WEIGHT : 0);
  const isAligned = (op.arg1Lo & 0xfff) === 0;
  const isUsable = isAligned && isGuestAddress(hv.abi, op.arg1Lo, op.arg1Hi);
  const alignmentAlways = !hv.ruleSet.mmuextChecksForeign;
  if (entries > LDT_MAX_ENTRIES || (entries !== 0 && !isUsable) || (alignmentAlways && !isAligned))
    return refuse(hv, 'set_ldt.arguments', { addressLo: op.arg1Lo, addressHi: op.arg1Hi, entries });
  met(hv, 'set_ldt.arguments');
  if (dropLdtPages(hv, vcpu)) hv.tlb.flushVcpu(vcpu);
  vcpu.setControl(Control.ldtBaseLo, op.arg1Lo);
  vcpu.setControl(Control.ldtBaseHi, op.arg1Hi);
  vcpu.setControl(Control.ldtEntries, entries);
  did(hv, 'ldt');
  return 0;
}

function clearPage(hv: Hypervisor, _vcpu: Vcpu, op: Operation): number {
  const frame = frameOf(op.arg1Lo, op.arg1Hi);
  if (getPageAndType(hv, frame, op.owner, PageType.writable) !== 0)
    return refuse(hv, 'clear_page.frame', { frame });
  met(hv, 'clear_page.frame');
  hv.memory.fillFrame(mfn(frame), 0);
  did(hv, 'clear');
  putPageAndType(hv, frame);
  return 0;
}

function copyPage(hv: Hypervisor, _vcpu: Vcpu, op: Operation): number {
  const source = frameOf(op.arg2Lo, op.arg2Hi);
  const frame = frameOf(op.arg1Lo, op.arg1Hi);
  if (!ownsPage(hv, source, op.owner)) return refuse(hv, 'copy_page.source', { frame: source });
  met(hv, 'copy_page.source');
  if (getPageAndType(hv, frame, op.owner, PageType.writable) !== 0)
    return refuse(hv, 'copy_page.destination', { frame });
  met(hv, 'copy_page.destination');
  hv.memory.copyFrame(mfn(source), mfn(frame));
  did(hv, 'copy');
  putPageAndType(hv, frame);
  return 0;
}

function superpage(hv: Hypervisor, _vcpu: Vcpu, op: Operation): number {
  return refuse(hv, 'mmuext_op.super', { name: nameOf(op) });
}

function flushed(hv: Hypervisor, flush: () => void): number {
  flush();
  did(hv, 'flush-tlb');
  return 0;
}

const frameOf = (lo: number, hi: number): number => (hi >>> 0) * HIGH_WORD_WEIGHT + (lo >>> 0);

const nameOf = (op: Operation): string => MMUEXT_NAMES[op.command] ?? `command ${op.command}`;

function refuseList(hv: Hypervisor, args: Int32Array, count: number, request: number): number {
  const address = formatHex(joinWords(args[0] as number, args[1] as number));
  return refuse(hv, 'mmuext_op.operations', { address, count, request });
}
