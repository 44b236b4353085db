/** What the views are told about a freshly built domain, on both ABIs, and how a change is marked. */

import { describe, expect, it } from 'vitest';
import { ABIS, type AbiName } from '../../../core/abi/index.ts';
import { DEFAULT_OPTIONS, Hypervisor } from '../../../core/hypervisor/hypervisor.ts';
import { Machine } from '../../../core/machine/machine.ts';
import type { FrameFilter, Unknown } from '../../../core/source/machine-source.ts';
import { SimulatedSource } from '../../../core/source/simulated-source.ts';
import { Store } from '../../../core/state/store.ts';
import { type VirtualAddress, mfn, pfn, virtualAddress } from '../../../core/units.ts';

const PAGES = 4096;
const ALL: FrameFilter = { changedOnly: false, pinnedOnly: false };

function build(name: AbiName) {
  const abi = ABIS[name];
  if (abi === undefined) throw new Error(`no row for ${name}`);
  const machine = new Machine(new Store(), abi, Machine.framesFor(abi, PAGES * 2));
  const hypervisor = new Hypervisor(machine, DEFAULT_OPTIONS);
  const domain = hypervisor.createDomain({
    memoryBytes: PAGES * 4096,
    image: {
      size: 0x10000,
      segments: [{ offset: 16, bytes: Uint8Array.of(1, 2, 3), name: 'data' }],
      entry: 0,
    },
    layout: { kind: 'scattered', seed: 7 },
    role: 'domU',
  });
  const { layout } = domain;
  if (layout === null) throw new Error('the domain has no layout');
  return { abi, machine, domain, layout, source: new SimulatedSource(machine, '4.17') };
}

/** The answer of a source that knows. */
async function known<T extends object>(answer: Promise<T | Unknown>): Promise<T> {
  const value = await answer;
  if ('unknown' in value) throw new Error(value.unknown);
  return value;
}

