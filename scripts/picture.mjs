// Makes docs/picture.png, the README's picture, from the real thing: the example in VS Code, stopped after the hypercall
// that maps the page, with the three views beside it.
//
//   node scripts/picture.mjs

import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findOrInstallChromium, openBrowser } from './lib/chromium.mjs';
import { installCodeServer, startCodeServer } from './lib/code-server.mjs';
import { artifacts, examples, root } from './lib/paths.mjs';
import { must } from './lib/process.mjs';
import { frameOf, screenActions } from './lib/screen.mjs';

const say = (text) => process.stdout.write(`${text}\n`);
const picture = join(root, 'docs/picture.png');

const script = 'page-fault.guest.c';
/** The line of the script that asks Xen to write an entry. */
const hypercall = 'return HYPERVISOR_mmu_update';
/** The entry that maps the script's address, as the view names it. */
const mapped = 'L1[0x0]';

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
      'editor.stickyScroll.enabled': false,
    },
    prepareExtensions: (extensions) => symlink(root, join(extensions, 'xenscope.xenscope-0.0.0'), 'dir'),
  });
  const browser = await openBrowser(chromium, { width: 1600, height: 1000, scale: 2 });
  open.push(browser, { close: () => server.stop() });
  await mkdir(join(root, 'docs'), { recursive: true });
  const address = `http://localhost:${server.port}/?folder=${encodeURIComponent(examples)}`;
  await takePicture(browser.page, address).catch(async (error) => {
    await browser.page.screenshot({ path: join(artifacts, 'picture-failure.png') });
    throw error;
  });
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
  const stackTop = (name) =>
    page
      .locator('.debug-call-stack .monaco-list-row[data-index="0"]', { hasText: name })
      .waitFor({ timeout: 30_000 });

  await page.goto(address);
  const file = page.locator('.explorer-folders-view .monaco-list-row', { hasText: script });
  await file.waitFor({ timeout: 60_000 });
  await file.dblclick();
  await page.locator('[id="status.editor.mode"]', { hasText: 'Guest C' }).waitFor({ timeout: 30_000 });

  // Until VS Code knows the debugger, F9 does nothing and F5 would reload the page.
  await page.locator('.editor-actions .codicon-debug-alt').first().waitFor({ timeout: 30_000 });
  await page.waitForTimeout(3000);

  await page.keyboard.press('Control+g');
  await page.keyboard.type(String(await lineOf(hypercall)));
  await page.keyboard.press('Enter');
  await page.keyboard.press('F9');
  await page
    .locator('.glyph-margin-widgets [class*="debug-breakpoint"]')
    .first()
    .waitFor({ timeout: 30_000 });

  await page.keyboard.press('F5');
  await stackTop('kernel_main');
  await page.locator('.pane-header', { hasText: 'Watch' }).click();

  // The handler links one table after the other; the last hypercall maps the page itself.
  for (let levels = 0; !(await shows(screen, mapped)); levels++) {
    if (levels > 4) throw new Error(`the entry ${mapped} was not written.`);
    await page.keyboard.press('F5');
    await stackTop('set_entry');
    await page.keyboard.press('F10');
    await stackTop(/map_page|page_fault/);
    // Views paint a little after they have been told.
    await page.waitForTimeout(2000);
  }
  // Both other views show the same frame among its neighbours.
  const tables = await frameOf(page, 'page-tables');
  for (const [link, view] of [
    ['Show in Machine Frames', 'machine-frames'],
    ['Show in P2M Map', 'p2m-map'],
  ]) {
    await tables.locator(`.row.changed a[title="${link}"]`).click();
    await until(async () => (await screen.rows({ view })).some(({ changed }) => changed));
  }
  await page.mouse.move(300, 5);
  await page.waitForTimeout(1500);
  await page.screenshot({ path: picture });
}

async function until(check) {
  for (let tries = 0; tries < 100; tries++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the view marks no change.');
}

/** Whether Page Tables marks an entry as changed. */
async function shows(screen, entry) {
  const rows = await screen.rows({ view: 'page-tables' });
  return rows.some(({ changed, cells }) => changed && cells[0] === entry);
}

async function lineOf(text) {
  const lines = (await readFile(join(examples, script), 'utf8')).split('\n');
  return lines.findIndex((line) => line.includes(text)) + 1;
}
