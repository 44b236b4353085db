// npm start: builds, then opens VS Code with the extension on examples/. Takes `code` when it is on the PATH, else
// code-server in the browser (installed on first use into .cache/).
//
//   npm start                   as above
//   npm start -- --browser      code-server even where `code` is on the PATH
//   npm start -- --port 8123    code-server on this port instead of a free one

import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { installCodeServer, startCodeServer } from './lib/code-server.mjs';
import { cache, examples, root } from './lib/paths.mjs';
import { must } from './lib/process.mjs';

const say = (text) => process.stdout.write(`${text}\n`);

try {
  const { values } = parseArgs({ options: { browser: { type: 'boolean' }, port: { type: 'string' } } });
  const port = values.port === undefined ? undefined : readPort(values.port);
  say('Building ...');
  await must('The build', process.execPath, ['build.mjs', '--quiet'], { cwd: root, timeoutMs: 120_000 });
  if (!values.browser && port === undefined && commandExists('code')) await openDesktop();
  else await openInBrowser(port);
} catch (error) {
  process.stderr.write(`npm start: ${error.message}\n`);
  process.exit(1);
}

async function openDesktop() {
  say('Opening VS Code on examples/: open page-fault.guest.c there and press F5.');
  await must('code', 'code', [`--extensionDevelopmentPath=${root}`, examples], {
    timeoutMs: 120_000,
    shell: process.platform === 'win32',
  });
}

async function openInBrowser(port) {
  const node = await installCodeServer(say);
  const server = await startCodeServer(node, {
    profile: join(cache, 'start'),
    port,
    prepareExtensions: linkExtension,
  });
  say('');
  say(`  VS Code:  http://localhost:${server.port}/?folder=${encodeURI(examples)}`);
  say('');
  say('Open this address, then page-fault.guest.c, and press F5. Ctrl+C stops it.');
  process.exit((await server.exited) ?? 0);
}

/** Makes this checkout the one installed extension: after a new build, "Developer: Reload Window" is enough. */
async function linkExtension(folder) {
  const { publisher, name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await symlink(root, join(folder, `${publisher}.${name}-${version}`), 'dir');
}

function readPort(text) {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Error(`--port ${text} is no TCP port: give a number from 1 to 65535.`);
}

function commandExists(name) {
  const endings = process.platform === 'win32' ? ['.cmd', '.exe'] : [''];
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.some((folder) => endings.some((ending) => existsSync(join(folder, `${name}${ending}`))));
}
