/** The parts of the views that are plain functions and data. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flagSlots } from '../../extension/webview/lib/flags.ts';
import { parseFrame } from '../../extension/webview/lib/format.ts';
import { offsetOf, scrollTopOf, spacerHeight } from '../../extension/webview/lib/scroll.ts';
import { History } from '../../extension/webview/memory/history.ts';
import { parseLocation, referenceOf, rowAddress } from '../../extension/webview/memory/location.ts';

describe('flags in fixed places', () => {
  it.each([
    ['P RW US A D', 'P RW US A D'],
    ['P US NX', 'P    US     NX'],
    ['P RW A GUEST_KERNEL', 'P RW    A   GUEST_KERNEL'],
    ['-', ''],
  ])('%s', (flags, shown) => {
    expect(flagSlots(flags)).toBe(shown);
  });
});

describe('a frame typed by a person', () => {
  it.each([
    ['1f3', 0x1f3],
    ['0x1F3', 0x1f3],
    ['mfn 001f3', 0x1f3],
    ['pfn:12', 0x12],
  ])('%s is a frame', (text, frame) => {
    expect(parseFrame(text)).toBe(frame);
  });

  it.each(['', 'frame', '1f3z', '0x', '12345678901234'])('%o is none', (text) => {
    expect(parseFrame(text)).toBeNull();
  });
});

describe('the scale model of a long list', () => {
  const rows = fc.integer({ min: 1, max: 2 ** 28 });

  it('is never too tall for a browser', () => {
    fc.assert(
      fc.property(rows, (count) => {
        expect(spacerHeight({ content: count * 20, window: 400 })).toBeLessThanOrEqual(8_000_000);
      }),
    );
  });

  it('puts the first and the last row at the ends of the scroll bar', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2 ** 20, max: 2 ** 28 }), (count) => {
        const extent = { content: count * 20, window: 400 };
        const last = extent.content - extent.window;
        expect(offsetOf(0, extent)).toBe(0);
        expect(scrollTopOf(last, extent)).toBe(spacerHeight(extent) - extent.window);
        expect(offsetOf(scrollTopOf(last, extent), extent)).toBeCloseTo(last, 0);
      }),
    );
  });
});

describe('a location in memory', () => {
  it('is read from what the adapter resolves, and written back the same', () => {
    for (const text of ['va:0xffffffff80001008', 'mfn:0x1a3+0x8', 'pfn:0x12', 'va:0x0']) {
      const location = parseLocation(text);
      expect(location && referenceOf(location)).toBe(text);
    }
  });

  it('is shown as an address, or as frame and offset', () => {
    expect(rowAddress({ space: 'va', address: 0x400010n }, 16)).toBe('0x0000000000400010');
    expect(rowAddress({ space: 'mfn', address: 0x1a3008n }, 16)).toBe('001a3+008');
  });

  it('is nothing else', () => {
    expect(parseLocation('start_info')).toBeNull();
    expect(parseLocation('gfn:0x12')).toBeNull();
  });
});

describe('where the reader has been', () => {
  const at = (text: string) => ({ text, as: 'bytes' }) as const;

  it('goes back and forward, and a new visit forgets what lay ahead', () => {
    const history = new History();
    for (const text of ['a', 'b', 'c']) history.visit(at(text));
    history.move('back');
    history.move('back');
    expect(history.current).toEqual(at('a'));
    history.move('forward');
    history.visit(at('d'));
    expect(history.visits.map(({ text }) => text)).toEqual(['a', 'b', 'd']);
    expect([history.canGoBack, history.canGoForward]).toEqual([true, false]);
  });

  it('does not count the same place twice', () => {
    const history = new History();
    history.visit(at('a'));
    history.visit(at('a'));
    expect(history.visits).toHaveLength(1);
  });
});
