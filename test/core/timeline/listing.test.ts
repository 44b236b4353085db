/** The listings of Xen's functions: complete, and readable. `UPDATE_GOLDEN=1` writes the expected texts. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HYPERCALLS } from '../../../core/hypervisor/hypercalls.ts';
import type { XenVersion } from '../../../core/hypervisor/rule.ts';
import { allRules } from '../../../core/hypervisor/rules.ts';
import { type ListedFunction, lineOf, listingsOf } from '../../../core/timeline/listing.ts';

const GOLDEN = join(import.meta.dirname, '../../golden/listings');
const VERSIONS: readonly XenVersion[] = ['4.17', '3.0.4'];

describe.each(VERSIONS)('the listings of Xen %s', (xen) => {
  const listings = listingsOf(xen);
  const functions = listings.all.flatMap((listing) => listing.functions);

  it('have a function for every hypercall of the model', () => {
    const missing = HYPERCALLS.flatMap((row) => (row?.run ? [`do_${row.name}`] : [])).filter(
      (name) => listings.functionOf(name) === undefined,
    );
    expect(missing).toEqual([]);
  });

  it('enter only functions that exist', () => {
    const called = functions.flatMap(({ lines }) =>
      lines.map(({ key }) => /^call (.*)/.exec(key)?.[1] ?? null),
    );
    const missing = called.filter((name) => name !== null && listings.functionOf(name) === undefined);
    expect(missing).toEqual([]);
  });

  it('show for a check its error and its sentence', () => {
    const text = listings.text('mm.c') ?? '';
    const error = xen === '4.17' ? 'EBUSY' : 'EINVAL';
    expect(text).toContain(`or -${error};`);
    expect(text).toMatch(
      new RegExp(`get_page\\(frame, pageOwner\\) or -${error}; +// l1e.owner: The L1 entry`),
    );
  });

  it('name functions as that release does', () => {
    expect(listings.functionOf('promote_l1_table')?.name).toBe(
      xen === '4.17' ? 'promote_l1_table' : 'alloc_l1_table',
    );
    expect(listings.functionOf('alloc_l1_table')?.id).toBe(xen === '4.17' ? undefined : 'promote_l1_table');
  });

  it.each(['mm.c', 'grant_table.c'])('%s reads as it should', (file) => {
    const path = join(GOLDEN, `${file}.${xen}.txt`);
    const text = listings.text(file) ?? '';
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
    expect(text).toBe(readFileSync(path, 'utf8'));
    for (const line of text.split('\n')) {
      expect(line).not.toMatch(/@(check|call|did)\b|\{\w+\|\w+\}/);
      expect(line).toBe(line.trimEnd());
    }
  });
});

describe('every rule', () => {
  const listed = VERSIONS.flatMap((xen) =>
    listingsOf(xen).all.flatMap(({ functions }) =>
      functions.flatMap(({ lines }) => lines.map(({ key }) => key)),
    ),
  );

  it.each(allRules().map(({ id }) => id))('%s is a line of a listing', (id) => {
    expect(listed).toContain(`check ${id}`);
  });
});

describe('a line that occurs more than once', () => {
  const fn: ListedFunction = {
    id: 'f',
    name: 'f',
    file: 'f.c',
    head: 1,
    end: 9,
    lines: [
      { line: 1, key: 'head', loop: 0 },
      { line: 2, key: 'check a', loop: 0 },
      { line: 4, key: 'check a', loop: 3 },
      { line: 5, key: 'did b', loop: 3 },
      { line: 7, key: 'check a', loop: 0 },
      { line: 9, key: 'end', loop: 0 },
    ],
  };

  it('is the next one from where the function stands', () => {
    expect(lineOf(fn, 'check a', 1)).toBe(2);
    expect(lineOf(fn, 'check a', 2)).toBe(4);
  });

  it('is the first of the loop while the loop goes on', () => {
    expect(lineOf(fn, 'check a', 5)).toBe(4);
  });

  it('is none when the function has no such line', () => {
    expect(lineOf(fn, 'check z', 1)).toBeNull();
  });
});