describe.each(['x86_64', 'x86_32'] as const)('a new domain on %s', (name) => {
  const { abi, machine, domain, layout, source } = build(name);
  const { id } = domain;
  const table = (query: { mfn?: number; base?: VirtualAddress; presentOnly?: boolean }) =>
    known(
      source.table({
        domain: id,
        mfn: query.mfn === undefined ? null : mfn(query.mfn),
        level: null,
        base: query.base ?? virtualAddress(0n),
        from: 0,
        count: 1024,
        presentOnly: query.presentOnly ?? true,
      }),
    );

  it('is summed up with its root and its pages', async () => {
    const summary = await source.summary();
    expect(summary).toMatchObject({ abi: name, xen: '4.17', maxPage: machine.maxPage, changesKnown: true });
    expect(summary.domains).toEqual([
      {
        domain: id,
        name: 'd1',
        totPages: expect.any(Number) as number,
        maxPages: domain.maxPages,
        nrPages: PAGES,
        root: domain.vcpus[0]?.kernelRoot,
        userRoot: null,
        crashed: null,
      },
    ]);
  });

  it('has a root table whose entries lead down to the kernel image', async () => {
    let frame: number | undefined;
    let base = virtualAddress(0n);
    for (let level: number = abi.rootLevel; level >= 1; level--) {
      const found = await table({ base, ...(frame === undefined ? {} : { mfn: frame }) });
      expect(found.level).toBe(level);
      const row = found.rows.findLast(({ va, xen }) => !xen && BigInt(va) <= layout.virtBase);
      if (row === undefined) throw new Error(`no entry of level ${level} covers the image`);
      expect(row).toMatchObject({ present: true, superpage: false, childLevel: level - 1, changed: false });
      frame = row.mfn;
      base = virtualAddress(BigInt(row.va));
    }
    expect(base).toBe(layout.virtBase);
    const walk = await known(source.walk({ domain: id, va: virtualAddress(layout.virtBase + 0x10n) }));
    expect(walk.steps.map(({ level }) => level)).toEqual(abi.levels.map(({ level }) => level).reverse());
    expect(walk).toMatchObject({
      fault: null,
      maddr: `0x${((BigInt(frame ?? 0) << 12n) + 0x10n).toString(16)}`,
    });
  });

  it('shows the slots that are Xen’s own as such', async () => {
    const { rows, total } = await table({ presentOnly: false });
    expect(total).toBe(abi.levels[abi.levels.length - 1]?.slots);
    const xen = rows.filter((row) => row.xen).map(({ slot }) => slot);
    expect([xen[0], xen.at(-1)]).toEqual(name === 'x86_64' ? [256, 271] : [1008, 1023]);
  });

  it('says why a frame without table type is not shown as a table', async () => {
    const data = await known(source.walk({ domain: id, va: layout.virtBase }));
    const frame = mfn(Number(BigInt(data.maddr ?? '0') >> 12n));
    const answer = await source.table({
      domain: id,
      mfn: frame,
      level: null,
      base: virtualAddress(0n),
      from: 0,
      count: 8,
      presentOnly: true,
    });
    expect(answer).toEqual({
      unknown: expect.stringMatching(/is no page table \(its type is writable\)/) as string,
    });
  });

  it('has a P2M that agrees with the M2P in every row', async () => {
    let from = pfn(0);
    for (;;) {
      const { rows, next, total } = await known(
        source.p2m({ domain: id, from, count: 1000, filter: { changedOnly: false } }),
      );
      expect(total).toBe(PAGES);
      for (const row of rows)
        expect(row).toMatchObject({ m2p: row.pfn, state: 'ok', owner: 'd1', changed: false });
      if (next === null) break;
      expect(next).toBe(from + 1000);
      from = pfn(next);
    }
    const { rows } = await known(
      source.p2m({ domain: id, from: pfn(0), count: 10, filter: { state: 'invalid', changedOnly: false } }),
    );
    expect(rows).toEqual([]);
  });

  it('knows what the frames of start of day are for', async () => {
    const { rows } = await known(
      source.p2m({ domain: id, from: pfn(0), count: 1024, filter: { changedOnly: false } }),
    );
    const roles = new Set(rows.flatMap(({ role }) => role ?? []));
    const parts = ['kernel image', 'P2M list', 'start_info', 'console ring', 'page tables', 'boot stack'];
    expect([...roles]).toEqual(expect.arrayContaining(parts));
    const tables = await source.frames({ from: 0, count: 1024, filter: { ...ALL, type: 'l1' } });
    expect(tables.rows.length).toBeGreaterThan(0);
    for (const row of tables.rows)
      expect(row).toMatchObject({ owner: id, ownerName: 'd1', role: 'page tables' });
    const pinned = await source.frames({ from: 0, count: 8, filter: { ...ALL, pinnedOnly: true } });
    expect(pinned.rows.map((row) => row.mfn)).toEqual([domain.vcpus[0]?.kernelRoot]);
  });

  it('reads the same bytes by virtual address, by PFN and by MFN', async () => {
    const walk = await known(source.walk({ domain: id, va: layout.virtBase }));
    const maddr = BigInt(walk.maddr ?? '0');
    for (const [space, address] of [
      ['va', layout.virtBase],
      ['pfn', 0n],
      ['mfn', maddr],
    ] as const) {
      const read = await known(source.memory({ space, domain: id, address: address + 14n, bytes: 6 }));
      expect([...read.bytes]).toEqual([0, 0, 1, 2, 3, 0]);
      expect(read).toMatchObject({ unreadable: 0, reason: null });
    }
  });

  it('tells how far a hole reaches, and why it is one', async () => {
    const end = layout.mappedEnd;
    const read = await known(source.memory({ space: 'va', domain: id, address: end - 4n, bytes: 12 }));
    expect(read.bytes).toHaveLength(4);
    expect(read.unreadable).toBe(8);
    expect(read.reason).toMatch(/L\d\[0x[0-9a-f]+\] is not present/);
    const past = await known(
      source.memory({ space: 'mfn', domain: id, address: BigInt(machine.maxPage) << 12n, bytes: 16 }),
    );
    expect(past).toMatchObject({
      unreadable: 16,
      reason: expect.stringMatching(/no machine memory/) as string,
    });
    const behind = await known(
      source.memory({ space: 'pfn', domain: id, address: BigInt(PAGES) << 12n, bytes: 16 }),
    );
    expect(behind).toMatchObject({ unreadable: 16, reason: expect.stringMatching(/past the end/) as string });
  });

  it('says that an address is not canonical, or not of this word', async () => {
    const walk = await known(source.walk({ domain: id, va: virtualAddress(0x1234_5678_0000_0000n) }));
    expect(walk).toMatchObject({
      steps: [],
      maddr: null,
      fault: expect.stringMatching(/no canonical/) as string,
    });
  });

  it('marks a changed entry, a changed P2M row and nothing else', async () => {
    source.remember();
    const walk = await known(source.walk({ domain: id, va: virtualAddress(layout.mappedEnd - 0x1000n) }));
    const leaf = walk.steps.at(-1);
    if (leaf === undefined) throw new Error('no leaf');
    const word = leaf.slot * (abi.entryBytes / 4);
    for (let i = 0; i < abi.entryBytes / 4; i++) machine.memory.writeWord(mfn(leaf.tableMfn), word + i, 0);
    const changed = (await table({ mfn: leaf.tableMfn })).rows.filter((row) => row.changed);
    expect(changed).toEqual([expect.objectContaining({ slot: leaf.slot, present: false, pte: '0x0' })]);

    const entryVa = virtualAddress(layout.p2mList + BigInt(9 * abi.wordBytes));
    const entry = await known(source.walk({ domain: id, va: entryVa }));
    const maddr = BigInt(entry.maddr ?? '0');
    const first = Number(maddr & 0xfffn) / 4;
    for (let i = 0; i < abi.wordBytes / 4; i++)
      machine.memory.writeWord(mfn(Number(maddr >> 12n)), first + i, -1);
    const { rows } = await known(
      source.p2m({ domain: id, from: pfn(0), count: 10, filter: { changedOnly: true } }),
    );
    expect(rows).toEqual([{ pfn: 9, mfn: null, m2p: null, state: 'invalid', owner: '-', changed: true }]);
  });

  it('answers "unknown" for a domain that is not there', async () => {
    expect(await source.walk({ domain: 9 as typeof id, va: layout.virtBase })).toEqual({
      unknown: 'There is no domain d9.',
    });
  });
});
