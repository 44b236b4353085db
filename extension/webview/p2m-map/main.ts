/**
 * The P2M Map view: the guest's physical-to-machine list, with what Xen's machine-to-physical table answers about each
 * frame. Where the two disagree the row says so.
 */

import { html, type TemplateResult } from 'lit';
import type { CustomRequests, MachineSummary, P2mRow } from '../../../adapter/protocol.ts';
import type { Place } from '../messages.ts';
import { Differences } from '../lib/differences.ts';
import { count, counted, frame, parseFrame } from '../lib/format.ts';
import type { Grid, GridView } from '../lib/grid.ts';
import { rowContext } from '../lib/row-context.ts';
import { CursorRows, cursorLimit, IndexedRows } from '../lib/rows.ts';
import { changedCount, domainOf, domainSelect, goBox, known, link, View } from '../lib/view.ts';

type Filter = NonNullable<CustomRequests['xenscope/p2m'][0]['filter']>;

interface Saved {
  readonly domain: number | null;
  readonly state: P2mRow['state'] | 'any';
  readonly changed: boolean;
}

/** What can be said of an entry: the name in the choice, and the words in the row. */
const states: Readonly<Record<P2mRow['state'], { readonly name: string; readonly words: string }>> = {
  ok: { name: 'consistent', words: '' },
  invalid: { name: 'invalid', words: 'no frame' },
  'm2p-disagrees': { name: 'M2P disagrees', words: 'M2P disagrees' },
  foreign: { name: 'foreign', words: 'foreign frame' },
};

class P2mMapView extends View {
  protected readonly welcome = 'The P2M map appears when a Xenscope session stops.';
  private saved = this.host.load<Saved>({ domain: null, state: 'any', changed: false });
  private rows: IndexedRows<P2mRow> | CursorRows<P2mRow> | undefined;
  private readonly differences = new Differences<P2mRow>(({ pfn }) => pfn);
  /** The entries that the last step changed, as many as one answer holds. */
  private changedEntries: { readonly rows: readonly P2mRow[]; readonly next: number | null } | undefined;
  private active = -1;
  private readonly listener = {
    changed: () => this.changed(),
    failed: (message: string) => {
      this.failure = message;
    },
  };
  private readonly grid: GridView<P2mRow> = {
    label: 'Physical to machine map',
    empty: () =>
      this.rows instanceof CursorRows && !this.rows.complete ? 'Searching ...' : 'No entry matches.',
    columns: [
      {
        id: 'pfn',
        title: 'PFN',
        hint: "Frame in the guest's own numbering",
        width: '7ch',
        cell: ({ pfn }) => frame(pfn),
      },
      {
        id: 'mfn',
        title: 'MFN',
        hint: "Machine frame that the guest's P2M names",
        width: '7ch',
        cell: (row) => this.renderMfn(row),
      },
      {
        id: 'm2p',
        title: 'M2P',
        hint: "What Xen's machine-to-physical table says about that frame",
        width: '7ch',
        cell: (row) =>
          row.m2p === null
            ? html`<span class="quiet">-</span>`
            : this.differences.mark(row, 'm2p', html`<span class="mark">${frame(row.m2p)}</span>`),
      },
      {
        id: 'owner',
        title: 'Owner',
        hint: 'Domain that the frame belongs to',
        width: '5ch',
        from: 330,
        cell: (row) => this.differences.mark(row, 'owner', row.owner),
      },
      {
        id: 'role',
        title: 'Used for',
        hint: 'What is wrong with the entry, or what the frame is for',
        width: 'minmax(0, 1fr)',
        cell: ({ state, role }) =>
          states[state].words === ''
            ? html`<span class="quiet" title=${role ?? ''}>${role ?? ''}</span>`
            : html`<span class="mark">${states[state].words}</span>`,
      },
    ],
    look: (row) => ({
      changed: row.changed,
      dim: row.state === 'invalid',
      wrong: row.state === 'm2p-disagrees' || row.state === 'foreign',
      label: describe(row),
      context: rowContext({
        mfn: row.mfn ?? undefined,
        pfn: row.pfn,
        watch: `p2m 0x${row.pfn.toString(16)}`,
        xenscopeIsTable: false,
        text: describe(row),
      }),
    }),
    activate: ({ pfn }) => this.host.show({ kind: 'memory', text: `pfn:0x${pfn.toString(16)}`, as: 'bytes' }),
  };

  protected override async refresh(signal: AbortSignal, machine: MachineSummary): Promise<void> {
    this.differences.next(this.moment);
    if (this.rows) this.rows.refresh();
    else this.search(machine);
    this.host.title(domainOf(machine, this.saved.domain)?.name ?? '');
    const { domain } = this.saved;
    this.changedEntries = known(
      await this.host.request(
        'xenscope/p2m',
        { ...(domain === null ? {} : { domain }), from: 0, count: 1024, filter: { changed: true } },
        signal,
      ),
    );
  }

  protected override forget(): void {
    this.differences.forget();
    this.rows?.dispose();
    this.rows = undefined;
    this.changedEntries = undefined;
    this.active = -1;
  }

