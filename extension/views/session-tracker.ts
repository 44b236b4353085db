/**
 * Which debug session the views look at, and at which of its stops. Nothing is polled: the adapter says
 * `xenscope/stateChanged` when the state has moved.
 */

import {
  debug,
  DebugStackFrame,
  EventEmitter,
  type DebugSession,
  type DebugSessionCustomEvent,
  type ExtensionContext,
} from 'vscode';
import type { CustomEvents } from '../../adapter/protocol.ts';
import type { Moment, ViewRequestName } from '../webview/messages.ts';
import type { Source } from './channel.ts';

type StateChanged = CustomEvents['xenscope/stateChanged'];

export class SessionTracker implements Source {
  /** Stops by session id; a session without a stop yet has no entry. */
  private readonly stops = new Map<string, number>();
  private session: DebugSession | undefined;
  private readonly changed = new EventEmitter<Moment>();

  /** The session, or its state, is another one than before. */
  readonly onDidChange = this.changed.event;

  constructor(context: ExtensionContext) {
    this.session = ours(debug.activeDebugSession);
    context.subscriptions.push(
      this.changed,
      debug.onDidChangeActiveDebugSession((session) => this.follow(ours(session))),
      debug.onDidTerminateDebugSession((session) => this.forget(session)),
      debug.onDidReceiveDebugSessionCustomEvent((event) => this.receive(event)),
    );
  }

  /** What the views show now. A session that has not stopped yet has nothing to show. */
  get moment(): Moment {
    const stop = this.session && this.stops.get(this.session.id);
    return this.session && stop !== undefined
      ? { kind: 'session', session: this.session.id, stop }
      : { kind: 'none' };
  }

  /**
   * Asks the adapter of the session that the views show. Rejects with a sentence when there is none, or when the
   * adapter refuses.
   */
  async ask(name: ViewRequestName, args: object): Promise<unknown> {
    const session = this.session;
    if (!session) throw new Error('No Xenscope session is active.');
    const frame = debug.activeStackItem;
    const inFrame = name === 'xenscope/resolve' && frame instanceof DebugStackFrame;
    return session.customRequest(name, inFrame ? { ...args, frameId: frame.frameId } : args);
  }

  private follow(session: DebugSession | undefined): void {
    // A click on the session of another debugger leaves our views where they are, as long as theirs is alive.
    if (!session && this.session && this.stops.has(this.session.id)) return;
    this.session = session;
    this.changed.fire(this.moment);
  }

  private forget(session: DebugSession): void {
    this.stops.delete(session.id);
    if (session.id !== this.session?.id) return;
    this.session = ours(debug.activeDebugSession);
    if (this.session?.id === session.id) this.session = undefined;
    this.changed.fire(this.moment);
  }

  private receive({ session, event, body }: DebugSessionCustomEvent): void {
    if (session.type !== 'xenscope' || event !== 'xenscope/stateChanged') return;
    this.session ??= session;
    this.stops.set(session.id, (body as StateChanged).stop);
    if (session.id === this.session.id) this.changed.fire(this.moment);
  }
}

function ours(session: DebugSession | undefined): DebugSession | undefined {
  return session?.type === 'xenscope' ? session : undefined;
}
