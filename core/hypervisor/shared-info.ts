/** The shared info page of a domain, as Xen reads and writes it: through its machine frame (facts 6.6). */

import type { Field } from '../abi/index.ts';
import type { Domain } from '../machine/domain.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import type { Mfn } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';

/** Stores the address of a page fault where the guest looks for it. */
export function setGuestCr2(hv: Hypervisor, vcpu: Vcpu, vaLo: number, vaHi: number): void {
  const frame = frameOf(vcpu.domain);
  const at = (vcpu.id * hv.abi.sharedInfo.vcpuInfoBytes + hv.abi.sharedInfo.cr2.offset) >>> 2;
  hv.memory.writeWord(frame, at, vaLo);
  if (hv.abi.sharedInfo.cr2.bytes === 8) hv.memory.writeWord(frame, at + 1, vaHi);
}

/** evtchn_upcall_mask: 1 while the guest takes no events. */
export const upcallMask = (hv: Hypervisor, vcpu: Vcpu): number =>
  hv.memory.readByte(frameOf(vcpu.domain), byteOf(hv, vcpu, hv.abi.sharedInfo.upcallMask));

export const setUpcallMask = (hv: Hypervisor, vcpu: Vcpu, value: 0 | 1): void =>
  hv.memory.writeBytes(
    frameOf(vcpu.domain),
    byteOf(hv, vcpu, hv.abi.sharedInfo.upcallMask),
    Uint8Array.of(value),
  );

export const upcallPending = (hv: Hypervisor, vcpu: Vcpu): boolean =>
  hv.memory.readByte(frameOf(vcpu.domain), byteOf(hv, vcpu, hv.abi.sharedInfo.upcallPending)) !== 0;

/** Whether the vCPU has an event to take, and takes events. */
export const eventDue = (hv: Hypervisor, vcpu: Vcpu): boolean =>
  upcallPending(hv, vcpu) && upcallMask(hv, vcpu) === 0;

/** Sets evtchn_upcall_pending and the word's bit of pending_sel; false when the bit was set already. */
export function markUpcallPending(hv: Hypervisor, vcpu: Vcpu, word: number): boolean {
  const { vcpuInfoBytes, pendingSel, upcallPending: pending } = hv.abi.sharedInfo;
  const at = vcpu.id * vcpuInfoBytes + pendingSel.offset;
  if (bitOf(hv, frameOf(vcpu.domain), at, word, 'set')) return false;
  hv.memory.writeBytes(frameOf(vcpu.domain), byteOf(hv, vcpu, pending), Uint8Array.of(1));
  return true;
}

/** A bit of evtchn_pending or evtchn_mask, which lies at that offset: its old value. */
export const sharedInfoBit = (
  hv: Hypervisor,
  domain: Domain,
  offset: number,
  bit: number,
  how: 'read' | 'set' | 'clear',
): boolean => bitOf(hv, frameOf(domain), offset, bit, how);

function bitOf(
  hv: Hypervisor,
  frame: Mfn,
  offset: number,
  bit: number,
  how: 'read' | 'set' | 'clear',
): boolean {
  const word = (offset >>> 2) + (bit >>> 5);
  const mask = 1 << (bit & 31);
  const old = hv.memory.readWord(frame, word);
  if (how === 'set') hv.memory.writeWord(frame, word, old | mask);
  else if (how === 'clear') hv.memory.writeWord(frame, word, old & ~mask);
  return (old & mask) !== 0;
}

const byteOf = (hv: Hypervisor, vcpu: Vcpu, field: Field): number =>
  vcpu.id * hv.abi.sharedInfo.vcpuInfoBytes + field.offset;

function frameOf({ layout, name }: Domain): Mfn {
  if (layout === null) throw new Error(`shared_info: ${name} has not been built`);
  return layout.sharedInfo;
}
