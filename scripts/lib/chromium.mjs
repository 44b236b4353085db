// The browser that drives the VS Code suite: Chromium from the system, because playwright-core downloads none.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { must } from './process.mjs';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const minutes = 60_000;

/** Path of a Chromium; installs Debian's when none is there and we may, else says in one sentence what to do. */
export async function findOrInstallChromium(say) {
  const found = findChromium();
  if (found) return found;
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (!mayInstall) {
    throw new Error(
      'The tests in VS Code need Chromium: install the package `chromium` of your system, or name a Chromium or Chrome in the environment variable CHROMIUM.',
    );
  }
  say('Installing Chromium with apt-get (once; about 480 MB) ...');
  const apt = ['-o', 'DPkg::Lock::Timeout=300', '-q', '-y'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, quiet: true, timeoutMs: 8 * minutes };
  await must('apt-get update', 'apt-get', ['update', ...apt], options);
  await must(
    'apt-get install chromium',
    'apt-get',
    ['install', '--no-install-recommends', ...apt, 'chromium'],
    options,
  );
  const installed = findChromium();
  if (!installed) throw new Error('apt-get installed the package chromium, but no chromium is on the PATH.');
  say('Chromium is installed.');
  return installed;
}

/** A browser window of the given size in CSS pixels, with a profile of its own. Returns `{ page, close() }`. */
export async function openBrowser(executablePath, { width, height, scale = 1 }) {
  const profile = await mkdtemp(join(tmpdir(), 'xenscope-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    viewport: { width, height },
    deviceScaleFactor: scale,
    colorScheme: 'dark',
    timeout: minutes,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
    ],
  });
  const page = context.pages()[0] ?? (await context.newPage());
  return {
    page,
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? '').split(delimiter);
  for (const name of names) {
    const folder = folders.find((candidate) => existsSync(join(candidate, name)));
    if (folder) return join(folder, name);
  }
  return undefined;
}
