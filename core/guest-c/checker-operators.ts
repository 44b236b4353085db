/**
 * Operators on values (C11 6.5): operands checked and converted. Operators on objects are in checker-objects.ts.
 */
import type { Checker, Operand } from './checker.ts';
import type { ArithmeticOp, ComparisonOp, Expression, SourceRange } from './tree.ts';
import type { CType, IntegerType, PointerType } from './types.ts';
import { VOID, isScalar, pointerTo, qualified, typeName, unqualified } from './types.ts';
import { commonType, convert, isNullConstant, promote, valueOf } from './checker-conversions.ts';
import { compatibleTargets, errorValue, isError, sameType } from './checker.ts';
import { warnDecided } from './checker-warnings.ts';
import { folded } from './checker-constants.ts';

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '>', '<=', '>=']);
const INTEGER_ONLY: ReadonlySet<string> = new Set(['%', '&', '|', '^', '<<', '>>']);

/** `left op right`, for every operator but `&&`, `||` and `,`. */
export function binary(
  checker: Checker,
  op: string,
  left: Expression,
  right: Expression,
  range: SourceRange,
): Expression {
  if (isError(left.type) || isError(right.type)) return errorValue(range);
  if (COMPARISONS.has(op)) return comparison(checker, op as ComparisonOp, left, right, range);
  if (left.type.kind === 'integer' && right.type.kind === 'integer') {
    return arithmetic(checker, op as ArithmeticOp, left, right, range);
  }
  if (op === '+' && left.type.kind === 'pointer' && right.type.kind === 'integer')
    return pointerAdd(checker, left, right, range);
  if (op === '+' && left.type.kind === 'integer' && right.type.kind === 'pointer')
    return pointerAdd(checker, right, left, range);
  if (op === '-' && left.type.kind === 'pointer' && right.type.kind === 'integer') {
    const index = convert(checker, promote(checker, right), checker.integer('long'));
    return pointerAdd(
      checker,
      left,
      folded(checker, { kind: 'unary', op: '-', operand: index, type: index.type, range }),
      range,
    );
  }
  if (op === '-' && left.type.kind === 'pointer' && right.type.kind === 'pointer') {
    return pointerDifference(checker, left, right, left.type, range);
  }
  return badOperands(checker, op, left, right, range);
}

function badOperands(
  checker: Checker,
  op: string,
  left: Expression,
  right: Expression,
  range: SourceRange,
): Expression {
  const hint = INTEGER_ONLY.has(op) && (left.type.kind === 'pointer' || right.type.kind === 'pointer');
  const advice = hint ? ' Cast the pointer to unsigned long first.' : '';
  const text = `'${op}' cannot be applied to '${typeName(left.type)}' and '${typeName(right.type)}'.${advice}`;
  checker.error('bad-operands', range, text);
  return errorValue(range);
}

function arithmetic(
  checker: Checker,
  op: ArithmeticOp,
  left: Expression,
  right: Expression,
  range: SourceRange,
): Expression {
  const a = promote(checker, left);
  const b = promote(checker, right);
  if (op === '<<' || op === '>>') {
    warnWildShift(checker, a, b);
    return folded(checker, { kind: 'binary', op, left: a, right: b, type: plain(checker, a.type), range });
  }
  if ((op === '/' || op === '%') && b.kind === 'constant' && b.value === 0n) {
    checker.warning('division-by-zero', right.range, `This divides by zero, which raises #DE.`);
  }
  const type = commonType(checker, a.type as IntegerType, b.type as IntegerType);
  return folded(checker, {
    kind: 'binary',
    op,
    left: convert(checker, a, type),
    right: convert(checker, b, type),
    type,
    range,
  });
}

const plain = (checker: Checker, type: CType): CType =>
  type.kind === 'integer' ? checker.integer(type.name) : type;

function warnWildShift(checker: Checker, value: Expression, count: Expression): void {
  const bits = (checker.sizeOf(value.type) ?? 8) * 8;
  if (count.kind !== 'constant' || (count.value >= 0n && count.value < BigInt(bits))) return;
  const text = `A shift by ${count.value} leaves the ${bits} bits of '${typeName(value.type)}'. Cast to a wider type first.`;
  checker.warning('shift-count', count.range, text);
}

