/**
 * Declaration specifiers, declarators, structures, enumerations and attributes (C11 6.7.1 to 6.7.7): the part of a
 * declaration that makes its type.
 */
import type { CType, DataModel, IntegerName, IntegerType, RecordDefinition } from './types.ts';
import type { SourceRange } from './tree.ts';
import type { StorageWord } from './checker-declarations.ts';
import type { MemberDeclaration } from './layout.ts';
import {
  ERROR_TYPE,
  VOID,
  arrayOf,
  integerType,
  pointerTo,
  qualified,
  typeName,
  unqualified,
} from './types.ts';
import { ExpressionParser } from './parser-expressions.ts';
import { KEYWORDS, Panic } from './parser-cursor.ts';
import { Token, TokenKind } from './lexer.ts';
import { constantValue } from './checker-constants.ts';
import { declareEnumerator } from './checker-declarations.ts';
import { isError, operandType, withAlias } from './checker.ts';
import { layOut } from './layout.ts';
import { lookUp, lookUpTag, similarName } from './scopes.ts';
import { vaListType } from './checker-calls.ts';

/** What __attribute__ and _Alignas say, as far as it matters here. */
export interface Attributes {
  packed: boolean;
  /** In bytes, 1 for none. */
  align: number;
  noReturn: boolean;
  unused: boolean;
}

/** The words before the declarators. */
export interface Specifiers {
  readonly type: CType;
  readonly storage: StorageWord;
  readonly attributes: Attributes;
  /** No word named a type: `f(x) {` of old C. */
  readonly implicitInt: boolean;
}

export interface ParsedParameter {
  readonly name: Token | null;
  /** Null in an identifier list, until declared. */
  readonly type: CType | null;
}

export interface Declarator {
  readonly name: Token | null;
  readonly type: CType;
  /** Of the function that the name is, when it is one. */
  readonly parameters: readonly ParsedParameter[] | null;
  /** The parameters are an identifier list. */
  readonly oldStyle: boolean;
}

/** Declarator as parsed: what it makes of a base type. */
interface Shape {
  readonly name: Token | null;
  readonly build: (base: CType) => CType;
  readonly parameters: readonly ParsedParameter[] | null;
  readonly oldStyle: boolean;
}

type Suffix =
  | { readonly kind: 'array'; readonly length: number | null; readonly range: SourceRange }
  | {
      readonly kind: 'function';
      readonly parameters: readonly ParsedParameter[];
      readonly variadic: boolean;
      readonly unprototyped: boolean;
      readonly oldStyle: boolean;
      readonly range: SourceRange;
    };

const STORAGE_WORDS: ReadonlySet<string> = new Set(['typedef', 'extern', 'static', 'auto', 'register']);
const CONST_WORDS: ReadonlySet<string> = new Set(['const', '__const', '__const__']);
const VOLATILE_WORDS: ReadonlySet<string> = new Set(['volatile', '__volatile', '__volatile__']);
/** Words that change nothing here. */
const IGNORED_WORDS: ReadonlySet<string> = new Set([
  'restrict',
  '__restrict',
  '__restrict__',
  'inline',
  '__inline',
  '__inline__',
  '__extension__',
]);
const ATTRIBUTE_WORDS: ReadonlySet<string> = new Set(['__attribute__', '__attribute']);
const TYPEOF_WORDS: ReadonlySet<string> = new Set(['typeof', '__typeof', '__typeof__']);
const SIGNED_WORDS: ReadonlySet<string> = new Set(['signed', '__signed', '__signed__']);
const NUMBER_WORDS: ReadonlySet<string> = new Set([
  ...SIGNED_WORDS,
  'unsigned',
  'char',
  'short',
  'int',
  'long',
  '_Bool',
  'void',
]);
/** Not supported -> what to do instead. */
const UNSUPPORTED_WORDS: ReadonlyMap<string, string> = new Map([
  ['float', 'Floating point is not supported: a kernel has none. Use integers.'],
  ['double', 'Floating point is not supported: a kernel has none. Use integers.'],
  ['_Complex', 'Floating point is not supported: a kernel has none. Use integers.'],
  ['__int128', 'Integers of 128 bits are not supported. Use two of 64.'],
  ['_Atomic', '_Atomic is not supported. There is one vCPU at a time: use an ordinary object.'],
  ['_Thread_local', 'Thread-local objects are not supported. Use an ordinary static object.'],
  ['__thread', 'Thread-local objects are not supported. Use an ordinary static object.'],
]);
const UNSUPPORTED_QUALIFIERS: ReadonlySet<string> = new Set(['_Atomic', '_Thread_local', '__thread']);

