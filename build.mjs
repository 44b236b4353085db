// Builds everything that ships into dist/: the command line, the extension with its inline debug adapter, the language
// server, each webview, and copies of the C headers and of the start-up file for real Xen. `npm ci` runs it (the
// `prepare` script), so that `npx xenscope` works in a fresh clone. A part whose entry file does not exist is left out and named.
//
//   node build.mjs             everything, minified, with source maps
//   node build.mjs --quiet     the same, silent unless something fails
//   node build.mjs --out DIR   into another folder than dist/

import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
const dist = resolve(optionValue('--out') ?? join(root, 'dist'));
const say = process.argv.includes('--quiet') ? () => undefined : (text) => process.stdout.write(`${text}\n`);

/** Settings that every output shares. */
const common = { bundle: true, minify: true, sourcemap: true, logLevel: 'warning' };

/** For programs that Node loads: CommonJS, because VS Code loads extensions so; `import.meta.url` still works. */
const node = {
  ...common,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  define: { 'import.meta.url': '__fileUrl' },
};
const fileUrl = "const __fileUrl = require('node:url').pathToFileURL(__filename).href;";

const programs = [
  {
    entry: 'adapter/cli/main.ts',
    out: 'cli.cjs',
    shebang: '#!/usr/bin/env node\n',
    external: ['./server.cjs'],
  },
  { entry: 'adapter/inline.ts', out: 'adapter.cjs', shebang: '', external: [] },
  { entry: 'extension/extension.ts', out: 'extension.cjs', shebang: '', external: ['vscode'] },
  { entry: 'adapter/lsp/server.ts', out: 'server.cjs', shebang: '', external: [] },
];

/** Texts that programs read at run time: the C headers, and what gcc links scripts with for real Xen. */
const texts = [
  { from: 'core/guest-c/headers', out: 'headers' },
  { from: 'adapter/verify/startup', out: 'startup' },
];

await mkdir(dist, { recursive: true });
const built = await Promise.all([
  ...programs.map(buildProgram),
  buildWebviews(),
  ...texts.map(copyTexts),
]).catch((error) => {
  // esbuild has listed its errors, each at its place; anything else is told in full.
  if (!Array.isArray(error.errors)) throw error;
  process.exit(1);
});
say(`${dist}: ${built.flat().join(', ')}`);

async function buildProgram({ entry, out, shebang, external }) {
  if (!existsSync(join(root, entry))) return `(no ${entry})`;
  await build({
    ...node,
    entryPoints: [join(root, entry)],
    outfile: join(dist, out),
    external,
    banner: { js: `${shebang}${fileUrl}` },
  });
  return out;
}

async function buildWebviews() {
  const folder = join(root, 'extension/webview');
  const names = existsSync(folder) ? await readdir(folder) : [];
  const views = names.filter((name) => existsSync(join(folder, name, 'main.ts')));
  if (views.length === 0) return '(no webview)';
  await build({
    ...common,
    platform: 'browser',
    format: 'iife',
    target: 'chrome120',
    entryPoints: views.map((name) => ({ in: join(folder, name, 'main.ts'), out: name })),
    outdir: join(dist, 'webview'),
    assetNames: '[name]',
    loader: { '.ttf': 'file' },
  });
  return views.map((name) => `webview/${name}.js`);
}

async function copyTexts({ from, out }) {
  const folder = join(root, from);
  if (!existsSync(folder)) return `(no ${out})`;
  await rm(join(dist, out), { recursive: true, force: true });
  await cp(folder, join(dist, out), { recursive: true });
  return `${out}/`;
}

function optionValue(name) {
  const index = process.argv.indexOf(name);
  return index < 0 ? undefined : process.argv[index + 1];
}
