/**
 * Xen's frame table and M2P, read from the machine's RAM. Xen's slots are the same under every root of a guest, so the
 * boot root serves to find them, and where they lie does not change while the machine runs.
 */

import { PAGE_TYPE_NAMES, PageType } from '../../../core/machine/frames.ts';
import { FREE_FRAME, type FrameRecord } from '../../../adapter/conformance/guest-port.ts';
import type { GuestRam } from '../../../adapter/real-xen/guest-ram.ts';
import { type BitField, type XenLayout, fieldOf } from './layouts.ts';

const PAGE_SIZE = 4096;
const PAGE_SHIFT = 12n;
const OFFSET_MASK = (1n << PAGE_SHIFT) - 1n;

/** A frame's state with what only a real Xen has. */
export interface RealFrame extends FrameRecord {
  /** Xen left the table partially validated. */
  readonly partial: boolean;
  /** Xen's word for the owner: equal for frames of one domain, 0 for none. */
  readonly ownerWord: number;
}

const FREE: RealFrame = { ...FREE_FRAME, partial: false, ownerWord: 0 };

export class XenMemory {
  private readonly ram: GuestRam;
  private readonly layout: XenLayout;
  private readonly root: bigint;
  /** Xen's word for the domain, once it is known. */
  private domainWord: number | null = null;
  /** Machine addresses of the pages of both tables, by virtual page. */
  private readonly addresses = new Map<bigint, bigint | null>();
  /** Pages of both tables as they were when first looked at since `forget`. */
  private readonly seen = new Map<bigint, DataView | null>();

  constructor(ram: GuestRam, layout: XenLayout, root: bigint) {
    this.ram = ram;
    this.layout = layout;
    this.root = root;
  }

  /** The guest has run: what was read may be out of date. */
  forget(): void {
    this.seen.clear();
  }

  /** Says which domain is the guest: the owner of this frame. */
  learnDomain(frame: bigint): void {
    this.domainWord = this.frame(frame)?.ownerWord ?? null;
  }

  frame(frame: bigint): RealFrame | null {
    const { layout } = this;
    const va = layout.frameTable + frame * BigInt(layout.recordBytes);
    const page = this.pageOf(va);
    if (page === null) return null;
    const at = Number(va & OFFSET_MASK);
    const count = page.getBigUint64(at + layout.countInfo, true);
    const ownerWord = page.getUint32(at + layout.owner, true);
    const isNobodys = ownerWord === 0 && fieldOf(count, layout.allocated) === 0n;
    if (isNobodys || fieldOf(count, layout.state) === layout.freeState) return FREE;
    const word = page.getBigUint64(at + layout.typeInfo, true);
    const flag = (field: BitField): boolean => fieldOf(word, field) !== 0n;
    const type = Number(fieldOf(word, layout.type));
    const typeCount = Number(fieldOf(word, layout.typeCount));
    const isTable = type >= PageType.l1 && type <= PageType.l4;
    return {
      type: PAGE_TYPE_NAMES[type] ?? 'none',
      typeCount,
      refCount: Number(fieldOf(count, layout.refCount)),
      pinned: flag(layout.pinned),
      validated: flag(layout.validated),
      allocated: fieldOf(count, layout.allocated) !== 0n,
      owner: ownerWord === this.domainWord ? 'domain' : 'other',
      linear: isTable && typeCount > 0 ? page.getInt16(at + layout.linearCount, true) : 0,
      partial: flag(layout.partial),
      ownerWord,
    };
  }

  m2p(frame: bigint): bigint | null {
    const va = this.layout.m2p + frame * 8n;
    return this.pageOf(va)?.getBigUint64(Number(va & OFFSET_MASK), true) ?? null;
  }

  /** The page of one of the tables that holds an address; null where there is none. */
  private pageOf(va: bigint): DataView | null {
    const page = va >> PAGE_SHIFT;
    const known = this.seen.get(page);
    if (known !== undefined) return known;
    const address = this.addressOf(page);
    const view = address === null ? null : new DataView(new ArrayBuffer(PAGE_SIZE));
    if (address !== null && view !== null) this.ram.read(address, new Uint8Array(view.buffer));
    this.seen.set(page, view);
    return view;
  }

  private addressOf(page: bigint): bigint | null {
    let address = this.addresses.get(page);
    if (address === undefined) {
      address = this.ram.translate(this.root, page << PAGE_SHIFT);
      this.addresses.set(page, address);
    }
    return address;
  }
}
