/**
 * The Memory panel: bytes, or page-table entries, at any address: `va:`, `pfn:`, `mfn:`, a symbol or an expression.
 * A word can be followed as a pointer, an entry to what it names; back and forward go where the reader has been.
 */

import { css, html, type TemplateResult } from 'lit';
import type {
  FrameRow,
  MachineSummary,
  TableEntryRow,
  TableResult,
  Walk,
} from '../../../adapter/protocol.ts';
import type { MemoryMode, Place } from '../messages.ts';
import { frame } from '../lib/format.ts';
import type { Grid, GridView } from '../lib/grid.ts';
import { ArrayRows } from '../lib/rows.ts';
import { viewStyles } from '../lib/styles.ts';
import { known, link, View } from '../lib/view.ts';
import { ByteRows, rowBytes, wordAt, type ByteRow } from './byte-rows.ts';
import { byteGrid, entryGrid } from './grids.ts';
import { History, type Visit } from './history.ts';
import { frameOf, offsetInPage, parseLocation, referenceOf, type Location } from './location.ts';

interface Saved {
  readonly visits: readonly Visit[];
  readonly at: number;
}

/** What is known about the place that is shown, besides its bytes. */
interface Background {
  readonly walk: Walk | null;
  readonly frame: FrameRow | null;
}

const nowhere: Background = { walk: null, frame: null };
/** Rows from the edge of the window of bytes at which it is moved. */
const edge = 32;

class MemoryView extends View {
  static override readonly styles = [
    viewStyles,
    css`
      .about {
        padding: 0 12px 5px;
        line-height: 18px;
        color: var(--vscode-descriptionForeground);
        font-size: calc(var(--vscode-font-size, 13px) - 1px);
        overflow-wrap: anywhere;
      }
      .about a {
        color: var(--vscode-textLink-foreground);
        cursor: pointer;
      }
      .about code {
        font-family: var(--vscode-editor-font-family);
      }
      .fault {
        color: var(--vscode-errorForeground);
      }
      :host {
        grid-template-rows: auto auto minmax(0, 1fr) auto;
      }
    `,
  ];
  protected readonly welcome = 'Memory appears here when a Xenscope session stops.';
  private readonly history = this.restore();
  private location: Location | undefined;
  private background = nowhere;
  private bytes: ByteRows | undefined;
  private table: TableResult | undefined;
  private entries = new ArrayRows<TableEntryRow>([]);
  private active = -1;
  /** Which word of the active row keys act on. */
  private word = 0;
  private readonly listener = {
    changed: () => this.changed(),
    failed: (message: string) => {
      this.failure = message;
    },
  };
  private readonly byteGrid: GridView<ByteRow> = byteGrid({
    digits: () => this.digits,
    wordBytes: () => this.wordBytes,
    space: () => this.location?.space ?? 'va',
    word: () => this.word,
    isActive: (row) => this.bytes?.indexOf(row.address) === this.active,
    follow: (row, word) => this.followWord(row, word),
    moveWord: (steps) => this.moveWord(steps),
  });
  private readonly entryGrid: GridView<TableEntryRow> = entryGrid({
    digits: () => this.digits,
    level: () => this.table?.level,
    follow: (entry) => this.followEntry(entry),
  });

  protected override async refresh(signal: AbortSignal): Promise<void> {
    if (this.location && this.bytes && this.history.current?.as === 'bytes') {
      this.bytes.refresh();
      this.background = await this.learn(this.location, signal);
      return;
    }
    await this.open(signal);
  }

  protected override forget(): void {
    this.close();
  }

  protected override go(place: Place): void {
    if (place.kind !== 'memory') return;
    this.visit({ text: place.text, as: place.as });
  }

  protected override renderView(): TemplateResult {
    const as = this.history.current?.as ?? 'bytes';
    return html`${this.renderToolbar(as)}
      <div class="about">${this.renderBackground()}</div>
      ${this.renderRows(as)} ${this.renderStatus(as === 'entries' ? this.entriesStatus() : this.wordStatus())}`;
  }

  private renderToolbar(as: MemoryMode): TemplateResult {
    const { history } = this;
    const onKey = (event: KeyboardEvent) => {
      const text = (event.target as HTMLInputElement).value.trim();
      if (event.key === 'Enter' && text !== '') this.visit({ text, as });
    };
    const choose = (event: Event) => {
      const mode = (event.target as HTMLSelectElement).value === 'entries' ? 'entries' : 'bytes';
      const text = history.current?.text;
      if (text !== undefined) this.visit({ text, as: mode });
    };
    return html`<div class="toolbar">
      <vscode-toolbar-button
        icon="arrow-left"
        label="Back"
        title="Back"
        ?disabled=${!history.canGoBack}
        @click=${() => this.move('back')}
      ></vscode-toolbar-button>
      <vscode-toolbar-button
        icon="arrow-right"
        label="Forward"
        title="Forward"
        ?disabled=${!history.canGoForward}
        @click=${() => this.move('forward')}
      ></vscode-toolbar-button>
      <vscode-textfield
        .label=${'Address'}
        title="va:0x400000, pfn:0x12, mfn:0x1a3+0x8, a symbol, or an expression; Enter goes there"
        placeholder="va:, pfn: or mfn: address, or an expression"
        .value=${history.current?.text ?? ''}
        @keydown=${onKey}
      ></vscode-textfield>
      <vscode-single-select .label=${'Show as'} @change=${choose}>
        <vscode-option value="bytes" ?selected=${as === 'bytes'}>bytes</vscode-option>
        <vscode-option value="entries" ?selected=${as === 'entries'}>entries</vscode-option>
      </vscode-single-select>
    </div>`;
  }

