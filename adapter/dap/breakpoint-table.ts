/**
 * The breakpoints of a session: those of each file, and those of the function box, where the names of functions and of
 * hypercalls stand side by side. Hit counts and log messages are kept here; places and conditions are the core's.
 */

import type { Session } from '../../core/timeline/session.ts';
import type { BreakpointPlace, BreakpointSpec, ConditionProblem, Stop } from '../../core/timeline/types.ts';
import { type LogMessage, formatLog, parseLogMessage } from './log-message.ts';
import { type HitTest, parseHitCondition } from './hit-condition.ts';

/** A breakpoint as the client asks for it. */
export interface WantedBreakpoint {
  readonly target:
    | { readonly kind: 'line'; readonly file: string; readonly line: number; readonly column?: number }
    | { readonly kind: 'name'; readonly name: string };
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
  hits: number;
}

/** Whether a stop of the core is one for the user, and what log messages it makes. */
export interface Verdict {
  readonly stop: boolean;
  readonly ids: readonly number[];
  readonly log: readonly string[];
}

/** Group of the function box among the files. */
const NAMES = Symbol('names');

export class Breakpoints {
  private readonly session: Session;
  private readonly groups: Map<string | typeof NAMES, Entry[]>;
  private nextId: number;

  constructor(session: Session) {
    this.session = session;
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

  /** Takes over the breakpoints of the session before a restart, under the same numbers, their hits not counted. */
  adopt(old: Breakpoints): void {
    for (const [group, entries] of old.groups) {
      this.groups.set(
        group,
        entries.map((entry) => ({ ...entry, hits: 0 })),
      );
    }
    this.nextId = old.nextId;
    this.session.setBreakpoints(this.entries().flatMap((entry) => entry.specs));
  }

  /** Counts the hit of a stop and says whether it is one for the user. Stops of other kinds always are. */
  judge(stop: Stop): Verdict {
    if (!('ids' in stop)) return { stop: true, ids: [], log: (stop.problems ?? []).map(problemText) };
    const hit = this.entries().filter((entry) => entry.specs.some(({ id }) => stop.ids.includes(id)));
    for (const entry of hit) entry.hits++;
    const due = hit.filter((entry) => entry.hitTest === null || entry.hitTest(entry.hits));
    const stopping = due.filter(({ log }) => log === null);
    const frame = this.session.stack(stop.vcpu)[0];
    return {
      stop: stopping.length > 0,
      ids: stopping.map(({ id }) => id),
      log: [
        ...due.flatMap(({ log }) => (log === null ? [] : [formatLog(log, this.session, frame)])),
        ...(stop.problems ?? []).map(problemText),
      ],
    };
  }

  private replace(group: string | typeof NAMES, wanted: readonly WantedBreakpoint[]): SetBreakpoint[] {
    const entries = wanted.map((breakpoint) => this.makeEntry(breakpoint));
    const sound = entries.filter((entry): entry is Entry => !('problem' in entry));
    this.groups.set(group, sound);
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
    const hitTest = wanted.hitCondition === undefined ? null : parseHitCondition(wanted.hitCondition);
    if (hitTest !== null && typeof hitTest !== 'function') return { id, problem: hitTest.problem };
    const log = wanted.logMessage === undefined ? null : parseLogMessage(wanted.logMessage);
    if (log !== null && 'problem' in log) return { id, problem: log.problem };
    return { id, wanted, hitTest, log, specs: this.specsOf(id, wanted), hits: 0 };
  }

  private specsOf(id: number, { target, condition }: WantedBreakpoint): BreakpointSpec[] {
    const when = condition === undefined ? {} : { condition };
    if (target.kind === 'line') return [{ ...target, id, ...when }];
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
