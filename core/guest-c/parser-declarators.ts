/**
 * Declarators (C11 6.7.6): pointers, arrays and functions around a name.
 */
import type { CType } from './types.ts';
import type { Expression, SourceRange } from './tree.ts';
import { ERROR_TYPE, arrayOf, pointerTo, qualified, typeName, unqualified } from './types.ts';
import {
  ATTRIBUTE_WORDS,
  CONST_WORDS,
  IGNORED_WORDS,
  SpecifierParser,
  VOLATILE_WORDS,
  noAttributes,
} from './parser-specifiers.ts';
import { type Token, TokenKind } from './lexer.ts';
import { constantValue } from './checker-constants.ts';
import { isError } from './checker.ts';

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
  | {
      readonly kind: 'array';
      readonly length: number | null;
      readonly runtimeLength?: Expression;
      readonly range: SourceRange;
    }
  | {
      readonly kind: 'function';
      readonly parameters: readonly ParsedParameter[];
      readonly variadic: boolean;
      readonly unprototyped: boolean;
      readonly oldStyle: boolean;
      readonly range: SourceRange;
    };

const MAX_POINTERS = 64;

export abstract class DeclaratorParser extends SpecifierParser {
  protected typeName(): CType {
    const type = this.startsType(this.token) ? this.specifiers().type : this.unknownType();
    const shape = this.shape('abstract');
    return this.ofFixedLength(shape.build(type));
  }

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
        return inner.build(inner.isParenthesised ? this.ofFixedLength(type) : type);
      };
      return {
        name: inner.name,
        build,
        parameters: own?.parameters ?? inner.parameters,
        oldStyle: own?.oldStyle ?? inner.oldStyle,
      };
    });
  }

  /** Where an array of variable length cannot stand. */
  protected ofFixedLength(type: CType): CType {
    if (type.kind !== 'array' || type.runtimeLength === undefined) return type;
    const text =
      'An array of variable length can only be a local object. Take the largest length, or pages from get_page().';
    this.checker.error('unsupported.variable-length', type.runtimeLength.range, text);
    return arrayOf(type.of, 1);
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
  private innerShape(
    form: 'named' | 'abstract' | 'either',
  ): Shape & { isName: boolean; isParenthesised: boolean } {
    const plain = {
      build: (type: CType): CType => type,
      parameters: null,
      oldStyle: false,
      isParenthesised: false,
    };
    const name = form === 'abstract' ? null : this.name;
    if (name !== null) {
      this.next();
      return { ...plain, name, isName: true };
    }
    if (this.is('(') && this.opensDeclarator(form)) {
      this.next();
      const inner = this.shape(form);
      this.expect(')', "to close the '(' of the declaration");
      return { ...inner, isName: inner.parameters === null && inner.name !== null, isParenthesised: true };
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
    if (this.is('*') && this.peek(1).is(']')) this.next();
    if (this.accept(']')) return { kind: 'array', length: null, range: this.rangeFrom(start) };
    const place = this.token;
    const value = this.expressionValue();
    this.expect(']', "after the array's length");
    const range = this.rangeFrom(start);
    const length = constantValue(value);
    if (isError(value.type)) return { kind: 'array', length: 1, range };
    if (length === null && value.type.kind === 'integer')
      return { kind: 'array', length: null, runtimeLength: value, range };
    if (length === null) {
      this.checker.error('not-integer', place.range, 'The length of an array must be an integer.');
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
        const parameter = this.parameter();
        parameters.push(parameter);
        this.declareForLater(parameter);
      } while (this.accept(','));
    } finally {
      this.checker.closeScope();
    }
    this.expect(')', 'after the parameters');
    return this.function(parameters, { unprototyped: false, variadic, oldStyle: false }, start);
  }

  /** The lengths of later parameters may speak of this one. */
  private declareForLater({ name, type }: ParsedParameter): void {
    if (name === null || type === null || this.checker.scope.symbols.has(name.text)) return;
    const symbol = this.checker.variable(name.text, type, 'parameter', name.range);
    this.checker.scope.symbols.set(name.text, symbol);
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
      return isError(type) ? type : this.arrayType(this.ofFixedLength(type), suffix);
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

  private arrayType(of: CType, suffix: Suffix & { kind: 'array' }): CType {
    const { length, runtimeLength, range } = suffix;
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
    return runtimeLength === undefined ? arrayOf(of, length) : { ...arrayOf(of, null), runtimeLength };
  }
}

/** A parameter's type: arrays and functions are passed as pointers (6.7.6.3). */
function adjusted(type: CType): CType {
  if (type.kind === 'array') return pointerTo(type.of);
  return type.kind === 'function' ? pointerTo(type) : type;
}
