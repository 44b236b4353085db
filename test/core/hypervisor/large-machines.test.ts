/** What machines and domains of any size cost: storage is taken for what is in use, and the audit walks no more. */

import { describe, expect, it } from 'vitest';
import { ABIS } from '../../../core/abi/index.ts';
import { audit } from '../../../core/hypervisor/audit.ts';
import { DEFAULT_OPTIONS, Hypervisor } from '../../../core/hypervisor/hypervisor.ts';
import { Machine } from '../../../core/machine/machine.ts';
import { Store } from '../../../core/state/store.ts';
import { PAGE_SIZE, mfn } from '../../../core/units.ts';
import { IMAGE } from './guest.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;

function build(machineBytes: number, domainBytes: number, domains = 1): Hypervisor {
  const machine = new Machine(new Store(), ABIS.x86_64, machineBytes / PAGE_SIZE);
  const hv = new Hypervisor(machine, DEFAULT_OPTIONS);
  for (let i = 0; i < domains; i++)
    hv.createDomain({
      memoryBytes: domainBytes,
      image: IMAGE,
      layout: { kind: 'scattered', seed: 1 },
      role: 'domU',
    });
  return hv;
}

describe('a machine of 1 TiB with 16 GiB in use', () => {
  const hv = build(TIB, 16 * GIB);
  const { store } = hv.machine;

  it('has tables of less than 100 MB, beside the memory that the guest sees', () => {
    const tables = store['chunks'].reduce((bytes, chunk) => bytes + chunk.byteLength, 0);
    const slots = hv.memory['slots'].reduce((bytes, chunk) => bytes + (chunk?.byteLength ?? 0), 0);
    expect(tables + slots).toBeLessThan(100 * 1e6);
  });

  it('has storage for the domain’s P2M and its part of the M2P alone', () => {
    const bytes = store.arenas.reduce((sum, arena) => sum + arena.byteLength, 0);
    expect(bytes).toBeLessThan((2 * (16 * GIB * 8)) / PAGE_SIZE + 4 * MIB);
  });

  it('is sound', () => {
    expect(audit(hv)).toEqual([]);
  });
});

describe('frames of large domains', () => {
  it('are given out once each, over more than one window of the heap and between domains', () => {
    const hv = build(2 * GIB, 600 * MIB, 3);
    expect(audit(hv)).toEqual([]);
    const owned = hv.machine.domains.map((domain) => {
      let frames = 0;
      for (let frame = 0; frame < hv.machine.maxPage; frame++)
        if (hv.frames.ownerOf(mfn(frame)) === domain.id) frames++;
      return frames;
    });
    expect(owned).toEqual([1, 2, 3].map(() => (600 * MIB) / PAGE_SIZE + 1));
  });

  it('lie scattered: next to no page is followed by the next frame', () => {
    const hv = build(2 * GIB, 600 * MIB);
    const { p2mList = 0n } = hv.machine.domains[0]?.layout ?? {};
    const { mmu } = hv.machine.domains[0]?.vcpus[0] ?? {};
    const frames = Array.from({ length: 2000 }, (_, page) => {
      const at = p2mList + BigInt(page * 8);
      mmu?.load(Number(BigInt.asIntN(32, at)), Number(BigInt.asIntN(32, at >> 32n)), 8);
      return mmu?.lo ?? 0;
    });
    expect(frames.filter((frame, page) => frame + 1 === frames[page + 1]).length).toBeLessThan(20);
  });
});
