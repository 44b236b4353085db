/**
 * Statements (C11 6.8) and the declarations that stand among them.
 */
import type { BlockStatement, CaseLabel, Expression, SourceRange, Statement } from './tree.ts';
import type { CType, IntegerType } from './types.ts';
import { Panic } from './parser-cursor.ts';
import { type Token, TokenKind } from './lexer.ts';
import { ASM_WORDS } from './parser-declarations.ts';
import { AsmParser } from './parser-asm.ts';
import { isScalar, typeName, wrapToType } from './types.ts';
import { convertAssigned, promote } from './checker-conversions.ts';
import { warnLocalAddress } from './checker-warnings.ts';
import { noAttributes } from './parser-specifiers.ts';
import { type LabelState, isError } from './checker.ts';

/** A longer chain of `else if` makes a tree too deep to walk. */
const MAX_ELSE_IFS = 1000;

export abstract class StatementParser extends AsmParser {
  protected block(): BlockStatement {
    const open = this.token;
    this.expect('{', 'before the statements');
    this.checker.openScope();
    try {
      return this.blockBody(open);
    } finally {
      this.checker.closeScope();
    }
  }

  /** Statements up to and with the `}`, in the scope that is open. */
  protected blockBody(open: Token): BlockStatement {
    const { scope } = this.checker;
    const body: Statement[] = [];
    const state = this.checker.function;
    const [arrays, labelScopes] = [state?.arrays.length ?? 0, state?.labelScopes.length ?? 0];
    this.localLabels();
    while (!this.is('}')) {
      if (this.token.kind === TokenKind.end) {
        this.checker.error('syntax', open.range, "This '{' has no '}'.");
        throw new Panic(this.at);
      }
      this.recovering(body);
    }
    this.next();
    state?.arrays.splice(arrays);
    state?.labelScopes.splice(labelScopes);
    this.warnUselessStatements(body);
    return { kind: 'block', scope, body, range: this.rangeFrom(open) };
  }

  /** GNU `__label__ a, b;` at the start of a block: labels of that block alone, as macros need them. */
  private localLabels(): void {
    while (this.accept('__label__')) {
      const own = new Map<string, LabelState>();
      do {
        const name = this.name ?? this.unexpected('a label');
        this.next();
        const state = { label: { name: name.text, range: name.range }, defined: false, used: true };
        own.set(name.text, state);
        this.checker.function?.labels.push(state);
      } while (this.accept(','));
      this.expectSoft(';', 'after the labels');
      this.checker.function?.labelScopes.push(own);
    }
  }

  /** One statement or declaration; after a mistake the next one. */
  private recovering(body: Statement[]): void {
    const start = this.at;
    try {
      if (this.startsDeclaration()) this.declaration(body);
      else body.push(this.statement());
    } catch (error) {
      if (!(error instanceof Panic) || error.resumeAtFile !== null) throw error;
      this.skipStatement();
      if (this.at === start && !this.is('}')) this.next();
    }
  }

  private startsDeclaration(): boolean {
    const { token } = this;
    if (token.is('_Static_assert')) return true;
    return (this.startsType(token) && !this.peek(1).is(':')) || this.looksLikeType();
  }

  /** `a == b;` on its own is most often a mistyped assignment. */
  private warnUselessStatements(body: readonly Statement[]): void {
    const isValue = this.is(')');
    body.forEach((statement, i) => {
      if (statement.kind !== 'expression' || (isValue && i === body.length - 1)) return;
      const { expression } = statement;
      if (expression.range.inMacro === true) return;
      if (expression.kind === 'binary') {
        const advice = expression.op === '==' ? " To assign write '='." : '';
        const text = `The result of '${expression.op}' is not used.${advice}`;
        this.checker.warning('unused-value', expression.range, text);
      } else if (expression.kind === 'load' && !expression.from.type.volatile) {
        this.checker.warning('unused-value', expression.range, 'This value is not used.');
      } else if (expression.kind === 'call' && 'mustUse' in expression.callee && expression.callee.mustUse) {
        const text = `The result of '${expression.callee.name}' must not be dropped: look whether it failed.`;
        this.checker.warning('unused-result', expression.range, text);
      }
    });
  }

