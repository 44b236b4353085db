/** Three-level tables (facts 2.6, 2.8): the root's slot 3 and the L2 in it, under a 64-bit and a 32-bit Xen. */

import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../core/hypervisor/errno.ts';
import { FrameFlag } from '../../../core/machine/frames.ts';
import { A, D, P, PCD, RW, US } from '../../../core/pte.ts';
import { type Mfn, mfn } from '../../../core/units.ts';
import { CONFIGURATIONS, Guest, TABLE_FLAGS } from './guest.ts';

const EINVAL = -ERRNO.EINVAL;
const PIN_L2 = 1;
const PIN_L3 = 2;
const PIN_L4 = 3;
const UNPIN = 4;
const NEW_BASEPTR = 5;
const NEW_USER_BASEPTR = 15;
const TOP = 3;
const FIRST_XEN_SLOT = 428;

const FLAG_BITS = 0xfff0_0000_0000_0fffn;

describe.each(CONFIGURATIONS.filter(({ abi }) => abi === 'x86_32p'))(
  'PAE roots under Xen $xen',
  ({ xen }) => {
    let guest: Guest;
    /** Flags of a root entry that this hypervisor accepts. */
    const rootFlags = xen === '4.17' ? TABLE_FLAGS : P;

    beforeEach(() => {
      guest = new Guest({ abi: 'x86_32p', xen });
    });

    const topL2 = () => guest.place(guest.layout.virtBase, 2).table;
    const isMarked = (table: Mfn) => guest.hv.frames.hasFlag(table, FrameFlag.paeXenL2);
    /** A new root that holds what `entries` says. */
    const makeRoot = (entries: Readonly<Record<number, bigint>>): Mfn => {
      const page = guest.fresh();
      for (const [slot, entry] of Object.entries(entries))
        guest.mustStore(guest.kva(page) + BigInt(Number(slot) * 8), 8, entry);
      guest.makeReadOnly(page);
      return guest.p2m(page);
    };
    const emptyTable = (): Mfn => {
      const page = guest.fresh();
      guest.makeReadOnly(page);
      return guest.p2m(page);
    };
    const kernelL2 = () => guest.copyTable(topL2());

    it('start of day: four slots, of which the last has the marked L2', () => {
      expect(guest.counts(guest.root)).toBe('4/2 l3 pinned');
      expect(guest.counts(topL2())).toBe('3/1 l2');
      expect(isMarked(topL2())).toBe(true);
      expect([0, 1, 2].map((slot) => guest.readEntry(guest.root, slot))).toEqual([0n, 0n, 0n]);
    });

    it('the top L2 shows the M2P in its slots from 428 on', () => {
      expect(guest.readEntry(topL2(), FIRST_XEN_SLOT) & 0x81n).toBe(0x81n);
      expect(guest.load(guest.abi.m2pWindow.start + BigInt(guest.p2m(7) * 4), 4)).toBe(7n);
    });

    it('#25: a root without slot 3 is refused', () => {
      const root = makeRoot({ 0: guest.entry(emptyTable(), rootFlags) });
      expect(guest.mmuext(PIN_L3, root)).toBe(EINVAL);
      expect(guest.rule).toBe('l3.no-top-l2');
      expect(guest.counts(root)).toBe(xen === '4.17' ? '2/0 l3' : '2/0 none');
    });

    it('#26: two roots cannot share the L2 of slot 3', () => {
      const root = makeRoot({ [TOP]: guest.entry(topL2(), rootFlags) });
      expect(guest.mmuext(PIN_L3, root)).toBe(EINVAL);
      expect(guest.rule).toBe('l3.shared-top-l2');
      expect(guest.counts(topL2())).toBe('3/1 l2');
    });

    it('#24: an L2 that was pinned as such cannot enter slot 3', () => {
      const l2 = kernelL2();
      expect(guest.mmuext(PIN_L2, l2)).toBe(0);
      expect(isMarked(l2)).toBe(false);
      expect(guest.mmuext(PIN_L3, makeRoot({ [TOP]: guest.entry(l2, rootFlags) }))).toBe(EINVAL);
      expect(guest.rule).toBe('l3e.plain-l2');
      expect(guest.counts(l2)).toBe('3/1 l2 pinned');
    });

    it('the L2 of slot 3 can be neither pinned as L2 nor linked in a lower slot', () => {
      expect(guest.mmuext(PIN_L2, topL2())).toBe(EINVAL);
      expect(guest.rule).toBe('pin.type');
      expect(guest.update(guest.root, 0, guest.entry(topL2(), rootFlags))).toBe(EINVAL);
      expect(guest.rule).toBe('l3e.top-l2');
    });

    it('#27: slot 3 of a root in use is closed, and so is what lies behind it', () => {
      for (const slot of [TOP, 4, 511]) {
        expect(guest.update(guest.root, slot, 0n)).toBe(EINVAL);
        expect(guest.rule).toBe('l3e.closed-slot');
      }
    });

    it('#30: slots from 428 on of the top L2 are closed, of other L2 tables they are not', () => {
      const error = xen === '4.17' ? -ERRNO.EPERM : EINVAL;
      expect(guest.update(topL2(), FIRST_XEN_SLOT, 0n)).toBe(error);
      expect(guest.rule).toBe('l2e.xen-slot');
      const l2 = emptyTable();
      expect(guest.update(guest.root, 0, guest.entry(l2, rootFlags))).toBe(0);
      expect(guest.update(l2, FIRST_XEN_SLOT, guest.entry(emptyTable(), TABLE_FLAGS))).toBe(0);
      expect(guest.counts(l2)).toBe('3/1 l2');
    });

    it('slots 0 to 2 take and give up L2 tables', () => {
      const l2 = emptyTable();
      for (const slot of [0, 1, 2])
        expect(guest.update(guest.root, slot, guest.entry(l2, rootFlags))).toBe(0);
      expect(guest.counts(l2)).toBe('5/3 l2');
      for (const slot of [0, 1, 2]) expect(guest.update(guest.root, slot, 0n)).toBe(0);
      expect(guest.counts(l2)).toBe('2/0 l2');
    });

    it('#18: a root entry that names the root is refused, also without RW', () => {
      expect(guest.update(guest.root, 0, guest.entry(guest.root, P))).toBe(EINVAL);
      expect(guest.rule).toBe('l3e.child-type');
    });

    it('#22, #23: PIN_L4 does nothing, PIN_L2 works', () => {
      expect(guest.mmuext(PIN_L4, 0x1234_5678)).toBe(0);
      const l2 = emptyTable();
      expect(guest.mmuext(PIN_L2, l2)).toBe(0);
      expect(guest.counts(l2)).toBe('3/1 l2 pinned');
    });

    it('#109: one L2 in two lower slots', () => {
      const l2 = emptyTable();
      expect(guest.update(guest.root, 0, guest.entry(l2, rootFlags))).toBe(0);
      expect(guest.update(guest.root, 1, guest.entry(l2, rootFlags))).toBe(0);
      expect(guest.counts(l2)).toBe('4/2 l2');
    });

    it('a new address space: pinned, loaded, the old root given up with its mark', () => {
      const [old, oldTop] = [guest.root, topL2()];
      const root = guest.copyRoot();
      expect(guest.mmuext(PIN_L3, root)).toBe(0);
      expect(guest.mmuext(NEW_BASEPTR, root)).toBe(0);
      expect(guest.counts(root)).toBe('4/2 l3 pinned');
      expect(guest.mmuext(UNPIN, old)).toBe(0);
      expect(guest.counts(old)).toBe('2/0 l3');
      expect(guest.counts(oldTop)).toBe('2/0 l2');
      expect(isMarked(oldTop)).toBe(false);
      expect(guest.load(guest.abi.m2pWindow.start, 4)).toBe(0xffff_ffffn);
    });

    it('NX and high software bits are refused in root entries', () => {
      for (const bit of [63n, 58n, 52n]) {
        expect(guest.update(guest.root, 0, guest.entry(emptyTable(), rootFlags) | (1n << bit))).toBe(EINVAL);
        expect(guest.rule).toBe('l3e.flags');
      }
    });

    it('there is one root alone: NEW_USER_BASEPTR', () => {
      expect(guest.mmuext(NEW_USER_BASEPTR, 0)).toBe(xen === '4.17' ? EINVAL : -ERRNO.ENOSYS);
      expect(guest.rule).toBe('mmuext_op.user-root');
    });

    it('update_va_mapping takes the entry as two words', () => {
      const page = guest.fresh();
      const nx = 1n << 63n;
      expect(guest.vaMapping(guest.kva(page), guest.entry(guest.p2m(page), P | RW | A) | nx)).toBe(0);
      const { table, slot } = guest.place(guest.kva(page), 1);
      expect(guest.readEntry(table, slot) & FLAG_BITS).toBe(nx | 0x23n);
    });
  },
);

