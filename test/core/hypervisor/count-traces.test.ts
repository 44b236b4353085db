/** The worked count traces of the fact sheet (10.6), each step's counts as listed there. Notation: gc/tc type. */

import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../core/hypervisor/errno.ts';
import { A, P, RW } from '../../../core/pte.ts';
import { slotOf } from '../../../core/walk.ts';
import { type Mfn, highWord, lowWord, mfn } from '../../../core/units.ts';
import { CONFIGURATIONS, DATA_FLAGS, Guest, TABLE_FLAGS } from './guest.ts';

const EINVAL = -ERRNO.EINVAL;
const PIN_L1 = 0;
const PIN_L2 = 1;
const UNPIN = 4;
const NEW_BASEPTR = 5;

describe.each(CONFIGURATIONS)('count traces on $abi under Xen $xen', ({ abi, xen }) => {
  const busy = xen === '4.17' ? -ERRNO.EBUSY : EINVAL;
  let guest: Guest;
  let m: number;
  let d: number;
  let tableSlot: number;

  beforeEach(() => {
    guest = new Guest({ abi, xen });
    m = guest.fresh();
    d = guest.fresh();
    tableSlot = slotOf(guest.row(1), lowWord(guest.unmapped), highWord(guest.unmapped));
  });

  const mfnOf = (page: number) => guest.p2m(page);
  const parent = () => guest.place(guest.unmapped, 2);
  const link = (flags = TABLE_FLAGS) =>
    guest.update(parent().table, parent().slot, guest.entry(mfnOf(m), flags));
  const map = (slot: number, page: number, flags = DATA_FLAGS) =>
    guest.update(mfnOf(m), slot, guest.entry(mfnOf(page), flags));
  const a1 = () => guest.makeReadOnly(m);
  const a3 = () => [a1(), link(), map(tableSlot, d)];
  const counts = () => [guest.counts(mfnOf(m)), guest.counts(mfnOf(d))];
  const rootCounts = () => guest.counts(guest.root);
  const root = () => `4/2 l${guest.abi.rootLevel} pinned`;

  const typeCountOf = (table: Mfn) => guest.hv.frames.typeCount.get(table);
  /** The tables that a root names, with their type counts. */
  const ownTables = (root: Mfn) => {
    const row = guest.row(guest.abi.rootLevel);
    return Array.from({ length: row.slots }, (_, slot) => slot)
      .filter((slot) => row.xenSlots === null || slot < row.xenSlots.from || slot > row.xenSlots.to)
      .map((slot) => guest.readEntry(root, slot))
      .filter((entry) => (entry & BigInt(P)) !== 0n)
      .map((entry) => mfn(Number((entry >> 12n) & 0xff_ffff_ffffn)))
      .map((table) => ({ table, before: typeCountOf(table) }));
  };

  it('start: m 2/1 writable, d 2/1 writable, root 4/2 pinned', () => {
    expect(counts()).toEqual(['2/1 writable', '2/1 writable']);
    expect(rootCounts()).toBe(root());
  });

  it('A1 to A7: a page becomes a table, is pinned, unlinked, unpinned and writable again', () => {
    expect(a1()).toBe(0);
    expect(counts()).toEqual(['2/0 writable', '2/1 writable']);
    expect(link()).toBe(0);
    expect(counts()).toEqual(['3/1 l1', '2/1 writable']);
    expect(map(tableSlot, d)).toBe(0);
    expect(counts()).toEqual(['3/1 l1', '3/2 writable']);
    expect(guest.mmuext(PIN_L1, mfnOf(m))).toBe(0);
    expect(counts()).toEqual(['4/2 l1 pinned', '3/2 writable']);
    expect(guest.update(parent().table, parent().slot, 0n)).toBe(0);
    expect(counts()).toEqual(['3/1 l1 pinned', '3/2 writable']);
    expect(guest.mmuext(UNPIN, mfnOf(m))).toBe(0);
    expect(counts()).toEqual(['2/0 l1', '2/1 writable']);
    expect(guest.makeWritable(m)).toBe(0);
    expect(counts()).toEqual(['2/1 writable', '2/1 writable']);
    expect(rootCounts()).toBe(root());
  });

  it('A3: the guest can then use the new mapping', () => {
    a3();
    expect(guest.store(guest.unmapped, 4, 0x1234n)).toBe(true);
    expect(guest.load(guest.kva(d), 4)).toBe(0x1234n);
  });

  it('B1: linking a page that is mapped writable is refused, and the refusal names the mapping', () => {
    expect(link()).toBe(EINVAL);
    expect(counts()[0]).toBe('2/1 writable');
    expect(guest.rule).toBe('l2e.child-type');
    const refusal = guest.hv.lastRefusal;
    expect(refusal?.evidence['mappedBy']).toContain(`0x${guest.kva(m).toString(16)}`);
    expect(refusal?.message).toContain('It is mapped writable at');
    expect(refusal?.requestIndex).toBe(0);
  });

  it('B2: mapping a live table writable is refused', () => {
    a3();
    expect(guest.makeWritable(m)).toBe(busy);
    expect(counts()).toEqual(['3/1 l1', '3/2 writable']);
    expect(guest.rule).toBe('l1e.writable-type');
  });

  it('B3: a second pin is refused', () => {
    a3();
    guest.mmuext(PIN_L1, mfnOf(m));
    expect(guest.mmuext(PIN_L1, mfnOf(m))).toBe(EINVAL);
    expect(guest.rule).toBe('pin.twice');
    expect(counts()[0]).toBe('4/2 l1 pinned');
  });

  it('B4: unpinning what is not pinned is refused', () => {
    a3();
    expect(guest.mmuext(UNPIN, mfnOf(m))).toBe(EINVAL);
    expect(guest.rule).toBe('unpin.not-pinned');
    expect(counts()[0]).toBe('3/1 l1');
  });

  it('B5: a table may not map itself writable', () => {
    a3();
    expect(map((tableSlot + 1) % 512, m)).toBe(busy);
    expect(counts()[0]).toBe('3/1 l1');
  });

  it('B6: a table may map itself read-only', () => {
    a3();
    expect(map((tableSlot + 1) % 512, m, P | A)).toBe(0);
    expect(counts()[0]).toBe('4/1 l1');
  });

  it('B7: a table that was filled with a foreign frame is refused when it is linked', () => {
    guest.mustStore(guest.kva(m), guest.abi.entryBytes, guest.entry(guest.hv.machine.m2pBase, P | RW));
    a1();
    expect(link()).toBe(busy);
    expect(guest.counts(mfnOf(m))).toBe('2/0 none');
    expect(guest.rule).toBe('l1e.owner');
    expect(guest.hv.lastRefusal?.message).toContain('while validating slot 0 of mfn');
  });

  it('C1, C2: a frame that is given back while mapped goes when its last mapping goes', () => {
    const frame = mfnOf(d);
    const pages = guest.domain.totPages;
    expect(guest.memoryOp(1, [frame]).rc).toBe(1);
    expect(guest.counts(frame)).toBe('1/1 writable');
    expect(guest.domain.totPages).toBe(pages);
    expect(guest.vaMapping(guest.kva(d), 0n)).toBe(0);
    expect(guest.counts(frame)).toBe('0/0 none');
    expect(guest.hv.machine.m2p(frame)).toBe(0xffff_ffff);
    expect(guest.domain.totPages).toBe(pages - 1);
  });

  it.skipIf(abi === 'x86_32p')(
    'D1: the root may hold a read-only entry to itself, which counts nothing',
    () => {
      expect(guest.update(guest.root, 5, guest.entry(guest.root, P | A))).toBe(0);
      expect(rootCounts()).toBe(root());
      expect(guest.readEntry(guest.root, 5) >> 12n).toBe(BigInt(guest.root));
    },
  );

  it.skipIf(abi === 'x86_32p')('D1 with RW is refused', () => {
    expect(guest.update(guest.root, 5, guest.entry(guest.root, P | RW | A))).toBe(EINVAL);
    expect(guest.rule).toBe('linear.writable');
  });

  it('D2, D3: another root is pinned and loaded, the old one unpinned and given up', () => {
    const old = guest.root;
    const frame = guest.copyRoot();
    expect(guest.mmuext(guest.abi.rootLevel - 1, frame)).toBe(0);
    expect(guest.counts(frame)).toBe(`3/1 l${guest.abi.rootLevel} pinned`);
    expect(guest.mmuext(NEW_BASEPTR, frame)).toBe(0);
    expect(guest.counts(frame)).toBe(root());
    expect(guest.counts(old)).toBe(`3/1 l${guest.abi.rootLevel} pinned`);
    const tables = ownTables(old);
    expect(guest.mmuext(UNPIN, old)).toBe(0);
    expect(guest.counts(old)).toBe(`2/0 l${guest.abi.rootLevel}`);
    // What only the old root had is given up with it; what both roots have loses one reference.
    for (const { table, before } of tables) expect(typeCountOf(table)).toBe(before - 1);
  });

  it('F1, F2: a GDT page cannot be mapped writable', () => {
    const g = guest.fresh();
    guest.makeReadOnly(g);
    guest.mustStore(guest.scratch, guest.abi.wordBytes, BigInt(mfnOf(g)));
    expect(guest.call(2, guest.scratch, 512)).toBe(0);
    expect(guest.counts(mfnOf(g))).toBe('3/1 seg_desc');
    expect(guest.makeWritable(g)).toBe(busy);
    expect(guest.counts(mfnOf(g))).toBe('3/1 seg_desc');
  });

  it.runIf(abi === 'x86_32')(
    'H1 to H3: a page pinned as L2 is no L1, but a read-only entry makes it a linear table',
    () => {
      a1();
      expect(guest.mmuext(PIN_L2, mfnOf(m))).toBe(0);
      expect(counts()[0]).toBe('3/1 l2 pinned');
      expect(guest.readEntry(mfnOf(m), 1008)).not.toBe(0n);
      expect(guest.readEntry(mfnOf(m), 1016) >> 12n).toBe(BigInt(mfnOf(m)));
      expect(link(TABLE_FLAGS)).toBe(EINVAL);
      expect(guest.rule).toBe('linear.writable');
      expect(counts()[0]).toBe('3/1 l2 pinned');
      expect(link(P | A)).toBe(0);
      expect(counts()[0]).toBe('4/2 l2 pinned');
    },
  );
});
