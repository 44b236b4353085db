/**
 * Memory references: an address with the space that it is in.
 *
 *   va:0xffffffff80001000    virtual address, through the page tables of a vCPU
 *   pfn:0x12                 pseudo-physical frame; pfn:0x12+0x8 is a byte in it
 *   mfn:0x1a3                machine frame; mfn:0x1a3+0x8 is a byte in it
 *   0xffffffff80001000       as va:
 *
 * `@N` behind it names the vCPU (a thread's number) whose page tables or P2M count; without it the one that stands.
 */

import type { MemorySpace } from '../../core/timeline/types.ts';
import { parseNumeral } from './arguments.ts';

export interface MemoryReference {
  readonly space: MemorySpace;
  /** Byte address in the space. */
  readonly address: bigint;
  /** The thread that the reference names, if it does. */
  readonly thread: number | null;
}

const PATTERN = /^(?:(va|pfn|mfn):)?([0-9a-fx]+)(?:\+([0-9a-fx]+))?(?:@(\d+))?$/i;
const SPACES: { readonly [word: string]: MemorySpace } = { va: 'va', pfn: 'pfn', mfn: 'mfn' };
const ADDRESS_MASK = (1n << 64n) - 1n;

/** The reference that a text spells, or null. */
export function parseMemoryReference(text: string): MemoryReference | null {
  const match = PATTERN.exec(text.replaceAll(/\s+/g, ''));
  const space = SPACES[(match?.[1] ?? 'va').toLowerCase()];
  const number = parseNumeral(match?.[2] ?? '');
  const offset = parseNumeral(match?.[3] ?? '0');
  if (match === null || space === undefined || number === null || offset === null) return null;
  const base = space === 'va' ? number : number << 12n;
  return {
    space,
    address: (base + offset) & ADDRESS_MASK,
    thread: match[4] === undefined ? null : Number(match[4]),
  };
}

/** A byte address as a reference: `va:0x...`, `mfn:0x1a3+0x8`. */
export function formatMemoryReference(space: MemorySpace, address: bigint): string {
  if (space === 'va') return `va:0x${address.toString(16)}`;
  const offset = address & 0xfffn;
  const frame = `${space}:0x${(address >> 12n).toString(16)}`;
  return offset === 0n ? frame : `${frame}+0x${offset.toString(16)}`;
}
