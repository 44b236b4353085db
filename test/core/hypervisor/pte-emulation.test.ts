/** Writable page tables (facts 7.4): which stores to page tables Xen carries out, and what they do. */

import { beforeEach, describe, expect, it } from 'vitest';
import { A, P, RW } from '../../../core/pte.ts';
import { highWord, lowWord } from '../../../core/units.ts';
import { CONFIGURATIONS, Guest } from './guest.ts';

const WRITABLE_PAGETABLES = 2;

describe.each(CONFIGURATIONS)('stores to page tables on $abi under Xen $xen', ({ abi, xen }) => {
  let guest: Guest;
  /** A page of the guest, and where the kernel sees the entry that maps it. */
  let page: number;
  let at: bigint;

  const seen = (table: number) =>
    guest.kva(
      Number(
        guest.load(guest.abi.m2pWindow.start + BigInt(table * guest.abi.wordBytes), guest.abi.wordBytes),
      ),
    );

  beforeEach(() => {
    guest = new Guest({ abi, xen });
    expect(guest.call(21, 0, WRITABLE_PAGETABLES)).toBe(0);
    page = guest.fresh();
    const { table, slot } = guest.place(guest.kva(page), 1);
    at = seen(table) + BigInt(slot * guest.abi.entryBytes);
  });

  const entry = () => {
    const { table, slot } = guest.place(guest.kva(page), 1);
    return guest.readEntry(table, slot);
  };
  const whole = () => guest.abi.entryBytes;

  /** The outcome of a store that must fault. */
  const store = (va: bigint, bytes: 1 | 2 | 4 | 8, value: bigint) => {
    expect(guest.store(va, bytes, value)).toBe(false);
    return guest.hv.deliverPageFault(guest.vcpu);
  };
  const compareExchange = (va: bigint, expected: bigint, value: bigint) => {
    const { mmu } = guest.vcpu;
    const wanted = { lo: lowWord(expected), hi: highWord(expected) };
    const done = mmu.compareExchange(
      lowWord(va),
      highWord(va),
      whole(),
      wanted,
      lowWord(value),
      highWord(value),
    );
    expect(done).toBe(false);
    return guest.hv.deliverPageFault(guest.vcpu);
  };

  it('a whole entry: references move as with mmu_update', () => {
    expect(store(at, whole(), guest.entry(guest.p2m(page), P | A))).toBe('emulated');
    expect(guest.counts(guest.p2m(page))).toBe('2/0 writable');
    expect(store(at, whole(), 0n)).toBe('emulated');
    expect(guest.counts(guest.p2m(page))).toBe('1/0 writable');
  });

  it('parts of an entry are merged with the rest', () => {
    const frame = guest.p2m(page);
    expect(store(at, 1, BigInt(P | A))).toBe('emulated');
    expect(entry() & 0xffn & ~0x4n).toBe(BigInt(P | A));
    expect((entry() >> 12n) & 0xf_ffffn).toBe(BigInt(frame));
    expect(store(at, 2, (BigInt(frame) << 12n) & 0xf000n)).toBe('emulated');
    expect(entry() & 0xfffn).toBe(0n);
    expect(store(at, 4, guest.entry(frame, P | RW | A) & 0xffff_ffffn)).toBe('emulated');
    expect(guest.counts(frame)).toBe('2/1 writable');
  });

  it('a store across a word boundary is not carried out', () => {
    expect(store(at + 1n, 2, 0n)).toBe('crashed');
  });

  it('compare-exchange: a hit is stored, a miss tells what is there', () => {
    const old = entry();
    const next = guest.entry(guest.p2m(page), P | A);
    expect(compareExchange(at, old ^ 0x200n, next)).toBe('emulated');
    const { mmu } = guest.vcpu;
    expect([mmu.lo, mmu.hi]).toEqual([lowWord(old), whole() === 8 ? highWord(old) : 0]);
    expect(entry()).toBe(old);
    expect(guest.counts(guest.p2m(page))).toBe('2/1 writable');
    expect(compareExchange(at, old, next)).toBe('emulated');
    expect(guest.counts(guest.p2m(page))).toBe('2/0 writable');
  });

  it('#54: an entry that would map a live table writable is #PF at the entry, and nothing changes', () => {
    const { table } = guest.place(guest.kva(page), 1);
    const old = entry();
    expect(store(at, whole(), guest.entry(table, P | RW | A))).toBe('crashed');
    expect(guest.rule).toBe('l1e.writable-type');
    expect(guest.vcpu.mmu.fault.errorCode).toBe(3);
    expect(entry()).toBe(old);
  });

  it('#55: a store to an L2 entry is #PF', () => {
    const { table, slot } = guest.place(guest.kva(page), 2);
    expect(store(seen(table) + BigInt(slot * whole()), whole(), 0n)).toBe('crashed');
  });

  it('#56: with the assist off a store to an L1 entry is #PF; the hardware domain needs no assist', () => {
    expect(guest.call(21, 1, WRITABLE_PAGETABLES)).toBe(0);
    expect(store(at, whole(), 0n)).toBe('crashed');
    guest = new Guest({ abi, xen, spec: { role: 'hardware' } });
    page = guest.fresh();
    const { table, slot } = guest.place(guest.kva(page), 1);
    expect(store(seen(table) + BigInt(slot * whole()), whole(), 0n)).toBe('emulated');
  });

  it('read-only mappings of data, and of tables that are no longer in use, are ordinary faults', () => {
    const other = guest.fresh();
    guest.makeReadOnly(other);
    expect(store(guest.kva(other), whole(), 0n)).toBe('crashed');
    guest = new Guest({ abi, xen });
    guest.call(21, 0, WRITABLE_PAGETABLES);
    const table = guest.fresh();
    guest.makeReadOnly(table);
    expect(guest.mmuext(0, guest.p2m(table))).toBe(0);
    expect(guest.mmuext(4, guest.p2m(table))).toBe(0);
    expect(store(guest.kva(table), whole(), 0n)).toBe('crashed');
  });

  it.runIf(abi === 'x86_32p')('the upper half written first: P is taken away and the store accepted', () => {
    const frame = guest.p2m(page);
    // The upper half makes a frame that is not the guest's out of the present lower half.
    expect(store(at + 4n, 4, 0x1n)).toBe('emulated');
    expect(entry() & BigInt(P)).toBe(0n);
    expect(guest.counts(frame)).toBe('1/0 writable');
    expect(store(at + 4n, 4, 0n)).toBe('emulated');
    expect(store(at, 4, guest.entry(frame, P | RW | A) & 0xffff_ffffn)).toBe('emulated');
    expect(guest.counts(frame)).toBe('2/1 writable');
  });
});

describe('compare-exchange on ordinary memory', () => {
  it('stores on a hit, and needs the right to write in either case', () => {
    const guest = new Guest();
    const page = guest.fresh();
    const va = guest.kva(page);
    const { mmu } = guest.vcpu;
    const attempt = (expected: number, value: number) =>
      mmu.compareExchange(lowWord(va), highWord(va), 4, { lo: expected, hi: 0 }, value, 0);
    guest.mustStore(va, 4, 5n);
    expect([attempt(4, 9), mmu.lo, guest.load(va, 4)]).toEqual([true, 5, 5n]);
    expect([attempt(5, 9), mmu.lo, guest.load(va, 4)]).toEqual([true, 5, 9n]);
    guest.makeReadOnly(page);
    expect(attempt(1, 2)).toBe(false);
    expect(mmu.fault).toMatchObject({ errorCode: 3, bytes: 4, lo: 2, expected: { lo: 1, hi: 0 } });
  });
});
