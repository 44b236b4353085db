/** Bundles the oracle's command and runs it: its sources are TypeScript. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';

const folder = import.meta.dirname;
const outfile = join(folder, '../../.cache/oracle/oracle.mjs');
await build({
  entryPoints: [join(folder, 'main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  sourcemap: 'inline',
  define: { 'import.meta.dirname': JSON.stringify(join(folder, 'real')) },
  logLevel: 'warning',
});
const run = spawnSync(process.execPath, ['--enable-source-maps', outfile, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = run.status ?? 1;
