/** What `npm test` compares with a real Xen: every list, and random episodes of a few seeds. */

import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { formatOperation } from '../../adapter/conformance/format.ts';
import { type Operation, parseOperations } from '../../adapter/conformance/operations.ts';
import type { Oracle } from './episodes.ts';
import { toldFailure } from './failure.ts';
import { emptyTally } from './tally.ts';

const LISTS = join(import.meta.dirname, 'lists');
/** Episodes that begin afresh, and operations of each. */
const SEEDS = [1, 2, 3, 4, 5, 6];
const EPISODE = 1000;

export const EQUAL = 'equal';

export interface Comparison {
  readonly name: string;
  /** EQUAL, or what differs with the list that leads to it. */
  run(oracle: Oracle): string;
}

/** The lists, by name. */
export const lists = (): ReadonlyMap<string, readonly Operation[]> =>
  new Map(
    readdirSync(LISTS)
      .sort()
      .map((file) => [basename(file, '.jsonl'), operationsOf(readFileSync(join(LISTS, file), 'utf8'))]),
  );

const operationsOf = (text: string): readonly Operation[] =>
  parseOperations(text).map(({ operation }) => operation);

/** Everything, in order: what is known first. */
export const comparisons = (): readonly Comparison[] => [
  ...[...lists()].map(([name, list]) => ({
    name: `the list ${name}`,
    run: (oracle: Oracle) => compareWholly(oracle, list),
  })),
  ...SEEDS.map((seed) => ({
    name: `random operations, seed ${seed}`,
    run: (oracle: Oracle) => {
      const failure = oracle.runEpisode(seed, EPISODE, emptyTally());
      return failure === null ? EQUAL : toldFailure(oracle.shrink(failure));
    },
  })),
];

/** A list is equal only when each of its operations could be compared. */
function compareWholly(oracle: Oracle, list: readonly Operation[]): string {
  const { failure, leftOut } = oracle.compareList(list);
  if (failure !== null) return toldFailure(failure);
  if (leftOut.length === 0) return EQUAL;
  return ['not compared:', ...leftOut.map(formatOperation)].join('\n');
}
