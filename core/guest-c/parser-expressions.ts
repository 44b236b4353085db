/**
 * Expressions (C11 6.5) by recursive descent, binary operators by precedence. Types are given as the text is read.
 */
import type { Operand } from './checker.ts';
import type { BlockStatement, Expression, Lvalue, SourceRange, Statement } from './tree.ts';
import type { CType } from './types.ts';
import type { ParsedInitialiser } from './checker-initialisers.ts';
import { Cursor, KEYWORDS } from './parser-cursor.ts';
import { Token, TokenKind, rangeBetween } from './lexer.ts';
import { VOID, alignOf, typeName, unqualified } from './types.ts';
import {
  binary,
  assign,
  cast,
  conditional,
  dereference,
  index,
  logical,
  memberOf,
  takeAddress,
  unary,
  update,
} from './checker-operators.ts';
import { buildInitialiser } from './checker-initialisers.ts';
import { builtinCall, call, isBuiltin, libraryName, vaArg } from './checker-calls.ts';
import { characterValue, integerLiteral, stringBytes } from './literals.ts';
import { conditionOf, convert, sentence, valueOf } from './checker-conversions.ts';
import { constantValue } from './checker-constants.ts';
import { defineStatic } from './checker-declarations.ts';
import {
  errorOperand,
  errorValue,
  isError,
  operandRange,
  operandType,
  sameType,
  valueOperand,
} from './checker.ts';
import { findMember } from './layout.ts';
import { lookUp, similarName } from './scopes.ts';
import { staticInitialiser } from './checker-statics.ts';

/** Binary operators by precedence, larger binds tighter. */
const PRECEDENCE: ReadonlyMap<string, number> = new Map([
  ...([
    ['||', 1],
    ['&&', 2],
    ['|', 3],
    ['^', 4],
    ['&', 5],
    ['==', 6],
    ['!=', 6],
  ] as const),
  ...([
    ['<', 7],
    ['>', 7],
    ['<=', 7],
    ['>=', 7],
    ['<<', 8],
    ['>>', 8],
  ] as const),
  ...([
    ['+', 9],
    ['-', 9],
    ['*', 10],
    ['/', 10],
    ['%', 10],
  ] as const),
]);

const ASSIGNMENTS: ReadonlySet<string> = new Set([
  '*=',
  '/=',
  '%=',
  '+=',
  '-=',
  '<<=',
  '>>=',
  '&=',
  '^=',
  '|=',
]);

/** A chain of operators longer than this makes a tree too deep to walk. */
const MAX_CHAIN = 2000;

export abstract class ExpressionParser extends Cursor {
  /** A type in parentheses or sizeof: `unsigned long *`. */
  protected abstract typeName(): CType;
  protected abstract startsType(token: Token): boolean;
  protected abstract block(): BlockStatement;
  protected abstract bracedInitialiser(): ParsedInitialiser;

  /** With commas. */
  protected expression(): Operand {
    return this.nested(() => {
      const start = this.token;
      let left = this.assignment();
      for (let links = 0; this.is(','); links++) {
        if (links > MAX_CHAIN) this.chainTooLong();
        this.next();
        const right = this.assignment();
        const a = valueOf(this.checker, left);
        const b = valueOf(this.checker, right);
        const range = this.rangeFrom(start);
        left = valueOperand(
          isError(a.type) || isError(b.type)
            ? errorValue(range)
            : { kind: 'comma', left: a, right: b, type: b.type, range },
        );
      }
      return left;
    });
  }

  private chainTooLong(): never {
    this.fail(
      'too-deep',
      this.token.range,
      `This expression has more than ${MAX_CHAIN} operators in a row. Split it.`,
    );
  }

  protected expressionValue(): Expression {
    return valueOf(this.checker, this.expression());
  }

  /** An expression used as a truth value. */
  protected condition(): Expression {
    const start = this.token;
    const operand = this.expression();
    const value = conditionOf(this.checker, operand, this.rangeFrom(start));
    if (value.kind === 'assign' && !start.is('(')) {
      const text =
        "This assigns; to compare write '=='. Put it in another pair of parentheses if it is meant.";
      this.checker.warning('assign-in-condition', value.range, text);
    }
    return { ...value, range: this.rangeFrom(start) };
  }

