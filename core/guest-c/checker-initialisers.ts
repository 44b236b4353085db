/**
 * Initialisers (C11 6.7.9, with GNU's ranges): nested lists with designators and left-out braces become a flat list of
 * (offset, type, value).
 */
import type { Checker, Operand } from './checker.ts';
import type { Expression, Initialiser, InitialiserEntry, SourceRange } from './tree.ts';
import type { ArrayType, CType, Member } from './types.ts';
import { arrayOf, typeName } from './types.ts';
import { convertAssigned, valueOf } from './checker-conversions.ts';
import { isError, operandType, sameType } from './checker.ts';
import { findMember } from './layout.ts';

/** An initialiser as it is written. */
export type ParsedInitialiser =
  | { readonly kind: 'expression'; readonly operand: Operand; readonly range: SourceRange }
  | { readonly kind: 'list'; readonly items: readonly ParsedItem[]; readonly range: SourceRange };

export interface ParsedItem {
  readonly designators: readonly Designator[];
  readonly initialiser: ParsedInitialiser;
}

export type Designator =
  | { readonly kind: 'member'; readonly name: string; readonly range: SourceRange }
  /** `[low]` or GNU `[low ... high]`. */
  | { readonly kind: 'index'; readonly low: number; readonly high: number; readonly range: SourceRange };

/** More entries than this are no program's. */
const MAX_ENTRIES = 1_000_000;

/**
 * The initialiser for an object of that type. The result's type has the length that the initialiser gives an array of
 * unknown length.
 */
export function buildInitialiser(
  checker: Checker,
  type: CType,
  parsed: ParsedInitialiser,
  storage: 'static' | 'auto',
): { type: CType; initialiser: Initialiser } {
  const builder = new InitialiserBuilder(checker, storage);
  builder.object(type, parsed, 0);
  const known = type.kind === 'array' && type.length === null ? { ...type, length: builder.length } : type;
  const { entries } = builder;
  return { type: known, initialiser: { zeroFirst: !coversAll(checker, known, entries), entries } };
}

function coversAll(checker: Checker, type: CType, entries: readonly InitialiserEntry[]): boolean {
  if (type.kind !== 'array' && type.kind !== 'record') return true;
  if (entries.some((entry) => entry.bitField !== undefined)) return false;
  const offsets = new Map(entries.map((entry) => [entry.offset, checker.sizeOf(entry.type) ?? 0]));
  const covered = [...offsets.values()].reduce((sum, bytes) => sum + bytes, 0);
  return covered === checker.sizeOf(type);
}

/** The items of one brace-enclosed list, taken one by one. */
class ItemCursor {
  readonly items: readonly ParsedItem[];
  at: number;
  /** The current item's designators have been followed. */
  stripped: boolean;

  constructor(items: readonly ParsedItem[]) {
    this.items = items;
    this.at = 0;
    this.stripped = false;
  }

  get item(): ParsedItem | undefined {
    return this.items[this.at];
  }

  get designators(): readonly Designator[] {
    return this.stripped ? [] : (this.item?.designators ?? []);
  }

  advance(): void {
    this.at++;
    this.stripped = false;
  }
}

class InitialiserBuilder {
  private readonly checker: Checker;
  /** Only an object of static storage may give a start value to a flexible array; it is as large as that needs. */
  private readonly storage: 'static' | 'auto';
  readonly entries: InitialiserEntry[];
  /** Number of elements that the outermost array turned out to have. */
  length: number;
  private depth: number;
  private failed: boolean;
  /** Designators were used, so that objects may be initialised a second time. */
  private sawDesignator: boolean;

  constructor(checker: Checker, storage: 'static' | 'auto') {
    this.checker = checker;
    this.storage = storage;
    this.entries = [];
    this.length = 0;
    this.depth = 0;
    this.failed = false;
    this.sawDesignator = false;
  }

  /** Initialises the whole object at that offset. */
  object(type: CType, parsed: ParsedInitialiser, offset: number, member?: Member): void {
    if (isError(type)) return;
    this.depth++;
    if (parsed.kind === 'expression') this.fromExpression(type, parsed.operand, parsed.range, offset, member);
    else if (type.kind === 'array' || type.kind === 'record') {
      this.forget(type, offset);
      this.fromList(type, parsed, offset);
    } else this.scalarFromList(type, parsed, offset, member);
    this.depth--;
  }

