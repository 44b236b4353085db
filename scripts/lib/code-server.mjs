// The VS Code of `npm start` and of the tests where no desktop VS Code is at hand: code-server (the real VS Code server,
// workbench and extension host), from the npm registry alone. Its versions are locked in scripts/vscode-host/, apart
// from the project's own dependencies, because it is large and only needed here.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { cache, root } from './paths.mjs';
import { freePort, must, start, stop } from './process.mjs';

const locked = join(root, 'scripts/vscode-host');
const folder = join(cache, 'vscode-host');
const packages = join(folder, 'node_modules');
const entry = join(packages, 'code-server/out/node/entry.js');
const stamp = join(folder, 'installed');
const minutes = 60_000;

/** The workbench as a reader wants it: no welcome, no advertising, no network, nothing that asks. */
const settings = {
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'chat.disableAIFeatures': true,
  'telemetry.telemetryLevel': 'off',
  'git.enabled': false,
  'git.openRepositoryInParentFolders': 'never',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'update.showReleaseNotes': false,
  'window.confirmBeforeClose': 'never',
};

/**
 * Installs code-server into .cache/ unless that has been done with the same locked versions. Returns the Node to run it
 * with. Needs the npm registry once; afterwards nothing.
 */
export async function installCodeServer(say) {
  const node = join(packages, `node-linux-${process.arch}`, 'bin/node');
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Error(
      'No VS Code was found: put the command `code` on the PATH (in VS Code: "Shell Command: Install \'code\' command in PATH"). ' +
        'The stand-in, code-server, is only available here on Linux.',
    );
  }
  const wanted = createHash('sha256')
    .update(await readFile(join(locked, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === wanted) return node;

  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) await cp(join(locked, file), join(folder, file));

  say(
    'Installing code-server into .cache/vscode-host (once; about 800 MB, under a minute on a fast line) ...',
  );
  // Without scripts: code-server's own would compile native modules that nothing here needs.
  const npm = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await withPulse(
    say,
    'packages',
    must('npm ci of code-server', 'npm', ['ci', ...npm], {
      cwd: folder,
      quiet: true,
      timeoutMs: 8 * minutes,
    }),
  );
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  // `npm ci` refuses here: the shrinkwrap that upstream ships lacks one package.
  await withPulse(
    say,
    'VS Code server',
    must("npm install of code-server's VS Code", 'npm', ['install', '--omit=dev', ...npm], {
      cwd: join(packages, 'code-server/lib/vscode'),
      env,
      quiet: true,
      timeoutMs: 8 * minutes,
    }),
  );
  await writeFile(stamp, wanted);
  say('code-server is installed.');
  return node;
}

/**
 * Starts a server and waits until it listens.
 *
 * @param options.profile folder for user data and extensions; a temporary one, deleted at the end, when absent
 * @param options.port the port wanted, any free one when absent
 * @param options.testDriver lets the workbench load a development extension and run its tests
 * @param options.settings user settings added to the common ones
 * @returns `{ port, extensionsFolder, exited, stop() }`; `exited` resolves when the server ends by itself
 */
export async function startCodeServer(node, options) {
  const temporary = options.profile === undefined;
  const profile = options.profile ?? (await mkdtemp(join(tmpdir(), 'xenscope-vscode-')));
  const extensionsFolder = join(profile, 'extensions');
  await mkdir(join(profile, 'data/User'), { recursive: true });
  await mkdir(extensionsFolder, { recursive: true });
  const settingsFile = join(profile, 'data/User/settings.json');
  // A person's own changes to the settings stay.
  if (temporary || !existsSync(settingsFile)) {
    await writeFile(settingsFile, JSON.stringify({ ...settings, ...options.settings }, null, 2));
  }
  await options.prepareExtensions?.(extensionsFolder);

  const port = options.port ?? (await freePort());
  const args = [
    entry,
    ...['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`],
    ...['--user-data-dir', join(profile, 'data'), '--extensions-dir', extensionsFolder],
    ...['--config', join(profile, 'config.yaml')],
    ...['--disable-telemetry', '--disable-update-check', '--disable-workspace-trust'],
    '--disable-getting-started-override',
    ...(options.testDriver ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
  ];
  const env = {
    ...process.env,
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    EXTENSIONS_GALLERY: '{}',
    ...options.env,
  };
  const server = start(node, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = [];
  server.stderr.on('data', (chunk) => log.push(chunk.toString()));
  const exited = new Promise((resolve) => server.once('exit', resolve));
  await new Promise((resolve, reject) => {
    const fail = (why) =>
      reject(new Error(`code-server did not start: ${why}\n${log.join('').slice(-2000)}`));
    const timer = setTimeout(() => fail('it was silent for a minute'), minutes);
    server.stdout.on('data', (chunk) => {
      log.push(chunk.toString());
      if (!log.join('').includes('HTTP server listening on')) return;
      clearTimeout(timer);
      resolve();
    });
    server.once('exit', (code) => {
      clearTimeout(timer);
      fail(`it ended with ${code}`);
    });
  });
  return {
    port,
    extensionsFolder,
    exited,
    async stop() {
      await stop(server);
      if (temporary) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Says every ten seconds that a long step is still at work. */
async function withPulse(say, what, promise) {
  const began = Date.now();
  const timer = setInterval(() => say(`  ... ${what}: ${Math.round((Date.now() - began) / 1000)} s`), 10_000);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}
