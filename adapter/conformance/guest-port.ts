/**
 * The guest as a list of operations needs it: hypercalls, memory accesses whose faults come back, the P2M, and a view
 * of Xen's frame table. The model and a real Xen are behind the same interface, so that one runner serves both.
 */

import type { PageTypeName } from '../../core/machine/frames.ts';
import type { BootTable, FrameAlias } from './operations.ts';

export interface AccessFault {
  readonly vector: number;
  readonly errorCode: number;
  /** The address, for page faults. */
  readonly cr2?: bigint;
}

/** A row of Xen's frame table; a free frame reads as type none with counts of 0. */
export interface FrameState {
  readonly type: PageTypeName;
  readonly typeCount: number;
  readonly refCount: number;
  readonly pinned: boolean;
  readonly validated: boolean;
  readonly allocated: boolean;
}

/** The same with what a list's output does not show, but a comparison of two machines looks at. */
export interface FrameRecord extends FrameState {
  readonly owner: 'domain' | 'other' | 'none';
  /** Of a table in use: linear entries that it holds (+) or uses of it as one (-). */
  readonly linear: number;
}

/** A frame that nobody owns. */
export const FREE_FRAME: FrameRecord = {
  type: 'none',
  typeCount: 0,
  refCount: 0,
  pinned: false,
  validated: false,
  allocated: false,
  owner: 'none',
  linear: 0,
};

/** A frame between video memory's borders, and one past every machine's memory. */
export const VGA_FRAME = 0xb8n;
export const NOWHERE_FRAME = 0x3_0000_0000n;

/** Pages that hypercall arguments are put into, adjacent in virtual memory. */
export const ARGUMENT_PAGES = 4;

export interface GuestPort {
  /** Pages that the domain began with: the length of the P2M. */
  readonly nrPages: number;
  /** Virtual address of the argument pages. */
  readonly argumentsVa: bigint;
  readonly bootTables: ReadonlyMap<BootTable, bigint>;
  readonly namedFrames: ReadonlyMap<FrameAlias, bigint>;
  /** Makes a hypercall with up to five arguments and returns the signed result. */
  hypercall(number: number, args: readonly bigint[]): bigint;
  /** Loads 8 bytes as the guest's kernel. */
  load(va: bigint): bigint | AccessFault;
  /** Stores 8 bytes, `words` times at ascending addresses, as the guest's kernel. */
  store(va: bigint, value: bigint, words: number): AccessFault | null;
  writeArguments(offset: number, bytes: Uint8Array): void;
  readArguments(offset: number, length: number): Uint8Array;
  p2m(pfn: number): bigint;
  setP2m(pfn: number, frame: bigint): void;
  /** The M2P entry, read without the guest; null past its end. */
  m2p(frame: bigint): bigint | null;
  /** A word of 8 bytes of a frame, read without the guest. */
  word(frame: bigint, index: number): bigint;
  /** Null for a frame that Xen has no row for. */
  frame(frame: bigint): FrameRecord | null;
  /** The rule that the last hypercall broke; null where the port cannot tell. */
  readonly brokenRule: string | null;
}
