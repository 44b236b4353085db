/**
 * Values as a debugger shows them: a type, and either an object in guest memory or the bits of a value. What an object
 * holds is read when it is shown, by the page tables of the frame's vCPU.
 */

import { type CType, type DataModel, type Member, sizeOf, typeName } from '../guest-c/types.ts';
import type { NamedValue, Value } from './types.ts';
import { formatHex, virtualAddress } from '../units.ts';

/** Guest memory and names, as the values of one vCPU need them. */
export interface ValueContext {
  readonly model: DataModel;
  /** As many bytes as can be read. */
  readonly read: (address: bigint, bytes: number) => Uint8Array;
  /** `page_fault`, `buffer + 16`: what lies at an address of the program; null for other addresses. */
  readonly symbolAt: (address: bigint) => string | null;
  /** How integers are written. */
  readonly radix: Radix;
}

/** `natural`: decimal, and hexadecimal too where addresses and entries are meant. */
export type Radix = 'natural' | 'hexadecimal';

/** The same value with its integers, and those of what it opens to, written in another way. */
export const inRadix = (value: TypedValue, radix: Radix): TypedValue =>
  radix === value.context.radix
    ? value
    : new TypedValue({ ...value.context, radix }, value.ctype, value.storage, value.expression);

/** Where a value is. */
export type Storage =
  | { readonly kind: 'memory'; readonly address: bigint }
  /** Unsigned bits of a value that is in no memory. */
  | { readonly kind: 'bits'; readonly bits: bigint };

/** A value with what opens it; the rest of the core sees only `Value`. */
export class TypedValue implements Value {
  readonly text: string;
  readonly type: string;
  readonly address: Value['address'];
  readonly memoryReference: string | null;
  readonly namedChildren: number;
  readonly indexedChildren: number;
  readonly ctype: CType;
  readonly storage: Storage;
  readonly context: ValueContext;
  /** An expression that names it, for the evaluate names of its children. */
  readonly expression: string;

  constructor(context: ValueContext, ctype: CType, storage: Storage, expression: string) {
    this.context = context;
    this.ctype = ctype;
    this.storage = storage;
    this.expression = expression;
    this.type = typeName(ctype);
    this.address = storage.kind === 'memory' ? virtualAddress(storage.address) : null;
    this.text = textOf(context, ctype, storage, 0);
    this.memoryReference = referenceOf(this);
    const counts = countChildren(this);
    this.namedChildren = counts.named;
    this.indexedChildren = counts.indexed;
  }
}

/** The most elements or members that one answer holds. */
const MAX_CHILDREN = 1024;
/** Longest string that a text shows. */
const MAX_STRING = 80;
const MAX_PREVIEW = 4;

/** What a value opens to. */
export function childrenOf(
  value: TypedValue,
  range: { readonly start: number; readonly count: number },
): NamedValue[] {
  const count = Math.min(range.count, MAX_CHILDREN);
  const { ctype, context } = value;
  if (ctype.kind === 'array' && value.storage.kind === 'memory') {
    const bytes = sizeOf(ctype.of, context.model) ?? 0;
    const shown = Math.max(0, Math.min(count, (ctype.length ?? 0) - range.start));
    const { address } = value.storage;
    return Array.from({ length: shown }, (_, i) => {
      const index = range.start + i;
      const at = { kind: 'memory', address: address + BigInt(index * bytes) } as const;
      return named(
        `[${index}]`,
        new TypedValue(context, ctype.of, at, `${grouped(value.expression)}[${index}]`),
      );
    });
  }
  const all = ctype.kind === 'pointer' ? pointedTo(value) : membersOf(value, grouped(value.expression), '.');
  return all.slice(range.start, range.start + count);
}

/** A value that has no bits to show: why not. */
export function unreadable(type: CType, context: ValueContext, address: bigint): string {
  const bytes = sizeOf(type, context.model) ?? 0;
  return `<cannot read ${bytes} bytes at ${formatHex(address)}>`;
}

