/** `npm run oracle`: the same operations on the model and on a real Xen, until they differ or the number is reached. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { formatOperation } from '../../adapter/conformance/format.ts';
import { type Operation, OperationMistake, parseOperations } from '../../adapter/conformance/operations.ts';
import { RealXenUnavailable } from '../../adapter/real-xen/real-xen-unavailable.ts';
import { Oracle } from './episodes.ts';
import { type Failure, toldFailure } from './failure.ts';
import { provideFiles } from './real/kernel.ts';
import { note } from './record.ts';
import { EQUAL, comparisons } from './suite.ts';
import { type Tally, emptyTally } from './tally.ts';

const MAX_FAILURES = 10;
const UNAVAILABLE = 2;
/** Operations between two lines of progress. */
const PROGRESS = 20_000;

interface Options {
  readonly ops: number;
  readonly seed: number;
  readonly episode: number;
  readonly abi: string;
  readonly keepGoing?: true;
  readonly record?: true;
  readonly provide?: true;
  readonly suite?: true;
  readonly noteMutations?: string;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const command = new Command('npm run oracle --')
  .description('Compares the model with a real Xen under QEMU: lists, or random operations.')
  .argument('[list...]', 'lists to compare in place of random operations')
  .option('--ops <n>', 'random operations in all', whole, 3000)
  .option('--seed <s>', 'seed of the random operations', whole, 1)
  .option('--episode <n>', 'operations of an episode, each of which starts afresh', whole, 1000)
  .option('--abi <name>', 'the guest to compare: x86_64', 'x86_64')
  .option('--keep-going', `go on after a difference, up to ${MAX_FAILURES} of them`)
  .option('--record', 'note the result, and write docs/conformance.md anew')
  .option('--suite', 'compare what npm test does, up to the first difference')
  .option('--mutations [name...]', 'break rules of the model one by one, and tell which of them are noticed')
  .option('--note-mutations <json>', 'note which were noticed')
  .option('--provide', 'only fetch what is needed, where that is possible')
  .addHelpText(
    'after',
    `\nThe exit status is 1 when anything differs, ${UNAVAILABLE} when the oracle cannot run here.`,
  )
  .exitOverride();

function whole(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('Give a whole number.');
  return value;
}

function main(args: readonly string[]): number {
  command.parse(args, { from: 'user' });
  const options = command.opts<Options>();
  if (options.abi !== 'x86_64') {
    process.stderr.write(`${withoutAbi(options.abi)}\n`);
    return UNAVAILABLE;
  }
  if (options.provide === true) return provideFiles() ? 0 : UNAVAILABLE;
  if (options.noteMutations !== undefined) return noteMutations(options.noteMutations);
  const oracle = new Oracle();
  try {
    say(`Xen ${oracle.real.banner} under QEMU and the model`);
    return work(oracle, options) === 0 ? 0 : 1;
  } finally {
    oracle.close();
  }
}

/** Why an ABI cannot be compared: one sentence. */
const withoutAbi = (abi: string): string =>
  abi === 'x86_32p'
    ? 'The oracle cannot compare x86_32p: it lacks a 32-bit kernel of its own and a hypervisor that runs one, for Debian builds its Xen without CONFIG_PV32; leave out --abi to compare x86_64.'
    : `The oracle cannot compare ${abi}, which no Xen since 3.2 runs or which does not exist: leave out --abi to compare x86_64.`;

/** The number of differences. */
function work(oracle: Oracle, options: Options): number {
  if (options.suite === true) return runSuite(oracle);
  return command.args.length > 0 ? runLists(oracle, command.args, options) : runRandom(oracle, options);
}

/** Ends with the first difference, whose name is the last line that is written. */
function runSuite(oracle: Oracle): number {
  for (const { name, run } of comparisons()) {
    const answer = run(oracle);
    if (answer === EQUAL) continue;
    say(`${answer}\n${name}`);
    return 1;
  }
  return 0;
}

function noteMutations(json: string): number {
  const mutations = JSON.parse(json) as Record<string, string | null>;
  note((notes) => ({ ...notes, mutations }));
  return 0;
}

/** The number of lists that differ, or could not be compared wholly. */
function runLists(oracle: Oracle, paths: readonly string[], { record }: Options): number {
  let failures = 0;
  for (const path of paths) {
    const list = readList(path);
    const { failure, leftOut } = oracle.compareList(list);
    const isEqual = failure === null && leftOut.length === 0;
    say(`${path}: ${failure === null ? `${list.length - leftOut.length} operations, equal` : 'DIFFERENT'}`);
    for (const operation of leftOut) say(`  not compared: ${formatOperation(operation)}`);
    if (failure !== null) say(toldFailure(failure));
    if (record === true && isEqual) {
      const row = { operations: list.length, xen: oracle.real.banner };
      note((notes) => ({ ...notes, lists: { ...notes.lists, [basename(path, '.jsonl')]: row } }));
    }
    failures += isEqual ? 0 : 1;
  }
  return failures;
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

/** The number of differences. */
function runRandom(oracle: Oracle, options: Options): number {
  const { ops, seed, episode, keepGoing, record } = options;
  const tally = emptyTally();
  const started = Date.now();
  const failures: Failure[] = [];
  let told = PROGRESS;
  while (tally.operations < ops && failures.length < (keepGoing === true ? MAX_FAILURES : 1)) {
    const failure = oracle.runEpisode(seed, Math.min(episode, ops - tally.operations), tally);
    if (failure !== null) {
      say(`\nseed ${seed}, episode ${tally.episodes}: different after ${failure.list.length} operations`);
      const small = oracle.shrink(failure);
      say(toldFailure(small));
      failures.push(small);
    }
    if (tally.operations < told) continue;
    say(`${tally.operations} operations, ${failures.length} different`);
    told += PROGRESS;
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  say(
    `\n${tally.operations} operations in ${tally.episodes} episodes, ${seconds} s: ${failures.length} different`,
  );
  say(`operations: ${counts(tally.operationCounts)}`);
  say(`refused by: ${counts(tally.ruleCounts)}`);
  if (record === true) noteRandom(seed, tally, failures.length, oracle.real.banner);
  return failures.length;
}

function noteRandom(seed: number, tally: Tally, different: number, xen: string): void {
  const { operations, episodes, operationCounts, ruleCounts } = tally;
  const { qemu } = provideFiles();
  const row = {
    operations,
    episodes,
    different,
    xen,
    qemu: spawnSync(qemu, ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0] ?? qemu,
    date: new Date().toISOString().slice(0, 10),
    kinds: Object.fromEntries(operationCounts),
    rules: Object.fromEntries(ruleCounts),
  };
  note((notes) => ({ ...notes, random: { ...notes.random, [seed]: row } }));
}

const counts = (of: ReadonlyMap<string, number>): string =>
  [...of]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : UNAVAILABLE;
  else if (error instanceof RealXenUnavailable || error instanceof OperationMistake) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = UNAVAILABLE;
  } else throw error;
}
