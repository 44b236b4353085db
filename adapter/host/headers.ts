/**
 * The C headers that ship with Xenscope: beside the bundle in dist/, or in the source tree when the sources run
 * unbundled (tests).
 */

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ShippedHeaders } from '../../core/guest-c/preprocessor.ts';

const CANDIDATES = ['./headers', '../../core/guest-c/headers'] as const;

let loaded: ShippedHeaders | null = null;

/** All headers with the folder in which a debugger can open them; read once. */
export function shippedHeaders(): ShippedHeaders {
  loaded ??= load(headersFolder());
  return loaded;
}

function load(root: string): ShippedHeaders {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) =>
    name.replaceAll('\\', '/'),
  );
  const sources = names.filter((name) => /\.[ch]$/.test(name)).sort();
  return { root, files: new Map(sources.map((name) => [name, readFileSync(join(root, name), 'utf8')])) };
}

/** Absolute path of the folder that holds `xenscope.h` and `xen/`. */
function headersFolder(): string {
  const folders = CANDIDATES.map((relative) => fileURLToPath(new URL(relative, import.meta.url)));
  const found = folders.find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`headers: none of ${folders.join(', ')} exists`);
  return found;
}
