// The browser that drives the VS Code suite: Chromium from the system, because playwright-core downloads none.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { findOrInstall } from './debian.mjs';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const minutes = 60_000;

/** Path of a Chromium; installs Debian's when none is there and we may, else says in one sentence what to do. */
export const findOrInstallChromium = (say) =>
  findOrInstall({
    find: findChromium,
    packages: ['chromium'],
    size: '480 MB',
    advice:
      'The tests in VS Code need Chromium: install the package `chromium` of your system, or name a Chromium or Chrome in the environment variable CHROMIUM.',
    say,
  });

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
