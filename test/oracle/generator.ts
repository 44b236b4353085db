/**
 * Random operations that reach deep states: tables of all levels are built out of a small pool of pages, linked,
 * pinned, made recursive, loaded as roots, shared, given back and taken again. What is chosen depends on the states
 * that the pages have, so that most operations are nearly right, and some are wrong in every way that has a name.
 */

import {
  BOOT_TABLES,
  OTHER_FRAMES,
  type FrameName,
  type MmuRequest,
  type Operation,
} from '../../adapter/conformance/operations.ts';
import type { FrameState } from '../../adapter/conformance/guest-port.ts';
import type { Random } from './random.ts';

/** What the generator may look at. */
export interface Glance {
  state(name: FrameName): FrameState | null;
  /** The frame that the kernel reaches at an address: a boot table, another one, or none. */
  reaches(va: bigint): 'bootTable' | 'root' | 'page' | 'nothing';
}

const FIRST_PAGE = 0x400n;
const POOL_PAGES = 20;
export const POOL: readonly bigint[] = Array.from({ length: POOL_PAGES }, (_, i) => FIRST_PAGE + BigInt(i));

/** Boot pages at these addresses give their place in the boot L1 to whatever a list maps there. */
const WINDOW_VA = 0x30_0000n;
const WINDOW_PAGES = 12;
const SLOTS = [0, 1, 2, 9, 300, 511] as const;
const XEN_SLOTS = [256, 258, 260, 271] as const;
const DOMID_SELF = 0x7ff0;

const NX = 1n << 63n;
const ACCESSED_AND_DIRTY = 0x60n;
const TABLE_FLAGS = [0x67n, 0x63n, 0x7n, 0x23n, 0x27n] as const;
const READ_ONLY_TABLE_FLAGS = [0x1n, 0x25n, 0x65n] as const;
const LEAF_FLAGS = [0x63n, 0x67n, 0x3n, 0x61n, 0x21n, 0x5n, 0x1n, NX | 0x63n] as const;
/** Bits that alone make the difference between allowed and refused at some level. */
const ODD_FLAGS = [0x8n, 0x10n, 0x80n, 0x100n, 0x200n, 0x800n, 1n << 52n, 1n << 58n, 1n << 62n, NX] as const;

/**
 * What slot 0 of a root holds. Slot 0 of a table in use as root is given nothing else: the kernel's own memory, with the
 * requests of the hypercall in progress, lies there.
 */
const kernelMapping = (p: bigint): MmuRequest => ({ p, index: 0, pte: 0x67n, to: 'boot.l3', cmd: 0 });

type Level = 1 | 2 | 3 | 4;
const TABLE_TYPES = ['l1', 'l2', 'l3', 'l4'] as const;

export class Generator {
  private readonly random: Random;
  private readonly glance: Glance;
  /** Operations that belong together: what follows the one just given. */
  private readonly queue: Operation[] = [];

  constructor(random: Random, glance: Glance) {
    this.random = random;
    this.glance = glance;
  }

  next(): Operation {
    const queued = this.queue.shift();
    return queued ?? this.random.weighted(this.kinds)();
  }

  private readonly kinds: readonly (readonly [number, () => Operation])[] = [
    [34, () => this.update()],
    [5, () => this.batch()],
    [14, () => this.pin()],
    [6, () => this.unpin()],
    [5, () => this.loadRoot()],
    [2, () => this.loadUserRoot()],
    [3, () => this.oddMmuext()],
    [10, () => this.map()],
    [2, () => this.oddMap()],
    [5, () => this.poke()],
    [4, () => this.clear()],
    [3, () => this.peek()],
    [4, () => this.giveBack()],
    [4, () => this.takeAgain()],
    [6, () => this.access()],
    [3, () => this.storeToTable()],
    [2, () => this.preserve()],
    [1, () => ({ op: 'm2p', raw: false, p: this.page() })],
  ];

  private page(): bigint {
    return this.random.pick(POOL);
  }

  /** A page of the pool whose type is one of these, if any has it; otherwise any page. */
  private pageOf(types: readonly string[]): bigint {
    const fitting = POOL.filter((p) => types.includes(this.typeInUse(p)));
    return fitting.length > 0 ? this.random.pick(fitting) : this.page();
  }

  /** The type of a page while it is in use, `idle` when its type could change. */
  private typeInUse(p: bigint): string {
    const state = this.glance.state(p);
    if (state === null || state.refCount === 0) return 'free';
    return state.typeCount === 0 ? 'idle' : state.type;
  }

  private levelOf(p: FrameName): Level {
    const type = typeof p === 'bigint' ? this.typeInUse(p) : 'none';
    const index = TABLE_TYPES.indexOf(type as (typeof TABLE_TYPES)[number]);
    return index < 0 ? this.random.pick([1, 2, 3, 4]) : ((index + 1) as Level);
  }

