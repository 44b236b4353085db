/**
 * Structures, unions and enumerations (C11 6.7.2.1 and 6.7.2.2), and static assertions.
 */
import type { CType, DataModel, IntegerType, RecordDefinition } from './types.ts';
import type { SourceRange } from './tree.ts';
import type { MemberDeclaration } from './layout.ts';
import { ERROR_TYPE, integerType, typeName } from './types.ts';
import type { Attributes } from './parser-specifiers.ts';
import { DeclaratorParser } from './parser-declarators.ts';
import { noAttributes } from './parser-specifiers.ts';
import { Panic } from './parser-cursor.ts';
import { type Token, TokenKind } from './lexer.ts';
import { declareEnumerator } from './checker-declarations.ts';
import { isError } from './checker.ts';
import { layOut } from './layout.ts';
import { lookUpTag } from './scopes.ts';

export abstract class RecordParser extends DeclaratorParser {
  protected record(declared: Attributes): CType {
    const keyword = this.next().text as 'struct' | 'union';
    const attributes = noAttributes();
    this.attributes(attributes);
    const tag = this.name;
    if (tag !== null) this.next();
    if (!this.is('{')) {
      if (tag === null) this.unexpected(`the tag or the members of a ${keyword}`);
      return this.recordByTag(keyword, tag);
    }
    const type = this.newRecord(keyword, tag);
    const members = this.members(type.record);
    this.attributes(attributes);
    declared.unused ||= attributes.unused;
    this.completeRecord(type.record, members, attributes, tag ?? this.previous);
    return type;
  }

  private recordByTag(keyword: 'struct' | 'union', tag: Token): CType {
    const known = this.is(';')
      ? this.checker.scope.tags.get(tag.text)
      : lookUpTag(this.checker.scope, tag.text);
    if (known === undefined || known === null) return this.addRecord(keyword, tag);
    if (known.kind === 'record' && known.record.keyword === keyword) {
      this.checker.refer(tag.range, { kind: 'tag', type: known });
      return known;
    }
    this.checker.error(
      'wrong-tag',
      tag.range,
      `'${tag.text}' is the tag of something else than a ${keyword}.`,
    );
    return ERROR_TYPE;
  }

  /** The type whose members follow: one declared in this scope before, or a new one. */
  private newRecord(keyword: 'struct' | 'union', tag: Token | null): CType & { kind: 'record' } {
    const known = tag === null ? undefined : this.checker.scope.tags.get(tag.text);
    if (known?.kind === 'record' && known.record.keyword === keyword && !known.record.complete) {
      if (known.record.members.length === 0) {
        const { range } = tag ?? this.token;
        known.record.range = range;
        this.checker.refer(range, { kind: 'tag', type: known });
        return known;
      }
    }
    const givesWay =
      known?.kind === 'record' &&
      this.checker.givesWay(known.record.range.file, (tag ?? this.token).range.file);
    if (known !== undefined && tag !== null && !givesWay) {
      this.checker.error('redefined', tag.range, `'${keyword} ${tag.text}' is defined a second time.`);
    }
    return this.addRecord(keyword, tag);
  }

  private addRecord(keyword: 'struct' | 'union', tag: Token | null): CType & { kind: 'record' } {
    const place = (tag ?? this.previous).range;
    const record: RecordDefinition = {
      keyword,
      tag: tag?.text ?? null,
      complete: false,
      members: [],
      bytes: 0,
      align: 1,
      range: place,
    };
    const type = { kind: 'record', record, const: false, volatile: false } as const;
    if (tag !== null) {
      this.checker.scope.tags.set(tag.text, type);
      this.checker.refer(place, { kind: 'tag', type });
    }
    return type;
  }

  private members(record: RecordDefinition): { declaration: MemberDeclaration; range: SourceRange }[] {
    this.expect('{', 'before the members');
    const members: { declaration: MemberDeclaration; range: SourceRange }[] = [];
    while (!this.is('}')) {
      if (this.token.kind === TokenKind.end) this.unexpected("'}' to close the structure");
      if (this.accept(';')) continue;
      if (this.is('_Static_assert')) this.staticAssert();
      else this.recoveringMember(record, members);
    }
    this.next();
    return members;
  }

