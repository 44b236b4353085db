/**
 * Expressions of the debugger's user: compiled by the same compiler onto the program's scratch page, where the guest's
 * processor runs them. The variables of the frame that they look into are registers of another window, below their own.
 */

import { Op, Slot, WORDS_PER_INSTRUCTION } from './bytecode.ts';
import { placeLocal } from './compile.ts';
import { FunctionContext } from './compile-context.ts';
import { Emitter, fillAddress } from './compile-emitter.ts';
import { effectOf, valueInto } from './compile-expressions.ts';
import { addressInto, placeOf } from './compile-places.ts';
import type { ExpressionResult } from './front.ts';
import { type Location, type Program, SCRATCH_INSTRUCTIONS } from './program.ts';
import type { Expression, Scope, VariableSymbol } from './tree.ts';
import type { CType } from './types.ts';

/** An expression ready to run on the scratch page. */
export interface ScratchCode {
  /** Where the result is when it has run: registers of the scratch window with a value or an address, or nothing. */
  readonly result: 'value' | 'address' | 'nothing';
  /** The value's type; an array that the expression names has not become a pointer. */
  readonly type: CType;
  readonly register: number;
  /** String literals: bytes to be stored at offsets from the scratch window's frame pointer before it runs. */
  readonly literals: readonly { readonly offset: number; readonly symbol: VariableSymbol }[];
  readonly frameBytes: number;
  readonly frameAlign: number;
}

/** The result's register: above those that a call's result may be in. */
const RESULT: number = Slot.first;

/**
 * Writes an expression's instructions onto the scratch page. `window` is the window of the frame minus that of the
 * expression. A problem is a text: the expression is too long.
 */
export function compileScratch(
  program: Program,
  parsed: ExpressionResult & { readonly expression: Expression },
  scope: Scope,
  window: number,
): ScratchCode | { readonly problem: string } {
  const emitter = new Emitter();
  const locations = new Map<VariableSymbol, Location>();
  const context = new FunctionContext({
    emitter,
    model: program.model,
    symbol: null,
    index: 0,
    locations,
    beginStatement: () => undefined,
    trapStubs: program.textBase + BigInt(program.trapStubs * 4),
    scope,
  });
  context.outer = { locations: program.locations, window };
  context.take(2);
  for (const local of parsed.locals) placeLocal(context, local);
  const literals = parsed.statics.map((symbol) => {
    const offset = context.takeFrame(context.bytesOf(symbol.type), Math.max(symbol.align, 1));
    locations.set(symbol, { kind: 'frame', offset });
    return { offset, symbol };
  });
  const entry = emitter.emit(Op.enter, 0, 0, 0);
  const type = namedArray(context, parsed.expression) ?? parsed.expression.type;
  const result = emitResult(context, parsed.expression);
  emitter.emit(Op.halt, RESULT);
  if (emitter.count > SCRATCH_INSTRUCTIONS)
    return { problem: 'The expression is too long to be evaluated; split it.' };
  emitter.code[entry * WORDS_PER_INSTRUCTION + 2] = context.frameBytes;
  emitter.code[entry * WORDS_PER_INSTRUCTION + 3] = context.frameAlign;
  relocate(emitter, program);
  const code = emitter.code.subarray(0, emitter.count * WORDS_PER_INSTRUCTION);
  program.code.set(code, program.scratchBase * WORDS_PER_INSTRUCTION);
  return {
    result,
    type,
    register: RESULT,
    literals,
    frameBytes: context.frameBytes,
    frameAlign: context.frameAlign,
  };
}

/** Objects give their address, so that a debugger can open them; what lives in registers, and the rest, a value. */
function emitResult(context: FunctionContext, expression: Expression): ScratchCode['result'] {
  if (expression.type.kind === 'void') {
    effectOf(context, expression);
    return 'nothing';
  }
  if (expression.kind === 'load') {
    const target = placeOf(context, expression.from);
    if (target.place.kind !== 'register' && target.bitField === undefined) {
      addressInto(context, target.place, RESULT);
      return 'address';
    }
  }
  valueInto(context, expression, RESULT);
  const isObject = expression.type.kind === 'record' || namedArray(context, expression) !== null;
  return isObject ? 'address' : 'value';
}

/** The type of an array that stands in the expression as itself: the checker has made it its address. */
function namedArray(context: FunctionContext, expression: Expression): CType | null {
  if (expression.kind !== 'address' || expression.type.kind !== 'pointer') return null;
  const { type } = expression.of;
  const { to } = expression.type;
  if (type.kind !== 'array' || type.length === null) return null;
  const isAddressOfWhole =
    to.kind === 'array' && to.length === type.length && context.bytesOf(to) === context.bytesOf(type);
  return isAddressOfWhole ? null : type;
}

/** Jumps and calls are to instructions of the whole program; fixups name objects and functions of the script. */
function relocate(emitter: Emitter, program: Program): void {
  const { code } = emitter;
  for (let pc = 0; pc < emitter.count; pc++) {
    const operand = JUMP_OPERANDS.get(code[pc * WORDS_PER_INSTRUCTION] as number);
    if (operand === undefined) continue;
    const at = pc * WORDS_PER_INSTRUCTION + operand;
    code[at] = (code[at] as number) + program.scratchBase;
  }
  for (const { word, symbol, addend, what } of emitter.fixups) {
    const pc = symbol.kind === 'function' ? (program.entryOf.get(symbol) ?? program.missing) : 0;
    if (what === 'pc') code[word] = pc;
    else if (symbol.kind === 'function') fillAddress(code, word, program.textBase + BigInt(pc * 4));
    else fillAddress(code, word, staticAddress(program, symbol) + BigInt(addend));
  }
}

/** Which operand of a jump is its target. */
const JUMP_OPERANDS: ReadonlyMap<number, 1 | 2 | 3> = new Map([
  [Op.jmp, 1],
  ...range(Op.jz, Op.qjnz).map((op) => [op, 2] as const),
  ...range(Op.jeq, Op.qjgeui).map((op) => [op, 3] as const),
]);

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function staticAddress(program: Program, symbol: VariableSymbol): bigint {
  const location = program.locations.get(symbol);
  return location?.kind === 'static' ? location.address : 0n;
}