const TYPE_WORDS: ReadonlySet<string> = new Set([
  ...STORAGE_WORDS,
  ...CONST_WORDS,
  ...VOLATILE_WORDS,
  ...IGNORED_WORDS,
  ...TYPEOF_WORDS,
  ...NUMBER_WORDS,
  ...UNSUPPORTED_WORDS.keys(),
  ...['struct', 'union', 'enum', '_Noreturn', '_Alignas', '__auto_type', '__builtin_va_list'],
]);

const beginsType = (text: string): boolean =>
  NUMBER_WORDS.has(text) || text === 'struct' || text === 'union' || text === 'enum';

/** Sorted words -> the type they name. */
const NUMBER_TYPES: ReadonlyMap<string, IntegerName> = new Map<string, IntegerName>([
  ['_Bool', '_Bool'],
  ['char', 'char'],
  ['char signed', 'signed char'],
  ['char unsigned', 'unsigned char'],
  ['short', 'short'],
  ['short unsigned', 'unsigned short'],
  ['', 'int'],
  ['unsigned', 'unsigned int'],
  ['long', 'long'],
  ['long unsigned', 'unsigned long'],
  ['long long', 'long long'],
  ['long long unsigned', 'unsigned long long'],
]);

/** Alignment that `__attribute__((aligned))` without a number gives on x86. */
const BIGGEST_ALIGNMENT = 16;

const MAX_POINTERS = 64;

export const noAttributes = (): Attributes => ({ packed: false, align: 1, noReturn: false, unused: false });

export abstract class TypeParser extends ExpressionParser {
  protected startsType(token: Token): boolean {
    if (token.kind !== TokenKind.identifier) return false;
    if (TYPE_WORDS.has(token.text)) return token.text !== '__extension__' || this.startsType(this.peek(1));
    return !KEYWORDS.has(token.text) && lookUp(this.checker.scope, token.text)?.kind === 'typedef';
  }

  protected typeName(): CType {
    const specifiers = this.specifiers();
    const shape = this.shape('abstract');
    return shape.build(specifiers.type);
  }

  /** A name stands where only a type can: nobody declared it. Said once; what it declares is of no known type. */
  private unknownType(): CType {
    const name = this.next();
    if (this.checker.unknownTypes.has(name.text)) return ERROR_TYPE;
    this.checker.unknownTypes.add(name.text);
    const similar = similarName(this.checker.scope, name.text, 'typedef');
    const advice = similar === null ? 'Include the header that declares it.' : `Did you mean '${similar}'?`;
    this.checker.error('undeclared-type', name.range, `'${name.text}' is not the name of a type. ${advice}`);
    return ERROR_TYPE;
  }

  /** Whether an undeclared name stands as a type would: before another name, or before `*` and a name. */
  protected looksLikeType(): boolean {
    if (this.name === null || lookUp(this.checker.scope, this.token.text) !== null) return false;
    const isPointer = this.peek(1).is('*');
    const after = this.peek(isPointer ? 2 : 1);
    if (after.kind !== TokenKind.identifier || KEYWORDS.has(after.text) || after.first) return false;
    return !isPointer || [';', '=', ',', ')', '(', '['].some((text) => this.peek(3).is(text));
  }

  // ---- specifiers ------------------------------------------------------------------------------------------------

  protected specifiers(): Specifiers {
    const start = this.token;
    const attributes = noAttributes();
    const words: string[] = [];
    let storage: StorageWord = null;
    let named: CType | null = null;
    let isConst = false;
    let isVolatile = false;
    for (;;) {
      const { token } = this;
      if (token.kind !== TokenKind.identifier) break;
      const { text } = token;
      if (STORAGE_WORDS.has(text)) storage = this.storageWord(storage);
      else if (CONST_WORDS.has(text)) isConst = this.next() !== null;
      else if (VOLATILE_WORDS.has(text)) isVolatile = this.next() !== null;
      else if (IGNORED_WORDS.has(text)) this.next();
      else if (text === '_Noreturn') attributes.noReturn = this.next() !== null;
      else if (ATTRIBUTE_WORDS.has(text)) this.attributes(attributes);
      else if (text === '_Alignas') this.alignas(attributes);
      else if (named !== null && named.kind !== 'error' && beginsType(text)) break;
      else if (NUMBER_WORDS.has(text)) words.push(this.next().text);
      else if (UNSUPPORTED_WORDS.has(text)) named = this.unsupportedWord() ?? named;
      else if (text === 'struct' || text === 'union') named = this.record(attributes);
      else if (text === 'enum') named = this.enumeration();
      else if (TYPEOF_WORDS.has(text)) named = this.typeof();
      else if (named === null && words.length === 0 && !KEYWORDS.has(text)) {
        const known = this.namedType(token) ?? (this.looksLikeType() ? this.unknownType() : null);
        if (known === null) break;
        named = known;
      } else break;
    }
    const base = named ?? this.numberType(words, start);
    const type = qualified(base, { const: isConst, volatile: isVolatile });
    return { type, storage, attributes, implicitInt: named === null && words.length === 0 };
  }

