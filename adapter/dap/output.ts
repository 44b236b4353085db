/** Output events: what the guests print, and the messages of log points. */

import type { Context } from './context.ts';
import type { Debuggee } from './debuggee.ts';

/** Sends what was printed since the last time. */
export function sendOutput(context: Context, debuggee: Debuggee): void {
  for (const line of debuggee.takeConsole()) {
    context.sendEvent('output', { category: 'stdout', output: `${line}\n` });
  }
  for (const line of debuggee.takeLog()) {
    context.sendEvent('output', { category: 'console', output: `${line}\n` });
  }
}
