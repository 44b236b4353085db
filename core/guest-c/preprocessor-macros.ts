/**
 * Macro expansion (C11 6.10.3, with GNU's `args...` and `, ## args`, and `__VA_OPT__`), by hide sets: each token carries
 * the names of the macros it came from, and is not expanded by them again.
 */
import type { HideSet, MacroCall } from './lexer.ts';
import type { ProblemList, SourceFile } from './source.ts';
import type { SourceRange } from './tree.ts';
import { Token, TokenKind, lexOne } from './lexer.ts';

export interface Macro {
  readonly name: string;
  /** The name where it is defined; null for predefined macros. */
  readonly definition: Token | null;
  /** Names of the parameters, null for an object-like macro. The last one is `__VA_ARGS__` or named when variadic. */
  readonly parameters: readonly string[] | null;
  readonly variadic: boolean;
  readonly body: readonly Token[];
  /** `__LINE__` and its kind: makes its token when it is used. */
  readonly dynamic?: (use: Token) => Token;
}

/** Where expansion takes tokens from; expansions are pushed back in front. */
export interface TokenReader {
  next(): Token;
  /** Whether the next token is an opening parenthesis; looks across lines, never runs a directive. */
  atOpenParenthesis(): boolean;
  /** Puts tokens in front of what `next` returns. */
  unread(tokens: readonly Token[]): void;
  /** While true, `next` gives an `end` token at the end of the current file, instead of going on in the including one. */
  stayInFile(stay: boolean): void;
}

/** Expanding more tokens than this is a mistake (or an attack), not a program. */
const MAX_EXPANDED_TOKENS = 1_000_000;
const MAX_ARGUMENTS = 10_000;

/** One argument of a macro call, as written and (made when first needed) expanded. */
interface Argument {
  readonly raw: readonly Token[];
  expanded: readonly Token[] | null;
}

export class MacroExpander {
  readonly macros: Map<string, Macro>;
  private readonly problems: ProblemList;
  private expandedTokens: number;
  /** Told of every outermost use of a macro, for editors. */
  onUse: ((macro: Macro, use: Token) => void) | null;

  constructor(problems: ProblemList) {
    this.macros = new Map();
    this.problems = problems;
    this.expandedTokens = 0;
    this.onUse = null;
  }

  /** The next token after expansion. */
  next(reader: TokenReader): Token {
    let carriedSpace = false;
    for (;;) {
      const token = reader.next();
      if (token.kind === TokenKind.identifier) {
        const expansion = this.expand(token, reader);
        if (expansion !== null) {
          if (expansion.length === 0) carriedSpace ||= token.space;
          else reader.unread(expansion);
          continue;
        }
      }
      if (!carriedSpace || token.space) return token;
      return new Token(
        token.kind,
        token.text,
        token.file,
        token.offset,
        token.end,
        true,
        token.first,
        token.hide,
        token.call,
      );
    }
  }

  /**
   * What an identifier expands to, its arguments taken from the reader; null when it is no macro call. The result is still
   * to be scanned for further macros.
   */
  expand(name: Token, reader: TokenReader): readonly Token[] | null {
    const macro = this.macros.get(name.text);
    if (macro === undefined || name.hide?.includes(name.text) === true) return null;
    if (macro.parameters !== null && !reader.atOpenParenthesis()) return null;
    if (this.expandedTokens > MAX_EXPANDED_TOKENS) return null;
    if (name.call === null) this.onUse?.(macro, name);
    const call = name.call ?? { name: macro.name, file: name.file, offset: name.offset, end: name.end };
    const expansion = this.expandCall(macro, name, call, reader);
    this.countExpanded(expansion.length, name.range);
    return expansion;
  }

  private expandCall(macro: Macro, name: Token, call: MacroCall, reader: TokenReader): readonly Token[] {
    if (macro.dynamic !== undefined) return [macro.dynamic(name).inCall(call, name.hide, name.space)];
    if (macro.parameters === null) {
      const hide = hideSetWith(name.hide, macro.name);
      return this.substitute(macro, [], false, name, call, hide);
    }
    const collected = this.collectArguments(macro, name, reader);
    if (collected === null) return [standIn(name, call)];
    const { args, close, omitted } = collected;
    if (name.call === null && close.call === null && close.file === call.file) call.end = close.end;
    const hide = hideSetWith(intersection(name.hide, close.hide), macro.name);
    return this.substitute(macro, args, omitted, name, call, hide);
  }

