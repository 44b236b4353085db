/**
 * A vCPU's view of memory: a software TLB of 256 direct-mapped entries over the page walk, with A and D bits set as
 * the processor sets them. A stale entry stays until it is flushed or displaced, as on the machine; nothing here
 * knows a rule of Xen's.
 *
 * Values and addresses are pairs of words. A method that returns false has filled `fault` and changed nothing.
 * The use of a stale translation can be watched for. While it is, every access takes the slow way: the fast one reads
 * `entries`, which then is an empty TLB, so that watching costs nothing when nobody watches.
 *
 * TLB entries are journalled words (a stale translation is state):
 *
 *   0 tag: bits 31:12 of the address and the generation   1 high word of the address
 *   2 storage slot of the frame                           3 rights, and whether the mapping is global
 */

import type { Abi } from '../abi/index.ts';
import { A, D, G } from '../pte.ts';
import { type CellWatch, WatchBit } from '../state/cell-watch.ts';
import { Region } from '../state/column.ts';
import type { Store } from '../state/store.ts';
import { type Mfn, PAGE_SIZE, WORDS_PER_PAGE, lowWord, highWord, mfn } from '../units.ts';
import { WalkRecord, entryWord, isCanonical, walk } from '../walk.ts';
import type { PhysicalMemory } from './memory.ts';
import { Control, NO_ROOT } from './registers.ts';

export type AccessBytes = 1 | 2 | 4 | 8;
export type AccessKind = 'read' | 'write' | 'exec';

/** Page-fault error-code bits; US is left out, Xen computes it from the guest's mode (facts 7.2). */
export const FAULT_PRESENT = 1;
export const FAULT_WRITE = 2;
export const FAULT_FETCH = 0x10;
export const VECTOR_PAGE_FAULT = 14;
export const VECTOR_GENERAL_PROTECTION = 13;
/** No trap of a processor: the access touches a watched cell and has not been made. */
export const VECTOR_WATCHED = 0x100;

const ENTRIES = 256;
const GENERATION_MASK = 0x7ff;
/** Rights in word 3 of an entry: kernel's, and shifted by USER_SHIFT the user's. */
const READ = 1;
const WRITE = 2;
const EXEC = 4;
const USER_SHIFT = 3;
const GLOBAL = 0x40;
const RIGHT_OF: { readonly [kind in AccessKind]: number } = { read: READ, write: WRITE, exec: EXEC };
/** A TLB that holds nothing. */
const EMPTY_TLB = new Int32Array(ENTRIES * 4).fill(-1);

/** One translation held by the TLB, for the views and the stale-translation check. */
export interface TlbEntry {
  readonly vaLo: number;
  readonly vaHi: number;
  readonly frame: Mfn;
  readonly writable: boolean;
  readonly global: boolean;
}

/** An access that went through a translation of the TLB which the page tables no longer give. */
export interface StaleUse {
  readonly vaLo: number;
  readonly vaHi: number;
  readonly kind: AccessKind;
  /** What the TLB leads to. */
  readonly frame: Mfn;
  /** What the page tables lead to now; null when they map nothing there. */
  readonly mapped: Mfn | null;
}

/** What happens when a stale translation is used: nothing, it is noted, or it is noted and the access is not made. */
export type StaleWatch = 'off' | 'note' | 'refuse';

/** The access that faulted last. */
export interface MmuFault {
  vector: number;
  vaLo: number;
  vaHi: number;
  errorCode: number;
  bytes: number;
  lo: number;
  hi: number;
  expected: { readonly lo: number; readonly hi: number } | null;
}

export class Mmu {
  /** Result of the last successful load; narrower than 8 bytes it is zero-extended. */
  lo = 0;
  hi = 0;
  /**
   * `bytes`, `lo` and `hi` are what a faulting store wanted to write; `bytes` is 0 for every other access. Of a
   * compare-exchange `expected` is what it would have to find, null for a plain store.
   */
  readonly fault: MmuFault = {
    vector: VECTOR_PAGE_FAULT,
    vaLo: 0,
    vaHi: 0,
    errorCode: 0,
    bytes: 0,
    lo: 0,
    hi: 0,
    expected: null,
  };
  private readonly cells: Store;
  private readonly memory: PhysicalMemory;
  private readonly arenas: Int32Array[];
  private readonly abi: Abi;
  private readonly registers: Region;
  private readonly tlb: Region;
  private readonly held: Int32Array;
  /** What accesses look into: `held`, or an empty TLB while stale translations are watched for. */
  private entries: Int32Array;
  private readonly control: Int32Array;
  private readonly record = new WalkRecord();
  private readonly checked = new WalkRecord();
  private staleWatch: StaleWatch = 'off';
  private staleUse: StaleUse | null = null;
  private readonly limitLo: number;

