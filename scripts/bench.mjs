// `npm run bench`: bundles test/bench as the product is bundled, and runs it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(root, 'dist/bench-'));
const bundle = join(folder, 'main.mjs');
try {
  await build({
    entryPoints: [join(root, 'test/bench/main.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    define: {
      'import.meta.dirname': JSON.stringify(join(root, 'test/bench')),
      'import.meta.url': JSON.stringify(new URL('../dist/cli.cjs', import.meta.url).href),
    },
  });
  process.exitCode =
    spawnSync(process.execPath, ['--expose-gc', bundle, ...process.argv.slice(2)], { stdio: 'inherit' })
      .status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
