/**
 * The preprocessor (C11 6.10): one script and whatever it includes become one list of tokens, each knowing where it is
 * spelled and which outermost macro call it comes from. Does no I/O: files come from the host.
 */
import type { Macro, TokenReader } from './preprocessor-macros.ts';
import type { DataModel } from './types.ts';
import { MacroExpander, ListReader } from './preprocessor-macros.ts';
import { ProblemList, SourceFile } from './source.ts';
import { Token, TokenKind, lex } from './lexer.ts';
import { evaluateCondition } from './preprocessor-condition.ts';
import { predefinedMacros } from './preprocessor-predefined.ts';
import { stringBytes } from './literals.ts';

/** The shipped headers: text by name as in `#include <name>`. */
export interface ShippedHeaders {
  /** Folder that the names are relative to, so that their paths can be opened. */
  readonly root: string;
  readonly files: ReadonlyMap<string, string>;
}

/** Where the front end gets files from. */
export interface SourceHost {
  /** The file's text, undefined when there is no such file. */
  read(path: string): string | undefined;
  /** Folders for `#include`, searched in order, before the shipped headers. */
  readonly includePaths: readonly string[];
  readonly headers: ShippedHeaders;
}

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
const MAX_INCLUDE_DEPTH = 200;

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
  private readonly host: SourceHost;
  private readonly model: DataModel;
  private readonly problems: ProblemList;
  private readonly expander: MacroExpander;
  private readonly open: OpenFile[];
  private readonly pending: Token[];
  private readonly conditionals: Conditional[];
  private readonly files: Map<string, SourceFile>;
  private readonly once: Set<string>;
  private readonly inclusions: Inclusion[];
  private staying: boolean;
  private counter: number;

  constructor(host: SourceHost, model: DataModel, problems: ProblemList) {
    this.host = host;
    this.model = model;
    this.problems = problems;
    this.expander = new MacroExpander(problems);
    this.open = [];
    this.pending = [];
    this.conditionals = [];
    this.files = new Map();
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
    const file = this.register(main.path, main.text);
    const macroUses: MacroUse[] = [];
    const tokens: Token[] = [];
    for (const name of around.before) this.readShipped(name, tokens);
    this.expander.onUse = (macro, use) => macroUses.push({ macro, use });
    for (const token of this.readAll(file)) tokens.push(token);
    this.expander.onUse = null;
    for (const name of around.after) this.readShipped(name, tokens);
    const { length } = file.text;
    tokens.push(new Token(TokenKind.end, '', file, length, length, true, true, null, null));
    const files = [...this.files.values()];
    return { tokens, files, macros: this.expander.macros, macroUses, inclusions: this.inclusions };
  }

  private readShipped(name: string, tokens: Token[]): void {
    const found = this.findShipped(name);
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

  private register(path: string, text: string): SourceFile {
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const file = new SourceFile(path, text);
    this.files.set(path, file);
    return file;
  }

  private enter(file: SourceFile): void {
    this.open.push({ file, tokens: lex(file), at: 0, conditionals: this.conditionals.length });
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
    const macro = this.parseDefinition(name, rest);
    if (macro === null) return;
    const earlier = this.expander.macros.get(name.text);
    const isShipped = this.nameInShipped(earlier?.definition?.file.path ?? '') !== null;
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

  private parseDefinition(name: Token, rest: readonly Token[]): Macro | null {
    const open = rest[1];
    const isFunction = open?.is('(') === true && !open.space;
    if (!isFunction)
      return this.checkedBody({
        name: name.text,
        definition: name,
        parameters: null,
        variadic: false,
        body: rest.slice(1),
      });
    const close = rest.findIndex((token, index) => index > 1 && token.is(')'));
    const list = close < 0 ? null : parseParameters(rest.slice(2, close));
    if (list === null) {
      const text = `The parameters of macro '${name.text}' are no list of names in parentheses.`;
      this.problems.error('pp.macro-parameters', name.range, text);
      return null;
    }
    return this.checkedBody({ name: name.text, definition: name, ...list, body: rest.slice(close + 1) });
  }

  /** Reports a body in which `#` or `##` has no operand. */
  private checkedBody(macro: Macro): Macro | null {
    const { body, parameters } = macro;
    const first = body[0];
    const last = body[body.length - 1];
    const edge = first?.is('##') === true ? first : last?.is('##') === true ? last : undefined;
    if (edge !== undefined) {
      this.problems.error('pp.paste-at-edge', edge.range, "'##' cannot stand at either end of a macro.");
      return null;
    }
    if (parameters === null) return macro;
    const lonely = body.find((token, index) => {
      const operand = body[index + 1]?.text ?? '';
      return token.is('#') && !parameters.includes(operand) && !(macro.variadic && operand === '__VA_OPT__');
    });
    if (lonely === undefined) return macro;
    this.problems.error(
      'pp.stringise',
      lonely.range,
      "'#' in a macro must be followed by one of its parameters.",
    );
    return null;
  }

  undef(directive: Token, rest: readonly Token[]): void {
    const name = this.macroName(directive, rest[0]);
    if (name !== null) this.expander.macros.delete(name.text);
  }

  include(directive: Token, rest: readonly Token[], current: OpenFile): void {
    const wanted = this.includeName(directive, rest);
    if (wanted === null) return;
    if (this.open.length > MAX_INCLUDE_DEPTH) {
      const text = `Includes are nested more than ${MAX_INCLUDE_DEPTH} deep. Does '${wanted.name}' include itself?`;
      this.problems.error('pp.include-depth', wanted.token.range, text);
      return;
    }
    const file = this.find(wanted.name, wanted.quoted ? current.file.path : null);
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

  private find(name: string, includer: string | null): SourceFile | null {
    if (isAbsolute(name)) return this.read(name);
    const shipped = includer === null ? null : this.nameInShipped(includer);
    if (shipped !== null) {
      const beside = this.findShipped(joinPath(folderOf(shipped), name));
      if (beside !== null) return beside;
    }
    const folders = includer === null ? [] : [folderOf(includer)];
    for (const folder of [...folders, ...this.host.includePaths]) {
      const file = this.read(joinPath(folder, name));
      if (file !== null) return file;
    }
    return this.findShipped(name);
  }

  private read(path: string): SourceFile | null {
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const text = this.host.read(path);
    return text === undefined ? null : this.register(path, text);
  }

  private findShipped(name: string): SourceFile | null {
    const text = this.host.headers.files.get(name);
    return text === undefined ? null : this.register(joinPath(this.host.headers.root, name), text);
  }

  /** A shipped header's name, null for another file. */
  private nameInShipped(path: string): string | null {
    const prefix = joinPath(this.host.headers.root, '');
    return path.startsWith(prefix) ? path.slice(prefix.length) : null;
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
    const includer = this.open[this.open.length - 1]?.file.path ?? null;
    return wanted !== null && this.find(wanted.name, wanted.quoted ? includer : null) !== null;
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

/** The names between a macro's parentheses; null when they are no proper list. */
function parseParameters(tokens: readonly Token[]): { parameters: string[]; variadic: boolean } | null {
  const parameters: string[] = [];
  if (tokens.length === 0) return { parameters, variadic: false };
  for (let i = 0; ; i++) {
    const token = tokens[i];
    const next = tokens[i + 1];
    if (token === undefined) return null;
    if (token.is('...')) {
      parameters.push('__VA_ARGS__');
      return next === undefined ? { parameters, variadic: true } : null;
    }
    if (token.kind !== TokenKind.identifier || parameters.includes(token.text)) return null;
    parameters.push(token.text);
    if (next === undefined) return { parameters, variadic: false };
    if (next.is('...')) return tokens.length === i + 2 ? { parameters, variadic: true } : null;
    if (!next.is(',')) return null;
    i++;
  }
}

function sameMacro(a: Macro, b: Macro): boolean {
  const sameParameters = (a.parameters?.join() ?? null) === (b.parameters?.join() ?? null);
  if (!sameParameters || a.variadic !== b.variadic || a.body.length !== b.body.length) return false;
  return a.body.every((token, i) => {
    const other = b.body[i];
    return token.text === other?.text && (i === 0 || token.space === other.space);
  });
}

/** Reads `"name"` or `<name>`; the latter from the text, for its tokens may be anything. */
function headerName(tokens: readonly Token[]): { name: string; quoted: boolean; token: Token } | null {
  const [first] = tokens;
  if (first === undefined) return null;
  if (first.kind === TokenKind.string) {
    const bytes = stringBytes(first.text);
    return bytes === null ? null : { name: first.text.slice(1, -1), quoted: true, token: first };
  }
  if (!first.is('<')) return null;
  const close = tokens.findIndex((token) => token.text.includes('>'));
  const last = tokens[close];
  if (last === undefined) return null;
  const spelledTogether = tokens.slice(0, close + 1).every((token) => token.call === null);
  const name = spelledTogether
    ? first.file.text.slice(first.end, first.file.text.indexOf('>', first.end))
    : tokens
        .slice(1, close)
        .map((token, i) => (i > 0 && token.space ? ' ' : '') + token.text)
        .join('');
  const whole = new Token(
    TokenKind.string,
    `<${name}>`,
    first.file,
    first.offset,
    last.end,
    first.space,
    false,
    null,
    first.call,
  );
  return { name: name.trim(), quoted: false, token: whole };
}

const lineText = (tokens: readonly Token[]): string => {
  const first = tokens[0];
  const last = tokens[tokens.length - 1];
  return first === undefined || last === undefined ? '' : first.file.text.slice(first.offset, last.end);
};

const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`;

const isAbsolute = (path: string): boolean => /^([/\\]|[A-Za-z]:[/\\])/.test(path);

const folderOf = (path: string): string => /^(.*)[/\\]/s.exec(path)?.[1] ?? '';

/** Joins and removes `.` and `..` parts, so that one file has one path. */
function joinPath(folder: string, name: string): string {
  const whole = folder === '' ? name : `${folder}/${name}`;
  if (!/(^|[/\\])\.\.?[/\\]/.test(whole)) return whole;
  const parts: string[] = [];
  for (const part of whole.split(/[/\\]/)) {
    const last = parts[parts.length - 1];
    if (part === '..' && last !== undefined && last !== '' && last !== '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
