/**
 * The preprocessor (C11 6.10): one script and whatever it includes become one list of tokens, each knowing where it is
 * spelled and which outermost macro call it comes from. Does no I/O: files come from the host.
 */
import type { Macro, TokenReader } from './preprocessor-macros.ts';
import type { DataModel } from './types.ts';
import { MacroExpander, ListReader } from './preprocessor-macros.ts';
import { type ProblemList, SourceFile } from './source.ts';
import { Token, TokenKind, lex } from './lexer.ts';
import { evaluateCondition } from './preprocessor-condition.ts';
import { parseDefinition, sameMacro } from './preprocessor-definitions.ts';
import { FileFinder, headerName } from './preprocessor-files.ts';
import type { SourceHost } from './preprocessor-files.ts';
import { predefinedMacros } from './preprocessor-predefined.ts';

export type { ShippedHeaders, SourceHost } from './preprocessor-files.ts';

/** An `#include` line and the file it found. */
export interface Inclusion {
  readonly directive: Token;
  /** From the quote or bracket to its partner. */
  readonly name: Token;
  readonly path: string;
}

export interface MacroUse {
  readonly macro: Macro;
  readonly use: Token;
}

export interface PreprocessedUnit {
  /** Closed by an `end` token. */
  readonly tokens: readonly Token[];
  /** Every file read, in order of first reading. */
  readonly files: readonly SourceFile[];
  readonly macros: ReadonlyMap<string, Macro>;
  /** Outermost uses of macros, in order. */
  readonly macroUses: readonly MacroUse[];
  readonly inclusions: readonly Inclusion[];
}

/** As gcc's limit on nested includes. */
/** A file's tokens, as long as the file is kept: shipped headers are taken apart once. */
const LEXED = new WeakMap<SourceFile, readonly Token[]>();

function tokensOf(file: SourceFile): readonly Token[] {
  const tokens = LEXED.get(file) ?? lex(file);
  LEXED.set(file, tokens);
  return tokens;
}

const MAX_INCLUDE_DEPTH = 200;
/** Two files that include each other twice are as many as one likes without being deep. */
const MAX_INCLUSIONS = 5000;

/**
 * Preprocesses `main`, with the shipped headers `before` in front, as by gcc's -include, and `after` behind.
 */
export function preprocess(
  main: { readonly path: string; readonly text: string },
  host: SourceHost,
  model: DataModel,
  around: { readonly before: readonly string[]; readonly after: readonly string[] },
  problems: ProblemList,
): PreprocessedUnit {
  return new Preprocessor(host, model, problems).run(main, around);
}

/** The tokens of one expression, expanded by a unit's macros. Its file is called `<expression>`. */
export function preprocessExpression(
  text: string,
  macros: ReadonlyMap<string, Macro>,
  problems: ProblemList,
): readonly Token[] {
  const expander = new MacroExpander(problems);
  for (const [name, macro] of macros) expander.macros.set(name, macro);
  const tokens = lex(new SourceFile('<expression>', text));
  const end = tokens[tokens.length - 1] as Token;
  return [...expander.expandAll(tokens.slice(0, -1)), end];
}

interface OpenFile {
  readonly file: SourceFile;
  readonly tokens: readonly Token[];
  at: number;
  /** Number of conditionals open when the file began. */
  readonly conditionals: number;
}

/** One #if ... #endif. */
interface Conditional {
  readonly directive: Token;
  /** The current group is kept. */
  active: boolean;
  /** A group of this conditional has been kept. */
  taken: boolean;
  sawElse: boolean;
}

class Preprocessor implements TokenReader {
  private readonly finder: FileFinder;
  private readonly model: DataModel;
  private readonly problems: ProblemList;
  private readonly expander: MacroExpander;
  private readonly open: OpenFile[];
  private readonly pending: Token[];
  private readonly conditionals: Conditional[];
  private readonly once: Set<string>;
  private readonly inclusions: Inclusion[];
  private staying: boolean;
  private counter: number;

  /** After one message about too many no more files are read. */
  private includesStopped = false;

