/** The adapter as an editor meets it: start of `xenscope dap` to the first `stopped`, and one step there and back. */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { median, report } from './measure.ts';

const ROOT = join(import.meta.dirname, '../..');
const STARTS = 7;
const STEPS = 40;

export async function benchAdapter(calibration: number): Promise<void> {
  const starts: number[] = [];
  const steps: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const began = performance.now();
    const client = new StdioClient(spawn(process.execPath, [join(ROOT, 'dist/cli.cjs'), 'dap']));
    await client.ask('initialize', { adapterID: 'xenscope' });
    await client.ask('launch', { program: join(ROOT, 'examples/page-fault.guest.c'), stopOnEntry: true });
    const stopped = client.event('stopped');
    await client.ask('configurationDone', {});
    const { threadId } = (await stopped) as { threadId: number };
    starts.push((performance.now() - began) * 1e6);
    for (let step = 0; i === 0 && step < STEPS; step++) {
      const from = performance.now();
      const landed = client.event('stopped', 'terminated');
      await client.ask('stepIn', { threadId });
      await landed;
      steps.push((performance.now() - from) * 1e6);
    }
    client.close();
  }
  report('xenscope dap, start to first stopped', median(starts), calibration);
  report('step, request to stopped', median(steps), calibration);
}

/** A bare client over stdio: enough of the protocol to time it. */
class StdioClient {
  private readonly child: ChildProcess;
  private readonly answers = new Map<number, (body: unknown) => void>();
  private waiting: { readonly names: readonly string[]; readonly resolve: (body: unknown) => void }[] = [];
  private buffer = Buffer.alloc(0);
  private seq = 1;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (data: Buffer) => {
      this.buffer = Buffer.concat([this.buffer, data]);
      this.drain();
    });
  }

  ask(command: string, args: object): Promise<unknown> {
    const seq = this.seq++;
    const text = JSON.stringify({ seq, type: 'request', command, arguments: args });
    this.child.stdin?.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
    return new Promise((resolve) => this.answers.set(seq, resolve));
  }

  event(...names: string[]): Promise<unknown> {
    return new Promise((resolve) => this.waiting.push({ names, resolve }));
  }

  close(): void {
    this.child.kill();
  }

  private drain(): void {
    for (;;) {
      const end = this.buffer.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.buffer.toString('utf8', 0, end))?.[1]);
      if (this.buffer.length < end + 4 + length) return;
      const message = JSON.parse(this.buffer.toString('utf8', end + 4, end + 4 + length)) as Message;
      this.buffer = this.buffer.subarray(end + 4 + length);
      this.receive(message);
    }
  }

  private receive(message: Message): void {
    if (message.type === 'response') {
      if (message.success === false) throw new Error(`bench: ${message.command}: ${message.message}`);
      this.answers.get(message.request_seq ?? 0)?.(message.body);
    }
    if (message.type !== 'event') return;
    const met = this.waiting.filter(({ names }) => names.includes(message.event ?? ''));
    this.waiting = this.waiting.filter((one) => !met.includes(one));
    for (const { resolve } of met) resolve(message.body);
  }
}

interface Message {
  readonly type: string;
  readonly event?: string;
  readonly command?: string;
  readonly message?: string;
  readonly success?: boolean;
  readonly request_seq?: number;
  readonly body?: unknown;
}
