/**
 * Rows of sixteen bytes around a location. A space can hold 2^60 such rows, so the list is a window of them, moved when
 * the reader comes to its edge. Bytes of the stop before are kept, to mark those that have changed.
 */

import { Cancelled } from '../lib/host.ts';
import type { RowModel, RowsListener } from '../lib/rows.ts';
import type { MemoryBytes } from '../messages.ts';
import type { Location } from './location.ts';

export const rowBytes = 16;
/** Bytes asked for at a time: divides a page, so an answer is readable as a whole or not at all. */
const chunkBytes = 512;
const rowsPerChunk = chunkBytes / rowBytes;
/** Half of the window, in bytes. */
const reach = 64n * 1024n;

export interface ByteRow {
  readonly address: bigint;
  /** Null for bytes that cannot be read, undefined while they have not come. */
  readonly bytes: Uint8Array | null | undefined;
  /** The bytes at the stop before, where they were seen. */
  readonly before: Uint8Array | null | undefined;
}

export type ReadBytes = (base: bigint, count: number, signal: AbortSignal) => Promise<MemoryBytes>;

type Chunks = Map<bigint, Uint8Array | null>;

export class ByteRows implements RowModel<ByteRow> {
  readonly base: bigint;
  readonly count: number;
  private readonly read: ReadBytes;
  private readonly listener: RowsListener;
  private before: Chunks;
  private now: Chunks = new Map();
  private readonly asked = new Set<bigint>();
  private cancel = new AbortController();
  private sight = { from: 0, count: 0 };

  /**
   * @param around the location in the middle of the window
   * @param size bytes in the space
   * @param known rows shown until now, whose bytes count as the same stop's
   */
  constructor(around: Location, size: bigint, read: ReadBytes, listener: RowsListener, known?: ByteRows) {
    const start = around.address - (around.address % BigInt(chunkBytes));
    this.base = start > reach ? start - reach : 0n;
    const end = start + reach < size ? start + reach : size;
    this.count = Number((end - this.base) / BigInt(rowBytes));
    this.read = read;
    this.listener = listener;
    this.before = known?.before ?? new Map();
  }

  indexOf(address: bigint): number {
    return Number((address - this.base) / BigInt(rowBytes));
  }

  addressOf(index: number): bigint {
    return this.base + BigInt(index * rowBytes);
  }

  row(index: number): ByteRow {
    const address = this.addressOf(index);
    const chunk = chunkOf(address);
    const offset = Number(address - chunk);
    const slice = (bytes: Uint8Array | null | undefined) =>
      bytes && bytes.subarray(offset, offset + rowBytes);
    const before = slice(this.before.get(chunk));
    const now = this.now.has(chunk) ? slice(this.now.get(chunk)) : before;
    return { address, bytes: now, before };
  }

  want(from: number, count: number): void {
    this.sight = { from, count };
    for (let index = from; index < from + count; index += rowsPerChunk) void this.fetch(index);
    if (count > 0) void this.fetch(from + count - 1);
  }

  /** The state has moved. */
  refresh(): void {
    this.dispose();
    this.cancel = new AbortController();
    // What had not been asked for again at the last stop is older than it.
    this.before = this.now;
    this.now = new Map();
    this.asked.clear();
    this.want(this.sight.from, this.sight.count);
  }

  dispose(): void {
    this.cancel.abort();
  }

  private async fetch(index: number): Promise<void> {
    if (index < 0 || index >= this.count) return;
    const chunk = chunkOf(this.addressOf(index));
    if (this.asked.has(chunk)) return;
    this.asked.add(chunk);
    const { signal } = this.cancel;
    try {
      const { data } = await this.read(chunk, chunkBytes, signal);
      this.now.set(chunk, data === undefined || data === '' ? null : decode(data));
      this.listener.changed();
    } catch (error) {
      if (error instanceof Cancelled) return;
      this.listener.failed(error instanceof Error ? error.message : String(error));
    }
  }
}

/** Whether the byte is another one than at the stop before. */
export function byteChanged({ bytes, before }: ByteRow, at: number): boolean {
  if (!bytes || before === undefined || bytes === before) return false;
  return before === null || before[at] !== bytes[at];
}

/** The little-endian word of `size` bytes at an offset of the row, or null when it cannot be read. */
export function wordAt({ bytes }: ByteRow, at: number, size: number): bigint | null {
  if (!bytes || at + size > bytes.length) return null;
  let word = 0n;
  for (let index = size - 1; index >= 0; index--) word = (word << 8n) | BigInt(bytes[at + index] ?? 0);
  return word;
}

function chunkOf(address: bigint): bigint {
  return address - (address % BigInt(chunkBytes));
}

function decode(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
