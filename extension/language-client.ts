/** Starts the language server (`dist/server.cjs`) for guest scripts: diagnostics, hover, definitions, symbols. */

import { join } from 'node:path';
import type { ExtensionContext } from 'vscode';
import { LanguageClient, TransportKind } from 'vscode-languageclient/node';

export function startLanguageClient(context: ExtensionContext): void {
  const server = {
    module: join(context.extensionPath, 'dist', 'server.cjs'),
    transport: TransportKind.ipc,
  };
  const client = new LanguageClient(
    'xenscope',
    'Xenscope',
    { run: server, debug: { ...server, options: { execArgv: ['--nolazy', '--inspect'] } } },
    {
      documentSelector: [
        { language: 'xenscope-c', scheme: 'file' },
        { language: 'xenscope-c', scheme: 'untitled' },
      ],
      diagnosticCollectionName: 'xenscope',
    },
  );
  context.subscriptions.push({ dispose: () => (client.needsStop() ? client.stop() : undefined) });
  // The client itself tells the user when the server cannot start; debugging does not need it.
  client.start().catch(() => undefined);
}