  constructor(host: SourceHost, model: DataModel, problems: ProblemList) {
    this.finder = new FileFinder(host);
    this.model = model;
    this.problems = problems;
    this.expander = new MacroExpander(problems);
    this.open = [];
    this.pending = [];
    this.conditionals = [];
    this.once = new Set();
    this.inclusions = [];
    this.staying = false;
    this.counter = 0;
  }

  run(
    main: { path: string; text: string },
    around: { before: readonly string[]; after: readonly string[] },
  ): PreprocessedUnit {
    this.defineBuiltins(main.path);
    this.readAll(new SourceFile('<predefined>', predefinedMacros(this.model)));
    const file = this.finder.register(main.path, main.text);
    const macroUses: MacroUse[] = [];
    const tokens: Token[] = [];
    for (const name of around.before) this.readShipped(name, tokens);
    this.expander.onUse = (macro, use) => macroUses.push({ macro, use });
    for (const token of this.readAll(file)) tokens.push(token);
    this.expander.onUse = null;
    for (const name of around.after) this.readShipped(name, tokens);
    const { length } = file.text;
    tokens.push(new Token(TokenKind.end, '', file, length, length, true, true, null, null));
    const files = [...this.finder.files.values()];
    return { tokens, files, macros: this.expander.macros, macroUses, inclusions: this.inclusions };
  }

  private readShipped(name: string, tokens: Token[]): void {
    const found = this.finder.findShipped(name);
    if (found === null) throw new Error(`preprocess: no shipped header ${name}`);
    for (const token of this.readAll(found)) tokens.push(token);
  }

  private readAll(file: SourceFile): Token[] {
    const tokens: Token[] = [];
    this.enter(file);
    for (;;) {
      const token = this.expander.next(this);
      if (token.kind === TokenKind.end) return tokens;
      if (token.kind === TokenKind.identifier && token.text === '_Pragma') this.pragmaOperator(token);
      else tokens.push(token);
    }
  }

  private pragmaOperator(operator: Token): void {
    const parts = [this.expander.next(this), this.expander.next(this), this.expander.next(this)];
    const [open, text, close] = parts;
    if (open?.is('(') === true && text?.kind === TokenKind.string && close?.is(')') === true) return;
    this.problems.error('pp.bad-pragma', operator.range, '_Pragma takes one string literal in parentheses.');
  }

  // ---- reading tokens --------------------------------------------------------------------------------------------

  next(): Token {
    for (;;) {
      const token = this.pending.pop() ?? this.nextInFile();
      if (token !== null) return token;
    }
  }

  atOpenParenthesis(): boolean {
    const waiting = this.pending[this.pending.length - 1];
    if (waiting !== undefined) return waiting.is('(');
    const current = this.open[this.open.length - 1];
    return current?.tokens[current.at]?.is('(') === true;
  }

  unread(tokens: readonly Token[]): void {
    for (let i = tokens.length - 1; i >= 0; i--) this.pending.push(tokens[i] as Token);
  }

  stayInFile(stay: boolean): void {
    this.staying = stay;
  }

  /** The next token of the innermost open file; null when a directive was done or a file left instead. */
  private nextInFile(): Token | null {
    const current = this.open[this.open.length - 1];
    if (current === undefined) throw new Error('Preprocessor.nextInFile: no file is open');
    const token = current.tokens[current.at] as Token;
    if (token.kind === TokenKind.end) return this.endOfFile(current, token);
    current.at++;
    if (token.first && token.is('#')) {
      this.directive(current);
      return null;
    }
    return token;
  }

  private endOfFile(current: OpenFile, end: Token): Token | null {
    if (this.staying) return end;
    while (this.conditionals.length > current.conditionals) {
      const left = this.conditionals.pop();
      if (left !== undefined) {
        const text = `#${left.directive.text} has no #endif.`;
        this.problems.error('pp.unterminated-conditional', left.directive.range, text);
      }
    }
    this.open.pop();
    return this.open.length === 0 ? end : null;
  }

  private enter(file: SourceFile): void {
    this.open.push({ file, tokens: tokensOf(file), at: 0, conditionals: this.conditionals.length });
  }

  // ---- directives ------------------------------------------------------------------------------------------------

