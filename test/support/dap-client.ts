/**
 * A client of the debug adapter for tests, so that a test reads like the conversation between an editor and the
 * adapter: `ask` sends a request and returns the body of its response, `refused` returns the sentence of an error
 * response, `told` waits for the next event of a name.
 */

import type { DebugProtocol } from '@vscode/debugprotocol';
import { expect } from 'vitest';
import { DebugAdapter } from '../../adapter/dap/debug-adapter.ts';
import type { EventBodies, ResponseBodies } from '../../adapter/dap/context.ts';
import type { InlineAdapter, LaunchAttributes } from '../../adapter/protocol.ts';

/** How long a test waits for a message before it fails. */
const PATIENCE = 5000;

type RequestName = keyof ResponseBodies;
type EventName = keyof EventBodies;

/** A place as tests write it: `7` or, in another file, `helper.h:7`. */
export type Place = string;

export class DapClient {
  readonly received: Message[];
  private readonly adapter: InlineAdapter;
  private seq: number;
  /** Events before this index of `received` have been waited for. */
  private consumed: number;
  private wake: (() => void)[];

  constructor(adapter: InlineAdapter = new DebugAdapter()) {
    this.adapter = adapter;
    this.received = [];
    this.seq = 1;
    this.consumed = 0;
    this.wake = [];
    adapter.onDidSendMessage((message) => {
      this.received.push(message as Message);
      for (const wake of this.wake.splice(0)) wake();
    });
  }

  /** initialize, launch, breakpoints, configurationDone, as VS Code does on F5. Returns when the guest runs. */
  async launch(attributes: LaunchAttributes, options: LaunchSetup = {}): Promise<void> {
    await this.ask('initialize', { adapterID: 'xenscope', supportsVariableType: true, ...options.traits });
    await this.ask('launch', attributes);
    await this.told('initialized');
    const program = String(attributes.program);
    if (options.lines !== undefined) await this.setBreakpoints(program, options.lines);
    if (options.functions !== undefined) {
      const breakpoints = options.functions.map((name) => ({ name }));
      await this.ask('setFunctionBreakpoints', { breakpoints });
    }
    const filters = options.filters ?? ['refused', 'crashed'];
    await this.ask('setExceptionBreakpoints', { filters });
    await this.ask('configurationDone');
  }

  async setBreakpoints(path: string, lines: readonly number[]): Promise<DebugProtocol.Breakpoint[]> {
    const breakpoints = lines.map((line) => ({ line }));
    const { breakpoints: set } = await this.ask('setBreakpoints', { source: { path }, breakpoints });
    return set;
  }

  /** Sends a request and returns the body of its success response. */
  async ask<K extends RequestName>(command: K, args?: object): Promise<ResponseBodies[K]> {
    const response = await this.roundTrip(command, args);
    if (!response.success) throw new Error(`${command} was refused: ${sentence(response)}`);
    return response.body as ResponseBodies[K];
  }

  /** Sends a request that must be refused; returns the sentence. */
  async refused(command: string, args?: unknown): Promise<string> {
    const response = await this.roundTrip(command, args);
    expect(response.success, `${command} should have been refused`).toBe(false);
    const text = sentence(response);
    expect(text, 'no stack trace').not.toMatch(/\n\s+at /);
    return text;
  }

  /** Sends something that need not be a request at all. */
  send(message: object): void {
    this.adapter.handleMessage(message);
  }

  /** The next event of that name, skipping others. */
  async told<K extends EventName>(event: K): Promise<EventBodies[K]> {
    const message = await this.next((each) => each.type === 'event' && each.event === event);
    return message.body as EventBodies[K];
  }

  /** Waits for the guest to stop; says why and on which line of which frame. */
  async stops(): Promise<{
    readonly reason: string;
    readonly at: Place;
    readonly body: EventBodies['stopped'];
  }> {
    const body = await this.told('stopped');
    return { reason: body.reason, at: await this.place(body.threadId ?? 1), body };
  }

