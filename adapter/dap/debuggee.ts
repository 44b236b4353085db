/**
 * The guest being debugged: the session of the core, run in slices so that the event loop stays free, and what the
 * adapter keeps for it: breakpoints, handles of variables, how much of the console has been shown.
 */

import { SimulatedSource } from '../../core/source/simulated-source.ts';
import type { Session } from '../../core/timeline/session.ts';
import {
  type ExceptionFilters,
  type ExitInfo,
  NO_FILTERS,
  type SourcePlace,
  type Stop,
  type StopTest,
} from '../../core/timeline/types.ts';
import { type DomainId, domainId } from '../../core/units.ts';
import type { RequestArguments } from './arguments.ts';
import { Breakpoints } from './breakpoint-table.ts';
import { DEFAULT_FILTERS } from './exception-filters.ts';
import { FrameTable } from './frame-table.ts';
import { VariableTable } from './variable-table.ts';

/** Statements run before the event loop gets its turn: a few milliseconds. */
const SLICE = 100_000;

/** Why the guest stands still, as the adapter tells it. */
export type Standing =
  | Exclude<Stop, { readonly kind: 'budget' | 'exited' }>
  | { readonly kind: 'entry'; readonly vcpu: number }
  /** Where a seek has led. */
  | { readonly kind: 'goto'; readonly vcpu: number; readonly position: number }
  /** The guest has finished; it can still be gone back. */
  | { readonly kind: 'ending'; readonly vcpu: number; readonly exit: ExitInfo }
  | { readonly kind: 'pause'; readonly vcpu: number };

/** What came of a run. */
export type RunResult =
  | { readonly kind: 'standing'; readonly standing: Standing }
  | { readonly kind: 'exited'; readonly exit: ExitInfo }
  /** The session was given up while the guest ran; nobody waits for an answer. */
  | { readonly kind: 'abandoned' };

/** Whether a guest that has come to its end stands still once more, so that one can go back from there. */
export type StopOnExit = 'never' | 'failure' | 'always';

export interface LaunchOptions {
  readonly stopOnExit: StopOnExit;
  readonly stopOnEntry: boolean;
  readonly noDebug: boolean;
  /** Unchecked launch attributes, for `restart`. */
  readonly attributes: RequestArguments;
  /** The guest scripts and what they include of the user's own. */
  readonly scripts: readonly string[];
}

/** A line that a guest printed, and the user's line that printed it. */
export interface ConsoleLine {
  readonly text: string;
  readonly file: string | null;
  readonly line: number | null;
}

/** What the client wants of a running guest. */
type Wish = 'run' | 'pause' | 'abandon';

export class Debuggee {
  readonly session: Session;
  readonly source: SimulatedSource;
  readonly options: LaunchOptions;
  readonly breakpoints: Breakpoints;
  readonly frames: FrameTable;
  readonly variables: VariableTable;
  filters: ExceptionFilters;
  /** Why it stands now; null before the first stop and while it runs. */
  standing: Standing | null;
  /** Counts stops, so that views can tell a late answer. */
  stops: number;
  /** Places that the client may ask to go to, by their numbers less one. */
  readonly jumpTargets: { readonly place: SourcePlace; readonly way: number }[] = [];
  /** The client's numbers of the breakpoints at which it stands. */
  hitBreakpoints: readonly number[];
  private log: string[];
  private consoleShown: number;
  private wish: Wish;
  /** It stands at its end, and the client knows. */
  private hasToldEnd: boolean;
  /** The end of what was known of the run when it last stood still. */
  private endKnown: number;

  constructor(session: Session, options: LaunchOptions) {
    this.session = session;
    this.source = new SimulatedSource(session.machine, session.xen);
    this.options = options;
    this.breakpoints = new Breakpoints(session);
    this.frames = new FrameTable(session);
    this.variables = new VariableTable();
    this.filters = DEFAULT_FILTERS;
    this.standing = null;
    this.stops = 0;
    this.hitBreakpoints = [];
    this.log = [];
    this.consoleShown = 0;
    this.wish = 'run';
    this.hasToldEnd = false;
    this.endKnown = 0;
    this.setFilters(DEFAULT_FILTERS);
  }

  /** What stops the guest beside breakpoints. Without debugging nothing does. */
  setFilters(filters: ExceptionFilters): void {
    this.filters = filters;
    this.session.setFilters(this.options.noDebug ? NO_FILTERS : filters);
  }

