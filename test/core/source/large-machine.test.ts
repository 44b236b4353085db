/** Scans of the frame table stay quick however large the machine is. */

import { describe, expect, it } from 'vitest';
import { x86_64 } from '../../../core/abi/x86_64.ts';
import { FrameFlag, PageType } from '../../../core/machine/frames.ts';
import { Machine } from '../../../core/machine/machine.ts';
import { SimulatedSource } from '../../../core/source/simulated-source.ts';
import type { FrameFilter } from '../../../core/source/machine-source.ts';
import { Store } from '../../../core/state/store.ts';
import { DOMID, domainId, mfn } from '../../../core/units.ts';

const TEBIBYTE_FRAMES = 2 ** 28;
const SCAN_MILLISECONDS = 250;
const ALL: FrameFilter = { changedOnly: false, pinnedOnly: false };

describe('a machine of 1 TiB', () => {
  const store = new Store();
  const machine = new Machine(store, x86_64, TEBIBYTE_FRAMES);
  const source = new SimulatedSource(machine, '4.17');
  const near = mfn(machine.firstHeapFrame + 5);
  const far = mfn(TEBIBYTE_FRAMES - 7);
  for (const frame of [near, far]) {
    machine.frames.owner.set(frame, domainId(1));
    machine.frames.type.set(frame, PageType.l1);
    machine.frames.flags.set(frame, FrameFlag.pinned);
  }

  async function allRows(filter: FrameFilter): Promise<number[]> {
    const found: number[] = [];
    let from: number | null = 0;
    while (from !== null) {
      const started = performance.now();
      const { rows, next } = await source.frames({ from, count: 1024, filter });
      expect(performance.now() - started).toBeLessThan(SCAN_MILLISECONDS);
      found.push(...rows.map((row) => row.mfn));
      from = next;
    }
    return found;
  }

  it.each([
    ['owner', { ...ALL, owner: domainId(1) }],
    ['type', { ...ALL, type: 'l1' as const }],
    ['pinned', { ...ALL, pinnedOnly: true }],
  ])('finds the only two frames by %s', async (_what, filter) => {
    expect(await allRows(filter)).toEqual([near, far]);
  });

  it('lists free frames without end, a page at a time', async () => {
    const { rows, next } = await source.frames({
      from: far - 2,
      count: 3,
      filter: { ...ALL, owner: 'free' },
    });
    expect(rows.map((row) => row.mfn)).toEqual([far - 2, far - 1, far + 1]);
    expect(next).toBe(far + 2);
  });

  it('ends the list at the last frame', async () => {
    const { rows, next } = await source.frames({ from: TEBIBYTE_FRAMES - 2, count: 1024, filter: ALL });
    expect(rows).toHaveLength(2);
    expect(next).toBeNull();
  });

  it('names Xen, free and I/O frames', async () => {
    const { rows } = await source.frames({ from: 0, count: 1, filter: ALL });
    expect(rows[0]).toMatchObject({ mfn: 0, owner: null, ownerName: 'I/O' });
    const m2p = await source.frames({ from: machine.m2pBase, count: 1, filter: ALL });
    expect(m2p.rows[0]).toMatchObject({ owner: DOMID.XEN, ownerName: 'Xen', role: 'M2P' });
    const free = await source.frames({ from: near + 1, count: 1, filter: ALL });
    expect(free.rows[0]).toMatchObject({ owner: null, ownerName: 'free', allocated: false });
  });

  it('marks frames that changed since the moment remembered, and only those', async () => {
    source.remember();
    const frame = mfn(near + 100);
    machine.frames.refCount.set(frame, 1);
    machine.frames.typeCount.set(near, 1);
    machine.frames.typeCount.set(near, 0);
    machine.setM2p(far, 7, 0);
    const { rows } = await source.frames({ from: 0, count: 10, filter: { ...ALL, changedOnly: true } });
    expect(rows.map((row) => row.mfn)).toEqual([frame, far]);
    expect(rows[1]).toMatchObject({ m2p: 7, changed: true });
    source.remember();
    const after = await source.frames({ from: 0, count: 10, filter: { ...ALL, changedOnly: true } });
    expect(after.rows).toEqual([]);
  });

  it('says so when too much changed to tell', async () => {
    source.remember();
    // Different words, for a word that changes again is one change.
    for (let i = 0; i < 2_000_001; i++) machine.memory.writeWord(mfn(near + (i >>> 10)), i & 1023, i + 1);
    expect((await source.summary()).changesKnown).toBe(false);
  });
});
