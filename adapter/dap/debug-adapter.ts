/**
 * The debug adapter: takes messages of the Debug Adapter Protocol and answers every request, with a body or with one
 * sentence. Numbering and the wire format are the library's: VS Code runs the adapter inline, `stream.ts` connects it to
 * standard input or a socket.
 */

import { ProtocolServer } from '@vscode/debugadapter/lib/protocol.js';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { InlineAdapter } from '../protocol.ts';
import { RequestArguments, RequestError, isRecord } from './arguments.ts';
import { DEFAULT_TRAITS } from './client-traits.ts';
import type { Context, EventBodies, LifeKind, RequestName } from './context.ts';
import { REQUESTS } from './requests.ts';

/** Why a request cannot be answered now, by where the session stands. */
const NOT_NOW: { readonly [kind in LifeKind]: string } = {
  new: 'the session has not been initialized; send `initialize` first',
  initialized: 'no guest has been launched yet',
  configuring: 'the guest has not started; send `configurationDone` first',
  running: 'the guest is running; pause it first',
  stopped: 'the guest is already launched and stopped',
  ended: 'the guest has ended',
  disconnected: 'the session is over',
};

/** Emitted when the client has disconnected and has its answer. */
export const DISCONNECTED = 'disconnected';

export class DebugAdapter extends ProtocolServer implements InlineAdapter {
  private readonly context: Context;
  private afterResponse: (() => void)[];

  constructor() {
    super();
    this.afterResponse = [];
    this.context = {
      traits: DEFAULT_TRAITS,
      life: { kind: 'new' },
      sendEvent: (event, body) => {
        this.tell(event, body);
      },
      afterResponse: (action) => {
        this.afterResponse.push(action);
      },
      leave: () => {
        this.emit(DISCONNECTED);
      },
    };
  }

  override handleMessage(message: object): void {
    if (!isRecord(message) || message['type'] !== 'request' || typeof message['command'] !== 'string') {
      this.complain('A message that is no request of the Debug Adapter Protocol was ignored.');
      return;
    }
    const seq = typeof message['seq'] === 'number' ? message['seq'] : 0;
    void this.answer(seq, message['command'], new RequestArguments(message['arguments']));
  }

  /** Tells the user, outside any response, one sentence about something that cannot be answered. */
  complain(sentence: string): void {
    this.tell('output', { category: 'stderr', output: `${sentence}\n` });
  }

  /** Ends the session; a guest that runs stops running. */
  override dispose(): void {
    if ('debuggee' in this.context.life) this.context.life.debuggee.abandon();
    this.context.life = { kind: 'disconnected' };
  }

  private async answer(seq: number, command: string, args: RequestArguments): Promise<void> {
    try {
      const pending = this.handle(command, args);
      // A handler that has its answer at once is answered at once: no turn of the event loop is lost.
      const body = pending instanceof Promise ? await pending : pending;
      this.respond(seq, command, { success: true, ...(body === undefined ? {} : { body }) });
    } catch (error) {
      this.respond(seq, command, failure(command, error));
    }
    const actions = this.afterResponse;
    this.afterResponse = [];
    for (const action of actions) action();
  }

  private handle(command: string, args: RequestArguments): object | undefined | Promise<object | undefined> {
    if (!isRequestName(command)) throw new RequestError(`Xenscope does not know the request \`${command}\`.`);
    const row = REQUESTS[command];
    const kind = this.context.life.kind;
    if (!row.when.includes(kind)) {
      throw new RequestError(`\`${command}\` is not possible: ${row.otherwise ?? NOT_NOW[kind]}.`);
    }
    return row.handle(this.context, args);
  }

  private respond(
    seq: number,
    command: string,
    answer: Pick<DebugProtocol.Response, 'success' | 'message' | 'body'>,
  ): void {
    this.sendResponse({ seq: 0, type: 'response', request_seq: seq, command, ...answer });
  }

  private tell<K extends keyof EventBodies>(event: K, body: EventBodies[K]): void {
    this.sendEvent({ seq: 0, type: 'event', event, ...(body === undefined ? {} : { body }) });
  }
}

const isRequestName = (command: string): command is RequestName => Object.hasOwn(REQUESTS, command);

/** The error response: the told sentence, or for a mistake of ours what it was, in one line. */
function failure(
  command: string,
  error: unknown,
): { readonly success: false; readonly message: string; readonly body: object } {
  const told = error instanceof RequestError;
  const format = told ? error.message : `Internal error of Xenscope in \`${command}\`: ${oneLine(error)}`;
  return {
    success: false,
    message: told ? format : 'internalError',
    // The text is no template: braces in it stay as they are.
    body: {
      error: {
        id: told ? 1 : 2,
        format: '{text}',
        variables: { text: format },
        showUser: !told || error.showUser,
      },
    },
  };
}

const oneLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ');
