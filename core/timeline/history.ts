/**
 * The past of a run: checkpoints, and between neighbours the delta that leads from one's cells to the other's.
 *
 *   C0 -- d0 -- C1 -- d1 -- C2 ---- here          `base` is C2; the journal since then leads back to it
 *
 * A delta is swapped with the store when it is crossed, so the same one leads back and then forward again. Between two
 * checkpoints the run is repeated: it can only go the same way. Where the user has changed something it cannot: there
 * stands a checkpoint for good, and a repetition that comes to its position goes over to it.
 *
 * Memory is bounded: beyond the budget checkpoints are taken out, neighbouring deltas become one, the more the older
 * they are. The first one stays, so every place remains within reach, at the price of a longer repetition.
 */

import type { Delta, Mark, Store } from '../state/store.ts';
import type { Execution, ExecutionState } from './execution.ts';
import { NEVER, type Position, position } from './position.ts';
import type { Recorder, RecorderState } from './recorder.ts';

/** Work (see `Execution.work`) after which another checkpoint is due: a repetition of some milliseconds. */
const SPACING = 200_000;
/** Cells changed after which one is due. */
const MANY_CELLS = 1 << 20;
/** When the budget is exceeded, so much of it is made free. */
const FREED = 1 / 4;
/** What a checkpoint takes beside windows, about. */
const CHECKPOINT_BYTES = 1024;
const CELL_BYTES = 8;

export interface Checkpoint {
  readonly position: Position;
  readonly execution: ExecutionState;
  readonly recorder: RecorderState;
  /** The user has changed something here: a repetition from before does not lead to it. */
  readonly isEdit: boolean;
}

export class History {
  private readonly store: Store;
  private readonly execution: Execution;
  private readonly recorder: Recorder;
  private readonly budget: number;
  private checkpoints: Checkpoint[] = [];
  /** Between a checkpoint and the next: leading back below `base`, forward from there on. */
  private deltas: Delta[] = [];
  private base = 0;
  private baseMark: Mark;
  private baseWork = 0;
  private farthest: Position;

  constructor(parts: {
    readonly store: Store;
    readonly execution: Execution;
    readonly recorder: Recorder;
    readonly budget: number;
  }) {
    this.store = parts.store;
    this.execution = parts.execution;
    this.recorder = parts.recorder;
    this.budget = parts.budget;
    this.baseMark = this.store.mark();
    this.farthest = this.execution.position;
    this.beginHere();
  }

  /** The earliest position that can be gone to. */
  get start(): Position {
    return this.checkpointAt(0).position;
  }

  /** The latest position that is known. */
  get end(): Position {
    return this.farthest;
  }

  /** Whether nothing is known of what comes next. */
  get isAtEnd(): boolean {
    return this.execution.position >= this.farthest;
  }

  /** The next position at which the run goes on otherwise than a repetition would. */
  get nextEdit(): Position {
    for (let i = this.base + 1; i < this.checkpoints.length; i++)
      if (this.checkpointAt(i).isEdit) return this.checkpointAt(i).position;
    return NEVER;
  }

  /** Bytes held, about. */
  get bytes(): number {
    const windows = new Set<Int32Array>();
    for (const { execution } of this.checkpoints) for (const vm of execution.vms) windows.add(vm.windows);
    let bytes = this.checkpoints.length * CHECKPOINT_BYTES;
    for (const words of windows) bytes += words.byteLength;
    for (const { cells } of this.deltas) bytes += cells.length * CELL_BYTES;
    return bytes;
  }

  get length(): number {
    return this.checkpoints.length;
  }

  /** The position of the last checkpoint before a position (or, with `at`, at it). */
  checkpointBefore(place: Position, at: 'at' | 'before' = 'before'): Position {
    return this.checkpointAt(this.indexOf(place, at)).position;
  }

  /** The run has gone on: notes how far, and takes a checkpoint when one is due. */
  hasGoneOn(): void {
    if (this.execution.position > this.farthest) this.farthest = this.execution.position;
    if (this.base < this.checkpoints.length - 1) return;
    const isFar = this.execution.work - this.baseWork >= SPACING;
    if (isFar || this.store.countSince(this.baseMark) >= MANY_CELLS) this.take();
  }

  /** Takes a checkpoint here. */
  take(kind: 'passing' | 'edit' = 'passing'): void {
    const delta = this.store.since(this.baseMark);
    if (delta === null) {
      this.beginHere();
      return;
    }
    this.deltas.splice(this.base, 0, delta);
    this.checkpoints.splice(this.base + 1, 0, this.checkpointHere(kind === 'edit'));
    this.base++;
    this.rebase();
    if (kind === 'edit') this.joinEdits();
    this.thin();
  }

  /**
   * Makes the last checkpoint at or before a place the present; the run can be repeated from there. The end of what is
   * known stays near.
   */
  goBefore(place: Position): void {
    const isBehindLast = this.base === this.checkpoints.length - 1;
    if (!this.store.reaches(this.baseMark)) this.beginHere();
    else if (isBehindLast && this.execution.work - this.baseWork > SPACING / 16) this.take();
    this.goTo(this.indexOf(place, 'at'));
  }

  /** Whether the present lies between the checkpoint before a place and that place. */
  leadsTo(place: Position): boolean {
    return this.execution.position <= place && this.indexOf(place, 'at') === this.base;
  }

