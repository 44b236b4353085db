/**
 * The machine: memory, frame table, M2P and domains. It knows no rule of Xen's; what it lays out before the first
 * domain is only where Xen's own memory lies.
 *
 *   frames 0 .. 0xff          the first MiB: no RAM (BIOS, VGA), so mapping it needs I/O rights
 *   0x100 ..                  Xen's own tables that hang under Xen's slots of guest roots
 *   from the next superpage   the M2P, one entry a frame, all ones at first
 *   firstHeapFrame ..         the heap that domains are built from
 *
 * The M2P is ordinary machine memory in Xen's frames, mapped read-only for guests by superpages, so that a guest's
 * loads from it go through the same walk as every other load (facts 1.3, 1.4).
 */

import type { Abi, LevelRow } from '../abi/index.ts';
import { A, D, P, PSE, RW, US, entryHi, entryLo } from '../pte.ts';
import type { Store } from '../state/store.ts';
import { DOMID, type DomainId, type Mfn, PAGE_SIZE, joinWords, mfn } from '../units.ts';
import { entryWord } from '../walk.ts';
import type { Domain } from './domain.ts';
import { FrameFlag, FrameTable } from './frames.ts';
import { PhysicalMemory } from './memory.ts';

const FIRST_MIB_FRAMES = 0x100;

/** An M2P entry that names no page: all ones (facts 1.3). */
export const INVALID_M2P = 0xffff_ffff;

/** The words of an entry; a 2-level entry has only `lo`. */
export interface TableEntry {
  readonly lo: number;
  readonly hi: number;
}

export class Machine {
  readonly store: Store;
  readonly abi: Abi;
  readonly maxPage: number;
  readonly memory: PhysicalMemory;
  readonly frames: FrameTable;
  readonly domains: Domain[] = [];
  /** First frame of the M2P. */
  readonly m2pBase: Mfn;
  readonly m2pFrames: number;
  /**
   * What Xen writes into its slots of guest tables to show the M2P. On x86_64 it is one entry, which names an L3 table
   * of Xen's; on the 32-bit ABIs, whose slots of Xen's are superpages themselves, as many as the M2P has.
   */
  readonly m2pEntries: readonly TableEntry[];
  /** An empty table of Xen's, for the private slots of guest roots. */
  readonly xenPrivateTable: Mfn;
  readonly firstHeapFrame: Mfn;
  private nextXenFrame = FIRST_MIB_FRAMES;

  /** @param maxPage frames of the machine, the first MiB included. */
  constructor(store: Store, abi: Abi, maxPage: number) {
    this.store = store;
    this.abi = abi;
    this.maxPage = maxPage;
    this.memory = new PhysicalMemory(store, maxPage);
    this.frames = new FrameTable(store, maxPage);
    const superRow = superpageRow(abi);
    const superFrames = 1 << (superRow.shift - 12);
    const superpages = Math.ceil((maxPage * abi.wordBytes) / (superFrames * PAGE_SIZE));
    this.m2pFrames = superpages * superFrames;
    this.xenPrivateTable = this.takeXenFrame();
    const middleTables: Mfn[] = [];
    for (let i = 0; i < middleTableCount(abi, superpages); i++) middleTables.push(this.takeXenFrame());
    this.m2pBase = mfn(Math.ceil(this.nextXenFrame / superFrames) * superFrames);
    this.firstHeapFrame = mfn(this.m2pBase + this.m2pFrames);
    if (this.firstHeapFrame >= maxPage)
      throw new Error(`machine: ${maxPage} frames leave no memory beside the M2P`);
    this.memory.patternOnes(this.m2pBase, this.m2pFrames);
    this.giveToXen(this.m2pBase, this.m2pFrames);
    this.m2pEntries = this.mapM2p(superRow, superpages, superFrames, middleTables);
  }

  /** The fewest frames a machine of this ABI can have, with room for `heapFrames` of domains' memory. */
  static framesFor(abi: Abi, heapFrames: number): number {
    const superFrames = 1 << (superpageRow(abi).shift - 12);
    let maxPage = heapFrames;
    for (;;) {
      const superpages = Math.ceil((maxPage * abi.wordBytes) / (superFrames * PAGE_SIZE));
      const tables = FIRST_MIB_FRAMES + 1 + middleTableCount(abi, superpages);
      const needed = Math.ceil(tables / superFrames) * superFrames + superpages * superFrames + heapFrames;
      if (needed <= maxPage) return maxPage;
      maxPage = needed;
    }
  }

  /** Whether the frame is RAM with a row in the frame table: not the first MiB, not past the end. */
  isRam(frame: Mfn): boolean {
    return frame >= FIRST_MIB_FRAMES && frame < this.maxPage;
  }

  /** The M2P entry of a frame as a number, `INVALID_M2P` when it is no valid PFN below 2^32. */
  m2p(frame: Mfn): number {
    const { lo, hi } = this.m2pWords(frame);
    return hi === 0 ? lo >>> 0 : INVALID_M2P;
  }

