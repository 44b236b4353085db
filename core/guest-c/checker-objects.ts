/**
 * Operators on objects (C11 6.5.2.1, 6.5.2.3, 6.5.3.2, 6.5.16): indexing, members, addresses, assignments. Arrays and `->` are
 * lowered to addresses.
 */
import type { Checker, Operand } from './checker.ts';
import type { Expression, Lvalue, OldValueExpression, SourceRange } from './tree.ts';
import type { Member } from './types.ts';
import { isScalar, pointerTo, qualified, typeName, unqualified } from './types.ts';
import { addressOf, convert, convertAssigned, valueOf } from './checker-conversions.ts';
import { errorOperand, errorValue, isError, operandRange, operandType, valueOperand } from './checker.ts';
import { findMember } from './layout.ts';
import { binary, pointerAdd } from './checker-operators.ts';

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
  if (target.object.kind === 'variable') checker.assigned.add(target.object.symbol);
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