describe('PAE roots under a 64-bit Xen', () => {
  const pae = () => new Guest({ abi: 'x86_32p' });
  const empty = (guest: Guest): Mfn => {
    const page = guest.fresh();
    guest.makeReadOnly(page);
    return guest.p2m(page);
  };

  it('root entries get US and RW, and lose them and A when the root is given up', () => {
    const guest = pae();
    const l2 = empty(guest);
    expect(guest.update(guest.root, 0, guest.entry(l2, P | A))).toBe(0);
    expect(guest.readEntry(guest.root, 0) & FLAG_BITS).toBe(BigInt(P | RW | US | A));
    const root = guest.copyRoot();
    guest.mmuext(PIN_L3, root);
    expect(guest.readEntry(root, 0) & FLAG_BITS).toBe(BigInt(P | RW | US | A));
    guest.mmuext(UNPIN, root);
    expect(guest.readEntry(root, 0) & FLAG_BITS).toBe(BigInt(P));
  });

  it('the words behind slot 3 are cleared', () => {
    const guest = pae();
    const l2 = guest.copyTable(guest.xenSlots.table);
    const page = guest.fresh();
    guest.mustStore(guest.kva(page) + 24n, 8, guest.entry(l2, P));
    guest.mustStore(guest.kva(page) + 32n, 8, 0xdead_beefn);
    guest.mustStore(guest.kva(page) + 4088n, 8, 0x1n);
    guest.makeReadOnly(page);
    expect(guest.mmuext(PIN_L3, guest.p2m(page))).toBe(0);
    expect(guest.readEntry(guest.p2m(page), 4)).toBe(0n);
    expect(guest.readEntry(guest.p2m(page), 511)).toBe(0n);
  });

  it('cache bits are refused in a root entry, D and software bits are not', () => {
    const guest = pae();
    const l2 = empty(guest);
    expect(guest.update(guest.root, 0, guest.entry(l2, P | PCD))).toBe(EINVAL);
    expect(guest.update(guest.root, 0, guest.entry(l2, P | A | D | 0xe00))).toBe(0);
  });

  it('machphys_mapping tells the window of the 4-byte M2P', () => {
    const guest = pae();
    expect(guest.call(12, 12, guest.scratch)).toBe(0);
    const words = [0n, 4n, 8n].map((at) => guest.load(guest.scratch + at, 4));
    expect(words).toEqual([0xf580_0000n, 0xffe0_0000n, 0x297_ffffn]);
  });
});

