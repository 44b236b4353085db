import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { allRules, fillSentence } from '../../../core/hypervisor/rules.ts';

describe('the rules', () => {
  const folder = new URL('.', import.meta.url);
  const tests = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'))
    .join('\n');

  it.each(allRules())('$id has a sentence, a cause and a remedy', ({ rule }) => {
    expect(rule.sentence).toMatch(/\.$/);
    expect(rule.usualCause).toMatch(/\.$/);
    expect(rule.remedy).toMatch(/\.$/);
  });

  it.each(allRules())('$id is met by a test', ({ id }) => {
    const [level, rest] = [id.slice(0, 4), id.slice(4)];
    const generic = /^l[234]e\.$/.test(level) && tests.includes('`l${level}e.' + rest);
    expect(tests.includes(`'${id}'`) || generic, `no test names ${id}`).toBe(true);
  });

  it('sentences are filled from the evidence; what is missing stays readable', () => {
    expect(fillSentence('mfn {frame} of {owner}', { frame: '00123' })).toBe('mfn 00123 of owner');
  });
});
