/** Misuse of mmu_update, update_va_mapping and mmuext_op: rows 31 to 51, 73 to 75, 79 to 82, 110 and 111 of facts 11. */

import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../../core/hypervisor/errno.ts';
import { A, D, P, RW } from '../../../../core/pte.ts';
import { DOMID } from '../../../../core/units.ts';
import { CONFIGURATIONS, DATA_FLAGS } from '../guest.ts';
import { EINVAL, MIB, MisuseGuest, PIN_L1, UNPIN } from './misuse-guest.ts';

const MMU_UPDATE = 1;
const TLB_FLUSH_LOCAL = 6;
const INVLPG_LOCAL = 7;
const TLB_FLUSH_ALL = 10;
const INVLPG_ALL = 11;
const FLUSH_CACHE = 12;
const SET_LDT = 13;
const CLEAR_PAGE = 16;
const COPY_PAGE = 17;
const FLUSH_CACHE_GLOBAL = 18;
const MARK_SUPER = 19;
const UNMARK_SUPER = 20;
const ENOSYS = -ERRNO.ENOSYS;

describe.each(CONFIGURATIONS)('updates on $abi under Xen $xen', ({ abi, xen }) => {
  const modern = xen === '4.17';
  let guest: MisuseGuest;

  beforeEach(() => {
    guest = new MisuseGuest({ abi, xen });
  });

  const otherDomain = () => new MisuseGuest({ hv: guest.hv, spec: { memoryBytes: 4 * MIB } });
  const leafAddress = () => guest.entryAddress(guest.leaf.table, guest.leaf.slot);

  it('#31: the lowest bit of ptr set by accident: the M2P entry of the table is overwritten', () => {
    const { table, slot } = guest.leaf;
    const entry = guest.readEntry(table, slot);
    expect(guest.update(table, slot, 0x55n, 1n)).toBe(0);
    expect(guest.hv.machine.m2p(table)).toBe(0x55);
    expect(guest.readEntry(table, slot)).toBe(entry);
  });

  it('#32: ptr misaligned by 4 where entries have 8 bytes', () => {
    if (guest.abi.entryBytes === 4) return;
    expect(guest.update(guest.leaf.table, guest.leaf.slot, 0n, 4n)).toBe(ENOSYS);
    expect(guest.rule).toBe('mmu_update.command');
  });

  it('#33: the low bits 2 and 3 of ptr', () => {
    const { table, slot } = guest.leaf;
    for (const command of [2n, 3n]) {
      const rc = guest.update(table, slot, guest.entry(guest.dFrame, P | RW), command);
      expect(rc).toBe(modern ? 0 : ENOSYS);
    }
    if (modern) expect(guest.readEntry(table, slot) & BigInt(RW)).toBe(BigInt(RW));
    else expect(guest.rule).toBe('mmu_update.command');
  });

  it('#34: ptr in a frame of another domain, and a virtual address for ptr', () => {
    const other = otherDomain();
    expect(guest.update(other.dFrame, 0, 0n)).toBe(EINVAL);
    expect(guest.rule).toBe('mmu_update.table-owner');
    expect(guest.mmuUpdate([[guest.kva(guest.d), 0n]]).rc).toBe(EINVAL);
    expect(guest.rule).toBe('mmu_update.table-owner');
  });

  it('#35: ptr into an ordinary data page: a plain store, nothing is checked', () => {
    expect(guest.update(guest.dFrame, 3, 0xdead_beefn)).toBe(0);
    expect(guest.load(guest.kva(guest.d) + BigInt(3 * guest.abi.entryBytes), 4)).toBe(0xdead_beefn);
    expect(guest.counts(guest.dFrame)).toBe('2/1 writable');
  });

  it('#36: ptr into a page that was a table: a plain store in 4.17, a checked update in 3.0.4', () => {
    guest.linkTable();
    guest.update(guest.parent.table, guest.parent.slot, 0n);
    expect(guest.counts(guest.mFrame)).toBe('2/0 l1');
    expect(guest.update(guest.mFrame, 0, guest.entry(guest.root, DATA_FLAGS))).toBe(modern ? 0 : EINVAL);
    expect(guest.counts(guest.mFrame)).toBe(modern ? '2/0 writable' : '2/0 l1');
  });

  it.skipIf(modern)('#36: where the table is no longer valid 3.0.4 falls back to a plain store', () => {
    guest.linkTable();
    guest.update(guest.parent.table, guest.parent.slot, 0n);
    guest.makeWritable(guest.m);
    guest.storeEntry(guest.m, 5, guest.entry(guest.root, DATA_FLAGS));
    guest.makeReadOnly(guest.m);
    expect(guest.update(guest.mFrame, 0, 0x1234n)).toBe(0);
    expect(guest.counts(guest.mFrame)).toBe('2/0 writable');
  });

  it('#37: ptr into a descriptor page in use', () => {
    guest.makeReadOnly(guest.d);
    guest.mustStore(guest.scratch, guest.abi.wordBytes, BigInt(guest.dFrame));
    expect(guest.call(2, guest.scratch, 512)).toBe(0);
    expect(guest.update(guest.dFrame, 0, 0n)).toBe(EINVAL);
    expect(guest.rule).toBe('mmu_update.not-storable');
  });

  it('#38: ptr into shared_info: a plain store', () => {
    const slot = 3000 / guest.abi.entryBytes;
    expect(guest.update(guest.layout.sharedInfo, slot, 0x77n)).toBe(0);
    expect(guest.readEntry(guest.layout.sharedInfo, slot)).toBe(0x77n);
    expect(guest.counts(guest.layout.sharedInfo)).toBe('1/1 writable');
  });

  it('#39: a table filled by stores is validated as a whole when it is linked', () => {
    guest.storeEntry(guest.m, 0, guest.entry(guest.dFrame, DATA_FLAGS));
    expect(guest.counts(guest.dFrame)).toBe('2/1 writable');
    expect(guest.linkTable()).toBe(0);
    expect(guest.counts(guest.dFrame)).toBe('3/2 writable');
  });

  it('#40: MACHPHYS_UPDATE for a frame that is not owned', () => {
    expect(guest.mmuUpdate([[(BigInt(otherDomain().dFrame) << 12n) | 1n, 5n]]).rc).toBe(EINVAL);
    expect(guest.rule).toBe('mmu_update.m2p-owner');
  });

  it('#41: MACHPHYS_UPDATE may give two frames the same PFN', () => {
    expect(guest.mmuUpdate([[(BigInt(guest.mFrame) << 12n) | 1n, BigInt(guest.d)]]).rc).toBe(0);
    const { machine } = guest.hv;
    expect([machine.m2p(guest.mFrame), machine.m2p(guest.dFrame)]).toEqual([guest.d, guest.d]);
  });

  it('#42: the own number as domain argument', () => {
    expect(guest.mmuUpdate([[leafAddress(), 0n]], guest.domain.id)).toEqual({ rc: -ERRNO.ESRCH, done: 0 });
    expect(guest.rule).toBe('foreign.own-id');
    expect(guest.mmuext(TLB_FLUSH_LOCAL, 0, 0, guest.domain.id)).toBe(-ERRNO.ESRCH);
  });

  it('#43: another domain as domain argument, without privilege', () => {
    const other = otherDomain();
    const rc = guest.mmuUpdate([[leafAddress(), 0n]], other.domain.id).rc;
    expect(rc).toBe(modern ? -ERRNO.EPERM : -ERRNO.ESRCH);
    expect(guest.rule).toBe('foreign.unprivileged');
    expect(guest.mmuUpdate([], 77).rc).toBe(-ERRNO.ESRCH);
    if (modern) expect(guest.mmuUpdate([], other.domain.id).rc).toBe(0);
  });

  it('#44: DOMID_IO and a RAM frame', () => {
    const request = [leafAddress(), guest.entry(guest.mFrame, DATA_FLAGS)] as const;
    expect(guest.mmuUpdate([request], DOMID.IO).rc).toBe(guest.error('EBUSY'));
    expect(guest.rule).toBe('l1e.owner');
  });

  it('#45: an upper-level update that names a foreign owner', () => {
    const dom0 = new MisuseGuest({ abi, xen, spec: { role: 'hardware' } });
    const other = new MisuseGuest({ hv: dom0.hv, spec: { memoryBytes: 4 * MIB } });
    const { table, slot } = dom0.parent;
    const rc = dom0.mmuUpdate([[dom0.entryAddress(table, slot), 0n]], other.domain.id).rc;
    expect(rc).toBe(modern ? EINVAL : 0);
    if (modern) expect(dom0.rule).toBe('mmu_update.foreign-upper');
  });

  it('#46: update_va_mapping where there is no L1 table', () => {
    expect(guest.vaMapping(guest.unmapped, 0n)).toBe(EINVAL);
    expect(guest.rule).toBe('va_mapping.no-l1');
  });

  it('#47: update_va_mapping in the range of Xen', () => {
    expect(guest.vaMapping(guest.abi.xenHole.from, 0n)).toBe(EINVAL);
    expect(guest.rule).toBe('va_mapping.address');
  });

  it.skipIf(abi === 'x86_32p')('#48: update_va_mapping in a recursive window', () => {
    guest.update(guest.root, 5, guest.entry(guest.root, P | A));
    const window = guest.abi.levels.reduce(
      (va, { level, shift }) => (level > 1 ? va | (5n << BigInt(shift)) : va),
      0n,
    );
    expect(guest.vaMapping(window, 0n)).toBe(EINVAL);
    expect(guest.rule).toBe('va_mapping.not-l1');
  });

  it('#49: an unreadable flush bitmap: -EFAULT with the entry changed', () => {
    const { table, slot } = guest.leaf;
    expect(guest.vaMapping(guest.kva(guest.d), 0n, guest.unmapped | 2n)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('va_mapping.flush-bitmap');
    expect(guest.readEntry(table, slot)).toBe(0n);
  });

  it('#50: after an unmap without a flush a store goes to the old frame', () => {
    const va = guest.kva(guest.d);
    const frame = guest.dFrame;
    guest.mustStore(va, 4, 1n);
    expect(guest.update(guest.leaf.table, guest.leaf.slot, 0n)).toBe(0);
    expect(guest.store(va, 4, 2n)).toBe(true);
    expect(guest.hv.memory.readWord(frame, 0)).toBe(2);
    expect(guest.mmuext(INVLPG_LOCAL, va)).toBe(0);
    expect(guest.store(va, 4, 3n)).toBe(false);
  });

  it('#51: a data page used as L1 straight after its unmap: Xen flushes when the type changes', () => {
    guest.mustStore(guest.kva(guest.m), 4, 0n);
    const { table, slot } = guest.place(guest.kva(guest.m), 1);
    expect(guest.update(table, slot, guest.entry(guest.mFrame, P | A))).toBe(0);
    expect(guest.store(guest.kva(guest.m), 4, 0n)).toBe(true);
    expect(guest.link()).toBe(0);
    expect(guest.store(guest.kva(guest.m), 4, 0n)).toBe(false);
  });

  it('#73: TLB operations for another domain', () => {
    for (const command of [TLB_FLUSH_LOCAL, INVLPG_LOCAL, TLB_FLUSH_ALL, INVLPG_ALL])
      expect(guest.mmuext(command, guest.kva(0), 0, DOMID.IO)).toBe(modern ? -ERRNO.EPERM : 0);
  });

  it('#74: INVLPG of an address of Xen is accepted', () => {
    expect(guest.mmuext(INVLPG_ALL, guest.abi.xenHole.from)).toBe(0);
  });

  it('#75: FLUSH_CACHE without I/O rights', () => {
    expect(guest.mmuext(FLUSH_CACHE)).toBe(guest.error('EACCES'));
    expect(guest.rule).toBe('mmuext_op.flush-cache');
    expect(guest.mmuext(FLUSH_CACHE_GLOBAL)).toBe(modern ? EINVAL : ENOSYS);
    const dom0 = new MisuseGuest({ abi, xen, spec: { role: 'hardware' } });
    expect(dom0.mmuext(FLUSH_CACHE)).toBe(0);
  });

  it('#79: CLEAR_PAGE and COPY_PAGE onto a table', () => {
    guest.linkTable();
    const expected = modern ? EINVAL : ENOSYS;
    expect(guest.mmuext(CLEAR_PAGE, guest.mFrame)).toBe(expected);
    expect(guest.mmuext(COPY_PAGE, guest.mFrame, guest.dFrame)).toBe(expected);
    if (!modern) return;
    guest.mustStore(guest.kva(guest.d), 4, 0x77n);
    const copy = guest.fresh();
    expect(guest.mmuext(COPY_PAGE, guest.p2m(copy), guest.dFrame)).toBe(0);
    expect(guest.load(guest.kva(copy), 4)).toBe(0x77n);
    expect(guest.mmuext(CLEAR_PAGE, guest.dFrame)).toBe(0);
    expect(guest.load(guest.kva(guest.d), 4)).toBe(0n);
  });

  it('#80: MARK_SUPER and UNMARK_SUPER', () => {
    for (const command of [MARK_SUPER, UNMARK_SUPER])
      expect(guest.mmuext(command, guest.dFrame)).toBe(modern ? -ERRNO.EOPNOTSUPP : ENOSYS);
  });

  it('#81: the command that was never given out', () => {
    expect(guest.mmuext(14)).toBe(ENOSYS);
    expect(guest.rule).toBe('mmuext_op.command');
  });

  it('#82: bit 31 of count: the call goes on where *pdone says', () => {
    guest.mustStore(guest.scratch, 8, leafAddress());
    guest.mustStore(guest.scratch + 8n, 8, guest.entry(guest.dFrame, P | A));
    const doneAt = guest.scratch + 4088n;
    guest.mustStore(doneAt, 4, 5n);
    expect(guest.call(MMU_UPDATE, guest.scratch, 0x8000_0001, doneAt, DOMID.SELF)).toBe(0);
    expect(guest.load(doneAt, 4)).toBe(6n);
    expect(guest.call(MMU_UPDATE, 0, 0x8000_0000, 0, 77)).toBe(77);
  });

  it('#110: a batch stops at the first failure; what came before stays', () => {
    const address = leafAddress();
    const bad = guest.entry(guest.hv.machine.m2pBase, DATA_FLAGS);
    const outcome = guest.mmuUpdate([
      [address, guest.entry(guest.dFrame, P | A)],
      [address, bad],
      [address, 0n],
    ]);
    expect(outcome).toEqual({ rc: guest.error('EBUSY'), done: 1 });
    expect(guest.hv.lastRefusal?.requestIndex).toBe(1);
    expect(guest.counts(guest.dFrame)).toBe('2/0 writable');
  });

  it('#111: a *pdone that cannot be written is passed over', () => {
    guest.mustStore(guest.scratch, 8, leafAddress());
    guest.mustStore(guest.scratch + 8n, 8, guest.entry(guest.dFrame, P | A));
    expect(guest.call(MMU_UPDATE, guest.scratch, 1, guest.unmapped, DOMID.SELF)).toBe(0);
    expect(guest.counts(guest.dFrame)).toBe('2/0 writable');
  });

  it('A and D are kept by PRESERVE_AD alone', () => {
    if (!modern) return;
    const { table, slot } = guest.leaf;
    guest.update(table, slot, guest.entry(guest.dFrame, P | RW | A | D));
    guest.update(table, slot, guest.entry(guest.dFrame, P | RW), 2n);
    expect(guest.readEntry(table, slot) & BigInt(A | D)).toBe(BigInt(A | D));
    guest.update(table, slot, guest.entry(guest.dFrame, P | RW));
    expect(guest.readEntry(table, slot) & BigInt(A | D)).toBe(0n);
  });

  it('arrays that cannot be read', () => {
    expect(guest.call(MMU_UPDATE, guest.unmapped, 1, 0, DOMID.SELF)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('mmu_update.requests');
    expect(guest.call(MMU_UPDATE, guest.abi.xenHole.from, 1, 0, DOMID.SELF)).toBe(-ERRNO.EFAULT);
    expect(guest.call(26, guest.unmapped, 1, 0, DOMID.SELF)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('mmuext_op.operations');
  });

  it('every refusal has a full sentence, and none is left after a success', () => {
    guest.link();
    const refusal = guest.hv.lastRefusal;
    expect(refusal?.message).not.toMatch(/[{}]|undefined|NaN/);
    expect(refusal?.xenPrints).toMatch(/^Bad type \(saw 0x[0-9a-f]+ != exp 0x2000000000000000\)/);
    expect(guest.map(guest.dFrame)).toBe(0);
    expect(guest.hv.lastRefusal).toBeNull();
  });

  it('unknown hypercalls, and those that the model has not', () => {
    expect(guest.call(11)).toBe(ENOSYS);
    expect(guest.rule).toBe('hypercall.unknown');
    expect(guest.call(34)).toBe(ENOSYS);
    expect(guest.rule).toBe('hypercall.not-modelled');
  });

  it('#57, #59: a mapped page given back, twice: both count as done, the frame stays until its mapping goes', () => {
    const frame = guest.dFrame;
    expect(guest.memoryOp(1, [frame]).rc).toBe(1);
    expect(guest.memoryOp(1, [frame]).rc).toBe(1);
    expect(guest.counts(frame)).toBe('1/1 writable');
    expect(guest.vaMapping(guest.kva(guest.d), 0n)).toBe(0);
    expect(guest.hv.heap.isFree(frame)).toBe(true);
  });

  it('#58: a pinned table given back: its pin keeps it, but 3.0.4 unpins it', () => {
    guest.linkTable();
    const frame = guest.mFrame;
    guest.mmuext(PIN_L1, frame);
    expect(guest.memoryOp(1, [frame]).rc).toBe(1);
    expect(guest.counts(frame)).toBe(modern ? '3/2 l1 pinned' : '2/1 l1');
    if (modern) expect(guest.mmuext(UNPIN, frame)).toBe(0);
    guest.vaMapping(guest.kva(guest.m), 0n);
    expect(guest.update(guest.parent.table, guest.parent.slot, 0n)).toBe(0);
    expect(guest.hv.heap.isFree(frame)).toBe(true);
  });

  it('#60: a frame of somebody else ends the list', () => {
    const { machine } = guest.hv;
    expect(guest.memoryOp(1, [guest.dFrame, machine.m2pBase, guest.mFrame]).rc).toBe(1);
    expect(guest.rule).toBe('memory_op.not-owned');
    expect(guest.counts(guest.mFrame)).toBe('2/1 writable');
    expect(guest.memoryOp(1, [machine.maxPage]).rc).toBe(0);
    expect(guest.rule).toBe('memory_op.invalid-frame');
  });

  it('giving the shared info page back leaves it to Xen', () => {
    const pages = guest.domain.totPages;
    expect(guest.memoryOp(1, [guest.layout.sharedInfo]).rc).toBe(1);
    expect(guest.counts(guest.layout.sharedInfo)).toBe('0/1 writable');
    expect(guest.domain.totPages).toBe(pages);
  });

  it('INVLPG of any address, and an LDT without entries, are accepted', () => {
    for (const command of [INVLPG_LOCAL, INVLPG_ALL]) expect(guest.mmuext(command, guest.kva(0))).toBe(0);
    expect(guest.mmuext(SET_LDT, modern ? 0x1001 : 0x1000, 0)).toBe(0);
  });

  it('#61: the root given back stays alive by its pin and by CR3', () => {
    const { root } = guest;
    expect(guest.memoryOp(1, [root]).rc).toBe(1);
    const level = guest.abi.rootLevel;
    expect(guest.counts(root)).toBe(modern ? `3/2 l${level} pinned` : `2/1 l${level}`);
    expect(guest.load(guest.kva(0), 4)).toBe(0n);
  });
});
