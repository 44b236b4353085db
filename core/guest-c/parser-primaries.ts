/**
 * Primary expressions (C11 6.5.1): names, literals, what stands in parentheses, and gcc's names with a syntax of their own.
 */
import type { Operand } from './checker.ts';
import type { BlockStatement, Expression, SourceRange, Statement } from './tree.ts';
import type { CType } from './types.ts';
import type { ParsedInitialiser } from './checker-initialisers.ts';
import { KEYWORDS } from './parser-cursor.ts';
import { TextParser } from './parser-texts.ts';
import { builtinText, isOverflowBuiltin } from './builtin-texts.ts';
import { type Token, TokenKind } from './lexer.ts';
import { VOID, typeName, unqualified } from './types.ts';
import { builtinCall, isBuiltin, libraryName, vaArg } from './checker-calls.ts';
import { characterValue, integerLiteral, stringBytes } from './literals.ts';
import { convert, valueOf } from './checker-conversions.ts';
import { constantValue } from './checker-constants.ts';
import { errorOperand, replacing, sameType, valueOperand } from './checker.ts';
import { findMember } from './layout.ts';
import { namedObject } from './checker-arrays.ts';
import { lookUp, similarName } from './scopes.ts';

const GCC_BUILTIN = /^__(builtin|sync|atomic)_/;

/** A chain of operators longer than this makes a tree too deep to walk. */
export const MAX_CHAIN = 2000;

export abstract class PrimaryParser extends TextParser {
  protected abstract startsType(token: Token): boolean;
  protected abstract block(): BlockStatement;
  protected abstract bracedInitialiser(): ParsedInitialiser;
  protected abstract assignment(): Operand;

  protected primary(): Operand {
    const { token } = this;
    switch (token.kind) {
      case TokenKind.number:
        return this.number();
      case TokenKind.character:
        return this.character();
      case TokenKind.string:
        return this.string();
      case TokenKind.identifier:
        return this.identifier();
      case TokenKind.punctuator:
        if (token.text === '(') return this.parenthesised();
        return this.unexpected('an expression');
      default:
        return this.unexpected('an expression');
    }
  }

  private parenthesised(): Operand {
    const open = this.next();
    if (this.is('{')) return this.statementExpression(open);
    const inner = this.expression();
    this.expect(')', `to close the '('`);
    return inner;
  }

  /** GNU `({ ... })`; its value is that of its last statement. */
  private statementExpression(open: Token): Operand {
    if (this.checker.function === null) {
      this.fail('statement-expression', open.range, "'({ ... })' can only stand inside a function.");
    }
    const block = this.block();
    this.expect(')', "to close the '({'");
    const range = this.rangeFrom(open);
    const statements = withoutLabelBlock(block);
    const last = statements[statements.length - 1];
    if (last?.kind !== 'expression' || last.expression.type.kind === 'void') {
      return valueOperand({ kind: 'statementExpression', block, result: null, type: VOID, range });
    }
    const body: readonly Statement[] = statements.slice(0, -1);
    const result = last.expression;
    return valueOperand({
      kind: 'statementExpression',
      block: { ...block, body },
      result,
      type: result.type,
      range,
    });
  }

