/**
 * Memory panels: editors that show bytes or page-table entries at an address. Any number can be open; they outlive a
 * session and a restart of VS Code, and show memory again when a session stops.
 */

import {
  commands,
  EventEmitter,
  Uri,
  ViewColumn,
  window,
  type ExtensionContext,
  type WebviewPanel,
} from 'vscode';
import type { Place } from '../webview/messages.ts';
import { Channel } from './channel.ts';
import { pageOf, webviewOptions } from './page.ts';
import type { SessionTracker } from './session-tracker.ts';

const viewType = 'xenscope.memory';

/** What VS Code hands to a command in the context menu of the Variables view. */
interface VariableContext {
  readonly variable?: { readonly memoryReference?: string; readonly evaluateName?: string };
}

export class MemoryPanels {
  private readonly context: ExtensionContext;
  private readonly sessions: SessionTracker;
  private readonly channels = new Map<WebviewPanel, Channel>();
  private readonly elsewhere = new EventEmitter<Place>();

  /** A panel asks for a place in another view. */
  readonly onShow = this.elsewhere.event;

  constructor(context: ExtensionContext, sessions: SessionTracker) {
    this.context = context;
    this.sessions = sessions;
    context.subscriptions.push(
      this.elsewhere,
      sessions.onDidChange((moment) => {
        for (const channel of this.channels.values()) channel.moment(moment);
      }),
      window.registerWebviewPanelSerializer(viewType, {
        deserializeWebviewPanel: (panel) => {
          this.adopt(panel);
          return Promise.resolve();
        },
      }),
      commands.registerCommand('xenscope.openMemory', (text?: unknown, as?: unknown) =>
        typeof text === 'string'
          ? this.show({ kind: 'memory', text, as: as === 'entries' ? 'entries' : 'bytes' })
          : this.open(),
      ),
      commands.registerCommand('xenscope.showVariableInMemory', (context?: VariableContext) =>
        this.showVariable(context),
      ),
    );
  }

  /** Shows memory in the panel that was used last, or in a new one. */
  show(place: Place): void {
    if (place.kind !== 'memory') return this.elsewhere.fire(place);
    const [panel] = [...this.channels.keys()].filter((candidate) => candidate.visible).slice(-1);
    const channel = panel && this.channels.get(panel);
    (channel ?? this.open()).show(place);
    panel?.reveal(undefined, true);
  }

  private open(): Channel {
    const panel = window.createWebviewPanel(
      viewType,
      'Memory',
      { viewColumn: ViewColumn.Beside, preserveFocus: false },
      {
        ...webviewOptions(this.context),
        enableFindWidget: true,
      },
    );
    return this.adopt(panel);
  }

  private adopt(panel: WebviewPanel): Channel {
    panel.webview.options = webviewOptions(this.context);
    panel.iconPath = { light: this.icon('light'), dark: this.icon('dark') };
    const channel = new Channel(panel.webview, this.sessions, {
      show: (place) => this.show(place),
      title: (text) => (panel.title = text === '' ? 'Memory' : text),
    });
    this.channels.set(panel, channel);
    panel.onDidChangeViewState(() => {
      if (!panel.visible) channel.hidden();
    });
    panel.onDidDispose(() => {
      channel.dispose();
      this.channels.delete(panel);
    });
    panel.webview.html = pageOf('memory', panel.webview, this.context);
    return channel;
  }

  private icon(theme: 'light' | 'dark'): Uri {
    return Uri.joinPath(this.context.extensionUri, 'media', `memory-${theme}.svg`);
  }

  private showVariable(context: VariableContext | undefined): void {
    const text = context?.variable?.memoryReference ?? context?.variable?.evaluateName;
    if (text !== undefined && text !== '') this.show({ kind: 'memory', text, as: 'bytes' });
    else void window.showInformationMessage('This variable has no address in guest memory.');
  }
}