  private countExpanded(count: number, range: SourceRange): void {
    this.expandedTokens += count;
    if (this.expandedTokens > MAX_EXPANDED_TOKENS) {
      this.problems.error(
        'pp.too-much-expansion',
        range,
        `The macros expand to more than ${MAX_EXPANDED_TOKENS} tokens. Make them smaller.`,
      );
    }
  }

  /** Every token of the list expanded, alone (6.10.3.1). */
  expandAll(tokens: readonly Token[]): Token[] {
    const reader = new ListReader(tokens);
    const result: Token[] = [];
    for (;;) {
      const token = this.next(reader);
      if (token.kind === TokenKind.end) return result;
      result.push(token);
    }
  }

  /** Reads `( ... )`. Null when the call is broken off or has a wrong number of arguments (reported). */
  private collectArguments(
    macro: Macro,
    name: Token,
    reader: TokenReader,
  ): { args: Argument[]; close: Token; omitted: boolean } | null {
    const parameters = macro.parameters ?? [];
    const args: Argument[] = [];
    let current: Token[] = [];
    let depth = 0;
    reader.next();
    reader.stayInFile(true);
    for (;;) {
      const token = reader.next();
      if (token.kind === TokenKind.end) {
        reader.stayInFile(false);
        this.problems.error(
          'pp.unterminated-call',
          name.range,
          `The call of macro '${macro.name}' has no closing ')'.`,
        );
        return null;
      }
      if (token.kind === TokenKind.punctuator) {
        if (token.text === ')' && depth === 0) {
          args.push({ raw: current, expanded: null });
          reader.stayInFile(false);
          return this.checkArguments(macro, args, name, token);
        }
        const inRest = macro.variadic && args.length === parameters.length - 1;
        if (token.text === ',' && depth === 0 && !inRest && args.length < MAX_ARGUMENTS) {
          args.push({ raw: current, expanded: null });
          current = [];
          continue;
        }
        if (token.text === '(') depth++;
        else if (token.text === ')') depth--;
      }
      current.push(token);
    }
  }

  private checkArguments(
    macro: Macro,
    args: Argument[],
    name: Token,
    close: Token,
  ): { args: Argument[]; close: Token; omitted: boolean } | null {
    const wanted = macro.parameters?.length ?? 0;
    const given = args.length;
    const onlyEmpty = given === 1 && args[0]?.raw.length === 0;
    if (wanted === 0 && onlyEmpty) return { args: [], close, omitted: false };
    if (given === wanted || (macro.variadic && given === wanted - 1)) {
      const omitted = macro.variadic && (given < wanted || (wanted === 1 && onlyEmpty));
      if (given < wanted) args.push({ raw: [], expanded: null });
      return { args, close, omitted };
    }
    const wantedText = macro.variadic ? `at least ${wanted - 1}` : `${wanted}`;
    this.problems.error(
      'pp.argument-count',
      name.range,
      `Macro '${macro.name}' takes ${wantedText} argument${wantedText === '1' ? '' : 's'}, not ${given}.`,
    );
    return null;
  }

  /** The body with arguments in place of parameters, `#` and `##` done, hide set and call put on every token. */
  private substitute(
    macro: Macro,
    args: readonly Argument[],
    restOmitted: boolean,
    name: Token,
    call: MacroCall,
    hide: HideSet,
  ): Token[] {
    const substitution = new Substitution(this, this.problems, macro, args, restOmitted, name);
    const result: Token[] = [];
    let previousHide: HideSet = null;
    let previousUnion = hide;
    for (const token of substitution.run()) {
      if (token.kind === TokenKind.placemarker) continue;
      if (token.hide !== previousHide) {
        previousHide = token.hide;
        previousUnion = union(token.hide, hide);
      }
      if (result.length > 0) result.push(token.inCall(call, previousUnion, token.space));
      else result.push(token.inCall(call, previousUnion, name.space, name.first));
    }
    return result;
  }
}

/** One pass over a macro's body (6.10.3.1 to 6.10.3.3). */
class Substitution {
  private readonly expander: MacroExpander;
  private readonly problems: ProblemList;
  private readonly macro: Macro;
  private readonly args: readonly Argument[];
  private readonly restOmitted: boolean;
  private readonly use: Token;
  private readonly out: Token[];

