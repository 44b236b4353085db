/** What the client is told when the user has changed the guest's state. */

import type { Context } from './context.ts';
import type { Debuggee } from './debuggee.ts';

/** Bytes that an edit has changed, as the client named them. */
export interface EditedMemory {
  readonly memoryReference: string;
  /** Bytes from the reference to the first one changed. */
  readonly offset: number;
  readonly count: number;
}

/** Views ask again; handles given out so far stay valid, since objects have not moved. */
export function stateEdited(context: Context, debuggee: Debuggee, memory?: EditedMemory): void {
  debuggee.stops++;
  const { supportsInvalidatedEvent, supportsMemoryEvent } = context.traits;
  context.afterResponse(() => {
    if (supportsInvalidatedEvent) context.sendEvent('invalidated', { areas: ['variables'] });
    if (supportsMemoryEvent && memory !== undefined) context.sendEvent('memory', memory);
    context.sendEvent('xenscope/stateChanged', { stop: debuggee.stops });
  });
}
