import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../core/hypervisor/errno.ts';
import { R } from '../../../core/machine/registers.ts';
import { A, P, RW } from '../../../core/pte.ts';
import { highWord, joinWords, lowWord } from '../../../core/units.ts';
import { Guest } from './guest.ts';

const PAGE_FAULT = 14;
const HANDLER = 0x4000n;

describe.each(['x86_64', 'x86_32p', 'x86_32'] as const)('traps on %s', (abi) => {
  let guest: Guest;
  const word = () => guest.abi.wordBytes;

  beforeEach(() => {
    guest = new Guest({ abi });
  });

  const handler = () => guest.layout.virtBase + HANDLER;

  function setHandler(vector: number, address: bigint, flags = 0) {
    const { trapInfo, selectors } = guest.abi;
    guest.mustStore(guest.scratch, 4, BigInt(vector | (flags << 8) | (selectors.kernelCs << 16)));
    guest.mustStore(guest.scratch + BigInt(trapInfo.address.offset), trapInfo.address.bytes, address);
    const next = guest.scratch + BigInt(trapInfo.bytes);
    guest.mustStore(next, 4, 0n);
    guest.mustStore(next + BigInt(trapInfo.address.offset), trapInfo.address.bytes, 0n);
    return guest.call(0, guest.scratch);
  }

  /** Makes a faulting load and has Xen deliver the fault. */
  function fault(va: bigint, access: 'load' | 'store' = 'load') {
    const done =
      access === 'load'
        ? guest.vcpu.mmu.load(lowWord(va), highWord(va), 4)
        : guest.vcpu.mmu.store(lowWord(va), highWord(va), 4, 7, 0);
    expect(done).toBe(false);
    return guest.hv.deliverPageFault(guest.vcpu);
  }

  const frameWord = (index: number) => guest.load(guest.vcpu.getReg(R.rsp) + BigInt(index * word()), word());

  it('a page fault reaches the handler by a bounce frame', () => {
    setHandler(PAGE_FAULT, handler());
    const rip = guest.vcpu.getReg(R.rip);
    const rsp = guest.vcpu.getReg(R.rsp);
    expect(fault(guest.unmapped)).toBe('delivered');
    expect(guest.vcpu.getReg(R.rip)).toBe(handler());
    const error = abi === 'x86_64' ? 2 : 0;
    expect(frameWord(error)).toBe(0n);
    expect(frameWord(error + 1)).toBe(rip);
    if (abi === 'x86_64') {
      expect(frameWord(error + 2)).toBe((1n << 32n) | 0xe030n);
      expect(frameWord(error + 4)).toBe(rsp);
      expect(frameWord(error + 5)).toBe(0xe02bn);
      expect(guest.vcpu.getReg(R.rsp)).toBe(rsp - 64n);
    } else {
      expect(frameWord(error + 2)).toBe(0x1_e019n);
      expect(guest.vcpu.getReg(R.rsp)).toBe(rsp - 16n);
    }
    expect(frameWord(error + 3) & 0x200n).toBe(0n);
  });

  it('the address of the fault is in the shared info page', () => {
    setHandler(PAGE_FAULT, handler());
    const va = guest.unmapped + 0x123n;
    fault(va, 'store');
    const info = guest.layout.sharedInfo;
    const at = guest.abi.sharedInfo.cr2.offset / 4;
    const lo = guest.hv.memory.readWord(info, at);
    const hi = abi === 'x86_64' ? guest.hv.memory.readWord(info, at + 1) : 0;
    expect(joinWords(lo, hi)).toBe(va);
    expect(frameWord(abi === 'x86_64' ? 2 : 0)).toBe(2n);
  });

  it('a store to a read-only page has error code P and W', () => {
    setHandler(PAGE_FAULT, handler());
    fault(guest.layout.ptBase, 'store');
    expect(frameWord(abi === 'x86_64' ? 2 : 0)).toBe(3n);
  });

  it('iret returns to what the frame says, with the stack as it was', () => {
    setHandler(PAGE_FAULT, handler());
    const { vcpu } = guest;
    const before = [vcpu.getReg(R.rip), vcpu.getReg(R.rsp), vcpu.getReg(R.cs)];
    fault(guest.unmapped);
    const error = abi === 'x86_64' ? 2 : 0;
    const words = abi === 'x86_64' ? 5 : 3;
    const saved = Array.from({ length: words }, (_, i) => frameWord(error + 1 + i));
    const frame = abi === 'x86_64' ? [0x11n, 0x22n, 0x33n, 0n, ...saved] : [0x11n, ...saved];
    const base = vcpu.getReg(R.rsp) + BigInt((error + 1 + words - frame.length) * word());
    frame.forEach((value, i) => guest.mustStore(base + BigInt(i * word()), word(), value));
    vcpu.setRegValue(R.rsp, base);
    guest.call(23);
    const after = [vcpu.getReg(R.rip), vcpu.getReg(R.rsp), vcpu.getReg(R.cs)];
    expect(after).toEqual(before);
    expect(vcpu.getReg(R.rax)).toBe(0x11n);
  });

  it('no handler: the domain crashes and says why, with the walk', () => {
    expect(fault(guest.unmapped)).toBe('crashed');
    const { state } = guest.domain;
    if (state.kind !== 'crashed') throw new Error('not crashed');
    expect(state.crash.rule).toBe('trap.no-handler');
    expect(state.crash.message).toContain(`#PF at 0x${guest.unmapped.toString(16)}`);
    expect(state.crash.walk.at(-1)).toMatch(/^L\d\[0x[0-9a-f]+\] = 0x0 /);
  });

  it('set_trap_table(NULL) takes all handlers away', () => {
    setHandler(PAGE_FAULT, handler());
    expect(guest.call(0, 0)).toBe(0);
    expect(fault(guest.unmapped)).toBe('crashed');
  });

  it('an unmapped kernel stack crashes the domain', () => {
    setHandler(PAGE_FAULT, handler());
    guest.vcpu.setRegValue(R.rsp, guest.unmapped + 0x1000n);
    expect(fault(guest.unmapped)).toBe('crashed');
    const { state } = guest.domain;
    expect(state.kind === 'crashed' && state.crash.rule).toBe('trap.bad-stack');
    expect(state.kind === 'crashed' && state.crash.message).toContain('is not mapped');
  });

  it('a kernel stack given away as read-only page crashes the domain', () => {
    setHandler(PAGE_FAULT, handler());
    const stack = guest.fresh();
    guest.makeReadOnly(stack);
    guest.vcpu.setRegValue(R.rsp, guest.kva(stack + 1));
    expect(fault(guest.unmapped)).toBe('crashed');
    const { state } = guest.domain;
    expect(state.kind === 'crashed' && state.crash.message).toContain('is mapped read-only');
  });

  it('handlers that fault again nest until the stack runs out', () => {
    setHandler(PAGE_FAULT, handler());
    let nested = 0;
    guest.vcpu.setRegValue(R.rsp, guest.layout.virtBase + 0x1000n);
    while (guest.domain.isRunning && nested < 1000) {
      guest.vcpu.mmu.load(lowWord(guest.unmapped), highWord(guest.unmapped), 4);
      guest.hv.deliverPageFault(guest.vcpu);
      nested++;
    }
    expect(nested).toBe(0x1000 / (abi === 'x86_64' ? 64 : 16) + 1);
    expect(guest.domain.state.kind).toBe('crashed');
  });

  it('flag bit 2 of a trap entry masks events', () => {
    setHandler(PAGE_FAULT, handler(), 4);
    const at = guest.abi.sharedInfo.upcallMask.offset;
    guest.hv.memory.writeBytes(guest.layout.sharedInfo, at, Uint8Array.of(0));
    fault(guest.unmapped);
    expect(guest.hv.memory.readByte(guest.layout.sharedInfo, at)).toBe(1);
    expect(frameWord((abi === 'x86_64' ? 2 : 0) + 3) & 0x200n).toBe(0x200n);
  });

  it('an unreadable trap table is refused after the entries before it', () => {
    expect(guest.call(0, guest.unmapped)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('set_trap_table.read');
  });
});

describe('traps on x86_64 alone', () => {
  it('a non-canonical handler is refused', () => {
    const guest = new Guest();
    guest.mustStore(guest.scratch, 4, 14n);
    guest.mustStore(guest.scratch + 8n, 8, 0x1234_0000_0000_0000n);
    expect(guest.call(0, guest.scratch)).toBe(-ERRNO.EINVAL);
    expect(guest.rule).toBe('set_trap_table.address');
  });

  it('iret to user mode without a user root crashes the domain', () => {
    const guest = new Guest();
    const rsp = guest.vcpu.getReg(R.rsp) - 72n;
    const frame = [0n, 0n, 0n, 0n, 0x1000n, 0xe033n, 0x202n, 0x2000n, 0xe02bn];
    frame.forEach((value, i) => guest.mustStore(rsp + BigInt(i * 8), 8, value));
    guest.vcpu.setRegValue(R.rsp, rsp);
    guest.call(23);
    const { state } = guest.domain;
    expect(state.kind === 'crashed' && state.crash.rule).toBe('iret.no-user-root');
  });

  it('a stack in the range of Xen crashes the domain', () => {
    const guest = new Guest();
    guest.mustStore(guest.scratch, 4, 14n);
    guest.mustStore(guest.scratch + 8n, 8, guest.layout.virtBase);
    guest.mustStore(guest.scratch + 24n, 8, 0n);
    guest.call(0, guest.scratch);
    guest.vcpu.setRegValue(R.rsp, 0xffff_8000_0000_1000n);
    guest.vcpu.mmu.load(0x1000, 0, 4);
    expect(guest.hv.deliverPageFault(guest.vcpu)).toBe('crashed');
    const { state } = guest.domain;
    expect(state.kind === 'crashed' && state.crash.rule).toBe('trap.stack-in-xen');
  });
});

describe('writable page tables', () => {
  /** The hardware domain's store to the L1 entry that maps one of its own pages. */
  const storeToPte = (guest: Guest, value: bigint) => {
    const page = guest.fresh();
    const { table, slot } = guest.place(guest.kva(page), 1);
    const tablePage = Number(
      guest.load(guest.abi.m2pWindow.start + BigInt(table * guest.abi.wordBytes), guest.abi.wordBytes),
    );
    const at = guest.kva(tablePage) + BigInt(slot * guest.abi.entryBytes);
    const stored = guest.store(at, guest.abi.entryBytes, value);
    return { page, table, slot, stored, outcome: stored ? null : guest.hv.deliverPageFault(guest.vcpu) };
  };

  it('the hardware domain may store to its L1 entries: Xen carries it out, checked', () => {
    const guest = new Guest({ spec: { role: 'hardware' } });
    const { page, outcome, table, slot } = storeToPte(guest, 0n);
    expect(outcome).toBe('emulated');
    expect(guest.readEntry(table, slot)).toBe(0n);
    expect(guest.counts(guest.p2m(page))).toBe('1/0 writable');
  });

  it('a domU without the assist gets the fault', () => {
    const guest = new Guest();
    expect(storeToPte(guest, 0n).outcome).toBe('crashed');
  });

  it('a domU with the assist is emulated', () => {
    const guest = new Guest({ abi: 'x86_32' });
    expect(guest.call(21, 0, 2)).toBe(0);
    expect(storeToPte(guest, 0n).outcome).toBe('emulated');
  });

  it('a store that would map a table writable is an ordinary fault', () => {
    const guest = new Guest({ spec: { role: 'hardware' } });
    const outcome = storeToPte(guest, guest.entry(guest.root, P | RW | A)).outcome;
    expect(outcome).toBe('crashed');
    expect(guest.rule).toBe('l1e.writable-type');
  });
});
