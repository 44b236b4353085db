/**
 * Diagnostics as golden files: each text in diagnostics/ has its messages beside it, in order. A missing golden fails;
 * UPDATE_GOLDEN=1 writes them anew, to be read before they are committed.
 */

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compileText, problemLine } from './front-support.ts';

const folder = fileURLToPath(new URL('./diagnostics/', import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith('.c'));
const goldens = readdirSync(folder).filter((name) => name.endsWith('.golden.txt'));
const updating = process.env['UPDATE_GOLDEN'] === '1';

function messages(name: string): string {
  const text = readFileSync(folder + name, 'utf8');
  const { problems } = compileText(text);
  return problems.map((problem) => `${problemLine(problem)}\n`).join('');
}

describe('the diagnostics are the golden ones', () => {
  it.each(names)('%s', (name) => {
    const golden = folder + name.replace(/\.c$/, '.golden.txt');
    const found = messages(name);
    if (updating) writeFileSync(golden, found);
    expect(found).toBe(readFileSync(golden, 'utf8'));
  });

  it('no golden is left over from a text that is gone', () => {
    const expected = names.map((name) => name.replace(/\.c$/, '.golden.txt'));
    expect(goldens.filter((name) => !expected.includes(name))).toEqual([]);
  });

  it('each id speaks of one kind of mistake: ids are words with dots and dashes', () => {
    const ids = names.flatMap((name) =>
      [...messages(name).matchAll(/\[([^\]]+)\]\n/g)].map((match) => match[1]),
    );
    expect(ids.filter((id) => !/^[a-z]+([.-][a-z]+)*$/.test(id ?? ''))).toEqual([]);
  });
});