  constructor(store: Store, memory: PhysicalMemory, abi: Abi, registers: Region) {
    this.cells = store;
    this.memory = memory;
    this.arenas = store.arenas;
    this.abi = abi;
    this.registers = registers;
    this.control = registers.data;
    this.tlb = new Region(store, 'tlb', ENTRIES * 4);
    this.held = this.tlb.data;
    this.entries = this.held;
    this.limitLo = abi.segmentLimit === null ? 0 : lowWord(abi.segmentLimit);
    for (let i = 0; i < ENTRIES; i++) this.held[i * 4] = -1;
  }

  /** The cells that somebody watches; null when nobody does. */
  get watch(): CellWatch | null {
    return this.cells.watch;
  }

  /** Loads into `lo` and `hi`. */
  load(vaLo: number, vaHi: number, bytes: AccessBytes): boolean {
    const at = this.hit(this.entries, vaLo | 0, vaHi | 0, bytes, READ);
    if (at < 0) return this.loadSlow(vaLo | 0, vaHi | 0, bytes);
    const slot = this.entries[at + 2] as number;
    const arena = this.arenas[slot >>> 8] as Int32Array;
    const first = (slot & 255) << 10;
    const offset = vaLo & 0xfff;
    const { watch } = this.cells;
    if (watch !== null && watch.meets(slot, offset, bytes, WatchBit.read, arena))
      return this.heldUp(vaLo, vaHi);
    if (bytes === 8) {
      if ((offset & 3) !== 0) return this.loadSlow(vaLo | 0, vaHi | 0, bytes);
      this.lo = arena[first | (offset >>> 2)] as number;
      this.hi = arena[(first | (offset >>> 2)) + 1] as number;
      return true;
    }
    const shift = (offset & 3) * 8;
    if (shift + bytes * 8 > 32) return this.loadSlow(vaLo | 0, vaHi | 0, bytes);
    const word = (arena[first | (offset >>> 2)] as number) >>> shift;
    this.lo = bytes === 4 ? word | 0 : word & (bytes === 1 ? 0xff : 0xffff);
    this.hi = 0;
    return true;
  }

  store(vaLo: number, vaHi: number, bytes: AccessBytes, lo: number, hi: number): boolean {
    const at = this.hit(this.entries, vaLo | 0, vaHi | 0, bytes, WRITE);
    if (at < 0) return this.storeSlow(vaLo | 0, vaHi | 0, bytes, lo, hi);
    const slot = this.entries[at + 2] as number;
    const { watch } = this.cells;
    if (watch !== null && this.storeMeets(watch, slot, vaLo & 0xfff, bytes)) return this.heldUp(vaLo, vaHi);
    this.put(slot, vaLo & 0xfff, bytes, lo, hi);
    return true;
  }

  /**
   * The processor's cmpxchg: stores when memory holds what is expected, and has the old value in `lo` and `hi` in
   * either case. It needs the right to write also when it then does not.
   */
  compareExchange(
    vaLo: number,
    vaHi: number,
    bytes: AccessBytes,
    expected: { readonly lo: number; readonly hi: number },
    lo: number,
    hi: number,
  ): boolean {
    if (
      this.hit(this.entries, vaLo | 0, vaHi | 0, bytes, WRITE) < 0 &&
      !this.isStorable(vaLo | 0, vaHi | 0, bytes)
    ) {
      this.failedStore(bytes, lo, hi);
      this.fault.expected = expected;
      return false;
    }
    if (!this.load(vaLo, vaHi, bytes)) return false;
    const [oldLo, oldHi] = [this.lo, this.hi];
    const mask = bytes >= 4 ? -1 : (1 << (bytes * 8)) - 1;
    if (((oldLo ^ expected.lo) & mask) !== 0 || (bytes === 8 && oldHi !== expected.hi)) return true;
    const stored = this.store(vaLo, vaHi, bytes, lo, hi);
    this.lo = oldLo;
    this.hi = oldHi;
    return stored;
  }

