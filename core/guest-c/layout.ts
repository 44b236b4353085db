/**
 * Where the members of a structure or union lie: gcc's layout for the System V ABIs, with bit-fields, `packed` and
 * `aligned`, anonymous members and flexible arrays.
 */
import type { SourceRange } from './tree.ts';
import type { BitField, CType, DataModel, Member } from './types.ts';
import { alignOf, sizeOf } from './types.ts';

/** A member as declared. */
export interface MemberDeclaration {
  readonly name: string | null;
  readonly type: CType;
  /** Bits of a bit-field; null for an ordinary member. */
  readonly width: number | null;
  /** From __attribute__((aligned(n))) or _Alignas on the member, else 1. */
  readonly align: number;
  readonly packed: boolean;
  readonly range: SourceRange;
}

export interface RecordLayout {
  readonly members: readonly Member[];
  readonly bytes: number;
  readonly align: number;
  /** Bit-fields that no 8-byte unit inside the record can hold (only possible when packed). */
  readonly unreachable: readonly Member[];
}

interface RecordAttributes {
  readonly packed: boolean;
  /** From __attribute__((aligned(n))) on the record, else 1. */
  readonly align: number;
}

/** Lays out the members in order. Their types are complete, but for a flexible array at the end. */
export function layOut(
  keyword: 'struct' | 'union',
  declarations: readonly MemberDeclaration[],
  attributes: RecordAttributes,
  model: DataModel,
): RecordLayout {
  const placed: { declaration: MemberDeclaration; bit: number }[] = [];
  let nextBit = 0;
  let endBit = 0;
  let align = attributes.align;
  for (const declaration of declarations) {
    const bit = placeMember(declaration, keyword === 'union' ? 0 : nextBit, attributes.packed, model);
    const bits = declaration.width ?? (sizeOf(declaration.type, model) ?? 0) * 8;
    nextBit = bit + bits;
    endBit = Math.max(endBit, nextBit);
    if (declaration.width === null || declaration.name !== null) {
      align = Math.max(align, memberAlign(declaration, attributes.packed, model));
    }
    placed.push({ declaration, bit });
  }
  const bytes = roundUp(Math.ceil(endBit / 8), align);
  const members = placed
    .filter(({ declaration }) => declaration.width === null || declaration.name !== null)
    .map(({ declaration, bit }) => member(declaration, bit, bytes));
  const unreachable = members.filter(
    (m) => m.bitField !== undefined && m.bitField.shift + m.bitField.width > 64,
  );
  return { members, bytes, align, unreachable };
}

/** The bit at which a member begins when the ones before end at `bit`. */
function placeMember(declaration: MemberDeclaration, bit: number, packed: boolean, model: DataModel): number {
  const align = memberAlign(declaration, packed, model) * 8;
  const { width, type } = declaration;
  if (width === null) return roundUp(bit, align);
  const typeBits = (sizeOf(type, model) ?? 1) * 8;
  if (width === 0) return roundUp(bit, alignOf(type, model) * 8);
  const start = declaration.align > 1 ? roundUp(bit, declaration.align * 8) : bit;
  if (packed || declaration.packed) return start;
  const unitsSpanned = Math.ceil((start % align) + width) / align;
  return unitsSpanned > typeBits / align ? roundUp(start, align) : start;
}

function memberAlign(declaration: MemberDeclaration, packed: boolean, model: DataModel): number {
  const natural = packed || declaration.packed ? 1 : alignOf(declaration.type, model);
  return Math.max(natural, declaration.align);
}

function member(declaration: MemberDeclaration, bit: number, recordBytes: number): Member {
  const { name, type, width, range } = declaration;
  if (width === null) return { name, type, offset: bit / 8, range };
  const { offset, bitField } = bitFieldUnit(bit, width, recordBytes);
  return { name, type, offset, bitField, range };
}

/** The smallest unit inside the record that holds the bits. */
function bitFieldUnit(
  bit: number,
  width: number,
  recordBytes: number,
): { offset: number; bitField: BitField } {
  for (const unitBytes of [1, 2, 4, 8] as const) {
    const first = Math.floor(bit / 8);
    const offset = Math.max(0, Math.min(first, recordBytes - unitBytes));
    const shift = bit - offset * 8;
    if (shift + width <= unitBytes * 8 && offset + unitBytes <= recordBytes) {
      return { offset, bitField: { shift, width, unitBytes } };
    }
  }
  const offset = Math.floor(bit / 8);
  return { offset, bitField: { shift: 64 + (bit % 8), width, unitBytes: 8 } };
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** The way to a member by name: through anonymous members, outermost first. Null when there is none. */
export function findMember(members: readonly Member[], name: string): readonly Member[] | null {
  for (const candidate of members) {
    if (candidate.name === name) return [candidate];
    if (candidate.name === null && candidate.type.kind === 'record') {
      const inner = findMember(candidate.type.record.members, name);
      if (inner !== null) return [candidate, ...inner];
    }
  }
  return null;
}
