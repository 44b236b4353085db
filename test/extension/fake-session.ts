/**
 * A debug session for tests of the views alone: it answers the custom requests from a small invented machine and counts
 * what it is asked. The suite in VS Code tests the views with the real adapter.
 */

import type {
  CustomRequests,
  FrameRow,
  MachineSummary,
  P2mRow,
  TableEntryRow,
} from '../../adapter/protocol.ts';

type Answers = {
  readonly [K in keyof CustomRequests]?: (args: CustomRequests[K][0]) => CustomRequests[K][1];
};

const levels = 4;
const entries = 512;
const pages = 4096;
/** PFN n lies in machine frame `firstMfn + scramble(n)`. */
const firstMfn = 0x400;
const root = 0x7f0;
/** Level of each table frame; every other frame maps nothing. */
const tables: Readonly<Record<number, 1 | 2 | 3 | 4>> = { 0x7f0: 4, 0x7f1: 3, 0x7f2: 2, 0x7f3: 1, 0x7f4: 1 };

export class FakeSession {
  readonly maxPage: number;
  stop = 1;
  /** Requests seen, by name. */
  readonly asked: string[] = [];
  /** PTE slots of table 0x7f4 written so far, the last one at the present stop. */
  private mapped = 0;
  private hangs = false;

  constructor(maxPage: number) {
    this.maxPage = maxPage;
  }

  /** One step: a page is mapped, which changes an entry, a frame and a byte. */
  step(): void {
    this.stop++;
    this.mapped++;
  }

  /** From now on nothing is answered. */
  hang(): void {
    this.hangs = true;
  }

  ask(name: string, args: object): Promise<unknown> {
    this.asked.push(name);
    if (this.hangs) return new Promise(() => undefined);
    const answers: Readonly<Record<string, ((args: never) => unknown) | undefined>> = {
      ...this.answers,
      readMemory: (range: { memoryReference: string; count: number }) => this.readMemory(range),
    };
    const answer = answers[name];
    if (!answer) return Promise.reject(new Error(`The fake session does not answer ${name}.`));
    return Promise.resolve(answer(args as never));
  }

  private readonly answers: Answers = {
    'xenscope/machine': () => this.machine(),
    'xenscope/table': ({ mfn = root, from, count, presentOnly, base }) => {
      const level = tables[mfn];
      if (level === undefined) return { unknown: `mfn ${mfn.toString(16)} is no page table.` };
      const all = Array.from({ length: entries }, (_unused, slot) =>
        this.entry(mfn, level, slot, base ?? '0x0'),
      );
      const rows = presentOnly ? all.filter(({ pte }) => pte !== '0x0') : all;
      return { mfn, level, total: rows.length, rows: rows.slice(from, from + count) };
    },
    'xenscope/frames': ({ from, count, filter }) => {
      const rows: FrameRow[] = [];
      let mfn = from;
      const end = filter ? Math.min(this.maxPage, firstMfn + pages + 64) : this.maxPage;
      for (; mfn < end && rows.length < count; mfn++) {
        const row = this.frame(mfn);
        const fits =
          (filter?.owner === undefined ||
            (filter.owner === 'free' ? row.owner === null : row.owner === filter.owner)) &&
          (filter?.type === undefined || row.type === filter.type) &&
          (!filter?.changed || row.changed) &&
          (!filter?.pinned || row.pinned);
        if (fits) rows.push(row);
      }
      return { rows, next: mfn < end ? mfn : null };
    },
    'xenscope/p2m': ({ from, count, filter }) => {
      const rows: P2mRow[] = [];
      let pfn = from;
      for (; pfn < pages && rows.length < count; pfn++) {
        const row = this.p2m(pfn);
        if ((!filter?.state || row.state === filter.state) && (!filter?.changed || row.changed))
          rows.push(row);
      }
      return { total: pages, rows, next: pfn < pages ? pfn : null };
    },
    'xenscope/walk': ({ va }) => {
      const address = BigInt(va);
      const slots = [39n, 30n, 21n, 12n].map((shift) => Number((address >> shift) & 511n));
      let table: number = root;
      const steps = [];
      for (const [depth, slot] of slots.entries()) {
        const level = (levels - depth) as 1 | 2 | 3 | 4;
        const { pte, flags, present, superpage, mfn } = this.entry(table, level, slot, '0x0');
        steps.push({ level, tableMfn: table, slot, pte, flags, present, superpage });
        if (!present) return { va, steps, maddr: null, fault: `the L${level} entry is not present` };
        table = mfn;
      }
      return {
        va,
        steps,
        maddr: `0x${((BigInt(table) << 12n) | (address & 0xfffn)).toString(16)}`,
        fault: null,
      };
    },
    'xenscope/resolve': ({ text }) => {
      if (/^(va|pfn|mfn):/.test(text)) return { memoryReference: text, label: text };
      if (/^0x/.test(text)) return { memoryReference: `va:${text}`, label: text };
      return { unknown: `${text} has no address.` };
    },
  };

