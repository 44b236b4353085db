/** Output events: what the guests print, linked to the line that prints it, and the messages of log points. */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { toClientLine } from './client-traits.ts';
import type { Context } from './context.ts';
import type { ConsoleLine, Debuggee } from './debuggee.ts';
import { sourceOf } from './sources.ts';

/** Sends what was printed since the last time. */
export function sendOutput(context: Context, debuggee: Debuggee): void {
  for (const line of debuggee.takeConsole()) context.sendEvent('output', consoleOutput(context, line));
  for (const line of debuggee.takeLog()) {
    context.sendEvent('output', { category: 'console', output: `${line}\n` });
  }
}

function consoleOutput(
  { traits }: Context,
  { text, file, line }: ConsoleLine,
): DebugProtocol.OutputEvent['body'] {
  const output = { category: 'stdout', output: `${text}\n` };
  if (file === null || line === null) return output;
  return { ...output, source: sourceOf(traits, file, { library: false }), line: toClientLine(traits, line) };
}
