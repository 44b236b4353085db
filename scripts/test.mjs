// npm test: everything. Types, lint, the unit suite with the DAP transcripts (vitest), the model against a real Xen, and
// the suite inside a real VS Code.
// Each step runs even when one before it failed; the last line sums all suites: `N passed, N failed`.

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOrInstallChromium } from './lib/chromium.mjs';
import { findOrInstallEmacs } from './lib/emacs.mjs';
import { artifacts, root } from './lib/paths.mjs';
import { run } from './lib/process.mjs';
import { testVsCode } from './test-vscode.mjs';

const minutes = 60_000;
const say = (text) => process.stdout.write(`${text}\n`);

/** A check passes or fails as a whole; a suite tells its own counts. Both return `{ passed, failed }`. */
const steps = [
  { name: 'build', run: () => check(process.execPath, ['build.mjs', '--quiet'], 2) },
  { name: 'types', run: () => check('npm', ['run', '--silent', 'typecheck'], 4) },
  { name: 'lint', run: () => check('npm', ['run', '--silent', 'lint'], 4) },
  { name: 'unit tests and DAP transcripts', run: unitTests },
  { name: 'real Xen under QEMU', run: oracle },
  { name: 'VS Code', run: () => testVsCode({ build: false }) },
];

await mkdir(artifacts, { recursive: true });
const total = { passed: 0, failed: 0 };
const summary = [];
for (const step of steps) {
  say(`\n== ${step.name}`);
  const began = Date.now();
  const { passed, failed, reason } = await attempt(step);
  total.passed += passed;
  total.failed += failed;
  const seconds = Math.round((Date.now() - began) / 1000);
  summary.push(
    `${failed === 0 ? 'ok  ' : 'FAIL'} ${step.name} (${seconds} s)${reason === undefined ? '' : `: ${reason}`}`,
  );
}
say(`\n${summary.join('\n')}\n`);
say(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);

/** A step that could not run to its end counts as one failure, whatever it had passed before. */
async function attempt(step) {
  try {
    return await step.run();
  } catch (error) {
    say(`${step.name}: ${error.message}`);
    return { passed: 0, failed: 1, reason: error.message.split('\n')[0] };
  }
}

async function check(command, args, limitMinutes) {
  const { code } = await run(command, args, { cwd: root, timeoutMs: limitMinutes * minutes });
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
}

async function unitTests() {
  // The tests of the views' pages and of another editor need them; to look here keeps installations out of their time limits.
  await findOrInstallChromium(say);
  await findOrInstallEmacs(say);
  return vitest('unit tests');
}

/** The model against a real Xen. A machine that cannot run one is told what it lacks, and the step fails. */
async function oracle() {
  const provide = ['test/oracle/run.mjs', '--provide'];
  const { code, output } = await run(process.execPath, provide, { cwd: root, timeoutMs: 20 * minutes });
  if (code !== 0) throw new Error(output.trim().split('\n').at(-1) ?? 'real Xen cannot be had.');
  return vitest('comparisons with real Xen', ['--config', 'test/oracle/vitest.config.ts']);
}

/** Runs a suite of vitest's; `what` names it in a message. */
async function vitest(what, options = []) {
  const report = join(artifacts, `vitest-${what.split(' ')[0]}.json`);
  const { code } = await run(
    'npx',
    ['vitest', 'run', ...options, '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`],
    { cwd: root, timeoutMs: 14 * minutes, env: { ...process.env, NO_COLOR: '1' } },
  );
  if (code === 124) throw new Error(`the ${what} did not end within 14 minutes.`);
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(await readFile(report, 'utf8'));
  // A file that could not be loaded has no test that fails, and still is a failure.
  const failed = numFailedTests > 0 ? numFailedTests : code === 0 ? 0 : Math.max(1, numFailedTestSuites);
  return { passed: numPassedTests, failed };
}
