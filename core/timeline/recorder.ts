/**
 * What a run leaves behind for people: hypercalls, faults and console lines, each with the user's line.
 *
 * Records are kept for as long as the run can come to them again. What is seen are those from before the present
 * position; going back hides the later ones, and a repetition shows them again, since it can only be the same.
 */

import { hypercallName } from '../hypervisor/hypercalls.ts';
import { ruleOf } from '../hypervisor/rules.ts';
import type { Refusal } from '../hypervisor/types.ts';
import { type DomainId, joinWords } from '../units.ts';
import type { Position } from './position.ts';
import type { FaultRecord, HypercallRecord, RefusalRecord } from './types.ts';

/** Records kept of each kind, so that a long run does not fill the host's memory; refused calls are kept beyond it. */
const MAX_RECORDS = 200_000;

/** What is told of a call beside its outcome. */
export type CallDescription = Pick<HypercallRecord, 'domain' | 'vcpu' | 'file' | 'line' | 'args'>;

/** How a call ended. */
export interface CallOutcome {
  readonly nr: number;
  /** The result register as words; sign-extended from 32 bits. */
  readonly rcLo: number;
  readonly rcHi: number;
  readonly done: number | null;
  readonly refusal: Refusal | null;
  readonly checks: readonly string[];
}

/** A hypercall and the position just before it. */
export interface KnownCall {
  readonly record: HypercallRecord;
  readonly position: Position;
}

/** How much has been recorded at a position. */
export interface RecorderState {
  readonly callsMade: number;
  readonly callsKept: number;
  readonly faultsMade: number;
  readonly faultsKept: number;
  readonly lines: number;
  /** By domain: the beginning of a line. */
  readonly partial: ReadonlyMap<DomainId, string>;
}

export class Recorder {
  // Everything known; the counts below say how much of it lies before the present position.
  private readonly calls: HypercallRecord[] = [];
  private readonly callPositions: Position[] = [];
  private readonly knownFaults: FaultRecord[] = [];
  private readonly knownLines: string[] = [];
  /** For each line the index in `calls` of the call that wrote its end. */
  private readonly lineCalls: number[] = [];
  private callsMade = 0;
  private callsKept = 0;
  private faultsMade = 0;
  private faultsKept = 0;
  private lines = 0;
  private partial = new Map<DomainId, string>();
  private readonly severalDomains: boolean;

  constructor(domains: number) {
    this.severalDomains = domains > 1;
  }

  get hypercalls(): readonly HypercallRecord[] {
    return upTo(this.calls, this.callsKept);
  }

  get faults(): readonly FaultRecord[] {
    return upTo(this.knownFaults, this.faultsKept);
  }

  /** Complete lines that the guests printed. */
  get console(): readonly string[] {
    return upTo(this.knownLines, this.lines);
  }

  /** The hypercall by which a line of the console was written; undefined for a last line without its end. */
  callOfLine(line: number): HypercallRecord | undefined {
    const call = this.lineCalls[line] ?? -1;
    return call < this.callsKept ? this.calls[call] : undefined;
  }

  /** All hypercalls known, also those ahead of the present position. */
  known(): readonly KnownCall[] {
    return this.calls.map((record, i) => ({ record, position: this.callPositions[i] as Position }));
  }

  /** Whether the next call has been recorded already. */
  get isCallKnown(): boolean {
    return this.nextCall() !== undefined;
  }

  /** Notes a call made at a position; `described` may be null when it is known. */
  hypercall(from: Position, described: CallDescription | null, outcome: CallOutcome): HypercallRecord {
    const known = this.nextCall();
    const record = known ?? recordOf(this.callsMade + 1, described, outcome);
    this.callsMade++;
    if (known === undefined) {
      const isRoom = this.callsKept < MAX_RECORDS;
      if (!isRoom && (record.refusal === null || this.callsKept >= 2 * MAX_RECORDS)) return record;
      this.calls.push(record);
      this.callPositions.push(from);
    }
    this.callsKept++;
    return record;
  }

