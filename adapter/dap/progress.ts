/** Progress of what takes long, for clients that show it. What is done soon is not told at all. */

import type { Context } from './context.ts';

/** Milliseconds after which the user is told, and between two tellings. */
const PATIENCE = 300;

let progressesMade = 0;

export class Progress {
  private readonly context: Context;
  private readonly title: string;
  private toldAt = Date.now();
  private id: string | null = null;

  constructor(context: Context, title: string) {
    this.context = context;
    this.title = title;
  }

  /** So much is done: 0 to 1. */
  at(part: number): void {
    const now = Date.now();
    if (!this.context.traits.supportsProgressReporting || now - this.toldAt < PATIENCE) return;
    this.toldAt = now;
    const percentage = Math.round(part * 100);
    if (this.id === null) {
      this.id = `travel-${++progressesMade}`;
      const { id: progressId, title } = this;
      this.context.sendEvent('progressStart', { progressId, title, cancellable: true, percentage });
    } else {
      this.context.sendEvent('progressUpdate', { progressId: this.id, percentage });
    }
  }

  end(): void {
    if (this.id !== null) this.context.sendEvent('progressEnd', { progressId: this.id });
  }
}