  // ---- statements ------------------------------------------------------------------------------------------------

  protected statement(): Statement {
    return this.nested(() => {
      const { token } = this;
      if (token.is('{')) return this.block();
      if (token.kind === TokenKind.identifier) {
        const keyword = STATEMENTS.get(token.text);
        if (keyword !== undefined) return this[keyword]();
        if (token.text === 'else') this.fail('syntax', token.range, "This 'else' has no 'if'.");
        if (ASM_WORDS.has(token.text)) return this.asm();
        if (this.name !== null && this.peek(1).is(':')) return this.labelled();
        if (token.text === '__attribute__') return this.attributed();
        if (this.startsType(token)) {
          this.fail('syntax', token.range, 'A declaration cannot stand here. Put it in braces.');
        }
      }
      if (this.accept(';')) return { kind: 'empty', range: token.range };
      return this.expressionStatement();
    });
  }

  private attributed(): Statement {
    const start = this.token;
    this.attributes(noAttributes());
    this.expectSoft(';', 'after the attribute');
    return { kind: 'empty', range: this.rangeFrom(start) };
  }

  private expressionStatement(): Statement {
    const start = this.token;
    const expression = this.expressionValue();
    this.expectSoft(';', 'after the expression');
    return { kind: 'expression', expression, range: this.rangeFrom(start) };
  }

  /** The condition in parentheses. */
  private head(after: string): Expression {
    this.expect('(', `after ${after}`);
    const condition = this.condition();
    this.expect(')', 'after the condition');
    return condition;
  }

  /** A chain of `else if` is read in a loop, so its length is no depth of nesting. */
  if(): Statement {
    const links: { readonly start: Token; readonly condition: Expression; readonly then: Statement }[] = [];
    let otherwise: Statement | null = null;
    do {
      const start = this.next();
      if (links.length === MAX_ELSE_IFS) this.elseChainTooLong(start);
      links.push({ start, condition: this.head("'if'"), then: this.branch() });
      if (!this.accept('else')) break;
      if (!this.is('if')) otherwise = this.statement();
    } while (otherwise === null);
    return links.reduceRight<Statement | null>(
      (rest, { start, condition, then }) => ({
        kind: 'if',
        condition,
        then,
        otherwise: rest,
        range: this.rangeFrom(start),
      }),
      otherwise,
    ) as Statement;
  }

  /** What an `if` guards. A lone `;` on its line is most often one too many. */
  private branch(): Statement {
    const { token } = this;
    const then = this.statement();
    if (then.kind === 'empty' && token.is(';') && !token.first && token.call === null && !this.is('else')) {
      const text = "This ';' is all that the 'if' guards. Take it away.";
      const edits = [{ range: token.range, text: '' }];
      this.checker.problems.warning('empty-body', token.range, text, undefined, {
        title: "Remove ';'",
        edits,
      });
    }
    return then;
  }

  private elseChainTooLong(start: Token): never {
    const text = `This chain has more than ${MAX_ELSE_IFS} 'else if'. Use switch or a table.`;
    this.fail('too-deep', start.range, text);
  }

  while(): Statement {
    const start = this.next();
    const condition = this.head("'while'");
    const body = this.loopBody();
    return { kind: 'while', condition, body, range: this.rangeFrom(start) };
  }

  do(): Statement {
    const start = this.next();
    const body = this.loopBody();
    this.expect('while', "after the body of 'do'");
    const condition = this.head("'while'");
    this.expectSoft(';', "after 'do ... while'");
    return { kind: 'doWhile', body, condition, range: this.rangeFrom(start) };
  }

  for(): Statement {
    const start = this.next();
    this.expect('(', "after 'for'");
    this.checker.openScope();
    try {
      const { scope } = this.checker;
      const before: Statement[] = [];
      if (this.startsDeclaration()) this.declaration(before);
      else if (!this.accept(';')) before.push(this.forExpression());
      const condition = this.is(';') ? null : this.condition();
      this.expect(';', "after the condition of 'for'");
      const step = this.is(')') ? null : this.expressionValue();
      this.expect(')', "after the head of 'for'");
      const body = this.loopBody();
      return { kind: 'for', scope, start: before, condition, step, body, range: this.rangeFrom(start) };
    } finally {
      this.checker.closeScope();
    }
  }

