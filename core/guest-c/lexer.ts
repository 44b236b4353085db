/**
 * Preprocessing tokens (C11 6.4): text in, tokens out, each knowing where it is spelled.
 *
 * Comments and line splices vanish here. Whatever is no token (a stray quote, a control character) becomes a `bad`
 * token, because text that is skipped by #if may hold anything; who meets it later reports it.
 */
import type { SourceRange } from './tree.ts';
import { SourceFile } from './source.ts';

export const TokenKind = {
  end: 0,
  identifier: 1,
  number: 2,
  character: 3,
  string: 4,
  punctuator: 5,
  bad: 6,
  /** An empty macro argument beside `##`; never leaves the preprocessor. */
  placemarker: 7,
} as const;
export type TokenKind = (typeof TokenKind)[keyof typeof TokenKind];

/** The outermost macro call that a token comes from: from the macro's name to the closing parenthesis. */
export interface MacroCall {
  readonly name: string;
  readonly file: SourceFile;
  readonly offset: number;
  end: number;
}

/** Names of macros that a token must not be expanded by again (its hide set), sorted; null for none. */
export type HideSet = readonly string[] | null;

export class Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Where it is spelled. */
  readonly file: SourceFile;
  readonly offset: number;
  readonly end: number;
  /** White space, a comment or a line's start stands before it. */
  readonly space: boolean;
  /** First on its line. */
  readonly first: boolean;
  readonly hide: HideSet;
  readonly call: MacroCall | null;
  private spelling: SourceRange | null;

  constructor(
    kind: TokenKind,
    text: string,
    file: SourceFile,
    offset: number,
    end: number,
    space: boolean,
    first: boolean,
    hide: HideSet,
    call: MacroCall | null,
  ) {
    this.kind = kind;
    this.text = text;
    this.file = file;
    this.offset = offset;
    this.end = end;
    this.space = space;
    this.first = first;
    this.hide = hide;
    this.call = call;
    this.spelling = null;
  }

  is(text: string): boolean {
    return this.text === text && (this.kind === TokenKind.punctuator || this.kind === TokenKind.identifier);
  }

  /** As part of a macro's expansion: same spelling, other surroundings. */
  inCall(call: MacroCall | null, hide: HideSet, space: boolean, first = false): Token {
    return new Token(this.kind, this.text, this.file, this.offset, this.end, space, first, hide, call);
  }

  /** Where the user sees it: its spelling, or the outermost macro call unless it is spelled inside that call. */
  get range(): SourceRange {
    const call = this.call;
    if (call === null) return (this.spelling ??= this.file.range(this.offset, this.end));
    const spelledInCall = this.file === call.file && this.offset >= call.offset && this.end <= call.end;
    const range = spelledInCall
      ? this.file.range(this.offset, this.end)
      : call.file.range(call.offset, call.end);
    return { ...range, inMacro: true };
  }
}

