/**
 * What all families of random operations choose from: a small pool of pages, the states that they have now, entries
 * that nearly fit, and addresses that lead through the tables made of them.
 */

import {
  BOOT_TABLES,
  GRANT_FRAMES,
  OTHER_FRAMES,
  type FrameName,
  type MmuRequest,
  type Operation,
} from '../../../adapter/conformance/operations.ts';
import type { FrameRecord } from '../../../adapter/conformance/guest-port.ts';
import type { Outcome } from '../../../adapter/conformance/runner.ts';
import type { Random } from '../random.ts';

/** What the generator may look at. */
export interface Glance {
  state(name: FrameName): FrameRecord | null;
  /** The frame that the kernel reaches at an address: a boot table, a root, another one, or none. */
  reaches(va: bigint): 'bootTable' | 'root' | 'page' | 'nothing';
}

/** One kind of random operation: how often it is made, beside the others, and how. */
export type Kind = readonly [weight: number, make: () => Operation];

/** A family of kinds; it may learn from what its operations gave. */
export interface Family {
  readonly kinds: readonly Kind[];
  learn?(operation: Operation, outcome: Outcome): void;
}

const FIRST_PAGE = 0x400n;
const POOL_PAGES = 20;
export const POOL: readonly bigint[] = Array.from({ length: POOL_PAGES }, (_, i) => FIRST_PAGE + BigInt(i));

/** Boot pages at these addresses give their place in the boot L1 to whatever a list maps there. */
const WINDOW_VA = 0x30_0000n;
const WINDOW_PAGES = 12;
export const SLOTS = [0, 1, 2, 9, 300, 511] as const;
const XEN_SLOTS = [256, 258, 260, 271] as const;
export const DOMID_SELF = 0x7ff0;
/** Domain arguments: the domain itself in both ways, one that is not there, and the special ones. */
export const DOMAINS = [DOMID_SELF, 0, 5, 0x7ff1, 0x7ff2, 0x7ff3] as const;

const NX = 1n << 63n;
const TABLE_FLAGS = [0x67n, 0x63n, 0x7n, 0x23n, 0x27n] as const;
const READ_ONLY_TABLE_FLAGS = [0x1n, 0x25n, 0x65n] as const;
const LEAF_FLAGS = [0x63n, 0x67n, 0x3n, 0x61n, 0x21n, 0x5n, 0x1n, NX | 0x63n] as const;
/** Bits that alone make the difference between allowed and refused at some level. */
const ODD_FLAGS = [0x8n, 0x10n, 0x80n, 0x100n, 0x200n, 0x800n, 1n << 52n, 1n << 58n, 1n << 62n, NX] as const;
/** Numbers that name no page of the domain. */
const NO_PAGES = [0x3fff_ffffn, 0xff_ffff_ffffn] as const;

export type Level = 1 | 2 | 3 | 4;
export const TABLE_TYPES = ['l1', 'l2', 'l3', 'l4'] as const;

/**
 * What slot 0 of a root holds. Slot 0 of a table in use as root is given nothing else: the kernel's own memory, with the
 * requests of the hypercall in progress, lies there.
 */
export const kernelMapping = (p: bigint): MmuRequest => ({ p, index: 0, pte: 0x67n, to: 'boot.l3', cmd: 0 });

export const mmuext = (
  cmd: number,
  fields: { p?: FrameName; va?: bigint; arg2?: bigint; fd?: number } = {},
) => ({ op: 'mmuext', raw: false, cmd, ...fields }) as const satisfies Operation;

export const vaMap = (va: bigint, entry: { pte: bigint; to?: FrameName }, flags: bigint) =>
  ({ op: 'va_map', raw: false, va, ...entry, flags }) as const satisfies Operation;

export class Context {
  readonly random: Random;
  readonly glance: Glance;
  /** Operations that belong together: what follows the one just given. */
  private readonly queue: Operation[] = [];

  constructor(random: Random, glance: Glance) {
    this.random = random;
    this.glance = glance;
  }

  /** Gives the first of operations that belong together; the others follow it. */
  inTurn(first: Operation, ...others: readonly Operation[]): Operation {
    this.queue.push(...others);
    return first;
  }

  nextQueued(): Operation | undefined {
    return this.queue.shift();
  }

  page(): bigint {
    return this.random.pick(POOL);
  }

  /** A page of the pool whose type is one of these, if any has it; otherwise any page. */
  pageOf(types: readonly string[]): bigint {
    const fitting = POOL.filter((p) => types.includes(this.typeInUse(p)));
    return fitting.length > 0 ? this.random.pick(fitting) : this.page();
  }

  /** So many different pages that are not in use, if there are so many; otherwise any. */
  idlePages(count: number): bigint[] {
    const idle = POOL.filter((p) => this.typeInUse(p) === 'idle');
    const from = idle.length >= count ? idle : [...POOL];
    return Array.from({ length: count }, () => from.splice(this.random.below(from.length), 1)[0] as bigint);
  }

