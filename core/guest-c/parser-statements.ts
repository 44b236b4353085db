/**
 * Statements (C11 6.8) and the declarations that stand among them.
 */
import type { BlockStatement, CaseLabel, Expression, SourceRange, Statement } from './tree.ts';
import type { Declarator, Specifiers } from './parser-types.ts';
import type { Designator, ParsedInitialiser, ParsedItem } from './checker-initialisers.ts';
import type { CType, IntegerType } from './types.ts';
import { Panic } from './parser-cursor.ts';
import { Token, TokenKind } from './lexer.ts';
import { TypeParser } from './parser-types.ts';
import { VOID, isScalar, typeName, wrapToType } from './types.ts';
import { buildInitialiser } from './checker-initialisers.ts';
import {
  checkComplete,
  declareFileVariable,
  declareFunction,
  declareLocal,
  declareTypedef,
  defineStatic,
} from './checker-declarations.ts';
import { convertAssigned, promote, valueOf } from './checker-conversions.ts';
import { isError, operandRange } from './checker.ts';
import { staticInitialiser } from './checker-statics.ts';

const ASM_WORDS: ReadonlySet<string> = new Set(['asm', '__asm', '__asm__']);

/** Instructions without an effect on the model: an asm of these is a barrier. */
const BARRIER_INSTRUCTIONS: ReadonlySet<string> = new Set([
  '',
  'nop',
  'pause',
  'rep; nop',
  'rep;nop',
  'rep nop',
  'mfence',
  'lfence',
  'sfence',
]);

export abstract class StatementParser extends TypeParser {
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
    while (!this.is('}')) {
      if (this.token.kind === TokenKind.end) {
        this.checker.error('syntax', open.range, "This '{' has no '}'.");
        throw new Panic(this.at);
      }
      this.recovering(body);
    }
    this.next();
    this.warnUselessStatements(body);
    return { kind: 'block', scope, body, range: this.rangeFrom(open) };
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
      if (expression.kind !== 'binary' || expression.range.inMacro === true) return;
      const advice = expression.op === '==' ? " To assign write '='." : '';
      this.checker.warning(
        'unused-value',
        expression.range,
        `The result of '${expression.op}' is not used.${advice}`,
      );
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
    this.attributes({ packed: false, align: 1, noReturn: false, unused: false });
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

