/** The model against a real Xen: lists that hold what is known or once showed a difference, and random operations. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Oracle } from './episodes.ts';
import { EQUAL, comparisons } from './suite.ts';

const START_MILLISECONDS = 300_000;

let oracle: Oracle | null = null;

beforeAll(() => {
  oracle = new Oracle();
}, START_MILLISECONDS);

afterAll(() => {
  oracle?.close();
});

describe('the model answers as a real Xen does', () => {
  it.each(comparisons())('to $name', ({ run }) => {
    if (oracle === null) throw new Error('the oracle has not started');
    expect(run(oracle)).toBe(EQUAL);
  });
});
