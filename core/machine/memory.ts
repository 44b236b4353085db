/**
 * Machine memory: the contents of frames. A frame takes storage when it is first touched; until then it reads as its
 * pattern, zeros or (for the frames of the M2P, which Xen fills with invalid entries) ones. Storage never moves, so
 * that a TLB entry may hold a storage slot; taking storage changes no content and is therefore not journalled.
 */

import { ARENA_WORDS, type Store } from '../state/store.ts';
import { type Mfn, WORDS_PER_PAGE, mfn } from '../units.ts';

const ZEROS = 0;
const ONES = 1;
/** Frames in an arena, as a shift. */
const ARENA_FRAMES_SHIFT = 8;
const ARENA_FRAMES_MASK = 255;
const WORDS_SHIFT = 10;
const SLOT_CHUNK_SHIFT = 12;
const SLOT_CHUNK_MASK = 4095;
/** Cells of memory number below 2^31, so there are at most 2^21 storage slots: 8 GiB of touched memory. */
const MAX_SLOTS = 1 << 21;

/** Thrown when a run has touched more memory than a model can hold; caught once, where a run is driven. */
export class OutOfModelMemory extends Error {}

export class PhysicalMemory {
  readonly frameCount: number;
  private readonly store: Store;
  private readonly slots: (Int32Array | undefined)[];
  private readonly frames: number[] = [];
  private used = 0;

  constructor(store: Store, frameCount: number) {
    this.store = store;
    this.frameCount = frameCount;
    this.slots = new Array<Int32Array | undefined>(Math.ceil(frameCount / 4096)).fill(undefined);
    this.takeSlot(mfn(-1));
    this.takeSlot(mfn(-1));
    this.arena(ONES).fill(-1, WORDS_PER_PAGE, 2 * WORDS_PER_PAGE);
  }

  /** Whether the frame is machine memory at all. */
  has(frame: Mfn): boolean {
    return frame >= 0 && frame < this.frameCount;
  }

  /** A word of a frame, signed; `word` is 0..1023. */
  readWord(frame: Mfn, word: number): number {
    const slot = this.peekSlot(frame);
    return this.arena(slot)[((slot & ARENA_FRAMES_MASK) << WORDS_SHIFT) | word] as number;
  }

  writeWord(frame: Mfn, word: number, value: number): void {
    this.writeSlotWord(this.slotOf(frame), word, value);
  }

  /** Reads a word of a frame whose storage slot is known. */
  readSlotWord(slot: number, word: number): number {
    return this.arena(slot)[((slot & ARENA_FRAMES_MASK) << WORDS_SHIFT) | word] as number;
  }

  /** Writes a word of a frame whose storage slot is known. */
  writeSlotWord(slot: number, word: number, value: number): void {
    const arena = this.arena(slot);
    const at = ((slot & ARENA_FRAMES_MASK) << WORDS_SHIFT) | word;
    const old = arena[at] as number;
    if (old === (value | 0)) return;
    this.store.record(slot * WORDS_PER_PAGE + word, old);
    arena[at] = value;
  }

  /** The storage slot of a frame, taken now if the frame was untouched. */
  slotOf(frame: Mfn): number {
    const slot = this.peekSlot(frame);
    return slot > ONES ? slot : this.touch(frame, slot);
  }

  /** The frame that a storage slot belongs to. */
  frameOfSlot(slot: number): Mfn {
    return mfn(this.frames[slot] ?? -1);
  }

  /** Sets every word of a frame; CLEAR_PAGE, and frames handed out scrubbed. */
  fillFrame(frame: Mfn, value: number): void {
    if (value === 0 && this.peekSlot(frame) === ZEROS) return;
    const slot = this.slotOf(frame);
    for (let word = 0; word < WORDS_PER_PAGE; word++) this.writeSlotWord(slot, word, value);
  }

  copyFrame(from: Mfn, to: Mfn): void {
    for (let word = 0; word < WORDS_PER_PAGE; word++) this.writeWord(to, word, this.readWord(from, word));
  }

  /** Whether the frame has never been written (and holds zeros or, in the M2P, ones). */
  isUntouched(frame: Mfn): boolean {
    return this.peekSlot(frame) <= ONES;
  }

  /** Makes untouched frames read as all ones. For start of day. */
  patternOnes(from: Mfn, count: number): void {
    for (let i = 0; i < count; i++) this.setSlot(mfn(from + i), ONES);
  }

  /** Hands out the words of a frame, to be changed in place. For start of day: it is not journalled. */
  wordsOf(frame: Mfn): Int32Array {
    const slot = this.slotOf(frame);
    const first = (slot & ARENA_FRAMES_MASK) << WORDS_SHIFT;
    return this.arena(slot).subarray(first, first + WORDS_PER_PAGE);
  }

  /** Copies bytes into a frame; for start of day and the debugger's writes. */
  writeBytes(frame: Mfn, offset: number, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const at = offset + i;
      const shift = (at & 3) * 8;
      const word = this.readWord(frame, at >>> 2);
      this.writeWord(frame, at >>> 2, (word & ~(0xff << shift)) | ((bytes[i] as number) << shift));
    }
  }

  readByte(frame: Mfn, offset: number): number {
    return (this.readWord(frame, offset >>> 2) >>> ((offset & 3) * 8)) & 0xff;
  }

  private peekSlot(frame: Mfn): number {
    const chunk = this.slots[frame >>> SLOT_CHUNK_SHIFT];
    return chunk === undefined ? ZEROS : (chunk[frame & SLOT_CHUNK_MASK] as number);
  }

  private setSlot(frame: Mfn, slot: number): void {
    const number = frame >>> SLOT_CHUNK_SHIFT;
    const chunk = this.slots[number] ?? (this.slots[number] = new Int32Array(4096));
    chunk[frame & SLOT_CHUNK_MASK] = slot;
  }

  private touch(frame: Mfn, pattern: number): number {
    if (!this.has(frame)) throw new Error(`memory.touch: mfn ${frame.toString(16)} is no machine memory`);
    const slot = this.takeSlot(frame);
    if (pattern === ONES) {
      const first = (slot & ARENA_FRAMES_MASK) << WORDS_SHIFT;
      this.arena(slot).fill(-1, first, first + WORDS_PER_PAGE);
    }
    this.setSlot(frame, slot);
    return slot;
  }

  private takeSlot(frame: Mfn): number {
    if (this.used === MAX_SLOTS)
      throw new OutOfModelMemory(
        'the run has touched more than 8 GiB of memory, which is all the model holds',
      );
    const slot = this.used++;
    if ((slot & ARENA_FRAMES_MASK) === 0) this.store.arenas.push(new Int32Array(ARENA_WORDS));
    this.frames.push(frame);
    return slot;
  }

  private arena(slot: number): Int32Array {
    return this.store.arenas[slot >>> ARENA_FRAMES_SHIFT] as Int32Array;
  }
}
