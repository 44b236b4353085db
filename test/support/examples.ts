/**
 * The runs that examples/ has. A script in the folder itself is a run, and so are `broken` and `right` in a folder of
 * their own; the scripts of any other folder run together, a domain each. A story that says `Runs on x86_64.` is for
 * that ABI alone.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export type ExampleAbi = 'x86_64' | 'x86_32p' | 'x86_32';

export interface Example {
  /** `page-fault`, `grant-share`, `null-page.broken` */
  readonly name: string;
  readonly files: readonly string[];
  readonly abis: readonly ExampleAbi[];
}

const FOLDER = 'examples';
const SCRIPT = '.guest.c';
const ALL: readonly ExampleAbi[] = ['x86_64', 'x86_32p', 'x86_32'];

export const EXAMPLES: readonly Example[] = readdirSync(FOLDER, { withFileTypes: true })
  .flatMap((entry) => {
    if (!entry.isDirectory()) return entry.name.endsWith(SCRIPT) ? [run(stem(entry.name), [entry.name])] : [];
    const scripts = readdirSync(join(FOLDER, entry.name)).filter((name) => name.endsWith(SCRIPT));
    const paths = scripts.map((name) => join(entry.name, name));
    if (!scripts.includes(`broken${SCRIPT}`)) return [run(entry.name, paths)];
    return paths.map((path, i) => run(`${entry.name}.${stem(scripts[i] ?? '')}`, [path]));
  })
  .sort((a, b) => (a.name < b.name ? -1 : 1));

function stem(script: string): string {
  return script.slice(0, -SCRIPT.length);
}

function run(name: string, paths: readonly string[]): Example {
  const files = paths.map((path) => join(FOLDER, path));
  const only = /Runs on (x86_\w+)\./.exec(readFileSync(files[0] ?? '', 'utf8'))?.[1];
  return { name, files, abis: ALL.filter((abi) => only === undefined || abi === only) };
}
