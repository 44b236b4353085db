/**
 * What a hypercall goes through, as a row of positions: each is a line of a listing that is about to be carried out, in
 * an activation of one of Xen's functions. Made by a tracer while the hypercall runs.
 */

import type { Facts } from '../hypervisor/refusal.ts';
import { type RuleId, ruleOf } from '../hypervisor/rules.ts';
import type { Tracer } from '../hypervisor/trace.ts';
import type { Mark, Store } from '../state/store.ts';
import { type ListedFunction, type Listings, lineOf } from './listing.ts';

/** One run through a function of Xen's. */
export interface Activation {
  readonly fn: ListedFunction;
  readonly parent: Activation | null;
  readonly depth: number;
  /** Its operands, as it was entered. */
  readonly facts: Facts;
  /** The parent's line that entered it. */
  readonly callLine: number;
}

export interface Position {
  readonly activation: Activation;
  readonly line: number;
  /** The activation comes to no line before it. */
  readonly isFirst: boolean;
  /** What the line does; `null` for lines that are neither. */
  readonly check: { readonly rule: RuleId; readonly outcome: 'met' | 'broken' } | null;
  /** What the line tells of its operands. */
  readonly facts: Facts | null;
  /** At the end of a function: what it returns; undefined elsewhere, null for functions without a result. */
  readonly result: number | null | undefined;
}

/** Positions kept of one hypercall; beyond them only those of the two outermost functions. */
const MAX_POSITIONS = 300_000;
const OUTER_DEPTH = 1;

interface OpenActivation extends Activation {
  /** Where it stands: its last line. */
  at: number;
  /** Whether it has come to a line. */
  hasStood: boolean;
}

export class TraceRecorder implements Tracer {
  readonly positions: Position[] = [];
  /** By position: the journal before its line was carried out; then what follows the last one. */
  readonly marks: Mark[] = [];
  /** What was told and has no line in a listing: a fault of the listings, for their tests. */
  readonly unlisted: string[] = [];
  private readonly listings: Listings;
  private readonly store: Store;
  private open: OpenActivation | null = null;
  /** Depth of functions that are not listed, within the innermost one that is. */
  private unlistedDepth = 0;
  private before: Mark;

  constructor(listings: Listings, store: Store) {
    this.listings = listings;
    this.store = store;
    this.before = store.mark();
  }

  entered(name: string, facts: Facts): void {
    const fn = this.listings.functionOf(name);
    if (fn === undefined) {
      this.unlisted.push(name);
      this.unlistedDepth++;
      return;
    }
    const caller = this.open;
    const line = caller === null ? null : lineOf(caller.fn, `call ${fn.id}`, caller.at);
    if (caller !== null && line !== null) this.stand(caller, line, null, null);
    const activation = this.activationOf(fn, caller, facts);
    this.open = activation;
    if (caller === null) this.stand(activation, fn.head, null, null);
  }

  left(result: number | null): void {
    if (this.unlistedDepth > 0) {
      this.unlistedDepth--;
      return;
    }
    const ending = this.open;
    if (ending === null) return;
    this.stand(ending, ending.fn.end, null, null, result);
    this.open = ending.parent as OpenActivation | null;
  }

  checked(rule: RuleId, outcome: 'met' | 'broken', facts: Facts | null): void {
    const check = { rule, outcome };
    const line = this.open === null ? null : lineOf(this.open.fn, `check ${rule}`, this.open.at);
    if (this.open !== null && line !== null) {
      this.stand(this.open, line, check, facts);
      return;
    }
    // The check of a function that is not told by itself: it stands on top for this check alone.
    const fn = this.listings.functionOf(ruleOf(rule).xenFunction);
    const own = fn === undefined ? null : lineOf(fn, `check ${rule}`, 0);
    if (fn === undefined || own === null) this.unlisted.push(rule);
    else this.stand(this.innerActivation(fn), own, check, facts);
  }

  did(mark: string, facts: Facts | null): void {
    const line = this.open === null ? null : lineOf(this.open.fn, `did ${mark}`, this.open.at);
    if (this.open === null || line === null) this.unlisted.push(`${this.open?.fn.id ?? ''} ${mark}`);
    else this.stand(this.open, line, null, facts);
  }

  private stand(
    activation: OpenActivation,
    line: number,
    check: Position['check'],
    facts: Facts | null,
    result?: number | null,
  ): void {
    const isFirst = !activation.hasStood;
    activation.at = line;
    activation.hasStood = true;
    if (this.positions.length >= MAX_POSITIONS && activation.depth > OUTER_DEPTH) return;
    this.positions.push({ activation, line, isFirst, check, facts, result });
    this.marks.push(this.before);
    this.before = this.store.mark();
  }

  private activationOf(fn: ListedFunction, parent: OpenActivation | null, facts: Facts): OpenActivation {
    const depth = parent === null ? 0 : parent.depth + 1;
    return { fn, parent, depth, facts, callLine: parent?.at ?? 0, at: fn.head, hasStood: false };
  }

  /** The activation of the last check's own function, if it was of the same one. */
  private innerActivation(fn: ListedFunction): OpenActivation {
    const last = this.positions.at(-1)?.activation;
    if (last?.fn === fn && last.parent === this.open) return last as OpenActivation;
    return this.activationOf(fn, this.open, {});
  }
}