/** From the start of one token to the end of another, as the user sees them. */
export function rangeBetween(from: Token, to: Token): SourceRange {
  const first = from.range;
  const last = from === to ? first : to.range;
  if (first.file !== last.file) return first;
  const backwards =
    last.endLine < first.line || (last.endLine === first.line && last.endColumn < first.column);
  if (backwards) return first;
  const { file, line, column } = first;
  const range = { file, line, column, endLine: last.endLine, endColumn: last.endColumn };
  return first.inMacro === true && last.inMacro === true ? { ...range, inMacro: true } : range;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isNameStart = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code === 36 || code >= 0x80;
const isNamePart = (code: number): boolean => isNameStart(code) || isDigit(code);

/** Punctuators by length, longest first; single characters are looked up in PUNCTUATOR_CHARACTERS. */
const LONG_PUNCTUATORS: ReadonlySet<string> = new Set([
  ...['...', '<<=', '>>='],
  ...[
    '->',
    '++',
    '--',
    '<<',
    '>>',
    '<=',
    '>=',
    '==',
    '!=',
    '&&',
    '||',
    '*=',
    '/=',
    '%=',
    '+=',
    '-=',
    '&=',
    '^=',
  ],
  ...['|=', '##'],
]);
const PUNCTUATOR_CHARACTERS = '[](){}.&*+-~!/%<>^|?:;=,#';
const DIGRAPHS: ReadonlyMap<string, string> = new Map([
  ...([
    ['<:', '['],
    [':>', ']'],
    ['<%', '{'],
    ['%>', '}'],
    ['%:', '#'],
  ] as const),
]);

/** The tokens of a whole file, closed by an `end` token. Linear in the text's length. */
export function lex(file: SourceFile): Token[] {
  return new Lexer(file).all();
}

/** The single token that the text is, or null when it is none or several. For `##`. */
export function lexOne(text: string): { kind: TokenKind; text: string } | null {
  const tokens = lex(new SourceFile('', text));
  const [only] = tokens;
  return tokens.length === 2 && only !== undefined && only.end === text.length ? only : null;
}

const COMMENT_END = /\*(?:\\\r?\n)*\//g;

class Lexer {
  private readonly file: SourceFile;
  private readonly text: string;
  private at: number;
  private space: boolean;
  private first: boolean;
  private readonly tokens: Token[];

  constructor(file: SourceFile) {
    this.file = file;
    this.text = file.text;
    this.at = file.text.charCodeAt(0) === 0xfeff ? 1 : 0;
    this.space = true;
    this.first = true;
    this.tokens = [];
  }

  all(): Token[] {
    for (;;) {
      this.skipBlanks();
      if (this.at >= this.text.length) break;
      this.token();
    }
    this.first = true;
    this.push(TokenKind.end, '', this.text.length, this.text.length);
    return this.tokens;
  }

  private push(kind: TokenKind, text: string, offset: number, end: number): void {
    this.tokens.push(new Token(kind, text, this.file, offset, end, this.space, this.first, null, null));
    this.at = end;
    this.space = false;
    this.first = false;
  }

  private skipBlanks(): void {
    const text = this.text;
    for (;;) {
      const code = text.charCodeAt(this.at);
      if (code === 32 || code === 9 || code === 13 || code === 12 || code === 11) this.at++;
      else if (code === 10) {
        this.at++;
        this.first = true;
      } else if (code === 47 && text.charCodeAt(this.afterSplices(this.at + 1)) === 42) this.blockComment();
      else if (code === 47 && text.charCodeAt(this.afterSplices(this.at + 1)) === 47) this.lineComment();
      else if (code === 92 && this.spliceLength(this.at) > 0) {
        this.at += this.spliceLength(this.at);
        continue;
      } else return;
      this.space = true;
    }
  }

  private blockComment(): void {
    COMMENT_END.lastIndex = this.afterSplices(this.at + 1) + 1;
    if (COMMENT_END.test(this.text)) this.at = COMMENT_END.lastIndex;
    else this.push(TokenKind.bad, '/*', this.at, this.text.length);
  }

  /** That offset, or the one behind the splices that stand there. */
  private afterSplices(at: number): number {
    let behind = at;
    for (let length = this.spliceLength(behind); length > 0; length = this.spliceLength(behind))
      behind += length;
    return behind;
  }

  private lineComment(): void {
    let end = this.text.indexOf('\n', this.at);
    while (end > 0 && this.endsInSplice(end)) end = this.text.indexOf('\n', end + 1);
    this.at = end < 0 ? this.text.length : end;
  }

  private endsInSplice(newline: number): boolean {
    const before = this.text.charCodeAt(newline - 1);
    return before === 92 || (before === 13 && this.text.charCodeAt(newline - 2) === 92);
  }

  /** Length of a backslash and line end at that offset, 0 when there is none. */
  private spliceLength(at: number): number {
    if (this.text.charCodeAt(at) !== 92) return 0;
    if (this.text.charCodeAt(at + 1) === 10) return 2;
    return this.text.charCodeAt(at + 1) === 13 && this.text.charCodeAt(at + 2) === 10 ? 3 : 0;
  }

  private token(): void {
    const code = this.text.charCodeAt(this.at);
    if (isNameStart(code)) this.name();
    else if (isDigit(code) || (code === 46 && isDigit(this.text.charCodeAt(this.at + 1)))) this.number();
    else if (code === 34 || code === 39) this.quoted(this.at);
    else this.punctuator();
  }

  private name(): void {
    const text = this.text;
    const start = this.at;
    let end = start + 1;
    while (isNamePart(text.charCodeAt(end))) end++;
    const next = text.charCodeAt(end);
    if ((next === 34 || next === 39) && isEncodingPrefix(text.slice(start, end))) {
      this.at = end;
      this.quoted(start);
      return;
    }
    if (next === 92 && this.spliceLength(end) > 0) this.spliced(TokenKind.identifier, start, end, isNamePart);
    else this.push(TokenKind.identifier, text.slice(start, end), start, end);
  }

  private number(): void {
    const text = this.text;
    const start = this.at;
    let end = start + 1;
    for (;;) {
      const code = text.charCodeAt(end);
      const isSign = code === 43 || code === 45;
      if (!(isNamePart(code) || code === 46 || (isSign && isExponent(text.charCodeAt(end - 1))))) break;
      end++;
    }
    if (text.charCodeAt(end) === 92 && this.spliceLength(end) > 0) {
      this.spliced(TokenKind.number, start, end, (code) => isNamePart(code) || code === 46);
    } else this.push(TokenKind.number, text.slice(start, end), start, end);
  }

  /** A name or number that goes on behind a backslash and line end. */
  private spliced(kind: TokenKind, start: number, from: number, goesOn: (code: number) => boolean): void {
    let text = this.text.slice(start, from);
    let at = from;
    for (;;) {
      const splice = this.spliceLength(at);
      if (splice > 0) at += splice;
      else if (goesOn(this.text.charCodeAt(at))) text += this.text.charAt(at++);
      else break;
    }
    this.push(kind, text, start, at);
  }

  private quoted(start: number): void {
    const text = this.text;
    const quote = text.charCodeAt(this.at);
    let at = this.at + 1;
    let splices = false;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === quote) break;
      if (code === 92) {
        const splice = this.spliceLength(at);
        if (splice > 0) splices = true;
        at += splice > 0 ? splice : 2;
      } else if (code === 10 || Number.isNaN(code)) {
        const end = Math.min(at, text.length);
        this.push(TokenKind.bad, text.slice(start, end), start, end);
        return;
      } else at++;
    }
    const raw = text.slice(start, at + 1);
    const kind = quote === 34 ? TokenKind.string : TokenKind.character;
    this.push(kind, splices ? raw.replace(/\\\r?\n/g, '') : raw, start, at + 1);
  }

  private punctuator(): void {
    const text = this.text;
    const start = this.at;
    const second = this.afterSplices(start + 1);
    const third = this.afterSplices(second + 1);
    const two = text.charAt(start) + text.charAt(second);
    const three = two + text.charAt(third);
    const digraph = DIGRAPHS.get(two);
    if (three.length === 3 && LONG_PUNCTUATORS.has(three)) {
      this.push(TokenKind.punctuator, three, start, third + 1);
    } else if (two.length === 2 && LONG_PUNCTUATORS.has(two)) {
      this.push(TokenKind.punctuator, two, start, second + 1);
    } else if (digraph !== undefined) this.push(TokenKind.punctuator, digraph, start, second + 1);
    else {
      const character = text.charAt(start);
      const kind = PUNCTUATOR_CHARACTERS.includes(character) ? TokenKind.punctuator : TokenKind.bad;
      this.push(kind, character, start, start + 1);
    }
  }
}

const isExponent = (code: number): boolean => code === 101 || code === 69 || code === 112 || code === 80;
const isEncodingPrefix = (text: string): boolean =>
  text === 'L' || text === 'u' || text === 'U' || text === 'u8';
