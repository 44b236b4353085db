/**
 * Everything that can change, in one numbered space of 32-bit cells behind one writer, so that one undo serves all.
 *
 * A cell number is an unsigned 32-bit word. With bit 31 clear it is a word of machine memory: storage slot times 1024
 * plus word. With bit 31 set it is a word of a column or region: chunk number times 4096 plus row. Whoever changes a
 * cell records the old word in the journal first; `undoTo` plays the journal backwards and needs to know nothing of
 * page tables, counts or registers.
 *
 * The journal is a typed ring of (cell, old word), 8 bytes an entry. It grows by doubling up to its budget and then
 * forgets its oldest entries. `mark` opens an epoch, and only the first change of a cell in an epoch is noted, since
 * only marks are ever gone back to: a loop that stores to the same words costs no journal. Design: ARCHITECTURE.md,
 * "State"; the measurements behind it are of the same page.
 *
 * A delta is the difference between two moments, taken out of the journal: cells, each with its word at one of the two.
 * Swapping it with the store leads from one to the other, and leaves the delta that leads back.
 */

import type { CellWatch } from './cell-watch.ts';

/** Rows in one chunk of a column. */
export const CHUNK_ROWS = 4096;
const CHUNK_SHIFT = 12;
const CHUNK_MASK = CHUNK_ROWS - 1;
const COLUMN_SPACE = 0x8000_0000;
/** Words in one arena of machine memory: 256 frames. */
export const ARENA_WORDS = 1 << 18;
const ARENA_SHIFT = 18;
const ARENA_MASK = ARENA_WORDS - 1;
const FIRST_CAPACITY = 1 << 16;
const BYTES_PER_ENTRY = 8;
/** Epochs are numbered in a byte; 0 is "before all". */
const LAST_EPOCH = 255;

declare const markBrand: unique symbol;
/** A point in the journal: the number of entries recorded before it. */
export type Mark = number & { readonly [markBrand]: true };

/** A changed cell, told by where it lives. */
export type ChangedCell =
  | { readonly kind: 'memory'; readonly slot: number; readonly word: number }
  | { readonly kind: 'column'; readonly owner: string; readonly index: number };

/** The difference between two moments. A cell may occur several times; see `Direction`. */
export interface Delta {
  readonly cells: Uint32Array;
  readonly words: Int32Array;
}

/** Where a delta leads: to the earlier moment, its last entry first, or to the later one, its first entry first. */
export type Direction = 'back' | 'forward';

interface ChunkOwner {
  readonly name: string;
  /** Index of the chunk's first row within its column or region. */
  readonly firstIndex: number;
}

/** The journal and the storage that it can undo. */
export class Store {
  /** Machine memory, 256 frames an arena; grown by `PhysicalMemory` alone. */
  readonly arenas: Int32Array[] = [];
  /** Told of every change; null, which is how it is without data breakpoints, costs a comparison. */
  watch: CellWatch | null = null;
  private readonly chunks: Int32Array[] = [];
  /** By arena and by chunk: the epoch in which each cell was last noted. */
  private readonly arenaStamps: (Uint8Array | undefined)[] = [];
  private readonly chunkStamps: (Uint8Array | undefined)[] = [];
  private epoch = 1;
  /** Entries recorded when the epoch began. */
  private epochStart = 0;
  private readonly chunkOwners: ChunkOwner[] = [];
  private cells = new Uint32Array(FIRST_CAPACITY);
  private olds = new Int32Array(FIRST_CAPACITY);
  private mask = FIRST_CAPACITY - 1;
  private readonly maxCapacity: number;
  private recorded = 0;
  private recording = true;

  /** @param journalBytes budget of the journal, rounded down to a power of two of entries. */
  constructor(journalBytes = 64 * 1024 * 1024) {
    const entries = Math.max(FIRST_CAPACITY, Math.floor(journalBytes / BYTES_PER_ENTRY));
    this.maxCapacity = 2 ** Math.floor(Math.log2(entries));
  }

  /** Notes the old word of a cell that is about to change; `cell` as `adopt` and machine memory number it, signed. */
  record(cell: number, old: number): void {
    if (!this.recording) return;
    if (this.watch !== null) this.watch.changed(cell, old);
    this.note(cell, old);
  }

