/** Misuse of traps, stacks and what Xen shows: rows 54, 56, 69 and 99 to 106 of facts 11; 54 to 56 see pte-emulation. */

import { beforeEach, describe, expect, it } from 'vitest';
import { ERRNO } from '../../../../core/hypervisor/errno.ts';
import { R } from '../../../../core/machine/registers.ts';
import { A, P, RW } from '../../../../core/pte.ts';
import { highWord, lowWord } from '../../../../core/units.ts';
import { CONFIGURATIONS } from '../guest.ts';
import { EINVAL, MIB, MisuseGuest } from './misuse-guest.ts';

const PAGE_FAULT = 14;

describe.each(CONFIGURATIONS)('traps on $abi under Xen $xen', ({ abi, xen }) => {
  let guest: MisuseGuest;

  beforeEach(() => {
    guest = new MisuseGuest({ abi, xen });
  });

  /** Writes a trap table of (vector, handler) pairs and its end; its address. */
  const writeTable = (entries: readonly (readonly [number, bigint])[]): bigint => {
    const { trapInfo, selectors } = guest.abi;
    [...entries, [0, 0n] as const].forEach(([vector, handler], i) => {
      const at = guest.scratch + BigInt(i * trapInfo.bytes);
      guest.mustStore(at, 4, BigInt(vector | (selectors.kernelCs << 16)));
      guest.mustStore(at + BigInt(trapInfo.address.offset), trapInfo.address.bytes, handler);
    });
    return guest.scratch;
  };
  const install = () => guest.call(0, writeTable([[PAGE_FAULT, guest.kva(4)]]));
  const fault = () => {
    expect(guest.vcpu.mmu.load(lowWord(guest.unmapped), highWord(guest.unmapped), 4)).toBe(false);
    return guest.hv.deliverPageFault(guest.vcpu);
  };

  it('#99: a page fault without a handler', () => {
    expect(fault()).toBe('crashed');
    expect(guest.crashRule).toBe('trap.no-handler');
  });

  it.each(['unmapped', 'read-only'] as const)('#100: a kernel stack that is %s', (kind) => {
    install();
    guest.vaMapping(guest.kva(guest.d), kind === 'unmapped' ? 0n : guest.entry(guest.dFrame, P | A));
    guest.vcpu.setRegValue(R.rsp, guest.kva(guest.d) + 0x800n);
    expect(fault()).toBe('crashed');
    expect(guest.crashRule).toBe('trap.bad-stack');
  });

  it('#101: set_trap_table(NULL) takes all handlers away', () => {
    install();
    expect(guest.call(0, 0)).toBe(0);
    expect(fault()).toBe('crashed');
    expect(guest.crashRule).toBe('trap.no-handler');
  });

  it.runIf(abi === 'x86_64')(
    '#102: a handler that is not canonical: the entries before it are installed',
    () => {
      const table = writeTable([
        [PAGE_FAULT, guest.kva(4)],
        [13, 0x1234_0000_0000_0000n],
      ]);
      expect(guest.call(0, table)).toBe(EINVAL);
      expect(guest.rule).toBe('set_trap_table.address');
      expect(fault()).toBe('delivered');
    },
  );

  it('#103: a call of a multicall that fails: the multicall returns 0', () => {
    const word = guest.abi.wordBytes;
    [21, 0, 0, 31, 0, 0, 0, 0].forEach((value, i) =>
      guest.mustStore(guest.scratch + BigInt(i * word), word, BigInt(value)),
    );
    expect(guest.call(13, guest.scratch, 1)).toBe(0);
    expect(BigInt.asIntN(word * 8, guest.load(guest.scratch + BigInt(word), word))).toBe(BigInt(EINVAL));
  });

  it('#104: the M2P entry of a foreign frame can be read', () => {
    const other = new MisuseGuest({ hv: guest.hv, spec: { memoryBytes: 4 * MIB } });
    const { m2pWindow, wordBytes } = guest.abi;
    const at = m2pWindow.start + BigInt(other.dFrame * wordBytes);
    expect(guest.load(at, wordBytes)).toBe(BigInt(other.d));
  });

  it('#105: a store to the M2P is a page fault with P and W', () => {
    expect(guest.store(guest.abi.m2pWindow.start, 4, 0n)).toBe(false);
    expect(guest.vcpu.mmu.fault).toMatchObject({ vector: PAGE_FAULT, errorCode: 3 });
  });

  it('#106: the M2P does not know shared_info; its machine address in start_info is the way', () => {
    const { m2pWindow, wordBytes, startInfo } = guest.abi;
    const { sharedInfo } = guest.layout;
    const invalid = (1n << BigInt(wordBytes * 8)) - 1n;
    expect(guest.load(m2pWindow.start + BigInt(sharedInfo * wordBytes), wordBytes)).toBe(invalid);
    const field = startInfo.sharedInfo;
    const address = guest.load(guest.layout.startInfo + BigInt(field.offset), field.bytes);
    expect(guest.vaMapping(guest.kva(guest.d), address | BigInt(P | RW | A))).toBe(0);
  });

  it.runIf(abi === 'x86_64')('#69: iret to user mode without a user root', () => {
    const rsp = guest.vcpu.getReg(R.rsp) - 72n;
    const frame = [0n, 0n, 0n, 0n, 0x1000n, 0xe033n, 0x202n, 0x2000n, 0xe02bn];
    frame.forEach((value, i) => guest.mustStore(rsp + BigInt(i * 8), 8, value));
    guest.vcpu.setRegValue(R.rsp, rsp);
    guest.call(23);
    expect(guest.crashRule).toBe('iret.no-user-root');
  });

  it('a trap table that cannot be read', () => {
    expect(guest.call(0, guest.unmapped)).toBe(-ERRNO.EFAULT);
    expect(guest.rule).toBe('set_trap_table.read');
  });
});