/** Text of one integer or pointer. */
export function scalarText(context: ValueContext, type: CType, bits: bigint): string {
  if (type.kind === 'pointer') return pointerText(context, type.to, bits);
  if (type.kind !== 'integer') return formatHex(bits);
  const value = type.signed ? BigInt.asIntN(type.bytes * 8, bits) : BigInt.asUintN(type.bytes * 8, bits);
  if (type.name === '_Bool') return value === 0n ? 'false' : 'true';
  const isHex = context.radix === 'hexadecimal';
  const number = isHex ? formatHex(BigInt.asUintN(type.bytes * 8, bits)) : String(value);
  const enumerator = type.enumeration?.enumerators.find((one) => one.value === value);
  if (enumerator !== undefined) return `${enumerator.name} (${number})`;
  if (type.bytes === 1 && value >= 32n && value < 127n)
    return `${number} '${String.fromCharCode(Number(value))}'`;
  if (isHex) return number;
  if (type.signed || value < 10n) return String(value);
  return value < 0x1_0000n ? `${value} (${formatHex(value)})` : formatHex(value);
}

function pointerText(context: ValueContext, to: CType, bits: bigint): string {
  if (bits === 0n) return 'NULL';
  const symbol = context.symbolAt(bits);
  const where = symbol === null ? '' : ` <${symbol}>`;
  const text = isCharacter(to) ? ` ${stringAt(context, bits, MAX_STRING) ?? ''}`.trimEnd() : '';
  return `${formatHex(bits)}${where}${text}`;
}

function textOf(context: ValueContext, type: CType, storage: Storage, depth: number): string {
  if (storage.kind === 'bits') return scalarText(context, type, storage.bits);
  const { address } = storage;
  switch (type.kind) {
    case 'array':
      return arrayText(context, type, address, depth);
    case 'record': {
      if (!type.record.complete) return '<incomplete type>';
      if (depth > 0) return '{...}';
      const shown = type.record.members.filter(({ name }) => name !== null).slice(0, MAX_PREVIEW);
      const parts = shown.map(
        (member) => `${member.name} = ${memberText(context, member, address, depth + 1)}`,
      );
      const more = type.record.members.length > shown.length ? ', ...' : '';
      return `{${parts.join(', ')}${more}}`;
    }
    case 'function':
      return context.symbolAt(address) ?? formatHex(address);
    case 'integer':
    case 'pointer': {
      const bits = bitsAt(context, address, sizeOf(type, context.model) ?? 0);
      return bits === null ? unreadable(type, context, address) : scalarText(context, type, bits);
    }
    case 'void':
    case 'error':
      return '';
  }
}

function arrayText(
  context: ValueContext,
  type: Extract<CType, { kind: 'array' }>,
  address: bigint,
  depth: number,
): string {
  const length = type.length ?? 0;
  if (isCharacter(type.of))
    return stringAt(context, address, Math.min(length, MAX_STRING)) ?? unreadable(type, context, address);
  if (depth > 0) return `[${length}]`;
  const bytes = sizeOf(type.of, context.model) ?? 0;
  const parts = Array.from({ length: Math.min(length, MAX_PREVIEW) }, (_, i) =>
    textOf(context, type.of, { kind: 'memory', address: address + BigInt(i * bytes) }, depth + 1),
  );
  return `[${length}] {${parts.join(', ')}${length > parts.length ? ', ...' : ''}}`;
}

function memberText(context: ValueContext, member: Member, address: bigint, depth: number): string {
  return textOf(context, member.type, memberStorage(context, member, address), depth);
}

/** A bit-field has no address of its own: its bits are taken from its unit. */
function memberStorage(context: ValueContext, member: Member, address: bigint): Storage {
  const at = address + BigInt(member.offset);
  const { bitField } = member;
  if (bitField === undefined) return { kind: 'memory', address: at };
  const unit = bitsAt(context, at, bitField.unitBytes) ?? 0n;
  const bits = (unit >> BigInt(bitField.shift)) & ((1n << BigInt(bitField.width)) - 1n);
  const isSigned = member.type.kind === 'integer' && member.type.signed;
  return { kind: 'bits', bits: BigInt.asUintN(64, isSigned ? BigInt.asIntN(bitField.width, bits) : bits) };
}

