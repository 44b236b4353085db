/**
 * Walking through a hypercall line by line. The hypercall runs once with a tracer and is taken back; what each line
 * changed is kept as a delta, so that moving the cursor over the lines, forwards and backwards, moves the state with it.
 * At position 0 everything is as it was before the call. Whoever leaves the walk makes the call as ever.
 */

import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Refusal } from '../hypervisor/types.ts';
import type { Delta, Store } from '../state/store.ts';
import { type Activation, type Position, TraceRecorder } from './hypercall-trace.ts';
import { listingsOf } from './listing.ts';

/** Where a step goes: a position, or out of the walk at one of its ends. */
export type WalkTarget = number | 'before' | 'after';
export type StepHow = 'into' | 'over' | 'out';
export type WalkDirection = 'forward' | 'backward';

const NOTHING: Delta = { cells: new Uint32Array(0), words: new Int32Array(0) };

export class HypercallWalk {
  /** The lines, in the order in which they are carried out; at least one. */
  readonly positions: readonly Position[];
  /** Why the hypercall is refused in the end. */
  readonly refusal: Refusal | null;
  /** What the hypervisor told and no listing has; empty when the listings are complete. */
  readonly unlisted: readonly string[];
  private readonly store: Store;
  /** By position: what its line changes; leads forward from positions at or behind the cursor, else back. */
  private readonly deltas: readonly Delta[];
  private cursor = 0;

  /**
   * Runs the work, which makes the hypercall (or delivers a fault), and takes it back. Null when nothing of it can be
   * stepped through, or the model fails in it: it is then to be done as ever.
   */
  static record(hypervisor: Hypervisor, work: () => void): HypercallWalk | null {
    const { store } = hypervisor.machine;
    const { observer, tracer } = hypervisor;
    const { watch } = store;
    const recorder = new TraceRecorder(listingsOf(hypervisor.options.xen), store);
    const start = store.mark();
    hypervisor.observer = null;
    hypervisor.tracer = recorder;
    store.watch = null;
    try {
      work();
      if (recorder.positions.length > 0) return new HypercallWalk(store, recorder, hypervisor.lastRefusal);
    } catch {
      // The error comes again, and is told, when the work is done as ever.
    } finally {
      store.undoTo(start);
      hypervisor.observer = observer;
      hypervisor.tracer = tracer;
      store.watch = watch;
    }
    return null;
  }

  private constructor(store: Store, { positions, marks, unlisted }: TraceRecorder, refusal: Refusal | null) {
    this.store = store;
    this.unlisted = unlisted;
    this.refusal = refusal;
    this.positions = positions;
    const deltas: Delta[] = new Array<Delta>(positions.length).fill(NOTHING);
    for (let i = positions.length - 1; i >= 0; i--) {
      const mark = marks[i];
      const delta = mark === undefined ? null : store.since(mark);
      if (mark === undefined || delta === null) throw new Error('hypercall-walk: the journal is too short');
      if (delta.cells.length === 0) continue;
      for (const [n, cell] of delta.cells.entries()) delta.words[n] = store.word(cell);
      store.undoTo(mark);
      deltas[i] = delta;
    }
    this.deltas = deltas;
  }

  /** The position whose line is about to be carried out. */
  get at(): number {
    return this.cursor;
  }

  get here(): Position {
    return this.positions[this.cursor] as Position;
  }

  /** Goes to a position, the state with it. */
  moveTo(target: number): void {
    const end = Math.min(Math.max(target, 0), this.positions.length);
    for (; this.cursor < end; this.cursor++) this.store.swap(this.delta(this.cursor), 'forward');
    for (; this.cursor > end; this.cursor--) this.store.swap(this.delta(this.cursor - 1), 'back');
  }

  /** Puts everything back to where it was before the call. */
  leave(): void {
    this.moveTo(0);
  }

  /** Looks at the state as it is at a position; `positions.length` stands for the end of the call. */
  peek<T>(position: number, look: () => T): T {
    const { cursor } = this;
    this.moveTo(position);
    try {
      return look();
    } finally {
      this.moveTo(cursor);
    }
  }

  /** Where a step leads. */
  target(how: StepHow, direction: WalkDirection): WalkTarget {
    const { depth } = this.here.activation;
    const limit = how === 'into' ? Infinity : how === 'over' ? depth : depth - 1;
    return this.find(direction, ({ activation }) => activation.depth <= limit);
  }

  /** The nearest position in a direction that a test accepts. */
  find(direction: WalkDirection, accepts: (position: Position, index: number) => boolean): WalkTarget {
    const step = direction === 'forward' ? 1 : -1;
    for (let i = this.cursor + step; i >= 0 && i < this.positions.length; i += step)
      if (accepts(this.positions[i] as Position, i)) return i;
    return direction === 'forward' ? 'after' : 'before';
  }

  /** The activations at the cursor, innermost first, each with the line at which it stands. */
  frames(): readonly { readonly activation: Activation; readonly line: number }[] {
    const frames: { activation: Activation; line: number }[] = [];
    let line = this.here.line;
    for (let each: Activation | null = this.here.activation; each !== null; each = each.parent) {
      frames.push({ activation: each, line });
      line = each.callLine;
    }
    return frames;
  }

  /** What the lines from one position up to another change: cells, each with its words before and after. */
  changes(from: number, to: number): ReadonlyMap<number, { readonly old: number; readonly now: number }> {
    const cells = new Set<number>();
    for (let i = from; i < to; i++) for (const cell of this.delta(i).cells) cells.add(cell);
    const words = () => new Map([...cells].map((cell) => [cell, this.store.word(cell)]));
    const [old, now] = [this.peek(from, words), this.peek(to, words)];
    const changed = [...cells].filter((cell) => old.get(cell) !== now.get(cell));
    return new Map(changed.map((cell) => [cell, { old: old.get(cell) ?? 0, now: now.get(cell) ?? 0 }]));
  }

  private delta(position: number): Delta {
    return this.deltas[position] ?? NOTHING;
  }
}