/** pointer + index elements. */
export function pointerAdd(
  checker: Checker,
  pointer: Expression,
  index: Expression,
  range: SourceRange,
): Expression {
  const target = (pointer.type as PointerType).to;
  if (isError(target)) return errorValue(range);
  const scale = elementBytes(checker, target);
  if (scale === null) {
    checker.error(
      'incomplete-type',
      range,
      `'${typeName(target)}' is not defined here, so its size is not known.`,
    );
    return errorValue(range);
  }
  const wide = convert(checker, promote(checker, index), checker.integer('long'));
  const type = unqualified(pointer.type);
  if (wide.kind === 'constant' && wide.value === 0n) return { ...pointer, range };
  return folded(checker, { kind: 'pointerAdd', pointer, index: wide, scale, type, range });
}

/** Size for pointer arithmetic: void and functions count as one byte (GNU). */
const elementBytes = (checker: Checker, type: CType): number | null =>
  type.kind === 'void' || type.kind === 'function' ? 1 : checker.sizeOf(type);

function pointerDifference(
  checker: Checker,
  left: Expression,
  right: Expression,
  type: PointerType,
  range: SourceRange,
): Expression {
  const other = (right.type as PointerType).to;
  const scale = elementBytes(checker, type.to);
  if (scale === null || !compatibleTargets(type.to, other))
    return badOperands(checker, '-', left, right, range);
  const long = checker.integer('long');
  return folded(checker, {
    kind: 'pointerDifference',
    left,
    right,
    scale: Math.max(1, scale),
    type: long,
    range,
  });
}

function comparison(
  checker: Checker,
  op: ComparisonOp,
  left: Expression,
  right: Expression,
  range: SourceRange,
): Expression {
  const type = checker.integer('int');
  if (left.type.kind === 'integer' && right.type.kind === 'integer') {
    const common = commonType(
      checker,
      promote(checker, left).type as IntegerType,
      promote(checker, right).type as IntegerType,
    );
    warnDecided(checker, op, left, right, range);
    const a = convert(checker, promote(checker, left), common);
    const b = convert(checker, promote(checker, right), common);
    return folded(checker, { kind: 'binary', op, left: a, right: b, type, range });
  }
  const pointer = left.type.kind === 'pointer' ? left.type : right.type;
  if (pointer.kind !== 'pointer' || !isScalar(left.type) || !isScalar(right.type))
    return badOperands(checker, op, left, right, range);
  warnComparison(checker, left, right, range);
  const a = convert(checker, left, left.type.kind === 'pointer' ? left.type : pointer);
  const b = convert(checker, right, right.type.kind === 'pointer' ? right.type : pointer);
  return folded(checker, { kind: 'binary', op, left: a, right: b, type, range });
}

function warnComparison(checker: Checker, left: Expression, right: Expression, range: SourceRange): void {
  const bothPointers = left.type.kind === 'pointer' && right.type.kind === 'pointer';
  if (bothPointers) {
    const [a, b] = [(left.type as PointerType).to, (right.type as PointerType).to];
    if (a.kind === 'void' || b.kind === 'void' || compatibleTargets(a, b)) return;
    const text = `This compares '${typeName(left.type)}' with '${typeName(right.type)}'. Write a cast if that is meant.`;
    checker.warning('compare-pointers', range, text);
  } else if (!isNullConstant(left) && !isNullConstant(right)) {
    checker.warning(
      'compare-pointer-integer',
      range,
      'This compares a pointer with an integer. Write a cast if that is meant.',
    );
  }
}

/** `left && right` and `left || right`. */
export function logical(
  checker: Checker,
  op: '&&' | '||',
  left: Expression,
  right: Expression,
  range: SourceRange,
): Expression {
  if (isError(left.type) || isError(right.type)) return errorValue(range);
  if (!isScalar(left.type) || !isScalar(right.type)) return badOperands(checker, op, left, right, range);
  return folded(checker, { kind: 'logical', op, left, right, type: checker.integer('int'), range });
}