  constructor(
    expander: MacroExpander,
    problems: ProblemList,
    macro: Macro,
    args: readonly Argument[],
    restOmitted: boolean,
    use: Token,
  ) {
    this.expander = expander;
    this.problems = problems;
    this.macro = macro;
    this.args = args;
    this.restOmitted = restOmitted;
    this.use = use;
    this.out = [];
  }

  run(): readonly Token[] {
    return this.process(this.macro.body);
  }

  private process(body: readonly Token[]): Token[] {
    const out = this.out;
    for (let i = 0; i < body.length; i++) {
      const token = body[i] as Token;
      if (token.is('##') && out.length > 0 && i + 1 < body.length) {
        i = this.paste(body, i + 1);
        continue;
      }
      const operand = this.operand(body, i, isPasteAt(body, i + 1));
      this.append(operand.tokens, token.space);
      i = operand.last;
    }
    return out;
  }

  /** Puts tokens behind the output; the first takes the parameter's spacing. */
  private append(tokens: readonly Token[], space: boolean): void {
    tokens.forEach((token, index) => {
      this.out.push(
        index === 0 && token.space !== space ? token.inCall(token.call, token.hide, space) : token,
      );
    });
  }

  /**
   * What stands at body[i]: a parameter's argument (raw beside `##`), a string by `#`, `__VA_OPT__`'s content, or the
   * token itself. `last` is the index of the last body token used.
   */
  private operand(
    body: readonly Token[],
    i: number,
    raw: boolean,
  ): { tokens: readonly Token[]; last: number } {
    const token = body[i] as Token;
    if (this.macro.parameters === null) return { tokens: [token], last: i };
    const next = body[i + 1];
    if (token.is('#') && next !== undefined) {
      const argument = this.argumentOf(next);
      if (argument !== null) return { tokens: [stringised(argument.raw, token)], last: i + 1 };
      if (next.is('__VA_OPT__') && this.macro.variadic) {
        const optional = this.optionalPart(body, i + 1);
        return { tokens: [stringised(optional.tokens, token)], last: optional.last };
      }
    }
    if (token.is('__VA_OPT__') && this.macro.variadic) return this.optionalPart(body, i);
    const argument = this.argumentOf(token);
    if (argument === null) return { tokens: [token], last: i };
    if (!raw) return { tokens: (argument.expanded ??= this.expander.expandAll(argument.raw)), last: i };
    return { tokens: argument.raw.length === 0 ? [placemarker(token)] : argument.raw, last: i };
  }

  private argumentOf(token: Token): Argument | null {
    if (token.kind !== TokenKind.identifier) return null;
    const index = this.macro.parameters?.indexOf(token.text) ?? -1;
    return this.args[index] ?? null;
  }

  /** `__VA_OPT__ ( ... )`: its content, or nothing when there are no variable arguments. */
  private optionalPart(body: readonly Token[], i: number): { tokens: readonly Token[]; last: number } {
    const close = closingParenthesis(body, i + 1);
    if (close < 0) return { tokens: [body[i] as Token], last: i };
    const rest = this.args[this.args.length - 1];
    const isEmpty = rest === undefined || (rest.expanded ??= this.expander.expandAll(rest.raw)).length === 0;
    if (isEmpty) return { tokens: [placemarker(body[i] as Token)], last: close };
    const inner = new Substitution(
      this.expander,
      this.problems,
      this.macro,
      this.args,
      this.restOmitted,
      this.use,
    );
    return { tokens: inner.process(body.slice(i + 2, close)), last: close };
  }

  /** Joins the last token of the output with the operand at body[i]; returns the last index used. */
  private paste(body: readonly Token[], i: number): number {
    const left = this.out[this.out.length - 1] as Token;
    const right = body[i] as Token;
    const operand = this.operand(body, i, true);
    if (left.is(',') && this.isRest(right)) {
      if (this.restOmitted) this.out.pop();
      else
        this.append(
          operand.tokens.filter((t) => t.kind !== TokenKind.placemarker),
          right.space,
        );
      return operand.last;
    }
    const [first = placemarker(right), ...others] = operand.tokens;
    this.out.pop();
    for (const token of this.joined(left, first)) this.out.push(token);
    for (const token of others) this.out.push(token);
    return operand.last;
  }

