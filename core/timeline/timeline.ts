/**
 * The cursor over history. Forwards it lets the run go on. Backwards it repeats the past in windows, each later than the
 * one looked at after it, asks in them what a forward run would have stopped for, and goes to the last such place: so
 * whatever stops a run forwards stops it backwards in the same place.
 *
 * What takes long is done in slices: a journey is begun, and goes on with each call until it has arrived.
 */

import type { Mark, Store } from '../state/store.ts';
import { standsAtCall } from './event-stops.ts';
import type { Execution, ExecutionState, RunEnd, RunTest } from './execution.ts';
import type { History } from './history.ts';
import { type Position, position } from './position.ts';
import type { Stop, StopTest, VcpuNumber } from './types.ts';

/** Statements run before it is looked whether a checkpoint is due. */
const CHUNK = 1 << 16;
/** Moments in the first window that is searched backwards, and in the largest. */
const FIRST_WINDOW = 1 << 10;
const WINDOW_GROWTH = 16;
const LAST_WINDOW = 1 << 22;
/** Parts into which a stretch is divided to find the last change in it. */
const PARTS = 16;

const CONTINUE: RunTest = { kind: 'continue' };

/** Whether a stop that a condition allows is one for the user: what hit counts and log points decide. */
export type StopJudge = (stop: Stop, at: Position) => boolean;

/** Work in slices: yields what a slice took. */
type Journey<T> = Generator<number, T>;

/** What became of a slice of a journey. */
export type Travel<T> = { readonly kind: 'arrived'; readonly result: T } | { readonly kind: 'budget' };

interface Hit {
  readonly stop: Stop;
  readonly at: Position;
  /** It stands in the middle of a statement, to which no position belongs. */
  readonly isAmidst: boolean;
}

export class Timeline {
  private readonly store: Store;
  private readonly execution: Execution;
  private readonly history: History;
  /** Does something with no breakpoint set and nothing watched. */
  private readonly undisturbed: <T>(work: () => T) => T;
  private journey: Journey<unknown> | null = null;
  private from: Position | null = null;
  /** What the edit in progress is known to have changed; null outside of edits. */
  private edits: 'nothing yet' | 'something' | null = null;
  private goal: { readonly from: Position; readonly to: Position } | null = null;

  constructor(store: Store, execution: Execution, history: History, undisturbed: <T>(work: () => T) => T) {
    this.store = store;
    this.execution = execution;
    this.history = history;
    this.undisturbed = undisturbed;
  }

  /** Runs forwards until `test` or something set stops it, for at most `budget` statements and events. */
  run(test: RunTest, budget: number): Stop {
    const { execution, history } = this;
    for (let left = budget; ;) {
      const from = execution.position;
      const chunk = Math.min(left, CHUNK);
      const end = execution.run(test, chunk, history.nextEdit);
      history.hasGoneOn();
      left -= end.kind === 'budget' ? chunk : execution.position - from;
      if (end.kind === 'arrived') history.crossEdit();
      else if (end.kind !== 'budget' || left <= 0) return end;
    }
  }

  /** Runs backwards to the last place before this one where `test` or something set would have stopped. */
  back(test: StopTest, budget: number, judge: StopJudge): Stop {
    const travel = this.travel(() => this.backwards(test, judge), budget);
    return travel.kind === 'arrived' ? travel.result : { kind: 'budget' };
  }

  /** Goes to a position, or to the end of what is known that lies nearest. */
  seek(place: Position, budget: number): Travel<Position> {
    return this.travel(() => this.seeking(place), budget);
  }

  /**
   * Goes to the last moment before this place that changed one of the cells, to just before it; null, with nothing
   * moved, when none has.
   */
  lastChange(cells: ReadonlySet<number>, budget: number): Travel<Position | null> {
    return this.travel(() => this.seekingChange(cells), budget);
  }

  /** Where the journey in progress began; here, when there is none. */
  get origin(): Position {
    return this.from ?? this.execution.position;
  }

  /** How much of the journey in progress lies behind: 0 to 1. */
  get travelled(): number {
    if (this.goal === null) return 1;
    const { from, to } = this.goal;
    return to === from ? 1 : Math.min(Math.max((this.execution.position - from) / (to - from), 0), 1);
  }

  /** Ends the journey in progress where it is. */
  abandon(): void {
    if (this.journey === null) return;
    this.forgetJourney();
    this.execution.settle();
  }

