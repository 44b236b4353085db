/**
 * Expressions (C11 6.5) by recursive descent, binary operators by precedence. Types are given as the text is read.
 */
import type { LabelState, Operand } from './checker.ts';
import type { Expression, Fix, Lvalue, SourceRange } from './tree.ts';
import type { CType } from './types.ts';
import { KEYWORDS } from './parser-cursor.ts';
import { MAX_CHAIN, PrimaryParser } from './parser-primaries.ts';
import { type Token, TokenKind, rangeBetween } from './lexer.ts';
import { alignOf, typeName, unqualified } from './types.ts';
import { assign, dereference, index, memberOf, takeAddress, update } from './checker-objects.ts';
import { binary, cast, conditional, logical, unary } from './checker-operators.ts';
import { buildInitialiser } from './checker-initialisers.ts';
import { call } from './checker-calls.ts';
import { conditionOf, convert, sentence, valueOf } from './checker-conversions.ts';
import { constantValue } from './checker-constants.ts';
import { defineStatic } from './checker-declarations.ts';
import {
  errorOperand,
  errorValue,
  isError,
  operandRange,
  operandType,
  replacing,
  valueOperand,
} from './checker.ts';
import { isBuiltin } from './checker-calls.ts';
import { lookUp } from './scopes.ts';
import { variableSize } from './checker-arrays.ts';
import { staticInitialiser } from './checker-statics.ts';
import { warnPrecedence } from './checker-warnings.ts';
import { PRECEDENCE } from './operators.ts';

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

export abstract class ExpressionParser extends PrimaryParser {
  /** The last `=` whose right side has been read. */
  private lastAssignment: Token | null = null;
  /** The operator of the operand just read, when it has one outside parentheses. */
  private bareOperator: string | null = null;

  /** The label of that name in the current function, declared there or further on. */
  protected abstract label(name: Token): LabelState;

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

  /** An expression used as a truth value. */
  protected condition(): Expression {
    const start = this.token;
    const operand = this.expression();
    const value = conditionOf(this.checker, operand, this.rangeFrom(start));
    if (value.kind === 'assign' && !start.is('(')) {
      const text =
        "This assigns; to compare write '=='. Put it in another pair of parentheses if it is meant.";
      this.checker.warning('assign-in-condition', value.range, text, this.comparing(value.range));
    }
    return { ...value, range: this.rangeFrom(start) };
  }

  /** Makes `==` of the `=` just read, when there is one alone. */
  private comparing(range: SourceRange): Fix | undefined {
    const operator = this.lastAssignment;
    return range.inMacro === true || operator === null ? undefined : replacing(operator.range, '==');
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
        this.lastAssignment = operator;
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
    let bare: string | null = null;
    for (let links = 0; ; links++) {
      const operator = this.token;
      const precedence = operator.kind === TokenKind.punctuator ? PRECEDENCE.get(operator.text) : undefined;
      if (precedence === undefined || precedence < lowest) {
        this.bareOperator = bare;
        return left;
      }
      if (links > MAX_CHAIN) this.chainTooLong();
      this.next();
      const right = this.binary(precedence + 1);
      const a = valueOf(this.checker, left);
      const b = valueOf(this.checker, right);
      const range = this.rangeFrom(start);
      const op = operator.text;
      warnPrecedence(this.checker, op, bare, a);
      warnPrecedence(this.checker, op, this.bareOperator, b);
      bare = op;
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
      if (start.text === '(' && (this.startsType(this.peek(1)) || this.castsToUnknownType()))
        return this.castOrLiteral();
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

  /** `(name *)` or `(name) x` with an undeclared name: its header is missing. */
  private castsToUnknownType(): boolean {
    const name = this.peek(1);
    if (name.kind !== TokenKind.identifier || KEYWORDS.has(name.text)) return false;
    if (lookUp(this.checker.scope, name.text) !== null || isBuiltin(name.text)) return false;
    if (this.peek(2).is('*')) return this.peek(3).is(')') || this.peek(3).is('*');
    const after = this.peek(3).kind;
    const isOperand =
      after === TokenKind.identifier || after === TokenKind.number || after === TokenKind.string;
    return this.peek(2).is(')') && isOperand;
  }

  private prefix(): Operand {
    const operator = this.next();
    const op = operator.text;
    if (op === '++' || op === '--') {
      const target = this.unary();
      const range = this.rangeFrom(operator);
      return valueOperand(update(this.checker, target, op.charAt(0), this.one(range), 'new', range));
    }
    if (op === '&&') return this.labelAddress(operator);
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

  private labelAddress(operator: Token): Operand {
    const { name } = this;
    if (name !== null) this.label(this.next()).used = true;
    const range = this.rangeFrom(operator);
    const text = 'Addresses of labels (&&label) are not supported. Use switch.';
    this.checker.error('unsupported.label-address', range, text);
    return errorOperand(range);
  }

  private one(range: SourceRange): Expression {
    return { kind: 'constant', value: 1n, type: this.checker.integer('int'), range };
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
    const isStatic = this.checker.function === null && this.checker.scope.owner === null;
    const built = buildInitialiser(this.checker, type, parsed, isStatic ? 'static' : 'auto');
    if (this.checker.sizeOf(built.type) === null) {
      this.checker.error('incomplete-type', range, `'${typeName(type)}' is not defined here.`);
      return errorOperand(range);
    }
    if (isStatic) {
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
    const { type, operand } = this.typeOrOperand();
    const range = this.rangeFrom(start);
    if (isError(type)) return errorOperand(range);
    const known = operand === null ? null : variableSize(operand, range);
    if (known !== null) return valueOperand(convert(this.checker, known, this.sizeType()));
    const bytes = type.kind === 'void' || type.kind === 'function' ? 1 : this.checker.sizeOf(type);
    if (bytes === null) {
      this.checker.error('incomplete-type', range, `The size of '${typeName(type)}' is not known here.`);
      return errorOperand(range);
    }
    return this.constant(BigInt(bytes), this.sizeType(), range);
  }

  private alignof(): Operand {
    const start = this.next();
    const { type } = this.typeOrOperand();
    const range = this.rangeFrom(start);
    const isPlainLongLong = type.kind === 'integer' && type.bytes === 8 && start.text !== '_Alignof';
    const bytes = isPlainLongLong ? 8 : alignOf(type, this.checker.model);
    return isError(type) ? errorOperand(range) : this.constant(BigInt(bytes), this.sizeType(), range);
  }

  private typeOrOperand(): { type: CType; operand: Operand | null } {
    let operand: Operand;
    if (this.is('(') && this.startsType(this.peek(1))) {
      const open = this.next();
      const type = this.typeName();
      this.expect(')', 'after the type');
      if (!this.is('{')) return { type, operand: null };
      operand = this.postfix(this.compoundLiteral(type, open), open);
    } else operand = this.unary();
    return { type: operandType(operand), operand };
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
        replacing(arrow.range, '.'),
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