  /** A whole object is initialised again: what its parts were given before does not count (6.7.9, 19). */
  private forget(type: CType, offset: number): void {
    if (!this.sawDesignator) return;
    const end = offset + (this.checker.sizeOf(type) ?? 0);
    const kept = this.entries.filter((entry) => entry.offset < offset || entry.offset >= end);
    this.entries.length = 0;
    for (const entry of kept) this.entries.push(entry);
  }

  private fromExpression(
    type: CType,
    operand: Operand,
    range: SourceRange,
    offset: number,
    member?: Member,
  ): void {
    if (type.kind === 'array') {
      if (isCharArray(type) && isStringLiteral(operand)) this.string(type, operand, offset);
      else if (!isError(operandType(operand))) this.arrayFromExpression(type, operand, range, offset);
      return;
    }
    const value = convertAssigned(this.checker, valueOf(this.checker, operand), type, 'the initialiser');
    this.add(offset, type, value, member);
  }

  private arrayFromExpression(type: ArrayType, operand: Operand, range: SourceRange, offset: number): void {
    const from = operandType(operand);
    const isLiteral =
      operand.kind === 'object' && operand.object.kind === 'variable' && operand.object.symbol.name === '';
    if (isLiteral && from.kind === 'array' && sameType(from.of, type.of)) {
      if (this.depth === 1) this.length = from.length ?? 0;
      this.add(offset, from, { kind: 'load', from: operand.object, type: from, range });
      return;
    }
    this.fail(range, 'array-initialiser', `'${typeName(type)}' needs a list in braces or a string.`);
  }

  private scalarFromList(
    type: CType,
    list: ParsedInitialiser & { kind: 'list' },
    offset: number,
    member?: Member,
  ): void {
    const [first, second] = list.items;
    if (first === undefined) {
      this.add(
        offset,
        type,
        convertAssigned(this.checker, zero(this.checker, list.range), type, 'the initialiser'),
        member,
      );
      return;
    }
    if (second !== undefined) this.warnExcess(second.initialiser.range, typeName(type));
    if (first.designators.length > 0)
      this.fail(list.range, 'bad-designator', `'${typeName(type)}' has no members or elements.`);
    else this.object(type, first.initialiser, offset, member);
  }

  private fromList(type: CType, list: ParsedInitialiser & { kind: 'list' }, offset: number): void {
    const [only] = list.items;
    const isString =
      list.items.length === 1 && only?.designators.length === 0 && only.initialiser.kind === 'expression';
    if (type.kind === 'array' && isCharArray(type) && isString && isStringLiteral(only.initialiser.operand)) {
      this.string(type, only.initialiser.operand, offset);
      return;
    }
    const cursor = new ItemCursor(list.items);
    this.aggregate(type, offset, cursor, 'braced');
    const rest = cursor.item;
    if (rest !== undefined && !this.failed) this.warnExcess(rest.initialiser.range, typeName(type));
  }

  private warnExcess(range: SourceRange, type: string): void {
    this.checker.warning('excess-initialisers', range, `There are more initialisers than '${type}' holds.`);
  }

  /** Takes items for the members or elements in order. Without own braces, a designator belongs to the outer list. */
  private aggregate(type: CType, offset: number, cursor: ItemCursor, braces: 'braced' | 'elided'): void {
    if (type.kind === 'array') this.array(type, offset, cursor, braces);
    else if (type.kind === 'record') this.record(type.record.members, type, offset, cursor, braces);
  }