  private renderRows(as: MemoryMode): TemplateResult {
    const onActive = (event: CustomEvent<number>) => {
      this.active = event.detail;
      this.changed();
    };
    if (as === 'entries') {
      return html`<xs-grid
        .view=${this.entryGrid}
        .model=${this.entries}
        .revision=${this.revision}
        .active=${this.active}
        @active=${onActive}
      ></xs-grid>`;
    }
    if (!this.bytes) return html`<p class="welcome">Type an address above.</p>`;
    return html`<xs-grid
      .view=${this.byteGrid}
      .model=${this.bytes}
      .revision=${this.revision}
      .active=${this.active}
      @active=${onActive}
      @moved=${() => this.moveWindow()}
    ></xs-grid>`;
  }

  /** How the address is translated, and whose frame it ends in. */
  private renderBackground(): unknown {
    const { walk, frame: row } = this.background;
    const steps = walk?.steps.map(
      ({ level, slot, tableMfn }) =>
        html`${link(
          `L${level}[0x${slot.toString(16)}]`,
          `Entries of the table in mfn ${frame(tableMfn)}`,
          () =>
            this.visit({
              text: `mfn:0x${tableMfn.toString(16)}+0x${(slot * this.wordBytes).toString(16)}`,
              as: 'entries',
            }),
        )}
        → `,
    );
    const end = walk?.fault ? html`<span class="fault">${walk.fault}</span>` : this.renderFrame(row);
    return html`${steps}${end}`;
  }

  private renderFrame(row: FrameRow | null): unknown {
    if (!row) return '';
    const parts = [
      row.ownerName,
      row.type === 'none' ? 'no type' : `type ${row.type}, count ${row.typeCount}`,
      `references ${row.refCount}`,
      ...(row.pinned ? ['pinned'] : []),
      ...(row.m2p === null ? [] : [`pfn ${frame(row.m2p)}`]),
      ...(row.role === undefined ? [] : [row.role]),
    ];
    return html`${link(`mfn ${frame(row.mfn)}`, 'Show in Machine Frames', () =>
      this.host.show({ kind: 'frame', mfn: row.mfn }),
    )}:
    ${parts.join(', ')}`;
  }

  private entriesStatus(): string {
    return this.table ? `Entries of mfn ${frame(this.table.mfn)} as an L${this.table.level} table` : '';
  }

  private wordStatus(): unknown {
    const row = this.active < 0 ? undefined : this.bytes?.row(this.active);
    const word = row && wordAt(row, this.word * this.wordBytes, this.wordBytes);
    if (word === undefined || word === null) return '';
    const hex = `0x${word.toString(16)}`;
    return html`<span>${hex} = ${word.toString()}; Enter follows it as an address</span>`;
  }

  private get digits(): number {
    return this.machine?.entryBytes === 4 ? 8 : 16;
  }

  private get wordBytes(): number {
    return this.machine?.entryBytes ?? 8;
  }

  /** Goes to a new place. */
  private visit(visit: Visit): void {
    this.history.visit(visit);
    this.arrive();
  }

  private move(direction: 'back' | 'forward'): void {
    this.history.move(direction);
    this.arrive();
  }

  private arrive(): void {
    this.host.save({ visits: this.history.visits, at: this.history.at } satisfies Saved);
    this.failure = undefined;
    this.requestUpdate();
    if (this.moment.kind === 'session') void this.attempt(() => this.open(this.signal));
  }

  /** Resolves the present visit and shows it. */
  private async open(signal: AbortSignal): Promise<void> {
    const visit = this.history.current;
    if (!visit) return;
    this.close();
    const { memoryReference } = known(
      await this.host.request('xenscope/resolve', { text: visit.text }, signal),
    );
    const location = parseLocation(memoryReference);
    if (!location) throw new Error(`${memoryReference} is no address that can be shown.`);
    this.location = location;
    this.background = await this.learn(location, signal);
    if (visit.as === 'entries') await this.openEntries(location, signal);
    else this.openBytes(location);
    this.host.title(`Memory ${visit.text}`);
    this.changed();
  }

  private openBytes(location: Location): void {
    this.bytes = this.bytesAround(location);
    this.word = Math.floor((offsetInPage(location.address) % rowBytes) / this.wordBytes);
    this.reveal(this.bytes.indexOf(location.address));
  }

