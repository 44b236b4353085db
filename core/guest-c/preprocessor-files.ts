/**
 * Files for #include: the host that reads them, where they are searched, and how an #include line names them.
 */
import { SourceFile } from './source.ts';
import { Token, TokenKind } from './lexer.ts';
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

/** Files of sets of shipped headers, which never change: every unit reads the same ones. */
const SHIPPED_FILES = new WeakMap<ShippedHeaders, Map<string, SourceFile>>();

/** Finds and keeps the files of one unit. */
export class FileFinder {
  private readonly host: SourceHost;
  /** Every file read, by path, in order of first reading. */
  readonly files: Map<string, SourceFile>;

  constructor(host: SourceHost) {
    this.host = host;
    this.files = new Map();
  }

  register(path: string, text: string): SourceFile {
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const file = new SourceFile(path, text);
    this.files.set(path, file);
    return file;
  }

  /** The file that an #include in a file names. */
  find(
    { name, quoted }: { readonly name: string; readonly quoted: boolean },
    includer: string,
  ): SourceFile | null {
    if (isAbsolute(name)) return this.read(name);
    const shipped = this.nameInShipped(includer);
    if (shipped !== null) {
      // The headers that ship belong together, also where include paths have others of the same names.
      const own = this.findShipped(joinPath(folderOf(shipped), name)) ?? this.findShipped(name);
      if (own !== null) return own;
    }
    const folders = quoted ? [folderOf(includer)] : [];
    for (const folder of [...folders, ...this.host.includePaths]) {
      const file = this.read(joinPath(folder, name));
      if (file !== null) return file;
    }
    return this.findShipped(name);
  }

  read(path: string): SourceFile | null {
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const text = this.host.read(path);
    return text === undefined ? null : this.register(path, text);
  }

  findShipped(name: string): SourceFile | null {
    const { headers } = this.host;
    const text = headers.files.get(name);
    if (text === undefined) return null;
    const path = joinPath(headers.root, name);
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const file = shippedFile(headers, path, text);
    this.files.set(path, file);
    return file;
  }

  /** A shipped header's name, null for another file. */
  nameInShipped(path: string): string | null {
    const prefix = joinPath(this.host.headers.root, '');
    return path.startsWith(prefix) ? path.slice(prefix.length) : null;
  }
}

function shippedFile(headers: ShippedHeaders, path: string, text: string): SourceFile {
  const kept = SHIPPED_FILES.get(headers) ?? new Map<string, SourceFile>();
  SHIPPED_FILES.set(headers, kept);
  const known = kept.get(path);
  if (known?.text === text) return known;
  const file = new SourceFile(path, text);
  kept.set(path, file);
  return file;
}

/** Reads `"name"` or `<name>`; the latter from the text, for its tokens may be anything. */
export function headerName(tokens: readonly Token[]): { name: string; quoted: boolean; token: Token } | null {
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

export const isAbsolute = (path: string): boolean => /^([/\\]|[A-Za-z]:[/\\])/.test(path);

export const folderOf = (path: string): string => /^(.*)[/\\]/s.exec(path)?.[1] ?? '';

/** Joins and removes `.` and `..` parts, so that one file has one path. */
export function joinPath(folder: string, name: string): string {
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
