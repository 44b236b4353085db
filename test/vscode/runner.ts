/**
 * Where VS Code enters the suite (`extensionTestsPath`), in code-server as under @vscode/test-electron. Runs mocha in
 * the extension host and writes the counts to the file named by XENSCOPE_RESULTS.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'node:util';
import Mocha from 'mocha';
import { Screen } from './screen.ts';

export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'bdd', reporter: 'spec', color: false, timeout: 60_000, slow: 10_000 });
  mocha.addFile(join(__dirname, 'suite.cjs'));
  const said = sayOnScreen();
  const counts = await new Promise<{ passed: number; failed: number }>((resolve) => {
    const runner = mocha.run(() =>
      resolve({ passed: runner.stats?.passes ?? 0, failed: runner.stats?.failures ?? 0 }),
    );
  });
  await said();
  const results = process.env['XENSCOPE_RESULTS'];
  if (results !== undefined) writeFileSync(results, JSON.stringify(counts));
  if (counts.failed > 0) throw new Error(`${counts.failed} tests failed`);
}

/**
 * Sends mocha's lines to the launcher, in order, since the console of an extension host is full of other voices. Returns
 * what waits until all have arrived. Without a launcher that listens they stay on the console.
 */
function sayOnScreen(): () => Promise<void> {
  const screen = Screen.current;
  let sent: Promise<unknown> = Promise.resolve();
  if (screen) {
    Mocha.reporters.Base.consoleLog = (...parts: unknown[]) => {
      sent = sent.then(() => screen.do('say', { text: format(...parts) }));
    };
  }
  return async () => void (await sent);
}