  /** The type of a page while it is in use, `idle` when its type could change. */
  typeInUse(p: bigint): string {
    const state = this.glance.state(p);
    if (state === null || state.refCount === 0) return 'free';
    return state.typeCount === 0 ? 'idle' : state.type;
  }

  levelOf(p: FrameName): Level {
    const type = typeof p === 'bigint' ? this.typeInUse(p) : 'none';
    const index = TABLE_TYPES.indexOf(type as (typeof TABLE_TYPES)[number]);
    return index < 0 ? this.random.pick([1, 2, 3, 4]) : ((index + 1) as Level);
  }

  table(): bigint {
    return this.random.chance(85) ? this.pageOf(TABLE_TYPES) : this.page();
  }

  request(p: bigint): MmuRequest {
    const level = this.levelOf(p);
    if (this.typeInUse(p) === 'l4' && this.random.chance(20)) return kernelMapping(p);
    const slots = this.typeInUse(p) === 'l4' ? SLOTS.slice(1) : SLOTS;
    const index = this.random.chance(level === 4 ? 8 : 1)
      ? this.random.pick(XEN_SLOTS)
      : this.random.pick(slots);
    const cmd = this.random.weighted([
      [85, 0],
      [7, 2],
      [3, 3],
      [4, 1],
      [1, 4 + this.random.below(4)],
    ]);
    if (cmd === 1) return { p, index, pte: this.random.chance(80) ? p : this.page(), cmd };
    return { p, index, cmd, ...this.entryFor(level, p) };
  }

  /** An entry for a table of this level: mostly a child that fits. */
  entryFor(level: Level, table: bigint): { pte: bigint; to?: FrameName } {
    if (this.random.chance(16)) return { pte: this.random.chance(70) ? 0n : this.garbage() };
    const odd = this.random.chance(8) ? this.random.pick(ODD_FLAGS) : 0n;
    if (level === 1) return this.leaf(odd);
    if (this.random.chance(12)) return this.linearEntry(level, table, odd);
    const flags = this.random.pick(this.random.chance(85) ? TABLE_FLAGS : READ_ONLY_TABLE_FLAGS) | odd;
    if (this.random.chance(level === 4 ? 30 : 6))
      return {
        pte: flags,
        to: this.random.chance(85) ? (BOOT_TABLES[5 - level] as FrameName) : this.random.pick(BOOT_TABLES),
      };
    if (this.random.chance(2)) return { pte: flags, to: this.random.pick(OTHER_FRAMES) };
    const child = this.random.chance(60) ? this.pageOf([`l${level - 1}`, 'idle']) : this.target();
    return { pte: (child << 12n) | flags };
  }

  private leaf(odd: bigint): { pte: bigint; to?: FrameName } {
    const flags = this.random.pick(LEAF_FLAGS) | odd;
    if (this.random.chance(4)) return { pte: flags, to: this.random.pick(BOOT_TABLES) };
    if (this.random.chance(4)) return { pte: flags, to: this.random.pick(OTHER_FRAMES) };
    if (this.random.chance(2)) return { pte: flags, to: this.random.pick(GRANT_FRAMES) };
    return { pte: (this.target() << 12n) | flags };
  }

  /** Recursive: the table itself, or another one of its level. */
  private linearEntry(level: Level, table: bigint, odd: bigint): { pte: bigint; to?: FrameName } {
    const flags = this.random.pick(this.random.chance(80) ? READ_ONLY_TABLE_FLAGS : TABLE_FLAGS) | odd;
    if (this.random.chance(10)) return { pte: flags, to: BOOT_TABLES[4 - level] as FrameName };
    const other = this.random.chance(40) ? table : this.pageOf([`l${level}`]);
    return { pte: (other << 12n) | flags };
  }

  /** A page to map: mostly one of the pool, sometimes a number that is none. */
  private target(): bigint {
    return this.random.chance(97) ? this.page() : this.random.pick([...NO_PAGES, 0x3d0n]);
  }

  private garbage(): bigint {
    return (BigInt(this.random.below(0x7fff_ffff)) << 12n) | BigInt(this.random.below(0x800) << 1);
  }

  windowVa(): bigint {
    return WINDOW_VA + BigInt(this.random.below(WINDOW_PAGES) * 4096);
  }

  /** An address under slots that the generator uses: through tables of the pool, or recursively. */
  linkedVa(): bigint {
    const slots = Array.from({ length: 4 }, () => BigInt(this.random.pick(SLOTS)));
    const va = slots.reduce((sum, slot) => (sum << 9n) | slot, 0n) << 12n;
    return va >> 47n === 0n ? va : va | 0xffff_0000_0000_0000n;
  }
}
