/**
 * The rows behind a grid, loaded in pieces as they come into sight. Rows of an earlier stop stay visible until those of
 * the present one have arrived, so a step never makes a table flicker.
 */

import { Cancelled } from './host.ts';

/** What a grid asks of its rows. */
export interface RowModel<Row> {
  readonly count: number;
  /** The row, or undefined while it has not been loaded. */
  row(index: number): Row | undefined;
  /** These rows are in sight, or nearly so. */
  want(from: number, count: number): void;
}

export interface RowsListener {
  /** Rows have come: draw again. */
  changed(): void;
  failed(message: string): void;
}

const pageRows = 128;
/** Pages kept besides those in sight; beyond it the oldest go. */
const pagesKept = 64;

export type LoadIndexed<Row> = (
  from: number,
  count: number,
  signal: AbortSignal,
) => Promise<{ readonly total: number; readonly rows: readonly Row[] }>;

/** Rows known by their number: row `i` of a table of known length. */
export class IndexedRows<Row> implements RowModel<Row> {
  count: number;
  private readonly load: LoadIndexed<Row>;
  private readonly listener: RowsListener;
  private readonly pages = new Map<number, readonly Row[]>();
  /** Pages asked for since the last refresh. */
  private readonly fresh = new Set<number>();
  private cancel = new AbortController();
  private sight = { from: 0, count: 0 };

  constructor(count: number, load: LoadIndexed<Row>, listener: RowsListener) {
    this.count = count;
    this.load = load;
    this.listener = listener;
  }

  row(index: number): Row | undefined {
    return this.pages.get(Math.floor(index / pageRows))?.[index % pageRows];
  }

  want(from: number, count: number): void {
    this.sight = { from, count };
    const last = Math.floor(Math.max(from, from + count - 1) / pageRows);
    for (let page = Math.floor(from / pageRows); page <= last; page++) {
      if (!this.fresh.has(page)) void this.fetch(page);
    }
  }

  /** The state has moved: what is in sight is asked for again, the rest when it comes into sight. */
  refresh(): void {
    this.dispose();
    this.cancel = new AbortController();
    this.fresh.clear();
    this.want(this.sight.from, this.sight.count);
  }

  dispose(): void {
    this.cancel.abort();
  }

  private async fetch(page: number): Promise<void> {
    this.fresh.add(page);
    const { signal } = this.cancel;
    try {
      const { total, rows } = await this.load(page * pageRows, pageRows, signal);
      this.count = total;
      this.pages.delete(page);
      this.pages.set(page, rows);
      this.forgetOldest();
      this.listener.changed();
    } catch (error) {
      report(error, this.listener);
    }
  }

  private forgetOldest(): void {
    for (const page of this.pages.keys()) {
      if (this.pages.size <= pagesKept) return;
      this.pages.delete(page);
      this.fresh.delete(page);
    }
  }
}

export type LoadCursor<Row> = (
  from: number,
  count: number,
  signal: AbortSignal,
) => Promise<{ readonly rows: readonly Row[]; readonly next: number | null }>;

/** The most rows that a filtered list holds; beyond it the filter should be narrower. */
export const cursorLimit = 65_536;

/** Rows that a filter finds, one after the other: the length is known only at the end. */
export class CursorRows<Row> implements RowModel<Row> {
  private readonly load: LoadCursor<Row>;
  private readonly listener: RowsListener;
  private shown: readonly Row[] = [];
  /** Where the following rows begin; null at the end of the list. */
  private next: number | null = 0;
  private cancel = new AbortController();
  private busy = false;
  private needed = 0;

  constructor(load: LoadCursor<Row>, listener: RowsListener) {
    this.load = load;
    this.listener = listener;
  }

  get count(): number {
    return this.shown.length;
  }

  /** Whether the list is known to its end. */
  get complete(): boolean {
    return this.next === null;
  }

  get truncated(): boolean {
    return this.next !== null && this.shown.length >= cursorLimit;
  }

  row(index: number): Row | undefined {
    return this.shown[index];
  }

  want(from: number, count: number): void {
    this.needed = from + count + pageRows;
    if (!this.busy && this.next !== null && this.shown.length < Math.min(this.needed, cursorLimit)) {
      void this.extend([...this.shown], this.next);
    }
  }

  /** The state has moved: searches again from the start, as far as what is in sight. */
  refresh(): void {
    this.dispose();
    this.cancel = new AbortController();
    void this.extend([], 0);
  }

  dispose(): void {
    this.cancel.abort();
    this.busy = false;
  }

  private async extend(rows: Row[], from: number): Promise<void> {
    this.busy = true;
    const { signal } = this.cancel;
    try {
      let next: number | null = from;
      do {
        const found: { readonly rows: readonly Row[]; readonly next: number | null } = await this.load(
          next,
          pageRows,
          signal,
        );
        rows.push(...found.rows);
        next = found.next;
      } while (next !== null && rows.length < Math.min(this.needed, cursorLimit));
      this.shown = rows;
      this.next = next;
      this.busy = false;
      this.listener.changed();
    } catch (error) {
      if (!signal.aborted) this.busy = false;
      report(error, this.listener);
    }
  }
}

/** Rows that are all at hand. */
export class ArrayRows<Row> implements RowModel<Row> {
  private readonly rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    this.rows = rows;
  }

  get count(): number {
    return this.rows.length;
  }

  row(index: number): Row | undefined {
    return this.rows[index];
  }

  want(): void {
    // They are here.
  }
}

function report(error: unknown, listener: RowsListener): void {
  if (error instanceof Cancelled) return;
  listener.failed(error instanceof Error ? error.message : String(error));
}
