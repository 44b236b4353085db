/**
 * Expressions to instructions. `valueOf` gives the registers in which a value is, taking new ones only where it must (a
 * variable in a register is where it is); `valueInto` puts it where it is wanted. Records are handled by the address
 * of an object that holds them.
 *
 * What a fault may repeat is one instruction: an address or an operand computed before it stays in its register.
 */

import { Op, Slot } from './bytecode.ts';
import { binaryInto, comparisonInto, jumpWhen, pointerDifferenceInto } from './compile-operators.ts';
import { callInto, recordCall } from './compile-calls.ts';
import { constantInto } from './compile-constants.ts';
import type { FunctionContext, Register } from './compile-context.ts';
import {
  addressInto,
  cutToField,
  loadInto,
  placeOf,
  storeFrom,
  storeValue,
  variablePlace,
  whole,
} from './compile-places.ts';
import { compileBlockBody } from './compile-statements.ts';
import { TRAP_STUB_INSTRUCTIONS } from './compile-stubs.ts';
import type {
  AssignExpression,
  BuiltinExpression,
  ConvertExpression,
  Expression,
  PointerAddExpression,
  UpdateExpression,
} from './tree.ts';

/** Registers that hold the value; they may be a variable's own and must not be written. */
export function valueOf(context: FunctionContext, expression: Expression): Register {
  if (expression.type.kind === 'record') return recordAddress(context, expression);
  const inPlace = registerOf(context, expression);
  if (inPlace !== null) return inPlace;
  const into = context.take(context.wordsOf(expression.type));
  valueInto(context, expression, into);
  return into;
}

/** The registers of a value that is in some already, or null. */
function registerOf(context: FunctionContext, expression: Expression): Register | null {
  switch (expression.kind) {
    case 'load': {
      if (expression.from.kind !== 'variable') return null;
      const place = variablePlace(context, expression.from.symbol);
      return place.kind === 'register' ? place.register : null;
    }
    case 'oldValue':
      return oldValue(context);
    case 'convert':
      return isFree(context, expression) ? registerOf(context, expression.operand) : null;
    default:
      return null;
  }
}

/** Computes the value into registers, which are written only by the last instruction or after all operands are read. */
export function valueInto(context: FunctionContext, expression: Expression, into: Register): void {
  const { top } = context;
  compute(context, expression, into);
  context.top = top;
}

/** Runs an expression whose value nobody wants. */
export function effectOf(context: FunctionContext, expression: Expression): void {
  const { top } = context;
  switch (expression.kind) {
    case 'constant':
    case 'address':
    case 'functionAddress':
    case 'oldValue':
      break;
    case 'convert':
      effectOf(context, expression.operand);
      break;
    case 'assign':
      assign(context, expression, null);
      break;
    case 'update':
      update(context, expression, null);
      break;
    case 'comma':
      effectOf(context, expression.left);
      effectOf(context, expression.right);
      break;
    case 'conditional': {
      branches(context, expression.condition, [
        () => effectOf(context, expression.then),
        () => effectOf(context, expression.otherwise),
      ]);
      break;
    }
    case 'logical': {
      const end = context.emitter.target();
      jumpWhen(context, expression.left, expression.op === '&&' ? 'false' : 'true', end);
      effectOf(context, expression.right);
      context.emitter.place(end);
      break;
    }
    case 'statementExpression':
      compileBlockBody(context, expression.block, () => {
        if (expression.result !== null) effectOf(context, expression.result);
      });
      break;
    case 'let':
      storeValue(
        context,
        whole(variablePlace(context, expression.symbol)),
        expression.symbol.type,
        expression.value,
      );
      effectOf(context, expression.body);
      break;
    default:
      if (expression.type.kind === 'void') compute(context, expression, context.top);
      else valueOf(context, expression);
  }
  context.top = top;
}

/** The address, in registers, of an object that holds a record value (or of a string literal). */
export function recordAddress(context: FunctionContext, expression: Expression): Register {
  const into = context.take(context.pointerWords);
  recordAddressInto(context, expression, into);
  return into;
}

