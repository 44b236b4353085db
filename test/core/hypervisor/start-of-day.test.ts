import { describe, expect, it } from 'vitest';
import { audit } from '../../../core/hypervisor/audit.ts';
import { R } from '../../../core/machine/registers.ts';
import { Guest } from './guest.ts';

describe.each(['x86_64', 'x86_32p', 'x86_32'] as const)('start of day on %s', (abi) => {
  const guest = new Guest({ abi });
  const { layout } = guest;
  const part = (name: string) => layout.parts.find((each) => each.name === name);

  it('leaves counts that the audit agrees with', () => {
    expect(audit(guest.hv)).toEqual([]);
  });

  it('gives the root gc 4 and tc 2, pinned', () => {
    expect(guest.counts(guest.root)).toBe(`4/2 l${guest.abi.rootLevel} pinned`);
  });

  it('gives every other boot table gc 3 and tc 1', () => {
    const tables = part('page tables');
    for (let page = (tables?.from ?? 0) + 1; page < (tables?.to ?? 0); page++)
      expect(guest.counts(guest.p2m(page))).toMatch(/^3\/1 l[123]$/);
    expect((tables?.to ?? 0) - (tables?.from ?? 0)).toBe(layout.nrPtFrames);
  });

  it('maps the boot pages writable and leaves the others alone', () => {
    expect(guest.counts(guest.p2m(0))).toBe('2/1 writable');
    expect(guest.counts(guest.p2m(guest.domain.nrPages - 1))).toBe('1/0 none');
  });

  it('maps every page linearly from virtBase to the end of the region', () => {
    for (let page = 0; guest.kva(page) < layout.mappedEnd; page += 13) {
      const walk = guest.vcpu.mmu.probe(...words(guest.kva(page)));
      expect(walk.end).toBe('page');
      expect(walk.frame).toBe(guest.p2m(page));
    }
  });

  it('lets the guest read the M2P, which undoes the P2M', () => {
    const { m2pWindow, wordBytes } = guest.abi;
    for (const page of [0, 7, guest.domain.nrPages - 1]) {
      const at = m2pWindow.start + BigInt(guest.p2m(page) * wordBytes);
      expect(guest.load(at, wordBytes)).toBe(BigInt(page));
    }
  });

  it('fills start_info as the public header lays it out', () => {
    const info = guest.abi.startInfo;
    const field = (f: { offset: number; bytes: 1 | 2 | 4 | 8 }) =>
      guest.load(layout.startInfo + BigInt(f.offset), f.bytes);
    expect(field(info.nrPages)).toBe(4096n);
    expect(field(info.ptBase)).toBe(layout.ptBase);
    expect(field(info.mfnList)).toBe(layout.p2mList);
    expect(field(info.nrPtFrames)).toBe(BigInt(layout.nrPtFrames));
    expect(field(info.sharedInfo)).toBe(BigInt(layout.sharedInfo) << 12n);
    expect(field(info.flags)).toBe(0n);
    expect(field(info.consoleMfn)).toBe(BigInt(layout.consoleRing ?? 0));
    expect(guest.p2m(Number((layout.ptBase - layout.virtBase) >> 12n))).toBe(guest.root);
  });

  it('starts with the registers of the boot convention', () => {
    const { vcpu } = guest;
    expect(vcpu.getReg(R.rsi)).toBe(layout.startInfo);
    expect(vcpu.getReg(R.rip)).toBe(layout.virtBase + 0x10n);
    expect(vcpu.getReg(R.rsp)).toBe(guest.kva(part('boot stack')?.to ?? 0));
  });

  it('maps shared_info nowhere and keeps its M2P entry invalid', () => {
    expect(guest.counts(layout.sharedInfo)).toBe('1/1 writable');
    expect(guest.hv.machine.m2p(layout.sharedInfo)).toBe(0xffff_ffff);
  });
});

describe('entries of the boot tables on x86_64', () => {
  const guest = new Guest();

  it('read back as Xen adjusts them', () => {
    const data = guest.place(guest.kva(0), 1);
    expect(guest.readEntry(data.table, data.slot) & 0xfff0_0000_0000_0fffn).toBe(0x0010_0000_0000_0027n);
    const table = guest.place(guest.layout.ptBase, 1);
    expect(guest.readEntry(table.table, table.slot) & 0xfff0_0000_0000_0fffn).toBe(0x0010_0000_0000_0025n);
    const upper = guest.place(guest.kva(0), 4);
    expect(guest.readEntry(upper.table, upper.slot) & 0xfffn).toBe(0x67n);
  });

  it('hold Xen in slots 256 to 271 of the root', () => {
    const slot = (n: number) => guest.readEntry(guest.root, n);
    expect(slot(256) & 1n).toBe(1n);
    expect(slot(258) >> 12n).toBe(BigInt(guest.root));
    expect(slot(259)).toBe(0n);
    expect(slot(263)).toBe(0n);
  });
});

describe('the hardware domain', () => {
  it('is d0, privileged, without rings', () => {
    const guest = new Guest({ spec: { role: 'hardware' } });
    expect(guest.domain.id).toBe(0);
    expect(guest.layout.consoleRing).toBeNull();
    expect(guest.load(guest.layout.startInfo + BigInt(guest.abi.startInfo.flags.offset), 4)).toBe(0x303n);
  });
});

describe('layouts', () => {
  it('contiguous: machine frames ascend with PFNs', () => {
    const guest = new Guest({ spec: { layout: { kind: 'contiguous' } } });
    expect(guest.p2m(100) - guest.p2m(0)).toBe(100);
  });

  it('scattered: the same seed gives the same frames, another seed others', () => {
    const first = [1, 1, 2].map((seed) =>
      new Guest({ spec: { layout: { kind: 'scattered', seed } } }).p2m(5),
    );
    expect(first[0]).toBe(first[1]);
    expect(first[0]).not.toBe(first[2]);
  });

  it('refuses a domain that its tables do not fit into, in one sentence', () => {
    expect(() => new Guest({ spec: { memoryBytes: 64 * 1024 } })).toThrow(/give it more memory/);
    expect(() => new Guest({ spec: { memoryBytes: 2 ** 30 } })).toThrow(/give the machine more memory/);
  });
});

const words = (va: bigint): [number, number] => [
  Number(BigInt.asIntN(32, va)),
  Number(BigInt.asIntN(32, va >> 32n)),
];