  private forExpression(): Statement {
    const start = this.token;
    const expression = this.expressionValue();
    const range = this.rangeFrom(start);
    this.expect(';', "after the start of 'for'");
    return { kind: 'expression', expression, range };
  }

  private loopBody(): Statement {
    const state = this.checker.function;
    if (state === null) return this.statement();
    state.loops++;
    state.breakables++;
    try {
      return this.statement();
    } finally {
      state.loops--;
      state.breakables--;
    }
  }

  switch(): Statement {
    const start = this.next();
    this.expect('(', "after 'switch'");
    const value = promote(this.checker, this.expressionValue());
    this.expect(')', 'after the value');
    if (value.type.kind !== 'integer' && !isError(value.type)) {
      this.checker.error(
        'not-integer',
        value.range,
        `'switch' needs an integer, but this is '${typeName(value.type)}'.`,
      );
    }
    const type = value.type.kind === 'integer' ? value.type : this.checker.integer('int');
    const state = { type, cases: [], defaultCase: null };
    const body = this.switchBody(state);
    const { cases, defaultCase } = state;
    return { kind: 'switch', value, cases, defaultCase, body, range: this.rangeFrom(start) };
  }

  private switchBody(state: {
    type: IntegerType;
    cases: CaseLabel[];
    defaultCase: CaseLabel | null;
  }): Statement {
    const current = this.checker.function;
    if (current === null) return this.statement();
    current.switches.push(state);
    current.breakables++;
    try {
      return this.statement();
    } finally {
      current.switches.pop();
      current.breakables--;
    }
  }

  case(): Statement {
    const start = this.next();
    const known = this.constantExpression("The value of 'case'");
    const low = known ?? 0n;
    const high = this.accept('...') ? (this.constantExpression("The end of the 'case' range") ?? low) : low;
    this.expect(':', "after the value of 'case'");
    const range = this.rangeFrom(start);
    const state = this.checker.function?.switches.at(-1);
    if (state === undefined) this.fail('stray-case', range, "'case' stands outside a 'switch'.");
    const { model } = this.checker;
    const label = {
      low: wrapToType(low, state.type, model),
      high: wrapToType(high, state.type, model),
      range,
    };
    const taken = state.cases.find((other) => other.low <= label.high && label.low <= other.high);
    if (label.high < label.low) this.checker.warning('empty-range', range, 'This range holds no value.');
    else if (taken !== undefined) {
      const related = [{ range: taken.range, message: 'It is here already.' }];
      this.checker.problems.error(
        'duplicate-case',
        range,
        `The value ${label.low} already has a case.`,
        related,
      );
    } else if (known !== null) state.cases.push(label);
    return this.withLabel({ kind: 'case', label, range });
  }

  default(): Statement {
    const start = this.next();
    this.expect(':', "after 'default'");
    const range = this.rangeFrom(start);
    const state = this.checker.function?.switches.at(-1);
    if (state === undefined) this.fail('stray-case', range, "'default' stands outside a 'switch'.");
    const label = { low: 0n, high: 0n, range };
    if (state.defaultCase !== null)
      this.checker.error('duplicate-case', range, "This 'switch' already has a 'default'.");
    state.defaultCase = label;
    return this.withLabel({ kind: 'case', label, range });
  }

  private labelled(): Statement {
    const name = this.next();
    this.next();
    const range = this.rangeFrom(name);
    const known = this.label(name);
    if (known.defined)
      this.checker.error('duplicate-label', range, `The label '${name.text}' is here a second time.`);
    known.defined = true;
    return this.withLabel({ kind: 'label', label: known.label, range });
  }

