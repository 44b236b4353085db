/** Operators with two operands, comparisons, and jumps on conditions. */

import { Op } from './bytecode.ts';
import { constantInto, fitting, immediate } from './compile-constants.ts';
import type { FunctionContext, Register } from './compile-context.ts';
import type { Target } from './compile-emitter.ts';
import { valueOf } from './compile-expressions.ts';
import type {
  ArithmeticOp,
  BinaryExpression,
  ComparisonOp,
  Expression,
  LogicalExpression,
  PointerDifferenceExpression,
} from './tree.ts';
import type { CType } from './types.ts';

/** Operations of an operator: on words and on pairs; with a constant, where there is one; unsigned where it differs. */
interface ArithmeticRow {
  readonly registers: readonly [word: number, pair: number];
  readonly unsigned?: readonly [word: number, pair: number];
  readonly constant?: readonly [word: number, pair: number];
  readonly unsignedConstant?: readonly [word: number, pair: number];
}

const ARITHMETIC: Readonly<Record<ArithmeticOp, ArithmeticRow>> = {
  '+': { registers: [Op.add, Op.qadd], constant: [Op.addi, Op.qaddi] },
  '-': { registers: [Op.sub, Op.qsub] },
  '*': { registers: [Op.mul, Op.qmul], constant: [Op.muli, Op.qmuli] },
  '/': { registers: [Op.divs, Op.qdivs], unsigned: [Op.divu, Op.qdivu] },
  '%': { registers: [Op.mods, Op.qmods], unsigned: [Op.modu, Op.qmodu] },
  '&': { registers: [Op.and, Op.qand], constant: [Op.andi, Op.qandi] },
  '|': { registers: [Op.or, Op.qor], constant: [Op.ori, Op.qori] },
  '^': { registers: [Op.xor, Op.qxor], constant: [Op.xori, Op.qxori] },
  '<<': { registers: [Op.shl, Op.qshl], constant: [Op.shli, Op.qshli] },
  '>>': {
    registers: [Op.sar, Op.qsar],
    unsigned: [Op.shr, Op.qshr],
    constant: [Op.sari, Op.qsari],
    unsignedConstant: [Op.shri, Op.qshri],
  },
};

export function binaryInto(context: FunctionContext, expression: BinaryExpression, into: Register): void {
  const { emitter } = context;
  const { left, right } = expression;
  const op = expression.op as ArithmeticOp;
  const words = context.wordsOf(left.type);
  const wide = words === 2 ? 1 : 0;
  const unsigned = isUnsigned(left.type);
  const row = ARITHMETIC[op];
  const isShift = op === '<<' || op === '>>';
  const constant = immediate(right, isShift ? 1 : words);
  if (constant !== null) {
    const simpler = withConstant(op, row, constant, unsigned, words);
    if (simpler !== null) {
      emitter.emit(simpler.ops[wide], into, valueOf(context, left), simpler.operand);
      return;
    }
  }
  const ops = unsigned ? (row.unsigned ?? row.registers) : row.registers;
  const x = valueOf(context, left);
  const y = valueOf(context, right);
  emitter.emit(ops[wide], into, x, y);
}

/** The operation with a constant right operand, or null: subtraction adds, unsigned powers of two shift and mask. */
function withConstant(
  op: ArithmeticOp,
  row: ArithmeticRow,
  constant: number,
  unsigned: boolean,
  words: number,
): { readonly ops: readonly [number, number]; readonly operand: number } | null {
  const power = constant > 0 && (constant & (constant - 1)) === 0 ? 31 - Math.clz32(constant) : null;
  if (op === '-') {
    return words === 2 && constant === -0x8000_0000
      ? null
      : { ops: [Op.addi, Op.qaddi], operand: -constant | 0 };
  }
  if (power !== null && op === '*') return { ops: [Op.shli, Op.qshli], operand: power };
  if (power !== null && unsigned && op === '/') return { ops: [Op.shri, Op.qshri], operand: power };
  if (power !== null && unsigned && op === '%') return { ops: [Op.andi, Op.qandi], operand: constant - 1 };
  const ops = unsigned ? (row.unsignedConstant ?? row.constant) : row.constant;
  return ops === undefined ? null : { ops, operand: constant };
}