  /**
   * Does what the user wants changed here and now. If it changes anything, what was known of the time to come is
   * forgotten, and the run goes on from here otherwise.
   */
  edit<T>(change: () => T): T {
    const { history, store } = this;
    const mark = store.mark();
    const before = this.execution.snapshot();
    this.edits = 'nothing yet';
    try {
      return change();
    } finally {
      if (this.hasEdited(mark, before)) {
        history.forgetFuture();
        history.take('edit');
      } else {
        // What an expression has left above the stack and in registers is not what the run has known.
        store.undoTo(mark);
        this.execution.restoreWindows(before);
      }
      this.edits = null;
    }
  }

  /** The guest is about to print. In an edit that is a change by itself. */
  printing(): void {
    if (this.edits !== 'nothing yet') return;
    this.edits = 'something';
    this.history.forgetFuture();
  }

  /** A step of a vCPU whose turn it is not: at the end of what is known the turn is given to it. */
  giveTurn(vcpu: VcpuNumber): void {
    const { execution, history } = this;
    if (execution.turns.number === vcpu || !history.isAtEnd) return;
    execution.giveTurn(vcpu);
    history.take('edit');
  }

  private hasEdited(since: Mark, before: ExecutionState): boolean {
    const { store, execution } = this;
    const delta = store.since(since);
    if (delta === null || this.edits === 'something') return true;
    // An expression uses registers and stack, and puts them back.
    const first = new Map<number, number>();
    delta.cells.forEach((cell, i) => first.has(cell) || first.set(cell, delta.words[i] as number));
    for (const [cell, word] of first) if (store.word(cell) !== word) return true;
    return !execution.hasWindowsOf(before);
  }

  private travel<T>(begin: () => Journey<T>, budget: number): Travel<T> {
    this.from ??= this.execution.position;
    this.journey ??= begin();
    const journey = this.journey as Journey<T>;
    for (let spent = 0; spent < budget;) {
      const next = journey.next();
      if (next.done === true) {
        this.forgetJourney();
        return { kind: 'arrived', result: next.value };
      }
      spent += next.value;
    }
    return { kind: 'budget' };
  }

  private forgetJourney(): void {
    this.journey = null;
    this.goal = null;
    this.from = null;
  }

  // ---- going to a place --------------------------------------------------------------------------------------------------

  private *seeking(place: Position): Journey<Position> {
    const { start, end } = this.history;
    const to = position(Math.min(Math.max(Math.trunc(place), start), end));
    yield* this.approach(to);
    yield* this.goTo(to);
    this.execution.settle();
    return to;
  }

  /** On the way to a place far behind a checkpoint takes one near it, for the steps back that follow. */
  private *approach(place: Position): Journey<void> {
    const { history, execution } = this;
    const near = position(place - FIRST_WINDOW);
    const isFar = near - history.checkpointBefore(place, 'at') > WINDOW_GROWTH * FIRST_WINDOW;
    if (!isFar || (history.leadsTo(place) && execution.position > near)) return;
    yield* this.goTo(near);
    history.take();
  }

  /** Goes to a known position. */
  private *goTo(place: Position): Journey<void> {
    const { execution, history } = this;
    if (!history.leadsTo(place)) history.goBefore(place);
    this.goal = { from: execution.position, to: place };
    while (execution.position < place) {
      const from = execution.position;
      const end = this.repeat(place);
      yield Math.max(execution.position - from, 1);
      if (end.kind !== 'budget' && end.kind !== 'arrived') return;
    }
    this.repeat(place);
  }

  /** Repeats known history as far as a limit, at most a chunk of it. */
  private repeat(limit: Position): RunEnd {
    const { execution } = this;
    return this.undisturbed(() => {
      execution.silent = true;
      try {
        return execution.run(CONTINUE, CHUNK, limit);
      } finally {
        execution.silent = false;
      }
    });
  }

  // ---- going back --------------------------------------------------------------------------------------------------------

  private *backwards(test: StopTest, judge: StopJudge): Journey<Stop> {
    const { execution, history } = this;
    const from = execution.position;
    const armed: RunTest = test.kind === 'step' ? execution.backwardStep(test) : test;
    let to = from;
    for (let size = FIRST_WINDOW; to > history.start; size = Math.min(size * WINDOW_GROWTH, LAST_WINDOW)) {
      const start = this.windowStart(to, size);
      yield* this.goTo(start);
      if (history.checkpointBefore(start, 'at') !== start) history.take();
      const hit = yield* this.lastHit(armed, to, (stop, at) => at < from && judge(stop, at));
      if (hit !== null) {
        yield* this.land(hit, armed);
        return hit.stop;
      }
      to = start;
    }
    yield* this.goTo(this.beginning(from));
    execution.settle();
    return { kind: 'start', vcpu: execution.turns.number };
  }