  private array(type: ArrayType, offset: number, cursor: ItemCursor, braces: 'braced' | 'elided'): void {
    const isOutermost = this.depth === 1;
    const bytes = this.checker.sizeOf(type.of);
    if (bytes === null) return;
    for (let position = 0; cursor.item !== undefined && !this.failed; position++) {
      const [designator, ...rest] = cursor.designators;
      if (designator !== undefined) {
        if (braces === 'elided') return;
        if (designator.kind !== 'index') {
          this.fail(
            designator.range,
            'bad-designator',
            `'${typeName(type)}' is an array: name an element as [index].`,
          );
          return;
        }
        if (!this.inRange(designator, type)) return;
        const from = this.entries.length;
        this.designated(type.of, offset + designator.low * bytes, rest, cursor);
        this.repeat(from, designator, bytes);
        position = designator.high;
      } else {
        if (type.length !== null && position >= type.length) return;
        this.element(type.of, offset + position * bytes, cursor);
      }
      if (isOutermost) this.length = Math.max(this.length, position + 1);
    }
  }

  private inRange(designator: Designator & { kind: 'index' }, type: ArrayType): boolean {
    if (designator.low <= designator.high && (type.length === null || designator.high < type.length))
      return true;
    this.fail(designator.range, 'bad-designator', `The index is outside '${typeName(type)}'.`);
    return false;
  }

  /** Copies the entries of element `low` for the others of a range. */
  private repeat(from: number, designator: Designator & { kind: 'index' }, bytes: number): void {
    const made = this.entries.slice(from);
    const copies = designator.high - designator.low;
    if (copies === 0) return;
    if (made.length * copies > MAX_ENTRIES) {
      this.fail(designator.range, 'too-large', 'The range has too many elements.');
      return;
    }
    if (made.some((entry) => entry.value.kind !== 'constant' && entry.value.kind !== 'functionAddress')) {
      this.fail(designator.range, 'range-initialiser', 'A range of elements needs a constant initialiser.');
      return;
    }
    for (let copy = 1; copy <= copies; copy++) {
      for (const entry of made) {
        this.entries.push({ ...entry, offset: entry.offset + copy * bytes, value: { ...entry.value } });
      }
    }
  }

  private record(
    members: readonly Member[],
    type: CType & { kind: 'record' },
    offset: number,
    cursor: ItemCursor,
    braces: 'braced' | 'elided',
  ): void {
    const fillable = members.filter((member) => member.name !== null || member.type.kind === 'record');
    const isUnion = type.record.keyword === 'union';
    for (let position = 0; cursor.item !== undefined && !this.failed; position++) {
      const [designator, ...rest] = cursor.designators;
      if (designator === undefined) {
        const member = fillable[position];
        if (member === undefined || (isUnion && position > 0)) return;
        this.member(member, offset, cursor);
        continue;
      }
      if (braces === 'elided') return;
      const path = designator.kind === 'member' ? findMember(members, designator.name) : null;
      const [outer] = path ?? [];
      if (path === null || outer === undefined) {
        const what = designator.kind === 'member' ? `no member '${designator.name}'` : 'no elements';
        this.fail(designator.range, 'bad-designator', `'${typeName(type)}' has ${what}.`);
        return;
      }
      position = isUnion ? 0 : fillable.indexOf(outer);
      const target = path[path.length - 1] ?? outer;
      const at = path.reduce((sum, member) => sum + member.offset, offset);
      this.designated(target.type, at, rest, cursor, target);
    }
  }

  private member(member: Member, offset: number, cursor: ItemCursor): void {
    const isFlexible = member.type.kind === 'array' && member.type.length === null;
    if (isFlexible && this.storage === 'auto') {
      const range = cursor.item?.initialiser.range;
      if (range !== undefined)
        this.fail(
          range,
          'flexible-initialiser',
          `The flexible array '${member.name ?? ''}' has no room here. Make the object static, or give the array a length.`,
        );
      return;
    }
    this.element(member.type, offset + member.offset, cursor, member);
  }

