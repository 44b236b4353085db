/**
 * Declaration specifiers and attributes (C11 6.7.1 to 6.7.5): the words before the declarators.
 */
import type { CType, IntegerName } from './types.ts';
import type { SourceRange } from './tree.ts';
import type { StorageWord } from './checker-declarations.ts';
import type { FormatAttribute } from './checker-formats.ts';
import { ERROR_TYPE, VOID, qualified } from './types.ts';
import { ExpressionParser } from './parser-expressions.ts';
import { KEYWORDS } from './parser-cursor.ts';
import { type Token, TokenKind } from './lexer.ts';
import { operandType, replacing, withAlias } from './checker.ts';
import { lookUp, similarName } from './scopes.ts';
import { vaListType } from './checker-calls.ts';

/** What __attribute__ and _Alignas say, as far as it matters here. */
export interface Attributes {
  packed: boolean;
  /** In bytes, 1 for none. */
  align: number;
  noReturn: boolean;
  unused: boolean;
  mustUse: boolean;
  format: FormatAttribute | null;
}

/** The words before the declarators. */
export interface Specifiers {
  readonly type: CType;
  readonly storage: StorageWord;
  readonly attributes: Attributes;
  /** No word named a type: `f(x) {` of old C. */
  readonly implicitInt: boolean;
}

const STORAGE_WORDS: ReadonlySet<string> = new Set(['typedef', 'extern', 'static', 'auto', 'register']);
export const CONST_WORDS: ReadonlySet<string> = new Set(['const', '__const', '__const__']);
export const VOLATILE_WORDS: ReadonlySet<string> = new Set(['volatile', '__volatile', '__volatile__']);
/** Words that change nothing here. */
export const IGNORED_WORDS: ReadonlySet<string> = new Set([
  'restrict',
  '__restrict',
  '__restrict__',
  'inline',
  '__inline',
  '__inline__',
  '__extension__',
]);
export const ATTRIBUTE_WORDS: ReadonlySet<string> = new Set(['__attribute__', '__attribute']);
const INLINE_WORDS: ReadonlySet<string> = new Set(['inline', '__inline', '__inline__']);
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
/** Attributes of what may stand without being used. */
const QUIET_ATTRIBUTES: ReadonlySet<string> = new Set(['unused', 'used', 'constructor', 'destructor']);
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

export const noAttributes = (): Attributes => ({
  packed: false,
  align: 1,
  noReturn: false,
  unused: false,
  mustUse: false,
  format: null,
});

export abstract class SpecifierParser extends ExpressionParser {
  /** `struct` or `union`, and what follows of it. */
  protected abstract record(declared: Attributes): CType;
  protected abstract enumeration(): CType;

  protected startsType(token: Token): boolean {
    if (token.kind !== TokenKind.identifier) return false;
    if (TYPE_WORDS.has(token.text)) return token.text !== '__extension__' || this.startsType(this.peek(1));
    return !KEYWORDS.has(token.text) && lookUp(this.checker.scope, token.text)?.kind === 'typedef';
  }

  /** A name stands where only a type can: nobody declared it. Said once; what it declares is of no known type. */
  protected unknownType(): CType {
    const name = this.next();
    if (this.checker.unknownTypes.has(name.text)) return ERROR_TYPE;
    this.checker.unknownTypes.add(name.text);
    const similar = similarName(this.checker.scope, name.text, 'typedef');
    const advice = similar === null ? 'Include the header that declares it.' : `Did you mean '${similar}'?`;
    const fix = similar === null ? undefined : replacing(name.range, similar);
    this.checker.error(
      'undeclared-type',
      name.range,
      `'${name.text}' is not the name of a type. ${advice}`,
      fix,
    );
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
      else if (INLINE_WORDS.has(text)) attributes.unused = this.next() !== null;
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
    else if (QUIET_ATTRIBUTES.has(name)) into.unused = true;
    else if (name === 'warn_unused_result') into.mustUse = true;
    if (!this.is('(')) {
      if (name === 'aligned') into.align = Math.max(into.align, BIGGEST_ALIGNMENT);
      return;
    }
    if (name === 'format') {
      this.format(into);
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

  /** `(printf, 1, 2)`: other kinds of format are passed over. */
  private format(into: Attributes): void {
    this.next();
    const isPrinting = /^(__)?printf(__)?$/.test(this.token.text);
    const numbers: number[] = [];
    while (!this.is(')')) {
      if (this.atEnd) this.unexpected("')'");
      const token = this.next();
      if (token.kind === TokenKind.number) numbers.push(Number(token.text));
    }
    this.next();
    const [format = 0, first = 0] = numbers;
    if (isPrinting && format > 0) into.format = { format, first };
  }

  protected setAlign(into: Attributes, value: bigint | null, range: SourceRange): void {
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
}