function recordAddressInto(context: FunctionContext, expression: Expression, into: Register): void {
  const { top } = context;
  switch (expression.kind) {
    case 'load':
      addressInto(context, placeOf(context, expression.from).place, into);
      break;
    case 'assign': {
      const target = placeOf(context, expression.target);
      storeValue(context, target, expression.type, expression.value);
      addressInto(context, target.place, into);
      break;
    }
    case 'call':
      recordCall(context, expression, into);
      break;
    case 'conditional':
      branches(context, expression.condition, [
        () => recordAddressInto(context, expression.then, into),
        () => recordAddressInto(context, expression.otherwise, into),
      ]);
      break;
    case 'comma':
      effectOf(context, expression.left);
      recordAddressInto(context, expression.right, into);
      break;
    case 'let':
      storeValue(
        context,
        whole(variablePlace(context, expression.symbol)),
        expression.symbol.type,
        expression.value,
      );
      recordAddressInto(context, expression.body, into);
      break;
    case 'convert':
      recordAddressInto(context, expression.operand, into);
      break;
    case 'statementExpression': {
      const { block, result } = expression;
      if (result === null) throw new Error('compile.recordAddress: a statement expression without a result');
      compileBlockBody(context, block, () => recordAddressInto(context, result, into));
      break;
    }
    default:
      throw new Error(`compile.recordAddress: ${expression.kind} gives no record`);
  }
  context.top = top;
}

function compute(context: FunctionContext, expression: Expression, into: Register): void {
  const { emitter } = context;
  const words = context.wordsOf(expression.type);
  switch (expression.kind) {
    case 'constant':
      return constantInto(context, expression.value, words, into);
    case 'load':
      if (expression.type.kind === 'record') return recordAddressInto(context, expression, into);
      return loadInto(context, placeOf(context, expression.from), expression.type, into);
    case 'address':
      return addressInto(context, placeOf(context, expression.of).place, into);
    case 'functionAddress': {
      const pc = context.is64 ? emitter.emit(Op.qldi, into) : emitter.emit(Op.ldi, into);
      return emitter.fix(pc, 2, expression.symbol, 'address');
    }
    case 'convert':
      return convertInto(context, expression, into);
    case 'unary':
      return unaryInto(context, expression.op, expression.operand, into);
    case 'binary':
      return isComparison(expression.op)
        ? comparisonInto(context, expression, into)
        : binaryInto(context, expression, into);
    case 'pointerAdd':
      return pointerAddInto(context, expression, into);
    case 'pointerDifference':
      return pointerDifferenceInto(context, expression, into);
    case 'logical':
      return truthInto(context, expression, into);
    case 'conditional':
      return branches(context, expression.condition, [
        () => resultInto(context, expression.then, into),
        () => resultInto(context, expression.otherwise, into),
      ]);
    case 'comma':
      effectOf(context, expression.left);
      return resultInto(context, expression.right, into);
    case 'assign':
      return assign(context, expression, into);
    case 'update':
      return update(context, expression, into);
    case 'oldValue':
      return move(context, words, oldValue(context), into);
    case 'call':
      if (expression.type.kind === 'record') return recordCall(context, expression, into);
      return callInto(context, expression, into);
    case 'builtin':
      return builtinInto(context, expression, into);
    case 'let':
      storeValue(
        context,
        whole(variablePlace(context, expression.symbol)),
        expression.symbol.type,
        expression.value,
      );
      return resultInto(context, expression.body, into);
    case 'statementExpression':
      return compileBlockBody(context, expression.block, () => {
        if (expression.result !== null) resultInto(context, expression.result, into);
      });
  }
}

/** A part of an expression that gives its value, or that is only run when it is void. */
function resultInto(context: FunctionContext, expression: Expression, into: Register): void {
  if (expression.type.kind === 'void') effectOf(context, expression);
  else valueInto(context, expression, into);
}

export function move(context: FunctionContext, words: number, from: Register, into: Register): void {
  if (from !== into) context.emitter.emit(words === 2 ? Op.qmov : Op.mov, into, from);
}

/** Runs the first of two parts when the condition holds, else the second. */
function branches(
  context: FunctionContext,
  condition: Expression,
  parts: readonly [then: () => void, otherwise: () => void],
): void {
  const { emitter } = context;
  const otherwise = emitter.target();
  const end = emitter.target();
  const { top } = context;
  jumpWhen(context, condition, 'false', otherwise);
  context.top = top;
  parts[0]();
  emitter.jump(end);
  emitter.place(otherwise);
  parts[1]();
  emitter.place(end);
}

/** 0 or 1 by way of jumps, so that `into` is not written while the operands still need what it held. */
function truthInto(context: FunctionContext, expression: Expression, into: Register): void {
  const { emitter } = context;
  const no = emitter.target();
  const end = emitter.target();
  jumpWhen(context, expression, 'false', no);
  emitter.emit(Op.ldi, into, 1);
  emitter.jump(end);
  emitter.place(no);
  emitter.emit(Op.ldi, into, 0);
  emitter.place(end);
}

function oldValue(context: FunctionContext): Register {
  const register = context.oldValues.at(-1);
  if (register === undefined) throw new Error('compile.oldValue: outside its update');
  return register;
}

