/** Bundles the oracle's command and runs it: its sources are TypeScript. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundleOracle } from './bundle.mjs';
import { mutations } from './mutations.mjs';

const cache = join(import.meta.dirname, '../../.cache/oracle');
mkdirSync(cache, { recursive: true });
const args = process.argv.slice(2);
process.exitCode = args.includes('--mutations') ? await testMutations() : await runCommand(args, 'inherit');

/** The exit status of the command. */
async function runCommand(options, stdio) {
  const outfile = join(cache, 'oracle.mjs');
  await bundleOracle(outfile);
  return run(outfile, options, stdio).status ?? 1;
}

function run(bundle, options, stdio) {
  const node = ['--enable-source-maps', bundle, ...options];
  return spawnSync(process.execPath, node, { stdio, encoding: 'utf8', maxBuffer: 1 << 28 });
}

/**
 * Breaks rules of the model one by one, in a bundle of its own and never in the tree, and compares with each what
 * `npm test` compares. Returns the exit status: 0 when every one was noticed.
 */
async function testMutations() {
  const names = args.filter((arg) => !arg.startsWith('--'));
  const chosen = mutations.filter(({ name }) => names.length === 0 || names.includes(name));
  const noticed = {};
  for (const mutation of chosen) {
    noticed[mutation.name] = await whoNotices(mutation);
    process.stdout.write(`${mutation.name}: ${noticed[mutation.name] ?? 'NOT NOTICED'}\n`);
  }
  const missed = chosen.filter(({ name }) => noticed[name] === null);
  process.stdout.write(`${chosen.length - missed.length} of ${chosen.length} noticed\n`);
  if (args.includes('--record')) await runCommand(['--note-mutations', JSON.stringify(noticed)], 'inherit');
  return missed.length === 0 ? 0 : 1;
}

/** The comparison that differs first when this is broken; null when none does. */
async function whoNotices(mutation) {
  const outfile = join(cache, `mutated-${process.pid}.mjs`);
  try {
    await bundleOracle(outfile, mutation);
    const { status, stdout, stderr } = run(outfile, ['--suite'], 'pipe');
    if (status === 0) return null;
    if (status === 1) return stdout.trim().split('\n').at(-1);
    throw new Error(`${mutation.name}: the oracle ended with status ${status}\n${stderr}`);
  } finally {
    rmSync(outfile, { force: true });
  }
}
