/**
 * Everything that can change, in one numbered space of 32-bit cells behind one writer, so that one undo serves all.
 *
 * A cell number is an unsigned 32-bit word. With bit 31 clear it is a word of machine memory: storage slot times 1024
 * plus word. With bit 31 set it is a word of a column or region: chunk number times 4096 plus row. Whoever changes a
 * cell records the old word in the journal first; `undoTo` plays the journal backwards and needs to know nothing of
 * page tables, counts or registers.
 *
 * The journal is a typed ring of (cell, old word), 8 bytes an entry. It grows by doubling up to its budget and then
 * forgets its oldest entries. Design: ARCHITECTURE.md, "State"; the measurements behind it are of the same page.
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

declare const markBrand: unique symbol;
/** A point in the journal: the number of entries recorded before it. */
export type Mark = number & { readonly [markBrand]: true };

/** A changed cell, told by where it lives. */
export type ChangedCell =
  | { readonly kind: 'memory'; readonly slot: number; readonly word: number }
  | { readonly kind: 'column'; readonly owner: string; readonly index: number };

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

  /** Notes the old word of a cell that is about to change. */
  record(cell: number, old: number): void {
    if (!this.recording) return;
    if (this.watch !== null) this.watch.changed(cell, old);
    const at = this.recorded & this.mask;
    this.cells[at] = cell;
    this.olds[at] = old;
    this.recorded++;
    if (at === this.mask) this.growIfAllowed();
  }

  /** The present point, to come back to. */
  mark(): Mark {
    return this.recorded as Mark;
  }

  /** Whether every change since the mark is still in the journal. */
  reaches(mark: Mark): boolean {
    return mark >= this.recorded - this.mask - 1;
  }

  /** Undoes every change since the mark; false, with nothing changed, when the journal no longer reaches it. */
  undoTo(mark: Mark): boolean {
    if (!this.reaches(mark)) return false;
    while (this.recorded > mark) {
      this.recorded--;
      const at = this.recorded & this.mask;
      this.write(this.cells[at] as number, this.olds[at] as number);
    }
    return true;
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
    this.recording = false;
    try {
      return build();
    } finally {
      this.recording = true;
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

  private write(cell: number, word: number): void {
    if (cell < COLUMN_SPACE) {
      const arena = this.arenas[cell >>> ARENA_SHIFT];
      if (arena !== undefined) arena[cell & ARENA_MASK] = word;
    } else {
      const chunk = this.chunks[(cell - COLUMN_SPACE) >>> CHUNK_SHIFT];
      if (chunk !== undefined) chunk[cell & CHUNK_MASK] = word;
    }
  }

  private locate(cell: number): ChangedCell {
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
