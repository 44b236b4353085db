/**
 * The parser's position in the tokens, and how it gets on after a mistake: a syntax error is reported where it is found
 * and thrown as `Panic` to the statement or declaration around it, which skips to the next one. One mistake, one message.
 */
import type { Checker } from './checker.ts';
import type { Fix, SourceRange } from './tree.ts';
import { type Token, TokenKind, rangeBetween } from './lexer.ts';

/** Thrown after a syntax error has been reported. Never leaves the parser. */
export class Panic extends Error {
  /** Tokens from here on belong to the file again: a function was not closed. */
  readonly resumeAtFile: number | null;

  constructor(resumeAtFile: number | null) {
    super('syntax error');
    this.resumeAtFile = resumeAtFile;
  }
}

/** Deeper nesting than this is no program; it bounds every recursion over the tree. */
const MAX_NESTING = 400;

export const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'auto break case char const continue default do double else enum extern float for goto if inline int long register ' +
    'restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Alignas ' +
    '_Alignof _Atomic _Bool _Complex _Generic _Imaginary _Noreturn _Static_assert _Thread_local asm typeof ' +
    '__asm __asm__ __attribute __attribute__ __alignof __alignof__ __const __const__ __extension__ __inline __inline__ ' +
    '__restrict __restrict__ __signed __signed__ __typeof __typeof__ __volatile __volatile__ __thread __auto_type __label__ ' +
    '__int128 __builtin_va_arg __builtin_offsetof __builtin_types_compatible_p __builtin_choose_expr'
  ).split(' '),
);