  /** The present point, to come back to. */
  mark(): Mark {
    if (this.recorded !== this.epochStart) this.beginEpoch();
    return this.recorded as Mark;
  }

  /** Entries recorded since the mark: cells changed, about. */
  countSince(mark: Mark): number {
    return this.recorded - mark;
  }

  /** Whether every change since the mark is still in the journal. */
  reaches(mark: Mark): boolean {
    return mark >= this.recorded - this.mask - 1;
  }

  /** Undoes every change since the mark; false, with nothing changed, when the journal no longer reaches it. */
  undoTo(mark: Mark): boolean {
    if (!this.reaches(mark)) return false;
    if (this.recorded > mark) this.beginEpoch();
    while (this.recorded > mark) {
      this.recorded--;
      const at = this.recorded & this.mask;
      this.write(this.cells[at] as number, this.olds[at] as number);
    }
    this.epochStart = this.recorded;
    return true;
  }

  /** The changes since the mark as a delta that leads back; null when the journal no longer reaches the mark. */
  since(mark: Mark): Delta | null {
    if (!this.reaches(mark)) return null;
    const count = this.recorded - mark;
    const cells = new Uint32Array(count);
    const words = new Int32Array(count);
    const at = mark & this.mask;
    const untilEnd = Math.min(count, this.mask + 1 - at);
    cells.set(this.cells.subarray(at, at + untilEnd));
    words.set(this.olds.subarray(at, at + untilEnd));
    cells.set(this.cells.subarray(0, count - untilEnd), untilEnd);
    words.set(this.olds.subarray(0, count - untilEnd), untilEnd);
    return { cells, words };
  }

  /** Goes where the delta leads; it then leads back. That is a change like any other for whoever holds a mark. */
  swap({ cells, words }: Delta, direction: Direction): void {
    const count = cells.length;
    for (let n = 0; n < count; n++) {
      const i = direction === 'back' ? count - 1 - n : n;
      const cell = cells[i] as number;
      const word = words[i] as number;
      const old = this.word(cell);
      words[i] = old;
      if (old === word) continue;
      this.note(cell | 0, old);
      this.write(cell, word);
    }
  }

  /** The delta of two neighbouring stretches of time, each cell once. Both lead in the same direction. */
  joined(earlier: Delta, later: Delta, direction: Direction): Delta {
    const [wins, yields] = direction === 'back' ? [earlier, later] : [later, earlier];
    this.beginEpoch();
    const keeps = [this.firsts(wins, direction), this.firsts(yields, direction)] as const;
    this.beginEpoch();
    const count = keeps[0].length + keeps[1].length;
    const cells = new Uint32Array(count);
    const words = new Int32Array(count);
    let to = 0;
    for (const [i, delta] of [wins, yields].entries()) {
      for (const from of keeps[i] ?? []) {
        cells[to] = delta.cells[from] as number;
        words[to++] = delta.words[from] as number;
      }
    }
    return { cells, words };
  }

  /**
   * Calls `visit` for every change since the mark, oldest first, a cell as often as it was written.
   * False, without a call, when the journal no longer reaches the mark.
   */
  forEachChangeSince(mark: Mark, visit: (cell: ChangedCell, old: number) => void): boolean {
    if (!this.reaches(mark)) return false;
    for (let i: number = mark; i < this.recorded; i++) {
      const at = i & this.mask;
      visit(this.locate(this.cells[at] as number), this.olds[at] as number);
    }
    return true;
  }

  /** Runs `build` with the journal off. For start of day alone: what it changes cannot be undone. */
  withoutJournal<T>(build: () => T): T {
    const { recording } = this;
    this.recording = false;
    try {
      return build();
    } finally {
      this.recording = recording;
    }
  }

  /** Takes storage for a chunk into the cell space; returns the cell number of its first row. */
  adopt(chunk: Int32Array, name: string, firstIndex: number): number {
    const id = this.chunks.length;
    this.chunks.push(chunk);
    this.chunkOwners.push({ name, firstIndex });
    // Signed, so that it stays a small integer in the engine; the journal keeps it unsigned.
    return COLUMN_SPACE | (id << CHUNK_SHIFT);
  }

