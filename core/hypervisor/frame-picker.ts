/**
 * Which machine frames a new domain gets: the free ones in ascending order, or scattered by a seed, so that nobody's
 * script works by mixing up PFNs and MFNs. Both are functions of the heap and the seed alone. Or those of a list: the
 * frames of a domain that was built elsewhere.
 *
 * Frames are scattered over one window of the heap at a time: over a whole machine of 1 TiB, a domain of 16 GiB would
 * have a frame in every page of the M2P.
 */

import { type Mfn, mfn } from '../units.ts';
import type { Heap } from './heap.ts';
import type { MemoryLayout } from './types.ts';

/** Frames of a window, as a shift: 256 MiB. */
const WINDOW_BITS = 16;

/** Gives free frames, each once; it does not mark them as taken. */
export class FramePicker {
  private readonly heap: Heap;
  private readonly scatter: ((index: number) => number) | null;
  private readonly windowMask: number;
  private readonly size: number;
  private readonly given: Uint32Array | null;
  /** Whether some frames of the heap are taken already, so that each must be looked up. */
  private readonly isPartlyTaken: boolean;
  private index = 0;

  constructor(heap: Heap, layout: MemoryLayout) {
    const { firstHeapFrame, maxPage } = heap.machine;
    this.heap = heap;
    this.isPartlyTaken = heap.freeFrames !== maxPage - firstHeapFrame;
    const frames = maxPage - firstHeapFrame;
    const bits = Math.min(Math.max(2, Math.ceil(Math.log2(frames))), WINDOW_BITS);
    const window = 2 ** bits;
    this.windowMask = window - 1;
    this.scatter = layout.kind === 'scattered' ? permutation(bits, layout.seed) : null;
    this.given = layout.kind === 'given' ? layout.frames : null;
    this.size = this.scatter === null ? frames : Math.ceil(frames / window) * window;
  }

  next(): Mfn {
    if (this.given !== null) return this.nextGiven(this.given);
    const { firstHeapFrame, maxPage } = this.heap.machine;
    while (this.index < this.size) {
      const index = this.index++;
      const frame = firstHeapFrame + (this.scatter === null ? index : this.scattered(this.scatter, index));
      if (frame < maxPage && !(this.isPartlyTaken && !this.heap.isFree(frame))) return mfn(frame);
    }
    throw new Error('frame-picker: the heap has no free frame left');
  }

  private scattered(scatter: (index: number) => number, index: number): number {
    const inside = index & this.windowMask;
    return index - inside + scatter(inside);
  }

  private nextGiven(frames: Uint32Array): Mfn {
    const { firstHeapFrame, maxPage } = this.heap.machine;
    const frame = frames[this.index++];
    if (frame === undefined || frame < firstHeapFrame || frame >= maxPage || !this.heap.isFree(frame))
      throw new Error(`frame-picker: frame ${frame ?? 'past the list'} of the given layout is not free`);
    return mfn(frame);
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
