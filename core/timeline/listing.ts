/**
 * The listings: what Xen's functions do, as text that a developer reads and steps through. Xen's own files are named, as
 * `mm.c`, but the text is ours, made from templates (listing-mm.ts, listing-others.ts) and the rows of the rules.
 *
 * A template is the text itself with markers at the ends of lines:
 *   `... @check RULE`   a check: the row gives error and sentence; alone on its line it is told by the rule's name
 *   `... @call NAME`    enters another function
 *   `... @did MARK`     any other line at which one can stand
 *   `... ?4.17`         the line exists in that release alone
 *   `{a|b}`             named a in 4.17 and b in 3.0.4
 * Where a line occurs twice in a function, the next occurrence is meant, or, in a loop, the first one of the loop.
 */

import { HYPERCALLS } from '../hypervisor/hypercalls.ts';
import type { XenVersion } from '../hypervisor/rule.ts';
import { type RuleId, allRules, errnoOf, ruleOf } from '../hypervisor/rules.ts';
import { MM_LISTING } from './listing-mm.ts';
import {
  DESCRIPTOR_LISTING,
  GENERATED,
  GRANT_LISTING,
  MEMORY_LISTING,
  OTHER_FILE,
  TRAP_LISTING,
} from './listing-others.ts';

/** How the files of listings are told from those of scripts: `xen:mm.c`. */
export const LISTING_PREFIX = 'xen:';

/** A line at which one can stand, counted from 1. */
export interface ListingLine {
  readonly line: number;
  /** `check RULE`, `call NAME`, `did MARK`; `head` and `end` are the function's first and last lines. */
  readonly key: string;
  /** First line of the innermost loop around it; 0 outside loops. */
  readonly loop: number;
}

/** A function of Xen's within a listing. */
export interface ListedFunction {
  /** Its name in 4.17, by which the hypervisor tells it. */
  readonly id: string;
  /** Its name in this release. */
  readonly name: string;
  readonly file: string;
  readonly head: number;
  readonly end: number;
  readonly lines: readonly ListingLine[];
}

export interface Listing {
  readonly file: string;
  readonly text: string;
  readonly functions: readonly ListedFunction[];
}

const FILES: readonly { readonly file: string; readonly template: string }[] = [
  { file: 'mm.c', template: MM_LISTING },
  { file: 'memory.c', template: MEMORY_LISTING },
  { file: 'grant_table.c', template: GRANT_LISTING },
  { file: 'traps.c', template: TRAP_LISTING },
  { file: 'descriptor-tables.c', template: DESCRIPTOR_LISTING },
];
/** Where the sentences of checks begin. */
const SENTENCE_COLUMN = 64;
/** Functions of the rules that the listings have under another name, or as part of another one. */
const PART_OF: Readonly<Record<string, string>> = {
  _get_page_type: 'get_page_type',
  create_pae_xen_mappings: 'promote_l3_table',
  xsm_mmu_update: 'do_mmu_update',
  compat_mmuext_op: 'do_mmuext_op',
};

/** All listings of a release. */
export class Listings {
  readonly xen: XenVersion;
  readonly all: readonly Listing[];
  private readonly functions = new Map<string, ListedFunction>();

  constructor(xen: XenVersion) {
    this.xen = xen;
    const templates = withGenerated();
    this.all = templates.map(({ file, template }) => render(file, template, xen));
    for (const fn of this.all.flatMap(({ functions }) => functions)) this.functions.set(fn.id, fn);
  }

  /** A function by its name in 4.17 (that of the rules) or in this release. */
  functionOf(name: string): ListedFunction | undefined {
    const id = PART_OF[name] ?? name;
    return this.functions.get(id) ?? [...this.functions.values()].find((fn) => fn.name === id);
  }

  text(file: string): string | undefined {
    return this.all.find((listing) => listing.file === file)?.text;
  }

  /** The first line at or after `line` at which one can stand; null behind the last one. */
  standableLine(file: string, line: number): number | null {
    const listing = this.all.find((one) => one.file === file);
    const lines = listing?.functions.flatMap((fn) => fn.lines.map((each) => each.line)) ?? [];
    const behind = lines.filter((each) => each >= line);
    return behind.length === 0 ? null : Math.min(...behind);
  }
}

const made = new Map<XenVersion, Listings>();

/** The listings of a release; made when they are first wanted. */
export function listingsOf(xen: XenVersion): Listings {
  const listings = made.get(xen) ?? new Listings(xen);
  made.set(xen, listings);
  return listings;
}

/** The line of a key, seen from the line at which the function stands; null when it has none. */
export function lineOf(fn: ListedFunction, key: string, from: number): number | null {
  const found = fn.lines.filter((each) => each.key === key);
  const ahead = found.find(({ line }) => line > from);
  const here = fn.lines.find(({ line }) => line === from);
  const inLoop =
    here === undefined || here.loop === 0 ? undefined : found.find(({ loop }) => loop >= here.loop);
  // A loop goes on with its own lines before anything behind it.
  if (inLoop !== undefined && (ahead === undefined || ahead.loop < (here?.loop ?? 0))) return inLoop.line;
  return (ahead ?? found[0])?.line ?? null;
}

// ---- making the text -----------------------------------------------------------------------------------------------------