  fault(record: Omit<FaultRecord, 'seq'>): FaultRecord {
    const numbered = { seq: ++this.faultsMade, ...record };
    if (this.faultsKept === MAX_RECORDS) return numbered;
    if (this.faultsKept === this.knownFaults.length) this.knownFaults.push(numbered);
    this.faultsKept++;
    return numbered;
  }

  /** Text of a domain's console: complete lines are kept, the rest waits for its end. */
  write(domain: DomainId, text: string): void {
    const lines = ((this.partial.get(domain) ?? '') + text).split('\n');
    this.partial.set(domain, lines.pop() ?? '');
    for (const line of lines) this.print(domain, line);
  }

  /** Ends lines that were begun: the run is over. */
  flush(): void {
    for (const [domain, text] of this.partial) {
      if (text !== '') this.print(domain, text);
    }
    this.partial.clear();
  }

  snapshot(): RecorderState {
    const { callsMade, callsKept, faultsMade, faultsKept, lines } = this;
    return { callsMade, callsKept, faultsMade, faultsKept, lines, partial: new Map(this.partial) };
  }

  restore(state: RecorderState): void {
    this.callsMade = state.callsMade;
    this.callsKept = state.callsKept;
    this.faultsMade = state.faultsMade;
    this.faultsKept = state.faultsKept;
    this.lines = state.lines;
    this.partial = new Map(state.partial);
  }

  /** Forgets what was known of the time to come: it will be another. */
  forgetFuture(): void {
    this.calls.length = this.callsKept;
    this.callPositions.length = this.callsKept;
    this.knownFaults.length = this.faultsKept;
    this.knownLines.length = this.lines;
    this.lineCalls.length = this.lines;
  }

  private nextCall(): HypercallRecord | undefined {
    const next = this.calls[this.callsKept];
    return next?.seq === this.callsMade + 1 ? next : undefined;
  }

  /** The hypercall that brings text is recorded when it returns: it is the next one. */
  private print(domain: DomainId, line: string): void {
    if (this.lines === this.knownLines.length) {
      this.knownLines.push(this.tagged(domain, line));
      this.lineCalls.push(this.callsKept);
    }
    this.lines++;
  }

  private tagged(domain: DomainId, line: string): string {
    const bare = line.replace(/\r$/, '');
    return this.severalDomains ? `(d${domain}) ${bare}` : bare;
  }
}

const upTo = <T>(list: readonly T[], length: number): readonly T[] =>
  length === list.length ? list : list.slice(0, length);

function recordOf(seq: number, described: CallDescription | null, outcome: CallOutcome): HypercallRecord {
  if (described === null) throw new Error('recorder.hypercall: a call that is not known has no description');
  return {
    seq,
    domain: described.domain,
    vcpu: described.vcpu,
    name: hypercallName(outcome.nr),
    file: described.file,
    line: described.line,
    args: described.args,
    rc: resultOf(outcome.rcLo, outcome.rcHi),
    done: outcome.done,
    refusal: outcome.refusal === null ? null : refusalRecord(outcome.refusal),
    checks: outcome.checks,
  };
}

function resultOf(lo: number, hi: number): number | string {
  if (hi === lo >> 31) return lo;
  const value = BigInt.asIntN(64, joinWords(lo, hi));
  const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
  return isSafe ? Number(value) : `0x${BigInt.asUintN(64, value).toString(16)}`;
}

export function refusalRecord(refusal: Refusal): RefusalRecord {
  return {
    rule: refusal.rule,
    errno: refusal.errno,
    message: refusal.message,
    xenFunction: ruleOf(refusal.rule).xenFunction,
    xenPrints: refusal.xenPrints ?? '',
    xenPrintsInRelease: refusal.xenPrintsInRelease,
    isPrinted: refusal.isPrinted,
    usualCause: refusal.usualCause,
    remedy: refusal.remedy,
    evidence: refusal.evidence,
  };
}
