/** The pages of the views in a browser, without VS Code: what they show, ask for, and do at the size of a large machine. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findOrInstallChromium, openBrowser } from '../../scripts/lib/chromium.mjs';
import type { ViewName } from '../../extension/webview/messages.ts';
import { FakeSession } from './fake-session.ts';
import { WebviewPage } from './webview-page.ts';

const largeMachine = 2 ** 28;
let browser: Awaited<ReturnType<typeof openBrowser>>;
let page: WebviewPage;

beforeAll(async () => {
  const chromium = await findOrInstallChromium(() => undefined);
  browser = await openBrowser(chromium, { width: 720, height: 420 });
}, 300_000);

afterAll(() => browser.close());
afterEach(() => page.page.close());

async function open(view: ViewName, maxPage = 0x10_000): Promise<FakeSession> {
  const session = new FakeSession(maxPage);
  const tab = await browser.page.context().newPage();
  await tab.setViewportSize({ width: 720, height: 420 });
  page = await WebviewPage.open(tab, view, session);
  await page.page.locator('.rows .row:not(.loading)').first().waitFor();
  return session;
}

const rowWith = (text: string) => page.page.locator('.rows [role="row"]', { hasText: text });
const screenshot = (name: string) => page.page.screenshot({ path: `artifacts/webview-${name}.png` });

describe('the Page Tables view', () => {
  it('opens a table with the keyboard and closes it again', async () => {
    await open('page-tables');
    await rowWith('L4[0x0]').click();
    await page.page.keyboard.press('ArrowRight');
    await rowWith('L3[0x1fe]').waitFor();
    expect(await rowWith('L4[0x0]').getAttribute('aria-expanded')).toBe('true');
    await page.page.keyboard.press('ArrowLeft');
    await rowWith('L3[0x1fe]').waitFor({ state: 'detached' });
  });

  it('opens the tables that lead to an entry changed by a step, and marks the entry', async () => {
    await open('page-tables');
    page.step();
    const changed = page.page.locator('.row.changed');
    await changed.waitFor();
    expect((await changed.innerText()).replaceAll(/\s+/g, ' ')).toContain('L1[0x0] 0x0000000000400000 00400');
    await screenshot('page-tables');
  });

  it('opens the way to an address typed into the box', async () => {
    await open('page-tables');
    await page.page.getByRole('textbox', { name: 'Address or expression' }).fill('0x5000');
    await page.page.keyboard.press('Enter');
    await page.page.locator('.row.active', { hasText: 'L1[0x5]' }).waitFor();
  });

  it('tells why an expression has no address', async () => {
    await open('page-tables');
    await page.page.getByRole('textbox', { name: 'Address or expression' }).fill('nothing');
    await page.page.keyboard.press('Enter');
    await page.page.getByText('nothing has no address.').waitFor();
  });
});

describe('the Machine Frames view', () => {
  it("begins with the first domain's frames", async () => {
    await open('machine-frames');
    expect((await page.rows())[0]).toBe('00400 00000 d1 writable 1 2 start_info');
    await screenshot('machine-frames');
  });

  it('goes to any frame of a machine of 2^28 frames, and asks only for what is in sight', async () => {
    const session = await open('machine-frames', largeMachine);
    await page.page.getByRole('textbox', { name: 'Go to MFN' }).fill('ffffffe');
    await page.page.keyboard.press('Enter');
    await rowWith('ffffffe').waitFor();
    expect(await page.rows()).toContain('fffffff - free - 0 0');
    expect(session.asked.filter((name) => name === 'xenscope/frames').length).toBeLessThan(12);
  });

  it('moves by rows with the wheel and the keys at 2^28 frames, where the scroll bar moves by thousands', async () => {
    await open('machine-frames', largeMachine);
    await page.page.getByRole('textbox', { name: 'Go to MFN' }).fill('8000000');
    await page.page.keyboard.press('Enter');
    await rowWith('8000000').click();
    await page.page.keyboard.press('ArrowDown');
    await page.page.locator('.row.active', { hasText: '8000001' }).waitFor();
    await page.page.mouse.wheel(0, 60);
    await expect
      .poll(() => page.rows().then((rows) => rows.some((row) => row.startsWith('8000010'))))
      .toBe(true);
    await page.page.keyboard.press('End');
    await page.page.locator('.row.active', { hasText: 'fffffff' }).waitFor();
    await page.page.keyboard.press('Home');
    await page.page.locator('.row.active', { hasText: '00000' }).waitFor();
  });

  it('underlines the counts that a step has changed, with their former value', async () => {
    await open('machine-frames');
    await page.page.getByRole('textbox', { name: 'Go to MFN' }).fill('7f4');
    await page.page.keyboard.press('Enter');
    await rowWith('007f4').waitFor();
    page.step();
    const counts = page.page.locator('.row.changed .was');
    await expect.poll(() => counts.allInnerTexts()).toEqual(['2', '3']);
    expect(await counts.first().getAttribute('title')).toBe('was 1');
  });

  it('finds the pinned frames', async () => {
    await open('machine-frames');
    await page.page.locator('vscode-checkbox', { hasText: 'Pinned' }).click();
    await expect.poll(() => page.rows()).toEqual(['007f0 003f0 d1 l4 pin 1 2 boot page table']);
  });

  it('gives up what it asked for when the state moves', async () => {
    const session = await open('machine-frames');
    session.hang();
    page.step();
    page.step();
    await expect.poll(() => session.asked.filter((name) => name === 'xenscope/machine').length).toBe(3);
    expect((await page.rows())[0]).toContain('00400');
  });
});

describe('the P2M Map view', () => {
  it('says where the machine-to-physical table disagrees', async () => {
    await open('p2m-map');
    expect(await page.rows()).toContain('00007 00407 00030 d1 M2P disagrees');
    expect(await page.rows()).toContain('00005 - - no frame');
    await screenshot('p2m-map');
  });

  it('jumps to the machine frame of an entry', async () => {
    await open('p2m-map');
    await rowWith('00402').locator('a').first().click();
    expect(page.shown).toEqual([{ kind: 'frame', mfn: 0x402 }]);
  });
});

describe('the Memory panel', () => {
  async function openAt(text: string, as: 'bytes' | 'entries'): Promise<void> {
    const session = new FakeSession(0x10_000);
    const tab = await browser.page.context().newPage();
    await tab.setViewportSize({ width: 720, height: 420 });
    page = await WebviewPage.open(tab, 'memory', session);
    page.show({ kind: 'memory', text, as });
    await page.page.locator('.rows .row.active').waitFor();
  }

  it('shows bytes with the translation of their address', async () => {
    await openAt('va:0x5000', 'bytes');
    await expect
      .poll(() => page.rows())
      .toContain('0x0000000000005000 41 41 41 41 00 00 00 00 00 01 00 00 00 00 00 00 AAAA............');
    expect(await page.page.locator('.about').innerText()).toContain(
      'L4[0x0] → L3[0x0] → L2[0x0] → L1[0x5] → mfn 0040f: d1',
    );
  });

  it('underlines bytes that a step has changed', async () => {
    await openAt('va:0x5000', 'bytes');
    await expect.poll(() => page.rows().then((rows) => rows.some((row) => row.includes('41 41')))).toBe(true);
    page.step();
    await page.page.locator('.row.changed .was').first().waitFor();
    expect(await page.page.locator('.was').first().innerText()).toBe('02');
    expect(await page.page.locator('.was').first().getAttribute('title')).toBe('was 01');
    await screenshot('memory-bytes');
  });

  it('follows a page-table entry and comes back', async () => {
    await openAt('mfn:0x7f0', 'entries');
    await page.page.locator('.row.active', { hasText: 'L4[0x0]' }).click();
    await page.page.keyboard.press('Enter');
    await rowWith('L3[0x1fe]').or(rowWith('L3[0x0]')).first().waitFor();
    await page.page.locator('vscode-toolbar-button[label="Back"]').click();
    await rowWith('L4[0x0]').waitFor();
    await screenshot('memory-entries');
  });

  it('shows bytes that cannot be read as such', async () => {
    await openAt('va:0x27ff0', 'bytes');
    await expect
      .poll(() => page.rows().then((rows) => rows.some((row) => row.startsWith('0x0000000000028000 ··'))))
      .toBe(true);
  });
});