/** left - right, divided exactly by the size of an element. */
export function pointerDifferenceInto(
  context: FunctionContext,
  expression: PointerDifferenceExpression,
  into: Register,
): void {
  const { emitter, is64 } = context;
  const words = context.pointerWords;
  const difference = context.take(words);
  const x = valueOf(context, expression.left);
  const y = valueOf(context, expression.right);
  emitter.emit(is64 ? Op.qsub : Op.sub, difference, x, y);
  const { scale } = expression;
  if ((scale & (scale - 1)) === 0) {
    emitter.emit(is64 ? Op.qsari : Op.sari, into, difference, Math.log2(scale));
    return;
  }
  const divisor = context.take(words);
  constantInto(context, BigInt(scale), words, divisor);
  emitter.emit(is64 ? Op.qdivs : Op.divs, into, difference, divisor);
}

// ---- comparisons -------------------------------------------------------------------------------------------------------

/** What a comparison comes down to: one of four relations, with the operands swapped or not. */
type Relation = 'eq' | 'ne' | 'lt' | 'le';

const RELATIONS: Readonly<Record<ComparisonOp, { readonly relation: Relation; readonly swapped: boolean }>> =
  {
    '==': { relation: 'eq', swapped: false },
    '!=': { relation: 'ne', swapped: false },
    '<': { relation: 'lt', swapped: false },
    '<=': { relation: 'le', swapped: false },
    '>': { relation: 'lt', swapped: true },
    '>=': { relation: 'le', swapped: true },
  };

const OPPOSITES: Readonly<Record<ComparisonOp, ComparisonOp>> = {
  '==': '!=',
  '!=': '==',
  '<': '>=',
  '>=': '<',
  '>': '<=',
  '<=': '>',
};

/** [signed word, unsigned word, signed pair, unsigned pair] */
type FourOps = readonly [number, number, number, number];

const SET_OPS: Readonly<Record<Relation, FourOps>> = {
  eq: [Op.eq, Op.eq, Op.qeq, Op.qeq],
  ne: [Op.ne, Op.ne, Op.qne, Op.qne],
  lt: [Op.lt, Op.ltu, Op.qlt, Op.qltu],
  le: [Op.le, Op.leu, Op.qle, Op.qleu],
};

const JUMP_OPS: Readonly<Record<Relation, FourOps>> = {
  eq: [Op.jeq, Op.jeq, Op.qjeq, Op.qjeq],
  ne: [Op.jne, Op.jne, Op.qjne, Op.qjne],
  lt: [Op.jlt, Op.jltu, Op.qjlt, Op.qjltu],
  le: [Op.jle, Op.jleu, Op.qjle, Op.qjleu],
};

const EQUAL_CONSTANT: FourOps = [Op.jeqi, Op.jeqi, Op.qjeqi, Op.qjeqi];
const UNEQUAL_CONSTANT: FourOps = [Op.jnei, Op.jnei, Op.qjnei, Op.qjnei];
const LESS_CONSTANT: FourOps = [Op.jlti, Op.jltui, Op.qjlti, Op.qjltui];
const NOT_LESS_CONSTANT: FourOps = [Op.jgei, Op.jgeui, Op.qjgei, Op.qjgeui];

/** Jumps that compare with a constant; `plus` is added to it: x <= 5 is x < 6. */
const CONSTANT_JUMPS: Readonly<Record<ComparisonOp, { readonly ops: FourOps; readonly plus: 0n | 1n }>> = {
  '==': { ops: EQUAL_CONSTANT, plus: 0n },
  '!=': { ops: UNEQUAL_CONSTANT, plus: 0n },
  '<': { ops: LESS_CONSTANT, plus: 0n },
  '<=': { ops: LESS_CONSTANT, plus: 1n },
  '>=': { ops: NOT_LESS_CONSTANT, plus: 0n },
  '>': { ops: NOT_LESS_CONSTANT, plus: 1n },
};

export function comparisonInto(context: FunctionContext, expression: BinaryExpression, into: Register): void {
  const { relation, swapped } = RELATIONS[expression.op as ComparisonOp];
  const x = valueOf(context, expression.left);
  const y = valueOf(context, expression.right);
  const op = SET_OPS[relation][columnOf(context, expression.left.type)];
  context.emitter.emit(op, into, swapped ? y : x, swapped ? x : y);
}

