/**
 * The grant table of a domain: the pages that it shares with Xen, Xen's own record of which entries are pinned (the
 * active entries), and the record of what the domain itself has mapped (the maptrack). Facts 5.1, 5.4, 5.6.
 *
 *   shared entry, version 1: u16 flags, u16 domid, u32 frame; 512 to a page, in pages of Xen's heap
 *   active entry             pin counts, mapper, frame: by reference
 *   maptrack entry           flags, granter, reference: by handle
 *
 * All of it is journalled words. A page of the table is taken from the heap when it is first needed; Xen takes the
 * first one at the domain's creation, which no guest can tell.
 */

import type { Domain } from '../machine/domain.ts';
import { FrameFlag, PageType } from '../machine/frames.ts';
import { Column, Region } from '../state/column.ts';
import { type Mfn, formatHex, mfn } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { assignPage } from './references.ts';

/** GTF_* bits of a shared entry. */
export const Gtf = {
  permitAccess: 1,
  acceptTransfer: 2,
  typeMask: 3,
  readonly: 4,
  reading: 8,
  writing: 0x10,
  /** A mark of version 2, which forbids mappings in version 1, too. */
  subPage: 0x100,
  transferCommitted: 4,
  transferCompleted: 8,
} as const;

/** GNTMAP_* bits of a map operation, kept in the maptrack. */
export const Gntmap = {
  device: 1,
  host: 2,
  readonly: 4,
  application: 8,
  containsPte: 16,
} as const;
export const GNTMAP_AVAIL_SHIFT = 16;

/** The four counters of an active entry's pin word, a byte each; bit 7 of a byte is its limit. */
export const Pin = {
  hostWrite: 1,
  hostRead: 1 << 8,
  deviceWrite: 1 << 16,
  deviceRead: 1 << 24,
  writers: 0x00ff_00ff,
  limits: 0x8080_8080 | 0,
} as const;

export const ENTRIES_PER_FRAME = 512;
const MAX_FRAMES = 64;
const MAX_HANDLES = 262_144;
const LIST_END = -1;
/** GTF_permit_access entries that the toolstack makes for the console and for xenstore. */
const RESERVED = { console: 0, xenstore: 1 } as const;
const TOOLSTACK_DOMAIN = 0;

/** Words of the region. */
const Word = { frames: 0, handleLimit: 1, freeHead: 2, freeTail: 3, isMade: 4, firstFrame: 8 } as const;

export class GrantTable {
  readonly domain: Domain;
  private readonly hv: Hypervisor;
  private readonly words: Region;
  private readonly pins: Column;
  private readonly mappers: Column;
  private readonly pinnedFrames: Column;
  private readonly handleFlags: Column;
  private readonly handleGranters: Column;
  /** The reference that a handle in use stands for; of a free one the next free handle. */
  private readonly handleRefs: Column;

  constructor(hv: Hypervisor, domain: Domain) {
    this.hv = hv;
    this.domain = domain;
    const { store } = hv.machine;
    this.words = new Region(store, 'grant.table', Word.firstFrame + MAX_FRAMES);
    const rows = MAX_FRAMES * ENTRIES_PER_FRAME;
    this.pins = new Column(store, 'grant.pin', rows);
    this.mappers = new Column(store, 'grant.mapper', rows);
    this.pinnedFrames = new Column(store, 'grant.frame', rows);
    this.handleFlags = new Column(store, 'maptrack.flags', MAX_HANDLES);
    this.handleGranters = new Column(store, 'maptrack.domain', MAX_HANDLES);
    this.handleRefs = new Column(store, 'maptrack.ref', MAX_HANDLES);
  }

  // ---- shared entries ------------------------------------------------------------------------------------------------

  /** Pages of the table, as Xen counts them. */
  get frames(): number {
    return Math.max(this.words.get(Word.frames), this.hv.ruleSet.grantTable.initialFrames);
  }

  get entries(): number {
    return this.frames * ENTRIES_PER_FRAME;
  }