/** `+ - ~ !` */
export function unary(
  checker: Checker,
  op: '+' | '-' | '~' | '!',
  operand: Expression,
  range: SourceRange,
): Expression {
  if (isError(operand.type)) return errorValue(range);
  if (op === '!' && isScalar(operand.type)) {
    return folded(checker, { kind: 'unary', op, operand, type: checker.integer('int'), range });
  }
  if (operand.type.kind !== 'integer') {
    checker.error('bad-operand', range, `'${op}' cannot be applied to '${typeName(operand.type)}'.`);
    return errorValue(range);
  }
  const value = promote(checker, operand);
  if (op === '+' || op === '!') return { ...value, range };
  return folded(checker, { kind: 'unary', op, operand: value, type: plain(checker, value.type), range });
}

/** `condition ? then : otherwise` */
export function conditional(
  checker: Checker,
  condition: Expression,
  then: Expression,
  otherwise: Expression,
  range: SourceRange,
): Expression {
  if (isError(condition.type) || isError(then.type) || isError(otherwise.type)) return errorValue(range);
  const type = branchType(checker, then, otherwise, range);
  if (type === null) return errorValue(range);
  const a = convert(checker, then, type);
  const b = convert(checker, otherwise, type);
  if (condition.kind === 'constant') return { ...(condition.value !== 0n ? a : b), range };
  return { kind: 'conditional', condition, then: a, otherwise: b, type, range };
}

/** The type of a conditional's branches (6.5.15). */
function branchType(
  checker: Checker,
  then: Expression,
  otherwise: Expression,
  range: SourceRange,
): CType | null {
  const [a, b] = [then.type, otherwise.type];
  if (a.kind === 'integer' && b.kind === 'integer') {
    return commonType(
      checker,
      promote(checker, then).type as IntegerType,
      promote(checker, otherwise).type as IntegerType,
    );
  }
  if (a.kind === 'void' || b.kind === 'void') return VOID;
  if (a.kind === 'pointer' && b.kind === 'pointer') {
    if (isNullConstant(then)) return b;
    if (isNullConstant(otherwise)) return a;
    const add = { const: a.to.const || b.to.const, volatile: a.to.volatile || b.to.volatile };
    if (a.to.kind === 'void' || b.to.kind === 'void') return pointerTo(qualified(VOID, add));
    if (!compatibleTargets(a.to, b.to)) {
      checker.warning(
        'incompatible-pointers',
        range,
        `The branches are '${typeName(a)}' and '${typeName(b)}'.`,
      );
    }
    return pointerTo(qualified(a.to, add));
  }
  if (a.kind === 'pointer' && b.kind === 'integer') return mixedBranches(checker, a, otherwise, range);
  if (a.kind === 'integer' && b.kind === 'pointer') return mixedBranches(checker, b, then, range);
  if (sameType(a, b)) return a;
  checker.error(
    'bad-operands',
    range,
    `The branches are '${typeName(a)}' and '${typeName(b)}', which have no common type.`,
  );
  return null;
}

function mixedBranches(
  checker: Checker,
  pointer: PointerType,
  integer: Expression,
  range: SourceRange,
): CType {
  if (!isNullConstant(integer)) {
    checker.warning(
      'int-conversion',
      range,
      'One branch is a pointer and the other an integer. Write a cast if that is meant.',
    );
  }
  return pointer;
}

/** `(type) value` */
export function cast(checker: Checker, type: CType, operand: Operand, range: SourceRange): Expression {
  const value = valueOf(checker, operand);
  if (isError(value.type) || isError(type)) return errorValue(range);
  const to = unqualified(type);
  if (to.kind === 'void') return { kind: 'convert', operand: value, type: VOID, range };
  if (to.kind === 'record' && sameType(value.type, to)) return value;
  if (!isScalar(to) || !isScalar(value.type)) {
    checker.error('bad-cast', range, `'${typeName(value.type)}' cannot be cast to '${typeName(type)}'.`);
    return errorValue(range);
  }
  const loses = value.type.kind === 'pointer' && to.kind === 'integer' && to.bytes < checker.model.wordBytes;
  if (loses && to.name !== '_Bool' && value.kind !== 'constant') {
    checker.warning(
      'pointer-to-int-cast',
      range,
      `'${typeName(to)}' is too narrow for a pointer. Use unsigned long.`,
    );
  }
  if (to.kind === 'integer' && to.alias !== undefined && value.kind !== 'constant')
    return { kind: 'convert', operand: value, type: to, castTo: to, range };
  const converted = convert(checker, value, to);
  return { ...converted, range };
}
