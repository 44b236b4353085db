/**
 * Where the C headers that ship with Xenscope lie: beside the bundle in dist/, or in the source tree when the sources
 * run unbundled (tests).
 */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CANDIDATES = ['./headers/', '../../core/guest-c/headers/'] as const;

/** Absolute path of the folder that holds `xenscope.h` and `xen/`. */
export function headersFolder(): string {
  const folders = CANDIDATES.map((relative) => fileURLToPath(new URL(relative, import.meta.url)));
  return folders.find((folder) => existsSync(folder)) ?? folders[0] ?? '';
}

/** Absolute paths of all shipped headers. */
export function shippedHeaders(): readonly string[] {
  const folder = headersFolder();
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.h') || name.endsWith('.c'))
    .map((name) => join(folder, name));
}