  /** Makes the table that many pages long, never shorter; false when there is no memory for them. */
  grow(frames: number): boolean {
    const wanted = Math.max(frames, this.frames);
    for (let i = 0; i < wanted; i++) if (this.frame(i) === null && !this.takeFrame(i)) return false;
    this.words.set(Word.frames, wanted);
    return true;
  }

  /** The machine frame of a page of the table; null while Xen has had no reason to look at it. */
  frame(index: number): Mfn | null {
    const frame = this.words.get(Word.firstFrame + index) >>> 0;
    return frame === 0 ? null : mfn(frame);
  }

  flags(ref: number): number {
    return this.entryWord(ref, 0) & 0xffff;
  }

  grantee(ref: number): number {
    return this.entryWord(ref, 0) >>> 16;
  }

  entryFrame(ref: number): number {
    return this.entryWord(ref, 1) >>> 0;
  }

  setFlags(ref: number, flags: number): void {
    this.setEntryWord(ref, 0, (this.grantee(ref) << 16) | (flags & 0xffff));
  }

  setEntryFrame(ref: number, frame: number): void {
    this.setEntryWord(ref, 1, frame);
  }

  /** Exchanges what two entries say (swap_grant_ref). */
  swap(a: number, b: number): void {
    for (const word of [0, 1] as const) {
      const kept = this.entryWord(a, word);
      this.setEntryWord(a, word, this.entryWord(b, word));
      this.setEntryWord(b, word, kept);
    }
  }

  // ---- active entries ------------------------------------------------------------------------------------------------

  pin(ref: number): number {
    return this.pins.get(ref) | 0;
  }

  setPin(ref: number, pin: number): void {
    this.pins.set(ref, pin);
  }

  mapper(ref: number): number {
    return this.mappers.get(ref);
  }

  pinnedFrame(ref: number): Mfn {
    return mfn(this.pinnedFrames.get(ref));
  }

  activate(ref: number, mapper: number, frame: Mfn): void {
    this.mappers.set(ref, mapper);
    this.pinnedFrames.set(ref, frame);
  }

  /** References that are pinned now, ascending. */
  pinnedRefs(): number[] {
    const refs: number[] = [];
    const first = this.pins.nextTouched(0);
    if (first !== null)
      for (let ref = first; ref < this.entries; ref++) if (this.pin(ref) !== 0) refs.push(ref);
    return refs;
  }

  // ---- maptrack ------------------------------------------------------------------------------------------------------

  /** A handle for a new mapping; null when there are no more. One free handle always stays in the list. */
  takeHandle(): number | null {
    if (this.words.get(Word.isMade) === 0) this.makeHandleList();
    return this.nextFree() ?? (this.addHandles() ? this.nextFree() : null);
  }

  get handleLimit(): number {
    return this.words.get(Word.handleLimit);
  }

  /** GNTMAP_* of what the handle still maps; 0 for a free one. */
  flagsOf(handle: number): number {
    return handle < this.handleLimit ? this.handleFlags.get(handle) : 0;
  }

  granterOf(handle: number): number {
    return this.handleGranters.get(handle);
  }

  refOf(handle: number): number {
    return this.handleRefs.get(handle);
  }

  setHandle(handle: number, granter: number, ref: number, flags: number): void {
    this.handleGranters.set(handle, granter);
    this.handleRefs.set(handle, ref);
    this.handleFlags.set(handle, flags);
  }

  setFlagsOf(handle: number, flags: number): void {
    this.handleFlags.set(handle, flags);
  }

  /** Frees a handle: 4.17 uses it again last, 3.0.4 first. */
  putHandle(handle: number): void {
    const { words, handleRefs } = this;
    this.handleFlags.set(handle, 0);
    if (this.hv.ruleSet.grantTable.handlesReused === 'first') {
      handleRefs.set(handle, words.get(Word.freeHead));
      words.set(Word.freeHead, handle);
      return;
    }
    handleRefs.set(handle, LIST_END);
    handleRefs.set(words.get(Word.freeTail), handle);
    words.set(Word.freeTail, handle);
  }