  /** `line` of the innermost frame in the user's text, with the file's name when it is no script. */
  async place(threadId = 1): Promise<Place> {
    const frame = await this.userFrame(threadId);
    const name = frame.source?.name ?? '';
    return name.endsWith('.guest.c') ? `${frame.line}` : `${name}:${frame.line}`;
  }

  async userFrame(threadId = 1): Promise<DebugProtocol.StackFrame> {
    const { stackFrames } = await this.ask('stackTrace', { threadId });
    const frame =
      stackFrames.find(({ source }) => source !== undefined && source.presentationHint !== 'deemphasize') ??
      stackFrames[0];
    if (frame === undefined) throw new Error('the thread has no frame');
    return frame;
  }

  async step(command: 'next' | 'stepIn' | 'stepOut' = 'next', threadId = 1): Promise<Place> {
    await this.ask(command, { threadId });
    return (await this.stops()).at;
  }

  async continues(threadId = 1): Promise<void> {
    await this.ask('continue', { threadId });
  }

  /** Names and values of a scope of the user's frame. */
  async scope(name: string, threadId = 1): Promise<Record<string, string>> {
    const variables = await this.scopeVariables(name, threadId);
    return Object.fromEntries(variables.map((variable) => [variable.name, variable.value]));
  }

  async scopeVariables(name: string, threadId = 1): Promise<DebugProtocol.Variable[]> {
    const frame = await this.userFrame(threadId);
    const { scopes } = await this.ask('scopes', { frameId: frame.id });
    const scope = scopes.find((each) => each.name === name);
    if (scope === undefined) throw new Error(`there is no scope ${name}`);
    const { variables } = await this.ask('variables', { variablesReference: scope.variablesReference });
    return variables;
  }

  async evaluate(expression: string, context = 'watch', threadId = 1): Promise<string> {
    const frame = await this.userFrame(threadId);
    const { result } = await this.ask('evaluate', { expression, context, frameId: frame.id });
    return result;
  }

  /** Everything that was put out in a category so far. */
  output(category: string): string {
    return this.received
      .filter((each) => each.type === 'event' && each.event === 'output')
      .map((each) => each.body as EventBodies['output'])
      .filter((body) => body.category === category)
      .map((body) => body.output)
      .join('');
  }

  private async roundTrip(command: string, args: unknown): Promise<Message> {
    const seq = this.seq++;
    this.adapter.handleMessage({
      seq,
      type: 'request',
      command,
      ...(args === undefined ? {} : { arguments: args }),
    });
    const isMine = (each: Message) => each.type === 'response' && each.request_seq === seq;
    await this.until(() => this.received.some(isMine), `no response to ${command}`);
    return this.received.find(isMine) as Message;
  }

  private async next(wanted: (message: Message) => boolean): Promise<Message> {
    const find = () => this.received.findIndex((each, index) => index >= this.consumed && wanted(each));
    await this.until(() => find() >= 0, 'the event did not come');
    const index = find();
    this.consumed = index + 1;
    return this.received[index] as Message;
  }

  private async until(condition: () => boolean, problem: string): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    while (!condition()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${problem}; the last messages were ${this.lastMessages()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  private lastMessages(): string {
    return this.received
      .slice(-5)
      .map((message) => JSON.stringify(message))
      .join('\n');
  }
}

/** A response or an event, as it comes. */
interface Message {
  readonly type: string;
  readonly event?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly body?: unknown;
}

interface LaunchSetup {
  readonly lines?: readonly number[];
  readonly functions?: readonly string[];
  readonly filters?: readonly string[];
  /** What the client says of itself beyond the usual. */
  readonly traits?: object;
}

/** The sentence of an error response, as VS Code shows it. */
function sentence(response: Message): string {
  const { error } = response.body as DebugProtocol.ErrorResponse['body'];
  if (error === undefined) return response.message ?? '';
  return error.format.replaceAll(/\{(\w+)\}/g, (whole, name: string) => error.variables?.[name] ?? whole);
}
