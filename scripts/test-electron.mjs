// The suite test/vscode in the desktop VS Code, downloaded by @vscode/test-electron. Needs a display and VS Code's
// download server; where either is missing, `npm run test:vscode` runs the same suite in code-server.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTests } from '@vscode/test-electron';
import { cache, root } from './lib/paths.mjs';
import { must } from './lib/process.mjs';
import { bundleSuite, copyWorkspace } from './lib/suite.mjs';

await must('The build', process.execPath, ['build.mjs', '--quiet'], { cwd: root, timeoutMs: 120_000 });
const folder = await mkdtemp(join(tmpdir(), 'xenscope-suite-'));
const results = join(folder, 'results.json');
try {
  await runTests({
    cachePath: join(cache, 'vscode-test'),
    extensionDevelopmentPath: root,
    extensionTestsPath: await bundleSuite(),
    extensionTestsEnv: { XENSCOPE_RESULTS: results },
    launchArgs: [await copyWorkspace(folder), '--disable-extensions', '--disable-workspace-trust'],
  });
} catch (error) {
  process.stderr.write(`VS Code suite: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  const counts = await readFile(results, 'utf8').then(JSON.parse, () => null);
  if (counts) process.stdout.write(`VS Code suite: ${counts.passed} passed, ${counts.failed} failed\n`);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
