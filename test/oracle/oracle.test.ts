/**
 * The model against a real Xen: lists that once showed a difference or hold what is known, and random operations. Not
 * part of the default run: `npm run test:oracle`.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatOperation } from '../../adapter/conformance/format.ts';
import { parseOperations } from '../../adapter/conformance/operations.ts';
import { type Failure, Oracle, emptyTally } from './episodes.ts';

const LISTS = join(import.meta.dirname, 'lists');
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as const;
const EPISODE = 300;
const START_MILLISECONDS = 300_000;

let started: Oracle | null = null;

beforeAll(() => {
  started = new Oracle();
}, START_MILLISECONDS);

afterAll(() => {
  started?.close();
});

function theOracle(): Oracle {
  if (started === null) throw new Error('the oracle has not started');
  return started;
}

/** A difference as one text: the list that leads to it, and what differed. */
function told(failure: Failure | null): string {
  if (failure === null) return 'equal';
  const { list, mismatch } = failure;
  const what = `# ${mismatch.what}: model ${mismatch.model}, real ${mismatch.real}`;
  return [...list.map(formatOperation), what].join('\n');
}

describe('the model answers as a real Xen does', () => {
  it.each(readdirSync(LISTS).sort())('to the list %s', (name) => {
    const list = parseOperations(readFileSync(join(LISTS, name), 'utf8')).map(({ operation }) => operation);
    const { failure, leftOut } = theOracle().compareList(list);
    expect(told(failure)).toBe('equal');
    expect(leftOut.map(formatOperation), 'operations that could not be compared').toEqual([]);
  });

  it.each(SEEDS)('to random operations, seed %i', (seed) => {
    const failure = theOracle().runEpisode(seed, EPISODE, emptyTally());
    expect(told(failure === null ? null : theOracle().shrink(failure))).toBe('equal');
  });
});
