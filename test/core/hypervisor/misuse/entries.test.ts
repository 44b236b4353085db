/** Misuse of entries and linear tables: rows 1 to 18, 29, 30, 52, 53, 70, 72 and 107 to 109 of facts 11. */

import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../../core/hypervisor/errno.ts';
import { A, G, P, PAT, PCD, PSE, PWT, RW, US } from '../../../../core/pte.ts';
import { CONFIGURATIONS, DATA_FLAGS, TABLE_FLAGS } from '../guest.ts';
import { EINVAL, MIB, MisuseGuest, PIN_L1, PIN_L2 } from './misuse-guest.ts';

describe.each(CONFIGURATIONS)('entries on $abi under Xen $xen', ({ abi, xen }) => {
  const modern = xen === '4.17';
  let guest: MisuseGuest;

  beforeEach(() => {
    guest = new MisuseGuest({ abi, xen });
  });

  /** Flags that this ABI takes in an entry of the root that names a table. */
  const rootFlags = () => guest.row(guest.abi.rootLevel).builderFlags;

  it('#1: link an L1 page that is still mapped writable', () => {
    expect(guest.link()).toBe(EINVAL);
    expect(guest.rule).toBe('l2e.child-type');
    expect(guest.counts(guest.mFrame)).toBe('2/1 writable');
  });

  it('#2: pin a table page that is still mapped writable', () => {
    expect(guest.mmuext(PIN_L1, guest.mFrame)).toBe(EINVAL);
    expect(guest.rule).toBe('pin.type');
  });

  it('#3: an L1 with a writable entry to itself', () => {
    guest.storeEntry(guest.m, 0, guest.entry(guest.mFrame, DATA_FLAGS));
    expect(guest.linkTable()).toBe(guest.error('EBUSY'));
    expect(guest.rule).toBe('l1e.writable-type');
  });

  it('#4: an L1 with a writable entry to a live table', () => {
    guest.storeEntry(guest.m, 7, guest.entry(guest.root, DATA_FLAGS));
    expect(guest.linkTable()).toBe(guest.error('EBUSY'));
    expect(guest.rule).toBe('l1e.writable-type');
    expect(guest.hv.lastRefusal?.message).toContain('while validating slot 7');
  });

  it('#5: an L1 with an entry to a frame of another domain, or to a free frame', () => {
    const other = new MisuseGuest({ hv: guest.hv, spec: { memoryBytes: 4 * MIB } });
    const page = guest.domain.nrPages - 1;
    const free = guest.p2m(page);
    expect(guest.memoryOp(1, [free]).rc).toBe(1);
    for (const frame of [other.dFrame, free]) {
      for (const flags of [P | A, DATA_FLAGS]) {
        expect(guest.map(frame, flags)).toBe(guest.error('EBUSY'));
        expect(guest.rule).toBe('l1e.owner');
      }
    }
    guest.storeEntry(guest.m, 0, guest.entry(other.dFrame, P));
    expect(guest.linkTable()).toBe(guest.error('EBUSY'));
  });

  it('#6: an entry to a frame that does not exist, or to the first MiB', () => {
    const { maxPage } = guest.hv.machine;
    for (const frame of [maxPage, 0x10]) {
      for (const flags of [P | A, DATA_FLAGS]) {
        expect(guest.map(frame, flags)).toBe(guest.error('EPERM'));
        expect(guest.rule).toBe('l1e.mmio');
      }
    }
    const allOnes = abi === 'x86_32' ? 0xffff_f001n : 0x000f_ffff_ffff_f001n;
    expect(guest.update(guest.leaf.table, guest.leaf.slot, allOnes)).toBe(EINVAL);
    expect(guest.rule).toBe('l1e.invalid-frame');
  });

  it('#7: G in an L1 entry is accepted by 4.17, and by 3.0.4 for 64-bit guests', () => {
    expect(guest.map(guest.dFrame, DATA_FLAGS | G)).toBe(modern || abi === 'x86_64' ? 0 : EINVAL);
  });

  it('#8: PWT or PCD in an L1 entry without I/O rights', () => {
    for (const bit of [PWT, PCD]) expect(guest.map(guest.dFrame, DATA_FLAGS | bit)).toBe(modern ? EINVAL : 0);
    if (modern) expect(guest.rule).toBe('l1e.flags');
    const dom0 = new MisuseGuest({ abi, xen, spec: { role: 'hardware' } });
    expect(dom0.map(dom0.dFrame, DATA_FLAGS | PCD)).toBe(0);
  });

  it('#9: PAT in an L1 entry', () => {
    expect(guest.map(guest.dFrame, DATA_FLAGS | PAT)).toBe(EINVAL);
    expect(guest.rule).toBe('l1e.flags');
    const dom0 = new MisuseGuest({ abi, xen, spec: { role: 'hardware' } });
    expect(dom0.map(dom0.dFrame, DATA_FLAGS | PAT)).toBe(modern ? 0 : EINVAL);
  });

  it('#10: a superpage in an L2 entry', () => {
    expect(guest.link(guest.dFrame, TABLE_FLAGS | PSE)).toBe(EINVAL);
    expect(guest.rule).toBe('l2e.flags');
    expect(guest.hv.lastRefusal?.message).toContain('PSE');
  });

  it('#11: an upper entry to a frame that is not owned', () => {
    const { machine } = guest.hv;
    const other = new MisuseGuest({ hv: guest.hv, spec: { memoryBytes: 4 * MIB } });
    for (const level of guest.abi.levels.map((row) => row.level).filter((each) => each > 1)) {
      const flags = level === guest.abi.rootLevel ? rootFlags() : TABLE_FLAGS;
      const { table } = guest.place(guest.unmapped, level);
      for (const frame of [machine.m2pBase, other.mFrame, machine.maxPage, 0x10]) {
        expect(guest.update(table, 1, guest.entry(frame, flags))).toBe(EINVAL);
        expect(guest.rule).toBe(`l${level}e.child-owner`);
      }
    }
  });

  it('#12: an L2 entry to a page in use as L2 becomes a linear entry without RW, and is refused with it', () => {
    const l2 = guest.emptyTable();
    const isLinear = modern || guest.abi.rootLevel === 2;
    expect(guest.mmuext(PIN_L2, l2)).toBe(0);
    expect(guest.link(l2)).toBe(EINVAL);
    expect(guest.rule).toBe(isLinear ? 'linear.writable' : 'l2e.child-type');
    expect(guest.link(l2, P | A)).toBe(isLinear ? 0 : EINVAL);
    expect(guest.counts(l2)).toBe(isLinear ? '4/2 l2 pinned' : '3/1 l2 pinned');
  });

  it.skipIf(abi === 'x86_32p')('#13, #14: a root entry that names the root, without and with RW', () => {
    const counts = guest.counts(guest.root);
    expect(guest.update(guest.root, 5, guest.entry(guest.root, P | A))).toBe(0);
    expect(guest.counts(guest.root)).toBe(counts);
    expect(guest.update(guest.root, 6, guest.entry(guest.root, P | RW | A))).toBe(EINVAL);
    expect(guest.rule).toBe('linear.writable');
  });

  it.skipIf(abi === 'x86_32p')('#15: RW switched on in a recursive entry: a hole until XSA-182', () => {
    guest.update(guest.root, 5, guest.entry(guest.root, P | A));
    expect(guest.update(guest.root, 5, guest.entry(guest.root, P | RW | A))).toBe(modern ? EINVAL : 0);
  });

  it.skipIf(abi === 'x86_32p')('#16: a linear entry to a root that has linear entries itself', () => {
    const [second, third] = [guest.copyRoot(), guest.copyRoot()];
    const pin = guest.abi.rootLevel - 1;
    expect([guest.mmuext(pin, second), guest.mmuext(pin, third)]).toEqual([0, 0]);
    expect(guest.update(second, 5, guest.entry(third, P | A))).toBe(0);
    expect(guest.update(guest.root, 5, guest.entry(second, P | A))).toBe(modern ? EINVAL : 0);
    if (modern) expect(guest.rule).toBe('linear.nested');
  });

  it.runIf(modern)('#17: 32768 linear uses of a table are accepted, the next is refused', () => {
    const l2 = guest.emptyTable();
    guest.mmuext(PIN_L2, l2);
    const { frames, machine } = guest.hv;
    // 32767 uses more than there are entries for in a small domain: only their count is made.
    machine.store.withoutJournal(() => {
      frames.linearCount.set(l2, -32767);
      frames.typeCount.set(l2, 1 + 32767);
      frames.refCount.set(l2, 3 + 32767);
    });
    const entry = guest.entry(l2, P | A);
    const { table } = guest.parent;
    expect(guest.quietUpdate(table, 200, entry)).toBe(0);
    expect(guest.quietUpdate(table, 201, entry)).toBe(EINVAL);
    expect(guest.rule).toBe('linear.nested');
  });

  it('#29, #30: slots that are Xen’s', () => {
    const { table, from, to } = guest.xenSlots;
    for (const slot of [from, from + 1, to]) {
      expect(guest.update(table, slot, 0n)).toBe(abi === 'x86_32p' ? guest.error('EPERM') : EINVAL);
      expect(guest.rule).toBe(abi === 'x86_64' ? 'l4e.xen-slot' : 'l2e.xen-slot');
    }
    if (abi === 'x86_64') expect(guest.update(table, to + 1, 0n)).toBe(0);
  });

  it('#52: one of two writable mappings cleared is not enough', () => {
    guest.map(guest.mFrame);
    guest.makeReadOnly(guest.m);
    expect(guest.link()).toBe(EINVAL);
    expect(guest.hv.lastRefusal?.evidence['mappedBy']).toContain(guest.kva(guest.d).toString(16));
  });

  it('#53, #70: the kernel’s mapping of a linked table made writable', () => {
    guest.linkTable();
    expect(guest.makeWritable(guest.m)).toBe(guest.error('EBUSY'));
    expect(guest.rule).toBe('l1e.writable-type');
    expect(guest.update(guest.parent.table, guest.parent.slot, 0n)).toBe(0);
    expect(guest.makeWritable(guest.m)).toBe(0);
  });

  it('#72: an entry without P may hold anything', () => {
    const { table, slot } = guest.leaf;
    const garbage = abi === 'x86_32' ? 0xabcd_effen : 0xffff_abcd_1234_effen;
    expect(guest.update(table, slot, garbage)).toBe(0);
    expect(guest.readEntry(table, slot)).toBe(garbage);
    const upper = guest.parent;
    expect(guest.update(upper.table, upper.slot, garbage)).toBe(0);
  });

  it('#107: shared_info mapped with PCD by a domain with I/O rights', () => {
    const dom0 = new MisuseGuest({ abi, xen, spec: { role: 'hardware' } });
    const rc = dom0.vaMapping(dom0.kva(dom0.d), dom0.entry(dom0.layout.sharedInfo, P | RW | PCD));
    expect(rc).toBe(modern ? -ERRNO.EACCES : 0);
    if (modern) expect(dom0.rule).toBe('l1e.cache-attributes');
  });

  it('#108: the type count at its maximum', () => {
    const { frames, machine } = guest.hv;
    machine.store.withoutJournal(() => frames.typeCount.set(guest.dFrame, 0xffff));
    const { table } = guest.leaf;
    expect(guest.quietUpdate(table, guest.leaf.slot + 1, guest.entry(guest.dFrame, DATA_FLAGS))).toBe(
      modern ? 0 : EINVAL,
    );
    if (!modern) expect(guest.rule).toBe('type.count-overflow');
  });

  it.skipIf(abi === 'x86_32')('#109: one L2 page in two L3 slots', () => {
    const l2 = guest.emptyTable();
    const { table } = guest.place(guest.abi.rootLevel === 3 ? 0n : guest.unmapped, 3);
    const flags = guest.abi.rootLevel === 3 ? rootFlags() : TABLE_FLAGS;
    for (const slot of [0, 1]) expect(guest.update(table, slot, guest.entry(l2, flags))).toBe(0);
    expect(guest.counts(l2)).toBe('4/2 l2');
  });

  it('11.1: what looks wrong but is legal', () => {
    guest.linkTable();
    const { table, slot } = guest.parent;
    expect(guest.update(table, slot + 1, guest.entry(guest.mFrame, TABLE_FLAGS))).toBe(0);
    expect(guest.counts(guest.mFrame)).toBe('4/2 l1');
    expect(guest.map(guest.mFrame, P | US)).toBe(0);
    expect(guest.counts(guest.mFrame)).toBe('5/2 l1');
    expect(guest.mmuext(PIN_L1, guest.mFrame)).toBe(0);
    const unlinked = guest.fresh();
    guest.storeEntry(unlinked, 0, guest.entry(guest.root, DATA_FLAGS));
    expect(guest.counts(guest.root)).toMatch(/^4\/2/);
  });
});
