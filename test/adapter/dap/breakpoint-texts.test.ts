import { describe, expect, it } from 'vitest';
import { parseHitCondition } from '../../../adapter/dap/hit-condition.ts';
import { parseLogMessage } from '../../../adapter/dap/log-message.ts';
import { formatMemoryReference, parseMemoryReference } from '../../../adapter/dap/memory-reference.ts';

describe('hit conditions', () => {
  it.each([
    ['3', [3, 4, 5, 6]],
    ['==3', [3]],
    ['>3', [4, 5, 6]],
    [' >= 3 ', [3, 4, 5, 6]],
    ['<3', [1, 2]],
    ['<=3', [1, 2, 3]],
    ['%3', [3, 6]],
  ])('%s lets the right hits through', (text, hits) => {
    const test = parseHitCondition(text);
    if (typeof test !== 'function') throw new Error(test.problem);
    expect([1, 2, 3, 4, 5, 6].filter(test)).toEqual(hits);
  });

  it.each(['', 'x', '3 or so', '%0', '!=3'])('says that "%s" is not understood', (text) => {
    expect(parseHitCondition(text)).toHaveProperty('problem', expect.stringContaining(text));
  });
});

describe('log messages', () => {
  it('splits text and expressions; doubled braces are braces', () => {
    expect(parseLogMessage('va {va} of {{x}}')).toEqual({
      parts: [
        { text: 'va ' },
        { expression: 'va' },
        { text: ' of ' },
        { text: '{' },
        { text: 'x' },
        { text: '}' },
      ],
    });
  });

  it.each(['a {b', 'a } b', '{}'])('says where a brace of "%s" has no partner', (text) => {
    expect(parseLogMessage(text)).toHaveProperty('problem', expect.stringMatching(/brace/));
  });
});

describe('memory references', () => {
  it.each([
    ['va:0x400000', 'va', 0x400000n],
    ['0xffffffff80000000', 'va', 0xffffffff80000000n],
    ['4096', 'va', 4096n],
    ['pfn:0x12', 'pfn', 0x12000n],
    ['mfn: 0x1a3 + 0x18', 'mfn', 0x1a3018n],
  ])('%s is an address in its space', (text, space, address) => {
    expect(parseMemoryReference(text)).toEqual({ space, address, thread: null });
  });

  it('may name a thread', () => {
    expect(parseMemoryReference('va:0x1000@2')).toEqual({ space: 'va', address: 0x1000n, thread: 2 });
  });

  it.each(['', 'va:', 'xyz:0x1', 'mfn:-1', '0x', 'va:0x1+'])('"%s" is none', (text) => {
    expect(parseMemoryReference(text)).toBeNull();
  });

  it.each(['va:0x400010', 'mfn:0x1a3', 'pfn:0x12+0x8'])('%s is written as it was read', (text) => {
    const reference = parseMemoryReference(text);
    expect(reference === null ? null : formatMemoryReference(reference.space, reference.address)).toBe(text);
  });
});
