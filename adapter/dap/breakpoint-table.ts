/**
 * The breakpoints of a session: those of each file, and those of the function box, where the names of functions and of
 * hypercalls stand side by side. Hit counts and log messages are kept here; places and conditions are the core's.
 */

import type { Session } from '../../core/timeline/session.ts';
import type { BreakpointPlace, BreakpointSpec, ConditionProblem, Stop } from '../../core/timeline/types.ts';
import type { WatchedPlace } from '../../core/timeline/watch-places.ts';
import type { DataAccess } from '../../core/timeline/watches.ts';
import { type LogMessage, formatLog, parseLogMessage } from './log-message.ts';
import { Hits } from './hits.ts';
import { type HitTest, parseHitCondition } from './hit-condition.ts';

/** A breakpoint as the client asks for it. */
export interface WantedBreakpoint {
  readonly target:
    | { readonly kind: 'line'; readonly file: string; readonly line: number; readonly column?: number }
    | { readonly kind: 'name'; readonly name: string }
    | {
        readonly kind: 'data';
        readonly place: WatchedPlace;
        readonly access: DataAccess;
        /** What the user calls it. */
        readonly name?: string;
      }
    /** What was asked for is not to be understood. */
    | { readonly kind: 'refused'; readonly why: string };
  readonly condition?: string | undefined;
  readonly hitCondition?: string | undefined;
  readonly logMessage?: string | undefined;
}

/** What became of it. `id` is the client's. */
export type SetBreakpoint = BreakpointPlace;

interface Entry {
  readonly id: number;
  readonly wanted: WantedBreakpoint;
  readonly hitTest: HitTest | null;
  readonly log: LogMessage | null;
  readonly specs: readonly BreakpointSpec[];
  readonly hits: Hits;
}

/** Whether a stop of the core is one for the user, and what log messages it makes. */
export interface Verdict {
  readonly stop: boolean;
  readonly ids: readonly number[];
  readonly log: readonly string[];
}

/** Groups beside those of the files: the function box, the data breakpoints of the client and of the console. */
const NAMES = Symbol('names');
const DATA = Symbol('data');
const CONSOLE = Symbol('console');
type Group = string | typeof NAMES | typeof DATA | typeof CONSOLE;

export class Breakpoints {
  /** What the user calls the places that dataIds name. */
  readonly dataNames: Map<string, string>;
  private readonly session: Session;
  private readonly groups: Map<Group, Entry[]>;
  private nextId: number;

  constructor(session: Session) {
    this.session = session;
    this.dataNames = new Map();
    this.groups = new Map();
    this.nextId = 1;
  }

  /** Replaces the breakpoints of one file. */
  setInFile(file: string, wanted: readonly WantedBreakpoint[]): SetBreakpoint[] {
    return this.replace(file, wanted);
  }

  /** Replaces the breakpoints on functions and hypercalls. */
  setOnNames(wanted: readonly WantedBreakpoint[]): SetBreakpoint[] {
    return this.replace(NAMES, wanted);
  }

  /** Replaces the data breakpoints that the client keeps. */
  setOnData(wanted: readonly WantedBreakpoint[]): SetBreakpoint[] {
    return this.replace(DATA, wanted);
  }

  /** Adds one that was made in the debug console; it stays until `remove`. */
  add(wanted: WantedBreakpoint): SetBreakpoint {
    const kept = (this.groups.get(CONSOLE) ?? []).map((entry) => entry.id);
    const [added] = this.replace(CONSOLE, [wanted], kept).slice(-1);
    return added ?? { id: 0, verified: false };
  }

  /** Those made in the debug console. */
  ofConsole(): readonly { readonly id: number; readonly wanted: WantedBreakpoint; readonly hits: Hits }[] {
    return this.groups.get(CONSOLE) ?? [];
  }

  /** Removes one that was made in the debug console; false when there is none of that number. */
  remove(id: number): boolean {
    const entries = this.groups.get(CONSOLE) ?? [];
    const left = entries.filter((entry) => entry.id !== id);
    this.groups.set(CONSOLE, left);
    this.session.setBreakpoints(this.entries().flatMap((entry) => entry.specs));
    return left.length < entries.length;
  }

  /** Takes over the breakpoints of the session before a restart, under the same numbers, their hits not counted. */
  adopt(old: Breakpoints): void {
    for (const [group, entries] of old.groups) {
      this.groups.set(
        group,
        entries.map((entry) => ({ ...entry, hits: new Hits() })),
      );
    }
    for (const [id, name] of old.dataNames) this.dataNames.set(id, name);
    this.nextId = old.nextId;
    this.session.setBreakpoints(this.entries().flatMap((entry) => entry.specs));
  }

