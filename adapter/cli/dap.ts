/** `xenscope dap`: the debug adapter on standard input and output, or on a port. */

import { DebugAdapter } from '../dap/debug-adapter.ts';
import { listen, serveStreams } from '../dap/stream.ts';
import type { Output } from './cli.ts';

/** Serves until the client goes (on standard input), or for ever (on a port); returns the exit status. */
export async function dapCommand(port: number | null, output: Output): Promise<number> {
  if (port === null) {
    await serveStreams(new DebugAdapter(), process.stdin, process.stdout);
    process.stdin.destroy(); // a client that has disconnected may keep its end open
    return 0;
  }
  const server = await listen(port, () => new DebugAdapter());
  if ('error' in server) {
    output.err(`xenscope: ${server.error}\n`);
    return 2;
  }
  output.err(`xenscope: debug adapter on 127.0.0.1:${server.port}\n`);
  return 0;
}
