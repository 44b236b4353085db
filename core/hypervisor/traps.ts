/**
 * Traps of the guest's processor: page faults that Xen consumes, and delivery of the others by a bounce frame on the
 * guest kernel's stack, after which the guest runs its handler. A frame that cannot be made crashes the domain; there
 * is no double fault. Facts 7.2, 7.3, 7.7.
 */

import type { FrameWord } from '../abi/abi.ts';
import { VECTOR_PAGE_FAULT } from '../machine/mmu.ts';
import { Control, R, RFLAGS_IF } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { formatHex, joinWords } from '../units.ts';
import { isGuestAddress } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { emulatePteWrite } from './pte-emulation.ts';
import { met } from './refusal.ts';
import { type RuleId, fillSentence, ruleOf } from './rules.ts';
import { setGuestCr2, setUpcallMask, upcallMask } from './shared-info.ts';
import { did, leftVoid } from './trace.ts';
import { describeWalk } from './walk-text.ts';

/** Error-code bit: the access came from guest user mode. */
const FAULT_USER = 4;
/** Trap-table flag: events are masked on entry. */
const TRAP_MASKS_EVENTS = 4;
const RFLAGS_IOPL = 0x3000;

/** Names of the exceptions by vector, for people. */
const TRAP_NAMES: readonly string[] = [
  '#DE',
  '#DB',
  'NMI',
  '#BP',
  '#OF',
  '#BR',
  '#UD',
  '#NM',
  '#DF',
  'vector 9',
  '#TS',
  '#NP',
  '#SS',
  '#GP',
  '#PF',
];

/** Stands for an event upcall where a vector is told. */
const EVENT_UPCALL = -1;

export const trapName = (vector: number): string =>
  vector === EVENT_UPCALL ? 'event upcall' : (TRAP_NAMES[vector] ?? `vector ${vector}`);

/** Handles the fault in `vcpu.mmu.fault`: carries out a store to an L1 table, or delivers the fault. */
export function pageFault(hv: Hypervisor, vcpu: Vcpu): 'emulated' | 'delivered' | 'crashed' {
  if (hv.tracer === null) return handleFault(hv, vcpu);
  const { vaLo, vaHi, errorCode } = vcpu.mmu.fault;
  hv.tracer.entered('do_page_fault', {
    addressLo: vaLo,
    addressHi: vaHi,
    errorCode: errorCode | (vcpu.inUserMode ? FAULT_USER : 0),
  });
  const outcome = handleFault(hv, vcpu);
  hv.tracer.left(null);
  return outcome;
}

function handleFault(hv: Hypervisor, vcpu: Vcpu): 'emulated' | 'delivered' | 'crashed' {
  const { fault } = vcpu.mmu;
  if (fault.vector !== VECTOR_PAGE_FAULT) return trapToGuest(hv, vcpu, fault.vector, fault.errorCode);
  const { vaLo, vaHi } = fault;
  const errorCode = fault.errorCode | (vcpu.inUserMode ? FAULT_USER : 0);
  if (emulatePteWrite(hv, vcpu)) return 'emulated';
  setGuestCr2(hv, vcpu, vaLo, vaHi);
  did(hv, 'cr2');
  return deliver(hv, vcpu, VECTOR_PAGE_FAULT, errorCode, vaLo, vaHi);
}

export function trapToGuest(
  hv: Hypervisor,
  vcpu: Vcpu,
  vector: number,
  errorCode: number | null,
): 'delivered' | 'crashed' {
  return deliver(hv, vcpu, vector, errorCode, 0, 0);
}

/** Enters the event callback, as an exception without error code; further events are masked. Facts 8.4. */
export function enterEventCallback(hv: Hypervisor, vcpu: Vcpu): 'delivered' | 'crashed' {
  if (hv.tracer !== null) hv.tracer.entered('create_bounce_frame', { trap: trapName(EVENT_UPCALL) });
  const outcome = bounceToCallback(hv, vcpu);
  leftVoid(hv);
  return outcome;
}

