// The suite test/vscode in a real VS Code without a desktop: code-server, driven by Chromium. The tests run inside the
// extension host; what a person would see and press they ask of this process, over a port of this machine.
//
//   node scripts/test-vscode.mjs              builds and runs
//   node scripts/test-vscode.mjs --no-build   takes dist/ as it is
//
// Screenshots, the messages of VS Code and, after a failure, its logs are in artifacts/.

import { createWriteStream } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { findOrInstallChromium, openBrowser } from './lib/chromium.mjs';
import { installCodeServer, startCodeServer } from './lib/code-server.mjs';
import { artifacts, root } from './lib/paths.mjs';
import { must } from './lib/process.mjs';
import { serveScreen } from './lib/screen.mjs';
import { bundleSuite, copyWorkspace } from './lib/suite.mjs';

const watchdogMs = 6 * 60_000;
const say = (text) => process.stdout.write(`${text}\n`);

if (process.argv[1] === import.meta.filename) {
  try {
    const { passed, failed } = await testVsCode({ build: !process.argv.includes('--no-build') });
    say(`VS Code suite: ${passed} passed, ${failed} failed`);
    process.exit(failed > 0 ? 1 : 0);
  } catch (error) {
    process.stderr.write(`VS Code suite: ${error.message}\n`);
    process.exit(1);
  }
}

/** Runs the suite. Returns its counts; throws one sentence when it could not run to its end. */
export async function testVsCode({ build }) {
  if (build) {
    await must('The build', process.execPath, ['build.mjs', '--quiet'], { cwd: root, timeoutMs: 120_000 });
  }
  const chromium = await findOrInstallChromium(say);
  const node = await installCodeServer(say);
  await mkdir(artifacts, { recursive: true });
  const folder = await mkdtemp(join(tmpdir(), 'xenscope-suite-'));
  const open = [];
  try {
    const runner = await bundleSuite();
    const workspace = await copyWorkspace(folder);
    const results = join(folder, 'results.json');

    const browser = await openBrowser(chromium, { width: 1600, height: 1000 });
    open.push(browser);
    const screen = await serveScreen(browser.page, artifacts);
    open.push(screen);
    const server = await startCodeServer(node, {
      profile: join(folder, 'profile'),
      testDriver: true,
      settings: { 'debug.toolBarLocation': 'docked' },
      env: { XENSCOPE_SCREEN: screen.address, XENSCOPE_RESULTS: results },
    });
    open.push({ close: () => server.stop() });

    say('VS Code suite: starting VS Code in Chromium ...');
    const failure = await runInWorkbench(browser.page, server, { workspace, runner });
    const counts = await readFile(results, 'utf8').then(JSON.parse, () => null);
    if (counts === null || failure || counts.failed > 0) {
      await browser.page.screenshot({ path: join(artifacts, 'vscode-failure.png') }).catch(() => undefined);
      await cp(join(folder, 'profile/data/logs'), join(artifacts, 'vscode-logs'), {
        recursive: true,
        force: true,
      }).catch(() => undefined);
    }
    if (counts === null)
      throw new Error(`${failure ?? 'the suite ended without results.'} See artifacts/vscode.log.`);
    return counts;
  } finally {
    // The browser first: a workbench that loses its server tries to find it again.
    for (const resource of open) await resource.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Opens the workbench with our extension under development and waits for the end of its tests. */
async function runInWorkbench(page, server, { workspace, runner }) {
  const authority = `localhost:${server.port}`;
  const remote = (path) => `vscode-remote://${authority}${path}`;
  const payload = [
    ['extensionDevelopmentPath', remote(root)],
    ['extensionTestsPath', remote(runner)],
    ['skipWelcome', 'true'],
  ];
  // The workbench's and the extension host's own messages: many, and of interest after a failure only.
  const log = createWriteStream(join(artifacts, 'vscode.log'));
  await page.exposeFunction('codeAutomationLog', (_level, args) => log.write(`${format(...args)}\n`));
  const ended = new Promise((resolve) => {
    void page.exposeFunction('codeAutomationExit', (code) => resolve(code));
  });
  const timeout = new Promise((resolve) => {
    setTimeout(() => resolve('late'), watchdogMs).unref();
  });
  const stopped = server.exited.then((code) => `code-server ended with ${code}.`);
  await page.goto(
    `http://${authority}/?folder=${encodeURIComponent(workspace)}&payload=${encodeURIComponent(JSON.stringify(payload))}`,
  );
  const outcome = await Promise.race([ended, timeout, stopped]);
  if (outcome === 'late') return `it did not end within ${watchdogMs / 60_000} minutes.`;
  return typeof outcome === 'string' ? outcome : undefined;
}