/** The templates, with functions added for every hypercall and every rule that they do not mention. */
function withGenerated(): { readonly file: string; readonly template: string }[] {
  const texts = new Map(FILES.map(({ file, template }) => [file, template]));
  const mentioned = new Set(
    [...texts.values()].flatMap((text) => [...text.matchAll(/@check (\S+)/g)].map((m) => m[1])),
  );
  const written = new Set(
    [...texts.values()].flatMap((text) => [...text.matchAll(/^\w+ (\S+)\(/gm)].map((m) => idOf(m[1] ?? ''))),
  );
  const wanted = new Map<string, { readonly file: string; readonly parameters: string }>();
  for (const { file, functions } of GENERATED)
    for (const [name, parameters] of Object.entries(functions)) wanted.set(name, { file, parameters });
  const checks = new Map<string, RuleId[]>();
  for (const { id, rule } of allRules()) {
    const name = PART_OF[rule.xenFunction] ?? rule.xenFunction;
    // A function that is listed for itself has all its checks, also those that stand in another one, too.
    if (mentioned.has(id) && !wanted.has(name)) continue;
    checks.set(name, [...(checks.get(name) ?? []), id]);
  }
  const names = [
    ...wanted.keys(),
    ...HYPERCALLS.flatMap((row) => (row?.run ? [`do_${row.name}`] : [])),
    ...checks.keys(),
  ];
  for (const name of new Set(names)) {
    const { file, parameters } = wanted.get(name) ?? { file: OTHER_FILE, parameters: '' };
    const lines = (checks.get(name) ?? []).map((rule) => `    @check ${rule}\n`).join('');
    if (written.has(name)) {
      for (const [each, text] of texts) texts.set(each, appended(text, name, lines));
      continue;
    }
    texts.set(file, `${texts.get(file) ?? ''}\nint ${name}(${parameters})\n{\n${lines}    return 0;\n}\n`);
  }
  return [...texts].map(([file, template]) => ({ file, template }));
}

/** A function's text with further checks before its end. */
function appended(text: string, name: string, lines: string): string {
  if (lines === '') return text;
  const head = new RegExp(`^\\w+ (\\S+)\\(.*\\)\\n\\{\\n(?:[^}\\n].*\\n|\\n)*(?=\\})`, 'gm');
  return text.replace(head, (whole, found: string) => (idOf(found) === name ? whole + lines : whole));
}

/** The name in 4.17 of `{promote|alloc}_l1_table`. */
const idOf = (name: string): string => name.replace(/\{(\w+)\|\w+\}/g, '$1');

const inRelease = (text: string, xen: XenVersion): string =>
  text.replace(/\{(\w+)\|(\w+)\}/g, (_, modern: string, old: string) => (xen === '4.17' ? modern : old));

function render(file: string, template: string, xen: XenVersion): Listing {
  const out: string[] = [
    `/* ${file}: what Xen ${xen} does, as Xenscope has it. This is not Xen's text: it is made from the rules.`,
    '   `check(rule) or -ERROR` goes on when the rule is kept; the sentence says what is wrong when it is broken. */',
  ];
  const functions: ListedFunction[] = [];
  let open: {
    readonly id: string;
    readonly name: string;
    readonly head: number;
    readonly lines: ListingLine[];
  } | null = null;
  let loops: { readonly indent: number; readonly line: number }[] = [];
  for (const raw of template.split('\n')) {
    const release = / \?(\S+)$/.exec(raw)?.[1];
    if (release !== undefined && release !== xen) continue;
    const line = raw.replace(/ \?\S+$/, '');
    const head = /^\w+ (\S+)\((.*)\)$/.exec(line);
    const number = out.length + 1;
    if (head !== null) {
      open = { id: idOf(head[1] ?? ''), name: inRelease(head[1] ?? '', xen), head: number, lines: [] };
      open.lines.push({ line: number, key: 'head', loop: 0 });
      loops = [];
    }
    const marker = / ?@(check|call|did) (\S+)$/.exec(line);
    const text = inRelease((marker === null ? line : line.slice(0, marker.index)).trimEnd(), xen);
    const indent = /^ */.exec(line)?.[0].length ?? 0;
    if (text.trim() !== '' || marker !== null) loops = loops.filter((loop) => loop.indent < indent);
    if (/^ *for \(/.test(text)) loops.push({ indent, line: number });
    if (marker !== null && open !== null)
      open.lines.push({ line: number, key: `${marker[1]} ${marker[2]}`, loop: loops.at(-1)?.line ?? 0 });
    if (text === '}' && open !== null) {
      open.lines.push({ line: number, key: 'end', loop: 0 });
      functions.push({ ...open, file, end: number });
      open = null;
    }
    out.push(marker?.[1] === 'check' ? checkLine(line, text, marker[2] as RuleId, xen) : text);
  }
  return { file, text: `${out.join('\n')}\n`, functions };
}

function checkLine(line: string, text: string, rule: RuleId, xen: XenVersion): string {
  const indent = /^ */.exec(line)?.[0] ?? '';
  const isNamed = text.trim() === '';
  const code = isNamed ? `${indent}check(${rule})` : text;
  const errno = errnoOf(rule, xen);
  const outcome = errno === null ? 'or crash' : /^GNTST/.test(errno) ? `or ${errno}` : `or -${errno}`;
  const { sentence } = ruleOf(rule);
  return `${`${code} ${outcome};`.padEnd(SENTENCE_COLUMN - 1)} // ${isNamed ? '' : `${rule}: `}${sentence}`;
}