  private table(): bigint {
    return this.random.chance(85) ? this.pageOf(TABLE_TYPES) : this.page();
  }

  private update(): Operation {
    const request = this.request(this.table());
    if (!this.random.chance(4)) return { op: 'mmu_update', raw: false, requests: [request] };
    const fd = this.random.pick([DOMID_SELF, 0, 5, 0x7ff1, 0x7ff2, 0x7ff3, 0x10000 | DOMID_SELF]);
    return { op: 'mmu_update', raw: false, requests: [request], fd };
  }

  private batch(): Operation {
    const table = this.table();
    const requests = Array.from({ length: 2 + this.random.below(5) }, () =>
      this.request(this.random.chance(60) ? table : this.table()),
    );
    return { op: 'mmu_update', raw: false, requests };
  }

  private request(p: bigint): MmuRequest {
    const level = this.levelOf(p);
    if (this.typeInUse(p) === 'l4' && this.random.chance(20)) return kernelMapping(p);
    const slots = this.typeInUse(p) === 'l4' ? SLOTS.slice(1) : SLOTS;
    const index = this.random.chance(level === 4 ? 8 : 1)
      ? this.random.pick(XEN_SLOTS)
      : this.random.pick(slots);
    const cmd = this.random.weighted([
      [88, 0],
      [6, 2],
      [3, 3],
      [2, 1],
      [1, 4 + this.random.below(4)],
    ]);
    if (cmd === 1) return { p, index, pte: this.random.chance(80) ? p : this.page(), cmd };
    return { p, index, cmd, ...this.entryFor(level, p) };
  }

