/** Starts the language server (`dist/server.cjs`) for guest scripts: diagnostics, hover, definitions, symbols. */

import { join } from 'node:path';
import type { ExtensionContext } from 'vscode';
import { LanguageClient, TransportKind } from 'vscode-languageclient/node';

export async function startLanguageClient(context: ExtensionContext): Promise<void> {
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
  context.subscriptions.push(client);
  await client.start();
}
