/**
 * Xen's heap of frames for domains: which frames are free is what the frame table says (reference count 0); where to
 * look next is a journalled word, so that a run and its repetition take the same frames.
 */

import { FrameFlag } from '../machine/frames.ts';
import type { Machine } from '../machine/machine.ts';
import { Region } from '../state/column.ts';
import { type Mfn, mfn } from '../units.ts';

const FREE = 0;
const NEXT = 1;

export class Heap {
  readonly machine: Machine;
  private readonly words: Region;
  /** Frames that a real Xen took at this point, each the first of its extent. */
  private expected: readonly number[] = [];

  constructor(machine: Machine) {
    this.machine = machine;
    this.words = new Region(machine.store, 'heap', 2);
    machine.store.withoutJournal(() => {
      this.words.set(FREE, machine.maxPage - machine.firstHeapFrame);
      this.words.set(NEXT, machine.firstHeapFrame);
    });
  }

  get freeFrames(): number {
    return this.words.get(FREE);
  }

  /** Notes that `count` frames were taken (or, negative, came back); the frame table says which. */
  took(count: number): void {
    this.words.set(FREE, this.words.get(FREE) - count);
  }

  /** Makes the search begin at a frame, so that the model can take the very frame that a real Xen took. */
  lookFrom(frame: Mfn): void {
    this.words.set(NEXT, frame);
  }

  /** Makes the next searches find these frames in turn where they are free, as a real Xen did. */
  expect(frames: readonly number[]): void {
    this.expected = frames;
  }

  /**
   * The first of 2^order free frames below a limit, aligned to their number; null when there are none. It takes nothing
   * yet.
   */
  find(order: number, below = this.machine.maxPage): Mfn | null {
    const size = 2 ** order;
    if (this.freeFrames < size) return null;
    const { firstHeapFrame } = this.machine;
    const [expected, ...others] = this.expected;
    this.expected = others;
    if (expected !== undefined && this.areFree(expected, size)) return mfn(expected);
    const maxPage = Math.min(below, this.machine.maxPage);
    const first = Math.ceil(firstHeapFrame / size) * size;
    const start = Math.max(first, Math.ceil((this.words.get(NEXT) >>> 0) / size) * size);
    const at = this.scan(start, maxPage, size) ?? this.scan(first, Math.min(start, maxPage), size);
    if (at !== null) this.words.set(NEXT, at + size);
    return at;
  }

  isFree(frame: number): boolean {
    const { refCount, flags } = this.machine.frames;
    return refCount.get(frame) === 0 && (flags.get(frame) & FrameFlag.xenHeap) === 0;
  }

  private areFree(from: number, size: number): boolean {
    const { firstHeapFrame, maxPage } = this.machine;
    if (from < firstHeapFrame || from + size > maxPage) return false;
    for (let frame = from; frame < from + size; frame++) if (!this.isFree(frame)) return false;
    return true;
  }

  private scan(from: number, to: number, size: number): Mfn | null {
    for (let base = from; base + size <= to; base += size) {
      let run = 0;
      while (run < size && this.isFree(base + run)) run++;
      if (run === size) return mfn(base);
    }
    return null;
  }
}
