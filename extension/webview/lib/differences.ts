/**
 * Which values of a row are others than at the stop before, for the rows that were seen then. A row that is new to the
 * view has nothing to be compared with; that it changed the adapter says.
 */

import { html, type TemplateResult } from 'lit';
import type { Moment } from '../messages.ts';

/** Rows remembered of one stop. */
const limit = 20_000;

export class Differences<Row extends object> {
  private readonly key: (row: Row) => number;
  private before = new Map<number, Row>();
  private now = new Map<number, Row>();
  private stop = -1;

  constructor(key: (row: Row) => number) {
    this.key = key;
  }

  /** The state has moved: what was seen last is what to compare with. */
  next(moment: Moment): void {
    if (moment.kind !== 'session' || moment.stop === this.stop) return;
    this.stop = moment.stop;
    // Rows that were out of sight at the last stop are older than it, and say nothing about this step.
    this.before = this.now;
    this.now = new Map();
  }

  remember(rows: readonly Row[]): void {
    if (this.now.size > limit) this.now.clear();
    for (const row of rows) this.now.set(this.key(row), row);
  }

  forget(): void {
    this.before.clear();
    this.now.clear();
  }

  /** The content of a cell, underlined with its former value at hand when it differs. */
  mark(row: Row, field: keyof Row, content: unknown): TemplateResult | unknown {
    const before = this.before.get(this.key(row));
    if (before === undefined || before[field] === row[field]) return content;
    return html`<span class="was" title=${`was ${String(before[field])}`}>${content}</span>`;
  }
}
