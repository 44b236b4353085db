/** Constants in registers and as operands. */

import { highWord, lowWord } from '../units.ts';
import { Op } from './bytecode.ts';
import type { FunctionContext, Register } from './compile-context.ts';
import type { Expression } from './tree.ts';

export function constantInto(context: FunctionContext, value: bigint, words: number, into: Register): void {
  if (words === 2) context.emitter.emit(Op.qldi, into, lowWord(value), highWord(value));
  else context.emitter.emit(Op.ldi, into, lowWord(value));
}

/**
 * The constant as an operand of an immediate operation on `words` words, or null: for pairs the operand is extended by
 * its sign, so it must fit 32 bits.
 */
export function immediate(expression: Expression, words: number): number | null {
  if (expression.kind !== 'constant') return null;
  return fitting(expression.value, words);
}

export function fitting(value: bigint, words: number): number | null {
  const low = lowWord(value);
  if (words === 1) return low;
  return BigInt.asIntN(64, value) === BigInt(low) ? low : null;
}