  /** Checks that the guest may execute at an address. */
  fetch(vaLo: number, vaHi: number): boolean {
    if (this.hit(this.entries, vaLo | 0, vaHi | 0, 1, EXEC) >= 0) return true;
    return this.frameFor(vaLo | 0, vaHi | 0, 'exec') !== null;
  }

  /** Makes an access of the given kind without moving data: a read is discarded, a write stores what was there. */
  touch(vaLo: number, vaHi: number, kind: AccessKind): boolean {
    return this.frameFor(vaLo | 0, vaHi | 0, kind) !== null;
  }

  /**
   * Watches for the use of stale translations. It changes nothing that the guest can see but, with `refuse`, the access
   * itself: that is not made, as with a fault, and can be made again.
   */
  watchStale(how: StaleWatch): void {
    this.staleWatch = how;
    this.entries = how === 'off' ? this.held : EMPTY_TLB;
  }

  /** The first use of a stale translation since the last call, or null. */
  takeStaleUse(): StaleUse | null {
    const use = this.staleUse;
    this.staleUse = null;
    return use;
  }

  /** The walk that the current mode's root gives, without TLB, A and D or any other effect. */
  probe(vaLo: number, vaHi: number): WalkRecord {
    const record = new WalkRecord();
    const root = this.root();
    if (root !== null) walk(this.memory, this.abi, root, vaLo | 0, vaHi | 0, record);
    return record;
  }

  /**
   * Sets A in the entries of a walk that led to another table, from the root down to those above a level: what the
   * processor does also when the walk then ends in a fault, and when Xen reads a table through its linear mapping.
   */
  markTables(record: WalkRecord, above: number = record.level): void {
    for (let index = this.abi.levels.length - 1; index >= above; index--) this.mark(record, index, A);
  }

  /** Drops the translations that a CR3 load drops: all but global ones. */
  flushNonGlobal(): void {
    this.bump(Control.tlbGeneration);
  }

  flushAll(): void {
    this.bump(Control.tlbGeneration);
    this.bump(Control.tlbGlobalGeneration);
  }

  /** INVLPG: drops the translation of one page, global or not. */
  flushPage(vaLo: number, vaHi: number): void {
    const at = ((vaLo >>> 12) & (ENTRIES - 1)) << 2;
    if (((this.held[at] as number) & ~0xfff) === (vaLo & ~0xfff) && this.held[at + 1] === (vaHi | 0))
      this.tlb.set(at, -1);
  }

  /** Every live translation, in index order. */
  tlbEntries(): TlbEntry[] {
    const live: TlbEntry[] = [];
    for (let at = 0; at < ENTRIES * 4; at += 4) {
      if (!this.isLive(at)) continue;
      const rights = this.held[at + 3] as number;
      live.push({
        vaLo: (this.held[at] as number) & ~0xfff,
        vaHi: this.held[at + 1] as number,
        frame: this.memory.frameOfSlot(this.held[at + 2] as number),
        writable: (rights & (WRITE | (WRITE << USER_SHIFT))) !== 0,
        global: (rights & GLOBAL) !== 0,
      });
    }
    return live;
  }

  private root(): Mfn | null {
    // Only an ABI whose kernel shares ring 3 with user code has a second root; else the one root serves both modes.
    const isUserRoot = this.abi.kernelInRing3 && this.control[Control.userMode] !== 0;
    const root = this.control[isUserRoot ? Control.userRoot : Control.kernelRoot] as number;
    return root === NO_ROOT ? null : mfn(root >>> 0);
  }

  /** The entry's index when the TLB has the translation with the right and the access stays in the page, else -1. */
  private hit(entries: Int32Array, vaLo: number, vaHi: number, bytes: number, right: number): number {
    const at = ((vaLo >>> 12) & (ENTRIES - 1)) << 2;
    const tag = entries[at] as number;
    if (((tag ^ vaLo) & ~0xfff) !== 0 || entries[at + 1] !== vaHi) return -1;
    const rights = entries[at + 3] as number;
    const generation =
      this.control[(rights & GLOBAL) === 0 ? Control.tlbGeneration : Control.tlbGlobalGeneration];
    if ((tag & 0xfff) !== generation) return -1;
    const wanted = this.control[Control.userMode] === 0 ? right : right << USER_SHIFT;
    return (rights & wanted) !== 0 && (vaLo & 0xfff) + bytes <= PAGE_SIZE ? at : -1;
  }

