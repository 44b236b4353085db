/**
 * Guest C's types, each with its layout: what sizeof, alignment and offsetof are for one ABI.
 *
 * Layout is gcc's for the System V ABIs (x86_64, and i386 for both 32-bit ABIs): on i386 a `long long` is aligned to 4
 * bytes inside structures. Qualifiers are flags on each type object, so nothing ever needs unwrapping: `t.kind` is the
 * kind of `t`. Two record types are the same type when their `record` is the same object; integers are the same type
 * when their `name` is the same (an enumeration is the integer type that holds it).
 */

import type { Expression, SourceRange } from './tree.ts';

/** The guest's ABI: its pointer width and its page-table format. */
export type AbiName = 'x86_64' | 'x86_32p' | 'x86_32';

/** What the C language needs to know of an ABI. */
export interface DataModel {
  readonly abi: AbiName;
  /** sizeof(void *), sizeof(long), sizeof(size_t): the same for every Xen ABI. */
  readonly wordBytes: 4 | 8;
  /** Alignment of `long long` as a structure member: 8 on x86_64, 4 on i386. */
  readonly longLongAlign: 4 | 8;
  /** Page-table levels: 4, 3 (PAE) or 2. */
  readonly pageTableLevels: 4 | 3 | 2;
}

export const DATA_MODELS: { readonly [abi in AbiName]: DataModel } = {
  x86_64: { abi: 'x86_64', wordBytes: 8, longLongAlign: 8, pageTableLevels: 4 },
  x86_32p: { abi: 'x86_32p', wordBytes: 4, longLongAlign: 4, pageTableLevels: 3 },
  x86_32: { abi: 'x86_32', wordBytes: 4, longLongAlign: 4, pageTableLevels: 2 },
};

interface TypeBase {
  readonly const: boolean;
  readonly volatile: boolean;
  /** The typedef by whose name the source used this type, for messages and for the debugger's type column. */
  readonly alias?: string;
}

export interface VoidType extends TypeBase {
  readonly kind: 'void';
}

export type IntegerName =
  | '_Bool'
  | 'char'
  | 'signed char'
  | 'unsigned char'
  | 'short'
  | 'unsigned short'
  | 'int'
  | 'unsigned int'
  | 'long'
  | 'unsigned long'
  | 'long long'
  | 'unsigned long long';

export interface IntegerType extends TypeBase {
  readonly kind: 'integer';
  readonly name: IntegerName;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly signed: boolean;
  /** The enumeration, when this integer type is one. */
  readonly enumeration?: Enumeration;
}

export interface PointerType extends TypeBase {
  readonly kind: 'pointer';
  /** With the qualifiers of what is pointed to. */
  readonly to: CType;
}

export interface ArrayType extends TypeBase {
  readonly kind: 'array';
  readonly of: CType;
  /** Null: not known (`int a[];`), a flexible array member, or an array of variable length. */
  readonly length: number | null;
  /** The length, when it is only known as the program runs; only while a local array is being declared. */
  readonly runtimeLength?: Expression;
}

export interface RecordType extends TypeBase {
  readonly kind: 'record';
  readonly record: RecordDefinition;
}

export interface FunctionType extends TypeBase {
  readonly kind: 'function';
  readonly returns: CType;
  /** Types after adjustment (arrays and functions are pointers), unqualified. */
  readonly parameters: readonly CType[];
  readonly variadic: boolean;
  /** Declared as `f()`: arguments are not checked. */
  readonly unprototyped: boolean;
}

/** Stands where an error was reported. Never in the tree of a unit without errors. */
export interface ErrorType extends TypeBase {
  readonly kind: 'error';
}

export type CType = VoidType | IntegerType | PointerType | ArrayType | RecordType | FunctionType | ErrorType;

