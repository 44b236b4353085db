/**
 * Operators (C11 6.5): operands checked and converted, arrays and `->` lowered to addresses.
 */
import type { Checker, Operand } from './checker.ts';
import type {
  ArithmeticOp,
  ComparisonOp,
  Expression,
  Lvalue,
  OldValueExpression,
  SourceRange,
} from './tree.ts';
import type { CType, IntegerType, Member, PointerType } from './types.ts';
import { VOID, isScalar, pointerTo, qualified, typeName, unqualified } from './types.ts';
import {
  addressOf,
  commonType,
  convert,
  convertAssigned,
  isNullConstant,
  promote,
  valueOf,
} from './checker-conversions.ts';
import {
  compatibleTargets,
  errorOperand,
  errorValue,
  isError,
  operandRange,
  operandType,
  sameType,
  valueOperand,
} from './checker.ts';
import { findMember } from './layout.ts';
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

/** `*pointer` */
export function dereference(checker: Checker, pointer: Expression, range: SourceRange): Operand {
  if (isError(pointer.type)) return errorOperand(range);
  if (pointer.type.kind !== 'pointer') {
    const text = `'*' needs a pointer, but this is '${typeName(pointer.type)}'. Cast it to a pointer type first.`;
    checker.error('not-pointer', range, text);
    return errorOperand(range);
  }
  if (pointer.type.to.kind === 'function') return valueOperand(pointer);
  return { kind: 'object', object: { kind: 'deref', pointer, type: pointer.type.to, range } };
}

/** `&operand` */
export function takeAddress(checker: Checker, operand: Operand, range: SourceRange): Expression {
  if (isError(operandType(operand))) return errorValue(range);
  if (operand.kind === 'function') return { ...valueOf(checker, operand), range };
  if (operand.kind === 'value') {
    if (operand.value.type.kind === 'pointer' && operand.value.type.to.kind === 'function')
      return operand.value;
    checker.error('no-address', range, "'&' needs an object that lies in memory, but this is only a value.");
    return errorValue(range);
  }
  const { object } = operand;
  if (object.kind === 'member' && object.member.bitField !== undefined) {
    checker.error('no-address', range, `'${object.member.name ?? ''}' is a bit-field, which has no address.`);
    return errorValue(range);
  }
  if (!needsMemory(checker, object, range)) return errorValue(range);
  const address = addressOf(checker, object, pointerTo(object.type));
  return { ...address, range };
}

/** Notes that the variable below the object must lie in memory. */
function needsMemory(checker: Checker, object: Lvalue, range: SourceRange): boolean {
  if (object.kind === 'member') return needsMemory(checker, object.object, range);
  if (object.kind !== 'variable' || object.symbol.addressTaken) return true;
  if (checker.frozenStorage) {
    checker.error(
      'in-register',
      range,
      `'${object.symbol.name}' is kept in a register, so it has no address.`,
    );
    return false;
  }
  object.symbol.addressTaken = true;
  return true;
}

/** `object.name`, or `pointer->name` after `dereference`. */
export function memberOf(
  checker: Checker,
  operand: Operand,
  name: string,
  range: SourceRange,
  nameRange: SourceRange,
): Operand {
  const type = operandType(operand);
  if (isError(type)) return errorOperand(range);
  if (type.kind !== 'record') {
    const isPointer = type.kind === 'pointer' && type.to.kind === 'record';
    const advice = isPointer ? " Use '->'." : '';
    checker.error(
      'not-record',
      nameRange,
      `'${typeName(type)}' is no structure and has no member '${name}'.${advice}`,
    );
    return errorOperand(range);
  }
  if (!type.record.complete) {
    checker.error(
      'incomplete-type',
      nameRange,
      `'${typeName(type)}' is not defined here, so its members are not known.`,
    );
    return errorOperand(range);
  }
  const path = findMember(type.record.members, name);
  if (path === null && checker.brokenRecords.has(type.record)) return errorOperand(range);
  if (path === null) {
    const names = type.record.members.flatMap((m) => (m.name === null ? [] : [m.name]));
    const listed = names.length === 0 || names.length > 12 ? '' : ` It has: ${names.join(', ')}.`;
    checker.error('no-member', nameRange, `'${typeName(type)}' has no member '${name}'.${listed}`);
    return errorOperand(range);
  }
  const named = path[path.length - 1];
  if (named !== undefined) checker.refer(nameRange, { kind: 'member', member: named, record: type.record });
  let object = objectOf(checker, operand);
  for (const member of path) object = memberLvalue(object, member, range);
  return { kind: 'object', object };
}

