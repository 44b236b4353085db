/** Misuse of pins and roots: rows 19 to 28, 67, 68 and 71 of facts 11; PAE's own rows are in pae.test.ts. */

import { beforeEach, describe, expect, it } from 'vitest';
import { P } from '../../../../core/pte.ts';
import { CONFIGURATIONS, DATA_FLAGS, TABLE_FLAGS } from '../guest.ts';
import { EINVAL, MisuseGuest, NEW_BASEPTR, PIN_L1, PIN_L2, PIN_L4, UNPIN } from './misuse-guest.ts';

describe.each(CONFIGURATIONS)('pins and roots on $abi under Xen $xen', ({ abi, xen }) => {
  const modern = xen === '4.17';
  let guest: MisuseGuest;
  const pinRoot = () => guest.abi.rootLevel - 1;

  beforeEach(() => {
    guest = new MisuseGuest({ abi, xen });
  });

  it('#19: pin twice', () => {
    guest.linkTable();
    expect(guest.mmuext(PIN_L1, guest.mFrame)).toBe(0);
    const before = guest.counts(guest.mFrame);
    expect(guest.mmuext(PIN_L1, guest.mFrame)).toBe(EINVAL);
    expect(guest.rule).toBe('pin.twice');
    expect(guest.counts(guest.mFrame)).toBe(before);
  });

  it('#20: unpin what is not pinned', () => {
    guest.linkTable();
    expect(guest.mmuext(UNPIN, guest.mFrame)).toBe(EINVAL);
    expect(guest.rule).toBe('unpin.not-pinned');
  });

  it('#21: unpin the root while it is loaded: it stays validated until another is', () => {
    const old = guest.root;
    expect(guest.mmuext(UNPIN, old)).toBe(0);
    expect(guest.counts(old)).toBe(`3/1 l${guest.abi.rootLevel}`);
    const root = guest.copyRoot();
    expect(guest.mmuext(pinRoot(), root)).toBe(0);
    expect(guest.mmuext(NEW_BASEPTR, root)).toBe(0);
    expect(guest.counts(old)).toBe(`2/0 l${guest.abi.rootLevel}`);
  });

  it.skipIf(abi === 'x86_64')('#22: PIN_L4 by a 32-bit guest does nothing', () => {
    expect(guest.mmuext(PIN_L4, guest.mFrame)).toBe(0);
    expect(guest.counts(guest.mFrame)).toBe('2/1 writable');
  });

  it('#23: PIN_L2 of a table that is linked nowhere', () => {
    const l2 = guest.emptyTable();
    expect(guest.mmuext(PIN_L2, l2)).toBe(0);
    expect(guest.counts(l2)).toBe('3/1 l2 pinned');
  });

  it('#67: NEW_BASEPTR to a page that is no table', () => {
    const old = guest.root;
    const rc = guest.mmuext(NEW_BASEPTR, guest.mFrame);
    if (modern) {
      expect(rc).toBe(EINVAL);
      expect(guest.rule).toBe('baseptr.type');
      expect(guest.root).toBe(old);
    } else expect(guest.crashRule).toBe('baseptr.fatal');
  });

  it.runIf(modern)('#67: NEW_BASEPTR to a table with a bad entry gives that entry’s error', () => {
    const old = guest.root;
    const table = guest.emptyTable();
    const l1 = guest.fresh();
    guest.storeEntry(l1, 0, guest.entry(guest.hv.machine.m2pBase, DATA_FLAGS));
    guest.makeReadOnly(l1);
    guest.update(table, 0, guest.entry(guest.p2m(l1), TABLE_FLAGS));
    const root = guest.copyRootWithL2(table);
    expect(guest.mmuext(NEW_BASEPTR, root)).toBe(guest.error('EBUSY'));
    expect(guest.root).toBe(old);
  });

  it('#68: NEW_BASEPTR to the present root', () => {
    const before = guest.counts(guest.root);
    expect(guest.mmuext(NEW_BASEPTR, guest.root)).toBe(0);
    expect(guest.counts(guest.root)).toBe(before);
  });

  it('#71: an unpinned root that leaves CR3 gives up its whole tree', () => {
    const old = guest.root;
    guest.linkTable();
    expect(guest.update(guest.mFrame, 3, guest.entry(guest.dFrame, DATA_FLAGS))).toBe(0);
    const root = guest.copyRoot();
    // The new root shares the kernel's tables, and on the 2-level ABI also the new L1.
    const shared = guest.counts(guest.mFrame);
    guest.mmuext(pinRoot(), root);
    guest.mmuext(UNPIN, old);
    expect(guest.mmuext(NEW_BASEPTR, root)).toBe(0);
    expect(guest.counts(old)).toBe(`2/0 l${guest.abi.rootLevel}`);
    expect(guest.counts(guest.mFrame)).toBe(shared);
    expect(guest.mmuext(pinRoot(), old)).toBe(0);
  });

  it('#71: stale entries in a tree that was given up make its next use fail', () => {
    guest.linkTable();
    guest.update(guest.mFrame, 3, guest.entry(guest.dFrame, DATA_FLAGS));
    guest.update(guest.parent.table, guest.parent.slot, 0n);
    expect(guest.counts(guest.mFrame)).toBe('2/0 l1');
    // The data page becomes a table meanwhile.
    guest.makeReadOnly(guest.d);
    expect(guest.mmuext(PIN_L1, guest.dFrame)).toBe(0);
    expect(guest.link()).toBe(guest.error('EBUSY'));
    expect(guest.rule).toBe('l1e.writable-type');
    expect(guest.counts(guest.mFrame)).toBe('2/0 none');
  });

  it('a root whose tables are not its own', () => {
    expect(guest.mmuext(pinRoot(), guest.hv.machine.m2pBase)).toBe(EINVAL);
    expect(guest.rule).toBe('pin.owner');
    expect(guest.mmuext(PIN_L1, BigInt(guest.mFrame) << 12n)).toBe(EINVAL);
    expect(guest.rule).toBe('pin.owner');
    expect(guest.mmuext(UNPIN, guest.hv.machine.m2pBase)).toBe(EINVAL);
    expect(guest.rule).toBe('unpin.owner');
  });

  it('W9: the level of a pin must be that of the use', () => {
    guest.linkTable();
    expect(guest.mmuext(PIN_L2, guest.mFrame)).toBe(EINVAL);
    expect(guest.rule).toBe('pin.type');
    expect(guest.map(guest.mFrame, P)).toBe(0);
  });
});
