/**
 * Loading a segment register, as the guest's processor does it with Xen's GDT and LDT: a descriptor that is not there
 * is a trap, and the pages of the guest's LDT become descriptor pages one by one, when a selector first needs them.
 * Facts 7.5, 3.3.
 */

import { PageType } from '../machine/frames.ts';
import { VECTOR_GENERAL_PROTECTION, VECTOR_PAGE_FAULT } from '../machine/mmu.ts';
import { Control, R } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import type { Mfn } from '../units.ts';
import {
  CODE_OR_DATA,
  DESCRIPTORS_PER_PAGE,
  DESCRIPTOR_BYTES,
  GUEST_GDT_ENTRIES,
  PRESENT,
  SELECTOR_LDT,
} from './descriptors.ts';
import { LDT_MAX_FRAMES } from './domain-extras.ts';
import { carryInto, isGuestAddress } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { getPageAndType, putPageAndType } from './type-system.ts';
import { pageFault, trapToGuest } from './traps.ts';

/** The data segment registers, which guests load by themselves. */
export type SegmentRegister = 'ds' | 'es' | 'fs' | 'gs';

const VECTOR_SEGMENT_NOT_PRESENT = 11;
const RPL = 3;

/** Loads a selector: 'loaded', or what became of the trap that it raised. */
export function loadSegment(
  hv: Hypervisor,
  vcpu: Vcpu,
  register: SegmentRegister,
  selector: number,
): 'loaded' | 'delivered' | 'crashed' {
  const outcome = checkSelector(hv, vcpu, selector);
  if (outcome !== 'loaded') return outcome;
  vcpu.setReg(R[register], selector, 0);
  return 'loaded';
}

function checkSelector(hv: Hypervisor, vcpu: Vcpu, selector: number): 'loaded' | 'delivered' | 'crashed' {
  const index = selector >>> 3;
  const isLocal = (selector & SELECTOR_LDT) !== 0;
  const errorCode = selector & ~RPL;
  const refused = () => trapToGuest(hv, vcpu, VECTOR_GENERAL_PROTECTION, errorCode);
  if (errorCode === 0) return 'loaded';
  if (!isLocal && index >= GUEST_GDT_ENTRIES)
    return Object.values(hv.abi.selectors).includes(selector) ? 'loaded' : refused();
  if (isLocal && index >= vcpu.control(Control.ldtEntries)) return refused();
  const page = Math.floor(index / DESCRIPTORS_PER_PAGE);
  const frame = isLocal ? ldtPage(hv, vcpu, page) : (hv.extras.gdtFrames(vcpu)[page] ?? null);
  if (frame === null) return isLocal ? faultInLdt(hv, vcpu, index) : refused();
  const hi = hv.memory.readWord(frame, (index % DESCRIPTORS_PER_PAGE) * 2 + 1);
  if ((hi & CODE_OR_DATA) === 0) return refused();
  if ((hi & PRESENT) === 0) return trapToGuest(hv, vcpu, VECTOR_SEGMENT_NOT_PRESENT, errorCode);
  return 'loaded';
}

/** Gives up the LDT pages that Xen has mapped; whether there were any. */
export function dropLdtPages(hv: Hypervisor, vcpu: Vcpu): boolean {
  const frames = hv.extras.ldtFrames(vcpu);
  for (let page = 0; page < LDT_MAX_FRAMES; page++) hv.extras.setLdtFrame(vcpu, page, null);
  for (const frame of frames) putPageAndType(hv, frame);
  return frames.length > 0;
}

/** The frame of an LDT page, taken as a descriptor page if this is the first use; null when it cannot be one. */
function ldtPage(hv: Hypervisor, vcpu: Vcpu, page: number): Mfn | null {
  const present = hv.extras.ldtFrame(vcpu, page);
  if (present !== null) return present;
  const [vaLo, vaHi] = ldtAddress(vcpu, page * DESCRIPTORS_PER_PAGE);
  const walk = vcpu.mmu.probe(vaLo, vaHi);
  if (walk.end !== 'page' || walk.level !== 1) return null;
  hv.pending = null;
  hv.caller = vcpu.domain.id;
  hv.requestIndex = -1;
  if (getPageAndType(hv, walk.frame, vcpu.domain.id, PageType.segDesc) !== 0) return null;
  hv.extras.setLdtFrame(vcpu, page, walk.frame);
  return walk.frame;
}

/** The fault that the guest gets in the place of Xen's own: at the address of the descriptor in its table. */
function faultInLdt(hv: Hypervisor, vcpu: Vcpu, index: number): 'delivered' | 'crashed' {
  const [vaLo, vaHi] = ldtAddress(vcpu, index);
  if (!isGuestAddress(hv.abi, vaLo, vaHi)) return trapToGuest(hv, vcpu, VECTOR_GENERAL_PROTECTION, 0);
  Object.assign(vcpu.mmu.fault, { vector: VECTOR_PAGE_FAULT, vaLo, vaHi, errorCode: 0, bytes: 0 });
  return pageFault(hv, vcpu) === 'crashed' ? 'crashed' : 'delivered';
}

function ldtAddress(vcpu: Vcpu, index: number): readonly [number, number] {
  const lo = vcpu.control(Control.ldtBaseLo);
  const offset = index * DESCRIPTOR_BYTES;
  return [(lo + offset) | 0, carryInto(lo, vcpu.control(Control.ldtBaseHi), offset)];
}
