/** What a run leaves behind for people: hypercalls, faults and console lines, each with the user's line. */

import { hypercallName } from '../hypervisor/hypercalls.ts';
import { ruleOf } from '../hypervisor/rules.ts';
import type { Refusal } from '../hypervisor/types.ts';
import { type DomainId, joinWords } from '../units.ts';
import type { FaultRecord, HypercallRecord, JsonObject, RefusalRecord, SourcePlace } from './types.ts';

/** Records kept of each kind, so that a long run does not fill the host's memory; refused calls are kept beyond it. */
const MAX_RECORDS = 200_000;

export class Recorder {
  readonly hypercalls: HypercallRecord[] = [];
  readonly faults: FaultRecord[] = [];
  readonly console: string[] = [];
  /** For each line of the console the index in `hypercalls` of the call that wrote its end. */
  readonly consoleCalls: number[] = [];
  private readonly partial = new Map<DomainId, string>();
  private readonly severalDomains: boolean;
  private hypercallsMade = 0;
  private faultsMade = 0;

  constructor(domains: number) {
    this.severalDomains = domains > 1;
  }

  hypercall(made: {
    readonly domain: number;
    readonly vcpu: number;
    readonly nr: number;
    readonly place: SourcePlace | null;
    readonly args: JsonObject;
    /** The result register as words; sign-extended from 32 bits. */
    readonly rcLo: number;
    readonly rcHi: number;
    readonly done: number | null;
    readonly refusal: Refusal | null;
    readonly checks: readonly string[];
  }): HypercallRecord {
    const record: HypercallRecord = {
      seq: ++this.hypercallsMade,
      domain: made.domain,
      vcpu: made.vcpu,
      name: hypercallName(made.nr),
      file: made.place?.file ?? null,
      line: made.place?.line ?? null,
      args: made.args,
      rc: resultOf(made.rcLo, made.rcHi),
      done: made.done,
      refusal: made.refusal === null ? null : refusalRecord(made.refusal),
      checks: made.checks,
    };
    const { length } = this.hypercalls;
    if (length < MAX_RECORDS || (record.refusal !== null && length < 2 * MAX_RECORDS))
      this.hypercalls.push(record);
    return record;
  }

  fault(record: Omit<FaultRecord, 'seq'>): FaultRecord {
    const numbered = { seq: ++this.faultsMade, ...record };
    if (this.faults.length < MAX_RECORDS) this.faults.push(numbered);
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

  /** The hypercall that brings text is recorded when it returns: it is the next one. */
  private print(domain: DomainId, line: string): void {
    this.console.push(this.tagged(domain, line));
    this.consoleCalls.push(this.hypercalls.length);
  }

  private tagged(domain: DomainId, line: string): string {
    const bare = line.replace(/\r$/, '');
    return this.severalDomains ? `(d${domain}) ${bare}` : bare;
  }
}

function resultOf(lo: number, hi: number): number | string {
  if (hi === lo >> 31) return lo;
  const value = BigInt.asIntN(64, joinWords(lo, hi));
  const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
  return isSafe ? Number(value) : `0x${BigInt.asUintN(64, value).toString(16)}`;
}

function refusalRecord(refusal: Refusal): RefusalRecord {
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