// ---- conversions -----------------------------------------------------------------------------------------------------

interface Shape {
  readonly bytes: number;
  readonly signed: boolean;
  readonly isBool: boolean;
}

function shapeOf(context: FunctionContext, expression: Expression): Shape {
  const { type } = expression;
  if (type.kind === 'integer')
    return { bytes: type.bytes, signed: type.signed, isBool: type.name === '_Bool' };
  return { bytes: context.model.wordBytes, signed: false, isBool: false };
}

/** Whether a conversion leaves the low register as it is (and needs no other). */
function isFree(context: FunctionContext, expression: ConvertExpression): boolean {
  if (expression.type.kind === 'void' || expression.operand.type.kind === 'void') return false;
  const to = shapeOf(context, expression);
  const from = shapeOf(context, expression.operand);
  if (to.isBool) return from.isBool;
  if (to.bytes === 8) return from.bytes === 8;
  if (to.bytes === 4) return true;
  return from.bytes === to.bytes
    ? from.signed === to.signed
    : from.bytes < to.bytes && (!from.signed || to.signed);
}

function convertInto(context: FunctionContext, expression: ConvertExpression, into: Register): void {
  const { emitter } = context;
  const { operand } = expression;
  if (expression.type.kind === 'void') return effectOf(context, operand);
  const to = shapeOf(context, expression);
  const from = shapeOf(context, operand);
  if (isFree(context, expression) && from.bytes <= 4) return valueInto(context, operand, into);
  const value = valueOf(context, operand);
  if (isFree(context, expression)) return move(context, context.wordsOf(expression.type), value, into);
  if (to.isBool) emitter.emit(from.bytes === 8 ? Op.qnez : Op.nez, into, value);
  else if (to.bytes === 8) emitter.emit(from.signed ? Op.qsext : Op.qzext, into, value);
  else if (to.signed) emitter.emit(to.bytes === 1 ? Op.sext8 : Op.sext16, into, value);
  else emitter.emit(Op.andi, into, value, to.bytes === 1 ? 0xff : 0xffff);
}

// ---- operators with one operand, pointers ------------------------------------------------------------------------------

function unaryInto(context: FunctionContext, op: '-' | '~' | '!', operand: Expression, into: Register): void {
  const wide = context.wordsOf(operand.type) === 2;
  const row = { '-': [Op.neg, Op.qneg], '~': [Op.not, Op.qnot], '!': [Op.eqz, Op.qeqz] }[op];
  context.emitter.emit(row[wide ? 1 : 0] ?? Op.undefined, into, valueOf(context, operand));
}

function pointerAddInto(context: FunctionContext, expression: PointerAddExpression, into: Register): void {
  const { emitter, is64 } = context;
  const { pointer, index, scale } = expression;
  if (index.kind === 'constant') {
    const bytes = BigInt.asIntN(64, index.value * BigInt(scale));
    const low = Number(BigInt.asIntN(32, bytes));
    if (!is64 || BigInt(low) === bytes) {
      emitter.emit(is64 ? Op.qaddi : Op.addi, into, valueOf(context, pointer), low);
      return;
    }
  }
  const base = valueOf(context, pointer);
  const count = valueOf(context, index);
  const shift = Math.log2(scale);
  if (Number.isInteger(shift) && count < 0x1_0000 && count >= 0) {
    emitter.emit(is64 ? Op.qaddsh : Op.addsh, into, base, count | (shift << 16));
    return;
  }
  const bytes = context.take(context.pointerWords);
  emitter.emit(is64 ? Op.qmuli : Op.muli, bytes, count, scale);
  emitter.emit(is64 ? Op.qadd : Op.add, into, base, bytes);
}

// ---- assignments ---------------------------------------------------------------------------------------------------------

function assign(context: FunctionContext, expression: AssignExpression, into: Register | null): void {
  const { target: lvalue, value, type } = expression;
  if (type.kind === 'record') {
    storeValue(context, placeOf(context, lvalue), type, value);
    return;
  }
  const words = context.wordsOf(type);
  const variable = lvalue.kind === 'variable' ? variablePlace(context, lvalue.symbol) : null;
  if (variable?.kind === 'register') {
    valueInto(context, value, variable.register);
    if (into !== null) move(context, words, variable.register, into);
    return;
  }
  // C leaves open which side comes first; gcc computes the value first, and so scripts do the same on both.
  const register = valueOf(context, value);
  const target = placeOf(context, lvalue);
  storeFrom(context, target, type, register);
  if (into === null) return;
  move(context, words, register, into);
  if (target.bitField !== undefined) cutToField(context, target.bitField, type, into);
}