function countChildren(value: TypedValue): { readonly named: number; readonly indexed: number } {
  const { ctype, storage } = value;
  if (ctype.kind === 'array' && storage.kind === 'memory') return { named: 0, indexed: ctype.length ?? 0 };
  if (ctype.kind === 'record' && storage.kind === 'memory')
    return { named: ctype.record.members.length, indexed: 0 };
  if (ctype.kind !== 'pointer') return { named: 0, indexed: 0 };
  const bits = bitsOf(value);
  const size = sizeOf(ctype.to, value.context.model);
  if (bits === null || bits === 0n || size === null || size === 0) return { named: 0, indexed: 0 };
  if (value.context.read(bits, 1).length === 0) return { named: 0, indexed: 0 };
  return { named: ctype.to.kind === 'record' ? ctype.to.record.members.length : 1, indexed: 0 };
}

function pointedTo(value: TypedValue): NamedValue[] {
  const bits = bitsOf(value);
  if (value.ctype.kind !== 'pointer' || bits === null || countChildren(value).named === 0) return [];
  const { to } = value.ctype;
  const expression = grouped(value.expression);
  const target = new TypedValue(value.context, to, { kind: 'memory', address: bits }, `*${expression}`);
  return to.kind === 'record' ? membersOf(target, expression, '->') : [named(`*${value.expression}`, target)];
}

/** The members of a record; those of anonymous records inside it under the record's own name `{...}`. */
function membersOf(value: TypedValue, expression: string, access: '.' | '->'): NamedValue[] {
  const { ctype, storage, context } = value;
  if (ctype.kind !== 'record' || storage.kind !== 'memory') return [];
  return ctype.record.members
    .filter(({ name, bitField }) => name !== null || bitField === undefined)
    .map((member) => {
      const inside = member.name === null ? expression : `${expression}${access}${member.name}`;
      const at = memberStorage(context, member, storage.address);
      return named(member.name ?? '{...}', new TypedValue(context, member.type, at, inside));
    });
}

/** The bits of a scalar; null when its memory cannot be read. */
export function bitsOf({ storage, context, ctype }: TypedValue): bigint | null {
  if (storage.kind === 'bits') return storage.bits;
  return bitsAt(context, storage.address, sizeOf(ctype, context.model) ?? 0);
}

function bitsAt(context: ValueContext, address: bigint, bytes: number): bigint | null {
  const read = context.read(address, bytes);
  if (read.length < bytes) return null;
  return read.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** What a memory panel shows: the object, or what a pointer points to. */
function referenceOf(value: TypedValue): string | null {
  if (value.ctype.kind === 'pointer') {
    const bits = bitsOf(value);
    return bits === null || bits === 0n ? null : `va:${formatHex(bits)}`;
  }
  return value.address === null ? null : `va:${formatHex(value.address)}`;
}

const isCharacter = (type: CType): boolean =>
  type.kind === 'integer' && /char$/.test(type.name) && type.bytes === 1;

/** A C string as C writes it, cut where it is long or unreadable; null when not a byte can be read. */
function stringAt(context: ValueContext, address: bigint, most: number): string | null {
  const bytes = context.read(address, most);
  if (bytes.length === 0 && most > 0) return null;
  const end = bytes.indexOf(0);
  const shown = end < 0 ? bytes : bytes.subarray(0, end);
  const text = Array.from(shown, escaped).join('');
  return `"${text}"${end < 0 ? '...' : ''}`;
}

function escaped(byte: number): string {
  const known: Readonly<Record<number, string>> = { 10: '\\n', 9: '\\t', 13: '\\r', 34: '\\"', 92: '\\\\' };
  if (byte in known) return known[byte] ?? '';
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** In parentheses where an operator behind it would otherwise bind to a part. */
const grouped = (expression: string): string =>
  /^[\w.$]+$/.test(expression) ? expression : `(${expression})`;

const named = (name: string, value: TypedValue): NamedValue => ({
  name,
  evaluateName: value.expression,
  value,
});
