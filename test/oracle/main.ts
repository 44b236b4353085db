/** `npm run oracle`: the same operations on the model and on a real Xen, until they differ or the number is reached. */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { formatOperation } from '../../adapter/conformance/format.ts';
import { type Operation, OperationMistake, parseOperations } from '../../adapter/conformance/operations.ts';
import { type Failure, Oracle, emptyTally } from './episodes.ts';
import { RealXenUnavailable } from '../../adapter/real-xen/real-xen-unavailable.ts';

const HELP = `usage: npm run oracle -- [options] [LIST.jsonl...]

  --ops N       random operations in all (default 3000)
  --seed S      seed of the first episode (default 1)
  --episode N   operations of an episode, each of which starts afresh (default 300)
  --keep-going  go on after a difference, up to ten of them

With lists, these are compared instead of random operations. The exit status is 1 when anything differs, 2 when the
oracle cannot run here.
`;

const MAX_FAILURES = 10;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ops: { type: 'string', default: '3000' },
      seed: { type: 'string', default: '1' },
      episode: { type: 'string', default: '300' },
      'keep-going': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const oracle = new Oracle();
  try {
    say(`Xen ${oracle.real.version} under QEMU and the model`);
    return positionals.length > 0
      ? runLists(oracle, positionals)
      : runRandom(
          oracle,
          Number(values.ops),
          Number(values.seed),
          Number(values.episode),
          values['keep-going'],
        );
  } finally {
    oracle.close();
  }
}

function runLists(oracle: Oracle, paths: readonly string[]): number {
  let failures = 0;
  for (const path of paths) {
    const list = readList(path);
    const { failure, leftOut } = oracle.compareList(list);
    say(`${path}: ${failure === null ? `${list.length - leftOut.length} operations, equal` : 'DIFFERENT'}`);
    for (const operation of leftOut) say(`  not compared: ${formatOperation(operation)}`);
    if (failure !== null) tell(failure);
    failures += failure === null && leftOut.length === 0 ? 0 : 1;
  }
  return failures === 0 ? 0 : 1;
}

/** A list's operations; a list that cannot be read, or has a mistake, is told in one sentence. */
function readList(path: string): readonly Operation[] {
  try {
    return parseOperations(readFileSync(path, 'utf8')).map(({ operation }) => operation);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperationMistake(`${path}: ${reason}`);
  }
}

function runRandom(
  oracle: Oracle,
  operations: number,
  seed: number,
  episode: number,
  keepGoing: boolean,
): number {
  const tally = emptyTally();
  const started = Date.now();
  let failures = 0;
  for (let at = seed; tally.operations < operations; at++) {
    const failure = oracle.runEpisode(at, Math.min(episode, operations - tally.operations), tally);
    if (failure === null) continue;
    say(`\nseed ${at}: different after ${failure.list.length} operations`);
    tell(oracle.shrink(failure));
    if (++failures >= (keepGoing ? MAX_FAILURES : 1)) break;
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  say(`
${tally.operations} operations in ${tally.episodes} episodes, ${seconds} s: ${failures} different`);
  say(`operations: ${counts(tally.operationCounts)}`);
  say(`refused by: ${counts(tally.ruleCounts)}`);
  return failures === 0 ? 0 : 1;
}

const counts = (of: ReadonlyMap<string, number>): string =>
  [...of]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

/** A difference with the list that leads to it, ready to be kept as a file. */
function tell({ list, mismatch }: Failure): void {
  for (const operation of list) say(formatOperation(operation));
  say(`# ${mismatch.what}: model ${mismatch.model}, real ${mismatch.real}`);
}

try {
  process.exitCode = main();
} catch (error) {
  if (!(error instanceof RealXenUnavailable || error instanceof OperationMistake)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
