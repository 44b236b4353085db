import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { StreamMessageReader } from 'vscode-languageserver/node';
import { DebugAdapter } from '../../../adapter/dap/debug-adapter.ts';
import { serveStreams } from '../../../adapter/dap/stream.ts';

const frame = (message: object): string => {
  const json = JSON.stringify(message);
  return `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`;
};
const INITIALIZE = frame({ seq: 1, type: 'request', command: 'initialize', arguments: { adapterID: 'ü' } });

/** An adapter on a pair of streams; `next` is the next message it sends. */
function served() {
  const input = new PassThrough();
  const output = new PassThrough();
  const over = serveStreams(new DebugAdapter(), input, output);
  const messages: object[] = [];
  const waiting: ((message: object) => void)[] = [];
  new StreamMessageReader(output).listen((message) => {
    const waiter = waiting.shift();
    if (waiter === undefined) messages.push(message);
    else waiter(message);
  });
  const next = (): Promise<object> => {
    const ready = messages.shift();
    return ready === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(ready);
  };
  return { input, over, next };
}

describe('the adapter on a stream', () => {
  it('answers a request that arrives byte by byte', async () => {
    const { input, next } = served();
    for (const byte of Buffer.from(INITIALIZE)) input.write(Buffer.of(byte));
    expect(await next()).toMatchObject({ type: 'response', request_seq: 1, success: true });
  });

  it('says that a body which is no JSON was skipped, and goes on', async () => {
    const { input, next } = served();
    input.write(`Content-Length: 3\r\n\r\n{a:${INITIALIZE}`);
    expect(await next()).toMatchObject({ event: 'output', body: { category: 'stderr' } });
    expect(await next()).toMatchObject({ type: 'response', success: true });
  });

  it('says that a body which is no message was ignored, and goes on', async () => {
    const { input, next } = served();
    input.write(`Content-Length: 2\r\n\r\n17${INITIALIZE}`);
    expect(await next()).toMatchObject({ event: 'output' });
    expect(await next()).toMatchObject({ type: 'response', success: true });
  });

  it('passes over a header without a length', async () => {
    const { input, next } = served();
    input.write(`Hello: world\r\n\r\n${INITIALIZE}`);
    expect(await next()).toMatchObject({ type: 'response', success: true });
  });

  it('is over when the client disconnects, also if it keeps its end open', async () => {
    const { input, over, next } = served();
    input.write(INITIALIZE + frame({ seq: 2, type: 'request', command: 'disconnect' }));
    expect(await next()).toMatchObject({ command: 'initialize', success: true });
    expect(await next()).toMatchObject({ command: 'disconnect', success: true });
    await expect(over).resolves.toBeUndefined();
  });

  it('is over when the client closes its end', async () => {
    const { input, over } = served();
    input.end(INITIALIZE);
    await expect(over).resolves.toBeUndefined();
  });
});
