/** What a console command is: a row with its name, how it is written, what it does. */

import type { JsonObject, JsonValue } from '../../../core/timeline/types.ts';
import type { Frame } from '../../../core/timeline/types.ts';
import { parseNumeral, RequestError } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Debuggee } from '../debuggee.ts';
import { parseMemoryReference } from '../memory-reference.ts';

/** Where a command is given. */
export interface CommandSite {
  readonly context: Context;
  readonly debuggee: Debuggee;
  /** The frame in which C expressions are read; absent when the guest stands in none. */
  readonly frame: Frame | undefined;
}

/** What a command says: lines to read, then one line that opens to the same as data. */
export interface CommandAnswer {
  readonly summary: string;
  readonly lines?: readonly string[];
  readonly detail?: JsonObject | readonly JsonValue[];
}

export interface CommandRow {
  readonly name: string;
  /** How it is written: `walk VA`. */
  readonly usage: string;
  readonly help: string;
  readonly run: (site: CommandSite, rest: string) => CommandAnswer | Promise<CommandAnswer>;
}

/** An address or number: a numeral, `va:`, `mfn:` or `pfn:` with one, or a C expression. */
export function numberIn({ debuggee, frame }: CommandSite, text: string, what: string): bigint {
  const bare = text.trim().replace(/^(va|mfn|pfn):/, '');
  if (bare === '') throw new RequestError(`Say which ${what}: a number or a C expression.`);
  const numeral = parseNumeral(bare);
  if (numeral !== null) return numeral;
  if (frame === undefined)
    throw new RequestError(`${text.trim()} is no number, and there is no frame to evaluate it in.`);
  const result = debuggee.session.evaluate(`(unsigned long long)(${bare}\n)`, frame, { sideEffects: 'none' });
  if (result.kind === 'problem') throw new RequestError(result.message);
  const value = parseNumeral(result.value.text.split(' ')[0] ?? '');
  if (value === null) throw new RequestError(`${text.trim()} is ${result.value.text}, which is no number.`);
  return value;
}

/** A frame number that fits the model: `0x1a3`, `mfn:0x1a3`, `virt_to_mfn(p)`. */
export function frameNumberIn(site: CommandSite, text: string, what: 'mfn' | 'pfn'): number {
  const reference = parseMemoryReference(text);
  const isOther = reference !== null && reference.space !== what && reference.space !== 'va';
  if (isOther) throw new RequestError(`${text.trim()} is no ${what}.`);
  const number = numberIn(site, text, what);
  if (number >= 1n << 40n) throw new RequestError(`There is no ${what} 0x${number.toString(16)}.`);
  return Number(number);
}
