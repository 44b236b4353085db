/**
 * Conversions (C11 6.3): lvalues to values, promotion, the usual arithmetic conversions, and what may be assigned to what.
 * Every conversion that changes a type becomes a node; constants are folded on the way.
 */
import type { Checker, Operand } from './checker.ts';
import type { Expression, Lvalue, SourceRange } from './tree.ts';
import type { CType, IntegerType } from './types.ts';
import { compatibleTargets, errorValue, sameType } from './checker.ts';
import { warnLostBits } from './checker-warnings.ts';
import { VOID, integerRank, isScalar, pointerTo, typeName, unqualified, wrapToType } from './types.ts';

/** The operand's value (6.3.2.1): objects are read, arrays and functions become pointers. */
export function valueOf(checker: Checker, operand: Operand): Expression {
  switch (operand.kind) {
    case 'value':
      return operand.value;
    case 'function': {
      const type = pointerTo(operand.symbol.type);
      return { kind: 'functionAddress', symbol: operand.symbol, type, range: operand.range };
    }
    case 'object': {
      const { object } = operand;
      const { type, range } = object;
      if (type.kind === 'error') return errorValue(range);
      if (type.kind === 'array') return addressOf(checker, object, pointerTo(type.of));
      if (type.kind === 'void') return { kind: 'convert', operand: derefPointer(object), type: VOID, range };
      if (type.kind === 'record' && !type.record.complete) {
        checker.error(
          'incomplete-type',
          range,
          `'${typeName(type)}' is not defined here, so its value cannot be used.`,
        );
        return errorValue(range);
      }
      return { kind: 'load', from: object, type: unqualified(type), range };
    }
  }
}

const derefPointer = (object: Lvalue): Expression =>
  object.kind === 'deref' ? object.pointer : errorValue(object.range);

/**
 * The object's address as a pointer of that type. `&*p` is p; members of an object at a constant address have constant
 * addresses (the classic offsetof).
 */
export function addressOf(checker: Checker, object: Lvalue, type: CType): Expression {
  const { range } = object;
  if (object.kind === 'deref') return convert(checker, { ...object.pointer, range }, type);
  const fixed = constantAddress(object);
  if (fixed !== null) return { kind: 'constant', value: wrapToType(fixed, type, checker.model), type, range };
  return { kind: 'address', of: object, type, range };
}

function constantAddress(object: Lvalue): bigint | null {
  if (object.kind === 'deref') return object.pointer.kind === 'constant' ? object.pointer.value : null;
  if (object.kind !== 'member' || object.member.bitField !== undefined) return null;
  const base = constantAddress(object.object);
  return base === null ? null : base + BigInt(object.member.offset);
}

/** The value as that type; no node when it already is. Any scalar to any scalar, anything to void. */
export function convert(checker: Checker, value: Expression, type: CType): Expression {
  const to = unqualified(type);
  if (value.type.kind === 'error' || to.kind === 'error')
    return value.type.kind === 'error' ? value : errorValue(value.range);
  if (value.kind === 'constant' && isScalar(to)) {
    return {
      kind: 'constant',
      value: wrapToType(value.value, to, checker.model),
      type: to,
      range: value.range,
    };
  }
  if (sameType(value.type, to)) return value.type.alias === to.alias ? value : { ...value, type: to };
  if (value.kind === 'convert' && value.type.kind === 'pointer' && to.kind === 'pointer')
    return { ...value, type: to };
  return { kind: 'convert', operand: value, type: to, range: value.range };
}

/** Integer promotion (6.3.1.1), also of bit-fields. */
export function promote(checker: Checker, value: Expression): Expression {
  if (value.type.kind !== 'integer') return value;
  const int = checker.integer('int');
  if (value.type.bytes < 4) return convert(checker, value, int);
  const bits = bitFieldWidth(value);
  if (bits !== null && value.type.bytes >= 4 && bits < (value.type.signed ? 33 : 32))
    return convert(checker, value, int);
  return value;
}

function bitFieldWidth(value: Expression): number | null {
  if (value.kind === 'load' && value.from.kind === 'member') return value.from.member.bitField?.width ?? null;
  if (value.kind === 'assign' && value.target.kind === 'member')
    return value.target.member.bitField?.width ?? null;
  return null;
}