function update(context: FunctionContext, expression: UpdateExpression, into: Register | null): void {
  const { type, value, result } = expression;
  const target = placeOf(context, expression.target);
  const words = context.wordsOf(type);
  if (target.place.kind === 'register') {
    const { register } = target.place;
    let kept = register;
    if (into !== null && result === 'old') {
      kept = context.take(words);
      move(context, words, register, kept);
    }
    context.oldValues.push(kept);
    valueInto(context, value, register);
    if (into !== null) move(context, words, result === 'old' ? kept : register, into);
  } else {
    const before = context.take(words);
    loadInto(context, target, type, before);
    context.oldValues.push(before);
    const after = valueOf(context, value);
    storeFrom(context, target, type, after);
    if (into !== null) {
      move(context, words, result === 'old' ? before : after, into);
      if (result === 'new' && target.bitField !== undefined) cutToField(context, target.bitField, type, into);
    }
  }
  context.oldValues.pop();
}

// ---- builtins ------------------------------------------------------------------------------------------------------------

function builtinInto(context: FunctionContext, expression: BuiltinExpression, into: Register): void {
  const { emitter } = context;
  const { args } = expression;
  switch (expression.name) {
    case 'hypercall':
      return hypercallInto(context, args, into);
    case 'exit':
      emitter.emit(Op.exit, valueOf(context, argument(args, 0)));
      return;
    case 'trap':
    case 'unreachable':
      emitter.emit(Op.undefined);
      return;
    case 'touch': {
      const address = context.take(2);
      const va = valueOf(context, argument(args, 0));
      emitter.emit(context.is64 ? Op.qmov : Op.qzext, address, va);
      const kind = valueOf(context, argument(args, 1));
      const user = valueOf(context, argument(args, 2));
      emitter.emit(Op.touch, address, kind, user);
      return;
    }
    case 'trapStub':
      return trapStubInto(context, argument(args, 0), into);
    case 'variadicArea':
      return move(context, context.pointerWords, context.variadicArea, into);
    case 'stackArray':
      return stackArrayInto(context, argument(args, 0), argument(args, 1), into);
    case 'barrier':
      return;
  }
}

/** Arrays of variable length begin on multiples of 16, as the stack does at calls. */
const STACK_ALIGNMENT = 16;

function stackArrayInto(
  context: FunctionContext,
  below: Expression,
  bytes: Expression,
  into: Register,
): void {
  const { emitter, is64 } = context;
  const isFirst = below.kind === 'constant' && below.value === 0n;
  const top = isFirst ? Slot.fp : valueOf(context, below);
  const place = context.take(context.pointerWords);
  emitter.emit(is64 ? Op.qsub : Op.sub, place, top, valueOf(context, bytes));
  emitter.emit(is64 ? Op.qandi : Op.andi, place, place, -STACK_ALIGNMENT);
  emitter.emit(Op.stack, place);
  move(context, context.pointerWords, place, into);
}

function argument(args: readonly Expression[], index: number): Expression {
  const found = args[index];
  if (found === undefined) throw new Error(`compile.builtin: argument ${index} is missing`);
  return found;
}

/** Number and arguments in registers one behind the other; the result is fetched by an instruction of its own. */
function hypercallInto(context: FunctionContext, args: readonly Expression[], into: Register): void {
  const { emitter, pointerWords } = context;
  const block = context.take(7 * pointerWords);
  for (let i = 0; i < 7; i++) {
    const arg = args[i];
    if (arg === undefined) constantInto(context, 0n, pointerWords, block + i * pointerWords);
    else valueInto(context, arg, block + i * pointerWords);
  }
  emitter.emit(Op.hypercall, block, 0, pointerWords);
  emitter.emit(context.is64 ? Op.qrax : Op.rax, into);
}

/** The stubs lie at the start of the text, evenly: their addresses are computed. */
function trapStubInto(context: FunctionContext, vector: Expression, into: Register): void {
  const { emitter, is64 } = context;
  const first = context.take(context.pointerWords);
  const offset = context.take(context.pointerWords);
  constantInto(context, context.trapStubs, context.pointerWords, first);
  emitter.emit(is64 ? Op.qzext : Op.mov, offset, valueOf(context, vector));
  emitter.emit(is64 ? Op.qmuli : Op.muli, offset, offset, TRAP_STUB_INSTRUCTIONS * 4);
  emitter.emit(is64 ? Op.qadd : Op.add, into, first, offset);
}

const COMPARISONS = new Set(['==', '!=', '<', '>', '<=', '>=']);
const isComparison = (op: string): boolean => COMPARISONS.has(op);
