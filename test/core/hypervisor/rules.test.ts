import { describe, expect, it } from 'vitest';
import { allRules, fillSentence } from '../../../core/hypervisor/rules.ts';

describe('the rows of the rules', () => {
  it.each(allRules())('$id has a sentence, a cause and a remedy', ({ rule }) => {
    expect(rule.sentence).toMatch(/\.$/);
    expect(rule.usualCause).toMatch(/\.$/);
    expect(rule.remedy).toMatch(/\.$/);
  });

  it('sentences are filled from the evidence; what is missing stays readable', () => {
    expect(fillSentence('mfn {frame} of {owner}', { frame: '00123' })).toBe('mfn 00123 of owner');
  });
});
