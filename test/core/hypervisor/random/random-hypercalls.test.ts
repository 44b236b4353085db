/**
 * Random hypercalls of a careless guest, on every ABI under both rule sets. After each the audit must agree; at the
 * end, undo must restore every word, and the same calls again must lead to the same state. A failure prints its seed
 * and the shortest list of steps that shows it.
 *
 *   npm run fuzz                                             a million operations, another seed each time
 *   XENSCOPE_SEED=5 npx vitest run test/core/hypervisor/random    the same ones again
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONFIGURATIONS } from '../guest.ts';
import { Careless, Snapshot } from './careless.ts';
import { step } from './steps.ts';

const OPERATIONS = Number(process.env['XENSCOPE_OPERATIONS'] ?? 20_000);
const SEED = Number(process.env['XENSCOPE_SEED'] ?? 20260822);
/** Steps of one run: 1 to LONGEST, half of that on average. */
const LONGEST = 119;
const RUNS = Math.ceil(OPERATIONS / CONFIGURATIONS.length / ((LONGEST + 1) / 2));

describe.each(CONFIGURATIONS)(`random hypercalls on $abi under Xen $xen, seed ${SEED}`, ({ abi, xen }) => {
  it('keep the counts sound, can be undone and done again', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: LONGEST, size: 'max' }), (steps) => {
        const guest = new Careless({
          abi,
          xen,
          heapFrames: 1400,
          spec: { memoryBytes: 5 * 2 ** 20, maxPages: 1300 },
        });
        const { store } = guest.hv.machine;
        const mark = store.mark();
        const before = new Snapshot(guest.hv);
        guest.audited = true;
        const results = steps.map((each) => guest.run(each));
        const after = new Snapshot(guest.hv);
        expect(store.undoTo(mark)).toBe(true);
        expect(before.difference(guest.hv)).toBeNull();
        guest.audited = false;
        expect(steps.map((each) => guest.run(each))).toEqual(results);
        expect(after.difference(guest.hv)).toBeNull();
      }),
      { numRuns: RUNS, seed: SEED },
    );
  }, 3_600_000);
});
