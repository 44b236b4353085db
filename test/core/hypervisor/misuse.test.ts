/** Rows of the misuse catalogue (facts 11), each under both rule sets: what Xen returns, and by which rule. */

import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO, type ErrnoName } from '../../../core/hypervisor/errno.ts';
import { A, G, P, PCD, PSE, RW, US } from '../../../core/pte.ts';
import { DOMID } from '../../../core/units.ts';
import { CONFIGURATIONS, DATA_FLAGS, Guest, TABLE_FLAGS } from './guest.ts';

const PIN_L1 = 0;
const PIN_L2 = 1;
const UNPIN = 4;
const NEW_BASEPTR = 5;
const TLB_FLUSH_LOCAL = 6;
const CLEAR_PAGE = 16;
const COPY_PAGE = 17;

describe.each(CONFIGURATIONS)('misuse on $abi under Xen $xen', ({ abi, xen }) => {
  let guest: Guest;
  let m: number;
  let d: number;
  const modern = xen === '4.17';
  /** The error of 4.17, or -EINVAL, which 3.0.4 gave for everything. */
  const err = (name: ErrnoName): number => (modern ? -ERRNO[name] : -ERRNO.EINVAL);

  beforeEach(() => {
    guest = new Guest({ abi, xen });
    m = guest.fresh();
    d = guest.fresh();
  });

  const parent = () => guest.place(guest.unmapped, 2);
  const leaf = () => guest.place(guest.kva(d), 1);
  const link = (frame: number, flags = TABLE_FLAGS) =>
    guest.update(parent().table, parent().slot, guest.entry(frame, flags));
  const mapLeaf = (frame: number, flags = DATA_FLAGS) =>
    guest.update(leaf().table, leaf().slot, guest.entry(frame, flags));
  const linkTable = () => {
    guest.makeReadOnly(m);
    return link(guest.p2m(m));
  };

  it('1: link an L1 page that is still mapped writable', () => {
    expect(link(guest.p2m(m))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('l2e.child-type');
  });

  it('2: pin a table page that is still mapped writable', () => {
    expect(guest.mmuext(PIN_L1, guest.p2m(m))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('pin.type');
  });

  it('3: an L1 with a writable entry to itself', () => {
    guest.mustStore(guest.kva(m), guest.abi.entryBytes, guest.entry(guest.p2m(m), DATA_FLAGS));
    expect(linkTable()).toBe(err('EBUSY'));
    expect(guest.rule).toBe('l1e.writable-type');
  });

  it('5: map a frame that is free', () => {
    expect(mapLeaf(guest.hv.machine.maxPage - 1)).toBe(
      guest.hv.heap.isFree(guest.hv.machine.maxPage - 1) ? err('EBUSY') : 0,
    );
  });

  it('6: map a frame that does not exist, and the first MiB', () => {
    expect(mapLeaf(guest.hv.machine.maxPage + 5)).toBe(err('EPERM'));
    expect(guest.rule).toBe('l1e.mmio');
    expect(mapLeaf(0x10)).toBe(err('EPERM'));
  });

  it('7: G in an L1 entry is accepted by 4.17', () => {
    const rc = mapLeaf(guest.p2m(d), DATA_FLAGS | G);
    expect(rc).toBe(modern || abi === 'x86_64' ? 0 : -ERRNO.EINVAL);
  });

  it('8: PCD in an L1 entry', () => {
    expect(mapLeaf(guest.p2m(d), DATA_FLAGS | PCD)).toBe(modern ? -ERRNO.EINVAL : 0);
    if (modern) expect(guest.rule).toBe('l1e.flags');
  });

  it('10: a superpage', () => {
    expect(link(guest.p2m(d), TABLE_FLAGS | PSE)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('l2e.flags');
    expect(guest.hv.lastRefusal?.message).toContain('PSE');
  });

  it('11: link a frame that is not owned', () => {
    expect(link(guest.hv.machine.m2pBase)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('l2e.child-owner');
    expect(guest.hv.lastRefusal?.message).toContain('belongs to Xen');
  });

  it('19, 20: pin twice, unpin what is not pinned', () => {
    linkTable();
    expect(guest.mmuext(UNPIN, guest.p2m(m))).toBe(-ERRNO.EINVAL);
    expect(guest.mmuext(PIN_L1, guest.p2m(m))).toBe(0);
    expect(guest.mmuext(PIN_L1, guest.p2m(m))).toBe(-ERRNO.EINVAL);
  });

  it('21: unpin the root while it is loaded', () => {
    expect(guest.mmuext(UNPIN, guest.root)).toBe(0);
    expect(guest.counts(guest.root)).toBe(`3/1 l${guest.abi.rootLevel}`);
  });

  it('29, 30: a slot that belongs to Xen', () => {
    const { table, from } = guest.xenSlots;
    expect(guest.update(table, from + 1, 0n)).toBe(abi === 'x86_32p' ? err('EPERM') : -ERRNO.EINVAL);
    expect(guest.rule).toBe(abi === 'x86_64' ? 'l4e.xen-slot' : 'l2e.xen-slot');
  });

  it('31: the lowest bit of ptr makes it an update of the M2P', () => {
    const frame = leaf().table;
    expect(guest.update(frame, 0, 0x55n, 1n)).toBe(0);
    expect(guest.hv.machine.m2p(frame)).toBe(0x55);
  });

  it('32, 33: other low bits of ptr', () => {
    const bits = guest.abi.entryBytes === 8 ? 4n : 2n;
    expect(guest.update(leaf().table, 0, 0n, bits)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('mmu_update.command');
  });

  it('34: ptr in a frame that is not owned, as when it is a virtual address', () => {
    expect(guest.mmuUpdate([[guest.kva(d), 0n]]).rc).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('mmu_update.table-owner');
  });

  it('35: ptr into an ordinary page is a plain store without any check', () => {
    expect(guest.update(guest.p2m(d), 3, 0xdead_beefn)).toBe(0);
    expect(guest.load(guest.kva(d) + BigInt(3 * guest.abi.entryBytes), 4)).toBe(0xdead_beefn);
  });

  it('39: a table filled by stores is validated as a whole when it is linked', () => {
    guest.mustStore(guest.kva(m), guest.abi.entryBytes, guest.entry(guest.p2m(d), DATA_FLAGS));
    expect(linkTable()).toBe(0);
    expect(guest.counts(guest.p2m(d))).toBe('3/2 writable');
  });

  it('42, 43: the own number, and another domain, as domain argument', () => {
    expect(guest.mmuUpdate([[0n, 0n]], guest.domain.id).rc).toBe(-ERRNO.ESRCH);
    expect(guest.rule).toBe('foreign.own-id');
    const other = new Guest({ hv: guest.hv, spec: { memoryBytes: 4 * 2 ** 20 } });
    expect(guest.mmuUpdate([[guest.entryAddress(leaf().table, 0), 0n]], other.domain.id).rc).toBe(
      modern ? -ERRNO.EPERM : -ERRNO.ESRCH,
    );
    expect(guest.rule).toBe('foreign.unprivileged');
    expect(guest.mmuUpdate([], 77).rc).toBe(-ERRNO.ESRCH);
  });

  it('44: DOMID_IO and a RAM frame', () => {
    const address = guest.entryAddress(leaf().table, leaf().slot);
    expect(guest.mmuUpdate([[address, guest.entry(guest.p2m(m), DATA_FLAGS)]], DOMID.IO).rc).toBe(
      err('EBUSY'),
    );
  });

  it('46, 47: update_va_mapping without an L1 table, and in the range of Xen', () => {
    expect(guest.vaMapping(guest.unmapped, 0n)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('va_mapping.no-l1');
    expect(guest.vaMapping(guest.abi.xenHole.from, 0n)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('va_mapping.address');
  });

  it('49: an unreadable flush bitmap, with the entry changed', () => {
    const { table, slot } = leaf();
    const va = guest.kva(d);
    expect(guest.vaMapping(va, 0n, guest.unmapped | 2n)).toBe(-ERRNO.EFAULT);
    expect(guest.readEntry(table, slot)).toBe(0n);
  });

  it('50, 51: a stale writable translation lives on, until the frame becomes a table', () => {
    guest.mustStore(guest.kva(m), 4, 0n);
    const { table, slot } = guest.place(guest.kva(m), 1);
    expect(guest.update(table, slot, guest.entry(guest.p2m(m), P | A))).toBe(0);
    expect(guest.store(guest.kva(m), 4, 0n)).toBe(true);
    expect(link(guest.p2m(m))).toBe(0);
    expect(guest.store(guest.kva(m), 4, 0n)).toBe(false);
  });

  it('52: one of two writable mappings cleared is not enough', () => {
    mapLeaf(guest.p2m(m));
    guest.makeReadOnly(m);
    expect(link(guest.p2m(m))).toBe(-ERRNO.EINVAL);
    expect(guest.hv.lastRefusal?.evidence['mappedBy']).toContain(guest.kva(d).toString(16));
  });

  it('53, 70: make a live table writable', () => {
    linkTable();
    expect(guest.makeWritable(m)).toBe(err('EBUSY'));
  });

  it('57 to 59: give back a mapped page, twice', () => {
    const frame = guest.p2m(d);
    expect(guest.memoryOp(1, [frame]).rc).toBe(1);
    expect(guest.memoryOp(1, [frame]).rc).toBe(1);
    expect(guest.counts(frame)).toBe('1/1 writable');
  });

  it('58: give back a pinned table', () => {
    linkTable();
    guest.mmuext(PIN_L1, guest.p2m(m));
    expect(guest.memoryOp(1, [guest.p2m(m)]).rc).toBe(1);
    expect(guest.counts(guest.p2m(m))).toBe(modern ? '3/2 l1 pinned' : '2/1 l1');
  });

  it('60: give back a frame of somebody else', () => {
    expect(guest.memoryOp(1, [guest.p2m(d), guest.hv.machine.m2pBase]).rc).toBe(1);
    expect(guest.rule).toBe('memory_op.not-owned');
    expect(guest.memoryOp(1, [2 ** 30]).rc).toBe(0);
    expect(guest.rule).toBe('memory_op.invalid-frame');
  });

  it('62: populate beyond the limit, and after giving pages back', () => {
    const pages = [100, 101];
    expect(guest.memoryOp(6, pages).rc).toBe(0);
    expect(guest.rule).toBe('memory_op.no-memory');
    const last = guest.domain.nrPages - 1;
    expect(guest.memoryOp(1, [guest.p2m(last)]).rc).toBe(1);
    const { rc, list } = guest.memoryOp(6, [last]);
    expect(rc).toBe(1);
    expect(guest.counts(list[0] as never)).toBe('1/0 none');
    expect(guest.hv.machine.m2p(list[0] as never)).toBe(last);
  });

  it('63: memory_op with a bad pointer', () => {
    expect(guest.call(12, 1, guest.unmapped)).toBe(modern ? 0 : -ERRNO.EFAULT);
    expect(guest.rule).toBe('memory_op.argument');
  });

  it('67: NEW_BASEPTR of a page that is no table', () => {
    if (!modern) {
      guest.mmuext(NEW_BASEPTR, guest.p2m(m));
      expect(guest.domain.state.kind).toBe('crashed');
      return;
    }
    const old = guest.root;
    expect(guest.mmuext(NEW_BASEPTR, guest.p2m(m))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('baseptr.type');
    expect(guest.root).toBe(old);
    expect(guest.mmuext(NEW_BASEPTR, old)).toBe(0);
  });

  it('72: a non-present entry may hold anything', () => {
    const { table, slot } = leaf();
    expect(guest.update(table, slot, 0xabcd_e000n)).toBe(0);
    expect(guest.readEntry(table, slot)).toBe(0xabcd_e000n);
  });

  it('73: a TLB operation for another domain', () => {
    expect(guest.mmuext(TLB_FLUSH_LOCAL, 0, 0, DOMID.IO)).toBe(modern ? -ERRNO.EPERM : 0);
  });

  it('75: FLUSH_CACHE without I/O rights', () => {
    expect(guest.mmuext(12)).toBe(err('EACCES'));
  });

  it('79: CLEAR_PAGE and COPY_PAGE onto a table', () => {
    linkTable();
    const expected = modern ? -ERRNO.EINVAL : -ERRNO.ENOSYS;
    expect(guest.mmuext(CLEAR_PAGE, guest.p2m(m))).toBe(expected);
    expect(guest.mmuext(COPY_PAGE, guest.p2m(m), guest.p2m(d))).toBe(expected);
    if (!modern) return;
    guest.mustStore(guest.kva(d), 4, 0x77n);
    expect(guest.mmuext(CLEAR_PAGE, guest.p2m(d))).toBe(0);
    expect(guest.load(guest.kva(d), 4)).toBe(0n);
  });

  it('80, 81: commands that do not exist', () => {
    expect(guest.mmuext(19)).toBe(modern ? -ERRNO.EOPNOTSUPP : -ERRNO.ENOSYS);
    expect(guest.mmuext(14)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('mmuext_op.command');
  });

  it('82, 110, 111: a batch stops at the first failure and says how far it came', () => {
    const { table, slot } = leaf();
    const address = guest.entryAddress(table, slot);
    const good = guest.entry(guest.p2m(d), P | A);
    const bad = guest.entry(guest.hv.machine.m2pBase, DATA_FLAGS);
    expect(
      guest.mmuUpdate([
        [address, good],
        [address, bad],
        [address, 0n],
      ]),
    ).toEqual({ rc: err('EBUSY'), done: 1 });
    expect(guest.hv.lastRefusal?.requestIndex).toBe(1);
    expect((guest.readEntry(table, slot) >> 12n) & 0xfffffn).toBe(BigInt(guest.p2m(d)));
    expect(guest.call(1, guest.scratch, 1, guest.unmapped, DOMID.SELF)).toBe(0);
    guest.mustStore(guest.scratch + 4088n, 4, 5n);
    expect(guest.call(1, guest.scratch, 0x8000_0001, guest.scratch + 4088n, DOMID.SELF)).toBe(0);
    expect(guest.load(guest.scratch + 4088n, 4)).toBe(6n);
  });

  it('W7: an array that cannot be read', () => {
    expect(guest.call(1, guest.unmapped, 1, 0, DOMID.SELF)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('mmu_update.requests');
  });

  it('W9: the level of a pin must be that of the use', () => {
    linkTable();
    expect(guest.mmuext(PIN_L2, guest.p2m(m))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('pin.type');
  });

  it('W10: a pin takes a frame number, not an address', () => {
    expect(guest.mmuext(PIN_L1, BigInt(guest.p2m(m)) << 12n)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('pin.owner');
  });

  it('11.1: a table may be linked many times and mapped read-only', () => {
    linkTable();
    const { table, slot } = parent();
    expect(guest.update(table, slot + 1, guest.entry(guest.p2m(m), TABLE_FLAGS))).toBe(0);
    expect(guest.counts(guest.p2m(m))).toBe('4/2 l1');
    expect(mapLeaf(guest.p2m(m), P | US)).toBe(0);
    expect(guest.counts(guest.p2m(m))).toBe('5/2 l1');
  });

  it('an unknown hypercall, and one that the model has not', () => {
    expect(guest.call(11)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('hypercall.unknown');
    expect(guest.call(34)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('hypercall.not-modelled');
  });

  it('every refusal has a full sentence', () => {
    link(guest.p2m(m));
    const refusal = guest.hv.lastRefusal;
    expect(refusal?.message).not.toMatch(/[{}]|undefined|NaN/);
    expect(refusal?.xenPrints).toMatch(/^Bad type \(saw 0x[0-9a-f]+ != exp 0x2000000000000000\)/);
    expect(mapLeaf(guest.p2m(d), RW | P)).toBe(0);
    expect(guest.hv.lastRefusal).toBeNull();
  });
});