  /** Calls `visit` for all storage that has been taken, machine memory by the frame: for those who compare states. */
  forEachPiece(visit: (name: string, firstIndex: number, words: Int32Array) => void): void {
    for (const [i, arena] of this.arenas.entries())
      for (let first = 0; first < ARENA_WORDS; first += 1024)
        visit('memory', i * ARENA_WORDS + first, arena.subarray(first, first + 1024));
    for (const [i, chunk] of this.chunks.entries()) {
      const { name, firstIndex } = this.chunkOwners[i] as ChunkOwner;
      visit(name, firstIndex, chunk);
    }
  }

  /** The present word of a cell, signed. */
  word(cell: number): number {
    if (cell < COLUMN_SPACE) return this.arenas[cell >>> ARENA_SHIFT]?.[cell & ARENA_MASK] ?? 0;
    return this.chunks[(cell - COLUMN_SPACE) >>> CHUNK_SHIFT]?.[cell & CHUNK_MASK] ?? 0;
  }

  /** Notes the first change of a cell in an epoch. */
  private note(cell: number, old: number): void {
    if (!this.isFirst(cell)) return;
    const at = this.recorded & this.mask;
    this.cells[at] = cell;
    this.olds[at] = old;
    this.recorded++;
    if (at === this.mask) this.growIfAllowed();
  }

  /** Whether the cell has not been met in this epoch; it has been, then. */
  private isFirst(cell: number): boolean {
    const isMemory = cell >= 0;
    const stamps =
      (isMemory
        ? this.arenaStamps[cell >>> ARENA_SHIFT]
        : this.chunkStamps[(cell & 0x7fff_ffff) >>> CHUNK_SHIFT]) ?? this.makeStamps(cell);
    const row = isMemory ? cell & ARENA_MASK : cell & CHUNK_MASK;
    if (stamps[row] === this.epoch) return false;
    stamps[row] = this.epoch;
    return true;
  }

  private makeStamps(cell: number): Uint8Array {
    const isMemory = cell >= 0;
    const stamps = new Uint8Array(isMemory ? ARENA_WORDS : CHUNK_ROWS);
    if (isMemory) this.arenaStamps[cell >>> ARENA_SHIFT] = stamps;
    else this.chunkStamps[(cell & 0x7fff_ffff) >>> CHUNK_SHIFT] = stamps;
    return stamps;
  }

  private beginEpoch(): void {
    this.epochStart = this.recorded;
    if (this.epoch++ < LAST_EPOCH) return;
    this.epoch = 1;
    for (const stamps of this.arenaStamps) stamps?.fill(0);
    for (const stamps of this.chunkStamps) stamps?.fill(0);
  }

  /** Indices of the entries that count, each cell's once; cells met before in this epoch are left out. */
  private firsts({ cells }: Delta, direction: Direction): number[] {
    const kept: number[] = [];
    for (let n = 0; n < cells.length; n++) {
      const i = direction === 'back' ? n : cells.length - 1 - n;
      if (this.isFirst((cells[i] as number) | 0)) kept.push(i);
    }
    return kept;
  }

  private write(cell: number, word: number): void {
    if (cell < COLUMN_SPACE) {
      const arena = this.arenas[cell >>> ARENA_SHIFT];
      if (arena !== undefined) arena[cell & ARENA_MASK] = word;
    } else {
      const chunk = this.chunks[(cell - COLUMN_SPACE) >>> CHUNK_SHIFT];
      if (chunk !== undefined) chunk[cell & CHUNK_MASK] = word;
    }
  }

  /** Where a cell lives. */
  locate(cell: number): ChangedCell {
    if (cell < COLUMN_SPACE) return { kind: 'memory', slot: cell >>> 10, word: cell & 1023 };
    const owner = this.chunkOwners[(cell - COLUMN_SPACE) >>> CHUNK_SHIFT];
    if (owner === undefined) throw new Error(`store.locate: cell ${cell.toString(16)} belongs to no chunk`);
    return { kind: 'column', owner: owner.name, index: owner.firstIndex + (cell & CHUNK_MASK) };
  }

  private growIfAllowed(): void {
    const capacity = this.mask + 1;
    if (capacity >= this.maxCapacity || this.recorded > capacity) return;
    const cells = new Uint32Array(capacity * 2);
    const olds = new Int32Array(capacity * 2);
    cells.set(this.cells);
    olds.set(this.olds);
    this.cells = cells;
    this.olds = olds;
    this.mask = capacity * 2 - 1;
  }
}
