/**
 * The frame table: what Xen knows of each machine frame (`struct page_info`), one column a field. Only storage: who
 * may change what is the hypervisor's business. Facts 3.1 and 3.2.
 */

import type { LevelRow, XenSlots } from '../abi/index.ts';
import { Column } from '../state/column.ts';
import type { Store } from '../state/store.ts';
import type { DomainId, Mfn } from '../units.ts';

/** PGT_* types, numbered as in Xen's `type_info` bits 63:61. */
export const PageType = {
  none: 0,
  l1: 1,
  l2: 2,
  l3: 3,
  l4: 4,
  segDesc: 5,
  shared: 6,
  writable: 7,
} as const;
export type PageType = (typeof PageType)[keyof typeof PageType];

/** Names of the types for people and JSON, by number. */
export const PAGE_TYPE_NAMES = ['none', 'l1', 'l2', 'l3', 'l4', 'seg_desc', 'shared', 'writable'] as const;
export type PageTypeName = (typeof PAGE_TYPE_NAMES)[number];

/** Bits of the `flags` column. */
export const FrameFlag = {
  allocated: 1,
  pinned: 2,
  validated: 4,
  xenHeap: 8,
  /** PGT_pae_xen_l2: an L2 in slot 3 of a PAE L3; part of type equality. */
  paeXenL2: 16,
} as const;

/** The `owner` column's value for a frame that belongs to nobody. */
export const NO_OWNER = 0xffff;

export class FrameTable {
  readonly count: number;
  readonly type: Column;
  readonly typeCount: Column;
  readonly refCount: Column;
  readonly owner: Column;
  readonly flags: Column;
  /** Linear page-table entries (+) or uses (-); a signed number in an unsigned word. */
  readonly linearCount: Column;

  constructor(store: Store, count: number) {
    this.count = count;
    this.type = new Column(store, 'frame.type', count);
    this.typeCount = new Column(store, 'frame.typeCount', count);
    this.refCount = new Column(store, 'frame.refCount', count);
    this.owner = new Column(store, 'frame.owner', count, NO_OWNER);
    this.flags = new Column(store, 'frame.flags', count);
    this.linearCount = new Column(store, 'frame.linearCount', count);
  }

  /** Whether the frame table has a row for the frame (Xen: mfn_valid). */
  has(frame: Mfn): boolean {
    return frame >= 0 && frame < this.count;
  }

  typeOf(frame: Mfn): PageType {
    return this.type.get(frame) as PageType;
  }

  typeName(frame: Mfn): PageTypeName {
    return PAGE_TYPE_NAMES[this.type.get(frame)] ?? 'none';
  }

  ownerOf(frame: Mfn): DomainId | null {
    const owner = this.owner.get(frame);
    return owner === NO_OWNER ? null : (owner as DomainId);
  }

  hasFlag(frame: Mfn, flag: number): boolean {
    return (this.flags.get(frame) & flag) !== 0;
  }

  setFlag(frame: Mfn, flag: number): void {
    this.flags.set(frame, this.flags.get(frame) | flag);
  }

  clearFlag(frame: Mfn, flag: number): void {
    this.flags.set(frame, this.flags.get(frame) & ~flag);
  }
}

/** Xen's slots of a table of this level; null when it has none. For PAE they are in the marked L2 alone. */
export const xenSlotsOf = (frames: FrameTable, table: Mfn, row: LevelRow): XenSlots | null =>
  row.xenSlots === null || (row.xenSlots.ofTopL2 && !frames.hasFlag(table, FrameFlag.paeXenL2))
    ? null
    : row.xenSlots;