  /** Runs the directive behind a `#`. Its tokens are those up to the next line's first token. */
  private directive(current: OpenFile): void {
    const line = takeLine(current);
    const [name, ...rest] = line;
    if (name === undefined) return;
    const known = name.kind === TokenKind.identifier ? DIRECTIVES.get(name.text) : undefined;
    if (known !== undefined) {
      this[known](name, rest, current);
      return;
    }
    if (name.kind === TokenKind.number) return;
    const text = `There is no directive #${name.text}.`;
    this.problems.error('pp.unknown-directive', name.range, text);
  }

  define(directive: Token, rest: readonly Token[]): void {
    const name = this.macroName(directive, rest[0]);
    if (name === null) return;
    const macro = parseDefinition(name, rest, this.problems);
    if (macro === null) return;
    const earlier = this.expander.macros.get(name.text);
    const isShipped = this.finder.nameInShipped(earlier?.definition?.file.path ?? '') !== null;
    if (earlier !== undefined && !isShipped && !sameMacro(earlier, macro)) {
      const place = earlier.definition?.range;
      this.problems.warning(
        'pp.macro-redefined',
        name.range,
        `Macro '${name.text}' is defined again and differently. Use #undef first.`,
        place === undefined ? undefined : [{ range: place, message: 'It was defined here before.' }],
      );
    }
    this.expander.macros.set(name.text, macro);
  }

  private macroName(directive: Token, name: Token | undefined): Token | null {
    if (name?.kind === TokenKind.identifier && name.text !== 'defined') return name;
    const place = name ?? directive;
    this.problems.error('pp.macro-name', place.range, `#${directive.text} needs the name of a macro.`);
    return null;
  }

  undef(directive: Token, rest: readonly Token[]): void {
    const name = this.macroName(directive, rest[0]);
    if (name !== null) this.expander.macros.delete(name.text);
  }

  include(directive: Token, rest: readonly Token[], current: OpenFile): void {
    const wanted = this.includeName(directive, rest);
    if (wanted === null) return;
    if (this.includesStopped) return;
    if (this.open.length > MAX_INCLUDE_DEPTH || this.inclusions.length > MAX_INCLUSIONS) {
      const isDeep = this.open.length > MAX_INCLUDE_DEPTH;
      const many = isDeep ? `nested more than ${MAX_INCLUDE_DEPTH} deep` : `more than ${MAX_INCLUSIONS}`;
      const text = `Includes are ${many}. Does '${wanted.name}' include itself?`;
      this.problems.error(isDeep ? 'pp.include-depth' : 'pp.too-many-includes', wanted.token.range, text);
      this.includesStopped = true;
      return;
    }
    const file = this.finder.find(wanted, current.file.path);
    if (file === null) {
      const text = `The header '${wanted.name}' is not found. Put its folder into the include paths.`;
      this.problems.error('pp.include-not-found', wanted.token.range, text);
      return;
    }
    this.inclusions.push({ directive, name: wanted.token, path: file.path });
    if (!this.once.has(file.path)) this.enter(file);
  }

  /** `"name"`, `<name>` or macros that give one of them. */
  private includeName(
    directive: Token,
    rest: readonly Token[],
  ): { name: string; quoted: boolean; token: Token } | null {
    const direct = headerName(rest) ?? headerName(this.expander.expandAll(rest));
    if (direct !== null) return direct;
    const place = rest[0] ?? directive;
    this.problems.error('pp.include-name', place.range, `#${directive.text} needs "file" or <file>.`);
    return null;
  }

  error(directive: Token, rest: readonly Token[]): void {
    this.problems.error('pp.error', directive.range, lineText(rest) || '#error');
  }

  warning(directive: Token, rest: readonly Token[]): void {
    this.problems.warning('pp.warning', directive.range, lineText(rest) || '#warning');
  }

  pragma(_directive: Token, rest: readonly Token[], current: OpenFile): void {
    if (rest[0]?.is('once') === true) this.once.add(current.file.path);
  }

  /** #line: the debugger's lines are the real ones. */
  ignore(): void {
    // Nothing to do.
  }

  // ---- conditionals ----------------------------------------------------------------------------------------------

  ifdef(directive: Token, rest: readonly Token[], current: OpenFile): void {
    const name = this.macroName(directive, rest[0]);
    const isDefined = name !== null && this.isDefined(name.text);
    this.openConditional(directive, isDefined === (directive.text === 'ifdef') && name !== null, current);
  }