  /**
   * Says whether a stop of a run forwards is one for the user; a stop of another kind than a breakpoint's always is.
   * `at` is the place in the run.
   */
  judge(stop: Stop, at: number = this.session.position): Verdict {
    const due = this.dueAt(stop, at);
    const stopping = due.filter(({ log }) => log === null);
    const frame = 'vcpu' in stop ? this.session.stack(stop.vcpu)[0] : undefined;
    const messages = due.flatMap(({ log, hits }) =>
      log === null || !hits.isNews(at) ? [] : [formatLog(log, this.session, frame, stop.values)],
    );
    return {
      stop: stopping.length > 0 || !('ids' in stop),
      ids: stopping.map(({ id }) => id),
      log: [...messages, ...(stop.problems ?? []).map(problemText)],
    };
  }

  /** The same for a place that a move backwards has found; nothing is printed there. */
  accepts(stop: Stop, at: number): boolean {
    return !('ids' in stop) || this.dueAt(stop, at).some(({ log }) => log === null);
  }

  /** An edit has made what came after a position another future: hits there have not happened. */
  forgetAfter(position: number): void {
    for (const { hits } of this.entries()) hits.forgetAfter(position);
  }

  /** The breakpoints that a stop has met and whose hit count is the one to stop at. */
  private dueAt(stop: Stop, at: number): Entry[] {
    const own = 'ids' in stop ? stop.ids : [];
    const met = [...own, ...(stop.data ?? []).map(({ id }) => id)];
    const hit = this.entries().filter((entry) => entry.specs.some(({ id }) => met.includes(id)));
    return hit.filter(({ hits, hitTest }) => {
      const rank = hits.rankAt(at);
      return hitTest === null || hitTest(rank);
    });
  }

  /** Replaces a group but for the entries to be kept. */
  private replace(
    group: Group,
    wanted: readonly WantedBreakpoint[],
    kept: readonly number[] = [],
  ): SetBreakpoint[] {
    const entries = wanted.map((breakpoint) => this.makeEntry(breakpoint));
    const sound = entries.filter((entry): entry is Entry => !('problem' in entry));
    const old = (this.groups.get(group) ?? []).filter(({ id }) => kept.includes(id));
    this.groups.set(group, [...old, ...sound]);
    const specs = this.entries().flatMap((entry) => entry.specs);
    const places = new Map(this.session.setBreakpoints(specs).map((place) => [place.id, place]));
    return entries.map((entry) =>
      'problem' in entry ? { id: entry.id, verified: false, message: entry.problem } : placeOf(entry, places),
    );
  }

  private entries(): Entry[] {
    return [...this.groups.values()].flat();
  }

  private makeEntry(wanted: WantedBreakpoint): Entry | { readonly id: number; readonly problem: string } {
    const id = this.nextId++;
    if (wanted.target.kind === 'refused') return { id, problem: wanted.target.why };
    const hitTest = wanted.hitCondition === undefined ? null : parseHitCondition(wanted.hitCondition);
    if (hitTest !== null && typeof hitTest !== 'function') return { id, problem: hitTest.problem };
    const log = wanted.logMessage === undefined ? null : parseLogMessage(wanted.logMessage);
    if (log !== null && 'problem' in log) return { id, problem: log.problem };
    return { id, wanted, hitTest, log, specs: this.specsOf(id, wanted), hits: new Hits() };
  }

  private specsOf(id: number, { target, condition }: WantedBreakpoint): BreakpointSpec[] {
    const when = condition === undefined ? {} : { condition };
    if (target.kind === 'refused') return [];
    if (target.kind !== 'name') return [{ ...target, id, ...when }];
    const hypercall: BreakpointSpec = { kind: 'hypercall', id, pattern: target.name, ...when };
    if (isHypercallOnly(target.name)) return [hypercall];
    return [{ kind: 'function', id: this.nextId++, name: target.name, ...when }, hypercall];
  }
}

/** A condition that cannot be evaluated stops; its author is told why. */
const problemText = ({ condition, message }: ConditionProblem): string =>
  `The breakpoint's condition \`${condition}\` cannot be evaluated: ${message}`;

/** A name that no function of a script can have, or that is the library's name of a hypercall. */
const isHypercallOnly = (name: string): boolean =>
  /[^A-Za-z0-9_]/.test(name) || name.startsWith('HYPERVISOR_');

/** The place of a breakpoint that may stand for a function, a hypercall or both. */
function placeOf(entry: Entry, places: ReadonlyMap<number, BreakpointPlace>): SetBreakpoint {
  const found = entry.specs.flatMap(({ id }) => places.get(id) ?? []);
  const verified = found.find((place) => place.verified) ?? found.at(-1);
  if (verified === undefined)
    return { id: entry.id, verified: false, message: 'The breakpoint was not set.' };
  if (!verified.verified && entry.wanted.target.kind === 'name' && found.length > 1) {
    const message = `No function and no hypercall is called ${entry.wanted.target.name}.`;
    return { id: entry.id, verified: false, message };
  }
  return { ...verified, id: entry.id };
}