/** A string or character that lacks its closing quote: its token reaches to the end of the line. */
const isUnterminated = ({ kind, text }: Token): boolean => kind === TokenKind.bad && /^["']/.test(text);

export abstract class Cursor {
  protected readonly checker: Checker;
  private tokens: readonly Token[];
  protected at: number;
  private nesting: number;

  constructor(checker: Checker, tokens: readonly Token[]) {
    this.checker = checker;
    this.tokens = tokens;
    this.at = 0;
    this.nesting = 0;
  }

  protected get token(): Token {
    return this.tokens[this.at] as Token;
  }

  protected get atEnd(): boolean {
    return this.token.kind === TokenKind.end;
  }

  /** The token before the current one; the current one at the very start. */
  protected get previous(): Token {
    return this.tokens[Math.max(0, this.at - 1)] as Token;
  }

  protected peek(ahead: number): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token;
  }

  protected next(): Token {
    const token = this.token;
    if (token.kind !== TokenKind.end) this.at++;
    return token;
  }

  protected is(text: string): boolean {
    return this.token.is(text);
  }

  protected accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.at++;
    return true;
  }

  /** The current token when it is a name, no keyword. */
  protected get name(): Token | null {
    const { token } = this;
    return token.kind === TokenKind.identifier && !KEYWORDS.has(token.text) ? token : null;
  }

  /** Reads from other tokens for a while. */
  protected reading<T>(tokens: readonly Token[], parse: () => T): T {
    const before = { tokens: this.tokens, at: this.at };
    this.tokens = tokens;
    this.at = 0;
    try {
      return parse();
    } finally {
      this.tokens = before.tokens;
      this.at = before.at;
    }
  }

  /** From the token at `start` to the last one taken. */
  protected rangeFrom(start: Token): SourceRange {
    return rangeBetween(start, this.previous);
  }

  /** Takes that token or reports what is missing. `where` ends the message: "after the condition". */
  protected expect(text: string, where: string): void {
    if (this.accept(text)) return;
    this.fail('syntax', this.missingPlace(), `'${text}' is missing ${where}${this.found()}`);
  }

  /** As `expect`, but goes on as if it were there: for what is simply forgotten. */
  protected expectSoft(text: string, where: string): void {
    if (this.accept(text)) return;
    if (this.token.first || this.is('}') || this.token.kind === TokenKind.end) {
      this.checker.error(
        'syntax',
        this.missingPlace(),
        `'${text}' is missing ${where}.`,
        this.insertion(text),
      );
    } else this.expect(text, where);
  }

  /** Puts what is missing behind the last token. */
  private insertion(text: string): Fix | undefined {
    const { range } = this.previous;
    if (range.inMacro === true) return undefined;
    const { file, endLine, endColumn } = range;
    const place = { file, line: endLine, column: endColumn, endLine, endColumn };
    return { title: `Insert '${text}'`, edits: [{ range: place, text }] };
  }

  private found(): string {
    const { token } = this;
    if (token.kind === TokenKind.end) return '; the file ends here.';
    return token.first ? '.' : `; here is '${shortened(token.text)}'.`;
  }

  /** Where something should have stood: at the wrong token, or behind the last one when that is on a new line. */
  private missingPlace(): SourceRange {
    const { token } = this;
    if (!token.first && token.kind !== TokenKind.end) return token.range;
    const { file, endLine, endColumn } = this.previous.range;
    return { file, line: endLine, column: endColumn, endLine, endColumn: endColumn + 1 };
  }

  /** Reports a syntax error and leaves the construct. */
  protected fail(id: string, range: SourceRange, message: string): never {
    this.checker.error(id, range, message);
    throw new Panic(null);
  }

  /** Reports the current token as out of place. `wanted` completes "... is expected here". */
  protected unexpected(wanted: string): never {
    const { token } = this;
    if (token.kind === TokenKind.end)
      this.fail('syntax', this.missingPlace(), `The file ends where ${wanted} is expected.`);
    if (token.kind === TokenKind.bad) this.badToken(token);
    this.fail('syntax', token.range, `'${shortened(token.text)}' stands where ${wanted} is expected.`);
  }

  private badToken(token: Token): never {
    const first = token.text.charAt(0);
    if (token.text === '/*')
      this.fail('lex.comment', token.file.range(token.offset, token.offset + 2), "The comment has no '*/'.");
    if (isUnterminated(token)) {
      this.fail(
        'lex.unterminated',
        token.range,
        `The ${first === '"' ? 'string' : 'character'} has no closing ${first} on its line.`,
      );
    }
    const code = token.text.charCodeAt(0);
    const shown = code > 32 && code < 127 ? `'${token.text}'` : `with code ${code}`;
    this.fail('lex.character', token.range, `The character ${shown} does not belong to C.`);
  }

  /** Runs one more level of nesting, unless there are too many. */
  protected nested<T>(parse: () => T): T {
    if (this.nesting >= MAX_NESTING) {
      this.fail(
        'too-deep',
        this.token.range,
        `This is nested more than ${MAX_NESTING} levels deep. Split it.`,
      );
    }
    this.nesting++;
    try {
      return parse();
    } finally {
      this.nesting--;
    }
  }

  /**
   * Passes over tokens to where the next statement may begin: behind a `;`, before a `}` or a statement on a new line,
   * or behind a literal without an end, which has taken the rest of its line with it.
   */
  protected skipStatement(): void {
    const start = this.at;
    while (this.token.kind !== TokenKind.end) {
      const tookTheLine = isUnterminated(this.token);
      if (this.is('{')) this.skipBalanced('{', '}');
      else if (this.accept(';')) {
        if (!this.is('else')) return;
      } else if (this.is('}')) return;
      else if (this.at > start && this.token.first && STATEMENT_WORDS.has(this.token.text)) return;
      else {
        this.at++;
        if (tookTheLine) return;
      }
    }
  }

  /** From an opening bracket to behind its partner. */
  protected skipBalanced(open: string, close: string): void {
    let depth = 0;
    while (this.token.kind !== TokenKind.end) {
      const token = this.next();
      if (token.is(open)) depth++;
      else if (token.is(close) && --depth === 0) return;
    }
  }

  /** Passes over tokens to where the next declaration of the file may begin. */
  protected skipDeclaration(): void {
    const start = this.at;
    while (this.token.kind !== TokenKind.end) {
      if (this.is('{')) {
        this.skipBalanced('{', '}');
        if (this.accept(';') || this.startsInFirstColumn()) return;
      } else if (this.accept(';')) return;
      else if (this.at > start && this.startsInFirstColumn() && this.token.kind === TokenKind.identifier)
        return;
      else this.at++;
    }
  }

  protected startsInFirstColumn(): boolean {
    const { token } = this;
    return token.first && token.file.position(token.offset).column === 1;
  }
}

/** Words that only begin a statement. */
const STATEMENT_WORDS: ReadonlySet<string> = new Set(
  'if for while do switch case default return break continue goto'.split(' '),
);

const shortened = (text: string): string => (text.length > 40 ? `${text.slice(0, 37)}...` : text);
