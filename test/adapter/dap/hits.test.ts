import { describe, expect, it } from 'vitest';
import { Hits } from '../../../adapter/dap/hits.ts';

describe('hits of a breakpoint', () => {
  it('are numbered by their positions, whichever way they are met', () => {
    const hits = new Hits();
    expect([10, 20, 30].map((at) => hits.rankAt(at))).toEqual([1, 2, 3]);
    expect([30, 20, 10].map((at) => hits.rankAt(at))).toEqual([3, 2, 1]);
    expect(hits.rankAt(15)).toBe(2);
    expect(hits.countAt(20)).toBe(3);
  });

  it('print their messages once, and never on the way back', () => {
    const hits = new Hits();
    expect([10, 20, 10, 20, 30].map((at) => hits.isNews(at))).toEqual([true, true, false, false, true]);
  });

  it('behind an edit are those of the new future', () => {
    const hits = new Hits();
    for (const at of [10, 20, 30]) hits.isNews(hits.rankAt(at) * 10);
    hits.forgetAfter(15);
    expect(hits.rankAt(40)).toBe(2);
    expect(hits.isNews(16)).toBe(true);
  });

  it('of a breakpoint that is hit for ever take bounded room', () => {
    const hits = new Hits();
    for (let at = 1; at <= 1_500_000; at++) hits.rankAt(at);
    expect(hits.rankAt(1_500_000)).toBe(1_500_000);
  });
});
