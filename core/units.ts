/**
 * The kinds of numbers that look alike and must never be mixed: frames, addresses, entries.
 *
 * Frame numbers index tables, so they are plain numbers with a brand. Addresses and entries can exceed 2^53, so at
 * every public signature they are bigints with a brand; hot paths work on pairs of 32-bit words instead (`lo`, `hi`)
 * and come here only at their edges. Conversions are named by direction; no shift by PAGE_SHIFT is written elsewhere.
 *
 * Source: xen/include/xen/mm.h (the definitions of mfn, gfn and pfn), facts section 1.1.
 */

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** A machine frame number: what page tables, CR3 and hypercalls hold. */
export type Mfn = Brand<number, 'Mfn'>;
/** A pseudo-physical frame number: the guest's own numbering, 0 .. nr_pages - 1. */
export type Pfn = Brand<number, 'Pfn'>;
/** A byte address in machine memory. */
export type MachineAddress = Brand<bigint, 'MachineAddress'>;
/** A byte address in a domain's pseudo-physical memory. */
export type PseudoPhysicalAddress = Brand<bigint, 'PseudoPhysicalAddress'>;
/** A byte address translated by the page tables; on x86_64 the canonical 64-bit form. */
export type VirtualAddress = Brand<bigint, 'VirtualAddress'>;
/** A page-table entry of any level, frame and flags together. */
export type Pte = Brand<bigint, 'Pte'>;
/** A domain's number; see `DOMID` for the reserved ones. */
export type DomainId = Brand<number, 'DomainId'>;
/** A page-table level: 1 maps pages, the highest is the root. */
export type Level = 1 | 2 | 3 | 4;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
/** 32-bit words in a page. */
export const WORDS_PER_PAGE = PAGE_SIZE / 4;

/** Reserved domain ids (facts 9.1). */
export const DOMID = {
  SELF: 0x7ff0 as DomainId,
  IO: 0x7ff1 as DomainId,
  XEN: 0x7ff2 as DomainId,
  COW: 0x7ff3 as DomainId,
  INVALID: 0x7ff4 as DomainId,
  ANY: 0x7ff5 as DomainId,
  IDLE: 0x7fff as DomainId,
} as const;

export const mfn = (n: number): Mfn => n as Mfn;
export const pfn = (n: number): Pfn => n as Pfn;
export const domainId = (n: number): DomainId => n as DomainId;
export const machineAddress = (n: bigint): MachineAddress => n as MachineAddress;
export const pseudoPhysicalAddress = (n: bigint): PseudoPhysicalAddress => n as PseudoPhysicalAddress;
export const virtualAddress = (n: bigint): VirtualAddress => n as VirtualAddress;
export const pte = (n: bigint): Pte => n as Pte;

export const mfnToMaddr = (frame: Mfn): MachineAddress => (BigInt(frame) << 12n) as MachineAddress;
export const maddrToMfn = (address: MachineAddress): Mfn => Number(address >> 12n) as Mfn;
export const pfnToPaddr = (frame: Pfn): PseudoPhysicalAddress =>
  (BigInt(frame) << 12n) as PseudoPhysicalAddress;
export const paddrToPfn = (address: PseudoPhysicalAddress): Pfn => Number(address >> 12n) as Pfn;
export const offsetInPage = (address: bigint): number => Number(address & 0xfffn);

/** Joins two 32-bit words (signed or unsigned) into the unsigned 64-bit value they hold. */
export const joinWords = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
/** The low 32-bit word, as a signed number. */
export const lowWord = (value: bigint): number => Number(BigInt.asIntN(32, value));
/** The high 32-bit word, as a signed number. */
export const highWord = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));

/** A frame as Xen prints it (PRI_mfn): at least five hexadecimal digits. */
export const formatFrame = (frame: Mfn | Pfn): string => frame.toString(16).padStart(5, '0');
/** An address or entry for people and for JSON: `0x` and hexadecimal digits. */
export const formatHex = (value: bigint | number): string => `0x${value.toString(16)}`;
