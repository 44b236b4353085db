/**
 * Runs the debug adapter inside the extension host: no process, no port.
 *
 * The adapter is a bundle of its own, `dist/adapter.cjs`, loaded by name when the first session starts. That keeps
 * activation small and the arrow `extension -> adapter/protocol.ts (types)` whole: the extension knows the adapter
 * only as `AdapterModule`.
 */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { debug, DebugAdapterInlineImplementation, type ExtensionContext } from 'vscode';
import type { AdapterModule } from '../../adapter/protocol.ts';

export function registerAdapter(context: ExtensionContext): void {
  const load = createRequire(join(context.extensionPath, 'package.json'));
  context.subscriptions.push(
    debug.registerDebugAdapterDescriptorFactory('xenscope', {
      createDebugAdapterDescriptor() {
        const adapter = load('./dist/adapter.cjs') as AdapterModule;
        return new DebugAdapterInlineImplementation(adapter.createInlineAdapter());
      },
    }),
  );
}
