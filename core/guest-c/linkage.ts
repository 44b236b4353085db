/**
 * What kind of kernel a script is, told by the names that it uses: which headers of pasted code it gets without an
 * #include, and where it is linked. The names of the script and of what it includes from beside it count.
 */
import {
  type ShippedHeaders,
  type SourceHost,
  folderOf,
  isAbsolute,
  joinPath,
} from './preprocessor-files.ts';

/**
 * default: at the ABI's virtual base. minios: from address 0 on, the text first, its first page used up by the start code.
 * xtf: from address 0 on, the image at 1 MiB. (The text of Mini-OS and XTF relies on PFN n being at n * 4096.)
 */
export type Linkage = 'default' | 'minios' | 'xtf';

export interface ScriptKind {
  readonly linkage: Linkage;
  /** To be included in front, in this order. */
  readonly headers: readonly string[];
}

export const PRELUDE = 'xenscope.h';
const ZERO_BASE = 'xenscope/zero-base.h';
const NAMED_HEADERS = ['xenscope/minios.h', 'xenscope/xtf.h'] as const;
/** Mini-OS counts PFNs from its first symbol. */
const MINIOS_NAME = '_text';
const XTF_TEST = /^\s*void\s+test_main\s*\(\s*void\s*\)/m;

/** What a header defines: macros, and functions and objects of the library, which stand at the beginning of a line. */
const DEFINITIONS =
  /^#define (\w+)|^(?:__XENSCOPE_LIBRARY|extern|static|typedef)\b[^=({;]*?(\w+)(?=[[=({;])/gm;
const QUOTED_INCLUDE = /^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"/gm;
const NAME = /[A-Za-z_]\w*/g;

/** The kind of a script; without the prelude it gets no headers. */
export function kindOf(
  main: { readonly path: string; readonly text: string },
  host: SourceHost,
  prelude: boolean,
): ScriptKind {
  const texts = ownTexts(main, host);
  const used = new Set(texts.flatMap((text) => text.match(NAME) ?? []));
  const linkage = used.has(MINIOS_NAME)
    ? 'minios'
    : texts.some((text) => XTF_TEST.test(text))
      ? 'xtf'
      : 'default';
  if (!prelude) return { linkage, headers: [] };
  const named = NAMED_HEADERS.filter((name) =>
    namesOf(name, host.headers).some((defined) => used.has(defined)),
  );
  return { linkage, headers: [...(linkage === 'default' ? [] : [ZERO_BASE]), PRELUDE, ...named] };
}

/** The text of a script and of all that it includes by quoted names from beside it. */
function ownTexts(main: { readonly path: string; readonly text: string }, host: SourceHost): string[] {
  const texts = new Map([[main.path, main.text]]);
  for (const [path, text] of texts) {
    for (const [, name = ''] of text.matchAll(QUOTED_INCLUDE)) {
      const included = isAbsolute(name) ? name : joinPath(folderOf(path), name);
      const found = texts.has(included) ? undefined : host.read(included);
      if (found !== undefined) texts.set(included, found);
    }
  }
  return [...texts.values()];
}

const known = new WeakMap<ReadonlyMap<string, string>, Map<string, readonly string[]>>();

/** The names that a shipped header defines. */
function namesOf(header: string, { files }: ShippedHeaders): readonly string[] {
  let byHeader = known.get(files);
  if (byHeader === undefined) known.set(files, (byHeader = new Map()));
  let names = byHeader.get(header);
  if (names === undefined) {
    const found = (files.get(header) ?? '').matchAll(DEFINITIONS);
    byHeader.set(header, (names = [...found].map(([, macro, other]) => macro ?? other ?? '')));
  }
  return names;
}
