/**
 * What a data breakpoint can look at, and in which cells of the store it lies: bytes in one of the three address
 * spaces (objects of C, PTE slots, entries of the P2M and M2P), and what the frame table says of a frame. "This frame
 * becomes a page table" is a fact of the frame table like its type or its counts, with a test of its own.
 */

import { describeFlags } from '../pte.ts';
import { FrameFlag, type FrameTable, NO_OWNER, PAGE_TYPE_NAMES, PageType } from '../machine/frames.ts';
import type { Machine } from '../machine/machine.ts';
import { bitsBetween } from '../state/cell-watch.ts';
import {
  DOMID,
  PAGE_SIZE,
  WORDS_PER_PAGE,
  formatFrame,
  formatHex,
  highWord,
  lowWord,
  mfn,
} from '../units.ts';
import type { Translate } from './guest-memory.ts';
import type { MemorySpace, VcpuNumber } from './types.ts';

/** How the value of watched bytes is told. */
export type ShownAs = 'signed' | 'unsigned' | 'hex' | 'entry';

export interface WatchedBytes {
  readonly kind: 'bytes';
  readonly space: MemorySpace;
  /** Whose page tables or P2M translate. */
  readonly vcpu: VcpuNumber;
  readonly address: bigint;
  readonly bytes: number;
  readonly shown: ShownAs;
  /** The activation that an object on the stack belongs to: without it the bytes are others'. */
  readonly owner?: Activation;
}

/** An activation of a function: the window that it has. */
export interface Activation {
  readonly vcpu: VcpuNumber;
  readonly base: number;
  readonly functionName: string;
}

export interface WatchedFact {
  readonly kind: 'frame';
  readonly mfn: number;
  readonly fact: FrameFact;
}

/** A local that has no address: the words of its function's register window. */
export interface WatchedLocal extends Activation {
  readonly kind: 'local';
  readonly name: string;
  /** Its first word in the window. */
  readonly slot: number;
  readonly bytes: number;
  readonly shown: ShownAs;
}

export type WatchedPlace = WatchedBytes | WatchedFact | WatchedLocal;

/** The most bytes that one data breakpoint watches: a superpage table's worth and more. */
export const MAX_WATCHED_BYTES = 1 << 20;

/** The columns of the frame table that facts are made of. */
type FrameColumn = 'type' | 'typeCount' | 'refCount' | 'owner' | 'flags';
type FrameState = Readonly<Record<FrameColumn, number>>;

interface FactRow {
  /** What is watched, as a noun. */
  readonly label: string;
  readonly columns: readonly FrameColumn[];
  readonly value: (state: FrameState) => number;
  readonly text: (value: number) => string;
  /** Which changes of the value count; absent: all. */
  readonly counts?: (old: number, now: number) => boolean;
}

const count = (value: number): string => String(value);
const yesNo = (value: number): string => (value === 0 ? 'no' : 'yes');
const typeText = (value: number): string => PAGE_TYPE_NAMES[value] ?? String(value);
const isTable = (type: number): boolean => type >= PageType.l1 && type <= PageType.l4;
const flag =
  (bit: number) =>
  ({ flags }: FrameState): number =>
    (flags & bit) === 0 ? 0 : 1;

/** Everything about a frame that can be watched, by the word that users and data ids write. */
export const FRAME_FACTS = {
  type: { label: 'type', columns: ['type'], value: ({ type }) => type, text: typeText },
  typeCount: {
    label: 'type count',
    columns: ['typeCount'],
    value: ({ typeCount }) => typeCount,
    text: count,
  },
  refCount: {
    label: 'reference count',
    columns: ['refCount'],
    value: ({ refCount }) => refCount,
    text: count,
  },
  owner: { label: 'owner', columns: ['owner'], value: ({ owner }) => owner, text: ownerText },
  pinned: { label: 'pinned', columns: ['flags'], value: flag(FrameFlag.pinned), text: yesNo },
  validated: { label: 'validated', columns: ['flags'], value: flag(FrameFlag.validated), text: yesNo },
  becomesTable: {
    label: 'becoming a page table',
    columns: ['type'],
    value: ({ type }) => type,
    text: typeText,
    counts: (old, now) => !isTable(old) && isTable(now),
  },
  writableMapping: {
    label: 'writable mappings',
    columns: ['type', 'typeCount'],
    value: ({ type, typeCount }) => (type === PageType.writable ? typeCount : 0),
    text: count,
    counts: (old, now) => now > old,
  },
  typeCountZero: {
    label: 'type count reaching zero',
    columns: ['typeCount'],
    value: ({ typeCount }) => typeCount,
    text: count,
    counts: (_, now) => now === 0,
  },
  refCountZero: {
    label: 'reference count reaching zero',
    columns: ['refCount'],
    value: ({ refCount }) => refCount,
    text: count,
    counts: (_, now) => now === 0,
  },
} as const satisfies Readonly<Record<string, FactRow>>;

