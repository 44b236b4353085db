/** The outline of a script: its functions, objects, types and macros, in order of the text. */

import type { DocumentSymbol } from 'vscode-languageserver';
import { SymbolKind } from 'vscode-languageserver';
import type { NamedSymbol, SourceRange } from '../../core/guest-c/tree.ts';
import type { RecordDefinition } from '../../core/guest-c/types.ts';
import { declarationOf, typeName } from '../../core/guest-c/types.ts';
import type { Compilation } from './compilations.ts';
import { rangeOf } from './positions.ts';

export function documentSymbols({ path, unit }: Compilation): DocumentSymbol[] {
  const named = [...unit.scope.symbols.values()].filter((symbol) => symbol.range.file === path);
  const records = [...unit.scope.tags.values()].flatMap((type) =>
    type.kind === 'record' ? [type.record] : [],
  );
  const macros = [...unit.macros.values()].filter((macro) => macro.definition?.file.path === path);
  const all = [
    ...named.map(symbolOf),
    ...records.filter((record) => record.complete && record.range.file === path).map(recordSymbol),
    ...macros.flatMap(({ name, definition }) =>
      definition === null ? [] : [outline(name, '', SymbolKind.Constant, definition.range)],
    ),
  ];
  return all.sort(
    (a, b) => a.range.start.line - b.range.start.line || a.range.start.character - b.range.start.character,
  );
}

function symbolOf(symbol: NamedSymbol): DocumentSymbol {
  const { name, range } = symbol;
  switch (symbol.kind) {
    case 'function':
      return outline(name, declarationOf(symbol.type, ''), SymbolKind.Function, range, symbol.end ?? range);
    case 'variable':
      return outline(name, typeName(symbol.type), SymbolKind.Variable, range);
    case 'typedef':
      return outline(name, typeName(symbol.type), SymbolKind.TypeParameter, range);
    case 'enumerator':
      return outline(name, `${symbol.value}`, SymbolKind.EnumMember, range);
  }
}

function recordSymbol(record: RecordDefinition): DocumentSymbol {
  const children = record.members.flatMap((member) =>
    member.name === null ? [] : [outline(member.name, typeName(member.type), SymbolKind.Field, member.range)],
  );
  const last = record.members[record.members.length - 1]?.range ?? record.range;
  const whole = outline(`${record.keyword} ${record.tag ?? ''}`, '', SymbolKind.Struct, record.range, last);
  return { ...whole, children };
}

function outline(
  name: string,
  detail: string,
  kind: SymbolKind,
  place: SourceRange,
  last: SourceRange = place,
): DocumentSymbol {
  const isAfter = last.file === place.file && last.endLine >= place.line;
  const end = isAfter ? last : place;
  const range = rangeOf({ ...place, endLine: end.endLine, endColumn: end.endColumn });
  return { name, detail, kind, range, selectionRange: rangeOf(place) };
}
