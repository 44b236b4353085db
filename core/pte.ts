/**
 * Page-table entries: the only file with entry masks.
 *
 * An entry is a pair of 32-bit words (a 2-level entry has `hi` = 0). Bits (facts 2.2, 9.4):
 *
 *    0 P   1 RW   2 US   3 PWT   4 PCD   5 A   6 D   7 PAT (L1) or PSE   8 G   9..11 AVAIL
 *   12..51 frame
 *   52 GUEST_KERNEL (Xen's mark on x86_64)   53..61 AVAIL_HIGH   62 GNTTAB (debug Xen)   63 NX
 */

import { type Mfn, type Pte, highWord, joinWords, lowWord, mfn, pte } from './units.ts';

/** Flags of the low word. */
export const P = 0x001;
export const RW = 0x002;
export const US = 0x004;
export const PWT = 0x008;
export const PCD = 0x010;
export const A = 0x020;
export const D = 0x040;
export const PSE = 0x080;
export const PAT = 0x080;
export const G = 0x100;
export const AVAIL = 0xe00;

/** Flags of the high word: bits 52 to 63. */
export const GUEST_KERNEL_HI = 1 << 20;
export const GNTTAB_HI = 1 << 30;
export const NX_HI = 1 << 31;
export const FLAGS_HI = 0xfff0_0000 | 0;
/** Bits 52 to 62, which guests may use. */
export const AVAIL_HIGH_HI = 0x7ff0_0000;

export const FLAGS_LO = 0xfff;
const FRAME_HI = 0x000f_ffff;
/** 2^20: the weight of the high word's lowest frame bit. */
const HIGH_FRAME_WEIGHT = 0x10_0000;

export const isPresent = (lo: number): boolean => (lo & P) !== 0;
export const isWritable = (lo: number): boolean => (lo & RW) !== 0;

/** The frame that an entry names: a number below 2^40, exact. */
export const entryFrame = (lo: number, hi: number): Mfn =>
  mfn((hi & FRAME_HI) === 0 ? lo >>> 12 : (hi & FRAME_HI) * HIGH_FRAME_WEIGHT + (lo >>> 12));

/** Low word of an entry from frame and low flags. */
export const entryLo = (frame: Mfn, flagsLo: number): number => (frame << 12) | flagsLo;
/** High word of an entry from frame and high flags. */
export const entryHi = (frame: Mfn, flagsHi: number): number =>
  Math.floor(frame / HIGH_FRAME_WEIGHT) | flagsHi;

export const joinPte = (lo: number, hi: number): Pte => pte(joinWords(lo, hi));
export const pteLo = (entry: Pte): number => lowWord(entry);
export const pteHi = (entry: Pte): number => highWord(entry);
export const pteFrame = (entry: Pte): Mfn => entryFrame(lowWord(entry), highWord(entry));

const LOW_NAMES: readonly (readonly [number, string])[] = [
  [P, 'P'],
  [RW, 'RW'],
  [US, 'US'],
  [PWT, 'PWT'],
  [PCD, 'PCD'],
  [A, 'A'],
  [D, 'D'],
  [G, 'G'],
  [0x200, 'AVAIL0'],
  [0x400, 'AVAIL1'],
  [0x800, 'AVAIL2'],
];

/** Flags for people: `P RW US A D PSE G GUEST_KERNEL NX`, in bit order; `-` when none is set. */
export function describeFlags(lo: number, hi: number, level: number): string {
  const names = LOW_NAMES.filter(([bit]) => (lo & bit) !== 0).map(([, name]) => name);
  if ((lo & PSE) !== 0) names.push(level === 1 ? 'PAT' : 'PSE');
  if ((hi & GUEST_KERNEL_HI) !== 0) names.push('GUEST_KERNEL');
  for (let bit = 53; bit < 62; bit++) if ((hi & (1 << (bit - 32))) !== 0) names.push(`AVL${bit}`);
  if ((hi & GNTTAB_HI) !== 0) names.push('GNTTAB');
  if ((hi & NX_HI) !== 0) names.push('NX');
  return names.length === 0 ? '-' : names.join(' ');
}