  protected override go(place: Place): void {
    if (place.kind !== 'p2m') return;
    this.remember({ state: 'any', changed: false });
    void this.updateComplete.then(() => this.reveal(place.pfn));
  }

  protected override renderView(machine: MachineSummary): TemplateResult {
    const chooseState = (event: Event) =>
      this.remember({ state: (event.target as HTMLSelectElement).value as Saved['state'] });
    const checkChanged = (event: Event) =>
      this.remember({ changed: (event.target as HTMLInputElement).checked });
    return html`<div class="toolbar">
        ${domainSelect(machine, this.saved.domain, (domain) => this.remember({ domain }))}
        <vscode-single-select .label=${'State'} @change=${chooseState}>
          <vscode-option value="any" ?selected=${this.saved.state === 'any'}>all entries</vscode-option>
          ${Object.entries(states).map(
            ([state, { name }]) =>
              html`<vscode-option value=${state} ?selected=${state === this.saved.state}
                >${name}</vscode-option
              >`,
          )}
        </vscode-single-select>
        <vscode-checkbox ?checked=${this.saved.changed} @change=${checkChanged}>Changed</vscode-checkbox>
        ${goBox({
          label: 'Go to PFN',
          placeholder: 'PFN',
          hint: "A frame number of the guest's, in hexadecimal",
          go: (text) => this.goToFrame(text, machine),
        })}
      </div>
      ${
        this.rows &&
        html`<xs-grid
          .view=${this.grid}
          .model=${this.rows}
          .revision=${this.revision}
          .active=${this.active}
          @active=${(event: CustomEvent<number>) => (this.active = event.detail)}
        ></xs-grid>`
      }
      ${this.renderStatus(
        html`${this.summary(machine)}${changedCount(this.changedEntries, this.saved.changed, () =>
          this.remember({ changed: !this.saved.changed }),
        )}`,
      )}`;
  }

  private renderMfn(row: P2mRow): unknown {
    const { mfn } = row;
    if (mfn === null) return html`<span class="quiet">-</span>`;
    return this.differences.mark(
      row,
      'mfn',
      link(frame(mfn), 'Show in Machine Frames', () => this.host.show({ kind: 'frame', mfn })),
    );
  }

  private summary(machine: MachineSummary): string {
    const { rows } = this;
    if (!rows) return '';
    const total = domainOf(machine, this.saved.domain)?.nrPages ?? 0;
    if (rows instanceof IndexedRows) return counted(rows.count, 'entry', 'entries');
    if (rows.truncated)
      return `The first ${count(cursorLimit)} entries found; a narrower filter shows the rest.`;
    return `${count(rows.count)} of ${counted(total, 'entry', 'entries')}${rows.complete ? '' : ' so far'}`;
  }

  private search(machine: MachineSummary): void {
    this.rows?.dispose();
    this.active = -1;
    const { domain, state, changed } = this.saved;
    const filter: Filter = { ...(state === 'any' ? {} : { state }), ...(changed ? { changed } : {}) };
    const filtered = Object.keys(filter).length > 0;
    const load = async (from: number, rows: number, signal: AbortSignal) => {
      const answer = known(
        await this.host.request(
          'xenscope/p2m',
          { ...(domain === null ? {} : { domain }), from, count: rows, ...(filtered ? { filter } : {}) },
          signal,
        ),
      );
      this.differences.remember(answer.rows);
      return answer;
    };
    this.rows = filtered
      ? new CursorRows(load, this.listener)
      : new IndexedRows(domainOf(machine, domain)?.nrPages ?? 0, load, this.listener);
    // A list without rows is not drawn, so nothing in sight would start the search.
    this.rows.want(0, 1);
    this.changed();
  }

  private goToFrame(text: string, machine: MachineSummary): void {
    const pfn = parseFrame(text);
    const end = domainOf(machine, this.saved.domain)?.nrPages ?? 0;
    if (pfn === null || pfn >= end) {
      this.failure = `"${text}" is no frame of this domain: give a hexadecimal number below ${end.toString(16)}.`;
      return;
    }
    this.failure = undefined;
    this.go({ kind: 'p2m', pfn });
  }

  private reveal(index: number): void {
    this.renderRoot.querySelector<Grid<P2mRow>>('xs-grid')?.reveal(index, 'centre');
  }

  private remember(change: Partial<Saved>): void {
    const before = this.saved;
    this.saved = { ...this.saved, ...change };
    this.host.save(this.saved);
    if (before.domain !== this.saved.domain) this.differences.forget();
    if (this.machine) this.search(this.machine);
  }
}

function describe(row: P2mRow): string {
  const parts = [
    `pfn ${frame(row.pfn)}`,
    row.mfn === null ? 'no frame' : `mfn ${frame(row.mfn)}`,
    row.m2p === null ? '' : `M2P says pfn ${frame(row.m2p)}`,
    row.owner,
    states[row.state].words,
    row.role ?? '',
    row.changed ? 'changed' : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

customElements.define('xs-p2m-map', P2mMapView);
