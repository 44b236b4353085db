/** Options of the hypervisor: the L1TF policy, the build, and the assist m2p_strict (facts 2.5, 2.7). */

import { describe, expect, it } from 'vitest';
import { A, P, PSE, RW } from '../../../core/pte.ts';
import { Guest } from './guest.ts';

const PIN_L1 = 0;
const NEW_BASEPTR = 5;
const NEW_USER_BASEPTR = 15;
const M2P_SLOT = 256;
const M2P_STRICT = 32;

describe.each(['x86_64', 'x86_32p'] as const)('the L1TF policy on %s', (abi) => {
  const crashRule = (guest: Guest) => {
    const { state } = guest.domain;
    return state.kind === 'crashed' ? state.crash.rule : state.kind;
  };
  const clear = (guest: Guest, entry: bigint) => {
    const { table, slot } = guest.place(guest.kva(guest.fresh()), 1);
    return guest.update(table, slot, entry);
  };

  it('crash: a frame in an entry without P', () => {
    const guest = new Guest({ abi, l1tf: 'crash' });
    clear(guest, 0x12_3000n);
    expect(crashRule(guest)).toBe('l1tf.entry');
  });

  it('crash: an empty frame field and an inverted frame are safe', () => {
    const guest = new Guest({ abi, l1tf: 'crash' });
    expect(clear(guest, 0xffen)).toBe(0);
    expect(clear(guest, 0x000f_ffff_ffed_c000n)).toBe(0);
    expect(guest.domain.isRunning).toBe(true);
  });

  it('crash: PSE without P in an upper entry', () => {
    const guest = new Guest({ abi, l1tf: 'crash' });
    const { table, slot } = guest.place(guest.unmapped, 2);
    guest.update(table, slot, BigInt(PSE));
    expect(crashRule(guest)).toBe('l1tf.entry');
  });

  it('crash: an entry that a promotion finds', () => {
    const guest = new Guest({ abi, l1tf: 'crash' });
    const page = guest.fresh();
    guest.mustStore(guest.kva(page) + 40n, 8, 0x12_3000n);
    guest.makeReadOnly(page);
    guest.mmuext(PIN_L1, guest.p2m(page));
    expect(crashRule(guest)).toBe('l1tf.entry');
  });

  it('ignored: the entry is stored; and the hardware domain is trusted', () => {
    expect(clear(new Guest({ abi }), 0x12_3000n)).toBe(0);
    expect(clear(new Guest({ abi, l1tf: 'crash', spec: { role: 'hardware' } }), 0x12_3000n)).toBe(0);
  });
});

describe('the build of Xen', () => {
  it.each([
    { debug: false, isPrinted: false },
    { debug: true, isPrinted: true },
  ])('debug $debug: a refusal that only debug builds print', ({ debug, isPrinted }) => {
    const guest = new Guest({ debug });
    guest.mmuext(PIN_L1, guest.p2m(guest.fresh()));
    const refusal = guest.hv.lastRefusal;
    expect(refusal?.xenPrints).toMatch(/^Error -22 while pinning mfn/);
    expect(refusal?.isPrinted).toBe(isPrinted);
  });
});

describe('m2p_strict', () => {
  it('without it the M2P comes into a root with NEW_BASEPTR and stays when it becomes a user root', () => {
    const guest = new Guest();
    const root = guest.copyRoot();
    guest.mmuext(3, root);
    expect(guest.readEntry(root, M2P_SLOT)).toBe(0n);
    const old = guest.root;
    guest.mmuext(NEW_BASEPTR, root);
    expect(guest.readEntry(root, M2P_SLOT) & BigInt(P)).toBe(1n);
    guest.mmuext(NEW_BASEPTR, old);
    guest.mmuext(NEW_USER_BASEPTR, root);
    expect(guest.readEntry(root, M2P_SLOT) & BigInt(P)).toBe(1n);
  });

  it('with it the M2P is there from promotion on, and is taken out of user roots for good', () => {
    const guest = new Guest();
    expect(guest.call(21, 0, M2P_STRICT)).toBe(0);
    const root = guest.copyRoot();
    guest.mmuext(3, root);
    expect(guest.readEntry(root, M2P_SLOT) & BigInt(P)).toBe(1n);
    guest.mmuext(NEW_USER_BASEPTR, root);
    expect(guest.readEntry(root, M2P_SLOT)).toBe(0n);
    guest.mmuext(NEW_USER_BASEPTR, 0);
    guest.mmuext(NEW_BASEPTR, root);
    expect(guest.readEntry(root, M2P_SLOT)).toBe(0n);
  });

  it('is no assist of a 32-bit guest', () => {
    const guest = new Guest({ abi: 'x86_32p' });
    expect(guest.call(21, 0, M2P_STRICT)).toBe(-22);
    expect(guest.rule).toBe('vm_assist.type');
  });
});

describe('linear page tables at the middle levels', () => {
  it('an L2 entry without RW may name its own L2 table on PAE, too', () => {
    const guest = new Guest({ abi: 'x86_32p' });
    const { table } = guest.place(guest.unmapped, 2);
    expect(guest.update(table, 5, guest.entry(table, P | A))).toBe(0);
    expect(guest.counts(table)).toBe('3/1 l2');
    expect(guest.update(table, 6, guest.entry(table, P | RW | A))).toBe(-22);
    expect(guest.rule).toBe('linear.writable');
  });
});
