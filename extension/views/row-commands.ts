/** Commands of the context menus of rows: go to the same frame in another view, or copy the row. */

import { commands, env, type ExtensionContext } from 'vscode';
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
    commands.registerCommand('xenscope.row.copy', (row: RowContext) => env.clipboard.writeText(row.text)),
  );
}

function memoryOf(mfn: number | undefined, as: 'bytes' | 'entries'): Place | undefined {
  return mfn === undefined ? undefined : { kind: 'memory', text: `mfn:0x${mfn.toString(16)}`, as };
}