function bounceToCallback(hv: Hypervisor, vcpu: Vcpu): 'delivered' | 'crashed' {
  const lo = vcpu.control(Control.eventCallbackLo);
  const hi = vcpu.control(Control.eventCallbackHi);
  const cs = hv.abi.wordBytes === 8 ? hv.abi.selectors.kernelCs : vcpu.control(Control.eventCallbackCs);
  const hasCallback = hv.abi.wordBytes === 8 ? (lo | hi) !== 0 : (cs & ~3) !== 0;
  if (!hasCallback) return crash(hv, vcpu, 'trap.no-event-callback', {}, []);
  met(hv, 'trap.no-event-callback');
  if (!pushFrame(hv, vcpu, EVENT_UPCALL, null)) return 'crashed';
  setUpcallMask(hv, vcpu, 1);
  vcpu.setReg(R.rip, lo, hi);
  vcpu.setReg(R.cs, cs | hv.abi.selectors.kernelRpl, 0);
  vcpu.setReg(R.rflags, vcpu.regLo(R.rflags) & ~hv.abi.trapFrames.clearedFlags, 0);
  did(hv, 'enter');
  hv.observer?.upcallDelivered?.(vcpu);
  return 'delivered';
}

function deliver(
  hv: Hypervisor,
  vcpu: Vcpu,
  vector: number,
  errorCode: number | null,
  cr2Lo: number,
  cr2Hi: number,
): 'delivered' | 'crashed' {
  if (hv.tracer !== null) hv.tracer.entered('create_bounce_frame', { vector, trap: trapName(vector) });
  const outcome = bounce(hv, vcpu, vector, errorCode, cr2Lo, cr2Hi);
  leftVoid(hv);
  return outcome;
}

function bounce(
  hv: Hypervisor,
  vcpu: Vcpu,
  vector: number,
  errorCode: number | null,
  cr2Lo: number,
  cr2Hi: number,
): 'delivered' | 'crashed' {
  const trap = vcpu.trap(vector);
  const hasHandler = hv.abi.wordBytes === 8 ? (trap.addressLo | trap.addressHi) !== 0 : (trap.cs & ~3) !== 0;
  if (!hasHandler) {
    const lines = vector === VECTOR_PAGE_FAULT ? describeWalk(vcpu, cr2Lo, cr2Hi) : [];
    return crash(
      hv,
      vcpu,
      'trap.no-handler',
      { vector, trap: trapTold(hv, vcpu, vector, cr2Lo, cr2Hi) },
      lines,
    );
  }
  met(hv, 'trap.no-handler');
  const ripLo = vcpu.regLo(R.rip);
  const ripHi = vcpu.regHi(R.rip);
  if (!pushFrame(hv, vcpu, vector, errorCode)) return 'crashed';
  if ((trap.flags & TRAP_MASKS_EVENTS) !== 0) setUpcallMask(hv, vcpu, 1);
  const { selectors, trapFrames } = hv.abi;
  vcpu.setReg(R.rip, trap.addressLo, trap.addressHi);
  vcpu.setReg(R.cs, hv.abi.wordBytes === 8 ? selectors.kernelCs : trap.cs, 0);
  vcpu.setReg(R.rflags, vcpu.regLo(R.rflags) & ~trapFrames.clearedFlags, 0);
  did(hv, 'enter');
  hv.observer?.trapDelivered?.(vcpu, {
    vector,
    errorCode,
    cr2Lo,
    cr2Hi,
    handlerLo: trap.addressLo,
    handlerHi: trap.addressHi,
    ripLo,
    ripHi,
  });
  return 'delivered';
}