  /** Follows the remaining designators of the current item, then initialises what they name. */
  private designated(
    type: CType,
    offset: number,
    designators: readonly Designator[],
    cursor: ItemCursor,
    member?: Member,
  ): void {
    this.sawDesignator = true;
    const [next, ...rest] = designators;
    if (next === undefined) {
      cursor.stripped = true;
      this.element(type, offset, cursor, member);
      return;
    }
    if (next.kind === 'index' && type.kind === 'array') {
      const bytes = this.checker.sizeOf(type.of) ?? 0;
      if (!this.inRange(next, type)) return;
      const from = this.entries.length;
      this.designated(type.of, offset + next.low * bytes, rest, cursor);
      this.repeat(from, next, bytes);
      return;
    }
    const path =
      next.kind === 'member' && type.kind === 'record' ? findMember(type.record.members, next.name) : null;
    if (path === null) {
      this.fail(next.range, 'bad-designator', `'${typeName(type)}' has nothing of that name or index.`);
      return;
    }
    const at = path.reduce((sum, member) => sum + member.offset, offset);
    const target = path[path.length - 1];
    if (target !== undefined) this.designated(target.type, at, rest, cursor, target);
  }

  /** One member or element from the current item, or, its braces left out, from as many items as it takes. */
  private element(type: CType, offset: number, cursor: ItemCursor, member?: Member): void {
    const item = cursor.item;
    if (item === undefined) return;
    const { initialiser } = item;
    const whole =
      initialiser.kind === 'list' ||
      (type.kind !== 'array' && type.kind !== 'record') ||
      (isCharArray(type) && isStringLiteral(initialiser.operand)) ||
      sameType(operandType(initialiser.operand), type);
    if (whole) {
      cursor.advance();
      this.object(type, initialiser, offset, member);
      return;
    }
    cursor.stripped = true;
    const before = cursor.at;
    this.depth++;
    this.aggregate(type, offset, cursor, 'elided');
    this.depth--;
    if (cursor.at === before && type.kind === 'record' && type.record.members.length > 0) cursor.advance();
  }

  private string(type: ArrayType, operand: Operand & { kind: 'object' }, offset: number): void {
    const literal = operand.object;
    const data = stringData(operand);
    const length = type.length ?? data.length;
    if (this.depth === 1) this.length = length;
    if (data.length - 1 > length) this.warnExcess(literal.range, typeName(type));
    const used = Math.min(length, data.length);
    const { range } = literal;
    const shown =
      used === data.length ? operand : this.checker.stringLiteral([...data.slice(0, used - 1)], range);
    if (shown.kind !== 'object') return;
    if (used < data.length && shown.object.kind === 'variable')
      setData(this.checker, shown.object.symbol, data.slice(0, used));
    const copied = arrayOf(type.of, used);
    this.add(offset, copied, { kind: 'load', from: shown.object, type: copied, range });
  }

  private add(offset: number, type: CType, value: Expression, member?: Member): void {
    if (isError(value.type)) return;
    if (this.entries.length >= MAX_ENTRIES)
      this.fail(value.range, 'too-large', 'The initialiser has too many values.');
    else {
      const bitField = member?.bitField;
      this.entries.push({
        offset,
        type,
        value,
        ...(bitField === undefined ? {} : { bitField }),
        ...(member === undefined ? {} : { member }),
      });
    }
  }

  private fail(range: SourceRange, id: string, message: string): void {
    this.failed = true;
    this.checker.error(id, range, message);
  }
}

const isCharArray = (type: CType): type is ArrayType =>
  type.kind === 'array' && type.of.kind === 'integer' && type.of.bytes === 1 && type.of.name !== '_Bool';

const isStringLiteral = (operand: Operand): operand is Operand & { kind: 'object' } =>
  operand.kind === 'object' && operand.stringLiteral === true;

/** The bytes of a string literal's object, the closing zero included. */
function stringData(operand: Operand & { kind: 'object' }): Uint8Array {
  const entry =
    operand.object.kind === 'variable' ? operand.object.symbol.initialiser?.entries[0] : undefined;
  if (entry?.kind !== 'bytes') throw new Error('stringData: the operand is no string literal');
  return entry.data;
}

/** Cuts a literal's object to exactly those bytes. */
function setData(
  checker: Checker,
  symbol: Parameters<Checker['statics']['push']>[0],
  data: Uint8Array,
): void {
  symbol.initialiser = { bytes: data.length, entries: [{ kind: 'bytes', offset: 0, data }] };
  symbol.type = arrayOf(checker.integer('char'), data.length);
}

const zero = (checker: Checker, range: SourceRange): Expression => ({
  kind: 'constant',
  value: 0n,
  type: checker.integer('int'),
  range,
});
