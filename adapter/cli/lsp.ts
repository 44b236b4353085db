/** `xenscope lsp`: the language server, which is a bundle of its own beside this one. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Output } from './cli.ts';

/** Loads the server, which takes over standard input and output; returns the exit status. */
export function lspCommand(output: Output): number {
  const server = new URL('./server.cjs', import.meta.url);
  if (!existsSync(server)) {
    output.err(`xenscope: ${fileURLToPath(server)} is missing; build it with \`npm run build\`.\n`);
    return 2;
  }
  createRequire(import.meta.url)(fileURLToPath(server));
  return 0;
}
