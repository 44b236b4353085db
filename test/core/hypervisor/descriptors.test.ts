/** GDT, LDT and single descriptors (facts 7.5, 8.3), and loading of selectors by the guest's processor. */

import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../core/hypervisor/errno.ts';
import { Control, R } from '../../../core/machine/registers.ts';
import { CONFIGURATIONS, Guest } from './guest.ts';

const EINVAL = -ERRNO.EINVAL;
const SET_LDT = 13;
const NEW_BASEPTR = 5;
/** A present, writable, flat data segment of DPL 0. */
const FLAT_DATA = 0x00cf_9200_0000_ffffn;
const HANDLER = 0x4000n;

describe.each(CONFIGURATIONS)('descriptor tables on $abi under Xen $xen', ({ abi, xen }) => {
  let guest: Guest;
  const rpl = abi === 'x86_64' ? 3n : 1n;
  const withDpl = (descriptor: bigint, dpl: bigint) => (descriptor & ~(3n << 45n)) | (dpl << 45n);

  beforeEach(() => {
    guest = new Guest({ abi, xen });
  });

  const setGdt = (page: number, entries = 512) => {
    guest.mustStore(guest.scratch, guest.abi.wordBytes, BigInt(guest.p2m(page)));
    return guest.call(2, guest.scratch, entries);
  };
  const updateDescriptor = (address: bigint, descriptor: bigint) =>
    guest.abi.wordBytes === 8
      ? guest.call(10, address, descriptor)
      : guest.call(10, address & 0xffff_ffffn, address >> 32n, descriptor & 0xffff_ffffn, descriptor >> 32n);
  const addressOf = (page: number, index: number) => (BigInt(guest.p2m(page)) << 12n) + BigInt(index * 8);
  const read = (page: number, index: number) => guest.load(guest.kva(page) + BigInt(index * 8), 8);
  const setLdt = (page: number, entries: number) => guest.mmuext(SET_LDT, guest.kva(page), entries);
  /** Installs handlers for #NP, #GP and #PF. */
  const installHandlers = () => {
    const { trapInfo, selectors } = guest.abi;
    [11, 13, 14, null].forEach((vector, i) => {
      const at = guest.scratch + BigInt(i * trapInfo.bytes);
      guest.mustStore(at, 4, BigInt((vector ?? 0) | (selectors.kernelCs << 16)));
      const handler = vector === null ? 0n : guest.layout.virtBase + HANDLER + BigInt(vector);
      guest.mustStore(at + BigInt(trapInfo.address.offset), trapInfo.address.bytes, handler);
    });
    expect(guest.call(0, guest.scratch)).toBe(0);
  };
  const trapped = () => Number(guest.vcpu.getReg(R.rip) - guest.layout.virtBase - HANDLER);
  const errorCode = () => {
    const offset = guest.abi.trapFrames.bounce.indexOf('error') * guest.abi.wordBytes;
    return Number(guest.load(guest.vcpu.getReg(R.rsp) + BigInt(offset), 4));
  };

  it('descriptors of a page that joins the GDT get the DPL of the guest kernel', () => {
    const page = guest.fresh();
    guest.mustStore(guest.kva(page) + 8n, 8, FLAT_DATA);
    guest.makeReadOnly(page);
    expect(setGdt(page)).toBe(0);
    expect(read(page, 1) & 0xffff_ff00_0000_0000n).toBe(withDpl(FLAT_DATA, rpl) & 0xffff_ff00_0000_0000n);
    expect(guest.counts(guest.p2m(page))).toBe('3/1 seg_desc');
  });

  it('a new GDT releases the old one; 0 entries release it altogether', () => {
    const [first, second] = [guest.fresh(), guest.fresh()];
    guest.makeReadOnly(first);
    guest.makeReadOnly(second);
    setGdt(first);
    expect(setGdt(second)).toBe(0);
    expect(guest.counts(guest.p2m(first))).toBe('2/0 seg_desc');
    expect(guest.call(2, 0, 0)).toBe(0);
    expect(guest.counts(guest.p2m(second))).toBe('2/0 seg_desc');
  });

  it('a frame that cannot join leaves the old GDT in place', () => {
    const [good, bad] = [guest.fresh(), guest.fresh()];
    guest.makeReadOnly(good);
    setGdt(good);
    guest.mustStore(guest.scratch, guest.abi.wordBytes, BigInt(guest.p2m(good)));
    guest.mustStore(guest.scratch + BigInt(guest.abi.wordBytes), guest.abi.wordBytes, BigInt(guest.p2m(bad)));
    expect(guest.call(2, guest.scratch, 1024)).toBe(EINVAL);
    expect(guest.rule).toBe('set_gdt.frame');
    expect(guest.counts(guest.p2m(good))).toBe('3/1 seg_desc');
  });

  it('update_descriptor stores into a page of the GDT, and into ordinary memory', () => {
    const [gdt, data] = [guest.fresh(), guest.fresh()];
    guest.makeReadOnly(gdt);
    setGdt(gdt);
    for (const page of [gdt, data]) {
      expect(updateDescriptor(addressOf(page, 5), FLAT_DATA)).toBe(0);
      expect((read(page, 5) >> 45n) & 3n).toBe(rpl);
    }
    expect(guest.counts(guest.p2m(gdt))).toBe('3/1 seg_desc');
    expect(guest.counts(guest.p2m(data))).toBe('2/1 writable');
  });

  it('#37: update_descriptor, and not mmu_update, is the way into a page of the GDT', () => {
    const page = guest.fresh();
    guest.makeReadOnly(page);
    setGdt(page);
    expect(guest.update(guest.p2m(page), 3, FLAT_DATA & 0xffff_ffffn)).toBe(EINVAL);
    expect(guest.rule).toBe('mmu_update.not-storable');
    expect(updateDescriptor(addressOf(page, 3), FLAT_DATA)).toBe(0);
  });

  it('update_descriptor: alignment, owner, page tables, bad descriptors', () => {
    const page = guest.fresh();
    expect(updateDescriptor(addressOf(page, 0) + 4n, FLAT_DATA)).toBe(EINVAL);
    expect(guest.rule).toBe('update_descriptor.address');
    expect(updateDescriptor(BigInt(guest.hv.machine.m2pBase) << 12n, FLAT_DATA)).toBe(EINVAL);
    expect(guest.rule).toBe('update_descriptor.owner');
    expect(updateDescriptor(BigInt(guest.root) << 12n, FLAT_DATA)).toBe(EINVAL);
    expect(guest.rule).toBe('update_descriptor.frame');
    expect(updateDescriptor(addressOf(page, 0), 0x0000_8900_0000_0067n)).toBe(EINVAL);
    expect(guest.rule).toBe('descriptor.bad');
    expect(updateDescriptor(addressOf(page, 0), 0x0000_0900_0000_0067n)).toBe(0);
  });

  it('a call gate keeps its DPL in the selector, and may lead only to segments of the guest', () => {
    const page = guest.fresh();
    const gate = (selector: bigint) => (0xec00n << 32n) | (selector << 16n) | 0x1234n;
    expect(updateDescriptor(addressOf(page, 0), gate(0x10n))).toBe(0);
    expect(read(page, 0)).toBe((0x8c00n << 32n) | (0x13n << 16n) | 0x1234n);
    expect(updateDescriptor(addressOf(page, 0), gate(BigInt(guest.abi.selectors.kernelCs)))).toBe(0);
    expect(updateDescriptor(addressOf(page, 0), gate(0xf004n))).toBe(0);
    expect(updateDescriptor(addressOf(page, 0), gate(0xe008n))).toBe(EINVAL);
    expect(guest.rule).toBe('descriptor.bad');
    expect(updateDescriptor(addressOf(page, 0), gate(0x10n) | (0x20n << 32n))).toBe(EINVAL);
  });

  it('64-bit code is for 64-bit guests alone', () => {
    const code = 0x00af_9a00_0000_ffffn;
    expect(updateDescriptor(addressOf(guest.fresh(), 0), code)).toBe(abi === 'x86_64' ? 0 : EINVAL);
  });

  it('#77, #78: a GDT page is mapped writable neither before nor after', () => {
    const page = guest.fresh();
    expect(setGdt(page)).toBe(EINVAL);
    expect(guest.rule).toBe('set_gdt.frame');
    guest.makeReadOnly(page);
    setGdt(page);
    expect(guest.makeWritable(page)).toBe(xen === '4.17' ? -ERRNO.EBUSY : EINVAL);
    expect(guest.rule).toBe('l1e.writable-type');
  });

  it('a selector loads from the GDT; an empty or missing entry is #GP with the selector', () => {
    installHandlers();
    const page = guest.fresh();
    guest.mustStore(guest.kva(page) + 8n, 8, FLAT_DATA);
    guest.makeReadOnly(page);
    setGdt(page);
    expect(guest.hv.loadSegment(guest.vcpu, 'ds', 0x0b)).toBe('loaded');
    expect(guest.vcpu.regLo(R.ds)).toBe(0x0b);
    expect(guest.hv.loadSegment(guest.vcpu, 'es', 0)).toBe('loaded');
    expect(guest.hv.loadSegment(guest.vcpu, 'es', guest.abi.selectors.userSs)).toBe('loaded');
    for (const selector of [0x13, 0x2003, 0xe00b]) {
      expect(guest.hv.loadSegment(guest.vcpu, 'fs', selector)).toBe('delivered');
      expect([trapped(), errorCode()]).toEqual([13, selector & ~3]);
    }
  });

  it('a segment that is not present is #NP', () => {
    installHandlers();
    const page = guest.fresh();
    guest.mustStore(guest.kva(page) + 8n, 8, FLAT_DATA & ~(1n << 47n));
    guest.makeReadOnly(page);
    setGdt(page);
    expect(guest.hv.loadSegment(guest.vcpu, 'gs', 0x0b)).toBe('delivered');
    expect(trapped()).toBe(11);
  });

  it('a page of the LDT becomes a descriptor page when a selector is first loaded from it', () => {
    const page = guest.fresh();
    guest.mustStore(guest.kva(page) + 8n, 8, FLAT_DATA);
    guest.makeReadOnly(page);
    expect(setLdt(page, 512)).toBe(0);
    expect(guest.counts(guest.p2m(page))).toBe('2/0 writable');
    expect(guest.hv.loadSegment(guest.vcpu, 'fs', 0x0f)).toBe('loaded');
    expect(guest.counts(guest.p2m(page))).toBe('3/1 seg_desc');
    expect(guest.hv.loadSegment(guest.vcpu, 'fs', 0x0f)).toBe('loaded');
    expect(guest.counts(guest.p2m(page))).toBe('3/1 seg_desc');
    expect(setLdt(page, 0)).toBe(0);
    expect(guest.counts(guest.p2m(page))).toBe('2/0 seg_desc');
  });

  it('another root gives up the LDT pages, too', () => {
    const page = guest.fresh();
    guest.mustStore(guest.kva(page) + 8n, 8, FLAT_DATA);
    guest.makeReadOnly(page);
    setLdt(page, 512);
    guest.hv.loadSegment(guest.vcpu, 'fs', 0x0f);
    expect(guest.mmuext(NEW_BASEPTR, guest.copyRoot())).toBe(0);
    expect(guest.counts(guest.p2m(page)).endsWith('/0 seg_desc')).toBe(true);
  });

  it('#76: an LDT page that is mapped writable: the call succeeds, the first load is #PF at the descriptor', () => {
    installHandlers();
    const page = guest.fresh();
    expect(setLdt(page, 512)).toBe(0);
    expect(guest.hv.loadSegment(guest.vcpu, 'ds', 0x2f)).toBe('delivered');
    expect([trapped(), errorCode()]).toEqual([14, 0]);
    const { cr2 } = guest.abi.sharedInfo;
    const lo = guest.hv.memory.readWord(guest.layout.sharedInfo, cr2.offset / 4) >>> 0;
    expect(BigInt(lo)).toBe((guest.kva(page) + 0x28n) & 0xffff_ffffn);
    expect(guest.counts(guest.p2m(page))).toBe('2/1 writable');
  });

  it('SET_LDT: too many entries, unaligned, outside; selectors past its end are #GP', () => {
    installHandlers();
    const page = guest.fresh();
    for (const [base, entries] of [
      [guest.kva(page), 8193],
      [guest.kva(page) + 8n, 1],
      [guest.abi.xenHole.from, 1],
    ] as const) {
      expect(guest.mmuext(SET_LDT, base, entries)).toBe(EINVAL);
      expect(guest.rule).toBe('set_ldt.arguments');
    }
    guest.makeReadOnly(page);
    setLdt(page, 2);
    expect(guest.hv.loadSegment(guest.vcpu, 'ds', 0x17)).toBe('delivered');
    expect([trapped(), errorCode()]).toEqual([13, 0x14]);
  });
});