describe('PAE roots under a 32-bit Xen', () => {
  it('refuse the rights that the processor would not read there', () => {
    const guest = new Guest({ abi: 'x86_32p', xen: '3.0.4' });
    const page = guest.fresh();
    guest.makeReadOnly(page);
    for (const flags of [P | RW, P | US, P | A]) {
      expect(guest.update(guest.root, 0, guest.entry(guest.p2m(page), flags))).toBe(EINVAL);
      expect(guest.rule).toBe('l3e.flags');
    }
    expect(guest.update(guest.root, 0, guest.entry(guest.p2m(page), P | PCD))).toBe(0);
  });

  it("keep Xen's linear view of the four L2 tables up to date", () => {
    const guest = new Guest({ abi: 'x86_32p', xen: '3.0.4' });
    const page = guest.fresh();
    guest.makeReadOnly(page);
    const { table } = guest.xenSlots;
    expect(guest.readEntry(table, 495) >> 12n).toBe(BigInt(table));
    expect(guest.readEntry(table, 492)).toBe(0n);
    expect(guest.update(guest.root, 0, guest.entry(guest.p2m(page), P))).toBe(0);
    expect(guest.readEntry(table, 492) >> 12n).toBe(BigInt(guest.p2m(page)));
  });
});

describe.each(['4.17', '3.0.4'] as const)('#28: a PAE root at or above 4 GiB under Xen %s', (xen) => {
  const POPULATE = 6;
  /** A machine of some more than 4 GiB, whose heap's end is above that line. */
  const large = () => new Guest({ abi: 'x86_32p', xen, heapFrames: 0x10_4000, spec: { maxPages: 5000 } });
  /** A page of which the guest has changed the frame for one above the line. */
  const highPage = (guest: Guest): { readonly page: number; readonly frame: Mfn } => {
    guest.hv.heap.lookFrom(mfn(0x10_0000));
    const page = guest.fresh();
    const frame = mfn(guest.memoryOp(POPULATE, [page]).list[0] ?? 0);
    expect(frame).toBeGreaterThanOrEqual(0x10_0000);
    expect(guest.vaMapping(guest.kva(page), guest.entry(frame, P | RW | A))).toBe(0);
    return { page, frame };
  };

  it('is refused, unless the guest has the extended CR3', () => {
    const guest = large();
    expect(guest.root).toBeLessThan(0x10_0000);
    const { page, frame } = highPage(guest);
    const l2 = guest.copyTable(guest.xenSlots.table);
    guest.mustStore(guest.kva(page) + 24n, 8, guest.entry(l2, P));
    expect(guest.vaMapping(guest.kva(page), guest.entry(frame, P | A))).toBe(0);
    expect(guest.mmuext(PIN_L3, frame)).toBe(xen === '4.17' ? -ERRNO.ERANGE : EINVAL);
    expect(guest.rule).toBe('l3.above-4g');
    expect(guest.call(21, 0, 3)).toBe(0);
    expect(guest.mmuext(PIN_L3, frame)).toBe(0);
    expect(guest.mmuext(NEW_BASEPTR, frame)).toBe(0);
  });
});
