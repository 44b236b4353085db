/** What the client is told when the user has changed the guest's state. */

import type { Context } from './context.ts';
import type { Debuggee } from './debuggee.ts';

const LOST_FUTURE =
  'What came after this place is forgotten: the guest will go on from here with what you have changed.\n';

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
  const hasLostFuture = debuggee.hasLostFuture();
  const { supportsInvalidatedEvent, supportsMemoryEvent } = context.traits;
  context.afterResponse(() => {
    if (hasLostFuture) context.sendEvent('output', { category: 'console', output: LOST_FUTURE });
    if (supportsInvalidatedEvent) context.sendEvent('invalidated', { areas: ['variables'] });
    if (supportsMemoryEvent && memory !== undefined) context.sendEvent('memory', memory);
    context.sendEvent('xenscope/stateChanged', { stop: debuggee.stops });
  });
}
