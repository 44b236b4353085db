/**
 * Constants (C11 6.6): arithmetic folded in the operands' type, integer constant expressions, and the values that static
 * objects may start with.
 */
import type { Checker } from './checker.ts';
import type {
  ArithmeticOp,
  ComparisonOp,
  Expression,
  FunctionSymbol,
  Lvalue,
  VariableSymbol,
} from './tree.ts';
import { wrapToType } from './types.ts';

type Fold = (a: bigint, b: bigint) => bigint | null;

const truth = (holds: boolean): bigint => (holds ? 1n : 0n);

/** Operators on values of one type; null when there is no result (a division by zero). Shifts are done apart. */
const FOLDS: { readonly [op in Exclude<ArithmeticOp, '<<' | '>>'> | ComparisonOp]: Fold } = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0n ? null : a / b),
  '%': (a, b) => (b === 0n ? null : a % b),
  '&': (a, b) => a & b,
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '==': (a, b) => truth(a === b),
  '!=': (a, b) => truth(a !== b),
  '<': (a, b) => truth(a < b),
  '>': (a, b) => truth(a > b),
  '<=': (a, b) => truth(a <= b),
  '>=': (a, b) => truth(a >= b),
};

/** The node, or the constant that it gives when its operands are constants. */
export function folded(checker: Checker, node: Expression): Expression {
  const value = foldedValue(node);
  if (value === null) return node;
  return {
    kind: 'constant',
    value: wrapToType(value, node.type, checker.model),
    type: node.type,
    range: node.range,
  };
}

function foldedValue(node: Expression): bigint | null {
  if (node.kind === 'unary') {
    if (node.operand.kind !== 'constant') return null;
    const { value } = node.operand;
    return node.op === '-' ? -value : node.op === '~' ? ~value : truth(value === 0n);
  }
  if (node.kind === 'binary') {
    const { left, right, op } = node;
    if (left.kind !== 'constant' || right.kind !== 'constant') return null;
    if (op === '<<' || op === '>>')
      return foldedShift(node.type.kind === 'integer' ? node.type.bytes : 8, op, left.value, right.value);
    return FOLDS[op](left.value, right.value);
  }
  if (node.kind === 'pointerAdd') {
    const { pointer, index, scale } = node;
    if (pointer.kind !== 'constant' || index.kind !== 'constant') return null;
    return pointer.value + index.value * BigInt(scale);
  }
  if (node.kind === 'pointerDifference') {
    const { left, right, scale } = node;
    if (left.kind !== 'constant' || right.kind !== 'constant') return null;
    return (left.value - right.value) / BigInt(scale);
  }
  if (node.kind === 'logical') return foldedLogical(node.op, node.left, node.right);
  return null;
}

/** The count is taken modulo the width, as x86 does. */
function foldedShift(bytes: number, op: '<<' | '>>', value: bigint, count: bigint): bigint {
  const by = count & (bytes === 8 ? 63n : 31n);
  return op === '<<' ? value << by : value >> by;
}

function foldedLogical(op: '&&' | '||', left: Expression, right: Expression): bigint | null {
  if (left.kind !== 'constant') return null;
  const isTrue = left.value !== 0n;
  if (isTrue === (op === '||')) return truth(isTrue);
  return right.kind === 'constant' ? truth(right.value !== 0n) : null;
}

/** The value of an integer constant expression; null when it is none. */
export function constantValue(expression: Expression): bigint | null {
  return expression.kind === 'constant' && expression.type.kind !== 'error' ? expression.value : null;
}

/** A value known before the start: a number, or the address of a static object or function plus a number. */
export interface StaticValue {
  readonly symbol: VariableSymbol | FunctionSymbol | null;
  readonly addend: bigint;
}

/** What the expression is before the start; null when only running can tell. */
export function staticValue(checker: Checker, expression: Expression): StaticValue | null {
  switch (expression.kind) {
    case 'constant':
      return { symbol: null, addend: expression.value };
    case 'functionAddress':
      return { symbol: expression.symbol, addend: 0n };
    case 'address':
      return staticAddress(checker, expression.of);
    case 'convert': {
      const inner = staticValue(checker, expression.operand);
      if (inner === null || inner.symbol === null) return inner;
      return checker.sizeOf(expression.type) === checker.model.wordBytes ? inner : null;
    }
    case 'pointerAdd': {
      const base = staticValue(checker, expression.pointer);
      const index = constantValue(expression.index);
      if (base === null || index === null) return null;
      return { symbol: base.symbol, addend: base.addend + index * BigInt(expression.scale) };
    }
    case 'binary': {
      if (expression.op !== '+' && expression.op !== '-') return null;
      const left = staticValue(checker, expression.left);
      const right = staticValue(checker, expression.right);
      if (left === null || right === null) return null;
      if (right.symbol === null) {
        return {
          symbol: left.symbol,
          addend: expression.op === '+' ? left.addend + right.addend : left.addend - right.addend,
        };
      }
      return left.symbol === null && expression.op === '+'
        ? { symbol: right.symbol, addend: left.addend + right.addend }
        : null;
    }
    case 'conditional': {
      const condition = staticValue(checker, expression.condition);
      if (condition?.symbol !== null) return null;
      return staticValue(checker, condition.addend !== 0n ? expression.then : expression.otherwise);
    }
    default:
      return null;
  }
}

function staticAddress(checker: Checker, object: Lvalue): StaticValue | null {
  switch (object.kind) {
    case 'variable':
      return object.symbol.storage === 'static' || object.symbol.storage === 'provided'
        ? { symbol: object.symbol, addend: 0n }
        : null;
    case 'deref':
      return staticValue(checker, object.pointer);
    case 'member': {
      const base = staticAddress(checker, object.object);
      return base === null
        ? null
        : { symbol: base.symbol, addend: base.addend + BigInt(object.member.offset) };
    }
    case 'compoundLiteral':
    case 'temporary':
      return null;
  }
}