/** The common type of two arithmetic operands (6.3.1.8), both promoted already. */
export function commonType(checker: Checker, a: IntegerType, b: IntegerType): IntegerType {
  if (a.name === b.name) return integerOf(checker, a);
  const [high, low] = integerRank(a) >= integerRank(b) ? [a, b] : [b, a];
  if (high.signed === low.signed || !high.signed) return integerOf(checker, high);
  if (high.bytes > low.bytes) return integerOf(checker, high);
  if (integerRank(high) === integerRank(low)) return integerOf(checker, low);
  return checker.integer(
    high.name === 'long' ? 'unsigned long' : high.name === 'int' ? 'unsigned int' : 'unsigned long long',
  );
}

/** Without enumeration and alias: the type that arithmetic gives. */
const integerOf = (checker: Checker, type: IntegerType): IntegerType => checker.integer(type.name);

/** Whether it is a null pointer constant: 0 or (void *)0 (6.3.2.3). */
export function isNullConstant(value: Expression): boolean {
  if (value.kind !== 'constant' || value.value !== 0n) return false;
  return value.type.kind === 'integer' || (value.type.kind === 'pointer' && value.type.to.kind === 'void');
}

/** What is assigned, for messages: "passing argument 2 of 'f'", "the initialiser". */
export type AssignmentPlace = string;

/**
 * The value converted as by assignment (6.5.16.1). A mismatch that gcc only warns about is a warning here; what cannot be
 * converted is an error.
 */
export function convertAssigned(
  checker: Checker,
  value: Expression,
  target: CType,
  place: AssignmentPlace,
): Expression {
  const from = value.type;
  const to = unqualified(target);
  if (from.kind === 'error' || to.kind === 'error') return errorValue(value.range);
  if (to.kind === 'integer' && from.kind === 'integer') {
    warnLostBits(checker, value, to);
    return convert(checker, value, to);
  }
  if (to.kind === 'integer' && from.kind === 'pointer') {
    if (to.name !== '_Bool') warnPointerToInteger(checker, value, to, place);
    return convert(checker, value, to);
  }
  if (to.kind === 'pointer' && from.kind === 'pointer') {
    checkPointers(checker, value, from.to, to, place);
    return convert(checker, value, to);
  }
  if (to.kind === 'pointer' && from.kind === 'integer') {
    if (!isNullConstant(value)) warnIntegerToPointer(checker, value, to, place);
    return convert(checker, value, to);
  }
  if (to.kind === 'record' && sameType(from, to)) return value;
  const text = `${place} needs '${typeName(target)}', but this is '${typeName(from)}'.`;
  checker.error('incompatible-types', value.range, sentence(text));
  return errorValue(value.range);
}

function warnPointerToInteger(checker: Checker, value: Expression, to: CType, place: string): void {
  const text = `${place} makes an integer ('${typeName(to)}') of the pointer '${typeName(value.type)}'. Write a cast if that is meant.`;
  checker.warning('int-conversion', value.range, sentence(text));
}

function warnIntegerToPointer(checker: Checker, value: Expression, to: CType, place: string): void {
  const text = `${place} makes a pointer ('${typeName(to)}') of the integer '${typeName(value.type)}'. Write a cast if that is meant.`;
  checker.warning('int-conversion', value.range, sentence(text));
}

function checkPointers(
  checker: Checker,
  value: Expression,
  from: CType,
  to: CType & { kind: 'pointer' },
  place: string,
): void {
  const target = to.to;
  const isVoid = from.kind === 'void' || target.kind === 'void';
  if (
    !isVoid &&
    !compatibleTargets(from, target) &&
    !isNullConstant(value) &&
    !onlySignDiffers(from, target)
  ) {
    const text = `${place} needs '${typeName(to)}', but this is '${typeName(value.type)}'.`;
    checker.warning('incompatible-pointers', value.range, sentence(text));
  } else if ((from.const && !target.const) || (from.volatile && !target.volatile)) {
    const lost = from.const && !target.const ? 'const' : 'volatile';
    checker.warning(
      'discarded-qualifiers',
      value.range,
      sentence(`${place} drops '${lost}' from what is pointed to.`),
    );
  }
}

/** `char *` and `unsigned char *`: gcc says nothing about them without -Wpointer-sign in kernels. */
const onlySignDiffers = (a: CType, b: CType): boolean =>
  a.kind === 'integer' && b.kind === 'integer' && a.bytes === b.bytes && integerRank(a) === integerRank(b);

export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The value for use as a truth value; an error when it is no scalar. */
export function conditionOf(checker: Checker, operand: Operand, range: SourceRange): Expression {
  const value = valueOf(checker, operand);
  if (value.type.kind === 'error' || isScalar(value.type)) return value;
  checker.error(
    'not-scalar',
    range,
    `A condition must be an integer or a pointer, but this is '${typeName(value.type)}'.`,
  );
  return errorValue(range);
}
