/**
 * The Machine Frames view: one row for each frame of the machine, with what Xen's frame table says about it. All frames
 * are a list by number; a filter makes a list of what it finds.
 */

import { html, type TemplateResult } from 'lit';
import type { CustomRequests, FrameRow, FrameType, MachineSummary } from '../../../adapter/protocol.ts';
import type { Place } from '../messages.ts';
import { Differences } from '../lib/differences.ts';
import { count, counted, frame, parseFrame } from '../lib/format.ts';
import type { Grid, GridView } from '../lib/grid.ts';
import { rowContext } from '../lib/row-context.ts';
import { CursorRows, cursorLimit, IndexedRows } from '../lib/rows.ts';
import { changedCount, goBox, link, View } from '../lib/view.ts';

type Filter = NonNullable<CustomRequests['xenscope/frames'][0]['filter']>;
type Owner = 'all' | 'free' | number;

interface Saved {
  /** `first`: the first domain, whatever its number. */
  readonly owner: Owner | 'first';
  readonly type: FrameType | 'any';
  readonly changed: boolean;
  readonly pinned: boolean;
}

/** Page types with Xen's names, in the order of the choice. */
const types: readonly { readonly type: FrameType; readonly name: string }[] = [
  { type: 'none', name: 'none' },
  { type: 'l1', name: 'l1_page_table' },
  { type: 'l2', name: 'l2_page_table' },
  { type: 'l3', name: 'l3_page_table' },
  { type: 'l4', name: 'l4_page_table' },
  { type: 'seg_desc', name: 'seg_desc_page' },
  { type: 'shared', name: 'shared_page' },
  { type: 'writable', name: 'writable_page' },
];
const tableTypes: readonly FrameType[] = ['l1', 'l2', 'l3', 'l4'];

/** Owners besides the domains (xen/include/public/xen.h: DOMID_IO, DOMID_XEN). */
const systemOwners = [
  { owner: 0x7ff2, name: 'Xen' },
  { owner: 0x7ff1, name: 'I/O' },
] as const;

class MachineFramesView extends View {
  protected readonly welcome = 'The machine frames appear when a Xenscope session stops.';
  private saved = this.host.load<Saved>({ owner: 'first', type: 'any', changed: false, pinned: false });
  private rows: IndexedRows<FrameRow> | CursorRows<FrameRow> | undefined;
  private readonly differences = new Differences<FrameRow>(({ mfn }) => mfn);
  /** The frames that the last step changed, as many as one answer holds. */
  private changedFrames: CustomRequests['xenscope/frames'][1] | undefined;
  private active = -1;
  private readonly listener = {
    changed: () => this.changed(),
    failed: (message: string) => {
      this.failure = message;
    },
  };
  private readonly grid: GridView<FrameRow> = {
    label: 'Machine frames',
    empty: () =>
      this.rows instanceof CursorRows && !this.rows.complete ? 'Searching ...' : 'No frame matches.',
    columns: [
      {
        id: 'mfn',
        title: 'MFN',
        hint: 'Machine frame number',
        width: '7ch',
        cell: ({ mfn }) => frame(mfn),
      },
      {
        id: 'm2p',
        title: 'PFN',
        hint: 'What the machine-to-physical table says',
        width: '7ch',
        from: 300,
        cell: (row) => this.renderPfn(row),
      },
      {
        id: 'owner',
        title: 'Owner',
        hint: 'Domain that the frame belongs to',
        width: '5ch',
        cell: (row) => this.differences.mark(row, 'ownerName', row.ownerName),
      },
      {
        id: 'type',
        title: 'Type',
        hint: 'What the frame is used as while its type count is not zero; pin: pinned as a page table',
        width: '8ch',
        cell: (row) => this.renderType(row),
      },
      {
        id: 'typeCount',
        title: 'Types',
        hint: 'Type count: uses of the frame as this type',
        width: '5ch',
        align: 'end',
        cell: (row) => this.differences.mark(row, 'typeCount', String(row.typeCount)),
      },
      {
        id: 'refCount',
        title: 'Refs',
        hint: 'Reference count: all uses of the frame',
        width: '5ch',
        align: 'end',
        cell: (row) => this.differences.mark(row, 'refCount', String(row.refCount)),
      },
      {
        id: 'role',
        title: 'Used for',
        hint: 'What the frame is for, where the model knows',
        width: 'minmax(0, 1fr)',
        from: 400,
        cell: ({ role }) => html`<span class="quiet" title=${role ?? ''}>${role ?? ''}</span>`,
      },
    ],
    look: (row) => ({
      changed: row.changed,
      dim: !row.allocated,
      label: describe(row),
      context: rowContext({
        mfn: row.mfn,
        pfn: row.m2p ?? undefined,
        watch: `frame 0x${row.mfn.toString(16)} type`,
        xenscopeIsTable: tableTypes.includes(row.type),
        text: describe(row),
      }),
    }),
    activate: (row) => this.openMemory(row),
  };