  /** One member; after a mistake the next one. */
  private recoveringMember(
    record: RecordDefinition,
    members: { declaration: MemberDeclaration; range: SourceRange }[],
  ): void {
    const errors = this.checker.problems.errorCount;
    const start = this.at;
    try {
      this.memberDeclaration(members);
    } catch (error) {
      if (!(error instanceof Panic)) throw error;
      this.skipStatement();
      if (this.at === start && !this.is('}')) this.next();
    }
    if (this.checker.problems.errorCount > errors) this.checker.brokenRecords.add(record);
  }

  private memberDeclaration(members: { declaration: MemberDeclaration; range: SourceRange }[]): void {
    const start = this.token;
    if (!this.startsType(start) && !this.looksLikeType()) this.unexpected('the type of a member');
    const specifiers = this.nested(() => this.specifiers());
    if (this.semicolonForgotten()) return;
    if (this.is(';')) {
      this.next();
      const isAnonymous = specifiers.type.kind === 'record' && specifiers.type.record.tag === null;
      if (isAnonymous)
        this.addMember(members, null, specifiers.type, null, specifiers.attributes, this.rangeFrom(start));
      return;
    }
    do {
      const attributes = { ...specifiers.attributes };
      const isUnnamed = this.is(':');
      const declarator = isUnnamed ? null : this.declarator(specifiers.type);
      const width = this.accept(':') ? this.constantExpression('The width of a bit-field') : null;
      this.attributes(attributes);
      const range = (declarator?.name ?? start).range;
      this.addMember(
        members,
        declarator?.name ?? null,
        this.ofFixedLength(declarator?.type ?? specifiers.type),
        width,
        attributes,
        range,
      );
    } while (this.accept(','));
    this.expectSoft(';', 'after the member');
  }

  private addMember(
    members: { declaration: MemberDeclaration; range: SourceRange }[],
    name: Token | null,
    type: CType,
    width: bigint | null,
    attributes: Attributes,
    range: SourceRange,
  ): void {
    if (name !== null && members.some(({ declaration }) => declaration.name === name.text)) {
      this.checker.error('redeclared', range, `There already is a member '${name.text}'.`);
      return;
    }
    if (isError(type)) {
      const declaration = { name: name?.text ?? null, type, width: null, align: 1, packed: false, range };
      members.push({ declaration, range });
      return;
    }
    if (width !== null && !this.checkWidth(type, width, name, range)) return;
    if (type.kind === 'function' || type.kind === 'void') {
      this.checker.error(
        'bad-member',
        range,
        `A member cannot be of type '${typeName(type)}'. Use a pointer.`,
      );
      return;
    }
    const { align, packed } = attributes;
    const declaration = {
      name: name?.text ?? null,
      type,
      width: width === null ? null : Number(width),
      align,
      packed,
      range,
    };
    members.push({ declaration, range });
  }

  private checkWidth(type: CType, width: bigint, name: Token | null, range: SourceRange): boolean {
    if (type.kind !== 'integer') {
      this.checker.error('bit-field', range, `A bit-field must be an integer, not '${typeName(type)}'.`);
      return false;
    }
    const bits = type.name === '_Bool' ? 1 : type.bytes * 8;
    if (width >= 0n && width <= BigInt(bits) && (width > 0n || name === null)) return true;
    this.checker.error(
      'bit-field',
      range,
      `A bit-field of '${typeName(type)}' has 1 to ${bits} bits, not ${width}.`,
    );
    return false;
  }