  if(): Statement {
    const start = this.next();
    const condition = this.head("'if'");
    const then = this.statement();
    const otherwise = this.accept('else') ? this.statement() : null;
    return { kind: 'if', condition, then, otherwise, range: this.rangeFrom(start) };
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
    const low = this.constantExpression("The value of 'case'") ?? 0n;
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
    } else state.cases.push(label);
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
    this.attributes({ packed: false, align: 1, noReturn: false, unused: false });
    if (this.is('}')) return label;
    const rest: Statement[] = [];
    if (this.startsDeclaration()) this.declaration(rest);
    else rest.push(this.statement());
    return { kind: 'block', scope: this.checker.scope, body: [label, ...rest], range: label.range };
  }

  private label(name: Token): {
    label: { name: string; range: SourceRange };
    defined: boolean;
    used: boolean;
  } {
    const labels = this.checker.function?.labels;
    if (labels === undefined)
      this.fail('stray-label', name.range, 'A label can only stand inside a function.');
    let known = labels.get(name.text);
    if (known === undefined) {
      known = { label: { name: name.text, range: name.range }, defined: false, used: false };
      labels.set(name.text, known);
    }
    return known;
  }

  goto(): Statement {
    const start = this.next();
    if (this.is('*')) {
      this.fail('unsupported.label-address', this.token.range, "'goto *' is not supported. Use switch.");
    }
    const name = this.name ?? this.unexpected('a label');
    this.next();
    const known = this.label(name);
    known.used = true;
    this.expectSoft(';', "after 'goto'");
    return { kind: 'goto', label: known.label, range: this.rangeFrom(start) };
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

  /** Barriers are accepted; every other inline assembly is said to be unsupported. */
  private asm(): Statement {
    const start = this.next();
    while (
      this.is('volatile') ||
      this.is('__volatile__') ||
      this.is('__volatile') ||
      this.is('goto') ||
      this.is('inline')
    )
      this.next();
    if (!this.is('(')) this.unexpected("'(' after asm");
    let template = '';
    let hasOutput = false;
    for (let i = 1; this.peek(i).kind === TokenKind.string; i++) template += this.peek(i).text.slice(1, -1);
    for (let i = 1; !this.peek(i).is(')') && this.peek(i).kind !== TokenKind.end; i++) {
      hasOutput ||= this.peek(i).kind === TokenKind.string && /^"[=+]/.test(this.peek(i).text);
    }
    this.skipBalanced('(', ')');
    this.expectSoft(';', 'after asm');
    const range = this.rangeFrom(start);
    const instructions = template
      .replace(/\\[nt]/g, ' ')
      .trim()
      .replace(/;$/, '');
    const isBarrier = BARRIER_INSTRUCTIONS.has(instructions) && !(hasOutput && instructions !== '');
    if (!isBarrier) {
      const text =
        'Inline assembly is not supported, apart from barriers. Use a function of <xenscope.h> or a hypercall.';
      this.checker.error('unsupported.asm', range, text);
    }
    return {
      kind: 'expression',
      expression: { kind: 'builtin', name: 'barrier', args: [], type: VOID, range },
      range,
    };
  }

  // ---- declarations in blocks ------------------------------------------------------------------------------------

  private declaration(body: Statement[]): void {
    if (this.is('_Static_assert')) {
      this.staticAssert();
      return;
    }
    const startIndex = this.at;
    const first = this.token;
    const specifiers = this.is('__auto_type') ? null : this.specifiers();
    if (specifiers === null) {
      this.autoType(body);
      return;
    }
    if (this.semicolonForgotten() || this.accept(';')) return;
    for (let start = first; ; start = this.token) {
      const declarator = this.declarator(specifiers.type);
      if (declarator.type.kind === 'function' && (this.is('{') || declarator.oldStyle)) {
        const name = declarator.name;
        const text = `The function '${name?.text ?? ''}' begins inside another one. A '}' is missing before it.`;
        this.checker.error('syntax', (name ?? this.token).range, text);
        throw new Panic(startIndex);
      }
      this.localDeclarator(specifiers, declarator, start, body);
      if (!this.accept(',')) break;
    }
    this.expectSoft(';', 'after the declaration');
  }

  private localDeclarator(
    specifiers: Specifiers,
    declarator: Declarator,
    start: Token,
    body: Statement[],
  ): void {
    const name = declarator.name;
    if (name === null) return;
    const attributes = { ...specifiers.attributes };
    this.asmLabel();
    this.attributes(attributes);
    const { storage } = specifiers;
    const { type } = declarator;
    const range = name.range;
    if (storage === 'typedef') {
      declareTypedef(this.checker, name.text, type, range);
      return;
    }
    if (type.kind === 'function') {
      const { noReturn } = attributes;
      declareFunction(this.checker, {
        name: name.text,
        type,
        isStatic: storage === 'static',
        isDefinition: false,
        noReturn,
        range,
      });
      return;
    }
    const hasInitialiser = this.is('=');
    const declaration = { name: name.text, type, storage, align: attributes.align, range, hasInitialiser };
    if (storage === 'extern') {
      const symbol = declareFileVariable(this.checker, declaration);
      this.checker.scope.symbols.set(name.text, symbol);
      return;
    }
    const symbol = declareLocal(this.checker, declaration);
    if (attributes.unused) this.checker.usedVariables.add(symbol);
    const built = hasInitialiser ? this.initialiserFor(type) : null;
    if (built !== null) symbol.type = built.type;
    if (storage === 'static') {
      if (built !== null) symbol.initialiser = staticInitialiser(this.checker, built.type, built.initialiser);
      defineStatic(this.checker, symbol);
    } else if (checkComplete(this.checker, symbol.type, symbol.name, range)) {
      const initialiser = built?.initialiser ?? null;
      body.push({ kind: 'declare', symbol, initialiser, range: this.rangeFrom(start) });
    }
  }

  /** GNU `__auto_type x = value;` */
  private autoType(body: Statement[]): void {
    this.next();
    const name = this.name ?? this.unexpected('a name');
    this.next();
    this.expect('=', "after the name of an '__auto_type' variable");
    const value = valueOf(this.checker, this.assignment());
    this.expectSoft(';', 'after the declaration');
    const { range } = name;
    const declaration = {
      name: name.text,
      type: value.type,
      storage: null,
      align: 1,
      range,
      hasInitialiser: true,
    };
    const symbol = declareLocal(this.checker, declaration);
    const entries = [{ offset: 0, type: value.type, value }];
    body.push({
      kind: 'declare',
      symbol,
      initialiser: { zeroFirst: false, entries },
      range: this.rangeFrom(name),
    });
  }

  /** `asm("name")` behind a declarator. */
  protected asmLabel(): void {
    if (!ASM_WORDS.has(this.token.text) || this.token.kind !== TokenKind.identifier) return;
    const start = this.next();
    this.skipBalanced('(', ')');
    this.checker.error(
      'unsupported.asm',
      this.rangeFrom(start),
      'A name or register given by asm is not supported. Leave it out.',
    );
  }

  // ---- initialisers ----------------------------------------------------------------------------------------------

  /** `= value` or `= { ... }` for an object of that type. */
  protected initialiserFor(
    type: Parameters<typeof buildInitialiser>[1],
  ): ReturnType<typeof buildInitialiser> {
    this.expect('=', 'before the initialiser');
    return buildInitialiser(this.checker, type, this.initialiser());
  }

  private initialiser(): ParsedInitialiser {
    if (this.is('{')) return this.bracedInitialiser();
    const operand = this.assignment();
    return { kind: 'expression', operand, range: operandRange(operand) };
  }

  protected bracedInitialiser(): ParsedInitialiser {
    return this.nested(() => {
      const open = this.next();
      const items: ParsedItem[] = [];
      while (!this.is('}')) {
        const designators = this.designators();
        items.push({ designators, initialiser: this.initialiser() });
        if (!this.accept(',')) break;
      }
      this.expect('}', 'after the initialisers');
      return { kind: 'list', items, range: this.rangeFrom(open) };
    });
  }

  /** `.name[index] =`, or GNU's old `name:`. */
  private designators(): Designator[] {
    const found: Designator[] = [];
    if (this.name !== null && this.peek(1).is(':')) {
      const name = this.next();
      this.next();
      return [{ kind: 'member', name: name.text, range: name.range }];
    }
    for (;;) {
      const start = this.token;
      if (this.accept('.')) {
        if (this.token.kind !== TokenKind.identifier) this.unexpected('the name of a member');
        const name = this.next();
        found.push({ kind: 'member', name: name.text, range: name.range });
      } else if (this.accept('[')) {
        const low = Number(this.constantExpression('The index') ?? 0n);
        const high = this.accept('...') ? Number(this.constantExpression('The index') ?? 0n) : low;
        this.expect(']', 'after the index');
        found.push({ kind: 'index', low, high, range: this.rangeFrom(start) });
      } else break;
    }
    if (found.length > 0 && !this.accept('=') && !this.is('{')) this.expect('=', 'after the designator');
    return found;
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
