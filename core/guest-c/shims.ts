/**
 * Headers for pasted code: a script that uses a name of Mini-OS's or XTF's without an #include gets the header that has
 * it, behind the prelude. The others cost nothing.
 */
import { type ShippedHeaders, type SourceHost, folderOf, joinPath } from './preprocessor-files.ts';

const SHIMS = ['xenscope/minios.h', 'xenscope/xtf.h'] as const;

/** What a header defines: macros, and functions and objects of the library, which stand at the beginning of a line. */
const DEFINITIONS =
  /^#define (\w+)|^(?:__XENSCOPE_LIBRARY|extern|static|typedef)\b[^=({;]*?(\w+)(?=[[=({;])/gm;
const QUOTED_INCLUDE = /^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"/gm;
const NAME = /[A-Za-z_]\w*/g;

/** By the header's text. */
const known = new WeakMap<ShippedHeaders, Map<string, ReadonlySet<string>>>();

/** The headers whose names a script uses, it or the files beside it that it includes. */
export function shimsFor(main: { readonly path: string; readonly text: string }, host: SourceHost): string[] {
  const used = new Set<string>();
  for (const text of ownTexts(main, host)) for (const [name] of text.matchAll(NAME)) used.add(name);
  return SHIMS.filter((shim) => {
    for (const defined of namesOf(shim, host.headers)) if (used.has(defined)) return true;
    return false;
  });
}

/** The text of a script and of all that it includes by quoted names from beside it. */
function ownTexts(main: { readonly path: string; readonly text: string }, host: SourceHost): string[] {
  const texts = new Map([[main.path, main.text]]);
  for (const [path, text] of texts) {
    for (const [, name = ''] of text.matchAll(QUOTED_INCLUDE)) {
      const included = joinPath(folderOf(path), name);
      const found = texts.has(included) ? undefined : host.read(included);
      if (found !== undefined) texts.set(included, found);
    }
  }
  return [...texts.values()];
}

function namesOf(name: string, headers: ShippedHeaders): ReadonlySet<string> {
  let byName = known.get(headers);
  if (byName === undefined) known.set(headers, (byName = new Map()));
  let names = byName.get(name);
  if (names === undefined) {
    const text = headers.files.get(name) ?? '';
    names = new Set([...text.matchAll(DEFINITIONS)].map(([, macro, other]) => macro ?? other ?? ''));
    byName.set(name, names);
  }
  return names;
}
