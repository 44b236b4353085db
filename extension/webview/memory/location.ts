/** A place in memory: a byte address in one of three spaces, and the texts that mean it. */

import { frame } from '../lib/format.ts';

export type Space = 'va' | 'pfn' | 'mfn';

export interface Location {
  readonly space: Space;
  /** Byte address in the space. */
  readonly address: bigint;
}

const reference = /^(va|pfn|mfn):0x([0-9a-f]+)(?:\+0x([0-9a-f]+))?$/i;
const pageShift = 12n;
export const pageBytes = 4096;

/** Reads what `xenscope/resolve` answers: `va:0x400000`, `mfn:0x1a3+0x8`. Null when it is something else. */
export function parseLocation(text: string): Location | null {
  const match = reference.exec(text);
  const space = match?.[1]?.toLowerCase();
  if (!match || (space !== 'va' && space !== 'pfn' && space !== 'mfn')) return null;
  const number = BigInt(`0x${match[2] ?? '0'}`);
  const offset = BigInt(`0x${match[3] ?? '0'}`);
  return { space, address: (space === 'va' ? number : number << pageShift) + offset };
}

/** The location as a memory reference of the adapter. */
export function referenceOf({ space, address }: Location): string {
  if (space === 'va') return `va:0x${address.toString(16)}`;
  const offset = offsetInPage(address);
  const page = `${space}:0x${(address >> pageShift).toString(16)}`;
  return offset === 0 ? page : `${page}+0x${offset.toString(16)}`;
}

/** As shown at the start of a row: `0xffffffff80001000`, or frame and offset `0a1f3+010`. */
export function rowAddress({ space, address }: Location, digits: number): string {
  if (space === 'va') return `0x${address.toString(16).padStart(digits, '0')}`;
  const offset = offsetInPage(address).toString(16).padStart(3, '0');
  return `${frame(Number(address >> pageShift))}+${offset}`;
}

export function frameOf(address: bigint): number {
  return Number(address >> pageShift);
}

export function offsetInPage(address: bigint): number {
  return Number(address & 0xfffn);
}
