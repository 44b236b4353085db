// Answers the suite's questions about the window (test/vscode/screen.ts) with playwright.

import { createServer } from 'node:http';
import { join } from 'node:path';

const waitMs = 15_000;

/** Serves the actions for one page. Returns `{ address, close() }`. */
export async function serveScreen(page, artifacts) {
  const actions = screenActions(page, artifacts);
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { action, args } = JSON.parse(Buffer.concat(chunks).toString());
    try {
      const answer = await actions[action](args);
      response.end(JSON.stringify(answer ?? null));
    } catch (error) {
      response.statusCode = 500;
      response.end(`${action}: ${error.message}`);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** The actions themselves, also used by the script that makes the README's picture. */
export function screenActions(page, artifacts) {
  return {
    say: ({ text }) => void process.stdout.write(`${text}\n`),
    press: ({ key }) => page.keyboard.press(key),
    text: async ({ selector }) => {
      const element = page.locator(selector).filter({ hasText: /\S/ }).first();
      await element.waitFor({ timeout: waitMs });
      return element.innerText();
    },
    click: ({ selector }) => page.locator(selector).first().click({ timeout: waitMs }),
    rows: async ({ view }) => {
      const frame = await frameOf(page, view);
      return frame.locator('.rows [role="row"]:not(.loading)').evaluateAll((rows) =>
        rows.map((row) => ({
          cells: [...row.querySelectorAll('[role="gridcell"]')].map((cell) => cell.innerText.trim()),
          changed: row.classList.contains('changed'),
          active: row.classList.contains('active'),
          marked: [...row.querySelectorAll('.was')].map((cell) => cell.innerText.trim()),
        })),
      );
    },
    viewText: async ({ view, selector }) => {
      const frame = await frameOf(page, view);
      return frame.locator(selector).first().innerText({ timeout: waitMs });
    },
    viewKeys: async ({ view, selector, keys }) => {
      const frame = await frameOf(page, view);
      await frame.locator(selector).first().click({ timeout: waitMs });
      for (const key of keys) await page.keyboard.press(key);
    },
    screenshot: async ({ name }) => {
      // Views paint a little after they have been told.
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(artifacts, `${name}.png`) });
    },
  };
}

/** The innermost frame in which a view's page lives. Webviews come late, so this waits. */
export async function frameOf(page, view) {
  const end = Date.now() + waitMs;
  for (;;) {
    for (const frame of page.frames()) {
      const found = await frame
        .locator(`xs-${view}`)
        .count()
        .catch(() => 0);
      if (found > 0) return frame;
    }
    if (Date.now() > end) throw new Error(`The view ${view} is not on the screen.`);
    await page.waitForTimeout(100);
  }
}
