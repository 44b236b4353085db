import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Op } from '../../../core/guest-c/bytecode.ts';

const LOOP = new URL('../../../core/guest-c/vm-run.ts', import.meta.url);

test('the loop has one case for each operation, under its number', () => {
  const cases = [...readFileSync(LOOP, 'utf8').matchAll(/case \/\* (\w+) \*\/ (\d+):/g)];
  const found = cases.map(([, name = '', number]): [string, number] => [name, Number(number)]);
  expect(Object.fromEntries(found)).toEqual({ ...Op });
  expect(found).toHaveLength(Object.keys(Op).length);
});

test('operations are numbered without gaps, so that the loop jumps by a table', () => {
  const numbers = Object.values(Op).sort((a, b) => a - b);
  expect(numbers).toEqual(numbers.map((_, i) => i));
});