  /** The M2P entry in full. */
  m2pValue(frame: Mfn): bigint {
    const { lo, hi } = this.m2pWords(frame);
    return joinWords(lo, hi);
  }

  setM2p(frame: Mfn, lo: number, hi: number): void {
    const at = frame * this.abi.wordBytes;
    const page = mfn(this.m2pBase + Math.floor(at / PAGE_SIZE));
    const word = (at % PAGE_SIZE) >>> 2;
    this.memory.writeWord(page, word, lo);
    if (this.abi.wordBytes === 8) this.memory.writeWord(page, word + 1, hi);
  }

  /**
   * Enters the PFNs of the frames from `first` on, for start of day (not journalled); where there is none, `none`, the
   * entry is left as it is.
   */
  fillM2p(first: Mfn, pfns: Uint32Array, none: number): void {
    const { wordBytes } = this.abi;
    const perPage = PAGE_SIZE / wordBytes;
    const words = wordBytes / 4;
    for (let i = 0; i < pfns.length;) {
      const page = Math.floor((first + i) / perPage);
      const end = Math.min((page + 1) * perPage - first, pfns.length);
      let entries: Int32Array | null = null;
      for (; i < end; i++) {
        const pfn = pfns[i] as number;
        if (pfn === none) continue;
        entries ??= this.memory.wordsOf(mfn(this.m2pBase + page));
        const at = ((first + i) % perPage) * words;
        entries[at] = pfn;
        if (words === 2) entries[at + 1] = 0;
      }
    }
  }

  invalidateM2p(frame: Mfn): void {
    this.setM2p(frame, -1, -1);
  }

  domain(id: DomainId): Domain | undefined {
    return this.domains.find((domain) => domain.id === id);
  }

  private m2pWords(frame: Mfn): { lo: number; hi: number } {
    const at = frame * this.abi.wordBytes;
    const page = mfn(this.m2pBase + Math.floor(at / PAGE_SIZE));
    const word = (at % PAGE_SIZE) >>> 2;
    return {
      lo: this.memory.readWord(page, word),
      hi: this.abi.wordBytes === 8 ? this.memory.readWord(page, word + 1) : 0,
    };
  }

  private takeXenFrame(): Mfn {
    const frame = mfn(this.nextXenFrame++);
    this.giveToXen(frame, 1);
    return frame;
  }

  /**
   * Shared read-only with guests: a permanent reference of type none keeps every other type off the frames (facts 3.3).
   */
  private giveToXen(from: Mfn, count: number): void {
    const { owner, refCount, typeCount, flags } = this.frames;
    const to = from + count;
    owner.fillRows(from, to, DOMID.XEN);
    refCount.fillRows(from, to, 1);
    typeCount.fillRows(from, to, 1);
    flags.fillRows(from, to, FrameFlag.allocated | FrameFlag.xenHeap);
  }

  /** Builds the tables that show the M2P and returns the entries for Xen's slots. */
  private mapM2p(
    row: LevelRow,
    superpages: number,
    superFrames: number,
    tables: readonly Mfn[],
  ): TableEntry[] {
    const leafFlags = P | US | A | D | PSE;
    const tableFlags = P | RW | US | A | D;
    const entry = (frame: Mfn, flags: number): TableEntry => ({
      lo: entryLo(frame, flags),
      hi: entryHi(frame, 0),
    });
    if (row.xenSlots !== null)
      return Array.from({ length: superpages }, (_, i) =>
        entry(mfn(this.m2pBase + i * superFrames), leafFlags),
      );
    const [top, ...leaves] = tables;
    if (top === undefined) throw new Error('machine.mapM2p: no table for the window');
    for (let i = 0; i < superpages; i++) {
      const leaf = leaves[Math.floor(i / row.slots)];
      if (leaf === undefined) throw new Error('machine.mapM2p: too few tables for the window');
      this.writeEntry(leaf, i % row.slots, mfn(this.m2pBase + i * superFrames), leafFlags);
    }
    leaves.forEach((leaf, slot) => this.writeEntry(top, slot, leaf, tableFlags));
    return [entry(top, tableFlags)];
  }

  private writeEntry(table: Mfn, slot: number, frame: Mfn, flags: number): void {
    const word = entryWord(this.abi, slot);
    this.memory.writeWord(table, word, entryLo(frame, flags));
    if (this.abi.entryBytes === 8) this.memory.writeWord(table, word + 1, entryHi(frame, 0));
  }
}

/** The lowest level with superpages. */
function superpageRow(abi: Abi): LevelRow {
  const row = abi.levels.find((level) => level.superpages);
  if (row === undefined) throw new Error(`machine: ABI ${abi.name} has no superpages`);
  return row;
}

/** Tables between the root's slot and the superpages: one top table and as many leaves as the superpages fill. */
function middleTableCount(abi: Abi, superpages: number): number {
  const row = superpageRow(abi);
  return row.xenSlots !== null ? 0 : 1 + Math.ceil(superpages / row.slots);
}
