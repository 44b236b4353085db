/**
 * Where VS Code enters the suite (`extensionTestsPath`), in code-server as under @vscode/test-electron. Runs mocha in
 * the extension host and writes the counts to the file named by XENSCOPE_RESULTS.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';

export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'bdd', reporter: 'spec', color: false, timeout: 60_000, slow: 10_000 });
  mocha.addFile(join(__dirname, 'suite.cjs'));
  const counts = await new Promise<{ passed: number; failed: number }>((resolve) => {
    const runner = mocha.run(() =>
      resolve({ passed: runner.stats?.passes ?? 0, failed: runner.stats?.failures ?? 0 }),
    );
  });
  const results = process.env['XENSCOPE_RESULTS'];
  if (results !== undefined) writeFileSync(results, JSON.stringify(counts));
  if (counts.failed > 0) throw new Error(`${counts.failed} tests failed`);
}
