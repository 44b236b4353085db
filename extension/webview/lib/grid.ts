/**
 * The grid of every view: rows of one height, drawn only where they are in sight; a header that stays; one active row
 * moved by the keyboard; rows that open (a tree) where the view says so.
 *
 * Keys: arrows, Page Up and Down, Home and End move; Right and Left open and close; Enter does the row's main action.
 */

import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { cssProperties } from './css-properties.ts';
import type { RowModel } from './rows.ts';
import { clampOffset, isScaled, offsetOf, scrollTopOf, spacerHeight, type Extent } from './scroll.ts';
import type { RowContext } from '../messages.ts';
import { gridStyles } from './styles.ts';

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  readonly hint: string;
  /** A track of CSS grid. */
  readonly width: string;
  readonly align?: 'end';
  /** Left out while the grid is narrower than this, in pixels. */
  readonly from?: number;
  cell(row: Row): unknown;
}

export interface RowLook {
  readonly changed?: boolean;
  readonly dim?: boolean;
  readonly wrong?: boolean;
  /** Position in a tree: depth from 0, and whether the row is open; null when it cannot open. */
  readonly tree?: { readonly depth: number; readonly open: boolean | null };
  /** Given to the commands of the context menu. */
  readonly context?: RowContext;
  readonly label?: string;
}

export interface GridView<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  look(row: Row): RowLook;
  activate?(row: Row, index: number): void;
  toggle?(row: Row, index: number): void;
  /** Left and Right in a grid that is no tree. */
  sideways?(steps: -1 | 1): void;
  /** What stands in place of the rows when there are none. */
  empty(): string;
}

export const rowHeight = 20;
/** Rows drawn above and below those in sight. */
const margin = 6;

export class Grid<Row> extends LitElement {
  static override readonly styles = gridStyles;
  static override readonly properties = {
    view: { attribute: false },
    model: { attribute: false },
    revision: { attribute: false },
    active: { attribute: false },
  };
  declare view: GridView<Row>;
  declare model: RowModel<Row>;
  /** Another number: the rows have changed. */
  declare revision: number;
  /** The row that keys and the context menu act on; -1 for none. */
  declare active: number;
  /** First pixel of the list in sight. */
  private offset = 0;
  private height = 0;
  private width = 0;
  private sizes: ResizeObserver | undefined;

  constructor() {
    super();
    this.revision = 0;
    this.active = -1;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(this);
  }

  override disconnectedCallback(): void {
    this.sizes?.disconnect();
    super.disconnectedCallback();
  }

  /** Makes a row active and scrolls it into sight. */
  reveal(index: number, place: 'nearest' | 'centre' = 'nearest'): void {
    this.activate(index);
    const { window } = this.extent;
    const top = index * rowHeight;
    const fits = top >= this.offset && top + rowHeight <= this.offset + window;
    if (fits) return;
    const nearest = top < this.offset ? top : top + rowHeight - window;
    this.moveTo(place === 'centre' ? top - window / 2 : nearest);
  }

  /** The first row in sight, to come back to. */
  get firstVisible(): number {
    return Math.floor(this.offset / rowHeight);
  }

  scrollToRow(index: number): void {
    this.moveTo(index * rowHeight);
  }

