/** docs/conformance.md says what the runs noted, and each list of `npm test` is among it. */

import { expect, it } from 'vitest';
import { readConformance, readPage, renderConformance } from './record.ts';
import { lists } from './suite.ts';

it('the page is made from the notes', () => {
  expect(readPage()).toBe(renderConformance(readConformance()));
});

it('every list is noted as it is now: npm run oracle -- --record test/oracle/lists/*.jsonl', () => {
  const now = Object.fromEntries([...lists()].map(([name, list]) => [name, list.length]));
  const noted = Object.entries(readConformance().lists).map(([name, { operations }]) => [name, operations]);
  expect(Object.fromEntries(noted)).toEqual(now);
});