  protected assignment(): Operand {
    return this.nested(() => {
      const start = this.token;
      const left = this.conditional();
      const operator = this.token;
      if (operator.kind !== TokenKind.punctuator) return left;
      if (operator.text === '=') {
        this.next();
        const right = valueOf(this.checker, this.assignment());
        return valueOperand(assign(this.checker, left, right, this.rangeFrom(start)));
      }
      if (!ASSIGNMENTS.has(operator.text)) return left;
      this.next();
      const right = valueOf(this.checker, this.assignment());
      const op = operator.text.slice(0, -1);
      return valueOperand(update(this.checker, left, op, right, 'new', this.rangeFrom(start)));
    });
  }

  private conditional(): Operand {
    const start = this.token;
    const first = this.binary(1);
    if (!this.accept('?')) return first;
    if (this.is(':')) return this.omittedOperand(first, start);
    const then = valueOf(this.checker, this.expression());
    this.expect(':', "of the '? :'");
    const otherwise = valueOf(
      this.checker,
      this.nested(() => this.conditional()),
    );
    const condition = conditionOf(this.checker, first, operandRange(first));
    return valueOperand(conditional(this.checker, condition, then, otherwise, this.rangeFrom(start)));
  }

  /** GNU `a ?: b`: a is evaluated once. */
  private omittedOperand(first: Operand, start: Token): Operand {
    this.next();
    const value = conditionOf(this.checker, first, operandRange(first));
    const otherwise = valueOf(
      this.checker,
      this.nested(() => this.conditional()),
    );
    const range = this.rangeFrom(start);
    if (isError(value.type) || isError(otherwise.type)) return errorOperand(range);
    if (value.kind === 'constant')
      return valueOperand(conditional(this.checker, value, value, otherwise, range));
    const symbol = this.checker.temporary(unqualified(value.type), range);
    const read = (): Expression => ({
      kind: 'load',
      from: { kind: 'variable', symbol, type: symbol.type, range },
      type: symbol.type,
      range,
    });
    const body = conditional(this.checker, read(), read(), otherwise, range);
    return valueOperand(
      isError(body.type) ? body : { kind: 'let', symbol, value, body, type: body.type, range },
    );
  }

  private binary(lowest: number): Operand {
    const start = this.token;
    let left = this.unary();
    for (let links = 0; ; links++) {
      const operator = this.token;
      const precedence = operator.kind === TokenKind.punctuator ? PRECEDENCE.get(operator.text) : undefined;
      if (precedence === undefined || precedence < lowest) return left;
      if (links > MAX_CHAIN) this.chainTooLong();
      this.next();
      const right = this.binary(precedence + 1);
      const a = valueOf(this.checker, left);
      const b = valueOf(this.checker, right);
      const range = this.rangeFrom(start);
      const op = operator.text;
      const node =
        op === '&&' || op === '||'
          ? logical(this.checker, op, a, b, range)
          : binary(this.checker, op, a, b, range);
      left = valueOperand(node);
    }
  }

  private unary(): Operand {
    const start = this.token;
    if (start.kind === TokenKind.punctuator) {
      if (start.text === '(' && this.startsType(this.peek(1))) return this.castOrLiteral();
      if (isPrefix(start.text)) return this.nested(() => this.prefix());
    } else if (start.kind === TokenKind.identifier) {
      if (start.text === 'sizeof') return this.sizeof();
      if (start.text === '_Alignof' || start.text === '__alignof__' || start.text === '__alignof')
        return this.alignof();
      if (start.text === '__extension__') {
        this.next();
        return this.nested(() => this.unary());
      }
    }
    return this.postfix(this.primary(), start);
  }

