/** What the client is told when the user has changed the guest's state. */

import type { Context } from './context.ts';
import type { Debuggee } from './debuggee.ts';

/** Views ask again; handles given out so far stay valid, since objects have not moved. */
export function stateEdited(context: Context, debuggee: Debuggee): void {
  debuggee.stops++;
  context.afterResponse(() => {
    context.sendEvent('invalidated', { areas: ['variables'] });
    context.sendEvent('xenscope/stateChanged', { stop: debuggee.stops });
  });
}