  private isLive(at: number): boolean {
    const tag = this.held[at] as number;
    const rights = this.held[at + 3] as number;
    const generation =
      this.control[(rights & GLOBAL) === 0 ? Control.tlbGeneration : Control.tlbGlobalGeneration];
    return tag !== -1 && (tag & 0xfff) === generation;
  }

  /** The frame behind an address: what the TLB holds, stale or not, else what the walk gives; null with `fault` filled. */
  private frameFor(vaLo: number, vaHi: number, kind: AccessKind): Mfn | null {
    const at = this.hit(this.held, vaLo, vaHi, 1, RIGHT_OF[kind]);
    if (at < 0) return this.translate(vaLo, vaHi, kind);
    const frame = this.memory.frameOfSlot(this.held[at + 2] as number);
    const isRefused =
      this.staleWatch !== 'off' && this.noteIfStale(vaLo, vaHi, kind, frame) && this.staleWatch === 'refuse';
    return isRefused ? this.fail(VECTOR_PAGE_FAULT, vaLo, vaHi, 0) : frame;
  }

  /** Compares what the TLB holds with the page tables. */
  private noteIfStale(vaLo: number, vaHi: number, kind: AccessKind, frame: Mfn): boolean {
    const now = this.checked;
    const root = this.root();
    const isMapped = root !== null && walk(this.memory, this.abi, root, vaLo, vaHi, now) === 'page';
    if (isMapped && now.frame === frame && this.allows(now, kind)) return false;
    this.staleUse ??= { vaLo, vaHi, kind, frame, mapped: isMapped ? now.frame : null };
    return true;
  }

  /** Whether the entries of a walk give the guest, in its present mode, the right to the access. */
  private allows(record: WalkRecord, kind: AccessKind): boolean {
    const userMode = this.control[Control.userMode] !== 0;
    return (
      (record.user || !(userMode || this.abi.kernelInRing3)) &&
      (kind !== 'write' || record.writable) &&
      (kind !== 'exec' || record.executable)
    );
  }

  /** Walks, checks rights, sets A and D, fills the TLB; the frame, or null with `fault` filled. */
  private translate(vaLo: number, vaHi: number, kind: AccessKind): Mfn | null {
    const abi = this.abi;
    if (!isCanonical(abi, vaHi) || (abi.segmentLimit !== null && vaLo >>> 0 >= this.limitLo >>> 0))
      return this.fail(VECTOR_GENERAL_PROTECTION, vaLo, vaHi, 0);
    const code = (kind === 'write' ? FAULT_WRITE : 0) | (kind === 'exec' ? FAULT_FETCH : 0);
    const root = this.root();
    if (root === null) return this.fail(VECTOR_PAGE_FAULT, vaLo, vaHi, code);
    const record = this.record;
    const end = walk(this.memory, abi, root, vaLo, vaHi, record);
    if (this.cells.watch?.traps === true && this.marksWatched(this.cells.watch, record, kind))
      return this.fail(VECTOR_WATCHED, vaLo, vaHi, 0);
    this.markTables(record);
    if (end !== 'page') return this.fail(VECTOR_PAGE_FAULT, vaLo, vaHi, code);
    if (!this.allows(record, kind)) return this.fail(VECTOR_PAGE_FAULT, vaLo, vaHi, code | FAULT_PRESENT);
    this.markLeaf(record, kind === 'write');
    this.fill(record, vaLo, vaHi, kind === 'write');
    return record.frame;
  }

  private fail(vector: number, vaLo: number, vaHi: number, errorCode: number): null {
    this.fault.vector = vector;
    this.fault.vaLo = vaLo;
    this.fault.vaHi = vaHi;
    this.fault.errorCode = errorCode;
    this.fault.bytes = 0;
    this.fault.expected = null;
    return null;
  }