  protected override async refresh(signal: AbortSignal, machine: MachineSummary): Promise<void> {
    this.differences.next(this.moment);
    if (this.rows) this.rows.refresh();
    else this.search(machine);
    this.host.title(`${count(machine.maxPage)} frames`);
    const filter = { changed: true };
    this.changedFrames = await this.host.request('xenscope/frames', { from: 0, count: 1024, filter }, signal);
  }

  protected override forget(): void {
    this.differences.forget();
    this.rows?.dispose();
    this.rows = undefined;
    this.changedFrames = undefined;
    this.active = -1;
  }

  protected override go(place: Place): void {
    if (place.kind !== 'frame') return;
    this.remember({ owner: 'all', type: 'any', changed: false, pinned: false });
    void this.updateComplete.then(() => this.reveal(place.mfn));
  }

  protected override renderView(machine: MachineSummary): TemplateResult {
    const owner = this.owner(machine);
    const choose = (name: keyof Saved) => (event: Event) => {
      const { value } = event.target as HTMLSelectElement;
      this.remember({ [name]: /^\d+$/.test(value) ? Number(value) : value });
    };
    const check = (name: keyof Saved) => (event: Event) =>
      this.remember({ [name]: (event.target as HTMLInputElement).checked });
    const owners: readonly { readonly value: Owner; readonly name: string }[] = [
      { value: 'all', name: 'all owners' },
      ...machine.domains.map(({ domain, name }) => ({ value: domain, name })),
      ...systemOwners.map(({ owner: value, name }) => ({ value, name })),
      { value: 'free', name: 'free' },
    ];
    return html`<div class="toolbar">
        <vscode-single-select .label=${'Owner'} @change=${choose('owner')}>
          ${owners.map(
            ({ value, name }) =>
              html`<vscode-option value=${value} ?selected=${value === owner}>${name}</vscode-option>`,
          )}
        </vscode-single-select>
        <vscode-single-select .label=${'Type'} @change=${choose('type')}>
          <vscode-option value="any" ?selected=${this.saved.type === 'any'}>all types</vscode-option>
          ${types.map(
            ({ type, name }) =>
              html`<vscode-option value=${type} description=${name} ?selected=${type === this.saved.type}
                >${type}</vscode-option
              >`,
          )}
        </vscode-single-select>
        <vscode-checkbox ?checked=${this.saved.changed} @change=${check('changed')}>Changed</vscode-checkbox>
        <vscode-checkbox ?checked=${this.saved.pinned} @change=${check('pinned')}>Pinned</vscode-checkbox>
        ${goBox({
          label: 'Go to MFN',
          placeholder: 'MFN',
          hint: 'A machine frame number in hexadecimal',
          go: (text) => this.goToFrame(text),
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
        html`${this.summary()}${changedCount(this.changedFrames, this.saved.changed, () =>
          this.remember({ changed: !this.saved.changed }),
        )}`,
      )}`;
  }

  /** The type, with what is out of the ordinary: pinned, or in use without having been validated. */
  private renderType(row: FrameRow): TemplateResult {
    const { type, typeCount, pinned, validated } = row;
    const halfway = typeCount > 0 && !validated;
    return html`${this.differences.mark(row, 'type', type === 'none' ? '-' : type)}${
      pinned ? html` ${this.differences.mark(row, 'pinned', 'pin')}` : ''
    }${halfway ? html` <span class="mark" title="in use, not validated">…</span>` : ''}`;
  }