  /** Runs from the start of day to the first statement of the script's entry function. */
  runToEntry(onSlice: () => void): Promise<RunResult> {
    return this.run(
      () => this.session.runToEntry(SLICE),
      onSlice,
      (vcpu) => ({ kind: 'entry', vcpu }),
    );
  }

  /** Goes on until `test`, a breakpoint, a filter, a pause or the end stops it. `onSlice` is called between slices. */
  go(test: StopTest, onSlice: () => void): Promise<RunResult> {
    return this.run(
      () => this.session.run(test, SLICE),
      onSlice,
      (vcpu) => ({ kind: 'step', vcpu }),
    );
  }

  /** Steps until another line is reached, or another activation. */
  goToOtherLine(test: StopTest, onSlice: () => void): Promise<RunResult> {
    const from = this.lineOf(this.focus());
    const slice = (): Stop => {
      const stop = this.session.run(test, SLICE);
      return stop.kind === 'step' && this.lineOf(stop.vcpu) === from ? { kind: 'budget' } : stop;
    };
    return this.run(slice, onSlice, (vcpu) => ({ kind: 'step', vcpu }));
  }

  /** What tells a line of an activation from others. */
  private lineOf(vcpu: number): string {
    const stack = this.session.stack(vcpu);
    const place = stack[0]?.place;
    return `${vcpu} ${stack.length} ${place?.file}:${place?.line}`;
  }

  /** Goes back to the last place where `test`, a breakpoint or a filter would have stopped. */
  goBack(test: StopTest, onSlice: () => void): Promise<RunResult> {
    const judge = (stop: Stop, at: number) =>
      this.options.noDebug ? !isBreakpoint(stop) : this.breakpoints.accepts(stop, at);
    return this.run(
      () => this.session.back(test, SLICE, judge),
      onSlice,
      (vcpu) => ({ kind: 'step', vcpu }),
    );
  }

  /** Goes where a journey of the session's leads: `undefined` from `slice` stands for "not there yet". */
  travel(slice: (budget: number) => boolean, onSlice: () => void): Promise<RunResult> {
    return this.run(
      () => (slice(SLICE) ? { kind: 'step', vcpu: this.session.turn } : { kind: 'budget' }),
      onSlice,
      (vcpu) => ({ kind: 'goto', vcpu, position: this.session.position }),
    );
  }

  /** Goes back to the last time a statement was about to run, on a vCPU that is accepted; stays where there is none. */
  async goBackTo(
    { file, line, column }: SourcePlace,
    way: {
      readonly accepts: (vcpu: number) => boolean;
      readonly onNone: () => void;
      readonly onSlice: () => void;
    },
  ): Promise<RunResult> {
    const { session, breakpoints } = this;
    const from = session.position;
    const mark = breakpoints.add({ target: { kind: 'line', file, line, column } });
    const isThere = (stop: Stop) =>
      stop.kind === 'breakpoint' && stop.ids.includes(mark.id) && way.accepts(stop.vcpu);
    let hasNone = false;
    const slice = (budget: number): boolean => {
      if (hasNone) return session.seek(from, budget).kind === 'arrived';
      const stop = session.back({ kind: 'continue' }, budget, isThere);
      if (stop.kind !== 'start') return stop.kind !== 'budget';
      hasNone = true;
      way.onNone();
      return false;
    };
    try {
      return await this.travel(slice, way.onSlice);
    } finally {
      breakpoints.remove(mark.id);
    }
  }

  /**
   * Goes to where the activation at a depth of a vCPU's stack began: back to the call that made it, and on from there.
   * An activation that nobody called begins where the script does.
   */
  async restart(
    { vcpu, depth, start }: { readonly vcpu: number; readonly depth: number; readonly start: SourcePlace },
    onSlice: () => void,
  ): Promise<RunResult> {
    const { session, breakpoints } = this;
    const { file, line, column } = start;
    const mark = breakpoints.add({ target: { kind: 'line', file, line, column } });
    const depthNow = () => session.stack(vcpu).length;
    let isBefore = false;
    const slice = (budget: number): boolean => {
      if (!isBefore) {
        const stop = session.back({ kind: 'step', vcpu, how: 'out' }, budget, ({ kind }) => kind === 'step');
        isBefore = stop.kind === 'start' || (stop.kind !== 'budget' && depthNow() < depth);
        // The past may end at the script's first statement.
        return stop.kind === 'start' && depthNow() === depth;
      }
      const stop = session.run({ kind: 'continue' }, budget);
      const isThere = stop.kind === 'breakpoint' && stop.ids.includes(mark.id) && depthNow() === depth;
      return isThere || stop.kind === 'exited';
    };
    try {
      return await this.travel(slice, onSlice);
    } finally {
      breakpoints.remove(mark.id);
    }
  }

