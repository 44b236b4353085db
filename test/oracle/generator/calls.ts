/** Random calls of other kinds: descriptor tables, flushes, commands that are none, several calls in one. */

import type { MmuRequest, Operation, Word } from '../../../adapter/conformance/operations.ts';
import { type Context, DOMID_SELF, type Family, SLOTS, mmuext } from './context.ts';

const SET_GDT = 2;
const UPDATE_DESCRIPTOR = 10;
const MULTICALL = 13;
const UPDATE_VA_MAPPING = 14;
const MMU_UPDATE = 1;
const DESCRIPTORS_PER_PAGE = 512;
/** A multicall's entry: hypercall, result, six arguments. */
const CALL_WORDS = 8;
const MMU_MACHPHYS_UPDATE = 1;
/** Under slots that the generator does not use. */
const UNMAPPED_VA = 0x1_4000_0000n;
const PREEMPTED = 0x8000_0000n;

/** Descriptors: empty, flat code and data of the kernel, with too much privilege, a call gate, not present. */
const DESCRIPTORS = [
  0n,
  0x00af_9b00_0000_ffffn,
  0x00cf_b300_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x0000_8c00_0000_0000n,
  0x0000_ec00_e030_0000n,
  0x00cf_1300_0000_ffffn,
] as const;

export function otherOperations(context: Context): Family {
  const { random } = context;

  const hypercall = (
    nr: number,
    args: readonly Word[],
    data?: readonly Word[],
    show?: readonly number[],
  ): Operation => ({
    op: 'hypercall',
    raw: false,
    nr,
    args,
    ...(data === undefined ? {} : { data }),
    ...(show === undefined ? {} : { show }),
  });

  const oddMmuext = (): Operation => {
    const va = random.chance(80) ? context.windowVa() : context.linkedVa();
    return random.pick<() => Operation>([
      () => mmuext(6),
      () => mmuext(7, { va }),
      () => mmuext(10),
      () => mmuext(11, { va }),
      () => mmuext(random.pick([12, 14, 18, 19, 20, 21, 99]), { p: context.page() }),
      () => mmuext(13, { va, arg2: BigInt(random.pick([0, 8, 8192, 8193])) }),
      () => mmuext(random.pick([0, 3, 4, 5, 6, 16]), { p: context.page(), fd: random.pick([0, 5, 0x7ff1]) }),
    ])();
  };

  /** Pages become descriptor tables, which Xen edits; an empty table gives them back. */
  const setGdt = (): Operation => {
    if (random.chance(30)) return hypercall(SET_GDT, [{ data: 0 }, 0n], []);
    const pages = context.idlePages(1 + random.below(2));
    const count = BigInt(pages.length * DESCRIPTORS_PER_PAGE - random.below(3));
    const set = hypercall(
      SET_GDT,
      [{ data: 0 }, count],
      pages.map((frame) => ({ frame })),
    );
    const [first] = pages as [bigint];
    if (random.chance(25)) return set;
    return context.inTurn({ op: 'fill', raw: false, p: first, value: random.pick(DESCRIPTORS) }, set);
  };

  const updateDescriptor = (): Operation => {
    const table = random.chance(60) ? context.pageOf(['seg_desc']) : context.page();
    const place = { table, index: random.pick(SLOTS) };
    return hypercall(UPDATE_DESCRIPTOR, [place, random.pick(DESCRIPTORS)]);
  };

  /** Two mappings, or a mapping and an update, in one hypercall; the second is carried out also when the first fails. */
  const multicall = (): Operation => {
    const table = context.table();
    const request = context.request(table);
    const entry = context.entryFor(1, context.page());
    const at = 2 * CALL_WORDS;
    const calls: Word[][] = [
      [BigInt(UPDATE_VA_MAPPING), 0n, context.windowVa(), entry, 2n],
      [BigInt(MMU_UPDATE), 0n, { data: at * 8 }, 1n, 0n, BigInt(DOMID_SELF)],
    ];
    if (random.chance(50)) calls.reverse();
    const data = [
      ...calls.flatMap((call) => [...call, ...Array<Word>(CALL_WORDS - call.length).fill(0n)]),
      { table: request.p, index: request.index, cmd: request.cmd },
      valueOf(request),
    ];
    return hypercall(MULTICALL, [{ data: 0 }, 2n], data, [1, CALL_WORDS + 1]);
  };

  /** mmu_update with counts and pointers that are odd; `done` is word 4 of the data. */
  const oddBatch = (): Operation => {
    const request = context.request(context.table());
    const { p, index, cmd } = request;
    const data = [{ table: p, index, cmd }, valueOf(request), 0n, 0n, 0n];
    const args = random.pick<readonly Word[]>([
      [{ data: 0 }, 1n | PREEMPTED, { data: 32 }, BigInt(DOMID_SELF)],
      [{ data: 0 }, 0n, { data: 32 }, BigInt(DOMID_SELF)],
      [{ data: 0 }, 1n, 0n, BigInt(DOMID_SELF)],
      [{ data: 0 }, 1n, UNMAPPED_VA, BigInt(DOMID_SELF)],
      [UNMAPPED_VA, 1n, { data: 32 }, BigInt(DOMID_SELF)],
      [0xffff_8300_0000_0000n, 1n, { data: 32 }, BigInt(DOMID_SELF)],
    ]);
    return hypercall(MMU_UPDATE, args, data, [4]);
  };

  return {
    kinds: [
      [4, oddMmuext],
      [2, setGdt],
      [2, updateDescriptor],
      [2, multicall],
      [1, oddBatch],
    ],
  };
}

/** What a request writes: a frame's PFN for an M2P update, else an entry. */
const valueOf = ({ cmd, pte, to }: MmuRequest): Word =>
  cmd === MMU_MACHPHYS_UPDATE ? pte : to === undefined ? { pte } : { pte, to };
