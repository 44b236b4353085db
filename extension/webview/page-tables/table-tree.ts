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

/** A table to ask for; null stands for the domain's root. */
export interface Where {
  readonly mfn: number | null;
  readonly level: TableLevel;
  readonly base: string;
}

export type LoadTable = (where: Where) => Promise<TableResult>;

/** The most tables looked into for changes after a step. */
const searchLimit = 64;

export class TableTree {
  /** Paths of the tables that the user has opened. */
  readonly chosen = new Set<string>();
  rows: readonly TreeRow[] = [];
  root: { readonly mfn: number; readonly level: TableLevel } | undefined;
  /** Paths opened because something below has changed at the present stop. */
  private followed = new Set<string>();
  private tables: ReadonlyMap<string, Known> = new Map();

  /**
   * Loads the root, every open table and, when `follow`, the tables that may hold changed entries. Returns the path of
   * the changed entry that is worth showing, if there is one.
   */
  async load(
    levels: TableLevel,
    load: LoadTable,
    { follow }: { readonly follow: boolean },
  ): Promise<string | null> {
    const before = this.tables;
    const fetch = this.askAgain(load);
    const tables = new Map<string, Known>();
    const changed: string[] = [];
    let budget = follow ? searchLimit : 0;
    // A table may be reached in more than one way; it is searched once.
    const searched = new Set<number>();
    const root = await fetch('', { mfn: null, level: levels, base: '0x0' });
    // Level by level, so that the tables of one level are asked for together.
    for (let level: Known[] = [root]; level.length > 0;) {
      const wanted: Promise<Known>[] = [];
      for (const known of level) {
        tables.set(known.path, known);
        for (const entry of known.table.rows) {
          const path = below(known.path, entry);
          if (entry.changed && isTelling(entry, before.get(known.path))) changed.push(path);
          if (!hasTable(entry)) continue;
          const search = budget > 0 && !entry.xen && !searched.has(entry.mfn);
          if (!this.isOpen(path) && !search) continue;
          searched.add(entry.mfn);
          budget--;
          wanted.push(fetch(path, whereBelow(entry)));
        }
      }
      level = await Promise.all(wanted);
    }
    // Nothing is compared at the first stop: what the start of day has written is no step's doing.
    const shown = follow && before.size > 0 ? changed : [];
    this.followed = new Set(shown.flatMap(above));
    this.tables = tables;
    this.root = { mfn: root.table.mfn, level: root.table.level };
    this.flatten();
    return deepest(shown);
  }

  /** Opens or closes the table of a row. */
  async toggle(row: TreeRow, load: LoadTable): Promise<void> {
    const wasOpen = [this.chosen.delete(row.path), this.followed.delete(row.path)].includes(true);
    if (!wasOpen && hasTable(row.entry)) {
      const where = whereBelow(row.entry);
      const known = { path: row.path, where, table: await load(where) };
      this.tables = new Map([...this.tables, [row.path, known]]);
      this.chosen.add(row.path);
    }
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

  private isOpen(path: string): boolean {
    return this.chosen.has(path) || this.followed.has(path);
  }

  /**
   * Asks for all tables known so far at once, since most are still where they were, and gives a loader that waits for
   * those answers where they fit. A step then costs one round trip, not one for each level.
   */
  private askAgain(load: LoadTable): (path: string, where: Where) => Promise<Known> {
    const asked = new Map(
      [...this.tables.values()].map(({ path, where }) => [
        path,
        {
          where,
          answer: load(where).then(
            (table) => ({ path, where, table }),
            (reason: Error) => reason,
          ),
        },
      ]),
    );
    return async (path, where) => {
      const again = asked.get(path);
      if (!again || again.where.mfn !== where.mfn || again.where.level !== where.level) {
        return { path, where, table: await load(where) };
      }
      const answer = await again.answer;
      if (answer instanceof Error) throw answer;
      return answer;
    };
  }

  private flatten(): void {
    const rows: TreeRow[] = [];
    const add = (path: string, depth: number) => {
      const table = this.tables.get(path)?.table;
      if (!table) return;
      for (const entry of table.rows) {
        const here = below(path, entry);
        const open = hasTable(entry) ? this.isOpen(here) && this.tables.has(here) : null;
        rows.push({ path: here, depth, level: table.level, entry, open });
        if (open) add(here, depth + 1);
      }
    };
    add('', 0);
    this.rows = rows;
  }
}

/** A table, where in the tree it hangs, and how it was asked for. */
interface Known {
  readonly path: string;
  readonly where: Where;
  readonly table: TableResult;
}

type TableEntry = TableEntryRow & { readonly childLevel: TableLevel };

function hasTable(entry: TableEntryRow): entry is TableEntry {
  return entry.present && !entry.superpage && entry.childLevel > 0;
}

function whereBelow({ mfn, childLevel, va }: TableEntry): Where {
  return { mfn, level: childLevel, base: va };
}

/**
 * Whether a changed entry says more than that its page was used: the processor sets A and D all the time, and opening
 * the tree for each would hide the changes that the guest makes.
 */
function isTelling(entry: TableEntryRow, before: Known | undefined): boolean {
  const old = before?.table.rows.find(({ slot }) => slot === entry.slot);
  return old === undefined || old.mfn !== entry.mfn || withoutUse(old.flags) !== withoutUse(entry.flags);
}

function withoutUse(flags: string): string {
  return flags
    .split(' ')
    .filter((flag) => flag !== 'A' && flag !== 'D')
    .join(' ');
}

/** Paths of the entries on the way to an entry. */
function above(path: string): string[] {
  const slots = path.split('/');
  return slots.slice(1).map((_slot, depth) => slots.slice(0, depth + 1).join('/'));
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
