/** The tree behind the Page Tables view: what a step opens, and how often it asks. */

import { describe, expect, it } from 'vitest';
import type { TableEntryRow, TableResult } from '../../adapter/protocol.ts';
import { TableTree, type TableLevel, type Where } from '../../extension/webview/page-tables/table-tree.ts';

/** Tables by frame: slot -> [frame, flags, changed]. */
type Tables = Record<
  number,
  { level: TableLevel; entries: Record<number, readonly [number, string, boolean]> }
>;

const root = 0x10;
const bootTables = (): Tables => ({
  [root]: { level: 2, entries: { 0: [0x11, 'P RW US A', false], 7: [0x12, 'P RW US A', false] } },
  0x11: { level: 1, entries: { 3: [0x80, 'P RW US A', false] } },
  0x12: { level: 1, entries: { 5: [0x81, 'P RW US', false] } },
});

/** Answers from the tables after a turn of the event loop, and keeps how many questions waited at once. */
function loader(tables: Tables): { load: (where: Where) => Promise<TableResult>; rounds: number[] } {
  const rounds: number[] = [];
  let waiting = 0;
  return {
    rounds,
    load: async ({ mfn }) => {
      waiting++;
      await new Promise((resolve) => setImmediate(resolve));
      if (waiting > 0) rounds.push(waiting);
      waiting = 0;
      const frame = mfn ?? root;
      const table = tables[frame];
      if (!table) throw new Error(`mfn ${frame.toString(16)} is no page table.`);
      const rows = Object.entries(table.entries).map(([slot, entry]) =>
        row(Number(slot), table.level, entry),
      );
      return { mfn: frame, level: table.level, total: rows.length, rows };
    },
  };
}

function row(
  slot: number,
  level: TableLevel,
  [mfn, flags, changed]: readonly [number, string, boolean],
): TableEntryRow {
  const present = flags.includes('P');
  return {
    slot,
    pte: '0x1',
    present,
    flags,
    mfn,
    pfn: null,
    childLevel: level === 2 && present ? 1 : 0,
    superpage: false,
    va: `0x${(slot << 12).toString(16)}`,
    xen: false,
    changed,
  };
}

const paths = (tree: TableTree): string[] => tree.rows.map(({ path }) => path);

describe('the tree of page tables', () => {
  it('is closed at the first stop, whatever the start of day has changed', async () => {
    const tables = bootTables();
    tables[0x11] = { level: 1, entries: { 3: [0x80, 'P RW US A D', true] } };
    const tree = new TableTree();
    expect(await tree.load(2, loader(tables).load, { follow: true })).toBeNull();
    expect(paths(tree)).toEqual(['0', '7']);
  });

  it('opens the way to an entry that a step has written, and closes it after the next step', async () => {
    const tables = bootTables();
    const tree = new TableTree();
    await tree.load(2, loader(tables).load, { follow: true });
    tables[0x12] = { level: 1, entries: { 5: [0x81, 'P RW US', false], 6: [0x99, 'P RW US', true] } };
    expect(await tree.load(2, loader(tables).load, { follow: true })).toBe('7/6');
    expect(paths(tree)).toEqual(['0', '7', '7/5', '7/6']);
    tables[0x12] = { level: 1, entries: { 5: [0x81, 'P RW US', false], 6: [0x99, 'P RW US', false] } };
    expect(await tree.load(2, loader(tables).load, { follow: true })).toBeNull();
    expect(paths(tree)).toEqual(['0', '7']);
  });

  it('does not open for the A and D that the processor sets', async () => {
    const tables = bootTables();
    const tree = new TableTree();
    await tree.load(2, loader(tables).load, { follow: true });
    tables[0x12] = { level: 1, entries: { 5: [0x81, 'P RW US A D', true] } };
    expect(await tree.load(2, loader(tables).load, { follow: true })).toBeNull();
    expect(paths(tree)).toEqual(['0', '7']);
  });

  it('keeps what the reader has opened', async () => {
    const tables = bootTables();
    const tree = new TableTree();
    await tree.load(2, loader(tables).load, { follow: false });
    const [first] = tree.rows;
    if (first) await tree.toggle(first, loader(tables).load);
    await tree.load(2, loader(tables).load, { follow: false });
    expect(paths(tree)).toEqual(['0', '0/3', '7']);
  });

  it('asks for all tables of the stop before at once', async () => {
    const tables = bootTables();
    const tree = new TableTree();
    await tree.load(2, loader(tables).load, { follow: true });
    const { load, rounds } = loader(tables);
    await tree.load(2, load, { follow: true });
    expect(rounds).toEqual([3]);
  });

  it('survives a table that has become something else', async () => {
    const tables = bootTables();
    const tree = new TableTree();
    await tree.load(2, loader(tables).load, { follow: true });
    tables[root] = { level: 2, entries: { 7: [0x12, 'P RW US A', false] } };
    Reflect.deleteProperty(tables, 0x11);
    await tree.load(2, loader(tables).load, { follow: true });
    expect(paths(tree)).toEqual(['7']);
  });
});