  /** Sets A, and D after a store, in the entry that maps the page. */
  private markLeaf(record: WalkRecord, written: boolean): void {
    this.mark(record, record.level - 1, written ? A | D : A);
  }

  private mark(record: WalkRecord, index: number, bits: number): void {
    const lo = record.los[index] as number;
    if (this.abi.levels[index]?.hasRights !== true || (lo & bits) === bits) return;
    record.los[index] = lo | bits;
    const word = entryWord(this.abi, record.slots[index] as number);
    const { watch } = this.cells;
    const by = watch?.by ?? 'mmu';
    if (watch !== null) watch.by = 'mmu';
    this.memory.writeWord(record.tables[index] as Mfn, word, lo | bits);
    if (watch !== null) watch.by = by;
  }

  /** Whether the walk would set A or D in a watched entry. */
  private marksWatched(watch: CellWatch, record: WalkRecord, kind: AccessKind): boolean {
    for (let index = this.abi.levels.length - 1; index >= record.level - 1; index--) {
      const bits = index === record.level - 1 && kind === 'write' ? A | D : A;
      if (((record.los[index] as number) & bits) === bits) continue;
      const slot = this.memory.slotOf(record.tables[index] as Mfn);
      if (watch.watchesChange(slot * WORDS_PER_PAGE + entryWord(this.abi, record.slots[index] as number)))
        return true;
    }
    return false;
  }

  /** Whether an access within a frame has to wait. */
  private meets(frame: Mfn, offset: number, bytes: number, bit: number): boolean {
    const { watch } = this.cells;
    if (watch === null || bytes === 0 || !this.memory.has(frame)) return false;
    const slot = this.memory.slotOf(frame);
    return watch.meets(slot, offset, bytes, bit, this.arenas[slot >>> 8] as Int32Array);
  }

  private storeMeets(watch: CellWatch, slot: number, offset: number, bytes: number): boolean {
    return watch.meets(slot, offset, bytes, WatchBit.write, this.arenas[slot >>> 8] as Int32Array);
  }

  /** The access touches what is watched, and waits. */
  private heldUp(vaLo: number, vaHi: number): false {
    this.fail(VECTOR_WATCHED, vaLo, vaHi, 0);
    return false;
  }

  /** A write right enters the TLB only with D set, so that the first store after a load sets D too. */
  private fill(record: WalkRecord, vaLo: number, vaHi: number, written: boolean): void {
    if (!this.memory.has(record.frame)) return;
    const leaf = record.los[record.level - 1] as number;
    const rights =
      READ | (record.writable && (written || (leaf & D) !== 0) ? WRITE : 0) | (record.executable ? EXEC : 0);
    const kernelMay = record.user || !this.abi.kernelInRing3;
    const isGlobal = (leaf & G) !== 0;
    const generation = this.control[isGlobal ? Control.tlbGlobalGeneration : Control.tlbGeneration] as number;
    const at = ((vaLo >>> 12) & (ENTRIES - 1)) << 2;
    this.tlb.set(at, (vaLo & ~0xfff) | generation);
    this.tlb.set(at + 1, vaHi);
    this.tlb.set(at + 2, this.memory.slotOf(record.frame));
    this.tlb.set(
      at + 3,
      (kernelMay ? rights : 0) | (record.user ? rights << USER_SHIFT : 0) | (isGlobal ? GLOBAL : 0),
    );
  }

  private bump(word: number): void {
    const next = ((this.control[word] as number) + 1) & GENERATION_MASK;
    if (next === 0) for (let at = 0; at < ENTRIES * 4; at += 4) this.tlb.set(at, -1);
    this.registers.set(word, next);
  }

  /** A load of any alignment; bytes of a frame that is no memory are all ones, as a read of nothing on the bus. */
  private loadSlow(vaLo: number, vaHi: number, bytes: AccessBytes): boolean {
    const first = this.frameFor(vaLo, vaHi, 'read');
    if (first === null) return false;
    const offset = vaLo & 0xfff;
    const inFirst = Math.min(bytes, PAGE_SIZE - offset);
    const nextLo = ((vaLo & ~0xfff) + PAGE_SIZE) | 0;
    const second =
      inFirst === bytes ? first : this.frameFor(nextLo, nextLo === 0 ? (vaHi + 1) | 0 : vaHi, 'read');
    if (second === null) return false;
    if (
      this.meets(first, offset, inFirst, WatchBit.read) ||
      this.meets(second, 0, bytes - inFirst, WatchBit.read)
    )
      return this.heldUp(vaLo, vaHi);
    let lo = 0;
    let hi = 0;
    for (let i = 0; i < bytes; i++) {
      const frame = i < inFirst ? first : second;
      const byte = this.memory.has(frame) ? this.memory.readByte(frame, (offset + i) & 0xfff) : 0xff;
      if (i < 4) lo |= byte << (i * 8);
      else hi |= byte << ((i - 4) * 8);
    }
    this.lo = lo;
    this.hi = hi;
    return true;
  }