  if(directive: Token, rest: readonly Token[], current: OpenFile): void {
    this.openConditional(directive, this.condition(directive, rest), current);
  }

  private openConditional(directive: Token, holds: boolean, current: OpenFile): void {
    this.conditionals.push({ directive, active: holds, taken: holds, sawElse: false });
    if (!holds) this.skipGroup(current);
  }

  elif(directive: Token, rest: readonly Token[], current: OpenFile): void {
    const conditional = this.currentConditional(directive, current);
    if (conditional === null) return;
    if (conditional.sawElse) {
      this.problems.error('pp.elif-after-else', directive.range, `#${directive.text} stands behind #else.`);
    }
    conditional.active = !conditional.taken && !conditional.sawElse && this.elifHolds(directive, rest);
    conditional.taken ||= conditional.active;
    if (!conditional.active) this.skipGroup(current);
  }

  private elifHolds(directive: Token, rest: readonly Token[]): boolean {
    if (directive.text === 'elif') return this.condition(directive, rest);
    const name = this.macroName(directive, rest[0]);
    return name !== null && this.isDefined(name.text) === (directive.text === 'elifdef');
  }

  else(directive: Token, _rest: readonly Token[], current: OpenFile): void {
    const conditional = this.currentConditional(directive, current);
    if (conditional === null) return;
    if (conditional.sawElse)
      this.problems.error('pp.second-else', directive.range, 'This #if already has an #else.');
    conditional.sawElse = true;
    conditional.active = !conditional.taken;
    conditional.taken = true;
    if (!conditional.active) this.skipGroup(current);
  }

  endif(directive: Token, _rest: readonly Token[], current: OpenFile): void {
    if (this.currentConditional(directive, current) !== null) this.conditionals.pop();
  }

  private currentConditional(directive: Token, current: OpenFile): Conditional | null {
    if (this.conditionals.length > current.conditionals)
      return this.conditionals[this.conditionals.length - 1] ?? null;
    this.problems.error('pp.no-if', directive.range, `#${directive.text} has no #if.`);
    return null;
  }

  /** Passes over a group that is not kept, up to the directive that ends it, which is left to be run. */
  private skipGroup(current: OpenFile): void {
    const { tokens } = current;
    let depth = 0;
    for (; tokens[current.at]?.kind !== TokenKind.end; current.at++) {
      const token = tokens[current.at] as Token;
      if (!token.first || !token.is('#')) continue;
      const name = tokens[current.at + 1] as Token;
      if (name.first) continue;
      if (name.text === 'if' || name.text === 'ifdef' || name.text === 'ifndef') depth++;
      else if (depth === 0 && GROUP_ENDS.has(name.text)) return;
      else if (name.text === 'endif') depth--;
    }
  }

  private isDefined(name: string): boolean {
    return this.expander.macros.has(name) || BUILTIN_TESTS.has(name);
  }

  private condition(directive: Token, line: readonly Token[]): boolean {
    return evaluateCondition(this.expandCondition(line), directive, this.problems);
  }

  /** Expands the line's macros, with `defined X` and `__has_include(...)` replaced by 0 or 1 as they are met. */
  private expandCondition(line: readonly Token[]): Token[] {
    const reader = new ListReader(line);
    const result: Token[] = [];
    for (;;) {
      const token = reader.next();
      if (token.kind === TokenKind.end) return result;
      if (token.kind === TokenKind.identifier) {
        const test = token.text === 'defined' || BUILTIN_TESTS.has(token.text);
        if (test) {
          result.push(this.conditionTest(token, reader));
          continue;
        }
        const expansion = this.expander.expand(token, reader);
        if (expansion !== null) {
          reader.unread(expansion);
          continue;
        }
      }
      result.push(token);
    }
  }

