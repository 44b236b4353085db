import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../core/hypervisor/errno.ts';
import type { HypervisorObserver } from '../../../core/hypervisor/types.ts';
import { A, D, P, RW, US } from '../../../core/pte.ts';
import { DOMID } from '../../../core/units.ts';
import { Guest, TABLE_FLAGS } from './guest.ts';

describe.each(['x86_64', 'x86_32p', 'x86_32'] as const)('other hypercalls on %s', (abi) => {
  let guest: Guest;
  let texts: string[];

  const listen = (observer: HypervisorObserver) => {
    guest.hv.observer = observer;
  };

  beforeEach(() => {
    guest = new Guest({ abi });
    texts = [];
    listen({ consoleWritten: (_, text) => texts.push(text) });
  });

  const putText = (va: bigint, text: string) =>
    [...text].forEach((c, i) => guest.mustStore(va + BigInt(i), 1, BigInt(c.charCodeAt(0))));

  it('console_io writes for the hardware domain', () => {
    guest = new Guest({ abi, spec: { role: 'hardware' } });
    listen({ consoleWritten: (_, text) => texts.push(text) });
    putText(guest.scratch, 'hello\n');
    expect(guest.call(18, 0, 6, guest.scratch)).toBe(0);
    expect(texts).toEqual(['hello\n']);
    expect(guest.call(18, 0, 6, guest.unmapped)).toBe(-ERRNO.EFAULT);
    expect(guest.call(18, 9, 6, guest.scratch)).toBe(-ERRNO.ENOSYS);
  });

  it('console_io is refused to a domU', () => {
    expect(guest.call(18, 0, 0, guest.scratch)).toBe(-ERRNO.EPERM);
    expect(guest.rule).toBe('console_io.permission');
  });

  it('a domU writes to its console ring and notifies port 2', () => {
    const { startInfo } = guest.abi;
    const info = guest.layout.startInfo;
    const port = guest.load(info + BigInt(startInfo.consoleEvtchn.offset), 4);
    const ringPfn = guest.layout.parts.find((part) => part.name === 'console ring')?.from ?? 0;
    const ring = guest.kva(ringPfn);
    for (const text of ['Xen Minimal OS!\n', 'and more']) {
      const producer = guest.load(ring + 3084n, 4);
      putText(ring + 1024n + producer, text);
      guest.mustStore(ring + 3084n, 4, producer + BigInt(text.length));
      guest.mustStore(guest.scratch, 4, port);
      expect(guest.call(32, 4, guest.scratch)).toBe(0);
    }
    expect(texts).toEqual(['Xen Minimal OS!\n', 'and more']);
    expect(guest.load(ring + 3080n, 4)).toBe(24n);
    guest.mustStore(guest.scratch, 4, 9n);
    expect(guest.call(32, 4, guest.scratch)).toBe(-ERRNO.EINVAL);
    expect(guest.call(32, 40, guest.scratch)).toBe(-ERRNO.ENOSYS);
    expect(guest.call(32, 4, guest.unmapped)).toBe(-ERRNO.EFAULT);
  });

  it('sched_op shuts down with the reason the guest gives', () => {
    guest.mustStore(guest.scratch, 4, 0n);
    expect(guest.call(29, 2, guest.scratch)).toBe(0);
    expect(guest.domain.state).toEqual({ kind: 'shutdown', reason: 0 });
  });

  it('sched_op: yield, block, a bad pointer, an unknown command', () => {
    expect(guest.call(29, 0)).toBe(0);
    expect(guest.call(29, 1)).toBe(0);
    expect(guest.call(29, 2, guest.unmapped)).toBe(-ERRNO.EFAULT);
    expect(guest.call(29, 77)).toBe(-ERRNO.ENOSYS);
  });

  it('vm_assist knows its types and commands', () => {
    expect(guest.call(21, 0, 2)).toBe(0);
    expect(guest.domain.hasAssist(2)).toBe(true);
    expect(guest.call(21, 1, 2)).toBe(0);
    expect(guest.domain.hasAssist(2)).toBe(false);
    expect(guest.call(21, 0, 31)).toBe(-ERRNO.EINVAL);
    expect(guest.call(21, 5, 2)).toBe(-ERRNO.ENOSYS);
  });

  it('xen_version tells the rule set', () => {
    expect(guest.call(17, 0)).toBe(guest.hv.options.xen === '4.17' ? 0x4_0011 : 0x3_0000);
    expect(guest.call(17, 7, 0)).toBe(4096);
    expect(guest.call(17, 7, guest.scratch)).toBe(-ERRNO.EINVAL);
    expect(guest.call(17, 99)).toBe(-ERRNO.ENOSYS);
    expect(guest.call(17, 1, guest.scratch)).toBe(0);
    expect(guest.call(17, 1, guest.unmapped)).toBe(-ERRNO.EFAULT);
    const textAt = (offset: number, length: number) =>
      String.fromCharCode(
        ...Array.from({ length }, (_, i) => Number(guest.load(guest.scratch + BigInt(offset + i), 1))),
      );
    expect(guest.call(17, 2, guest.scratch)).toBe(0);
    expect(textAt(64, 9)).toBe('xenscope\0');
    expect(guest.call(17, 4, guest.scratch)).toBe(0);
    expect(textAt(0, 12)).toBe('unavailable\0');
    expect(guest.call(17, 8, guest.scratch)).toBe(0);
    expect(guest.load(guest.scratch + 15n, 1)).toBe(BigInt(guest.domain.id));
    const modern = guest.hv.options.xen === '4.17';
    expect(guest.call(17, 9, guest.scratch)).toBe(modern ? 0 : -ERRNO.ENOSYS);
    if (modern) expect(textAt(0, 9)).toBe('<denied>\0');
  });

  it('memory_op answers the size queries', () => {
    guest.mustStore(guest.scratch, 2, BigInt(DOMID.SELF));
    expect(guest.call(12, 2)).toBe(guest.hv.machine.maxPage);
    expect(guest.call(12, 3, guest.scratch)).toBe(4096);
    expect(guest.call(12, 4, guest.scratch)).toBe(4096);
    expect(guest.call(12, 12, guest.scratch)).toBe(0);
    expect(guest.load(guest.scratch, guest.abi.wordBytes)).toBe(guest.abi.m2pWindow.start);
    expect(guest.call(12, 8, guest.scratch)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('memory_op.not-modelled');
    expect(guest.call(12, 63, guest.scratch)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('memory_op.command');
  });

  it('increase_reservation gives frames without M2P entries', () => {
    guest.memoryOp(1, [guest.p2m(guest.domain.nrPages - 1)]);
    const { rc, list } = guest.memoryOp(0, [0]);
    expect(rc).toBe(1);
    expect(guest.hv.machine.m2p(list[0] as never)).toBe(0xffff_ffff);
  });

  it('orders above the limit, and foreign domains, do nothing', () => {
    const modern = guest.hv.options.xen === '4.17';
    expect(guest.memoryOp(6, [5], 20).rc).toBe(0);
    expect(guest.rule).toBe('memory_op.order');
    expect(guest.memoryOp(6, [5], 0, 99).rc).toBe(modern ? 0 : -ERRNO.ESRCH);
    expect(guest.rule).toBe('memory_op.domain');
    const other = new Guest({ hv: guest.hv, spec: { memoryBytes: 4 * 2 ** 20 } });
    expect(guest.memoryOp(6, [5], 0, other.domain.id).rc).toBe(modern ? 0 : -ERRNO.EPERM);
    expect(guest.memoryOp(1, [], 0, guest.domain.id).rc).toBe(0);
  });

  it('multicall runs its list; a failure is only in its entry', () => {
    const word = guest.abi.wordBytes;
    const list = guest.scratch + 512n;
    const put = (entry: number, values: (bigint | number)[]) =>
      values.forEach((value, i) =>
        guest.mustStore(list + BigInt((entry * 8 + i) * word), word, BigInt(value)),
      );
    put(0, [21, 0, 0, 31, 0, 0, 0, 0]);
    put(1, [21, 0, 0, 2, 0, 0, 0, 0]);
    put(2, [13, 0, 0, 0, 0, 0, 0, 0]);
    expect(guest.call(13, list, 3)).toBe(0);
    const result = (entry: number) =>
      Number(BigInt.asIntN(32, guest.load(list + BigInt((entry * 8 + 1) * word), word)));
    expect([0, 1, 2].map(result)).toEqual([-ERRNO.EINVAL, 0, -ERRNO.EINVAL]);
    expect(guest.domain.hasAssist(2)).toBe(true);
    expect(guest.call(13, guest.unmapped, 1)).toBe(-ERRNO.EFAULT);
  });

  it('set_gdt: too many entries, an unreadable list, a writable page', () => {
    expect(guest.call(2, guest.scratch, 7169)).toBe(-ERRNO.EINVAL);
    expect(guest.call(2, guest.unmapped, 512)).toBe(-ERRNO.EFAULT);
    guest.mustStore(guest.scratch, guest.abi.wordBytes, BigInt(guest.p2m(guest.fresh())));
    expect(guest.call(2, guest.scratch, 512)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('set_gdt.frame');
    expect(guest.call(2, 0, 0)).toBe(0);
  });

  it('update_va_mapping maps shared_info by its machine frame', () => {
    const page = guest.fresh();
    expect(guest.vaMapping(guest.kva(page), guest.entry(guest.layout.sharedInfo, P | RW | A | D))).toBe(0);
    expect(guest.counts(guest.layout.sharedInfo)).toBe('2/2 writable');
    expect(guest.load(guest.kva(page) + BigInt(guest.abi.sharedInfo.upcallMask.offset), 1)).toBe(1n);
  });

  it('an observer hears of entry, refusal and return', () => {
    const heard: string[] = [];
    listen({
      hypercallEntered: (vcpu, nr) => heard.push(`${vcpu.name} enters ${nr}`),
      refused: (_, refusal) => heard.push(refusal.rule),
      hypercallReturned: (_, nr, rc) => heard.push(`${nr} returns ${rc}`),
    });
    guest.call(21, 0, 31);
    expect(heard).toEqual(['d1v0 enters 21', 'vm_assist.type', '21 returns -22']);
  });
});

describe('roots of x86_64', () => {
  let guest: Guest;
  const M2P_SLOT = 256;

  /** A pinned root that shares the kernel's entries with the present one. */
  const newRoot = () => {
    const page = guest.fresh();
    for (const slot of [511])
      guest.mustStore(guest.kva(page) + BigInt(slot * 8), 8, guest.readEntry(guest.root, slot));
    guest.makeReadOnly(page);
    expect(guest.mmuext(3, guest.p2m(page))).toBe(0);
    return guest.p2m(page);
  };

  beforeEach(() => {
    guest = new Guest();
  });

  it('the M2P slot is empty at promotion and filled when the root is loaded', () => {
    const root = newRoot();
    expect(guest.readEntry(root, M2P_SLOT)).toBe(0n);
    expect(guest.mmuext(5, root)).toBe(0);
    expect(guest.readEntry(root, M2P_SLOT)).not.toBe(0n);
  });

  it('a user root takes references; the same one again, and 0, are accepted', () => {
    const root = newRoot();
    expect(guest.mmuext(15, root)).toBe(0);
    expect(guest.counts(root)).toBe('4/2 l4 pinned');
    expect(guest.mmuext(15, root)).toBe(0);
    expect(guest.counts(root)).toBe('4/2 l4 pinned');
    expect(guest.mmuext(15, 0)).toBe(0);
    expect(guest.counts(root)).toBe('3/1 l4 pinned');
  });

  it('under m2p_strict a user root loses its M2P slot', () => {
    const root = newRoot();
    guest.mmuext(5, root);
    guest.call(21, 0, 32);
    const second = newRoot();
    guest.mmuext(5, second);
    expect(guest.readEntry(root, M2P_SLOT)).not.toBe(0n);
    expect(guest.mmuext(15, root)).toBe(0);
    expect(guest.readEntry(root, M2P_SLOT)).toBe(0n);
  });

  it('a page that is no root is refused as user root', () => {
    expect(guest.mmuext(15, guest.p2m(guest.fresh()))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('user-baseptr.type');
    expect(guest.mmuext(15, guest.hv.machine.m2pBase)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('user-baseptr.owner');
  });

  it('linear entries: one level of nesting, with counters', () => {
    const first = newRoot();
    const second = newRoot();
    expect(guest.update(first, 5, guest.entry(second, P | A))).toBe(0);
    expect(guest.counts(second)).toBe('4/2 l4 pinned');
    expect(guest.update(second, 5, guest.entry(first, P | A))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('linear.nested');
    expect(guest.update(second, 6, guest.entry(second, P | A))).toBe(0);
    expect(guest.update(first, 5, 0n)).toBe(0);
    expect(guest.counts(second)).toBe('3/1 l4 pinned');
    expect(guest.update(second, 5, guest.entry(first, P | A))).toBe(0);
  });

  it('without the boot option linear entries are refused', () => {
    guest = new Guest({ linearPageTables: false });
    expect(guest.update(guest.root, 5, guest.entry(guest.root, P | A))).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('linear.disabled');
  });

  it('RW of a recursive entry cannot be switched on afterwards (XSA-182)', () => {
    expect(guest.update(guest.root, 5, guest.entry(guest.root, P | A | US))).toBe(0);
    expect(guest.update(guest.root, 5, guest.entry(guest.root, P | RW | A | US))).toBe(-ERRNO.EINVAL);
    expect(guest.update(guest.root, 5, guest.entry(guest.root, P | A | US | 0x200))).toBe(0);
  });
});

describe('entries on x86_64', () => {
  it('are adjusted as facts 2.5 says', () => {
    const guest = new Guest();
    const page = guest.fresh();
    const { table, slot } = guest.place(guest.kva(page), 1);
    const readBack = (flags: bigint) => {
      expect(guest.update(table, slot, (BigInt(guest.p2m(page)) << 12n) | flags)).toBe(0);
      return guest.readEntry(table, slot) & 0xfff0_0000_0000_0fffn;
    };
    const kernelMark = 1n << 52n;
    expect(readBack(0x3n)).toBe(0x7n | kernelMark);
    expect(readBack(0x7n)).toBe(0x107n);
    expect(readBack(0x7n | kernelMark)).toBe(0x7n | kernelMark);
    expect(readBack(0x103n)).toBe(0x107n | kernelMark);
    expect(readBack((1n << 63n) | 0x3n)).toBe((1n << 63n) | 0x7n | kernelMark);
  });

  it('keep A and D under PRESERVE_AD', () => {
    const guest = new Guest();
    const page = guest.fresh();
    const { table, slot } = guest.place(guest.kva(page), 1);
    const frame = guest.p2m(page);
    guest.update(table, slot, guest.entry(frame, P | RW | A | D));
    guest.update(table, slot, guest.entry(frame, P | RW), 2n);
    expect(guest.readEntry(table, slot) & BigInt(A | D)).toBe(BigInt(A | D));
    guest.update(table, slot, guest.entry(frame, P | RW), 0n);
    expect(guest.readEntry(table, slot) & BigInt(A | D)).toBe(0n);
  });

  it('bit 62 belongs to a debug hypervisor', () => {
    for (const debug of [false, true]) {
      const guest = new Guest({ debug });
      const page = guest.fresh();
      const { table, slot } = guest.place(guest.kva(page), 1);
      const rc = guest.update(table, slot, guest.entry(guest.p2m(page), P) | (1n << 62n));
      expect(rc).toBe(debug ? -ERRNO.EINVAL : 0);
    }
  });

  it('a promotion that fails at a later slot leaves the type bits, and no references', () => {
    const guest = new Guest();
    const [m, child] = [guest.fresh(), guest.fresh()];
    guest.makeReadOnly(child);
    guest.mustStore(guest.kva(m) + 16n, 8, guest.entry(guest.p2m(child), TABLE_FLAGS));
    guest.mustStore(guest.kva(m) + 72n, 8, guest.entry(guest.hv.machine.m2pBase, TABLE_FLAGS));
    guest.makeReadOnly(m);
    expect(guest.mmuext(1, guest.p2m(m))).toBe(-ERRNO.EINVAL);
    expect(guest.counts(guest.p2m(m))).toBe('2/0 l2');
    expect(guest.counts(guest.p2m(child))).toBe('2/0 l1');
  });

  it('PCD on shared_info needs rights, and then is refused for being Xen memory', () => {
    const guest = new Guest({ spec: { role: 'hardware' } });
    const page = guest.fresh();
    expect(guest.vaMapping(guest.kva(page), guest.entry(guest.layout.sharedInfo, P | RW | 0x10))).toBe(
      -ERRNO.EACCES,
    );
    expect(guest.rule).toBe('l1e.cache-attributes');
    expect(guest.counts(guest.layout.sharedInfo)).toBe('1/1 writable');
  });
});

describe('two domains', () => {
  it('the hardware domain maps and pins what belongs to another by naming it', () => {
    const dom0 = new Guest({ spec: { role: 'hardware', memoryBytes: 8 * 2 ** 20 } });
    const domU = new Guest({ hv: dom0.hv, spec: { memoryBytes: 8 * 2 ** 20 } });
    const page = dom0.fresh();
    const { table, slot } = dom0.place(dom0.kva(page), 1);
    const frame = domU.p2m(domU.fresh());
    const request = [[dom0.entryAddress(table, slot), dom0.entry(frame, P | RW | A)]] as const;
    expect(dom0.mmuUpdate(request).rc).toBe(-ERRNO.EBUSY);
    expect(dom0.mmuUpdate(request, domU.domain.id).rc).toBe(0);
    expect(dom0.counts(frame)).toBe('3/2 writable');
    const own = [[dom0.entryAddress(table, slot), dom0.entry(dom0.p2m(page), P | RW | A)]] as const;
    expect(dom0.mmuUpdate(own, domU.domain.id).rc).toBe(-ERRNO.EBUSY);
    const m = domU.fresh();
    domU.makeReadOnly(m);
    expect(dom0.mmuext(0, domU.p2m(m), 0, domU.domain.id)).toBe(0);
    expect(domU.counts(domU.p2m(m))).toBe('3/1 l1 pinned');
  });

  it('the hardware domain changes tables of another through bits 31:16 of the domain argument', () => {
    const dom0 = new Guest({ spec: { role: 'hardware', memoryBytes: 8 * 2 ** 20 } });
    const domU = new Guest({ hv: dom0.hv, spec: { memoryBytes: 8 * 2 ** 20 } });
    const page = domU.fresh();
    const { table, slot } = domU.place(domU.kva(page), 1);
    const foreign = ((domU.domain.id + 1) << 16) | domU.domain.id;
    expect(dom0.mmuUpdate([[dom0.entryAddress(table, slot), 0n]], foreign).rc).toBe(0);
    expect(domU.counts(domU.p2m(0))).toBe('2/1 writable');
    expect(domU.readEntry(table, slot)).toBe(0n);
  });
});
