// What both launchers of the VS Code suite need: the suite as files that an extension host can load, and a workspace.

import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { cache, examples, root } from './paths.mjs';

/** Bundles test/vscode. Returns the path of the runner, for `extensionTestsPath`. */
export async function bundleSuite() {
  const outdir = join(cache, 'vscode-suite');
  await build({
    entryPoints: {
      runner: join(root, 'test/vscode/runner.ts'),
      suite: join(root, 'test/vscode/suite.ts'),
    },
    outdir,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    sourcemap: 'inline',
    // Mocha is found in the project's node_modules, of which .cache/ is a neighbour.
    external: ['vscode', 'mocha'],
    logLevel: 'warning',
  });
  return join(outdir, 'runner.cjs');
}

/** Copies the examples and the suite's own scripts into a folder, so that no test writes into the checkout. */
export async function copyWorkspace(folder) {
  const workspace = join(folder, 'examples');
  await cp(examples, workspace, { recursive: true });
  await cp(join(root, 'test/vscode/scripts'), workspace, { recursive: true });
  return workspace;
}
