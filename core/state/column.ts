/**
 * Columns: one journalled 32-bit value for each row of a table, stored in sparse chunks of 4096 rows, so that a
 * machine of 1 TiB costs only what is in use. Regions: a fixed, dense run of words for registers, TLB entries and
 * trap tables, whose array hot loops may read directly. Both are written through `set` alone.
 */

import { CHUNK_ROWS, type Store } from './store.ts';

const CHUNK_SHIFT = 12;
const CHUNK_MASK = CHUNK_ROWS - 1;

/** A sparse column of 32-bit words; a row that was never written holds `fill`. */
export class Column {
  readonly name: string;
  private readonly store: Store;
  private readonly fill: number;
  private readonly chunks: (Int32Array | undefined)[];
  private readonly cells: number[];

  constructor(store: Store, name: string, rows: number, fill = 0) {
    this.store = store;
    this.name = name;
    this.fill = fill >>> 0;
    const count = Math.ceil(rows / CHUNK_ROWS);
    this.chunks = new Array<Int32Array | undefined>(count).fill(undefined);
    this.cells = new Array<number>(count).fill(0);
  }

  /** The row's value as an unsigned number. */
  get(index: number): number {
    const chunk = this.chunks[index >>> CHUNK_SHIFT];
    return chunk === undefined ? this.fill : (chunk[index & CHUNK_MASK] as number) >>> 0;
  }

  set(index: number, value: number): void {
    const number = index >>> CHUNK_SHIFT;
    let chunk = this.chunks[number];
    if (chunk === undefined) {
      if (value >>> 0 === this.fill) return;
      chunk = this.touch(number);
    }
    const row = index & CHUNK_MASK;
    const old = chunk[row] as number;
    if (old === (value | 0)) return;
    this.store.record((this.cells[number] as number) + row, old);
    chunk[row] = value;
  }

  /** The cell number of a row, for a watch; takes storage for the row's chunk, which changes no content. */
  cell(index: number): number {
    const number = index >>> CHUNK_SHIFT;
    if (this.chunks[number] === undefined) this.touch(number);
    return ((this.cells[number] as number) + (index & CHUNK_MASK)) >>> 0;
  }

  /** Fills the rows from `from` to before `to`. For start of day: it is not journalled. */
  fillRows(from: number, to: number, value: number): void {
    for (let row = from; row < to;) {
      const number = row >>> CHUNK_SHIFT;
      const chunk = this.chunks[number] ?? this.touch(number);
      const end = Math.min(to, (number + 1) * CHUNK_ROWS);
      chunk.fill(value, row & CHUNK_MASK, end - number * CHUNK_ROWS);
      row = end;
    }
  }

  /** The first row at or after `from` whose chunk has been written, or null: lets a scan skip empty stretches. */
  nextTouched(from: number): number | null {
    for (let number = from >>> CHUNK_SHIFT; number < this.chunks.length; number++) {
      if (this.chunks[number] !== undefined) return Math.max(from, number * CHUNK_ROWS);
    }
    return null;
  }

  private touch(number: number): Int32Array {
    if (number >= this.chunks.length)
      throw new Error(`column.${this.name}: row ${number * CHUNK_ROWS} is past the end`);
    const chunk = new Int32Array(CHUNK_ROWS);
    if (this.fill !== 0) chunk.fill(this.fill);
    this.chunks[number] = chunk;
    this.cells[number] = this.store.adopt(chunk, this.name, number * CHUNK_ROWS);
    return chunk;
  }
}

/** A dense run of 32-bit words. `data` may be read anywhere and written only through `set`. */
export class Region {
  readonly name: string;
  readonly data: Int32Array;
  private readonly store: Store;
  private readonly firstCell: number;

  constructor(store: Store, name: string, words: number) {
    this.store = store;
    this.name = name;
    this.data = new Int32Array(Math.ceil(words / CHUNK_ROWS) * CHUNK_ROWS);
    const cells: number[] = [];
    for (let first = 0; first < this.data.length; first += CHUNK_ROWS) {
      cells.push(store.adopt(this.data.subarray(first, first + CHUNK_ROWS), name, first));
    }
    this.firstCell = cells[0] as number;
  }

  get(index: number): number {
    return this.data[index] as number;
  }

  set(index: number, value: number): void {
    const old = this.data[index] as number;
    if (old === (value | 0)) return;
    this.store.record(this.firstCell + index, old);
    this.data[index] = value;
  }
}