describe('flat segments of 32-bit guests', () => {
  it('that reach above the hole of a 64-bit Xen are extended to 4 GiB', () => {
    const guest = new Guest({ abi: 'x86_32p' });
    const page = guest.fresh();
    const limited = 0x00cf_9200_0000_67ffn & ~(0xfn << 48n);
    const old = limited | (0xfn << 48n);
    const address = BigInt(guest.p2m(page)) << 12n;
    expect(guest.call(10, address, 0, old & 0xffff_ffffn, old >> 32n)).toBe(0);
    expect(guest.load(guest.kva(page), 8) & 0x000f_0000_0000_ffffn).toBe(0x000f_0000_0000_ffffn);
    expect(guest.call(10, address, 0, limited & 0xffff_ffffn, limited >> 32n)).toBe(0);
    expect(guest.load(guest.kva(page), 8) & 0x000f_0000_0000_ffffn).toBe(0x67ffn);
  });
});

describe('callbacks and segment bases', () => {
  const put = (guest: Guest, type: number, address: bigint, cs = 0n) => {
    guest.mustStore(guest.scratch, 4, BigInt(type));
    guest.mustStore(guest.scratch + 4n, 4, cs);
    guest.mustStore(guest.scratch + 8n, guest.abi.wordBytes, address);
  };

  it('callback_op installs, replaces and takes away', () => {
    const guest = new Guest();
    put(guest, 0, guest.kva(1));
    expect(guest.call(30, 0, guest.scratch)).toBe(0);
    expect(guest.vcpu.control(Control.eventCallbackLo)).toBe(Number(BigInt.asIntN(32, guest.kva(1))));
    expect(guest.call(30, 1, guest.scratch)).toBe(EINVAL);
    expect(guest.rule).toBe('callback_op.mandatory');
    put(guest, 4, guest.kva(1));
    expect(guest.call(30, 0, guest.scratch)).toBe(0);
    expect(guest.call(30, 1, guest.scratch)).toBe(0);
    expect(guest.vcpu.control(Control.nmiCallbackLo)).toBe(0);
  });

  it('callback_op refuses what does not exist', () => {
    const guest = new Guest();
    put(guest, 6, guest.kva(1));
    expect(guest.call(30, 0, guest.scratch)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('callback_op.type');
    expect(guest.call(30, 9, guest.scratch)).toBe(-ERRNO.ENOSYS);
    expect(guest.rule).toBe('callback_op.command');
    expect(guest.call(30, 0, guest.unmapped)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('callback_op.argument');
    put(guest, 1, 0x1234_0000_0000_0000n);
    expect(guest.call(30, 0, guest.scratch)).toBe(EINVAL);
    expect(guest.rule).toBe('callback_op.address');
  });

  it('a 32-bit guest has no syscall callback, and its selectors get the RPL of the kernel', () => {
    const guest = new Guest({ abi: 'x86_32p' });
    put(guest, 2, guest.kva(1));
    expect(guest.call(30, 0, guest.scratch)).toBe(-ERRNO.ENOSYS);
    put(guest, 1, guest.kva(1), 0x10n);
    expect(guest.call(30, 0, guest.scratch)).toBe(0);
    expect(guest.vcpu.control(Control.failsafeCallbackCs)).toBe(0x11);
  });

  it('3.0.4 has no sysenter callback', () => {
    const guest = new Guest({ xen: '3.0.4' });
    put(guest, 5, guest.kva(1));
    expect(guest.call(30, 0, guest.scratch)).toBe(-ERRNO.ENOSYS);
  });

  it('set_callbacks passes over an address that is not canonical and returns 0', () => {
    const guest = new Guest();
    expect(guest.call(4, guest.kva(1), 0x1234_0000_0000_0000n, guest.kva(2))).toBe(0);
    expect(guest.vcpu.control(Control.eventCallbackLo)).not.toBe(0);
    expect(guest.vcpu.control(Control.failsafeCallbackLo)).toBe(0);
    expect(guest.vcpu.control(Control.syscallCallbackLo)).not.toBe(0);
    const small = new Guest({ abi: 'x86_32' });
    expect(small.call(4, 0x10n, small.kva(1), 0x10n, small.kva(2))).toBe(0);
    expect(small.vcpu.control(Control.eventCallbackCs)).toBe(0x11);
  });

  it('set_segment_base knows four bases of 64-bit guests', () => {
    const guest = new Guest();
    expect([0, 1, 2].map((which) => guest.call(25, which, guest.kva(0)))).toEqual([0, 0, 0]);
    expect(guest.call(25, 3, 0x1234_0000_0000_0000n)).toBe(0);
    expect(guest.call(25, 0, 0x1234_0000_0000_0000n)).toBe(EINVAL);
    expect(guest.rule).toBe('set_segment_base.base');
    expect(guest.call(25, 4, 0)).toBe(EINVAL);
    expect(guest.rule).toBe('set_segment_base.which');
    expect(new Guest({ abi: 'x86_32p' }).call(25, 0, 0)).toBe(-ERRNO.ENOSYS);
    const small = new Guest({ abi: 'x86_32' });
    expect(small.call(25, 0, 0)).toBe(-ERRNO.ENOSYS);
    expect(small.rule).toBe('set_segment_base.abi');
  });

  it('fpu_taskswitch sets the virtual CR0.TS', () => {
    const guest = new Guest();
    expect(guest.call(5, 1)).toBe(0);
    expect(guest.vcpu.control(Control.cr0Ts)).toBe(1);
    expect(guest.call(5, 0)).toBe(0);
    expect(guest.vcpu.control(Control.cr0Ts)).toBe(0);
  });
});
