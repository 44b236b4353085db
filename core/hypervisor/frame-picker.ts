/**
 * Which machine frames a new domain gets: the free ones in ascending order, or scattered by a seed, so that nobody's
 * script works by mixing up PFNs and MFNs. Both are functions of the heap and the seed alone.
 */

import { type Mfn, mfn } from '../units.ts';
import type { Heap } from './heap.ts';
import type { MemoryLayout } from './types.ts';

/** Gives free frames, each once; it does not mark them as taken. */
export class FramePicker {
  private readonly heap: Heap;
  private readonly scatter: ((index: number) => number) | null;
  private readonly size: number;
  /** Whether some frames of the heap are taken already, so that each must be looked up. */
  private readonly isPartlyTaken: boolean;
  private index = 0;

  constructor(heap: Heap, layout: MemoryLayout) {
    const { firstHeapFrame, maxPage } = heap.machine;
    this.heap = heap;
    this.isPartlyTaken = heap.freeFrames !== maxPage - firstHeapFrame;
    const frames = maxPage - firstHeapFrame;
    const bits = Math.max(2, Math.ceil(Math.log2(frames)));
    this.scatter = layout.kind === 'scattered' ? permutation(bits, layout.seed) : null;
    this.size = this.scatter === null ? frames : 2 ** bits;
  }

  next(): Mfn {
    const { firstHeapFrame, maxPage } = this.heap.machine;
    while (this.index < this.size) {
      const index = this.index++;
      const frame = firstHeapFrame + (this.scatter === null ? index : this.scatter(index));
      if (frame < maxPage && !(this.isPartlyTaken && !this.heap.isFree(frame))) return mfn(frame);
    }
    throw new Error('frame-picker: the heap has no free frame left');
  }
}

/** A fixed shuffle of 0 .. 2^bits - 1: odd multiplications and folded shifts, each of which can be undone. */
function permutation(bits: number, seed: number): (index: number) => number {
  const mask = bits === 32 ? -1 : (1 << bits) - 1;
  const fold = Math.ceil(bits / 2);
  const start = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b);
  return (index) => {
    let x = (index + start) & mask;
    x = Math.imul(x, 0x2c1b_3c6d) & mask;
    x ^= x >>> fold;
    x = Math.imul(x, 0x297a_2d39) & mask;
    x ^= x >>> fold;
    return (Math.imul(x, 0x1b56_c4e9) & mask) >>> 0;
  };
}
