/** What the name under the cursor is: a macro, a symbol, a tag, a member, an included file. */

import type { Position } from 'vscode-languageserver';
import type { ReferenceTarget } from '../../core/guest-c/checker.ts';
import type { Macro } from '../../core/guest-c/preprocessor-macros.ts';
import type { SourceRange } from '../../core/guest-c/tree.ts';
import type { Compilation } from './compilations.ts';
import { contains } from './positions.ts';

export type NameAt =
  | { readonly kind: 'macro'; readonly range: SourceRange; readonly macro: Macro }
  | { readonly kind: 'target'; readonly range: SourceRange; readonly target: ReferenceTarget }
  | { readonly kind: 'file'; readonly range: SourceRange; readonly path: string };

/** The name at a place of the script; null when there is none that the front end knows. */
export function nameAt(compilation: Compilation, position: Position): NameAt | null {
  const { path, index } = compilation;
  const isHere = (range: SourceRange): boolean => range.file === path && contains(range, position);
  for (const { macro, use } of index.macroUses) {
    const range = use.file.range(use.offset, use.end);
    if (isHere(range)) return { kind: 'macro', range, macro };
  }
  for (const macro of compilation.unit.macros.values()) {
    const range = macro.definition?.file.path === path ? macro.definition.range : null;
    if (range !== null && isHere(range)) return { kind: 'macro', range, macro };
  }
  for (const { name, path: included } of index.inclusions) {
    if (isHere(name.range)) return { kind: 'file', range: name.range, path: included };
  }
  const found = index.references
    .filter(({ range }) => isHere(range))
    .sort((a, b) => extent(a.range) - extent(b.range));
  const [smallest] = found;
  return smallest === undefined ? null : { kind: 'target', ...smallest };
}

const extent = (range: SourceRange): number =>
  (range.endLine - range.line) * 1000 + range.endColumn - range.column;

/** Where it is declared; null for what no file declares (predefined macros). */
export function declarationOfName(found: NameAt): SourceRange | null {
  const range = declaredAt(found);
  return range === null || range.file.startsWith('<') ? null : range;
}

function declaredAt(found: NameAt): SourceRange | null {
  if (found.kind === 'macro') return found.macro.definition?.range ?? null;
  if (found.kind === 'file') return { file: found.path, line: 1, column: 1, endLine: 1, endColumn: 1 };
  return rangeOfTarget(found.target);
}

export function rangeOfTarget(target: ReferenceTarget): SourceRange {
  if (target.kind === 'tag') return target.type.record.range;
  return target.kind === 'member' ? target.member.range : target.range;
}