const memberLvalue = (object: Lvalue, member: Member, range: SourceRange): Lvalue => {
  const { const: isConst, volatile } = object.type;
  return {
    kind: 'member',
    object,
    member,
    type: qualified(member.type, { const: isConst, volatile }),
    range,
  };
};

/** The operand as an object; a record value is put into a temporary. */
function objectOf(checker: Checker, operand: Operand): Lvalue {
  if (operand.kind === 'object') return operand.object;
  const value = valueOf(checker, operand);
  const symbol = checker.temporary(value.type, value.range);
  return { kind: 'temporary', symbol, value, type: value.type, range: value.range };
}

/** `left[right]` */
export function index(checker: Checker, left: Operand, right: Operand, range: SourceRange): Operand {
  const a = valueOf(checker, left);
  const b = valueOf(checker, right);
  if (isError(a.type) || isError(b.type)) return errorOperand(range);
  const [pointer, offset] = a.type.kind === 'pointer' ? [a, b] : [b, a];
  if (pointer.type.kind !== 'pointer' || offset.type.kind !== 'integer') {
    checker.error(
      'not-indexable',
      range,
      `'${typeName(a.type)}' cannot be indexed by '${typeName(b.type)}'.`,
    );
    return errorOperand(range);
  }
  warnOutside(checker, left, offset);
  return dereference(checker, pointerAdd(checker, pointer, offset, range), range);
}

function warnOutside(checker: Checker, array: Operand, offset: Expression): void {
  const type = operandType(array);
  if (type.kind !== 'array' || type.length === null || type.length === 0 || offset.kind !== 'constant')
    return;
  if (offset.value >= 0n && offset.value <= BigInt(type.length)) return;
  checker.warning(
    'array-bounds',
    offset.range,
    `The index ${offset.value} is outside the array's ${type.length} elements.`,
  );
}

/** Whether something may be stored there; says why not. */
function checkAssignable(checker: Checker, target: Operand, range: SourceRange): Lvalue | null {
  const type = operandType(target);
  if (isError(type)) return null;
  if (target.kind !== 'object' || type.kind === 'array' || type.kind === 'void' || type.kind === 'function') {
    const what =
      type.kind === 'array' ? 'an array' : target.kind === 'function' ? 'a function' : 'only a value';
    checker.error('not-assignable', range, `This is ${what} and cannot be assigned to.`);
    return null;
  }
  if (target.object.type.const) {
    checker.error('assign-const', range, `This is const and cannot be changed.`);
    return null;
  }
  return target.object;
}

/** `target = value` */
export function assign(checker: Checker, target: Operand, value: Expression, range: SourceRange): Expression {
  const object = checkAssignable(checker, target, operandRange(target));
  if (object === null) return errorValue(range);
  const converted = convertAssigned(checker, value, object.type, 'the assignment');
  if (isError(converted.type)) return converted;
  return { kind: 'assign', target: object, value: converted, type: unqualified(object.type), range };
}

/** `target op= value`, and `++` and `--` with the value 1. */
export function update(
  checker: Checker,
  target: Operand,
  op: string,
  value: Expression,
  result: 'new' | 'old',
  range: SourceRange,
): Expression {
  const object = checkAssignable(checker, target, operandRange(target));
  if (object === null || isError(value.type)) return errorValue(range);
  const type = unqualified(object.type);
  if (!isScalar(type)) {
    checker.error('bad-operand', range, `'${op}' cannot be applied to '${typeName(type)}'.`);
    return errorValue(range);
  }
  const old: OldValueExpression = { kind: 'oldValue', type, range: object.range };
  const isBitField = object.kind === 'member' ? object.member.bitField : undefined;
  const narrow =
    isBitField !== undefined && isBitField.width < 32 && type.kind === 'integer' && type.bytes >= 4;
  const operand = narrow ? convert(checker, old, checker.integer('int')) : old;
  const computed = binary(checker, op, operand, value, range);
  const stored = convertAssigned(checker, computed, type, 'the assignment');
  if (isError(stored.type)) return stored;
  return { kind: 'update', target: object, old, value: stored, result, type, range };
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
  const converted = convert(checker, value, to);
  return { ...converted, range };
}
