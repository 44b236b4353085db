/** Quick fixes: the edits that the front end offers with its messages. */

import type { CodeAction, Diagnostic, Range, TextEdit } from 'vscode-languageserver';
import { CodeActionKind } from 'vscode-languageserver';
import type { Fix, SourceRange } from '../../core/guest-c/tree.ts';
import type { Compilation } from './compilations.ts';
import { diagnosticOf } from './diagnostics.ts';
import { rangeOf, uriOfPath } from './positions.ts';

/** What mends the problems at a place of the script; `text` gives a file as it stands. */
export function codeActionsAt(
  uri: string,
  { path, problems }: Compilation,
  range: Range,
  text: (path: string) => string | undefined,
): CodeAction[] {
  return problems.flatMap((problem): CodeAction[] => {
    const { fix } = problem;
    if (fix === undefined || problem.file !== path || !overlap(rangeOf(problem), range)) return [];
    const changes = changesOf(fix, (file) => (file === path ? uri : uriOfPath(file)), text);
    return changes === null ? [] : [quickFix(fix.title, diagnosticOf(problem), changes)];
  });
}

function quickFix(title: string, diagnostic: Diagnostic, changes: Record<string, TextEdit[]>): CodeAction {
  return {
    title,
    kind: CodeActionKind.QuickFix,
    diagnostics: [diagnostic],
    isPreferred: true,
    edit: { changes },
  };
}

/** The edits by document; null when the text there is no longer, or never was, what the fix replaces. */
function changesOf(
  { edits }: Fix,
  uriOf: (file: string) => string,
  text: (path: string) => string | undefined,
): Record<string, TextEdit[]> | null {
  const changes: Record<string, TextEdit[]> = {};
  for (const { range, text: newText, replaces } of edits) {
    if (replaces !== undefined && textAt(text(range.file) ?? '', range) !== replaces) return null;
    (changes[uriOf(range.file)] ??= []).push({ range: rangeOf(range), newText });
  }
  return changes;
}

/** The text of a range that lies on one line. */
function textAt(text: string, { line, column, endColumn }: SourceRange): string {
  return (text.split(/\r?\n/)[line - 1] ?? '').slice(column - 1, endColumn - 1);
}

const overlap = (a: Range, b: Range): boolean => !isBefore(a.end, b.start) && !isBefore(b.end, a.start);

const isBefore = (a: Range['start'], b: Range['start']): boolean =>
  a.line < b.line || (a.line === b.line && a.character < b.character);
