/**
 * Expressions that the front end itself writes in C (builtin-texts.ts): read at the place of the call, in a scope that
 * holds their parameters.
 */
import type { Operand } from './checker.ts';
import type { Expression, SourceRange, VariableSymbol } from './tree.ts';
import type { CType } from './types.ts';
import type { BuiltinText, ExpressionText } from './builtin-texts.ts';
import { Cursor } from './parser-cursor.ts';
import { SourceFile } from './source.ts';
import { type Token, lex } from './lexer.ts';
import { constantValue } from './checker-constants.ts';
import { convertAssigned, promote, valueOf } from './checker-conversions.ts';
import { errorOperand, isError, valueOperand } from './checker.ts';
import { overflowText } from './builtin-texts.ts';
import { unqualified, wrapToType } from './types.ts';

const lexed = new Map<string, readonly Token[]>();

function tokensOf(text: string): readonly Token[] {
  const known = lexed.get(text) ?? lex(new SourceFile('', text));
  lexed.set(text, known);
  return known;
}

export abstract class TextParser extends Cursor {
  /** A type in parentheses or sizeof: `unsigned long *`. */
  protected abstract typeName(): CType;
  protected abstract expression(): Operand;

  /** A call of a builtin that is written as C. */
  protected builtinFromText(
    name: string,
    row: BuiltinText,
    args: readonly Operand[],
    range: SourceRange,
  ): Operand {
    const { parameters, ignored, fold } = row;
    const given = args.length;
    if (given < parameters.length || given > parameters.length + ignored) {
      const text = `'${name}' takes ${parameters.length} arguments, but is called with ${given}.`;
      this.checker.error('argument-count', range, text);
      return errorOperand(range);
    }
    const result = this.expressionFromText(name, row, args.slice(0, parameters.length), range);
    if (fold === undefined || result.kind !== 'value') return result;
    const constants = args.map((arg) => constantValue(valueOf(this.checker, arg)));
    const known = constants.filter((value) => value !== null);
    if (known.length < given) return result;
    const { type } = result.value;
    const value = wrapToType(fold(known), type, this.checker.model);
    return valueOperand({ kind: 'constant', value, type, range });
  }

  /** `__builtin_add_overflow` and its like: how depends on the types of the operands and of the result. */
  protected overflowBuiltin(name: string, args: readonly Operand[], range: SourceRange): Operand {
    const types = args.map((arg) => valueOf(this.checker, arg).type);
    const target = types[2]?.kind === 'pointer' ? types[2].to : undefined;
    const integers = [types[0], types[1], target].flatMap((type) => (type?.kind === 'integer' ? [type] : []));
    const text = args.length === 3 && integers.length === 3 ? overflowText(name, integers) : null;
    if (text !== null) return this.expressionFromText(name, text, args, range);
    const why = `'${name}' takes two integers and a pointer to one, of 64 bits only when all are signed or none is.`;
    this.checker.error('unsupported.builtin', range, why);
    return errorOperand(range);
  }

  /** The expression with the arguments as its parameters, each evaluated once. */
  protected expressionFromText(
    name: string,
    { parameters, locals, text }: ExpressionText,
    args: readonly Operand[],
    range: SourceRange,
  ): Operand {
    const { checker } = this;
    const references = checker.references.length;
    checker.openScope();
    try {
      const bound = parameters.map(([parameter, type], i) => {
        const value = valueOf(checker, args[i] ?? errorOperand(range));
        const wanted = type === null ? promote(checker, value).type : this.typeFromText(type);
        const given = convertAssigned(checker, value, wanted, `passing argument ${i + 1} of '${name}'`);
        return { symbol: this.named(parameter, given.type, range), value: given };
      });
      for (const [local, type] of locals) this.named(local, this.typeFromText(type), range);
      if (bound.some(({ value }) => isError(value.type))) return errorOperand(range);
      const body = valueOf(
        checker,
        this.reading(tokensOf(text), () => this.expression()),
      );
      if (isError(body.type)) return errorOperand(range);
      return valueOperand(withValues(bound, { ...body, range }, range));
    } finally {
      checker.closeScope();
      checker.references.length = references;
    }
  }

  private typeFromText(text: string): CType {
    return unqualified(this.reading(tokensOf(text), () => this.typeName()));
  }

  private named(name: string, type: CType, range: SourceRange): VariableSymbol {
    const symbol = this.checker.temporary(type, range);
    this.checker.scope.symbols.set(name, symbol);
    return symbol;
  }
}

function withValues(
  bound: readonly { symbol: VariableSymbol; value: Expression }[],
  body: Expression,
  range: SourceRange,
): Expression {
  return bound.reduceRight<Expression>(
    (inner, { symbol, value }) => ({ kind: 'let', symbol, value, body: inner, type: inner.type, range }),
    body,
  );
}
