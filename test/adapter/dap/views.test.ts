/** The custom requests: what the views ask while the fault handler is stepped through. */

import { describe, expect, it } from 'vitest';
import type { TableResult, Walk } from '../../../adapter/protocol.ts';
import { DapClient } from '../../support/dap-client.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { FAULT, REFUSED } from './scripts.ts';

const folder = scriptFolder();
const fault = folder.write('fault.guest.c', FAULT.text);
const refused = folder.write('refused.guest.c', REFUSED.text);

async function standsAt(mark: string, abi: 'x86_64' | 'x86_32'): Promise<DapClient> {
  const editor = new DapClient();
  await editor.launch({ program: fault, abi, stopOnEntry: false }, { lines: [FAULT.line(mark)] });
  expect(await editor.stops()).toMatchObject({ at: FAULT.at(mark) });
  return editor;
}

describe.each(['x86_64', 'x86_32'] as const)('views on %s', (abi) => {
  it('see the entry vanish and come back, and mark it when it changed', async () => {
    const editor = await standsAt('unmap', abi);
    const { memoryReference } = (await editor.ask('xenscope/resolve', { text: 'page' })) as {
      memoryReference: string;
    };
    const before = (await editor.ask('xenscope/walk', { va: memoryReference })) as Walk;
    expect(before.fault).toBeNull();
    const leaf = before.steps.at(-1);
    if (leaf === undefined) throw new Error('the walk has no step');
    const entry = async () => {
      const table = (await editor.ask('xenscope/table', {
        mfn: leaf.tableMfn,
        from: 0,
        count: 1024,
        presentOnly: false,
      })) as TableResult;
      expect(table.level).toBe(1);
      return { row: table.rows[leaf.slot], changed: table.rows.filter((row) => row.changed) };
    };
    expect((await entry()).row).toMatchObject({ present: true, changed: false });

    await editor.step('next');
    const gone = await entry();
    expect(gone.row).toMatchObject({ present: false, changed: true });
    expect(gone.changed).toHaveLength(1);
    expect(await editor.ask('xenscope/walk', { va: memoryReference })).toMatchObject({
      maddr: null,
      fault: expect.stringMatching(/^L1\[0x[0-9a-f]+\] is not present$/) as string,
    });

    await editor.setBreakpoints(fault, [FAULT.line('last')]);
    await editor.continues();
    await editor.stops();
    expect((await entry()).row).toMatchObject({ present: true, changed: true });
  });

  it('get a summary, frames and the P2M, bounded', async () => {
    const editor = await standsAt('unmap', abi);
    const machine = await editor.ask('xenscope/machine', {});
    expect(machine).toMatchObject({ abi, levels: abi === 'x86_64' ? 4 : 2, domains: [{ name: 'd1' }] });
    const frames = await editor.ask('xenscope/frames', { from: 0, count: 100_000 });
    expect(frames.rows).toHaveLength(1024);
    const p2m = await editor.ask('xenscope/p2m', { from: 0, count: 3, filter: {} });
    expect(p2m).toMatchObject({ total: 4096, rows: [{ pfn: 0 }, { pfn: 1 }, { pfn: 2 }], next: 3 });
  });

  it('resolve what a user types into an address box', async () => {
    const editor = await standsAt('unmap', abi);
    const resolve = (text: string) => editor.ask('xenscope/resolve', { text });
    expect(await resolve('mfn:0x12')).toEqual({ memoryReference: 'mfn:0x12', label: 'mfn:0x12' });
    expect(await resolve('0x400000')).toMatchObject({ memoryReference: 'va:0x400000' });
    expect(await resolve('page')).toMatchObject({
      memoryReference: expect.stringMatching(/^va:0x/) as string,
    });
    expect(await resolve('info')).toMatchObject({
      memoryReference: expect.stringMatching(/^va:0x/) as string,
    });
    expect(await resolve('no such thing')).toHaveProperty('unknown');
  });

  it('refuse what cannot be asked', async () => {
    const editor = await standsAt('unmap', abi);
    expect(await editor.refused('xenscope/frames', { from: -1, count: 1 })).toMatch(/`from`/);
    expect(await editor.refused('xenscope/frames', { from: 0, count: 1, filter: { type: 'l9' } })).toMatch(
      /`type` must be one of none, l1/,
    );
    expect(await editor.refused('xenscope/walk', { va: 'there' })).toMatch(/`va`/);
    expect(await editor.ask('xenscope/p2m', { domain: 77, from: 0, count: 1 })).toEqual({
      unknown: 'There is no domain d77.',
    });
  });
});

describe('the list of hypercalls', () => {
  it('names each call, its place and its rule', async () => {
    const editor = new DapClient();
    await editor.launch({ program: refused, stopOnEntry: false });
    await editor.stops();
    const { rows, total } = await editor.ask('xenscope/hypercalls', { from: 0, count: 1000 });
    expect(rows).toHaveLength(total);
    const row = rows.find(({ name }) => name === 'mmu_update');
    expect(row).toMatchObject({
      domain: 1,
      vcpu: 0,
      rc: '-22',
      refused: true,
      line: REFUSED.line('refused'),
    });
    expect(row?.rule).toMatch(/\./);
  });
});