  /** Behind the `}` of a structure or enumeration a new line begins with a type: the `;` was forgotten. */
  protected semicolonForgotten(): boolean {
    if (!this.previous.is('}') || !this.token.first || !this.startsType(this.token)) return false;
    this.expectSoft(';', 'after the closing brace');
    return true;
  }

  private storageWord(earlier: StorageWord): StorageWord {
    const token = this.next();
    if (earlier !== null && earlier !== token.text) {
      this.checker.error('storage', token.range, `'${token.text}' cannot be combined with '${earlier}'.`);
    }
    return token.text as StorageWord;
  }

  private namedType(token: Token): CType | null {
    if (token.text === '__builtin_va_list') {
      this.next();
      return vaListType(this.checker);
    }
    const symbol = lookUp(this.checker.scope, token.text);
    if (symbol?.kind !== 'typedef') return null;
    this.next();
    this.checker.refer(token.range, symbol);
    return withAlias(symbol.type, symbol.name);
  }

  /** Says that the word is not supported; gives the error type when it names a type. */
  private unsupportedWord(): CType | null {
    const token = this.next();
    this.checker.error('unsupported.type', token.range, UNSUPPORTED_WORDS.get(token.text) ?? '');
    return UNSUPPORTED_QUALIFIERS.has(token.text) ? null : ERROR_TYPE;
  }

  private numberType(words: readonly string[], start: Token): CType {
    if (words.includes('void')) {
      if (words.length === 1) return VOID;
    } else {
      const isShortWord = words.some((word) => word === 'char' || word === '_Bool');
      const kept = words.map((word) => (SIGNED_WORDS.has(word) ? 'signed' : word));
      const counted = kept.filter((word) => word !== 'int' && (word !== 'signed' || isShortWord)).sort();
      const name = NUMBER_TYPES.get(counted.join(' '));
      const ints = kept.reduce((count, word) => count + (word === 'int' ? 1 : 0), 0);
      if (name !== undefined && ints <= 1 && !(isShortWord && ints > 0)) return this.checker.integer(name);
    }
    this.checker.error('bad-type', this.rangeFrom(start), `'${words.join(' ')}' is no type.`);
    return ERROR_TYPE;
  }

  private typeof(): CType {
    this.next();
    this.expect('(', 'after typeof');
    const type = this.startsType(this.token) ? this.typeName() : operandType(this.expression());
    this.expect(')', 'after the operand of typeof');
    return type;
  }

  // ---- attributes ------------------------------------------------------------------------------------------------

  /** Every __attribute__((...)) that stands here. */
  protected attributes(into: Attributes): void {
    while (this.token.kind === TokenKind.identifier && ATTRIBUTE_WORDS.has(this.token.text)) {
      this.next();
      this.expect('(', 'after __attribute__');
      this.expect('(', 'after __attribute__(');
      while (!this.is(')')) {
        if (this.atEnd) this.unexpected("'))'");
        if (this.accept(',')) continue;
        this.attribute(into);
      }
      this.expect(')', 'after the attributes');
      this.expect(')', 'after the attributes');
    }
  }

  private attribute(into: Attributes): void {
    const token = this.next();
    const name = token.text.replace(/^__(.*)__$/, '$1');
    if (name === 'packed') into.packed = true;
    else if (name === 'noreturn') into.noReturn = true;
    else if (name === 'unused' || name === 'used') into.unused = true;
    if (!this.is('(')) {
      if (name === 'aligned') into.align = Math.max(into.align, BIGGEST_ALIGNMENT);
      return;
    }
    if (name !== 'aligned') {
      this.skipBalanced('(', ')');
      return;
    }
    this.next();
    this.setAlign(into, this.constantExpression("The argument of 'aligned'"), token.range);
    this.expect(')', 'after the alignment');
  }