  private machine(): MachineSummary {
    return {
      abi: 'x86_64',
      xen: '4.17',
      maxPage: this.maxPage,
      levels,
      entriesPerTable: entries,
      entryBytes: 8,
      domains: [
        {
          domain: 1,
          name: 'd1',
          totPages: pages,
          maxPages: pages,
          nrPages: pages,
          root,
          userRoot: null,
          crashed: null,
        },
      ],
    };
  }

  private entry(table: number, level: 1 | 2 | 3 | 4, slot: number, base: string): TableEntryRow {
    const child: Readonly<Record<string, number>> = {
      '7f0/0': 0x7f1,
      '7f0/511': 0x7f1,
      '7f1/0': 0x7f2,
      '7f1/510': 0x7f2,
      '7f2/0': 0x7f3,
      '7f2/2': 0x7f4,
    };
    const below = child[`${table.toString(16)}/${slot}`];
    const mapsPage = (table === 0x7f3 && slot < 40) || (table === 0x7f4 && slot < this.mapped);
    const xen = table === root && slot >= 256 && slot < 262;
    const mfn = below ?? (mapsPage ? firstMfn + slot * 3 : xen ? 0x100 + slot : 0);
    const present = below !== undefined || mapsPage || xen;
    const size = 1n << BigInt(12 + 9 * (level - 1));
    const va = BigInt(base) + BigInt(slot) * size;
    return {
      slot,
      pte: present ? `0x${((BigInt(mfn) << 12n) | 0x67n).toString(16)}` : '0x0',
      present,
      flags: !present ? '-' : below === undefined && slot % 3 === 0 ? 'P US A NX' : 'P RW US A D',
      mfn,
      pfn: mapsPage ? slot * 3 : null,
      childLevel: below === undefined ? 0 : ((level - 1) as 1 | 2 | 3),
      superpage: false,
      va: `0x${(level === 4 && slot > 255 ? va + (0xffffn << 48n) : va).toString(16)}`,
      xen,
      changed: table === 0x7f4 && this.stop > 1 && slot === this.mapped - 1,
    };
  }

  private frame(mfn: number): FrameRow {
    const mine = mfn >= firstMfn && mfn < firstMfn + pages;
    const level = tables[mfn];
    const changed = mine && this.stop > 1 && (mfn === firstMfn + 3 * (this.mapped - 1) || mfn === 0x7f4);
    return {
      mfn,
      owner: mine ? 1 : null,
      ownerName: mine ? 'd1' : 'free',
      type: level ? (`l${level}` as const) : mine ? 'writable' : 'none',
      typeCount: mine ? 1 + (mfn === 0x7f4 ? this.mapped : 0) : 0,
      refCount: mine ? 2 + (mfn === 0x7f4 ? this.mapped : 0) : 0,
      pinned: level === 4,
      validated: mine,
      allocated: mine,
      m2p: mine ? mfn - firstMfn : null,
      ...(level ? { role: 'boot page table' } : mfn === firstMfn ? { role: 'start_info' } : {}),
      changed,
    };
  }

  private p2m(pfn: number): P2mRow {
    const disagrees = pfn === 7;
    return {
      pfn,
      mfn: pfn === 5 ? null : firstMfn + pfn,
      m2p: pfn === 5 ? null : disagrees ? 0x30 : pfn,
      state: pfn === 5 ? 'invalid' : disagrees ? 'm2p-disagrees' : 'ok',
      owner: pfn === 5 ? '' : 'd1',
      ...(pfn === 0 ? { role: 'start_info' } : {}),
      changed: this.stop > 1 && pfn === this.mapped,
    };
  }

  private readMemory({ memoryReference, count }: { memoryReference: string; count: number }): object {
    const digits = /0x([0-9a-f]+)(?:\+0x([0-9a-f]+))?$/.exec(memoryReference);
    const base = BigInt(`0x${digits?.[1] ?? '0'}`) + BigInt(`0x${digits?.[2] ?? '0'}`);
    if (memoryReference.startsWith('va:') && base >= 0x28000n)
      return { address: `0x${base.toString(16)}`, unreadableBytes: count };
    const bytes = Uint8Array.from({ length: count }, (_unused, at) =>
      at % 16 < 4 ? 0x41 + ((at >> 4) % 26) : at % 64 === 9 ? this.stop : 0,
    );
    return { address: `0x${base.toString(16)}`, data: Buffer.from(bytes).toString('base64') };
  }
}
