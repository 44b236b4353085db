/** Places and file names: the front end's (paths, lines and columns from 1) and the protocol's (URIs, from 0). */

import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Location, Position, Range } from 'vscode-languageserver';
import type { SourceRange } from '../../core/guest-c/tree.ts';

/** A document's path for the front end; a document that is no file is called by its URI. */
export function pathOfUri(uri: string): string {
  if (!uri.startsWith('file:')) return uri;
  try {
    return fileURLToPath(uri);
  } catch {
    return uri;
  }
}

/** The URI of a path; what is no absolute path (an unsaved document) is its own URI. */
export function uriOfPath(path: string): string {
  const isAbsolute = /^([/\\]|[A-Za-z]:[/\\])/.test(path);
  return isAbsolute ? pathToFileURL(path).href : path;
}

export function rangeOf({ line, column, endLine, endColumn }: Omit<SourceRange, 'file'>): Range {
  return {
    start: { line: line - 1, character: column - 1 },
    end: { line: endLine - 1, character: endColumn - 1 },
  };
}

export const locationOf = (range: SourceRange): Location => ({
  uri: uriOfPath(range.file),
  range: rangeOf(range),
});

/** Whether the place lies in the range or just behind its last character. */
export function contains(range: SourceRange, { line, character }: Position): boolean {
  const [atLine, atColumn] = [line + 1, character + 1];
  const afterStart = atLine > range.line || (atLine === range.line && atColumn >= range.column);
  const beforeEnd = atLine < range.endLine || (atLine === range.endLine && atColumn <= range.endColumn);
  return afterStart && beforeEnd;
}