  /** A checkpoint that lies not too far back, or as far back as a window reaches. */
  private windowStart(to: Position, size: number): Position {
    const checkpoint = this.history.checkpointBefore(to);
    return to - checkpoint <= size ? checkpoint : position(to - size);
  }

  /** Where the past ends for the user: at the first statement of the script, unless that is where one comes from. */
  private beginning(from: Position): Position {
    const { start } = this.history;
    const entry = this.execution.entered;
    return entry !== null && entry < from && entry > start ? entry : start;
  }

  /** The last stop from here to a place. */
  private *lastHit(armed: RunTest, to: Position, accepts: StopJudge): Journey<Hit | null> {
    const { execution, history } = this;
    let last: Hit | null = null;
    for (;;) {
      const from = execution.position;
      const limit = position(Math.min(to, history.nextEdit));
      const end = execution.run(armed, CHUNK, limit);
      const at = execution.position;
      yield Math.max(at - from, 1);
      if (end.kind === 'budget') continue;
      if (end.kind === 'arrived') {
        if (limit === to) return last;
        history.crossEdit();
      } else if (isStanding(end)) {
        const isAmidst = end.kind === 'stale' && !execution.isResting;
        if (accepts(end, at)) last = { stop: end, at, isAmidst };
      } else return last;
    }
  }

  private *land({ stop, at, isAmidst }: Hit, armed: RunTest): Journey<void> {
    const { execution } = this;
    yield* this.goTo(isAmidst ? position(at - 1) : at);
    for (let end: RunEnd | null = null; isAmidst && end?.kind !== stop.kind;)
      end = execution.run(armed, CHUNK, position(at + 1));
    if (!isAmidst) execution.settle();
    execution.standsAtHypercall = standsAtCall(stop);
  }

  // ---- what changed last -------------------------------------------------------------------------------------------------

  private *seekingChange(cells: ReadonlySet<number>): Journey<Position | null> {
    const { execution, history } = this;
    const origin = execution.position;
    for (const stretch of history.stretches()) {
      if (!touches(stretch.cells, cells)) continue;
      const found = stretch.endsInEdit && (yield* this.isEditOf(cells, stretch.to));
      const at = found ? stretch.to : yield* this.changeBetween(cells, stretch.from, stretch.to);
      if (at === null) continue;
      yield* this.goTo(at);
      execution.settle();
      return at;
    }
    yield* this.goTo(origin);
    execution.settle();
    return null;
  }

  /** Whether the edit at a place has changed one of the cells. */
  private *isEditOf(cells: ReadonlySet<number>, place: Position): Journey<boolean> {
    const { history, execution } = this;
    yield* this.goTo(position(place - 1));
    while (execution.position < place) yield* this.repeated(place);
    const before = this.wordsOf(cells);
    history.crossEdit();
    return this.wordsOf(cells).some((word, i) => word !== before[i]);
  }

  private wordsOf(cells: ReadonlySet<number>): readonly number[] {
    return [...cells].map((cell) => this.store.word(cell));
  }

  private hasChanged(since: Mark, cells: ReadonlySet<number>): boolean {
    const delta = this.store.since(since);
    return delta === null || touches(delta.cells, cells);
  }

  private *repeated(place: Position): Journey<void> {
    const from = this.execution.position;
    this.repeat(place);
    yield Math.max(this.execution.position - from, 1);
  }

  /** The position just before the last change of a cell in a stretch without edits; null when there is none. */
  private *changeBetween(cells: ReadonlySet<number>, from: Position, to: Position): Journey<Position | null> {
    const { execution } = this;
    let [first, end] = [from, to];
    for (;;) {
      yield* this.goTo(first);
      const part = Math.max(Math.ceil((end - first) / PARTS), 1);
      let last: readonly [Position, Position] | null = null;
      for (let at = first; at < end;) {
        const next = position(Math.min(at + part, end));
        const mark = this.store.mark();
        while (execution.position < next) yield* this.repeated(next);
        if (this.hasChanged(mark, cells)) last = [at, next];
        at = next;
      }
      if (last === null) return null;
      if (part === 1) return last[0];
      [first, end] = last;
    }
  }
}

/** Stops at which the run stands still and could go on. */
const isStanding = (end: Stop): boolean =>
  end.kind !== 'exited' && end.kind !== 'limit' && end.kind !== 'internal' && end.kind !== 'budget';

function touches(changed: Uint32Array, cells: ReadonlySet<number>): boolean {
  for (const cell of changed) if (cells.has(cell)) return true;
  return false;
}
