/** Commands of the context menus of rows: go to the same frame in another view, stop when it changes, copy it. */

import { commands, debug, env, type ExtensionContext, window } from 'vscode';
import type { Place, RowContext } from '../webview/messages.ts';

/** Command -> the place that it shows for a row, where the row has one. */
const places: Readonly<Record<string, (row: RowContext) => Place | undefined>> = {
  'xenscope.row.frame': ({ mfn }) => (mfn === undefined ? undefined : { kind: 'frame', mfn }),
  'xenscope.row.p2m': ({ pfn }) => (pfn === undefined ? undefined : { kind: 'p2m', pfn }),
  'xenscope.row.entries': ({ mfn }) => memoryOf(mfn, 'entries'),
  'xenscope.row.memory': ({ mfn }) => memoryOf(mfn, 'bytes'),
};

export function registerRowCommands(context: ExtensionContext, show: (place: Place) => void): void {
  context.subscriptions.push(
    ...Object.entries(places).map(([command, placeOf]) =>
      commands.registerCommand(command, (row: RowContext) => {
        const place = placeOf(row);
        if (place) show(place);
      }),
    ),
    commands.registerCommand('xenscope.row.watch', ({ watch }: RowContext) => watch && breakOnChange(watch)),
    commands.registerCommand('xenscope.row.copy', (row: RowContext) => env.clipboard.writeText(row.text)),
  );
}

function memoryOf(mfn: number | undefined, as: 'bytes' | 'entries'): Place | undefined {
  return mfn === undefined ? undefined : { kind: 'memory', text: `mfn:0x${mfn.toString(16)}`, as };
}

/** A data breakpoint by the debug console's `watch`, which also says how to remove it. */
async function breakOnChange(watch: string): Promise<void> {
  const session = debug.activeDebugSession;
  if (session?.type !== 'xenscope') return;
  try {
    const answer: unknown = await session.customRequest('evaluate', {
      expression: `:watch ${watch}`,
      context: 'repl',
    });
    const { result } = answer as { readonly result: string };
    void window.showInformationMessage(result);
  } catch (error) {
    void window.showErrorMessage(error instanceof Error ? error.message : String(error));
  }
}
