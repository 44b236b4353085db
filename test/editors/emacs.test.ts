/** Another editor than VS Code debugs a guest: Emacs with dap-mode, through `xenscope dap` on standard input and output. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findOrInstallEmacs } from '../../scripts/lib/emacs.mjs';

const MINUTE = 60_000;
const run = promisify(execFile);
const script = resolve('examples/page-fault.guest.c');
const lines = readFileSync(script, 'utf8').split('\n');
const lineOf = (text: string): number => lines.findIndex((line) => line.includes(text)) + 1;

describe('Emacs', () => {
  let emacs = '';
  let dist = '';
  beforeAll(async () => {
    emacs = await findOrInstallEmacs(() => undefined);
    dist = await mkdtemp(join(tmpdir(), 'xenscope-built-'));
    await run(process.execPath, ['build.mjs', '--quiet', '--out', dist]);
  }, 9 * MINUTE);
  afterAll(() => rm(dist, { recursive: true, force: true }));

  it(
    'stops at a breakpoint, evaluates, steps and runs to the end',
    async () => {
      const last = lineOf('return set_entry(table, pt_slot(va, 1)');
      const session = resolve('test/editors/session.el');
      const adapter = [process.execPath, join(dist, 'cli.cjs'), 'dap'];
      const args = ['--batch', '-l', session, ...adapter, '--', script, String(last)];
      const { stdout } = await run(emacs, args, { timeout: 2 * MINUTE });
      const told = stdout.split('\n').filter((line) => line.startsWith('told: '));
      expect(told).toEqual([
        `told: stopped: breakpoint at map_page line ${last}`,
        'told: value: 0x400000',
        `told: stopped: step at page_fault line ${lineOf('if (rc != 0) {')}`,
        'told: ended',
      ]);
    },
    3 * MINUTE,
  );
});