export type FrameFact = keyof typeof FRAME_FACTS;

export const isFrameFact = (word: string): word is FrameFact => Object.hasOwn(FRAME_FACTS, word);
export const factRow = (fact: FrameFact): FactRow => FRAME_FACTS[fact];

/** The cells of a fact's columns, in their order. */
export const factCells = (frames: FrameTable, { mfn: frame, fact }: WatchedFact): number[] =>
  factRow(fact).columns.map((name) => frames[name].cell(frame));

/** A fact's value when its columns hold these words, in their order. */
export function factValue(fact: FrameFact, words: readonly number[]): number {
  const { columns, value } = factRow(fact);
  const state = { type: 0, typeCount: 0, refCount: 0, owner: 0, flags: 0 };
  for (const [i, name] of columns.entries()) state[name] = (words[i] ?? 0) >>> 0;
  return value(state);
}

/** A word of memory that holds watched bytes, with the bits that are theirs. */
export interface WatchedWord {
  readonly cell: number;
  readonly bits: number;
}

/** The words that hold a stretch of bytes, in order; null when a page of it is not mapped to memory. */
export function wordsOf(
  machine: Machine,
  translate: Translate,
  { address, bytes }: Pick<WatchedBytes, 'address' | 'bytes'>,
): WatchedWord[] | null {
  const words: WatchedWord[] = [];
  for (let done = 0; done < bytes;) {
    const at = address + BigInt(done);
    const offset = Number(at & BigInt(PAGE_SIZE - 1));
    const frame = translate(at);
    if (frame === null) return null;
    const slot = machine.memory.slotOf(frame);
    const end = offset + Math.min(bytes - done, PAGE_SIZE - offset);
    for (let word = offset >>> 2; word * 4 < end; word++) {
      words.push({
        cell: slot * WORDS_PER_PAGE + word,
        bits: bitsBetween(offset - word * 4, end - word * 4),
      });
    }
    done += end - offset;
  }
  return words;
}

/** The value of up to eight bytes that lie in these words. */
export function valueOf(
  words: readonly WatchedWord[],
  { address, bytes }: Pick<WatchedBytes, 'address' | 'bytes'>,
  read: (cell: number) => number,
): bigint {
  let value = 0n;
  for (const [i, { cell }] of words.slice(0, 3).entries())
    value |= BigInt(read(cell) >>> 0) << BigInt(i * 32);
  return BigInt.asUintN(Math.min(bytes, 8) * 8, value >> (BigInt(address & 3n) * 8n));
}

export function bytesText(value: bigint, bytes: number, shown: ShownAs): string {
  const width = Math.min(bytes, 8) * 8;
  if (shown === 'signed') return String(BigInt.asIntN(width, value));
  if (shown === 'unsigned') return String(value);
  if (shown === 'hex') return formatHex(value);
  const flags = describeFlags(lowWord(value), highWord(value), 1);
  return `${formatHex(value)} (${flags})`;
}

/** What is watched, in words. */
export function placeLabel(place: WatchedPlace): string {
  switch (place.kind) {
    case 'frame':
      return `${factRow(place.fact).label} of mfn ${formatFrame(mfn(place.mfn))}`;
    case 'local':
      return `${place.name} of ${place.functionName}`;
    case 'bytes':
      return `${place.bytes} byte${place.bytes === 1 ? '' : 's'} at ${spaceText(place)}`;
  }
}

function spaceText({ space, address }: WatchedBytes): string {
  if (space === 'va') return formatHex(address);
  const offset = address & 0xfffn;
  return `${space} ${formatHex(address >> 12n)}${offset === 0n ? '' : `+${formatHex(offset)}`}`;
}

function ownerText(owner: number): string {
  if (owner === NO_OWNER) return 'free';
  if (owner === DOMID.XEN) return 'Xen';
  return owner === DOMID.IO ? 'I/O' : `d${owner}`;
}
