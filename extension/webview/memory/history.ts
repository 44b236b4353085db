/** Where the reader has been: back and forward, as in a browser. */

import type { MemoryMode } from '../messages.ts';

export interface Visit {
  /** What was asked for: a memory reference, a symbol or an expression. */
  readonly text: string;
  readonly as: MemoryMode;
}

/** Visits kept. */
const limit = 100;

export class History {
  visits: readonly Visit[];
  at: number;

  constructor(visits: readonly Visit[] = [], at = visits.length - 1) {
    this.visits = visits;
    this.at = at;
  }

  get current(): Visit | undefined {
    return this.visits[this.at];
  }

  get canGoBack(): boolean {
    return this.at > 0;
  }

  get canGoForward(): boolean {
    return this.at < this.visits.length - 1;
  }

  /** A new place; what lay ahead is forgotten. The present place again is no visit. */
  visit(visit: Visit): void {
    const { current } = this;
    if (current?.text === visit.text && current.as === visit.as) return;
    this.visits = [...this.visits.slice(0, this.at + 1), visit].slice(-limit);
    this.at = this.visits.length - 1;
  }

  move(direction: 'back' | 'forward'): void {
    if (direction === 'back' && this.canGoBack) this.at--;
    if (direction === 'forward' && this.canGoForward) this.at++;
  }
}
