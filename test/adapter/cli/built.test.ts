/** The program as it is installed: one bundled file with its headers beside it. */

import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StreamMessageReader } from 'vscode-languageserver/node';

const run = promisify(execFile);
const dist = mkdtempSync(join(tmpdir(), 'xenscope-dist-'));
const program = join(dist, 'cli.cjs');
const example = join(process.cwd(), 'examples/page-fault.guest.c');

beforeAll(async () => {
  await run(process.execPath, ['build.mjs', '--quiet', '--out', dist]);
}, 120_000);
afterAll(() => {
  rmSync(dist, { recursive: true, force: true });
});

/** Sends requests and collects what comes until `wanted` has come. */
async function converse(input: Writable, output: Readable, requests: readonly object[], wanted: string) {
  const received: { readonly type: string; readonly event?: string; readonly command?: string }[] = [];
  await new Promise<void>((resolve, reject) => {
    const reader = new StreamMessageReader(output);
    reader.onError(reject);
    reader.listen((message) => {
      const told = message as object as (typeof received)[number];
      received.push(told);
      if (told.event === wanted || told.command === wanted) resolve();
    });
    for (const request of requests) {
      const json = JSON.stringify(request);
      input.write(`Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`);
    }
  });
  return received;
}

const HELLO = [
  { seq: 1, type: 'request', command: 'initialize', arguments: {} },
  { seq: 2, type: 'request', command: 'launch', arguments: { program: example } },
  { seq: 3, type: 'request', command: 'configurationDone' },
];

describe('the built program', () => {
  it('runs the example with the headers beside it', async () => {
    const { stdout } = await run(process.execPath, [program, 'run', '--json', example]);
    expect(JSON.parse(stdout)).toMatchObject({ exit: { status: 0 }, audit: [] });
  });

  it('leaves with the exit status of the run', async () => {
    await expect(run(process.execPath, [program, 'run', 'nowhere.c'])).rejects.toMatchObject({ code: 2 });
  });

  it('debugs on standard input and output, and ends when its input ends', async () => {
    const child = spawn(process.execPath, [program, 'dap'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const received = await converse(child.stdin, child.stdout, HELLO, 'xenscope/stateChanged');
    expect(received.map(({ event, command }) => event ?? command)).toEqual([
      'initialize',
      'launch',
      'initialized',
      'configurationDone',
      'stopped',
      'xenscope/stateChanged',
    ]);
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end();
    expect(await exited).toBe(0);
  });

  it('ends when the client disconnects from a guest that runs, also if the client keeps its end open', async () => {
    const child = spawn(process.execPath, [program, 'dap'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const goOn = { seq: 4, type: 'request', command: 'continue', arguments: { threadId: 1 } };
    const goodbye = { seq: 5, type: 'request', command: 'disconnect' };
    await converse(child.stdin, child.stdout, HELLO, 'stopped');
    await converse(child.stdin, child.stdout, [goOn, goodbye], 'disconnect');
    expect(await exited).toBe(0);
  });

  it('debugs on a port, one session for each client', async () => {
    const child = spawn(process.execPath, [program, 'dap', '--server', '0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    try {
      const line = await new Promise<string>((resolve) =>
        child.stderr.once('data', (text) => {
          resolve(String(text));
        }),
      );
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
      const clients: Socket[] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
      for (const client of clients) {
        const received = await converse(client, client, HELLO, 'xenscope/stateChanged');
        expect(received.map(({ event }) => event)).toContain('stopped');
      }
      for (const client of clients) client.destroy();
    } finally {
      child.kill();
    }
  });
});