  private prefix(): Operand {
    const operator = this.next();
    const op = operator.text;
    if (op === '++' || op === '--') {
      const target = this.unary();
      const range = this.rangeFrom(operator);
      return valueOperand(update(this.checker, target, op.charAt(0), this.one(range), 'new', range));
    }
    if (op === '&&') {
      this.fail(
        'unsupported.label-address',
        operator.range,
        'Addresses of labels (&&label) are not supported. Use switch.',
      );
    }
    const operand = this.unary();
    const range = this.rangeFrom(operator);
    if (op === '&') return valueOperand(takeAddress(this.checker, operand, range));
    if (op === '*') {
      return dereference(this.checker, valueOf(this.checker, operand), range);
    }
    return valueOperand(
      unary(this.checker, op as '+' | '-' | '~' | '!', valueOf(this.checker, operand), range),
    );
  }

  private one(range: SourceRange): Expression {
    return { kind: 'constant', value: 1n, type: this.checker.integer('int'), range };
  }

  private constant(value: bigint, type: CType, range: SourceRange): Operand {
    const node: Expression = { kind: 'constant', value, type: unqualified(type), range };
    return valueOperand(convert(this.checker, node, type));
  }

  /** `(type) operand` or `(type) { ... }`. */
  private castOrLiteral(): Operand {
    return this.nested(() => {
      const open = this.next();
      const type = this.typeName();
      this.expect(')', 'after the type');
      if (this.is('{')) return this.postfix(this.compoundLiteral(type, open), open);
      const operand = this.unary();
      return valueOperand(cast(this.checker, type, operand, this.rangeFrom(open)));
    });
  }

  private compoundLiteral(type: CType, start: Token): Operand {
    const parsed = this.bracedInitialiser();
    const range = this.rangeFrom(start);
    if (isError(type)) return errorOperand(range);
    if (type.kind === 'void' || type.kind === 'function') {
      this.checker.error('bad-literal', range, `There are no values of type '${typeName(type)}'.`);
      return errorOperand(range);
    }
    const built = buildInitialiser(this.checker, type, parsed);
    if (this.checker.sizeOf(built.type) === null) {
      this.checker.error('incomplete-type', range, `'${typeName(type)}' is not defined here.`);
      return errorOperand(range);
    }
    if (this.checker.function === null && this.checker.scope.owner === null) {
      const symbol = this.checker.variable('', built.type, 'static', range);
      symbol.initialiser = staticInitialiser(this.checker, built.type, built.initialiser);
      defineStatic(this.checker, symbol);
      return { kind: 'object', object: { kind: 'variable', symbol, type: built.type, range } };
    }
    const symbol = this.checker.temporary(built.type, range);
    symbol.addressTaken = true;
    const object: Lvalue = {
      kind: 'compoundLiteral',
      symbol,
      initialiser: built.initialiser,
      type: built.type,
      range,
    };
    return { kind: 'object', object };
  }

  private sizeof(): Operand {
    const start = this.next();
    const type = this.typeOrOperandType();
    const range = this.rangeFrom(start);
    if (isError(type)) return errorOperand(range);
    const bytes = type.kind === 'void' || type.kind === 'function' ? 1 : this.checker.sizeOf(type);
    if (bytes === null) {
      this.checker.error('incomplete-type', range, `The size of '${typeName(type)}' is not known here.`);
      return errorOperand(range);
    }
    return this.constant(BigInt(bytes), this.sizeType(), range);
  }

  private alignof(): Operand {
    const start = this.next();
    const type = this.typeOrOperandType();
    const range = this.rangeFrom(start);
    const isPlainLongLong = type.kind === 'integer' && type.bytes === 8 && start.text !== '_Alignof';
    const bytes = isPlainLongLong ? 8 : alignOf(type, this.checker.model);
    return isError(type) ? errorOperand(range) : this.constant(BigInt(bytes), this.sizeType(), range);
  }

  private sizeType(): CType {
    return this.checker.integer(this.checker.model.wordBytes === 8 ? 'unsigned long' : 'unsigned int');
  }

  private typeOrOperandType(): CType {
    if (!this.is('(') || !this.startsType(this.peek(1))) return operandType(this.unary());
    const open = this.next();
    const type = this.typeName();
    this.expect(')', 'after the type');
    return this.is('{') ? operandType(this.postfix(this.compoundLiteral(type, open), open)) : type;
  }