  private makeHandleList(): void {
    this.words.set(Word.isMade, 1);
    this.words.set(Word.freeHead, LIST_END);
    this.words.set(Word.freeTail, LIST_END);
    this.addHandles();
  }

  private nextFree(): number | null {
    const head = this.words.get(Word.freeHead);
    const next = this.handleRefs.get(head) | 0;
    if (next === LIST_END) return null;
    this.words.set(Word.freeHead, next);
    return head;
  }

  /** New handles go before those that are free: a page more (4.17), or twice as many (3.0.4). */
  private addHandles(): boolean {
    const { handlesAtFirst, maxHandles, handlesReused } = this.hv.ruleSet.grantTable;
    const { words, handleRefs } = this;
    const from = this.handleLimit;
    const count = handlesReused === 'first' && from > 0 ? from : handlesAtFirst;
    if (from + count > maxHandles) return false;
    for (let i = from; i < from + count - 1; i++) handleRefs.set(i, i + 1);
    handleRefs.set(from + count - 1, words.get(Word.freeHead));
    if (words.get(Word.freeTail) === LIST_END) words.set(Word.freeTail, from + count - 1);
    words.set(Word.freeHead, from);
    words.set(Word.handleLimit, from + count);
    return true;
  }

  private takeFrame(index: number): boolean {
    const { hv } = this;
    const frame = hv.heap.find(0);
    if (frame === null) return false;
    hv.tlb.flushForReuse(frame);
    assignPage(hv, frame, this.domain);
    hv.memory.fillFrame(frame, 0);
    hv.frames.flags.set(frame, FrameFlag.allocated | FrameFlag.xenHeap | FrameFlag.validated);
    hv.frames.type.set(frame, PageType.writable);
    hv.frames.typeCount.set(frame, 1);
    hv.machine.invalidateM2p(frame);
    hv.heap.took(1);
    this.words.set(Word.firstFrame + index, frame);
    if (index === 0 && hv.ruleSet.grantTable.toolstackFillsReserved) this.fillReserved();
    return true;
  }

  /** What the toolstack grants itself of a new domU: its console ring and its xenstore ring. */
  private fillReserved(): void {
    const { layout } = this.domain;
    for (const [ref, ring] of [
      [RESERVED.console, layout?.consoleRing ?? null],
      [RESERVED.xenstore, layout?.storeRing ?? null],
    ] as const) {
      if (ring === null) continue;
      this.setEntryWord(ref, 0, (TOOLSTACK_DOMAIN << 16) | Gtf.permitAccess);
      this.setEntryWord(ref, 1, ring);
    }
  }

  private entryWord(ref: number, word: 0 | 1): number {
    const frame = this.frame(Math.floor(ref / ENTRIES_PER_FRAME));
    return frame === null ? 0 : this.hv.memory.readWord(frame, (ref % ENTRIES_PER_FRAME) * 2 + word);
  }

  private setEntryWord(ref: number, word: 0 | 1, value: number): void {
    const frame = this.frame(Math.floor(ref / ENTRIES_PER_FRAME));
    if (frame === null)
      throw new Error(`grant_table: entry ${formatHex(ref)} of ${this.domain.name} has no page`);
    this.hv.memory.writeWord(frame, (ref % ENTRIES_PER_FRAME) * 2 + word, value);
  }
}

/** The grant tables of all domains, each made when it is first asked for. */
export class GrantTables {
  private readonly hv: Hypervisor;
  private readonly tables = new Map<Domain, GrantTable>();

  constructor(hv: Hypervisor) {
    this.hv = hv;
  }

  of(domain: Domain): GrantTable {
    const present = this.tables.get(domain);
    if (present !== undefined) return present;
    const made = new GrantTable(this.hv, domain);
    this.tables.set(domain, made);
    return made;
  }

  /** Tables that have been used. */
  all(): readonly GrantTable[] {
    return [...this.tables.values()];
  }
}
