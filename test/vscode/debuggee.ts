/** A debug session as the suite sees it: what the adapter sends, and where the guest stands. */

import { basename } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import * as vscode from 'vscode';
import { eventually, Screen } from './screen.ts';

export interface Stop {
  readonly reason: string;
  readonly description: string | undefined;
  readonly text: string | undefined;
  readonly file: string;
  readonly line: number;
  /** The source line, trimmed. */
  readonly source: string;
  readonly function: string;
}

/** Watches the xenscope sessions of the whole suite, one after the other. */
class Watch {
  session: vscode.DebugSession | undefined;
  readonly output: string[] = [];
  exitCode: number | undefined;
  private readonly stops: DebugProtocol.StoppedEvent['body'][] = [];
  private functionBreakpoints: readonly DebugProtocol.Breakpoint[] = [];
  private ended = false;

  constructor() {
    vscode.debug.registerDebugAdapterTrackerFactory('xenscope', {
      createDebugAdapterTracker: (session) => {
        this.begin(session);
        return { onDidSendMessage: (message: DebugProtocol.ProtocolMessage) => this.hear(message) };
      },
    });
    vscode.debug.onDidTerminateDebugSession((session) => {
      if (session.id === this.session?.id) this.ended = true;
    });
  }

  /** Presses the key, as a person does; where there is no screen, runs the command behind the key. */
  async press(key: 'F5' | 'F10' | 'F11'): Promise<void> {
    const commands = {
      F5: this.session && !this.ended ? 'workbench.action.debug.continue' : 'workbench.action.debug.start',
      F10: 'workbench.action.debug.stepOver',
      F11: 'workbench.action.debug.stepInto',
    };
    await this.atRest();
    const screen = Screen.current;
    if (screen) await screen.do('press', { key });
    else await vscode.commands.executeCommand(commands[key]);
  }

  /** Waits until VS Code shows a stop of the session that runs: before that, its keys mean something else. */
  private async atRest(): Promise<void> {
    await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
    const { session } = this;
    if (!session || this.ended) return;
    await eventually(() => {
      const item = vscode.debug.activeStackItem;
      if (!(item instanceof vscode.DebugStackFrame && item.session.id === session.id)) {
        throw new Error('VS Code shows no stack frame of the session.');
      }
    });
  }

  /** The next stop that the test has not seen yet. */
  async stopped(): Promise<Stop> {
    const stop = await this.stoppedOrEnded();
    if (!stop) throw new Error(`The session ended. It said: ${this.output.join('')}`);
    return stop;
  }

  /** The next stop, or null at the end of the session. */
  async stoppedOrEnded(): Promise<Stop | null> {
    const body = await eventually(() => {
      const next = this.stops.shift();
      if (!next && !this.ended) throw new Error(`The guest did not stop. It said: ${this.output.join('')}`);
      return next;
    });
    return body ? this.describe(body) : null;
  }

  private async describe(body: DebugProtocol.StoppedEvent['body']): Promise<Stop> {
    const { session } = this;
    if (!session) throw new Error('There is no session.');
    const { stackFrames } = (await session.customRequest('stackTrace', {
      threadId: body.threadId ?? 1,
    })) as DebugProtocol.StackTraceResponse['body'];
    const [top] = stackFrames;
    const path = top?.source?.path ?? '';
    const line = top?.line ?? 0;
    // With a remote extension host VS Code hands on the path as the address of a resource.
    const uri = path.includes('://') ? vscode.Uri.parse(path) : vscode.Uri.file(path);
    const document = path === '' ? undefined : await vscode.workspace.openTextDocument(uri);
    return {
      reason: body.reason,
      description: body.description,
      text: body.text,
      file: basename(uri.path),
      line,
      source: document?.lineAt(line - 1).text.trim() ?? '',
      function: top?.name ?? '',
    };
  }

  /** Waits for the end of the session. */
  async terminated(): Promise<void> {
    await eventually(() => {
      if (!this.ended) throw new Error('The session did not end.');
    });
  }

  async stop(): Promise<void> {
    if (this.session && !this.ended) {
      await vscode.debug.stopDebugging(this.session);
      await this.terminated();
    }
    this.session = undefined;
    this.ended = false;
  }

  /** Adds a function breakpoint and waits until the adapter has taken it. */
  async breakOn(breakpoint: vscode.FunctionBreakpoint): Promise<void> {
    this.functionBreakpoints = [];
    vscode.debug.addBreakpoints([breakpoint]);
    await eventually(() => {
      const taken = this.functionBreakpoints.some(({ verified }) => verified);
      if (!taken) throw new Error(`The breakpoint on ${breakpoint.functionName} is not verified.`);
    });
  }

  private begin(session: vscode.DebugSession): void {
    this.session = session;
    this.ended = false;
    this.stops.length = 0;
    this.output.length = 0;
    this.exitCode = undefined;
  }

  private hear(message: DebugProtocol.ProtocolMessage): void {
    if (message.type === 'response') {
      const { command, body } = message as DebugProtocol.SetFunctionBreakpointsResponse;
      if (command === 'setFunctionBreakpoints') this.functionBreakpoints = body.breakpoints;
      return;
    }
    const { event, body } = message as DebugProtocol.Event;
    if (event === 'stopped') this.stops.push(body as DebugProtocol.StoppedEvent['body']);
    if (event === 'output') this.output.push((body as DebugProtocol.OutputEvent['body']).output);
    if (event === 'exited') this.exitCode = (body as DebugProtocol.ExitedEvent['body']).exitCode;
  }
}

export const watch = new Watch();

/** Opens a script of the workspace and waits until VS Code knows its language. */
export async function openScript(name: string): Promise<vscode.TextEditor> {
  const folder = vscode.workspace.workspaceFolders?.[0];
  if (!folder) throw new Error('No folder is open.');
  const document = await vscode.workspace.openTextDocument(vscode.Uri.joinPath(folder.uri, name));
  const editor = await vscode.window.showTextDocument(document, {
    preview: false,
    viewColumn: vscode.ViewColumn.One,
  });
  await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
  return editor;
}
