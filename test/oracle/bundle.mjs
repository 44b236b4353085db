/** The oracle's command as one file that Node runs, with a text of one source replaced where that is asked for. */

import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '../..');

/**
 * Bundles the command into `outfile`. `mutation` is `{ file, text, replacement }`, the file as a path from the root; it
 * is an error when the text is not there exactly once.
 */
export async function bundleOracle(outfile, mutation) {
  let found = 0;
  /** Each source knows its own folder, as it does unbundled; one of them is mutated. */
  const sources = {
    name: 'sources',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        let contents = await readFile(path, 'utf8');
        if (mutation !== undefined && relative(root, path) === mutation.file) {
          found = contents.split(mutation.text).length - 1;
          contents = contents.replace(mutation.text, () => mutation.replacement);
        }
        contents = contents.replaceAll('import.meta.dirname', JSON.stringify(dirname(path)));
        return { contents, loader: 'ts' };
      });
    },
  };
  await build({
    entryPoints: [join(import.meta.dirname, 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    sourcemap: 'inline',
    plugins: [sources],
    external: ['commander'],
    logLevel: 'warning',
  });
  if (mutation !== undefined && found !== 1)
    throw new Error(
      `${mutation.file} has ${found} times, and should have once, the text:\n${mutation.text}\nBring the mutation up to date.`,
    );
}