  private isRest(token: Token): boolean {
    const parameters = this.macro.parameters;
    return this.macro.variadic && parameters !== null && token.is(parameters[parameters.length - 1] ?? '');
  }

  private joined(left: Token, right: Token): readonly Token[] {
    if (right.kind === TokenKind.placemarker) return [left];
    if (left.kind === TokenKind.placemarker) return [right.inCall(right.call, right.hide, left.space)];
    const made = lexOne(left.text + right.text);
    if (made === null || made.kind === TokenKind.bad) {
      this.problems.error(
        'pp.bad-paste',
        this.use.range,
        `Joining '${left.text}' and '${right.text}' by ## in macro '${this.macro.name}' gives no valid token.`,
      );
      return [left, right];
    }
    const hide = intersection(left.hide, right.hide);
    return [
      new Token(made.kind, made.text, left.file, left.offset, left.end, left.space, false, hide, left.call),
    ];
  }
}

/** A list of tokens as a reader. */
export class ListReader implements TokenReader {
  private readonly stack: Token[];
  private readonly last: Token | undefined;

  constructor(tokens: readonly Token[]) {
    this.stack = [...tokens].reverse();
    this.last = tokens[tokens.length - 1];
  }

  next(): Token {
    return this.stack.pop() ?? endToken(this.last);
  }

  atOpenParenthesis(): boolean {
    return this.stack[this.stack.length - 1]?.is('(') === true;
  }

  unread(tokens: readonly Token[]): void {
    for (let i = tokens.length - 1; i >= 0; i--) this.stack.push(tokens[i] as Token);
  }

  stayInFile(): void {
    // A list ends where it ends.
  }
}

const NOWHERE = { path: '', text: '' } as SourceFile;

const endToken = (after: Token | undefined): Token =>
  new Token(
    TokenKind.end,
    '',
    after?.file ?? NOWHERE,
    after?.end ?? 0,
    after?.end ?? 0,
    false,
    false,
    null,
    after?.call ?? null,
  );

const placemarker = (at: Token): Token =>
  new Token(TokenKind.placemarker, '', at.file, at.offset, at.end, at.space, false, null, at.call);

/** What a broken call gives, so that the text around it can still be read. */
const standIn = (name: Token, call: MacroCall): Token =>
  new Token(TokenKind.number, '0', name.file, name.offset, name.end, name.space, name.first, null, call);

const isPasteAt = (body: readonly Token[], i: number): boolean =>
  i + 1 < body.length && body[i]?.is('##') === true;

/** Index of the `)` that closes the `(` at body[open], -1 when there is none. */
function closingParenthesis(body: readonly Token[], open: number): number {
  if (body[open]?.is('(') !== true) return -1;
  let depth = 0;
  for (let i = open; i < body.length; i++) {
    if (body[i]?.is('(') === true) depth++;
    else if (body[i]?.is(')') === true && --depth === 0) return i;
  }
  return -1;
}

/** `#`: the spelling of the tokens as a string literal, white space between them as one blank. */
function stringised(tokens: readonly Token[], at: Token): Token {
  let text = '';
  for (const token of tokens) {
    if (token.kind === TokenKind.placemarker) continue;
    if (text !== '' && (token.space || token.first)) text += ' ';
    const isQuoted = token.kind === TokenKind.string || token.kind === TokenKind.character;
    text += isQuoted ? token.text.replace(/[\\"]/g, '\\$&') : token.text;
  }
  return new Token(TokenKind.string, `"${text}"`, at.file, at.offset, at.end, at.space, false, null, at.call);
}

function hideSetWith(set: HideSet, name: string): HideSet {
  if (set === null) return [name];
  return set.includes(name) ? set : [...set, name];
}

function union(left: HideSet, right: HideSet): HideSet {
  if (left === null || left === right) return right;
  if (right === null) return left;
  const added = right.filter((name) => !left.includes(name));
  return added.length === 0 ? left : [...left, ...added];
}

function intersection(left: HideSet, right: HideSet): HideSet {
  if (left === null || right === null) return null;
  const common = left.filter((name) => right.includes(name));
  return common.length === 0 ? null : common;
}