/** Pushes the bounce frame onto the kernel stack and enters kernel mode; false when that crashed the domain. */
function pushFrame(hv: Hypervisor, vcpu: Vcpu, vector: number, errorCode: number | null): boolean {
  const { trapFrames, selectors, wordBytes } = hv.abi;
  const fromUser = vcpu.inUserMode;
  const words = [...trapFrames.bounce, ...(fromUser ? trapFrames.bounceFromUser : [])].filter(
    (word) => word !== 'error' || errorCode !== null,
  );
  const topLo = fromUser ? vcpu.control(Control.kernelSpLo) : vcpu.regLo(R.rsp);
  const topHi = fromUser ? vcpu.control(Control.kernelSpHi) : vcpu.regHi(R.rsp);
  const alignedLo = topLo & -trapFrames.stackAlignment;
  const spLo = (alignedLo - words.length * wordBytes) | 0;
  const spHi = alignedLo >>> 0 < words.length * wordBytes ? (topHi - 1) | 0 : topHi;
  if (wordBytes === 8 && !isGuestAddress(hv.abi, spLo, spHi)) {
    const address = formatHex(joinWords(spLo, spHi));
    crash(hv, vcpu, 'trap.stack-in-xen', { address }, []);
    return false;
  }
  if (wordBytes === 8) met(hv, 'trap.stack-in-xen');
  const values = words.map((word) => frameValue(hv, vcpu, word, errorCode ?? 0, fromUser));
  vcpu.enterMode('kernel');
  // Highest word first, as pushes do: a stack that ends here faults on the same address as on the machine.
  for (let i = words.length - 1; i >= 0; i--) {
    const lo = (spLo + i * wordBytes) | 0;
    const hi = (spLo >>> 0) + i * wordBytes > 0xffff_ffff ? (spHi + 1) | 0 : spHi;
    const value = values[i] as readonly [number, number];
    if (!vcpu.mmu.store(lo, hi, wordBytes, value[0], value[1])) return crashBadStack(hv, vcpu, vector);
  }
  met(hv, 'trap.bad-stack');
  vcpu.setReg(R.rsp, spLo, spHi);
  vcpu.setReg(R.ss, fromUser ? vcpu.control(Control.kernelSs) : selectors.kernelSs, 0);
  return true;
}

function frameValue(
  hv: Hypervisor,
  vcpu: Vcpu,
  word: FrameWord,
  errorCode: number,
  fromUser: boolean,
): readonly [number, number] {
  const { trapFrames } = hv.abi;
  switch (word) {
    case 'error':
      return [errorCode, 0];
    case 'flags':
      return [0, 0];
    case 'cs': {
      const cs = vcpu.regLo(R.cs) & (fromUser ? 0xffff : 0xffff & ~trapFrames.hiddenRpl);
      const mask = upcallMask(hv, vcpu);
      return trapFrames.upcallMaskShift === 32 ? [cs, mask] : [cs | (mask << trapFrames.upcallMaskShift), 0];
    }
    case 'rflags': {
      const flags = vcpu.regLo(R.rflags) & ~(RFLAGS_IF | RFLAGS_IOPL);
      return [upcallMask(hv, vcpu) === 0 ? flags | RFLAGS_IF : flags, 0];
    }
    default:
      return [vcpu.regLo(R[word]), vcpu.regHi(R[word])];
  }
}

function crashBadStack(hv: Hypervisor, vcpu: Vcpu, vector: number): false {
  const { vaLo, vaHi, errorCode, vector: second } = vcpu.mmu.fault;
  const address = formatHex(joinWords(vaLo, hv.abi.wordBytes === 8 ? vaHi : 0));
  const why =
    second !== VECTOR_PAGE_FAULT
      ? 'the address is beyond the segment limit'
      : (errorCode & 1) === 0
        ? 'the page is not mapped'
        : 'the page is mapped read-only';
  crash(
    hv,
    vcpu,
    'trap.bad-stack',
    { vector, trap: trapName(vector), address, why },
    describeWalk(vcpu, vaLo, vaHi),
  );
  return false;
}

/** Crashes the domain for a rule. */
export function crash(
  hv: Hypervisor,
  vcpu: Vcpu,
  rule: RuleId,
  facts: Readonly<Record<string, string | number>>,
  walk: readonly string[],
): 'crashed' {
  if (hv.tracer !== null) hv.tracer.checked(rule, 'broken', facts);
  const rip = formatHex(vcpu.getReg(R.rip));
  const message = `${fillSentence(ruleOf(rule).sentence, facts)} Xen crashed d${vcpu.domain.id} (rip ${rip}).`;
  hv.crash(vcpu.domain, { message, rule, walk });
  return 'crashed';
}

function trapTold(hv: Hypervisor, vcpu: Vcpu, vector: number, cr2Lo: number, cr2Hi: number): string {
  if (vector !== VECTOR_PAGE_FAULT) return trapName(vector);
  const address = formatHex(joinWords(cr2Lo, hv.abi.wordBytes === 8 ? cr2Hi : 0));
  return `${trapName(vector)} at ${address}, error code ${vcpu.mmu.fault.errorCode | (vcpu.inUserMode ? FAULT_USER : 0)}`;
}