  /** At the position of an edit: goes over to what the run was after it. */
  crossEdit(): void {
    let next = this.base + 1;
    while (!this.checkpointAt(next).isEdit) next++;
    this.goTo(next);
  }

  /** What comes next will be another: what is known of it is dropped. */
  forgetFuture(): void {
    this.checkpoints.length = this.base + 1;
    this.deltas.length = this.base;
    this.farthest = this.execution.position;
    this.execution.forgetFuture();
    this.recorder.forgetFuture();
  }

  /** Stretches of time before the present, latest first, each with the cells that may have changed in it. */
  *stretches(): Generator<Stretch> {
    const own = this.store.since(this.baseMark);
    const present = this.checkpointAt(this.base);
    if (own !== null)
      yield { from: present.position, to: this.execution.position, cells: own.cells, endsInEdit: false };
    // The walk moves the base; the list of stretches does not change with it.
    const earlier = this.checkpoints.slice(0, this.base + 1);
    const deltas = this.deltas.slice(0, this.base);
    for (let i = deltas.length - 1; i >= 0; i--) {
      const [from, to, delta] = [earlier[i], earlier[i + 1], deltas[i]];
      if (from === undefined || to === undefined || delta === undefined) continue;
      yield { from: from.position, to: to.position, cells: delta.cells, endsInEdit: to.isEdit };
    }
  }

  private goTo(index: number): void {
    const { store } = this;
    const own = store.since(this.baseMark);
    if (own === null) throw new Error('history.goTo: the journal no longer reaches the last checkpoint');
    store.swap(own, 'back');
    for (; this.base > index; this.base--) store.swap(this.deltaAt(this.base - 1), 'back');
    for (; this.base < index; this.base++) store.swap(this.deltaAt(this.base), 'forward');
    const { execution, recorder } = this.checkpointAt(index);
    this.execution.restore(execution);
    this.recorder.restore(recorder);
    this.rebase();
  }

  /** The past begins here: at the start, and when more has been changed at once than the journal holds. */
  private beginHere(): void {
    this.checkpoints = [this.checkpointHere(false)];
    this.deltas = [];
    this.base = 0;
    this.farthest = this.execution.position;
    this.rebase();
  }

  private rebase(): void {
    this.baseMark = this.store.mark();
    this.baseWork = this.execution.work;
  }

  private checkpointHere(isEdit: boolean): Checkpoint {
    const state = this.execution.snapshot();
    const before = this.checkpoints[this.base]?.execution;
    const vms = state.vms.map((vm, i) => {
      const old = before?.vms[i]?.windows;
      return old !== undefined && isSameWords(old, vm.windows) ? { ...vm, windows: old } : vm;
    });
    return {
      position: this.execution.position,
      execution: { ...state, vms },
      recorder: this.recorder.snapshot(),
      isEdit,
    };
  }

  /** Edits one after the other in one place are one edit. */
  private joinEdits(): void {
    const before = this.checkpoints[this.base - 1];
    if (before?.isEdit === true && before.position === this.execution.position) this.remove(this.base - 1);
  }

  private thin(): void {
    let { bytes } = this;
    if (bytes <= this.budget) return;
    const goal = this.budget * (1 - FREED);
    while (bytes > goal) {
      const index = this.leastMissed();
      if (index < 0) return;
      this.remove(index);
      bytes = this.bytes;
    }
  }

  /** The checkpoint whose loss lengthens a repetition least, compared with how long ago it was; -1 for none. */
  private leastMissed(): number {
    let best = -1;
    let least = Infinity;
    for (let i = 1; i < this.checkpoints.length - 1; i++) {
      const { position: at, isEdit } = this.checkpointAt(i);
      if (isEdit || i === this.base) continue;
      const span = this.checkpointAt(i + 1).position - this.checkpointAt(i - 1).position;
      const weight = span / (this.farthest - at + SPACING);
      if (weight < least) [best, least] = [i, weight];
    }
    return best;
  }

  private remove(index: number): void {
    const direction = index < this.base ? 'back' : 'forward';
    const joined = this.store.joined(this.deltaAt(index - 1), this.deltaAt(index), direction);
    this.deltas.splice(index - 1, 2, joined);
    this.checkpoints.splice(index, 1);
    if (index < this.base) this.base--;
  }

  /** The index of the last checkpoint at or before a place; the first for places before all. */
  private indexOf(place: Position, at: 'at' | 'before'): number {
    const wanted = at === 'at' ? place : position(place - 1);
    let low = 0;
    let high = this.checkpoints.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.checkpointAt(middle).position <= wanted) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private checkpointAt(index: number): Checkpoint {
    const found = this.checkpoints[index];
    if (found === undefined) throw new Error(`history: there is no checkpoint ${index}`);
    return found;
  }

  private deltaAt(index: number): Delta {
    const found = this.deltas[index];
    if (found === undefined) throw new Error(`history: there is no delta ${index}`);
    return found;
  }
}

/** A stretch of time between two places, and the cells that may have changed in it. */
export interface Stretch {
  readonly from: Position;
  readonly to: Position;
  readonly cells: Uint32Array;
  readonly endsInEdit: boolean;
}

function isSameWords(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}
