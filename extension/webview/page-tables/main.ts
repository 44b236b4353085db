/** The Page Tables view: the tables that the domain's kernel root leads to, level by level. */

import { html, type TemplateResult } from 'lit';
import type { MachineSummary } from '../../../adapter/protocol.ts';
import type { Place } from '../messages.ts';
import { flagSlots } from '../lib/flags.ts';
import { counted, frame, padded } from '../lib/format.ts';
import type { Grid, GridView } from '../lib/grid.ts';
import { rowContext } from '../lib/row-context.ts';
import { ArrayRows } from '../lib/rows.ts';
import { domainOf, domainSelect, goBox, known, link, View } from '../lib/view.ts';
import { TableTree, type LoadTable, type TableLevel, type TreeRow } from './table-tree.ts';

interface Saved {
  readonly domain: number | null;
  readonly follow: boolean;
  readonly opened: readonly string[];
}

class PageTablesView extends View {
  protected readonly welcome = 'The page tables appear when a Xenscope session stops.';
  private saved = this.host.load<Saved>({ domain: null, follow: true, opened: [] });
  private tree = this.newTree(this.saved.opened);
  private rows = new ArrayRows<TreeRow>([]);
  private active = -1;
  private readonly grid: GridView<TreeRow> = {
    label: 'Page-table entries',
    empty: () => (this.tree.root ? 'The root table has no entries.' : 'Reading the tables ...'),
    columns: [
      {
        id: 'entry',
        title: 'Entry',
        hint: 'Level of the table and slot of the entry',
        width: 'minmax(17ch, 1fr)',
        cell: ({ level, entry }) =>
          html`<span class=${entry.changed ? 'was' : ''}>L${level}[0x${entry.slot.toString(16)}]</span
            >${entry.xen ? html` <span class="quiet" title="Written by Xen, closed to the guest">Xen</span>` : ''}`,
      },
      {
        id: 'va',
        title: 'Virtual address',
        hint: 'First virtual address that the entry covers',
        width: '18ch',
        from: 560,
        cell: ({ entry }) =>
          link(padded(entry.va, this.addressDigits), 'Show this memory', () => this.showMemory(entry.va)),
      },
      {
        id: 'mfn',
        title: 'MFN',
        hint: 'Machine frame that the entry names',
        width: '7ch',
        cell: ({ entry }) =>
          link(frame(entry.mfn), 'Show in Machine Frames', () =>
            this.host.show({ kind: 'frame', mfn: entry.mfn }),
          ),
      },
      {
        id: 'pfn',
        title: 'PFN',
        hint: "The same frame in its owner's numbering",
        width: '7ch',
        from: 330,
        cell: ({ entry }) =>
          entry.pfn === null
            ? html`<span class="quiet">-</span>`
            : link(frame(entry.pfn), 'Show in P2M Map', () => this.showPfn(entry.pfn)),
      },
      {
        id: 'flags',
        title: 'Flags',
        hint: 'P present, RW writable, US user, A accessed, D dirty, NX no execute',
        width: 'minmax(11ch, 22ch)',
        cell: ({ entry }) =>
          html`<span class=${entry.changed ? 'was' : ''} title=${entry.flags}
            >${flagSlots(entry.flags)}</span
          >`,
      },
    ],
    look: ({ depth, open, entry, level }) => ({
      tree: { depth, open },
      changed: entry.changed,
      dim: !entry.present,
      label: `L${level} slot ${entry.slot}, address ${entry.va}, mfn ${frame(entry.mfn)}, ${entry.flags}${entry.changed ? ', changed' : ''}`,
      context: rowContext({
        mfn: entry.mfn,
        pfn: entry.pfn ?? undefined,
        va: entry.va,
        watch: `entry ${entry.va} ${level}`,
        xenscopeIsTable: entry.present && entry.childLevel > 0,
        text: `L${level}[0x${entry.slot.toString(16)}] va ${entry.va} pte ${entry.pte} mfn ${frame(entry.mfn)} ${entry.flags}`,
      }),
    }),
    toggle: (row) => this.toggle(row),
    activate: (row) => (row.open === null ? this.showMemory(row.entry.va) : this.toggle(row)),
  };

  protected override async refresh(signal: AbortSignal, machine: MachineSummary): Promise<void> {
    const { follow } = this.saved;
    const changed = await this.tree.load(levelsOf(machine), this.loader(signal), { follow });
    this.draw();
    if (follow && changed !== null) this.reveal(this.tree.indexOf(changed));
    this.name(machine);
  }

  protected override forget(): void {
    this.tree = this.newTree([]);
    this.active = -1;
  }

