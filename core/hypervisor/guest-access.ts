/**
 * Guest pointers: what Xen checks before it follows one, and copies from and to guest memory. Xen runs on the guest's
 * own page tables, so a copy goes through the vCPU's TLB, sets A and D, and fails where the guest kernel would fault.
 */

import type { Abi, Field } from '../abi/index.ts';
import type { Vcpu } from '../machine/vcpu.ts';

/** Whether an address may be the guest's: outside Xen's hole, canonical (facts 2.1). */
export function isGuestAddress(abi: Abi, vaLo: number, vaHi: number): boolean {
  const word = (abi.wordBytes === 4 ? vaLo : vaHi) >>> 0;
  return word < abi.guestAddresses.below || word >= abi.guestAddresses.from;
}

/** The high word of `va + bytes`; the low word is `(vaLo + bytes) | 0`. */
export const carryInto = (vaLo: number, vaHi: number, bytes: number): number =>
  (vaLo >>> 0) + bytes > 0xffff_ffff ? (vaHi + 1) | 0 : vaHi;

/** Reads a field of a structure in guest memory into `vcpu.mmu.lo` and `hi`; false when it cannot be read. */
export function readField(vcpu: Vcpu, vaLo: number, vaHi: number, field: Field): boolean {
  const lo = (vaLo + field.offset) | 0;
  const hi = carryInto(vaLo, vaHi, field.offset);
  return isGuestAddress(vcpu.domain.abi, lo, hi) && vcpu.mmu.load(lo, hi, field.bytes);
}

/** Writes a field of a structure in guest memory; false when it cannot be written. */
export function writeField(
  vcpu: Vcpu,
  vaLo: number,
  vaHi: number,
  field: Field,
  valueLo: number,
  valueHi: number,
): boolean {
  const lo = (vaLo + field.offset) | 0;
  const hi = carryInto(vaLo, vaHi, field.offset);
  return isGuestAddress(vcpu.domain.abi, lo, hi) && vcpu.mmu.store(lo, hi, field.bytes, valueLo, valueHi);
}

/** Copies bytes out of guest memory; null when one of them cannot be read. */
export function copyFromGuest(vcpu: Vcpu, vaLo: number, vaHi: number, bytes: number): Uint8Array | null {
  const copy = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) {
    if (!readField(vcpu, vaLo, vaHi, { offset: i, bytes: 1 })) return null;
    copy[i] = vcpu.mmu.lo;
  }
  return copy;
}

/** Copies bytes into guest memory; false when one of them cannot be written. */
export function copyToGuest(vcpu: Vcpu, vaLo: number, vaHi: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    if (!writeField(vcpu, vaLo, vaHi, { offset: i, bytes: 1 }, bytes[i] as number, 0)) return false;
  }
  return true;
}

/** Whether a pointer argument is NULL. */
export const isNull = (lo: number, hi: number): boolean => lo === 0 && hi === 0;
