// Makes docs/picture.png, the README's picture, from the real thing: the example in VS Code, stopped after the hypercall
// that links a page table, with the three views beside it.
//
//   node scripts/picture.mjs

import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findOrInstallChromium, openBrowser } from './lib/chromium.mjs';
import { installCodeServer, startCodeServer } from './lib/code-server.mjs';
import { examples, root } from './lib/paths.mjs';
import { must } from './lib/process.mjs';
import { screenActions } from './lib/screen.mjs';

const say = (text) => process.stdout.write(`${text}\n`);
const picture = join(root, 'docs/picture.png');

/** Steps over the first hypercalls until a page table has been linked. */
const stopsAt = 'return HYPERVISOR_mmu_update';

const folder = await mkdtemp(join(tmpdir(), 'xenscope-picture-'));
const open = [];
try {
  await must('The build', process.execPath, ['build.mjs', '--quiet'], { cwd: root, timeoutMs: 120_000 });
  const chromium = await findOrInstallChromium(say);
  const node = await installCodeServer(say);
  const server = await startCodeServer(node, {
    profile: join(folder, 'profile'),
    settings: {
      'editor.minimap.enabled': false,
      'editor.fontSize': 13,
      'debug.toolBarLocation': 'docked',
      'workbench.layoutControl.enabled': false,
      'breadcrumbs.enabled': false,
    },
    prepareExtensions: (extensions) => symlink(root, join(extensions, 'xenscope.xenscope-0.0.0'), 'dir'),
  });
  const browser = await openBrowser(chromium, { width: 1440, height: 900, scale: 2 });
  open.push(browser, { close: () => server.stop() });
  await mkdir(join(root, 'docs'), { recursive: true });
  await takePicture(browser.page, `http://localhost:${server.port}/?folder=${encodeURIComponent(examples)}`);
  say(`Written: ${picture}`);
} catch (error) {
  process.stderr.write(`picture: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  for (const resource of open) await resource.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit();

async function takePicture(page, address) {
  const screen = screenActions(page, folder);
  await page.goto(address);
  const file = page.locator('.explorer-folders-view .monaco-list-row', { hasText: 'page-fault.guest.c' });
  await file.waitFor({ timeout: 60_000 });
  await file.dblclick();
  await page.locator('[id="status.editor.mode"]', { hasText: 'Guest C' }).waitFor({ timeout: 30_000 });

  // A breakpoint on the hypercall's line, set with the keyboard.
  await goToLine(page, await lineOf(stopsAt));
  await page.keyboard.press('F9');
  await page.keyboard.press('F5');
  await page.locator('.debug-top-stack-frame-line').first().waitFor({ timeout: 30_000 });
  await screen.rows({ view: 'page-tables' });
  await page.keyboard.press('F5');
  await page
    .locator('.debug-call-stack .monaco-list-row', { hasText: 'set_entry' })
    .waitFor({ timeout: 30_000 });
  await page.keyboard.press('F10');
  await page.locator('.debug-call-stack .monaco-list-row.selected', { hasText: 'map_page' }).waitFor();
  await until(async () => (await screen.rows({ view: 'page-tables' })).some(({ changed }) => changed));
  await page.mouse.move(720, 5);
  await page.waitForTimeout(1500);
  await page.screenshot({ path: picture });
}

async function goToLine(page, line) {
  await page.keyboard.press('Control+g');
  await page.keyboard.type(`:${line}`.slice(1));
  await page.keyboard.press('Enter');
}

async function lineOf(text) {
  const { readFile } = await import('node:fs/promises');
  const lines = (await readFile(join(examples, 'page-fault.guest.c'), 'utf8')).split('\n');
  return lines.findIndex((line) => line.includes(text)) + 1;
}

async function until(check) {
  for (let tries = 0; tries < 100; tries++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the view marks no change.');
}