  /** Tells anew where the guest stands, after the user has put it elsewhere. */
  standHere(): Promise<RunResult> {
    return this.travel(
      () => true,
      () => undefined,
    );
  }

  /** Whether an edit has made what was known of the time to come another future; asked once after each edit. */
  hasLostFuture(): boolean {
    const { end, console: lines } = this.session;
    const isLost = end < this.endKnown;
    this.endKnown = end;
    if (isLost) {
      this.consoleShown = Math.min(this.consoleShown, lines.length);
      this.breakpoints.forgetAfter(this.session.position);
    }
    return isLost;
  }

  /** Asks a running guest to stand still at the end of its slice. */
  pause(): void {
    if (this.wish === 'run') this.wish = 'pause';
  }

  /** Asks a running guest to stop for good; its run then resolves as `abandoned`. */
  abandon(): void {
    this.wish = 'abandon';
  }

  /** Messages of log points since the last call. */
  takeLog(): readonly string[] {
    const lines = this.log;
    this.log = [];
    return lines;
  }

  /** Lines that the guests printed since the last call. */
  takeConsole(): readonly ConsoleLine[] {
    const first = this.consoleShown;
    // After going back the session shows fewer lines than the client has been told.
    const lines = this.session.console.slice(first);
    this.consoleShown += lines.length;
    return lines.map((text, index) => {
      const call = this.session.consoleCall(first + index);
      return { text, file: call?.file ?? null, line: call?.line ?? null };
    });
  }

  /** The vCPU at which the guest stands, or the first. */
  focus(): number {
    return this.standing !== null && 'vcpu' in this.standing ? this.standing.vcpu : 0;
  }

  /** The domain that a vCPU belongs to. */
  domainOf(vcpu: number): DomainId {
    return domainId(this.session.vcpus().find((summary) => summary.vcpu === vcpu)?.domain ?? 0);
  }

  private async run(
    slice: () => Stop,
    onSlice: () => void,
    stepped: (vcpu: number) => Standing,
  ): Promise<RunResult> {
    this.standing = null;
    this.source.remember();
    this.frames.forget();
    this.variables.forget();
    this.jumpTargets.length = 0;
    for (;;) {
      const stop = slice();
      onSlice();
      const wish = this.currentWish();
      if (wish === 'abandon') return { kind: 'abandoned' };
      if (stop.kind === 'exited') return this.ended(stop.exit);
      if (stop.kind === 'budget') {
        if (wish === 'pause') this.session.abandonTravel();
        if (wish === 'pause') return this.stand({ kind: 'pause', vcpu: this.runningVcpu() }, []);
      } else if (!this.options.noDebug || !isBreakpoint(stop)) {
        const verdict = this.breakpoints.judge(stop);
        this.log.push(...verdict.log);
        if (verdict.stop) return this.stand(stop.kind === 'step' ? stepped(stop.vcpu) : stop, verdict.ids);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** At its end the guest stands still once more, when that is wanted and has not been told yet. */
  private ended(exit: ExitInfo): RunResult {
    const { stopOnExit, noDebug } = this.options;
    const isWanted = stopOnExit === 'always' || (stopOnExit === 'failure' && exit.kind !== 'finished');
    if (!isWanted || noDebug || this.hasToldEnd) return { kind: 'exited', exit };
    this.hasToldEnd = true;
    return this.stand({ kind: 'ending', vcpu: this.session.turn, exit }, []);
  }

  /** Between slices the client may have changed its mind. */
  private currentWish(): Wish {
    return this.wish;
  }

  private stand(standing: Standing, ids: readonly number[]): RunResult {
    this.hitBreakpoints = ids;
    this.wish = 'run';
    this.standing = standing;
    this.hasToldEnd = this.session.exit !== null;
    this.endKnown = this.session.end;
    this.stops++;
    return { kind: 'standing', standing };
  }

  private runningVcpu(): number {
    const vcpus = this.session.vcpus();
    return (vcpus.find(({ state }) => state === 'running') ?? vcpus[0])?.vcpu ?? 0;
  }
}

const isBreakpoint = ({ kind }: Stop): boolean =>
  kind === 'breakpoint' || kind === 'hypercall' || kind === 'data';
