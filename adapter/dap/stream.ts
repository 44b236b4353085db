/** Connects a debug adapter to a pair of streams: standard input and output, or a socket. */

import { type AddressInfo, createServer } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { type DebugAdapter, DISCONNECTED } from './debug-adapter.ts';

/** Serves one client until it disconnects or its stream ends; resolves then. */
export function serveStreams(adapter: DebugAdapter, input: Readable, output: Writable): Promise<void> {
  return new Promise((resolve) => {
    let over = false;
    const finish = () => {
      if (over) return;
      over = true;
      adapter.dispose();
      resolve();
    };
    input.once('end', finish);
    // A client that vanishes breaks the stream; that is an end like any other.
    input.once('error', finish);
    output.once('error', finish);
    adapter.once(DISCONNECTED, finish);
    adapter.on('error', () => {
      if (!over && output.writable)
        adapter.complain('Bytes that are no message of the Debug Adapter Protocol were skipped.');
    });
    adapter.start(input, output);
  });
}

/**
 * Listens on a port of this machine and serves each client with an adapter of its own; returns the port that was
 * given (0 asks for a free one) or the reason why there is none.
 */
export function listen(
  port: number,
  makeAdapter: () => DebugAdapter,
): Promise<{ readonly port: number; readonly close: () => void } | { readonly error: string }> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      void serveStreams(makeAdapter(), socket, socket).then(() => socket.end());
    });
    server.once('error', (error) => {
      resolve({ error: `Cannot listen on port ${port}: ${error.message}.` });
    });
    server.listen(port, '127.0.0.1', () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () => {
          server.close();
        },
      });
    });
  });
}
