/**
 * Inline assembly (GNU): the template and its operands. What asm-texts.ts knows becomes the expression that does the same;
 * the rest is one message, said only when the function is used.
 */
import type { Operand } from './checker.ts';
import type { Expression, SourceRange, Statement } from './tree.ts';
import { type AsmOperand, asmText, insteadOf, normalTemplate, operandName } from './asm-texts.ts';
import { type Token, TokenKind } from './lexer.ts';
import { DeclarationParser } from './parser-declarations.ts';
import { VOID } from './types.ts';
import { convert, valueOf } from './checker-conversions.ts';
import { takeAddress } from './checker-objects.ts';
import { valueOperand } from './checker.ts';

interface ParsedOperand extends AsmOperand {
  readonly operand: Operand;
  readonly name: string | null;
  /** The output that this input shares its place with. */
  readonly tiedTo: number | null;
}

const QUALIFIERS: ReadonlySet<string> = new Set(['volatile', '__volatile__', '__volatile', 'goto', 'inline']);

export abstract class AsmParser extends DeclarationParser {
  protected asm(): Statement {
    const start = this.next();
    while (QUALIFIERS.has(this.token.text)) this.next();
    if (!this.is('(')) this.unexpected("'(' after asm");
    this.next();
    const strings = this.strings();
    const operands: ParsedOperand[] = [];
    for (const role of ['output', 'input'] as const) if (this.accept(':')) this.operands(role, operands);
    // Clobbers and labels.
    while (!this.is(')') && !this.is(';') && !this.atEnd) this.next();
    this.expect(')', 'after the assembly');
    this.expectSoft(';', 'after asm');
    const range = this.rangeFrom(start);
    return { kind: 'expression', expression: this.asmExpression(strings, operands, range), range };
  }

  private strings(): string[] {
    const found: string[] = [];
    while (this.token.kind === TokenKind.string) found.push(this.next().text.slice(1, -1));
    return found;
  }

  private operands(role: 'output' | 'input', found: ParsedOperand[]): void {
    while (this.is('[') || this.token.kind === TokenKind.string) {
      const name = this.accept('[') ? this.operandName() : null;
      const constraint = this.strings().join('');
      this.expect('(', 'before the operand');
      const operand = this.expression();
      this.expect(')', 'after the operand');
      const isMemory = /^[^r]*m/.test(constraint) && operand.kind === 'object';
      const tiedTo = /^\d+$/.test(constraint) ? Number(constraint) : null;
      found.push({ constraint, isObject: role === 'output' || isMemory, operand, name, tiedTo });
      if (!this.accept(',')) return;
    }
  }

  private operandName(): string {
    const name: Token = this.next();
    this.expect(']', "after the operand's name");
    return name.text;
  }

  private asmExpression(
    strings: readonly string[],
    operands: readonly ParsedOperand[],
    range: SourceRange,
  ): Expression {
    const { checker } = this;
    const nothing: Expression = { kind: 'builtin', name: 'barrier', args: [], type: VOID, range };
    const names = new Map(operands.flatMap(({ name }, i) => (name === null ? [] : [[name, i] as const])));
    const template = normalTemplate(strings, names);
    const known = asmText({ template, operands });
    if (known === null) {
      const owner = checker.function?.symbol;
      const shown = template.replaceAll('@', '%');
      const text = `Inline assembly '${shown}' is not supported. ${insteadOf(template)}`;
      if (owner !== undefined) checker.deferred.push({ owner, id: 'unsupported.asm', range, message: text });
      return nothing;
    }
    const tied = operands.flatMap(({ tiedTo }, i) =>
      tiedTo === null ? [] : [`*${operandName(tiedTo)} = ${operandName(i)}, `],
    );
    if (known.text === '(void)0' && tied.length === 0) return nothing;
    const parameters = operands.map((_, i) => [operandName(i), null] as const);
    const args = operands.map(({ isObject, operand }) =>
      isObject ? valueOperand(takeAddress(checker, operand, range)) : operand,
    );
    const text = `(${tied.join('')}${known.text})`;
    const made = this.expressionFromText('asm', { parameters, locals: known.locals, text }, args, range);
    return convert(checker, valueOf(checker, made), VOID);
  }
}