  private setAlign(into: Attributes, value: bigint | null, range: SourceRange): void {
    if (value === null) return;
    const isPower = value > 0n && (value & (value - 1n)) === 0n && value <= 1n << 28n;
    if (isPower) into.align = Math.max(into.align, Number(value));
    else if (value !== 0n)
      this.checker.error('alignment', range, `An alignment must be a power of two, not ${value}.`);
  }

  private alignas(into: Attributes): void {
    const token = this.next();
    this.expect('(', 'after _Alignas');
    if (this.startsType(this.token)) {
      const bytes = this.checker.sizeOf(this.typeName());
      if (bytes !== null && (bytes & (bytes - 1)) === 0) into.align = Math.max(into.align, bytes);
    } else this.setAlign(into, this.constantExpression("The argument of '_Alignas'"), token.range);
    this.expect(')', 'after the alignment');
  }

  // ---- declarators -----------------------------------------------------------------------------------------------

  protected declarator(base: CType): Declarator {
    const shape = this.shape('named');
    return {
      name: shape.name,
      type: shape.build(base),
      parameters: shape.parameters,
      oldStyle: shape.oldStyle,
    };
  }

  /** `abstract`: without a name, as in a cast. `either`: of a parameter. */
  private shape(form: 'named' | 'abstract' | 'either'): Shape {
    return this.nested(() => {
      const pointers = this.pointers();
      const inner = this.innerShape(form);
      const suffixes = this.suffixes();
      const first = suffixes[0];
      const own = inner.isName && first?.kind === 'function' ? first : null;
      const build = (base: CType): CType => {
        let type = base;
        for (const qualifiers of pointers) type = qualified<CType>(pointerTo(type), qualifiers);
        for (let i = suffixes.length - 1; i >= 0; i--) type = this.applySuffix(type, suffixes[i] as Suffix);
        return inner.build(type);
      };
      return {
        name: inner.name,
        build,
        parameters: own?.parameters ?? inner.parameters,
        oldStyle: own?.oldStyle ?? inner.oldStyle,
      };
    });
  }

  private pointers(): { const: boolean; volatile: boolean }[] {
    const found: { const: boolean; volatile: boolean }[] = [];
    this.attributes(noAttributes());
    while (this.accept('*')) {
      const qualifiers = { const: false, volatile: false };
      for (;;) {
        const { text, kind } = this.token;
        if (kind !== TokenKind.identifier) break;
        if (CONST_WORDS.has(text)) qualifiers.const = true;
        else if (VOLATILE_WORDS.has(text)) qualifiers.volatile = true;
        else if (ATTRIBUTE_WORDS.has(text)) {
          this.attributes(noAttributes());
          continue;
        } else if (!IGNORED_WORDS.has(text)) break;
        this.next();
      }
      found.push(qualifiers);
      if (found.length > MAX_POINTERS) {
        this.fail('too-deep', this.token.range, `A pointer to a pointer can go ${MAX_POINTERS} levels deep.`);
      }
    }
    return found;
  }

  /** The name, or a declarator in parentheses, or (abstract) nothing. */
  private innerShape(form: 'named' | 'abstract' | 'either'): Shape & { isName: boolean } {
    const plain = { build: (type: CType): CType => type, parameters: null, oldStyle: false };
    const name = form === 'abstract' ? null : this.name;
    if (name !== null) {
      this.next();
      return { ...plain, name, isName: true };
    }
    if (this.is('(') && this.opensDeclarator(form)) {
      this.next();
      const inner = this.shape(form);
      this.expect(')', "to close the '(' of the declaration");
      return { ...inner, isName: inner.parameters === null && inner.name !== null };
    }
    if (form === 'named') this.unexpected('a name');
    return { ...plain, name: null, isName: false };
  }

  private opensDeclarator(form: 'named' | 'abstract' | 'either'): boolean {
    const after = this.peek(1);
    if (after.is(')') || this.startsType(after)) return false;
    return (
      form === 'named' ||
      after.is('*') ||
      after.is('(') ||
      after.is('[') ||
      after.kind === TokenKind.identifier
    );
  }

  private suffixes(): Suffix[] {
    const found: Suffix[] = [];
    for (;;) {
      const start = this.token;
      if (this.accept('[')) found.push(this.arraySuffix(start));
      else if (this.is('(')) found.push(this.functionSuffix(start));
      else return found;
    }
  }

