/**
 * Telling a tracer what the hypervisor does, so that a hypercall can be stepped through line by line: which function of
 * Xen's begins and ends, which check is made, which other line of its listing has been carried out. Everything is told
 * after it was done. Without a tracer each call costs a comparison.
 *
 * Functions are named as in 4.17 (core/timeline/listing-texts.ts has their lines, and their names in other releases).
 */

import type { Hypervisor } from './hypervisor.ts';
import type { Facts } from './refusal.ts';
import type { RuleId } from './rules.ts';

/** Told of what a hypercall does while it does it. Set `Hypervisor.tracer`. */
export interface Tracer {
  /** A check was made, with all that belongs to it; `facts` are given when it was broken. */
  checked(rule: RuleId, outcome: 'met' | 'broken', facts: Facts | null): void;
  /** A function begins, with its operands. */
  entered(name: string, facts: Facts): void;
  /** The innermost function that began ends; null for one without a result. */
  left(result: number | null): void;
  /** A line that is no check was carried out; `line` is its marker in the listing of the innermost function. */
  did(line: string, facts: Facts | null): void;
}

/** A line was carried out. Checks are told by `met` and `refuse` of refusal.ts. */
export function did(hv: Hypervisor, line: string): void {
  if (hv.tracer !== null) hv.tracer.did(line, null);
}

/** Tells that the function returns, and returns its result. */
export function left(hv: Hypervisor, result: number): number {
  if (hv.tracer !== null) hv.tracer.left(result);
  return result;
}

/** The same for functions without a result. */
export function leftVoid(hv: Hypervisor): void {
  if (hv.tracer !== null) hv.tracer.left(null);
}