  protected override go(place: Place): void {
    if (place.kind === 'address') this.find(place.va);
  }

  protected override renderView(machine: MachineSummary): TemplateResult {
    const { root } = this.tree;
    const changed = this.tree.rows.filter(({ entry }) => entry.changed).length;
    const toggleFollow = (event: Event) =>
      this.remember({ follow: (event.target as HTMLInputElement).checked });
    return html`<div class="toolbar">
        ${domainSelect(machine, this.saved.domain, (domain) => this.chooseDomain(domain))}
        ${goBox({
          label: 'Address or expression',
          hint: 'Opens the tables that translate this address, as 0x400000, va:0x400000 or &variable',
          go: (text) => this.find(text),
        })}
        <vscode-checkbox
          ?checked=${this.saved.follow}
          title="Open the tables in which a step has changed entries"
          @change=${toggleFollow}
          >Follow changes</vscode-checkbox
        >
      </div>
      <xs-grid
        .view=${this.grid}
        .model=${this.rows}
        .revision=${this.revision}
        .active=${this.active}
        @active=${(event: CustomEvent<number>) => (this.active = event.detail)}
      ></xs-grid>
      ${this.renderStatus(
        root &&
          html`Root mfn ${frame(root.mfn)},
          L${root.level}${changed > 0 ? `; ${counted(changed, 'entry', 'entries')} changed` : ''}`,
      )}`;
  }

  private get addressDigits(): number {
    return this.machine?.entryBytes === 4 ? 8 : 16;
  }

  private newTree(opened: readonly string[]): TableTree {
    const tree = new TableTree();
    for (const path of opened) tree.chosen.add(path);
    return tree;
  }

  private loader(signal: AbortSignal): LoadTable {
    const domain = this.saved.domain === null ? {} : { domain: this.saved.domain };
    const count = this.machine?.entriesPerTable ?? 0;
    return async ({ mfn, level, base }) =>
      known(
        await this.host.request(
          'xenscope/table',
          { ...domain, ...(mfn === null ? {} : { mfn }), level, base, from: 0, count, presentOnly: true },
          signal,
        ),
      );
  }

  private toggle(row: TreeRow): void {
    void this.attempt(async () => {
      await this.tree.toggle(row, this.loader(this.signal));
      this.remember({ opened: [...this.tree.chosen] });
      this.draw();
    });
  }

  /** Opens the tables that translate an address, and makes the last entry of the walk active. */
  private find(text: string): void {
    void this.attempt(async () => {
      this.failure = undefined;
      const { signal } = this;
      const { memoryReference } = known(await this.host.request('xenscope/resolve', { text }, signal));
      if (!memoryReference.startsWith('va:')) {
        return this.host.show({ kind: 'memory', text: memoryReference, as: 'bytes' });
      }
      const domain = this.saved.domain === null ? {} : { domain: this.saved.domain };
      const walk = known(
        await this.host.request('xenscope/walk', { ...domain, va: memoryReference.slice(3) }, signal),
      );
      const index = await this.tree.openWay(
        walk.steps.map(({ slot }) => slot),
        this.loader(signal),
      );
      this.remember({ opened: [...this.tree.chosen] });
      this.draw();
      this.reveal(index);
      if (walk.fault !== null) this.failure = `${walk.va}: ${walk.fault}`;
    });
  }

  private chooseDomain(domain: number): void {
    this.remember({ domain, opened: [] });
    this.forget();
    const { machine } = this;
    if (machine) void this.attempt(() => this.refresh(this.signal, machine));
  }

  private showMemory(va: string): void {
    this.host.show({ kind: 'memory', text: `va:${va}`, as: 'bytes' });
  }

  private showPfn(pfn: number | null): void {
    if (pfn !== null) this.host.show({ kind: 'p2m', pfn });
  }

  private draw(): void {
    this.rows = new ArrayRows(this.tree.rows);
    this.changed();
  }

  private reveal(index: number): void {
    if (index < 0) return;
    this.active = index;
    const grid = this.renderRoot.querySelector<Grid<TreeRow>>('xs-grid');
    void this.updateComplete.then(() => grid?.reveal(index, 'centre'));
  }

  private name(machine: MachineSummary): void {
    this.host.title(domainOf(machine, this.saved.domain)?.name ?? '');
  }

  private remember(change: Partial<Saved>): void {
    this.saved = { ...this.saved, ...change };
    this.host.save(this.saved);
    this.requestUpdate();
  }
}

function levelsOf(machine: MachineSummary): TableLevel {
  const { levels } = machine;
  return levels === 2 || levels === 3 ? levels : 4;
}

customElements.define('xs-page-tables', PageTablesView);
