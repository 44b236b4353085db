/** The rules that no other test meets, each triggered once. */

import { describe, expect, it } from 'vitest';
import { ERRNO } from '../../../core/hypervisor/errno.ts';
import { R } from '../../../core/machine/registers.ts';
import { A, P, PSE, RW } from '../../../core/pte.ts';
import { DOMID } from '../../../core/units.ts';
import { Guest, TABLE_FLAGS } from './guest.ts';

const refused = (guest: Guest, rc: number, rule: string) => expect([rc, guest.rule]).toEqual([rc, rule]);

describe('rules of batches and domain arguments', () => {
  const hardware = () => new Guest({ spec: { role: 'hardware' } });

  it('mmu_update', () => {
    const dom0 = hardware();
    const other = new Guest({ hv: dom0.hv, spec: { memoryBytes: 4 * 2 ** 20 } });
    const { table, slot } = dom0.place(dom0.kva(0), 2);
    const request = [[dom0.entryAddress(table, slot + 5), 0n]] as const;
    expect(dom0.mmuUpdate(request, other.domain.id).rc).toBe(-ERRNO.EINVAL);
    expect(dom0.rule).toBe('mmu_update.foreign-upper');
    expect(dom0.mmuUpdate([], (78 << 16) | DOMID.SELF).rc).toBe(-ERRNO.ESRCH);
    expect(dom0.rule).toBe('foreign.unknown');
    const m2p = [[1n, 0n]] as const;
    expect(dom0.mmuUpdate(m2p, ((other.domain.id + 1) << 16) | other.domain.id).rc).toBe(-ERRNO.EPERM);
    expect(dom0.rule).toBe('mmu_update.m2p-table-owner');
    expect(dom0.mmuUpdate(m2p).rc).toBe(-ERRNO.EINVAL);
    expect(dom0.rule).toBe('mmu_update.m2p-owner');
  });

  it('mmu_update into a descriptor page', () => {
    const guest = new Guest();
    const page = guest.fresh();
    guest.makeReadOnly(page);
    guest.mustStore(guest.scratch, 8, BigInt(guest.p2m(page)));
    expect(guest.call(2, guest.scratch, 512)).toBe(0);
    expect(guest.update(guest.p2m(page), 0, 0n)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('mmu_update.not-storable');
  });

  it('mmuext_op', () => {
    const guest = new Guest();
    const check = (rc: number, expected: number, rule: string) => {
      expect(rc).toBe(expected);
      expect(guest.rule).toBe(rule);
    };
    check(guest.call(26, guest.unmapped, 1, 0, DOMID.SELF), -ERRNO.EFAULT, 'mmuext_op.operations');
    check(guest.mmuext(5, guest.hv.machine.m2pBase), -ERRNO.EINVAL, 'baseptr.owner');
    check(guest.mmuext(4, guest.hv.machine.m2pBase), -ERRNO.EINVAL, 'unpin.owner');
    check(guest.mmuext(8, 0, guest.unmapped), -ERRNO.EINVAL, 'mmuext_op.flush-bitmap');
    check(guest.mmuext(12), -ERRNO.EACCES, 'mmuext_op.flush-cache');
    check(guest.mmuext(18), -ERRNO.EINVAL, 'mmuext_op.flush-cache-global');
    check(guest.mmuext(20), -ERRNO.EOPNOTSUPP, 'mmuext_op.super');
    check(guest.mmuext(13, 0x1001, 5), -ERRNO.EINVAL, 'set_ldt.arguments');
    check(guest.mmuext(16, guest.root), -ERRNO.EINVAL, 'clear_page.frame');
    check(guest.mmuext(17, guest.p2m(0), guest.hv.machine.m2pBase), -ERRNO.EINVAL, 'copy_page.source');
    check(guest.mmuext(17, guest.root, guest.p2m(0)), -ERRNO.EINVAL, 'copy_page.destination');
    expect(guest.mmuext(13, 0x1001, 0)).toBe(0);
    expect(guest.mmuext(7, guest.kva(0))).toBe(0);
    expect(guest.mmuext(11, guest.kva(0))).toBe(0);
  });

  it('mmuext_op on another domain', () => {
    const dom0 = hardware();
    const other = new Guest({ hv: dom0.hv, spec: { memoryBytes: 4 * 2 ** 20 } });
    expect(dom0.mmuext(5, dom0.root, 0, other.domain.id)).toBe(-ERRNO.EPERM);
    expect(dom0.rule).toBe('mmuext_op.foreign');
  });
});

describe('rules of entries', () => {
  it('upper levels: flags, owner, type', () => {
    const guest = new Guest();
    for (const level of [3, 4]) {
      const { table } = guest.place(guest.kva(0), level);
      const update = (frame: number, flags: number) => guest.update(table, 3, guest.entry(frame, flags));
      expect(update(guest.root, TABLE_FLAGS | PSE)).toBe(-ERRNO.EINVAL);
      expect(guest.rule).toBe(`l${level}e.flags`);
      expect(update(guest.hv.machine.m2pBase, TABLE_FLAGS)).toBe(-ERRNO.EINVAL);
      expect(guest.rule).toBe(`l${level}e.child-owner`);
      expect(update(guest.p2m(0), TABLE_FLAGS)).toBe(-ERRNO.EINVAL);
      expect(guest.rule).toBe(`l${level}e.child-type`);
    }
  });

  it('the invalid frame number', () => {
    const guest = new Guest();
    const { table, slot } = guest.place(guest.kva(0x80), 1);
    expect(guest.update(table, slot, 0x000f_ffff_ffff_f001n)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('l1e.invalid-frame');
  });

  it('update_va_mapping inside a recursive window', () => {
    const guest = new Guest();
    guest.update(guest.root, 5, guest.entry(guest.root, P | A));
    expect(guest.vaMapping((5n << 39n) | (5n << 30n) | (5n << 21n), 0n)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('va_mapping.not-l1');
  });

  it('an unreadable flush bitmap', () => {
    const guest = new Guest();
    refused(
      guest,
      guest.vaMapping(guest.kva(guest.fresh()), 0n, guest.unmapped | 1n),
      'va_mapping.flush-bitmap',
    );
  });

  it('16-bit type counts overflow on 3.0.4', () => {
    const guest = new Guest({ abi: 'x86_32' });
    const page = guest.fresh();
    const frame = guest.p2m(page);
    guest.hv.machine.store.withoutJournal(() => guest.hv.frames.typeCount.set(frame, 0xffff));
    const { table, slot } = guest.place(guest.kva(guest.fresh()), 1);
    guest.mustStore(guest.scratch, 8, guest.entryAddress(table, slot));
    guest.mustStore(guest.scratch + 8n, 8, guest.entry(frame, P | RW));
    const words = Int32Array.from([
      Number(BigInt.asIntN(32, guest.scratch)),
      0,
      1,
      0,
      0,
      0,
      0x7ff0,
      0,
      0,
      0,
      0,
      0,
    ]);
    guest.hv.hypercall(guest.vcpu, 1, words);
    expect(guest.vcpu.regLo(R.rax)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('type.count-overflow');
  });

  it('a bad descriptor', () => {
    const guest = new Guest();
    const page = guest.fresh();
    guest.mustStore(guest.kva(page) + 8n, 8, 0x0000_8900_0000_0067n);
    guest.makeReadOnly(page);
    guest.mustStore(guest.scratch, 8, BigInt(guest.p2m(page)));
    expect(guest.call(2, guest.scratch, 512)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('descriptor.bad');
  });
});

describe('rules of the small calls', () => {
  it('are told with their names', () => {
    const guest = new Guest();
    const check = (rc: number, expected: number, rule: string) => {
      expect(rc).toBe(expected);
      expect(guest.rule).toBe(rule);
    };
    check(guest.call(21, 9, 2), -ERRNO.ENOSYS, 'vm_assist.command');
    check(guest.call(29, 77), -ERRNO.ENOSYS, 'sched_op.command');
    check(guest.call(29, 2, guest.unmapped), -ERRNO.EFAULT, 'sched_op.argument');
    check(guest.call(17, 99), -ERRNO.ENOSYS, 'xen_version.command');
    check(guest.call(17, 7, 1), -ERRNO.EINVAL, 'xen_version.pagesize');
    check(guest.call(17, 3, guest.unmapped), -ERRNO.EFAULT, 'xen_version.argument');
    check(guest.call(13, guest.unmapped, 1), -ERRNO.EFAULT, 'multicall.list');
    check(guest.call(2, guest.scratch, 8000), -ERRNO.EINVAL, 'set_gdt.entries');
    check(guest.call(2, guest.unmapped, 1), -ERRNO.EFAULT, 'set_gdt.list');
    check(guest.call(32, 4, guest.unmapped), -ERRNO.EFAULT, 'event_channel_op.argument');
    check(guest.call(32, 40, guest.scratch), -ERRNO.ENOSYS, 'event_channel_op.command');
    guest.mustStore(guest.scratch, 4, 17n);
    check(guest.call(32, 4, guest.scratch), -ERRNO.EINVAL, 'event_channel_op.port');
    guest.mustStore(guest.scratch, 8, 13n);
    check(guest.call(13, guest.scratch, 1), 0, 'multicall.nested');
  });

  it('memory_op: lists and privilege', () => {
    const guest = new Guest();
    const other = new Guest({ hv: guest.hv, spec: { memoryBytes: 4 * 2 ** 20 } });
    expect(guest.memoryOp(6, [1], 0, other.domain.id).rc).toBe(0);
    expect(guest.rule).toBe('memory_op.privilege');
    guest.memoryOp(1, []);
    guest.mustStore(guest.scratch, 8, guest.unmapped);
    guest.mustStore(guest.scratch + 8n, 8, 1n);
    expect(guest.call(12, 1, guest.scratch)).toBe(0);
    expect(guest.rule).toBe('memory_op.list');
  });

  it('console_io of the hardware domain', () => {
    const guest = new Guest({ spec: { role: 'hardware' } });
    guest.call(18, 0, 6, guest.unmapped);
    expect(guest.rule).toBe('console_io.buffer');
    guest.call(18, 9, 6, guest.scratch);
    expect(guest.rule).toBe('console_io.command');
  });

  it('giving the shared info page back leaves it to Xen', () => {
    const guest = new Guest();
    const pages = guest.domain.totPages;
    expect(guest.memoryOp(1, [guest.layout.sharedInfo]).rc).toBe(1);
    expect(guest.counts(guest.layout.sharedInfo)).toBe('0/1 writable');
    expect(guest.domain.totPages).toBe(pages);
  });
});

describe('crashes', () => {
  const ruleOf = (guest: Guest) => {
    const { state } = guest.domain;
    return state.kind === 'crashed' ? state.crash.rule : state.kind;
  };

  it('an iret frame that cannot be read', () => {
    const guest = new Guest();
    guest.vcpu.setRegValue(R.rsp, guest.unmapped);
    guest.call(23);
    expect(ruleOf(guest)).toBe('iret.frame');
  });

  it('iret to ring 0 on x86_32', () => {
    const guest = new Guest({ abi: 'x86_32' });
    const at = guest.vcpu.getReg(R.rsp) - 16n;
    [0n, 0x1000n, 0xe008n, 0x202n].forEach((word, i) => guest.mustStore(at + BigInt(i * 4), 4, word));
    guest.vcpu.setRegValue(R.rsp, at);
    guest.call(23);
    expect(ruleOf(guest)).toBe('iret.ring');
  });

  it('NEW_BASEPTR of a bad table on 3.0.4', () => {
    const guest = new Guest({ abi: 'x86_32' });
    guest.mmuext(5, guest.p2m(guest.fresh()));
    expect(ruleOf(guest)).toBe('baseptr.fatal');
  });
});