/** One structure or union. Filled in when its members have been read, so that it can point to itself. */
export interface RecordDefinition {
  readonly keyword: 'struct' | 'union';
  /** The tag, or null for one without. */
  readonly tag: string | null;
  complete: boolean;
  members: readonly Member[];
  /** sizeof, including tail padding. 0 until complete. */
  bytes: number;
  align: number;
  /** The tag where it is defined (or first named). */
  range: SourceRange;
}

export interface Member {
  /** Null for an anonymous structure or union (its members are found through it) and for unnamed bit-fields. */
  readonly name: string | null;
  readonly type: CType;
  /** Byte offset from the start of its record; of the storage unit for a bit-field. */
  readonly offset: number;
  readonly bitField?: BitField;
  /** The name where it is declared. */
  readonly range: SourceRange;
}

/**
 * A bit-field: `width` bits from bit `shift` (0 is the lowest) of the little-endian integer of `unitBytes` bytes at the
 * member's offset. The unit never reaches beyond the record. Read it extended by the sign of the member's type.
 */
export interface BitField {
  readonly shift: number;
  readonly width: number;
  readonly unitBytes: 1 | 2 | 4 | 8;
}

export interface Enumeration {
  readonly tag: string | null;
  readonly enumerators: readonly { readonly name: string; readonly value: bigint }[];
  readonly complete: boolean;
}

const PLAIN = { const: false, volatile: false } as const;

export const VOID: VoidType = { kind: 'void', ...PLAIN };
export const ERROR_TYPE: ErrorType = { kind: 'error', ...PLAIN };

/** C's integer types in order of conversion rank; `word` is the ABI's long. */
const INTEGER_ROWS: readonly (readonly [IntegerName, 1 | 2 | 4 | 8 | 'word', boolean, number])[] = [
  ['_Bool', 1, false, 0],
  ['char', 1, true, 1],
  ['signed char', 1, true, 1],
  ['unsigned char', 1, false, 1],
  ['short', 2, true, 2],
  ['unsigned short', 2, false, 2],
  ['int', 4, true, 3],
  ['unsigned int', 4, false, 3],
  ['long', 'word', true, 4],
  ['unsigned long', 'word', false, 4],
  ['long long', 8, true, 5],
  ['unsigned long long', 8, false, 5],
];

const RANKS: ReadonlyMap<IntegerName, number> = new Map(INTEGER_ROWS.map((row) => [row[0], row[3]]));

const INTEGERS: { readonly [bytes in 4 | 8]: ReadonlyMap<IntegerName, IntegerType> } = {
  4: integersOf(4),
  8: integersOf(8),
};

function integersOf(wordBytes: 4 | 8): ReadonlyMap<IntegerName, IntegerType> {
  return new Map(
    INTEGER_ROWS.map(([name, bytes, signed]) => [
      name,
      { kind: 'integer', name, bytes: bytes === 'word' ? wordBytes : bytes, signed, ...PLAIN },
    ]),
  );
}

/** The integer type of that name, unqualified; the same object each time. */
export function integerType(name: IntegerName, model: DataModel): IntegerType {
  const type = INTEGERS[model.wordBytes].get(name);
  if (type === undefined) throw new Error(`integerType: no integer type ${name}`);
  return type;
}

/** C's conversion rank (6.3.1.1): larger holds at least as much. */
export const integerRank = (type: IntegerType): number => RANKS.get(type.name) ?? 0;

export const pointerTo = (to: CType): PointerType => ({ kind: 'pointer', to, ...PLAIN });
export const arrayOf = (of: CType, length: number | null): ArrayType => ({
  kind: 'array',
  of,
  length,
  ...PLAIN,
});

/** The same type with qualifiers added. Those of an array are its elements' (6.7.3). */
export function qualified<T extends CType>(type: T, add: { const?: boolean; volatile?: boolean }): T {
  const isConst = type.const || add.const === true;
  const isVolatile = type.volatile || add.volatile === true;
  if (isConst === type.const && isVolatile === type.volatile) return type;
  const copy = { ...type, const: isConst, volatile: isVolatile };
  return copy.kind === 'array' ? { ...copy, of: qualified(copy.of, add) } : copy;
}