  private arraySuffix(start: Token): Suffix {
    while (this.is('static') || this.is('const') || this.is('restrict') || this.is('volatile')) this.next();
    if (this.accept(']')) return { kind: 'array', length: null, range: this.rangeFrom(start) };
    const place = this.token;
    const value = this.expressionValue();
    this.expect(']', "after the array's length");
    const range = this.rangeFrom(start);
    const length = constantValue(value);
    if (isError(value.type)) return { kind: 'array', length: 1, range };
    if (length === null) {
      const text =
        'The length of an array must be a constant. Take the largest length, or pages from get_page().';
      this.checker.error('unsupported.variable-length', place.range, text);
    } else if (length < 0n || length > 0x7fff_ffffn) {
      this.checker.error('array-length', place.range, `An array cannot have ${length} elements.`);
    } else return { kind: 'array', length: Number(length), range };
    return { kind: 'array', length: 1, range };
  }

  private functionSuffix(start: Token): Suffix {
    this.next();
    if (this.accept(')'))
      return this.function([], { unprototyped: true, variadic: false, oldStyle: false }, start);
    if (this.is('void') && this.peek(1).is(')')) {
      this.next();
      this.next();
      return this.function([], { unprototyped: false, variadic: false, oldStyle: false }, start);
    }
    const after = this.peek(1);
    const isListed = this.name !== null && (after.is(',') || after.is(')'));
    if (isListed && !this.startsType(this.token)) return this.identifierList(start);
    const parameters: ParsedParameter[] = [];
    let variadic = false;
    this.checker.openScope();
    try {
      do {
        if (this.accept('...')) {
          variadic = true;
          break;
        }
        parameters.push(this.parameter());
      } while (this.accept(','));
    } finally {
      this.checker.closeScope();
    }
    this.expect(')', 'after the parameters');
    return this.function(parameters, { unprototyped: false, variadic, oldStyle: false }, start);
  }

  private function(
    parameters: readonly ParsedParameter[],
    form: { unprototyped: boolean; variadic: boolean; oldStyle: boolean },
    start: Token,
  ): Suffix {
    return { kind: 'function', parameters, ...form, range: this.rangeFrom(start) };
  }

  /** Names without types, as old C and the wiki page write parameters. */
  private identifierList(start: Token): Suffix {
    const parameters: ParsedParameter[] = [];
    do {
      const name = this.name ?? this.unexpected('the name of a parameter');
      this.next();
      parameters.push({ name, type: null });
    } while (this.accept(','));
    this.expect(')', 'after the parameters');
    return this.function(parameters, { unprototyped: true, variadic: false, oldStyle: true }, start);
  }

  private parameter(): ParsedParameter {
    const start = this.token;
    if (!this.startsType(start) && !ATTRIBUTE_WORDS.has(start.text)) {
      if (this.name === null) this.unexpected('the type of a parameter');
      if (!this.looksLikeType()) return { name: null, type: this.unknownType() };
    }
    const specifiers = this.specifiers();
    const shape = this.shape('either');
    this.attributes(noAttributes());
    return { name: shape.name, type: adjusted(shape.build(specifiers.type)) };
  }

  private applySuffix(type: CType, suffix: Suffix): CType {
    if (suffix.kind === 'array')
      return isError(type) ? type : this.arrayType(type, suffix.length, suffix.range);
    if (type.kind === 'array' || type.kind === 'function') {
      this.checker.error(
        'bad-type',
        suffix.range,
        `A function cannot return '${typeName(type)}'. Return a pointer.`,
      );
      return ERROR_TYPE;
    }
    const parameters = suffix.parameters.map((parameter) =>
      unqualified(parameter.type ?? this.checker.integer('unsigned long')),
    );
    const { variadic, unprototyped } = suffix;
    return {
      kind: 'function',
      returns: unqualified(type),
      parameters,
      variadic,
      unprototyped,
      const: false,
      volatile: false,
    };
  }

  private arrayType(of: CType, length: number | null, range: SourceRange): CType {
    const bytes = this.checker.sizeOf(of);
    if (bytes === null) {
      this.checker.error(
        'incomplete-type',
        range,
        `There can be no array of '${typeName(of)}', whose size is not known.`,
      );
      return ERROR_TYPE;
    }
    if (bytes * (length ?? 1) > Number.MAX_SAFE_INTEGER) {
      this.checker.error('too-large', range, 'This array is larger than any memory.');
      return ERROR_TYPE;
    }
    return arrayOf(of, length);
  }

  // ---- structures and enumerations -------------------------------------------------------------------------------

  private record(declared: Attributes): CType {
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
        declarator?.type ?? specifiers.type,
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

  private enumeration(): CType {
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

/** A parameter's type: arrays and functions are passed as pointers (6.7.6.3). */
function adjusted(type: CType): CType {
  if (type.kind === 'array') return pointerTo(type.of);
  return type.kind === 'function' ? pointerTo(type) : type;
}