  private conditionTest(test: Token, reader: ListReader): Token {
    const operand: Token[] = [];
    if (reader.atOpenParenthesis()) {
      reader.next();
      for (let depth = 1, token = reader.next(); token.kind !== TokenKind.end; token = reader.next()) {
        if (token.is('(')) depth++;
        if (token.is(')') && --depth === 0) break;
        operand.push(token);
      }
    } else operand.push(reader.next());
    const holds = this.testHolds(test.text, operand);
    return new Token(
      TokenKind.number,
      holds ? '1' : '0',
      test.file,
      test.offset,
      test.end,
      test.space,
      false,
      null,
      test.call,
    );
  }

  private testHolds(test: string, operand: readonly Token[]): boolean {
    if (test === 'defined') return this.isDefined(operand[0]?.text ?? '');
    if (test !== '__has_include') return operand[0]?.kind === TokenKind.identifier;
    const wanted = headerName(operand) ?? headerName(this.expander.expandAll(operand));
    const includer = this.open[this.open.length - 1]?.file.path ?? '';
    return wanted !== null && this.finder.find(wanted, includer) !== null;
  }

  // ---- macros made when used -------------------------------------------------------------------------------------

  private defineBuiltins(mainPath: string): void {
    const line = (use: Token): number => {
      const place = use.call ?? use;
      return place.file.position(place.offset).line;
    };
    const path = (use: Token): string => (use.call ?? use).file.path;
    this.dynamic('__LINE__', TokenKind.number, (use) => `${line(use)}`);
    this.dynamic('__FILE__', TokenKind.string, (use) => quote(path(use)));
    this.dynamic('__BASE_FILE__', TokenKind.string, () => quote(mainPath));
    this.dynamic('__COUNTER__', TokenKind.number, () => `${this.counter++}`);
    this.dynamic('__INCLUDE_LEVEL__', TokenKind.number, () => `${Math.max(0, this.open.length - 1)}`);
    // The model has no clock: a run must give the same result at any time.
    this.dynamic('__DATE__', TokenKind.string, () => '"Jan  1 1970"');
    this.dynamic('__TIME__', TokenKind.string, () => '"00:00:00"');
  }

  private dynamic(name: string, kind: TokenKind, text: (use: Token) => string): void {
    const make = (use: Token): Token =>
      new Token(kind, text(use), use.file, use.offset, use.end, use.space, use.first, null, use.call);
    this.expander.macros.set(name, {
      name,
      definition: null,
      parameters: null,
      variadic: false,
      body: [],
      dynamic: make,
    });
  }
}

type DirectiveName =
  | 'define'
  | 'undef'
  | 'include'
  | 'if'
  | 'ifdef'
  | 'elif'
  | 'else'
  | 'endif'
  | 'error'
  | 'warning'
  | 'pragma'
  | 'ignore';

/** Directive -> the method that runs it. */
const DIRECTIVES: ReadonlyMap<string, DirectiveName> = new Map([
  ...([
    ['define', 'define'],
    ['undef', 'undef'],
    ['include', 'include'],
    ['include_next', 'include'],
  ] as const),
  ...([
    ['if', 'if'],
    ['ifdef', 'ifdef'],
    ['ifndef', 'ifdef'],
    ['elif', 'elif'],
    ['elifdef', 'elif'],
  ] as const),
  ...([
    ['elifndef', 'elif'],
    ['else', 'else'],
    ['endif', 'endif'],
    ['error', 'error'],
  ] as const),
  ...([
    ['warning', 'warning'],
    ['pragma', 'pragma'],
    ['line', 'ignore'],
    ['ident', 'ignore'],
  ] as const),
]);

const GROUP_ENDS: ReadonlySet<string> = new Set(['elif', 'elifdef', 'elifndef', 'else', 'endif']);

/** Tests of #if with a call's form. Attributes are all accepted; of builtins any name counts as known. */
const BUILTIN_TESTS: ReadonlySet<string> = new Set(['__has_include', '__has_attribute', '__has_builtin']);

function takeLine(current: OpenFile): Token[] {
  const line: Token[] = [];
  for (;;) {
    const token = current.tokens[current.at] as Token;
    if (token.first || token.kind === TokenKind.end) return line;
    line.push(token);
    current.at++;
  }
}

const lineText = (tokens: readonly Token[]): string => {
  const first = tokens[0];
  const last = tokens[tokens.length - 1];
  return first === undefined || last === undefined ? '' : first.file.text.slice(first.offset, last.end);
};

const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;