  /** Both pages of a store that crosses a boundary are translated before either is written. */
  private storeSlow(vaLo: number, vaHi: number, bytes: AccessBytes, lo: number, hi: number): boolean {
    const first = this.frameFor(vaLo, vaHi, 'write');
    if (first === null) return this.failedStore(bytes, lo, hi);
    const offset = vaLo & 0xfff;
    const inFirst = Math.min(bytes, PAGE_SIZE - offset);
    if (this.meets(first, offset, inFirst, WatchBit.write)) return this.heldUp(vaLo, vaHi);
    if (inFirst === bytes) {
      if (this.memory.has(first)) this.put(this.memory.slotOf(first), offset, bytes, lo, hi);
      return true;
    }
    const nextLo = ((vaLo & ~0xfff) + PAGE_SIZE) | 0;
    const second = this.frameFor(nextLo, nextLo === 0 ? (vaHi + 1) | 0 : vaHi, 'write');
    if (second === null) return false;
    if (this.meets(second, 0, bytes - inFirst, WatchBit.write)) return this.heldUp(vaLo, vaHi);
    for (let i = 0; i < bytes; i++) {
      const byte = ((i < 4 ? lo >>> (i * 8) : hi >>> ((i - 4) * 8)) & 0xff) | 0;
      const frame = i < inFirst ? first : second;
      if (this.memory.has(frame)) this.put(this.memory.slotOf(frame), (offset + i) & 0xfff, 1, byte, 0);
    }
    return true;
  }

  /** Whether both pages of a store may be written; else `fault` is filled. */
  private isStorable(vaLo: number, vaHi: number, bytes: number): boolean {
    if (this.frameFor(vaLo, vaHi, 'write') === null) return false;
    const last = (vaLo + bytes - 1) | 0;
    if (((last ^ vaLo) & ~0xfff) === 0) return true;
    return (
      this.frameFor(last & ~0xfff, wrapsAround(vaLo, bytes - 1) ? (vaHi + 1) | 0 : vaHi, 'write') !== null
    );
  }

  private failedStore(bytes: number, lo: number, hi: number): false {
    this.fault.bytes = bytes;
    this.fault.lo = lo;
    this.fault.hi = hi;
    return false;
  }

  /** Stores within one page. */
  private put(slot: number, offset: number, bytes: number, lo: number, hi: number): void {
    const word = offset >>> 2;
    const shift = (offset & 3) * 8;
    if (bytes >= 4 && shift === 0) {
      this.memory.writeSlotWord(slot, word, lo);
      if (bytes === 8) this.memory.writeSlotWord(slot, word + 1, hi);
      return;
    }
    if (bytes < 4 && shift + bytes * 8 <= 32) {
      const mask = (bytes === 1 ? 0xff : 0xffff) << shift;
      const old = (this.arenas[slot >>> 8] as Int32Array)[((slot & 255) << 10) | word] as number;
      this.memory.writeSlotWord(slot, word, (old & ~mask) | ((lo << shift) & mask));
      return;
    }
    for (let i = 0; i < bytes; i++) {
      const byte = i < 4 ? lo >>> (i * 8) : hi >>> ((i - 4) * 8);
      this.put(slot, offset + i, 1, byte & 0xff, 0);
    }
  }
}

/** Whether adding `i` to the low word carries into the high word. */
function wrapsAround(lo: number, i: number): boolean {
  return (lo >>> 0) + i > 0xffff_ffff;
}

/** Words of a virtual address for the pair-taking methods. */
export const vaWords = (va: bigint): readonly [number, number] => [lowWord(va), highWord(va)];