  private completeRecord(
    record: RecordDefinition,
    members: readonly { declaration: MemberDeclaration; range: SourceRange }[],
    attributes: Attributes,
    place: Token,
  ): void {
    const usable = members.filter(({ declaration, range }, i) =>
      this.checkMember(declaration, range, i === members.length - 1),
    );
    const declarations = usable.map(({ declaration }) => declaration);
    const layout = layOut(record.keyword, declarations, attributes, this.checker.model);
    record.members = layout.members;
    record.bytes = layout.bytes;
    record.align = layout.align;
    record.complete = true;
    for (const member of layout.members) {
      if (member.name !== null) this.checker.refer(member.range, { kind: 'member', member, record });
    }
    for (const member of layout.unreachable) {
      const text = `The packed bit-field '${member.name ?? ''}' lies across too many bytes. Move it to a byte boundary.`;
      this.checker.error('unsupported.bit-field', place.range, text);
    }
  }

  private checkMember(declaration: MemberDeclaration, range: SourceRange, isLast: boolean): boolean {
    const { type } = declaration;
    if (isError(type)) return true;
    const isFlexible = type.kind === 'array' && type.length === null;
    if (this.checker.sizeOf(type) !== null || (isFlexible && isLast)) return true;
    const why = isFlexible
      ? 'only the last member may have no length'
      : `'${typeName(type)}' is not defined here`;
    this.checker.error(
      'incomplete-type',
      range,
      `The member '${declaration.name ?? ''}' has no size: ${why}.`,
    );
    return false;
  }

  protected enumeration(): CType {
    this.next();
    this.attributes(noAttributes());
    const tag = this.name;
    if (tag !== null) this.next();
    if (!this.is('{')) {
      if (tag === null) this.unexpected('the tag or the values of an enum');
      const known = lookUpTag(this.checker.scope, tag.text);
      if (known?.kind === 'integer') return known;
      this.checker.error('incomplete-type', tag.range, `'enum ${tag.text}' is not defined.`);
      return this.checker.integer('unsigned int');
    }
    const values = this.enumerators();
    this.attributes(noAttributes());
    const enumeration = { tag: tag?.text ?? null, enumerators: values, complete: true };
    const type: IntegerType = { ...enumerationBase(values, this.checker.model), enumeration };
    if (tag !== null) this.checker.scope.tags.set(tag.text, type);
    return type;
  }

  private enumerators(): { name: string; value: bigint }[] {
    this.next();
    const values: { name: string; value: bigint }[] = [];
    let next = 0n;
    while (!this.is('}')) {
      const name = this.name ?? this.unexpected('the name of a value');
      this.next();
      this.attributes(noAttributes());
      const value = this.accept('=') ? (this.constantExpression('The value') ?? next) : next;
      values.push({ name: name.text, value });
      const fits = value >= -(1n << 31n) && value < 1n << 31n;
      const type = this.checker.integer(
        fits ? 'int' : value < 1n << 32n && value >= 0n ? 'unsigned int' : 'long long',
      );
      declareEnumerator(this.checker, name.text, value, type, name.range);
      next = value + 1n;
      if (!this.accept(',')) break;
    }
    this.expect('}', 'after the values');
    return values;
  }

  /** `_Static_assert(condition, "message");` */
  protected staticAssert(): void {
    const start = this.next();
    this.expect('(', 'after _Static_assert');
    const value = this.constantExpression('The condition of _Static_assert');
    const message = this.accept(',') ? this.token.text : '';
    while (this.token.kind === TokenKind.string) this.next();
    this.expect(')', 'after _Static_assert');
    this.expectSoft(';', 'after _Static_assert');
    if (value === 0n)
      this.checker.error(
        'static-assert',
        start.range,
        `The assertion does not hold${message === '' ? '' : `: ${message}`}.`,
      );
  }
}

/** What gcc takes for an enumeration: unsigned int when no value is negative. */
function enumerationBase(values: readonly { value: bigint }[], model: DataModel): IntegerType {
  const negative = values.some(({ value }) => value < 0n);
  const wide = values.some(({ value }) => value >= 1n << (negative ? 31n : 32n) || value < -(1n << 31n));
  if (wide)
    return integerType(
      negative
        ? model.wordBytes === 8
          ? 'long'
          : 'long long'
        : model.wordBytes === 8
          ? 'unsigned long'
          : 'unsigned long long',
      model,
    );
  return integerType(negative ? 'int' : 'unsigned int', model);
}