  private postfix(first: Operand, start: Token): Operand {
    let operand = first;
    for (let links = 0; ; links++) {
      if (links > MAX_CHAIN) this.chainTooLong();
      const operator = this.token;
      if (operator.kind !== TokenKind.punctuator) return operand;
      switch (operator.text) {
        case '[': {
          this.next();
          const subscript = this.expression();
          this.expect(']', 'after the index');
          operand = index(this.checker, operand, subscript, this.rangeFrom(start));
          break;
        }
        case '(': {
          const args = this.callArguments();
          const range = this.rangeFrom(start);
          operand = valueOperand(call(this.checker, operand, args, range, this.previous.range));
          break;
        }
        case '.':
          this.next();
          operand = this.member(operand, start);
          break;
        case '->': {
          this.next();
          const pointer = valueOf(this.checker, operand);
          const target = this.arrowTarget(pointer, operator);
          operand = this.member(target, start);
          break;
        }
        case '++':
        case '--': {
          this.next();
          const range = this.rangeFrom(start);
          operand = valueOperand(
            update(this.checker, operand, operator.text.charAt(0), this.one(range), 'old', range),
          );
          break;
        }
        default:
          return operand;
      }
    }
  }

  private arrowTarget(pointer: Expression, arrow: Token): Operand {
    if (pointer.type.kind === 'record') {
      const name = this.token.text;
      this.checker.error(
        'not-pointer',
        arrow.range,
        `This is a '${typeName(pointer.type)}', no pointer. Write '.${name}'.`,
      );
      return errorOperand(pointer.range);
    }
    return dereference(this.checker, pointer, pointer.range);
  }

  private member(operand: Operand, start: Token): Operand {
    if (this.token.kind !== TokenKind.identifier) this.unexpected('the name of a member');
    const name = this.next();
    return memberOf(this.checker, operand, name.text, this.rangeFrom(start), name.range);
  }

  /** `( a, b, ... )` */
  private callArguments(): Operand[] {
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

  private primary(): Operand {
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
    const last = block.body[block.body.length - 1];
    if (last?.kind !== 'expression' || last.expression.type.kind === 'void') {
      return valueOperand({ kind: 'statementExpression', block, result: null, type: VOID, range });
    }
    const body: readonly Statement[] = block.body.slice(0, -1);
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
        return {
          kind: 'object',
          object: { kind: 'variable', symbol, type: symbol.type, range: token.range },
        };
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
    const library = libraryName(token.text);
    const function_ = library === null ? null : lookUp(checker.scope, library);
    if (function_?.kind === 'function') {
      checker.noteUse(function_, token.range);
      return { kind: 'function', symbol: function_, range: token.range };
    }
    if (checker.function?.undeclared.has(token.text) !== true) {
      checker.function?.undeclared.add(token.text);
      const what = this.is('(') ? 'Function' : 'Name';
      const similar = similarName(checker.scope, token.text);
      const advice =
        similar === null
          ? 'Declare it first, or include the header that does.'
          : `Did you mean '${similar}'?`;
      checker.error('undeclared', token.range, `${what} '${token.text}' is not declared. ${advice}`);
    }
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

  // ---- constants -------------------------------------------------------------------------------------------------

  /** An integer constant expression; reports when it is none and gives null. `what` begins the message. */
  protected constantExpression(what: string): bigint | null {
    const start = this.token;
    const value = valueOf(
      this.checker,
      this.nested(() => this.conditional()),
    );
    if (isError(value.type)) return null;
    const known = value.type.kind === 'integer' ? constantValue(value) : null;
    if (known === null) {
      const range = rangeBetween(start, this.previous);
      this.checker.error('not-constant', range, sentence(`${what} must be an integer constant.`));
    }
    return known;
  }
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

const isPrefix = (text: string): boolean =>
  text === '&' ||
  text === '*' ||
  text === '-' ||
  text === '!' ||
  text === '~' ||
  text === '+' ||
  text === '++' ||
  text === '--' ||
  text === '&&';
