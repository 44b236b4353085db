/**
 * Calls. The callee's window begins above the caller's temporaries, so arguments are computed straight into its
 * registers: the address for a returned record, the parameters in order, the address of the variadic arguments. A
 * record argument is copied into the caller's frame and its address passed; so are the variadic arguments.
 */

import { Op, Slot } from './bytecode.ts';
import type { FunctionContext, Register } from './compile-context.ts';
import { move, valueInto, valueOf } from './compile-expressions.ts';
import { type Place, addressInto, storeValue, whole } from './compile-places.ts';
import type { CallExpression, Expression } from './tree.ts';

/** Calls a function that returns a scalar or nothing. */
export function callInto(context: FunctionContext, expression: CallExpression, into: Register): void {
  const block = makeCall(context, expression, null);
  const words = context.wordsOf(expression.type);
  if (words > 0) move(context, words, block + Slot.first, into);
}

/** Calls a function that returns a record; gives the address of the object that receives it. */
export function recordCall(context: FunctionContext, expression: CallExpression, into: Register): void {
  const offset = context.takeFrame(Math.max(context.bytesOf(expression.type), 1), 16);
  const place: Place = { kind: 'memory', base: Slot.fp, offset };
  makeCall(context, expression, place);
  addressInto(context, place, into);
}

function makeCall(context: FunctionContext, expression: CallExpression, result: Place | null): Register {
  const { emitter, pointerWords } = context;
  const { callee, args, signature } = expression;
  const target =
    'kind' in callee && callee.kind === 'function' ? null : valueOf(context, callee as Expression);
  const named = signature.variadic ? args.slice(0, signature.parameters.length) : args;
  const others = signature.variadic ? args.slice(signature.parameters.length) : [];
  const words =
    (result === null ? 0 : pointerWords) +
    named.reduce((sum, arg) => sum + context.wordsOf(arg.type), 0) +
    (signature.variadic ? pointerWords : 0);
  const block = context.take(Slot.first + Math.max(words, 2));
  // The last argument first, as gcc does on x86 (C leaves it open).
  let at = block + Slot.first + words;
  if (signature.variadic) {
    at -= pointerWords;
    addressInto(context, storeVariadic(context, others), at);
  }
  for (const arg of named.toReversed()) {
    at -= context.wordsOf(arg.type);
    if (arg.type.kind === 'record') passRecord(context, arg, at);
    else valueInto(context, arg, at);
  }
  if (result !== null) addressInto(context, result, at - pointerWords);
  if (target === null && 'kind' in callee && callee.kind === 'function') {
    emitter.fix(emitter.emit(Op.call, 0, block), 1, callee, 'pc');
  } else if (target !== null) {
    emitter.emit(Op.callr, target, block);
  }
  return block;
}

/** Copies a record into the caller's frame and passes the copy's address. */
function passRecord(context: FunctionContext, arg: Expression, into: Register): void {
  const { top } = context;
  const offset = context.takeFrame(Math.max(context.bytesOf(arg.type), 1), 16);
  const place: Place = { kind: 'memory', base: Slot.fp, offset };
  storeValue(context, whole(place), arg.type, arg);
  addressInto(context, place, into);
  context.top = top;
}

/** Variadic arguments one behind the other in the caller's frame, each in whole words. */
function storeVariadic(context: FunctionContext, args: readonly Expression[]): Place {
  const { wordBytes } = context.model;
  const sizes = args.map((arg) => Math.ceil(context.bytesOf(arg.type) / wordBytes) * wordBytes);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const area = context.takeFrame(Math.max(total, wordBytes), 16);
  let offset = area + total;
  for (const [i, arg] of [...args.entries()].toReversed()) {
    offset -= sizes[i] ?? 0;
    storeValue(context, whole({ kind: 'memory', base: Slot.fp, offset }), arg.type, arg);
  }
  return { kind: 'memory', base: Slot.fp, offset: area };
}
