import { readFileSync, readdirSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Rows of the misuse catalogue (facts 11). */
const ROWS = 111;

it('every row of the misuse catalogue is a named test', () => {
  const folder = new URL('..', import.meta.url);
  const named = new Set<number>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.test.ts')) continue;
    const text = readFileSync(new URL(file, folder), 'utf8');
    for (const [, numbers] of text.matchAll(/'(#\d+(?:, [#A-Z]\w+)*):? /g))
      for (const [, row] of (numbers ?? '').matchAll(/#(\d+)/g)) named.add(Number(row));
  }
  const missing = Array.from({ length: ROWS }, (_, i) => i + 1).filter((row) => !named.has(row));
  expect(missing).toEqual([]);
});
