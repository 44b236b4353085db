/** What both runs are brought to, so that they can be compared: the model's and real Xen's in the same words. */

import type { JsonObject, JsonValue } from '../../core/timeline/types.ts';

export interface Place {
  readonly file: string;
  readonly line: number;
}

export interface MadeHypercall {
  readonly name: string;
  /** Names of what was asked for within it: a command, or that of each request. */
  readonly operations: readonly string[];
  readonly args: JsonObject;
  /** Null when it never returned. */
  readonly rc: number | string | null;
  /** Requests carried out; null where that was not told. */
  readonly done: number | null;
  /** What the call wrote into the guest's structures: statuses, results, frames, ports. */
  readonly answer: JsonObject;
  readonly place: Place | null;
  /** Of the model alone: why it refuses. */
  readonly refusal?: { readonly rule: string; readonly message: string };
}

export interface DeliveredFault {
  readonly vector: number;
  readonly errorCode: number | null;
  /** Null for traps other than page faults. */
  readonly cr2: string | null;
  readonly handler: string;
  readonly place: Place | null;
}

export interface RunEnd {
  readonly kind: 'finished' | 'failed' | 'crashed' | 'limit';
  /** What the script ended with, where it ended by itself. */
  readonly status: number | null;
  readonly reason: string;
  /** Of a limit: the script waits for an event that does not come, and would for ever. */
  readonly isWaiting?: boolean;
}

export interface GuestRun {
  readonly hypercalls: readonly MadeHypercall[];
  readonly faults: readonly DeliveredFault[];
  readonly console: readonly string[];
  readonly end: RunEnd;
}

/** The operations that the arguments of a call name. */
export function operationsOf(args: JsonObject): readonly string[] {
  const { cmd, req, op } = args;
  if (typeof cmd === 'string' || typeof cmd === 'number') return [String(cmd)];
  const list = Array.isArray(req) ? req : Array.isArray(op) ? op : [];
  return list.map((request: JsonValue) => {
    const command = isObject(request) ? request['cmd'] : null;
    return String(command ?? 'unreadable');
  });
}

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lines of a console's text; the last may lack its end. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