  override focus(): void {
    this.renderRoot.querySelector<HTMLElement>('.grid')?.focus();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has('model') || changed.has('revision')) this.moveTo(this.offset);
    this.askForRows();
  }

  protected override render(): TemplateResult {
    const columns = this.columns;
    const tracks = columns.map((column) => column.width).join(' ');
    const isTree = this.view.toggle !== undefined;
    return html`<div
      class="grid"
      role=${isTree ? 'treegrid' : 'grid'}
      tabindex="0"
      aria-label=${this.view.label}
      aria-rowcount=${this.model.count + 1}
      aria-colcount=${columns.length}
      aria-activedescendant=${this.active >= 0 ? `row-${this.active}` : nothing}
      ${cssProperties({ '--tracks': tracks })}
      @keydown=${this.onKey}
      @contextmenu=${this.onContextMenu}
    >
      <div class="header" role="rowgroup">
        <div class="row" role="row" aria-rowindex="1">
          ${columns.map(
            (column) =>
              html`<span role="columnheader" class=${column.align ?? ''} title=${column.hint}
                >${column.title}</span
              >`,
          )}
        </div>
      </div>
      <div class="scroller" role="rowgroup" @scroll=${this.onScroll} @wheel=${this.onWheel}>
        ${this.model.count === 0 ? html`<p class="empty">${this.view.empty()}</p>` : this.renderRows(columns)}
      </div>
    </div>`;
  }

  private renderRows(columns: readonly Column<Row>[]): TemplateResult {
    const { first, last } = this.drawn;
    const extent = this.extent;
    // In a scaled list rows stand relative to the window, otherwise relative to the list.
    const shift = isScaled(extent) ? scrollTopOf(this.offset, extent) - this.offset : 0;
    const rows: TemplateResult[] = [];
    for (let index = first; index < last; index++) rows.push(this.renderRow(index, columns, shift));
    return html`<div
      class="rows"
      role="presentation"
      ${cssProperties({ height: `${spacerHeight(extent)}px` })}
    >
      ${rows}
    </div>`;
  }

  private renderRow(index: number, columns: readonly Column<Row>[], shift: number): TemplateResult {
    const row = this.model.row(index);
    const position = { transform: `translateY(${index * rowHeight + shift}px)` };
    if (row === undefined) {
      return html`<div
        class="row loading"
        role="row"
        aria-rowindex=${index + 2}
        ${cssProperties(position)}
      ></div>`;
    }
    const look = this.view.look(row);
    const isActive = index === this.active;
    const classes = [
      'row',
      look.changed ? 'changed' : '',
      look.dim ? 'dim' : '',
      look.wrong ? 'wrong' : '',
      isActive ? 'active' : '',
    ];
    return html`<div
      class=${classes.join(' ')}
      id=${`row-${index}`}
      role="row"
      aria-rowindex=${index + 2}
      aria-selected=${isActive}
      aria-level=${look.tree ? look.tree.depth + 1 : nothing}
      aria-expanded=${look.tree && look.tree.open !== null ? look.tree.open : nothing}
      aria-label=${look.label ?? nothing}
      ${cssProperties(position)}
      @mousedown=${() => this.activate(index)}
      @dblclick=${() => this.view.activate?.(row, index)}
    >
      ${columns.map(
        (column, at) =>
          html`<span role="gridcell" class=${column.align ?? ''}
            >${at === 0 && look.tree ? this.renderTwistie(row, index, look.tree) : nothing}${column.cell(
              row,
            )}</span
          >`,
      )}
    </div>`;
  }

  private renderTwistie(row: Row, index: number, tree: NonNullable<RowLook['tree']>): TemplateResult {
    const indent = cssProperties({ width: `${tree.depth * 12}px` });
    const shape = tree.open === null ? '' : tree.open ? 'codicon-chevron-down' : 'codicon-chevron-right';
    const click = () => {
      if (tree.open !== null) this.view.toggle?.(row, index);
    };
    return html`<i class="indent" ${indent}></i
      ><i class="codicon twistie ${shape}" aria-hidden="true" @click=${click}></i>`;
  }

  private get columns(): readonly Column<Row>[] {
    return this.view.columns.filter((column) => column.from === undefined || this.width >= column.from);
  }

  private get scroller(): HTMLElement | null {
    return this.renderRoot.querySelector('.scroller');
  }

  private get extent(): Extent {
    return { content: this.model.count * rowHeight, window: Math.max(0, this.height - rowHeight) };
  }

  private get drawn(): { first: number; last: number } {
    const first = Math.max(0, Math.floor(this.offset / rowHeight) - margin);
    const shown = Math.ceil(this.height / rowHeight) + 2 * margin;
    return { first, last: Math.min(this.model.count, first + shown) };
  }

  private measure(): void {
    this.height = this.clientHeight;
    this.width = this.clientWidth;
    this.requestUpdate();
  }

  private askForRows(): void {
    const { first, last } = this.drawn;
    if (this.height > 0) this.model.want(first, Math.max(1, last - first));
  }

  private activate(index: number): void {
    if (index === this.active) return;
    this.active = index;
    this.dispatchEvent(new CustomEvent('active', { detail: index }));
  }

  private moveTo(offset: number): void {
    this.offset = clampOffset(offset, this.extent);
    const scroller = this.scroller;
    const top = scrollTopOf(this.offset, this.extent);
    if (scroller && Math.round(scroller.scrollTop) !== Math.round(top)) scroller.scrollTop = top;
    this.requestUpdate();
  }

  private onScroll(): void {
    const top = this.scroller?.scrollTop ?? 0;
    // Our own move comes back as an event; taking it for the user's would round the position to the scroll bar's.
    if (Math.round(top) === Math.round(scrollTopOf(this.offset, this.extent))) return;
    this.offset = offsetOf(top, this.extent);
    this.requestUpdate();
    this.dispatchEvent(new CustomEvent('moved'));
  }

  private onWheel(event: WheelEvent): void {
    if (!isScaled(this.extent) || event.deltaY === 0) return;
    event.preventDefault();
    const unit = [1, rowHeight, this.height][event.deltaMode] ?? 1;
    this.moveTo(this.offset + event.deltaY * unit);
    this.dispatchEvent(new CustomEvent('moved'));
  }

  /**
   * VS Code reads `data-vscode-context` from the element that the document sees, which is outside of our shadow trees.
   * The row under the pointer has become active by the press; with the keyboard it is the active row anyway.
   */
  private onContextMenu(): void {
    const row = this.model.row(this.active);
    const context = row === undefined ? {} : this.view.look(row).context;
    document.body.dataset['vscodeContext'] = JSON.stringify({
      preventDefaultContextMenuItems: true,
      ...context,
    });
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.extent.window / rowHeight) - 1);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: this.active + 1,
      ArrowUp: this.active - 1,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: this.model.count - 1,
    };
    const target = moves[event.key];
    if (target === undefined ? !this.act(event.key) : !this.step(target)) return;
    event.preventDefault();
  }

  private step(target: number): boolean {
    if (this.model.count === 0) return false;
    this.reveal(Math.max(0, Math.min(target, this.model.count - 1)));
    return true;
  }

  /** Enter, Right and Left on the active row. Returns whether the key meant something here. */
  private act(key: string): boolean {
    const row = this.model.row(this.active);
    if (row === undefined) return false;
    if (key === 'Enter') {
      this.view.activate?.(row, this.active);
      return this.view.activate !== undefined;
    }
    const isSideways = key === 'ArrowRight' || key === 'ArrowLeft';
    if (isSideways && this.view.sideways) {
      this.view.sideways(key === 'ArrowRight' ? 1 : -1);
      return true;
    }
    const tree = this.view.look(row).tree;
    if (!tree || !isSideways) return false;
    if (tree.open === (key === 'ArrowLeft')) this.view.toggle?.(row, this.active);
    else if (key === 'ArrowLeft') this.stepToParent(tree.depth);
    else if (tree.open) this.step(this.active + 1);
    return true;
  }

  private stepToParent(depth: number): void {
    for (let index = this.active - 1; index >= 0; index--) {
      const row = this.model.row(index);
      const above = row === undefined ? undefined : this.view.look(row).tree;
      if (above && above.depth < depth) return void this.step(index);
    }
  }
}

customElements.define('xs-grid', Grid);
