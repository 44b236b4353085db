/** Problems as diagnostics, file by file: a script's mistakes may lie in a header that it includes. */

import type { Diagnostic } from 'vscode-languageserver';
import { DiagnosticSeverity, DiagnosticTag } from 'vscode-languageserver';
import type { Problem } from '../../core/guest-c/tree.ts';
import type { Compilation } from './compilations.ts';
import { locationOf, rangeOf, uriOfPath } from './positions.ts';

/** Problems about text that has no effect: editors fade it. */
const UNNECESSARY: ReadonlySet<string> = new Set([
  'unused-variable',
  'unused-label',
  'unused-value',
  'unused-function',
]);

/** The diagnostics of one compilation by URI; the script itself is always there, so that mended ones go. */
export function diagnosticsByFile(uri: string, { path, problems }: Compilation): Map<string, Diagnostic[]> {
  const byFile = new Map<string, Diagnostic[]>([[uri, []]]);
  for (const problem of problems) {
    const file = problem.file === path ? uri : uriOfPath(problem.file);
    const list = byFile.get(file) ?? [];
    list.push(diagnosticOf(problem));
    byFile.set(file, list);
  }
  return byFile;
}

export function diagnosticOf(problem: Problem): Diagnostic {
  const related = (problem.related ?? []).map(({ range, message }) => ({
    location: locationOf(range),
    message,
  }));
  return {
    range: rangeOf(problem),
    severity: problem.severity === 'error' ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    code: problem.id,
    source: 'xenscope',
    message: problem.message,
    ...(UNNECESSARY.has(problem.id) ? { tags: [DiagnosticTag.Unnecessary] } : {}),
    ...(related.length > 0 ? { relatedInformation: related } : {}),
  };
}

/** What each script says about each file; a header's diagnostics are those of all scripts that include it. */
export class DiagnosticBoard {
  private readonly byScript: Map<string, Map<string, Diagnostic[]>>;

  constructor() {
    this.byScript = new Map();
  }

  /** Replaces what a script says (null: it is closed); returns the files to publish again, with all there is about them. */
  replace(
    script: string,
    said: Map<string, Diagnostic[]> | null,
  ): { uri: string; diagnostics: Diagnostic[] }[] {
    const before = this.byScript.get(script);
    if (said === null) this.byScript.delete(script);
    else this.byScript.set(script, said);
    const files = new Set([...(before?.keys() ?? []), ...(said?.keys() ?? [])]);
    return [...files].map((uri) => ({ uri, diagnostics: this.about(uri) }));
  }

  private about(uri: string): Diagnostic[] {
    const all = [...this.byScript.values()].flatMap((said) => said.get(uri) ?? []);
    const seen = new Set<string>();
    return all.filter((diagnostic) => {
      const key = JSON.stringify([diagnostic.range, diagnostic.code]);
      return !seen.has(key) && seen.add(key);
    });
  }
}
