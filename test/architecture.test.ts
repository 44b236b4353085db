/**
 * The locks of ARCHITECTURE.md: reads every import of the project and fails on an arrow that the layout forbids.
 */

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function sources(folder: string): string[] {
  const all: string[] = [];
  for (const name of readdirSync(join(ROOT, folder)).sort()) {
    const path = join(folder, name);
    if (statSync(join(ROOT, path)).isDirectory()) all.push(...sources(path));
    else if (name.endsWith('.ts')) all.push(path);
  }
  return all;
}

/** Every import and re-export of a file; relative ones as paths from the root, packages by name. */
function importsOf(path: string): Import[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const pattern = /^\s*(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
  const found: Import[] = [];
  for (const [, , type, target] of text.matchAll(pattern)) {
    if (target === undefined) continue;
    const to = target.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(path), target)) : target;
    found.push({ from: path, to, typeOnly: type !== undefined });
  }
  for (const [, target] of text.matchAll(/import\(\s*'([^']+)'\s*\)/g)) {
    if (target?.startsWith('.') === true)
      found.push({ from: path, to: relative(ROOT, resolve(ROOT, dirname(path), target)), typeOnly: false });
  }
  return found;
}

const wrong = (imports: readonly Import[], allowed: (one: Import) => boolean): string[] =>
  imports.filter((one) => !allowed(one)).map((one) => `${one.from} imports ${one.to}`);

/** The rooms of core/, each with those it may look into. */
const ROOMS: { readonly [room: string]: readonly string[] } = {
  'core/abi': ['core/units.ts', 'core/pte.ts'],
  'core/state': ['core/units.ts'],
  'core/machine': ['core/units.ts', 'core/pte.ts', 'core/walk.ts', 'core/abi', 'core/state'],
  'core/hypervisor': [
    'core/units.ts',
    'core/pte.ts',
    'core/walk.ts',
    'core/abi',
    'core/state',
    'core/machine',
  ],
  'core/guest-c': ['core/units.ts', 'core/abi', 'core/state', 'core/machine', 'core/hypervisor'],
  'core/timeline': [
    'core/units.ts',
    'core/pte.ts',
    'core/walk.ts',
    'core/abi',
    'core/state',
    'core/machine',
    'core/hypervisor',
    'core/guest-c',
  ],
  'core/source': [
    'core/units.ts',
    'core/pte.ts',
    'core/walk.ts',
    'core/abi',
    'core/state',
    'core/machine',
    'core/hypervisor',
    'core/timeline',
  ],
};

const inside = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

describe('the layout', () => {
  it('finds imports at all', () => {
    expect(sources('core').flatMap(importsOf).length).toBeGreaterThan(50);
  });

  it('lets core import core alone, and no package', () => {
    expect(wrong(sources('core').flatMap(importsOf), (one) => inside(one.to, 'core'))).toEqual([]);
  });

  for (const [room, others] of Object.entries(ROOMS)) {
    it(`lets ${room} look only into ${others.join(', ')}`, () => {
      const imports = sources(room).flatMap(importsOf);
      expect(wrong(imports, (one) => [room, ...others].some((folder) => inside(one.to, folder)))).toEqual([]);
    });
  }

  it('lets the adapter know core, itself and packages, and never the extension or vscode', () => {
    const imports = sources('adapter').flatMap(importsOf);
    expect(wrong(imports, (one) => one.to !== 'vscode' && !inside(one.to, 'extension'))).toEqual([]);
  });

  it('lets the extension import only types of adapter/protocol.ts, and nothing of core', () => {
    const imports = sources('extension').flatMap(importsOf);
    const allowed = (one: Import): boolean =>
      !inside(one.to, 'core') &&
      (!inside(one.to, 'adapter') || (one.to === 'adapter/protocol.ts' && one.typeOnly));
    expect(wrong(imports, allowed)).toEqual([]);
  });

  it('lets the browser side of a view import no vscode and nothing of the host side', () => {
    const imports = sources('extension/webview').flatMap(importsOf);
    const allowed = (one: Import): boolean =>
      one.to !== 'vscode' && !inside(one.to, 'extension/views') && one.to !== 'extension/extension.ts';
    expect(wrong(imports, allowed)).toEqual([]);
  });

  it('keeps adapter/protocol.ts to types', () => {
    const text = readFileSync(join(ROOT, 'adapter/protocol.ts'), 'utf8');
    expect(text).not.toMatch(/^export (const|let|var|function|class)/m);
  });
});

describe('text that is shipped', () => {
  it('names no machine path', () => {
    const files = ['core', 'adapter', 'extension', 'test'].flatMap(sources);
    const bad = files.filter((path) =>
      /(^|[^\w.])\/(work|root|home)\//.test(readFileSync(join(ROOT, path), 'utf8')),
    );
    expect(bad.filter((path) => path !== 'test/architecture.test.ts')).toEqual([]);
  });
});