/** The same type without its own qualifiers, as values have it. */
export function unqualified<T extends CType>(type: T): T {
  return type.const || type.volatile ? { ...type, const: false, volatile: false } : type;
}

/** sizeof in bytes; null for void, functions, incomplete records and arrays of unknown length. GNU's sizeof(void) is the checker's affair. */
export function sizeOf(type: CType, model: DataModel): number | null {
  switch (type.kind) {
    case 'integer':
      return type.bytes;
    case 'pointer':
      return model.wordBytes;
    case 'record':
      return type.record.complete ? type.record.bytes : null;
    case 'array': {
      const element = sizeOf(type.of, model);
      return element === null || type.length === null ? null : element * type.length;
    }
    case 'void':
    case 'function':
    case 'error':
      return null;
  }
}

/** Alignment in bytes as a structure member (on i386 smaller than _Alignof for `long long`); 1 where there is none. */
export function alignOf(type: CType, model: DataModel): number {
  switch (type.kind) {
    case 'integer':
      return type.bytes === 8 ? model.longLongAlign : type.bytes;
    case 'pointer':
      return model.wordBytes;
    case 'record':
      return type.record.align;
    case 'array':
      return alignOf(type.of, model);
    case 'void':
    case 'function':
    case 'error':
      return 1;
  }
}

/** The value reduced to the type's width and sign, as C stores it. Pointers are unsigned. */
export function wrapToType(value: bigint, type: CType, model: DataModel): bigint {
  if (type.kind === 'integer') {
    if (type.name === '_Bool') return value === 0n ? 0n : 1n;
    return type.signed ? BigInt.asIntN(type.bytes * 8, value) : BigInt.asUintN(type.bytes * 8, value);
  }
  return BigInt.asUintN(model.wordBytes * 8, value);
}

/** Integers, enumerations and pointers. */
export const isScalar = (type: CType): type is IntegerType | PointerType =>
  type.kind === 'integer' || type.kind === 'pointer';

/** `unsigned int`, `struct page *`, `int (*)(void)`: a type as C writes it. */
export function typeName(type: CType): string {
  return declarationOf(type, '').trim();
}

/** A declaration of `name` with that type, as C writes it: `char *argv[4]`. */
export function declarationOf(type: CType, name: string): string {
  if (type.alias !== undefined) return joinWords(qualifiersOf(type) + type.alias, name);
  switch (type.kind) {
    case 'pointer': {
      const words = qualifiersOf(type).trimEnd();
      const inner = words === '' ? `*${name}` : joinWords(`*${words}`, name);
      const grouped =
        type.to.alias === undefined && (type.to.kind === 'array' || type.to.kind === 'function')
          ? `(${inner})`
          : inner;
      return declarationOf(type.to, grouped);
    }
    case 'array':
      return declarationOf(type.of, `${name}[${type.length ?? ''}]`);
    case 'function': {
      const parameters = type.parameters.map(typeName);
      if (type.variadic) parameters.push('...');
      const list = parameters.length === 0 && !type.unprototyped ? 'void' : parameters.join(', ');
      return declarationOf(type.returns, `${name}(${list})`);
    }
    case 'void':
    case 'integer':
    case 'record':
    case 'error':
      return joinWords(qualifiersOf(type) + baseName(type), name);
  }
}

function baseName(type: VoidType | IntegerType | RecordType | ErrorType): string {
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'integer':
      return type.enumeration === undefined ? type.name : `enum ${type.enumeration.tag ?? '<anonymous>'}`;
    case 'record':
      return `${type.record.keyword} ${type.record.tag ?? '<anonymous>'}`;
    case 'error':
      return '<error>';
  }
}

const qualifiersOf = (type: CType): string =>
  `${type.const ? 'const ' : ''}${type.volatile ? 'volatile ' : ''}`;

const joinWords = (left: string, right: string): string => (right === '' ? left : `${left} ${right}`);