  private async openEntries(location: Location, signal: AbortSignal): Promise<void> {
    const mfn = this.background.frame?.mfn;
    if (mfn === undefined) throw new Error(`${referenceOf(location)} is in no machine frame.`);
    const count = this.machine?.entriesPerTable ?? 0;
    const table = known(
      await this.host.request('xenscope/table', { mfn, from: 0, count, presentOnly: false }, signal),
    );
    this.table = table;
    this.entries = new ArrayRows(table.rows);
    this.reveal(Math.floor(offsetInPage(location.address) / this.wordBytes));
  }

  /** How the location is translated and what the frame table says about its frame. */
  private async learn(location: Location, signal: AbortSignal): Promise<Background> {
    const walk = location.space === 'va' ? await this.walk(location.address, signal) : null;
    const mfn = await this.frameAt(location, walk, signal);
    if (mfn === null) return { walk, frame: null };
    const { rows } = await this.host.request('xenscope/frames', { from: mfn, count: 1 }, signal);
    return { walk, frame: rows[0] ?? null };
  }

  private async walk(address: bigint, signal: AbortSignal): Promise<Walk> {
    return known(await this.host.request('xenscope/walk', { va: `0x${address.toString(16)}` }, signal));
  }

  private async frameAt(
    { space, address }: Location,
    walk: Walk | null,
    signal: AbortSignal,
  ): Promise<number | null> {
    if (space === 'mfn') return frameOf(address);
    if (space === 'va') return walk?.maddr ? frameOf(BigInt(walk.maddr)) : null;
    const { rows } = known(
      await this.host.request('xenscope/p2m', { from: frameOf(address), count: 1 }, signal),
    );
    return rows[0]?.mfn ?? null;
  }

  private bytesAround(location: Location, before?: ByteRows): ByteRows {
    const machine = this.machine;
    const { space } = location;
    const read = (base: bigint, count: number, signal: AbortSignal) =>
      this.host.request(
        'readMemory',
        { memoryReference: referenceOf({ space, address: base }), offset: 0, count },
        signal,
      );
    return new ByteRows(location, machine ? sizeOf(space, machine) : 0n, read, this.listener, before);
  }

  /** At the edge of the window of bytes, makes one around what is in sight. */
  private moveWindow(): void {
    const grid = this.gridElement;
    const { bytes, location } = this;
    if (!grid || !bytes || !location) return;
    const first = grid.firstVisible;
    const atStart = first < edge && bytes.base > 0n;
    const atEnd = first > bytes.count - 4 * edge && bytes.count > 8 * edge;
    if (!atStart && !atEnd) return;
    const address = bytes.addressOf(first);
    const activeAddress = this.active < 0 ? null : bytes.addressOf(this.active);
    const moved = this.bytesAround({ space: location.space, address }, bytes);
    if (moved.base === bytes.base && moved.count === bytes.count) return;
    bytes.dispose();
    this.bytes = moved;
    this.active = activeAddress === null ? -1 : moved.indexOf(activeAddress);
    this.changed();
    void this.updateComplete.then(() => grid.scrollToRow(moved.indexOf(address)));
  }

  private followWord(row: ByteRow, word: number): void {
    const value = wordAt(row, word * this.wordBytes, this.wordBytes);
    if (value !== null) this.visit({ text: `va:0x${value.toString(16)}`, as: 'bytes' });
  }

  private followEntry({ present, mfn, childLevel }: TableEntryRow): void {
    if (present) this.visit({ text: `mfn:0x${mfn.toString(16)}`, as: childLevel > 0 ? 'entries' : 'bytes' });
  }

  private moveWord(steps: number): void {
    const words = rowBytes / this.wordBytes;
    this.word = Math.max(0, Math.min(words - 1, this.word + steps));
    this.changed();
  }

  private reveal(index: number): void {
    this.active = index;
    this.changed();
    void this.updateComplete.then(() => this.gridElement?.reveal(index, 'centre'));
  }

  private get gridElement(): Grid<ByteRow> | null {
    return this.renderRoot.querySelector<Grid<ByteRow>>('xs-grid');
  }

  private close(): void {
    this.bytes?.dispose();
    this.bytes = undefined;
    this.table = undefined;
    this.entries = new ArrayRows<TableEntryRow>([]);
    this.background = nowhere;
    this.active = -1;
  }

  private restore(): History {
    const { visits, at } = this.host.load<Saved>({ visits: [], at: -1 });
    return new History(visits, at);
  }
}

/** Bytes in a space. */
function sizeOf(space: Location['space'], { maxPage, entryBytes, domains }: MachineSummary): bigint {
  const pages = { mfn: maxPage, pfn: domains[0]?.nrPages ?? 0 };
  if (space === 'va') return 1n << (entryBytes === 4 ? 32n : 64n);
  return BigInt(pages[space]) << 12n;
}

customElements.define('xs-memory', MemoryView);
