/** The debug adapter for VS Code's inline use; built to dist/adapter.cjs. */

import { DebugAdapter } from './dap/debug-adapter.ts';
import type { AdapterModule } from './protocol.ts';

export const createInlineAdapter: AdapterModule['createInlineAdapter'] = () => new DebugAdapter();
