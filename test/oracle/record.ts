/**
 * What has been compared with which Xen, as the runs noted it: `conformance.json`, and the page made from it,
 * docs/conformance.md. A row is replaced by a newer run of the same list or seed.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UNCOMPARED_RULES } from './uncompared-rules.ts';

const FILE = join(import.meta.dirname, 'conformance.json');
const PAGE = resolve(import.meta.dirname, '../../docs/conformance.md');

export interface ListRow {
  readonly operations: number;
  readonly xen: string;
}

export interface RandomRow {
  readonly operations: number;
  readonly episodes: number;
  readonly different: number;
  readonly xen: string;
  readonly qemu: string;
  readonly date: string;
  readonly kinds: Readonly<Record<string, number>>;
  readonly rules: Readonly<Record<string, number>>;
}

export interface Conformance {
  readonly lists: Readonly<Record<string, ListRow>>;
  readonly random: Readonly<Record<string, RandomRow>>;
  /** Rules broken on purpose: the comparison that noticed it first, or null. */
  readonly mutations: Readonly<Record<string, string | null>>;
}

const EMPTY: Conformance = { lists: {}, random: {}, mutations: {} };

export const readConformance = (): Conformance =>
  existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Conformance) : EMPTY;

/** Changes the notes and writes the page anew. */
export function note(change: (notes: Conformance) => Conformance): void {
  const notes = change(readConformance());
  writeFileSync(FILE, `${JSON.stringify(notes, null, 2)}\n`);
  writeFileSync(PAGE, renderConformance(notes));
}

export const readPage = (): string => readFileSync(PAGE, 'utf8');

/** The page. */
export function renderConformance({ lists, random, mutations }: Conformance): string {
  const runs = Object.entries(random).sort(([a], [b]) => Number(a) - Number(b));
  const xens = [...new Set([...Object.values(lists), ...Object.values(random)].map(({ xen }) => xen))];
  const qemus = [...new Set(Object.values(random).map(({ qemu }) => qemu))];
  return [
    '# Conformance: the model and a real Xen',
    '',
    '<!-- Made by `npm run oracle -- --record` from test/oracle/conformance.json; do not edit. -->',
    '',
    'The same operations are carried out by the model and by a real Xen under QEMU, whose domain 0 is a small kernel of the',
    "project's. After every operation these must be equal: the result and the partial count, values that were read, faults;",
    'and of every page involved, and of the tables that the domain started with: type, type count, reference count, pinned,',
    'validated, allocated, owner, linear entries, the M2P entry. After a list every word of its pages must be equal, and the',
    'model sound by its own audit. What is known to differ, and why, is in [differences.md](differences.md); operations are',
    'described in [operations.md](operations.md).',
    '',
    ...xens.map((xen) => `- Xen ${xen}`),
    ...qemus.map((qemu) => `- ${qemu}, TCG`),
    '',
    '## Random operations',
    '',
    ...table(
      ['seed', 'operations', 'episodes', 'differences', 'date'],
      runs.map(([seed, row]) => [
        seed,
        grouped(row.operations),
        grouped(row.episodes),
        String(row.different),
        row.date,
      ]),
    ),
    '',
    `In all ${grouped(sum(runs.map(([, row]) => row.operations)))} operations, of these`,
    `${told(added(runs.map(([, row]) => row.kinds)))}.`,
    '',
    'Refused by rule, as often as this:',
    `${told(added(runs.map(([, row]) => row.rules)))}.`,
    '',
    '## Lists',
    '',
    'Written by hand, or left over from a difference that was mended; each is compared by `npm test`.',
    '',
    ...table(
      ['list', 'operations'],
      Object.entries(lists)
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([name, { operations }]) => [`\`${name}\``, grouped(operations)]),
    ),
    '',
    'Every [rule](rules.md) is broken by a list, and so its error is confirmed, but for these:',
    '',
    ...Object.entries(UNCOMPARED_RULES).map(
      ([reason, rules]) => `- ${reason}: ${rules.map((rule) => `\`${rule}\``).join(', ')}`,
    ),
    '',
    '## Rules broken on purpose',
    '',
    'Each of these was broken in the model (`npm run oracle -- --mutations`), and this noticed it first:',
    '',
    ...table(
      ['broken', 'noticed by'],
      Object.entries(mutations).map(([name, by]) => [name, by ?? '**nothing**']),
    ),
    '',
  ].join('\n');
}

/** A table as prettier would have it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

const grouped = (number: number): string => String(number).replace(/\B(?=(\d{3})+$)/g, ' ');

function added(rows: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const row of rows)
    for (const [name, count] of Object.entries(row)) total[name] = (total[name] ?? 0) + count;
  return total;
}

const told = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `\`${name}\` ${grouped(count)}`)
    .join(', ');