  private number(): Operand {
    const token = this.next();
    const literal = integerLiteral(token.text);
    if (literal === null) {
      const isFloating =
        /^[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?[fFlL]?$/.test(token.text) && /[.eE]/.test(token.text);
      const text = isFloating
        ? 'Floating point is not supported: a kernel has none. Use integers.'
        : `'${token.text}' is no number.`;
      this.checker.error(isFloating ? 'unsupported.floating-point' : 'bad-number', token.range, text);
      return errorOperand(token.range);
    }
    const type = this.literalType(literal.value, literal.unsigned, literal.longs, literal.decimal);
    if (type === null) {
      this.checker.error('bad-number', token.range, `'${token.text}' does not fit into 64 bits.`);
      return errorOperand(token.range);
    }
    return this.constant(literal.value, type, token.range);
  }

  /** The first type of the list that holds the value (6.4.4.1). */
  private literalType(value: bigint, unsigned: boolean, longs: number, decimal: boolean): CType | null {
    for (const [name, unsignedName] of [
      ['int', 'unsigned int'],
      ['long', 'unsigned long'],
      ['long long', 'unsigned long long'],
    ].slice(longs) as [
      'int' | 'long' | 'long long',
      'unsigned int' | 'unsigned long' | 'unsigned long long',
    ][]) {
      const bits = BigInt(this.checker.integer(name).bytes * 8);
      if (!unsigned && value < 1n << (bits - 1n)) return this.checker.integer(name);
      if ((unsigned || !decimal) && value < 1n << bits) return this.checker.integer(unsignedName);
    }
    return value < 1n << 64n ? this.checker.integer('unsigned long long') : null;
  }

  private character(): Operand {
    const token = this.next();
    const value = characterValue(token.text);
    if (value === null || !token.text.startsWith("'")) {
      this.checker.error('bad-character', token.range, `${token.text} is no character that a char can hold.`);
      return errorOperand(token.range);
    }
    if (/^'[^\\'][^\\']/.test(token.text)) {
      const text = `${token.text} are several characters, packed into one int. For a string write double quotes.`;
      this.checker.warning('multi-character', token.range, text);
    }
    return this.constant(BigInt(value), this.checker.integer('int'), token.range);
  }

  /** Neighbouring literals are one. */
  private string(): Operand {
    const first = this.token;
    const bytes: number[] = [];
    while (this.token.kind === TokenKind.string) {
      const token = this.next();
      const part =
        token.text.startsWith('"') || token.text.startsWith('u8"') ? stringBytes(token.text) : null;
      if (part === null) {
        const why = token.text.startsWith('"')
          ? 'has a wrong escape'
          : 'is of wide characters, which are not supported';
        this.checker.error('bad-string', token.range, `The string ${why}.`);
        return errorOperand(token.range);
      }
      for (const byte of part) bytes.push(byte);
    }
    return this.checker.stringLiteral(bytes, this.rangeFrom(first));
  }

  private identifier(): Operand {
    const token = this.token;
    const special = SPECIAL.get(token.text);
    if (special !== undefined) return this[special]();
    if (KEYWORDS.has(token.text)) return this.unexpected('an expression');
    this.next();
    const symbol = lookUp(this.checker.scope, token.text);
    if (symbol === null) return this.unknownName(token);
    this.checker.refer(token.range, symbol);
    switch (symbol.kind) {
      case 'enumerator':
        return this.constant(symbol.value, symbol.type, token.range);
      case 'function':
        this.checker.noteUse(symbol, token.range);
        return { kind: 'function', symbol, range: token.range };
      case 'variable':
        this.checker.noteUse(symbol, token.range);
        return namedObject(symbol, token.range);
      case 'typedef':
        return this.fail(
          'syntax',
          token.range,
          `'${token.text}' is the name of a type; an expression is expected here.`,
        );
    }
  }

  /** A builtin, or a name that nobody declared. */
  private unknownName(token: Token): Operand {
    const { checker } = this;
    if (isBuiltin(token.text) && this.is('(')) {
      const args = this.callArguments();
      return valueOperand(builtinCall(checker, token.text, args, this.rangeFrom(token)));
    }
    const written = this.is('(') ? builtinText(token.text, checker.model) : undefined;
    if (written !== undefined) {
      const args = this.callArguments();
      return this.builtinFromText(token.text, written, args, this.rangeFrom(token));
    }
    if (isOverflowBuiltin(token.text) && this.is('(')) {
      const args = this.callArguments();
      return this.overflowBuiltin(token.text, args, this.rangeFrom(token));
    }
    const library = libraryName(token.text);
    const function_ = library === null ? null : lookUp(checker.scope, library);
    if (function_?.kind === 'function') {
      checker.noteUse(function_, token.range);
      return { kind: 'function', symbol: function_, range: token.range };
    }
    if (GCC_BUILTIN.test(token.text)) return this.unsupportedBuiltin(token);
    if (checker.function?.undeclared.has(token.text) !== true) {
      checker.function?.undeclared.add(token.text);
      const what = this.is('(') ? 'Function' : 'Name';
      const similar = similarName(checker.scope, token.text);
      const advice =
        similar === null
          ? 'Declare it first, or include the header that does.'
          : `Did you mean '${similar}'?`;
      const fix = similar === null ? undefined : replacing(token.range, similar);
      checker.error('undeclared', token.range, `${what} '${token.text}' is not declared. ${advice}`, fix);
    }
    if (this.is('(')) this.callArguments();
    return errorOperand(token.range);
  }

  private unsupportedBuiltin(token: Token): Operand {
    const text = `gcc's '${token.text}' is not supported. Write what it does as a function.`;
    this.checker.error('unsupported.builtin', token.range, text);
    if (this.is('(')) this.callArguments();
    return errorOperand(token.range);
  }

  // ---- names with a syntax of their own --------------------------------------------------------------------------

  functionName(): Operand {
    const token = this.next();
    const name = this.checker.function?.symbol.name ?? this.checker.scope.owner?.name ?? '';
    const bytes = [...name].map((character) => character.charCodeAt(0));
    return this.checker.stringLiteral(bytes, token.range);
  }

  vaArg(): Operand {
    const start = this.next();
    this.expect('(', 'after __builtin_va_arg');
    const list = this.assignment();
    this.expect(',', 'after the va_list');
    const type = this.typeName();
    this.expect(')', 'after the type');
    return vaArg(this.checker, list, type, this.rangeFrom(start));
  }

  offsetof(): Operand {
    const start = this.next();
    this.expect('(', 'after __builtin_offsetof');
    const type = this.typeName();
    this.expect(',', 'after the type');
    let at = 0n;
    let current: CType = type;
    for (let dot = true; ; dot = this.accept('.')) {
      if (dot) {
        const name = this.name ?? this.unexpected('the name of a member');
        this.next();
        const path = current.kind === 'record' ? findMember(current.record.members, name.text) : null;
        const last = path?.[path.length - 1];
        if (path === null || last === undefined || last.bitField !== undefined) {
          this.fail(
            'no-member',
            name.range,
            `'${typeName(current)}' has no member '${name.text}' with an offset.`,
          );
        }
        at += BigInt(path.reduce((sum, member) => sum + member.offset, 0));
        current = last.type;
      } else if (this.accept('[')) {
        const place = this.token.range;
        const position = constantValue(this.expressionValue());
        this.expect(']', 'after the index');
        if (current.kind !== 'array' || position === null)
          this.fail('no-member', place, 'offsetof needs constant indices of arrays.');
        at += position * BigInt(this.checker.sizeOf(current.of) ?? 0);
        current = current.of;
      } else break;
    }
    this.expect(')', 'after the member');
    return this.constant(at, this.sizeType(), this.rangeFrom(start));
  }

  typesCompatible(): Operand {
    const start = this.next();
    this.expect('(', 'after __builtin_types_compatible_p');
    const a = this.typeName();
    this.expect(',', 'between the types');
    const b = this.typeName();
    this.expect(')', 'after the types');
    const same = sameType(unqualified(a), unqualified(b));
    return this.constant(same ? 1n : 0n, this.checker.integer('int'), this.rangeFrom(start));
  }

  chooseExpression(): Operand {
    this.next();
    this.expect('(', 'after __builtin_choose_expr');
    const place = this.token.range;
    const condition = constantValue(valueOf(this.checker, this.assignment()));
    this.expect(',', 'after the condition');
    const then = this.assignment();
    this.expect(',', 'between the expressions');
    const otherwise = this.assignment();
    this.expect(')', 'after the expressions');
    if (condition === null)
      this.fail('not-constant', place, '__builtin_choose_expr needs a constant condition.');
    return condition !== 0n ? then : otherwise;
  }

  /** `_Generic(value, type: expression, ..., default: expression)` */
  generic(): Operand {
    const start = this.next();
    this.expect('(', 'after _Generic');
    const type = unqualified(valueOf(this.checker, this.assignment()).type);
    let chosen: Operand | null = null;
    let fallback: Operand | null = null;
    while (this.accept(',')) {
      const isDefault = this.accept('default');
      const candidate = isDefault ? null : this.typeName();
      this.expect(':', 'after the type');
      const operand = this.assignment();
      if (candidate === null) fallback = operand;
      else if (chosen === null && sameType(candidate, type)) chosen = operand;
    }
    this.expect(')', 'after the choices');
    const result = chosen ?? fallback;
    if (result !== null) return result;
    const range = this.rangeFrom(start);
    this.checker.error('generic', range, `No choice of _Generic fits '${typeName(type)}'.`);
    return errorOperand(range);
  }

  // ---- parts that operators share --------------------------------------------------------------------------------

  protected constant(value: bigint, type: CType, range: SourceRange): Operand {
    const node: Expression = { kind: 'constant', value, type: unqualified(type), range };
    return valueOperand(convert(this.checker, node, type));
  }

  protected sizeType(): CType {
    return this.checker.integer(this.checker.model.wordBytes === 8 ? 'unsigned long' : 'unsigned int');
  }

  /** `( a, b, ... )` */
  protected callArguments(): Operand[] {
    this.expect('(', 'before the arguments');
    const args: Operand[] = [];
    if (this.accept(')')) return args;
    do {
      args.push(this.assignment());
      if (args.length > MAX_CHAIN) this.chainTooLong();
    } while (this.accept(','));
    this.expect(')', 'after the arguments');
    return args;
  }

  protected expressionValue(): Expression {
    return valueOf(this.checker, this.expression());
  }

  protected chainTooLong(): never {
    this.fail(
      'too-deep',
      this.token.range,
      `This expression has more than ${MAX_CHAIN} operators in a row. Split it.`,
    );
  }
}

/** The block's statements; a label at the end and the statement behind it are two of them. */
function withoutLabelBlock(block: BlockStatement): readonly Statement[] {
  const last = block.body[block.body.length - 1];
  if (last?.kind !== 'block' || last.scope !== block.scope) return block.body;
  return [...block.body.slice(0, -1), ...last.body];
}

type SpecialForm = 'functionName' | 'vaArg' | 'offsetof' | 'typesCompatible' | 'chooseExpression' | 'generic';

/** Words with a syntax of their own -> the method that reads them. */
const SPECIAL: ReadonlyMap<string, SpecialForm> = new Map([
  ...([
    ['__func__', 'functionName'],
    ['__FUNCTION__', 'functionName'],
    ['__PRETTY_FUNCTION__', 'functionName'],
  ] as const),
  ...([
    ['__builtin_va_arg', 'vaArg'],
    ['__builtin_offsetof', 'offsetof'],
    ['_Generic', 'generic'],
  ] as const),
  ...([
    ['__builtin_types_compatible_p', 'typesCompatible'],
    ['__builtin_choose_expr', 'chooseExpression'],
  ] as const),
]);