  private renderPfn(row: FrameRow): unknown {
    const { m2p } = row;
    if (m2p === null) return html`<span class="quiet">-</span>`;
    return this.differences.mark(
      row,
      'm2p',
      link(frame(m2p), 'Show in P2M Map', () => this.host.show({ kind: 'p2m', pfn: m2p })),
    );
  }

  private summary(): string {
    const { rows } = this;
    if (!rows) return '';
    if (rows instanceof IndexedRows) return counted(rows.count, 'frame', 'frames');
    if (rows.truncated)
      return `The first ${count(cursorLimit)} frames found; a narrower filter shows the rest.`;
    const total = this.knownTotal();
    if (total !== undefined) return counted(total, 'frame', 'frames');
    return `${counted(rows.count, 'frame', 'frames')}${rows.complete ? '' : ' so far'}`;
  }

  /** How many frames the filter finds, where that is known without looking: all frames of one domain. */
  private knownTotal(): number | undefined {
    const { machine, saved } = this;
    if (!machine || saved.changed || saved.pinned || saved.type !== 'any') return undefined;
    const owner = this.owner(machine);
    return machine.domains.find(({ domain }) => domain === owner)?.totPages;
  }

  /** Makes the list that the filter asks for. */
  private search(machine: MachineSummary): void {
    this.rows?.dispose();
    this.active = -1;
    const filter = this.filter(machine);
    const load = (from: number, rows: number, signal: AbortSignal) =>
      this.host.request('xenscope/frames', { from, count: rows, ...(filter ? { filter } : {}) }, signal);
    const remembering = async (from: number, rows: number, signal: AbortSignal) => {
      const answer = await load(from, rows, signal);
      this.differences.remember(answer.rows);
      return answer;
    };
    this.rows = filter
      ? new CursorRows(remembering, this.listener)
      : new IndexedRows(
          machine.maxPage,
          async (from, rows, signal) => ({
            ...(await remembering(from, rows, signal)),
            total: machine.maxPage,
          }),
          this.listener,
        );
    // A list without rows is not drawn, so nothing in sight would start the search.
    this.rows.want(0, 1);
    this.changed();
  }

  private owner(machine: MachineSummary): Owner {
    const { owner } = this.saved;
    if (owner !== 'first') return owner;
    return machine.domains[0]?.domain ?? 'all';
  }

  private filter(machine: MachineSummary): Filter | undefined {
    const owner = this.owner(machine);
    const { type, changed, pinned } = this.saved;
    const filter: Filter = {
      ...(owner === 'all' ? {} : { owner }),
      ...(type === 'any' ? {} : { type }),
      ...(changed ? { changed } : {}),
      ...(pinned ? { pinned } : {}),
    };
    return Object.keys(filter).length === 0 ? undefined : filter;
  }

  private goToFrame(text: string): void {
    const mfn = parseFrame(text);
    const maxPage = this.machine?.maxPage ?? 0;
    if (mfn === null || mfn >= maxPage) {
      this.failure = `"${text}" is no frame of this machine: give a hexadecimal number below ${maxPage.toString(16)}.`;
      return;
    }
    this.failure = undefined;
    this.go({ kind: 'frame', mfn });
  }

  private reveal(index: number): void {
    const grid = this.renderRoot.querySelector<Grid<FrameRow>>('xs-grid');
    grid?.reveal(index, 'centre');
  }

  private openMemory({ mfn, type }: FrameRow): void {
    const as = tableTypes.includes(type) ? 'entries' : 'bytes';
    this.host.show({ kind: 'memory', text: `mfn:0x${mfn.toString(16)}`, as });
  }

  private remember(change: Partial<Saved>): void {
    this.saved = { ...this.saved, ...change };
    this.host.save(this.saved);
    if (this.machine) this.search(this.machine);
  }
}

function describe(row: FrameRow): string {
  const parts = [
    `mfn ${frame(row.mfn)}`,
    row.ownerName,
    row.type === 'none' ? 'no type' : `type ${row.type}, count ${row.typeCount}`,
    `references ${row.refCount}`,
    row.pinned ? 'pinned' : '',
    row.validated ? 'validated' : '',
    row.m2p === null ? '' : `pfn ${frame(row.m2p)}`,
    row.role ?? '',
    row.changed ? 'changed' : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

customElements.define('xs-machine-frames', MachineFramesView);