  /** A label and the statement behind it, which may be missing before a `}` (GNU) or be a declaration. */
  private withLabel(label: Statement): Statement {
    this.attributes(noAttributes());
    if (this.is('}')) return label;
    const rest: Statement[] = [];
    if (this.startsDeclaration()) this.declaration(rest);
    else rest.push(this.statement());
    return { kind: 'block', scope: this.checker.scope, body: [label, ...rest], range: label.range };
  }

  protected label(name: Token): LabelState {
    const state = this.checker.function;
    if (state === null) this.fail('stray-label', name.range, 'A label can only stand inside a function.');
    const known = state.labelScopes.findLast((labels) => labels.has(name.text))?.get(name.text);
    if (known !== undefined) return known;
    const made = { label: { name: name.text, range: name.range }, defined: false, used: false };
    state.labelScopes[0]?.set(name.text, made);
    state.labels.push(made);
    return made;
  }

  goto(): Statement {
    const start = this.next();
    if (this.is('*')) return this.computedGoto(start);
    const name = this.name ?? this.unexpected('a label');
    this.next();
    const known = this.label(name);
    known.used = true;
    this.expectSoft(';', "after 'goto'");
    return { kind: 'goto', label: known.label, range: this.rangeFrom(start) };
  }

  private computedGoto(start: Token): Statement {
    const text = "'goto *' is not supported. Use switch.";
    this.checker.error('unsupported.label-address', this.next().range, text);
    this.expressionValue();
    this.expectSoft(';', "after 'goto'");
    return { kind: 'empty', range: this.rangeFrom(start) };
  }

  break(): Statement {
    const start = this.next();
    if ((this.checker.function?.breakables ?? 0) === 0) {
      this.checker.error('stray-break', start.range, "'break' stands outside a loop and a 'switch'.");
    }
    this.expectSoft(';', "after 'break'");
    return { kind: 'break', range: this.rangeFrom(start) };
  }

  continue(): Statement {
    const start = this.next();
    if ((this.checker.function?.loops ?? 0) === 0) {
      this.checker.error('stray-break', start.range, "'continue' stands outside a loop.");
    }
    this.expectSoft(';', "after 'continue'");
    return { kind: 'continue', range: this.rangeFrom(start) };
  }

  return(): Statement {
    const start = this.next();
    const value = this.is(';') ? null : this.expressionValue();
    this.expectSoft(';', "after 'return'");
    const range = this.rangeFrom(start);
    const symbol = this.checker.function?.symbol;
    if (symbol === undefined) this.fail('stray-return', range, "'return' stands outside a function.");
    const { returns } = symbol.type;
    if (value === null) {
      if (returns.kind !== 'void') {
        this.checker.warning(
          'missing-return-value',
          range,
          `'${symbol.name}' must return a value ('${typeName(returns)}').`,
        );
      }
      return { kind: 'return', value: returns.kind === 'void' ? null : zeroOf(returns, range), range };
    }
    if (returns.kind !== 'void') {
      warnLocalAddress(this.checker, value, value.range);
      const converted = convertAssigned(this.checker, value, returns, `the return value of '${symbol.name}'`);
      return { kind: 'return', value: converted, range };
    }
    if (value.type.kind !== 'void' && !isError(value.type)) {
      this.checker.warning(
        'return-value',
        value.range,
        `'${symbol.name}' returns nothing, so this value is lost.`,
      );
    }
    const body: Statement[] = [
      { kind: 'expression', expression: value, range },
      { kind: 'return', value: null, range },
    ];
    return { kind: 'block', scope: this.checker.scope, body, range };
  }
}

/** Something to return where a value is missing and was warned about. */
function zeroOf(type: CType, range: SourceRange): Expression | null {
  return isScalar(type) ? { kind: 'constant', value: 0n, type, range } : null;
}

type StatementWord =
  'if' | 'while' | 'do' | 'for' | 'switch' | 'case' | 'default' | 'goto' | 'break' | 'continue' | 'return';

/** First word -> the method that reads the statement. */
const STATEMENTS: ReadonlyMap<string, StatementWord> = new Map(
  (
    ['if', 'while', 'do', 'for', 'switch', 'case', 'default', 'goto', 'break', 'continue', 'return'] as const
  ).map((word) => [word, word]),
);
