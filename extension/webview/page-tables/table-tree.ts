/**
 * A domain's page tables as a tree whose tables are asked for when they open. After a step the open ones are asked for
 * again, and the branches that lead to a changed entry are opened, so that the change is in sight.
 */

import type { TableEntryRow, TableResult } from '../../../adapter/protocol.ts';

export type TableLevel = TableResult['level'];

/** A row of the flattened tree. */
export interface TreeRow {
  /** Slots from the root: `511/510/0`. */
  readonly path: string;
  readonly depth: number;
  readonly level: TableLevel;
  readonly entry: TableEntryRow;
  /** Whether the table below is open; null when there is none. */
  readonly open: boolean | null;
}

export type LoadTable = (where: {
  readonly mfn: number | null;
  readonly level: TableLevel;
  readonly base: string;
}) => Promise<TableResult>;

/** The most tables looked into for changes after a step. */
const searchLimit = 64;

export class TableTree {
  /** Paths of the tables that the user, or a change, has opened. */
  readonly opened = new Set<string>();
  rows: readonly TreeRow[] = [];
  root: { readonly mfn: number; readonly level: TableLevel } | undefined;
  private tables = new Map<string, TableResult>();

  /**
   * Loads the root and every open table, and when `follow` also the tables in which entries have changed.
   * Returns the path of the first changed entry.
   */
  async load(
    levels: TableLevel,
    load: LoadTable,
    { follow }: { readonly follow: boolean },
  ): Promise<string | null> {
    const tables = new Map<string, TableResult>();
    const root = await load({ mfn: null, level: levels, base: '0x0' });
    tables.set('', root);
    const changed: string[] = [];
    let budget = follow ? searchLimit : 0;
    // A table may be reached in more than one way; it is searched once.
    const searched = new Set<number>();
    // Level by level, so that the tables of one level are asked for together.
    for (let level: Loaded[] = [{ path: '', table: root }]; level.length > 0;) {
      const wanted: Promise<Loaded>[] = [];
      for (const { path: above, table } of level) {
        for (const entry of table.rows) {
          const path = below(above, entry);
          if (entry.changed) changed.push(path);
          if (!hasTable(entry)) continue;
          const search = budget > 0 && !entry.xen && !searched.has(entry.mfn);
          if (!this.opened.has(path) && !search) continue;
          searched.add(entry.mfn);
          budget--;
          wanted.push(loadBelow(path, entry, load));
        }
      }
      level = await Promise.all(wanted);
      for (const { path, table } of level) tables.set(path, table);
    }
    if (follow) for (const path of changed) this.openAbove(path);
    this.tables = tables;
    this.root = { mfn: root.mfn, level: root.level };
    this.flatten();
    return deepest(changed);
  }

  /** Opens or closes the table of a row. */
  async toggle(row: TreeRow, load: LoadTable): Promise<void> {
    if (this.opened.delete(row.path)) return this.flatten();
    if (!hasTable(row.entry)) return;
    const { table } = await loadBelow(row.path, row.entry, load);
    this.tables.set(row.path, table);
    this.opened.add(row.path);
    this.flatten();
  }

  /** Opens the tables on the way given by slots; returns the index of the last row that exists. */
  async openWay(slots: readonly number[], load: LoadTable): Promise<number> {
    let found = -1;
    for (let depth = 1; depth <= slots.length; depth++) {
      const path = slots.slice(0, depth).join('/');
      const index = this.indexOf(path);
      if (index < 0) break;
      found = index;
      const row = this.rows[index];
      if (row && depth < slots.length && row.open === false) await this.toggle(row, load);
    }
    return found;
  }

  indexOf(path: string): number {
    return this.rows.findIndex((row) => row.path === path);
  }

  private openAbove(path: string): void {
    const slots = path.split('/');
    for (let depth = 1; depth < slots.length; depth++) this.opened.add(slots.slice(0, depth).join('/'));
  }

  private flatten(): void {
    const rows: TreeRow[] = [];
    const add = (path: string, depth: number) => {
      const table = this.tables.get(path);
      if (!table) return;
      for (const entry of table.rows) {
        const here = below(path, entry);
        const open = hasTable(entry) ? this.opened.has(here) && this.tables.has(here) : null;
        rows.push({ path: here, depth, level: table.level, entry, open });
        if (open) add(here, depth + 1);
      }
    };
    add('', 0);
    this.rows = rows;
  }
}

/** A table and where in the tree it hangs. */
interface Loaded {
  readonly path: string;
  readonly table: TableResult;
}

type TableEntry = TableEntryRow & { readonly childLevel: TableLevel };

function hasTable(entry: TableEntryRow): entry is TableEntry {
  return entry.present && !entry.superpage && entry.childLevel > 0;
}

async function loadBelow(path: string, entry: TableEntry, load: LoadTable): Promise<Loaded> {
  return { path, table: await load({ mfn: entry.mfn, level: entry.childLevel, base: entry.va }) };
}

function below(path: string, entry: TableEntryRow): string {
  return path === '' ? String(entry.slot) : `${path}/${entry.slot}`;
}

/** The changed entry that is worth showing: the first of those furthest from the root. */
function deepest(paths: readonly string[]): string | null {
  const depth = (path: string) => path.split('/').length;
  return paths.reduce<string | null>(
    (best, path) => (best === null || depth(path) > depth(best) ? path : best),
    null,
  );
}