  /** An entry for a table of this level: mostly a child that fits. */
  private entryFor(level: Level, table: bigint): { pte: bigint; to?: FrameName } {
    if (this.random.chance(16)) return { pte: this.random.chance(70) ? 0n : this.garbage() };
    const odd = this.random.chance(8) ? this.random.pick(ODD_FLAGS) : 0n;
    if (level === 1) {
      const flags = this.random.pick(LEAF_FLAGS) | odd;
      if (this.random.chance(4)) return { pte: flags, to: this.random.pick(BOOT_TABLES) };
      if (this.random.chance(4)) return { pte: flags, to: this.random.pick(OTHER_FRAMES) };
      return { pte: (this.target() << 12n) | flags };
    }
    if (this.random.chance(12)) {
      // Recursive: the table itself, or another one of its level.
      const flags = this.random.pick(this.random.chance(80) ? READ_ONLY_TABLE_FLAGS : TABLE_FLAGS) | odd;
      if (this.random.chance(10)) return { pte: flags, to: BOOT_TABLES[4 - level] as FrameName };
      const other = this.random.chance(40) ? table : this.pageOf([`l${level}`]);
      return { pte: (other << 12n) | flags };
    }
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

  /** A page to map: mostly one of the pool, sometimes a number that is none. */
  private target(): bigint {
    if (this.random.chance(97)) return this.page();
    return this.random.pick([0x3fff_ffffn, 0x3d0n, 0xff_ffff_ffffn]);
  }

  private garbage(): bigint {
    return (BigInt(this.random.below(0x7fff_ffff)) << 12n) | BigInt(this.random.below(0x800) << 1);
  }

  private pin(): Operation {
    const level = 1 + this.random.below(4);
    const p = this.random.chance(70) ? this.pageOf([`l${level}`, 'idle']) : this.page();
    return { op: 'mmuext', raw: false, cmd: level - 1, p };
  }

  private unpin(): Operation {
    const pinned = POOL.filter((p) => this.glance.state(p)?.pinned === true);
    const p = pinned.length > 0 && this.random.chance(85) ? this.random.pick(pinned) : this.page();
    return { op: 'mmuext', raw: false, cmd: 4, p };
  }

  /** A root needs the kernel's own mapping in slot 0: it is put there first, more often than not. */
  private loadRoot(): Operation {
    if (this.random.chance(25)) return { op: 'mmuext', raw: false, cmd: 5, p: 'boot.l4' };
    const p = this.pageOf(['l4', 'idle']);
    const load: Operation = { op: 'mmuext', raw: false, cmd: 5, p };
    if (this.random.chance(30)) return load;
    this.queue.push(load);
    return { op: 'mmu_update', raw: false, requests: [kernelMapping(p)] };
  }

  private loadUserRoot(): Operation {
    if (this.random.chance(30)) return { op: 'mmuext', raw: false, cmd: 15, p: 0n };
    return { op: 'mmuext', raw: false, cmd: 15, p: this.pageOf(['l4', 'idle']) };
  }

  private oddMmuext(): Operation {
    const va = this.windowVa();
    return this.random.pick<() => Operation>([
      () => ({ op: 'mmuext', raw: false, cmd: 6 }),
      () => ({ op: 'mmuext', raw: false, cmd: 7, va }),
      () => ({ op: 'mmuext', raw: false, cmd: 10 }),
      () => ({ op: 'mmuext', raw: false, cmd: 11, va }),
      () => ({ op: 'mmuext', raw: false, cmd: this.random.pick([14, 19, 20, 21, 99]), p: this.page() }),
      () => ({
        op: 'mmuext',
        raw: false,
        cmd: this.random.pick([0, 3, 4, 5, 6, 16]),
        p: this.page(),
        fd: this.random.pick([0, 5, 0x7ff1]),
      }),
      () => ({ op: 'mmuext', raw: false, cmd: 16, p: this.page() }),
      () => ({ op: 'mmuext', raw: false, cmd: 17, p: this.pageOf(['idle']), arg2: this.page() }),
    ])();
  }

  private windowVa(): bigint {
    return WINDOW_VA + BigInt(this.random.below(WINDOW_PAGES) * 4096);
  }

  private map(): Operation {
    const entry = this.random.chance(25) ? { pte: 0n } : this.entryFor(1, this.page());
    return { op: 'va_map', raw: false, va: this.windowVa(), ...entry, flags: 2n };
  }

  private oddMap(): Operation {
    const va = this.random.chance(60)
      ? this.linkedVa()
      : this.random.pick([0xffff_8000_0000_0000n, 0x4000_0000n, 0xffff_ffff_ffff_f000n]);
    return {
      op: 'va_map',
      raw: false,
      va,
      ...this.entryFor(1, this.page()),
      flags: this.random.pick([0n, 1n, 2n, 3n, 5n, 6n]),
    };
  }

  /** An address under slots that the generator uses: through tables of the pool, or recursively. */
  private linkedVa(): bigint {
    const slots = Array.from({ length: 4 }, () => BigInt(this.random.pick(SLOTS)));
    const va = slots.reduce((sum, slot) => (sum << 9n) | slot, 0n) << 12n;
    return va >> 47n === 0n ? va : va | 0xffff_0000_0000_0000n;
  }

  /** Prepares a page as a table by plain stores. */
  private poke(): Operation {
    const p = this.pageOf(['idle']);
    const level = 1 + this.random.below(4);
    return { op: 'poke', raw: false, p, index: this.random.pick(SLOTS), ...this.entryFor(level as Level, p) };
  }

  private clear(): Operation {
    return { op: 'fill', raw: false, p: this.pageOf(['idle']), value: 0n };
  }

  private peek(): Operation {
    return { op: 'peek', raw: false, p: this.table(), index: this.random.pick(SLOTS) };
  }

  private giveBack(): Operation {
    return { op: 'decrease', raw: false, p: this.page(), order: 0 };
  }

  private takeAgain(): Operation {
    const lacking = POOL.filter((p) => {
      const state = this.glance.state(p);
      return state === null || !state.allocated;
    });
    if (lacking.length === 0) return this.giveBack();
    const p = this.random.pick(lacking);
    return { op: 'populate', raw: false, p, order: this.random.chance(90) ? 0 : 1 };
  }

  /** Two stores to a slot of an L1 through a read-only mapping: Xen carries them out in the guest's stead. */
  private storeToTable(): Operation {
    const p = this.pageOf(['l1']);
    const va = this.windowVa();
    const slot = va + BigInt(this.random.pick(SLOTS) * 8);
    for (let i = 0; i < 2; i++)
      this.queue.push({ op: 'store', raw: false, va: slot, ...this.entryFor(1, p) });
    const flags = this.random.chance(80) ? 2n : 1n;
    return { op: 'va_map', raw: false, va, pte: (p << 12n) | 0x21n, flags };
  }

  /** An entry with A and D, then the same without them under MMU_PT_UPDATE_PRESERVE_AD. */
  private preserve(): Operation {
    const p = this.table();
    const index = this.random.pick(SLOTS.slice(1));
    const entry = this.entryFor(this.levelOf(p), p);
    const update = (pte: bigint, cmd: number): Operation => ({
      op: 'mmu_update',
      raw: false,
      requests: [{ ...entry, p, index, pte, cmd }],
    });
    this.queue.push(update(entry.pte & ~ACCESSED_AND_DIRTY, 2));
    return update(entry.pte | ACCESSED_AND_DIRTY, 0);
  }

  /** A load or store, after a flush: what a TLB still holds depends on the processor. */
  private access(): Operation {
    const page = this.random.chance(60) ? this.windowVa() : this.linkedVa();
    const va = page + BigInt(this.random.pick(SLOTS) * 8);
    const target = this.glance.reaches(va);
    if (target === 'bootTable' || target === 'root') return this.map();
    this.queue.push(
      this.random.chance(50)
        ? { op: 'load', raw: false, va }
        : { op: 'store', raw: false, va, ...this.entryFor(1, this.page()) },
    );
    return { op: 'mmuext', raw: false, cmd: 7, va: page };
  }
}
