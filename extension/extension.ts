/** Where VS Code enters: a list of activations. Each part registers what it owns and is disposed with the context. */

import type { ExtensionContext } from 'vscode';
import { registerAdapter } from './debug/adapter.ts';
import { registerCommands } from './debug/commands.ts';
import { registerConfigurations } from './debug/configurations.ts';
import { startLanguageClient } from './language-client.ts';
import { MemoryPanels } from './views/memory-panel.ts';
import { registerRowCommands } from './views/row-commands.ts';
import { SessionTracker } from './views/session-tracker.ts';
import { TableViews } from './views/table-views.ts';

export function activate(context: ExtensionContext): void {
  registerAdapter(context);
  registerConfigurations(context);
  registerCommands(context);
  const sessions = new SessionTracker(context);
  const tables = new TableViews(context, sessions);
  const memory = new MemoryPanels(context, sessions);
  tables.onShow((place) => memory.show(place));
  memory.onShow((place) => tables.show(place));
  registerRowCommands(context, (place) => tables.show(place));
  startLanguageClient(context);
}
