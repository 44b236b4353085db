/**
 * Expressions of #if (C11 6.10.1): integers of 64 bits, signed or unsigned, with C's operators. An identifier that is no
 * macro counts as 0. Operands that are not evaluated (behind `0 &&`) may divide by zero.
 */
import type { Token } from './lexer.ts';
import type { ProblemList } from './source.ts';
import { characterValue, integerLiteral } from './literals.ts';
import { TokenKind } from './lexer.ts';
import { PRECEDENCE } from './operators.ts';

interface Value {
  readonly value: bigint;
  readonly unsigned: boolean;
}

const MAX_DEPTH = 200;

class ConditionError extends Error {
  readonly token: Token;
  constructor(token: Token, message: string) {
    super(message);
    this.token = token;
  }
}

/** Whether the condition (macros expanded, `defined` replaced) holds. A mistake is reported and counts as false. */
export function evaluateCondition(
  tokens: readonly Token[],
  directive: Token,
  problems: ProblemList,
): boolean {
  if (tokens.length === 0) {
    problems.error('pp.empty-condition', directive.range, `#${directive.text} has no condition.`);
    return false;
  }
  try {
    return new Condition(tokens, directive).whole().value !== 0n;
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    problems.error(
      'pp.bad-condition',
      error.token.range,
      `In the condition of #${directive.text}: ${error.message}`,
    );
    return false;
  }
}

class Condition {
  private readonly tokens: readonly Token[];
  private readonly directive: Token;
  private at: number;
  private depth: number;

  constructor(tokens: readonly Token[], directive: Token) {
    this.tokens = tokens;
    this.directive = directive;
    this.at = 0;
    this.depth = 0;
  }

  whole(): Value {
    const value = this.conditional(true);
    const rest = this.tokens[this.at];
    if (rest !== undefined) throw new ConditionError(rest, `'${rest.text}' is one too many.`);
    return value;
  }

  private peek(): Token | undefined {
    return this.tokens[this.at];
  }

  private accept(text: string): boolean {
    if (this.peek()?.is(text) !== true) return false;
    this.at++;
    return true;
  }

  private expect(text: string): void {
    if (this.accept(text)) return;
    const token = this.peek() ?? this.directive;
    throw new ConditionError(token, `'${text}' is missing.`);
  }

  /** `live`: the operand counts, so a division by zero in it is a mistake. */
  private conditional(live: boolean): Value {
    if (++this.depth > MAX_DEPTH) throw new ConditionError(this.directive, 'it is nested too deeply.');
    const condition = this.binary(1, live);
    let result = condition;
    if (this.accept('?')) {
      const isTrue = condition.value !== 0n;
      const then = this.conditional(live && isTrue);
      this.expect(':');
      const otherwise = this.conditional(live && !isTrue);
      const chosen = isTrue ? then : otherwise;
      result = made(chosen.value, then.unsigned || otherwise.unsigned);
    }
    this.depth--;
    return result;
  }

  private binary(lowest: number, live: boolean): Value {
    let left = this.unary(live);
    for (;;) {
      const token = this.peek();
      const precedence = token?.kind === TokenKind.punctuator ? PRECEDENCE.get(token.text) : undefined;
      if (token === undefined || precedence === undefined || precedence < lowest) return left;
      this.at++;
      const decided =
        (token.text === '&&' && left.value === 0n) || (token.text === '||' && left.value !== 0n);
      const right = this.binary(precedence + 1, live && !decided);
      left = this.apply(token, left, right, live);
    }
  }

  private apply(operator: Token, left: Value, right: Value, live: boolean): Value {
    const unsigned = left.unsigned || right.unsigned;
    const a = made(left.value, unsigned).value;
    const b = made(right.value, unsigned).value;
    const truth = (holds: boolean): Value => ({ value: holds ? 1n : 0n, unsigned: false });
    switch (operator.text) {
      case '||':
        return truth(a !== 0n || b !== 0n);
      case '&&':
        return truth(a !== 0n && b !== 0n);
      case '|':
        return made(a | b, unsigned);
      case '^':
        return made(a ^ b, unsigned);
      case '&':
        return made(a & b, unsigned);
      case '==':
        return truth(a === b);
      case '!=':
        return truth(a !== b);
      case '<':
        return truth(a < b);
      case '>':
        return truth(a > b);
      case '<=':
        return truth(a <= b);
      case '>=':
        return truth(a >= b);
      case '<<':
        return made(shifted(left.value, right.value), left.unsigned);
      case '>>':
        return made(shifted(left.value, -right.value), left.unsigned);
      case '+':
        return made(a + b, unsigned);
      case '-':
        return made(a - b, unsigned);
      case '*':
        return made(a * b, unsigned);
      default:
        if (b !== 0n) return made(operator.text === '/' ? a / b : a % b, unsigned);
        if (live) throw new ConditionError(operator, 'it divides by zero.');
        return made(0n, unsigned);
    }
  }

  private unary(live: boolean): Value {
    if (++this.depth > MAX_DEPTH) throw new ConditionError(this.directive, 'it is nested too deeply.');
    const value = this.unaryOperand(live);
    this.depth--;
    return value;
  }

  private unaryOperand(live: boolean): Value {
    const token = this.peek();
    if (token === undefined) throw new ConditionError(this.directive, 'an operand is missing at its end.');
    this.at++;
    if (token.kind === TokenKind.punctuator) {
      if (token.text === '!') return made(this.unary(live).value === 0n ? 1n : 0n, false);
      if (token.text === '-' || token.text === '~' || token.text === '+') {
        const operand = this.unary(live);
        const value =
          token.text === '-' ? -operand.value : token.text === '~' ? ~operand.value : operand.value;
        return made(value, operand.unsigned);
      }
      if (token.text === '(') {
        const inner = this.conditional(live);
        this.expect(')');
        return inner;
      }
    }
    return constant(token);
  }
}

function constant(token: Token): Value {
  if (token.kind === TokenKind.identifier) return made(0n, false);
  if (token.kind === TokenKind.number) {
    const literal = integerLiteral(token.text);
    if (literal !== null) return made(literal.value, literal.unsigned || literal.value >= 1n << 63n);
    throw new ConditionError(token, `'${token.text}' is no integer.`);
  }
  if (token.kind === TokenKind.character) {
    const value = characterValue(token.text);
    if (value !== null) return made(BigInt(value), false);
  }
  throw new ConditionError(token, `'${token.text}' is no operand.`);
}

const made = (value: bigint, unsigned: boolean): Value => ({
  value: unsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value),
  unsigned,
});

function shifted(value: bigint, by: bigint): bigint {
  if (by >= 64n) return 0n;
  if (by <= -64n) return value < 0n ? -1n : 0n;
  return by >= 0n ? value << by : value >> -by;
}