/** Jumps when the condition's truth is as asked, else goes on. */
export function jumpWhen(
  context: FunctionContext,
  condition: Expression,
  truth: 'true' | 'false',
  to: Target,
): void {
  const { emitter, top } = context;
  const bare = withoutConversions(context, condition);
  if (bare.kind === 'constant') {
    if ((bare.value !== 0n) === (truth === 'true')) emitter.jump(to);
  } else if (bare.kind === 'unary' && bare.op === '!') {
    jumpWhen(context, bare.operand, truth === 'true' ? 'false' : 'true', to);
  } else if (bare.kind === 'logical') {
    jumpOnLogical(context, bare, truth, to);
  } else if (bare.kind === 'binary' && bare.op in RELATIONS) {
    jumpOnComparison(context, bare, truth, to);
  } else {
    const register = valueOf(context, bare);
    const wide = context.wordsOf(bare.type) === 2;
    const op = truth === 'true' ? (wide ? Op.qjnz : Op.jnz) : wide ? Op.qjz : Op.jz;
    emitter.jumpOn(op, register, to);
  }
  context.top = top;
}

function jumpOnLogical(
  context: FunctionContext,
  expression: LogicalExpression,
  truth: 'true' | 'false',
  to: Target,
): void {
  // `a && b` is false as soon as a is, `a || b` true as soon as a is: then the first operand jumps directly.
  const decides = expression.op === '&&' ? 'false' : 'true';
  if (truth === decides) {
    jumpWhen(context, expression.left, decides, to);
    jumpWhen(context, expression.right, decides, to);
    return;
  }
  const past = context.emitter.target();
  jumpWhen(context, expression.left, decides, past);
  jumpWhen(context, expression.right, truth, to);
  context.emitter.place(past);
}

function jumpOnComparison(
  context: FunctionContext,
  expression: BinaryExpression,
  truth: 'true' | 'false',
  to: Target,
): void {
  const { emitter } = context;
  const asked = expression.op as ComparisonOp;
  const op = truth === 'true' ? asked : OPPOSITES[asked];
  const { left, right } = expression;
  const words = context.wordsOf(left.type);
  const column = columnOf(context, left.type);
  const row = CONSTANT_JUMPS[op];
  const constant =
    right.kind === 'constant' ? steppedConstant(right.value, row.plus, left.type, words) : null;
  if (constant !== null) {
    emitter.jumpIf(row.ops[column], valueOf(context, left), constant, to);
    return;
  }
  const { relation, swapped } = RELATIONS[op];
  const x = valueOf(context, left);
  const y = valueOf(context, right);
  emitter.jumpIf(JUMP_OPS[relation][column], swapped ? y : x, swapped ? x : y, to);
}

/** The constant plus 0 or 1 as an operand, or null when that leaves the type or the operand. */
function steppedConstant(value: bigint, plus: 0n | 1n, type: CType, words: number): number | null {
  const bits = words * 32;
  const unsigned = isUnsigned(type);
  const from = unsigned ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
  const most = unsigned ? (1n << BigInt(bits)) - 1n : (1n << BigInt(bits - 1)) - 1n;
  return plus === 1n && from === most ? null : fitting(from + plus, words);
}

/** Conversions that keep whether a value is zero: to a type as wide or wider, and to _Bool. */
function withoutConversions(context: FunctionContext, expression: Expression): Expression {
  if (expression.kind !== 'convert' || expression.type.kind === 'void') return expression;
  const to = expression.type;
  const from = expression.operand.type;
  const bytes = (type: CType): number => (type.kind === 'integer' ? type.bytes : context.model.wordBytes);
  const keeps = (to.kind === 'integer' && to.name === '_Bool') || bytes(to) >= bytes(from);
  return keeps ? withoutConversions(context, expression.operand) : expression;
}

const isUnsigned = (type: CType): boolean => !(type.kind === 'integer' && type.signed);

const columnOf = (context: FunctionContext, type: CType): 0 | 1 | 2 | 3 =>
  context.wordsOf(type) === 2 ? (isUnsigned(type) ? 3 : 2) : isUnsigned(type) ? 1 : 0;
