/**
 * Xen's frame table and M2P, read from the machine's RAM. Xen's slots are the same under every root of a guest, so the
 * boot root serves to find them, and where they lie does not change while the machine runs.
 */

import { PAGE_TYPE_NAMES } from '../../../core/machine/frames.ts';
import { FREE_FRAME, type FrameState } from '../../../adapter/conformance/guest-port.ts';
import type { GuestRam } from '../../../adapter/real-xen/guest-ram.ts';
import { type BitField, type XenLayout, fieldOf } from './layouts.ts';

const PAGE_SHIFT = 12n;
const OFFSET_MASK = (1n << PAGE_SHIFT) - 1n;

/** A frame's state with what only a real Xen has. */
export interface RealFrameState extends FrameState {
  /** Xen left the table partially validated. */
  readonly partial: boolean;
  /** Xen's word for the owner: equal for frames of one domain, 0 for none. */
  readonly owner: number;
}

export class XenMemory {
  private readonly ram: GuestRam;
  private readonly layout: XenLayout;
  private readonly root: bigint;
  /** Machine addresses of the pages of both tables, by virtual page. */
  private readonly pages = new Map<bigint, bigint | null>();
  private readonly record: DataView;

  constructor(ram: GuestRam, layout: XenLayout, root: bigint) {
    this.ram = ram;
    this.layout = layout;
    this.root = root;
    this.record = new DataView(new ArrayBuffer(layout.recordBytes));
  }

  frame(frame: bigint): RealFrameState | null {
    const { layout, record } = this;
    const address = this.addressOf(layout.frameTable + frame * BigInt(layout.recordBytes));
    if (address === null) return null;
    this.ram.read(address, new Uint8Array(record.buffer));
    const count = record.getBigUint64(layout.countInfo, true);
    const type = record.getBigUint64(layout.typeInfo, true);
    const owner = record.getUint32(layout.owner, true);
    if (fieldOf(count, layout.state) === layout.freeState) return { ...FREE_FRAME, partial: false, owner: 0 };
    const flag = (field: BitField): boolean => fieldOf(type, field) !== 0n;
    return {
      type: PAGE_TYPE_NAMES[Number(fieldOf(type, layout.type))] ?? 'none',
      typeCount: Number(fieldOf(type, layout.typeCount)),
      refCount: Number(fieldOf(count, layout.refCount)),
      pinned: flag(layout.pinned),
      validated: flag(layout.validated),
      allocated: fieldOf(count, layout.allocated) !== 0n,
      partial: flag(layout.partial),
      owner,
    };
  }

  m2p(frame: bigint): bigint | null {
    const address = this.addressOf(this.layout.m2p + frame * 8n);
    return address === null ? null : this.ram.read64(address);
  }

  private addressOf(va: bigint): bigint | null {
    const page = va >> PAGE_SHIFT;
    let base = this.pages.get(page);
    if (base === undefined) {
      base = this.ram.translate(this.root, page << PAGE_SHIFT);
      this.pages.set(page, base);
    }
    return base === null ? null : base + (va & OFFSET_MASK);
  }
}
