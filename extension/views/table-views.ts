/**
 * The Xen Memory panel: page tables, machine frames and the P2M map side by side. Each is a page that asks for what it
 * shows; a hidden one does not exist, so it asks for nothing.
 */

import {
  commands,
  EventEmitter,
  window,
  workspace,
  type ExtensionContext,
  type WebviewView,
  type WebviewViewProvider,
} from 'vscode';
import type { Place, ViewName } from '../webview/messages.ts';
import { Channel } from './channel.ts';
import { pageOf, webviewOptions } from './page.ts';
import type { SessionTracker } from './session-tracker.ts';

const views: readonly { readonly id: string; readonly page: ViewName; readonly shows: Place['kind'] }[] = [
  { id: 'xenscope.pageTables', page: 'page-tables', shows: 'address' },
  { id: 'xenscope.machineFrames', page: 'machine-frames', shows: 'frame' },
  { id: 'xenscope.p2mMap', page: 'p2m-map', shows: 'p2m' },
];

export class TableViews {
  private readonly providers: ReadonlyMap<Place['kind'], TableView>;
  private readonly elsewhere = new EventEmitter<Place>();
  /** The session whose first stop has already brought the panel forward. */
  private shownFor: string | undefined;

  /** A view asks for a place that is in none of these views. */
  readonly onShow = this.elsewhere.event;

  constructor(context: ExtensionContext, sessions: SessionTracker) {
    const show = (place: Place) => this.show(place);
    this.providers = new Map(
      views.map(({ id, page, shows }) => [shows, new TableView(id, page, context, sessions, show)]),
    );
    context.subscriptions.push(
      this.elsewhere,
      sessions.onDidChange((moment) => {
        if (moment.kind === 'session') this.bringForward(moment.session);
        for (const provider of this.providers.values()) provider.channel?.moment(moment);
      }),
    );
  }

  show(place: Place): void {
    const provider = this.providers.get(place.kind);
    if (provider) provider.show(place);
    else this.elsewhere.fire(place);
  }

  /**
   * At a session's first stop shows the panel and the variables (which VS Code by itself shows only at a breakpoint),
   * without taking the focus from the editor.
   */
  private bringForward(session: string): void {
    if (this.shownFor === session) return;
    this.shownFor = session;
    if (!workspace.getConfiguration('xenscope').get<boolean>('showViewsOnStop')) return;
    for (const command of ['workbench.debug.action.focusVariablesView', 'xenscope.pageTables.focus']) {
      void commands.executeCommand(command, { preserveFocus: true });
    }
  }
}

class TableView implements WebviewViewProvider {
  channel: Channel | undefined;
  private readonly id: string;
  private readonly page: ViewName;
  private readonly context: ExtensionContext;
  private readonly sessions: SessionTracker;
  private readonly showElsewhere: (place: Place) => void;
  /** Where to go once VS Code has made the view. */
  private pending: Place | undefined;

  constructor(
    id: string,
    page: ViewName,
    context: ExtensionContext,
    sessions: SessionTracker,
    showElsewhere: (place: Place) => void,
  ) {
    this.id = id;
    this.page = page;
    this.context = context;
    this.sessions = sessions;
    this.showElsewhere = showElsewhere;
    context.subscriptions.push(window.registerWebviewViewProvider(id, this));
  }

  resolveWebviewView(view: WebviewView): void {
    view.webview.options = webviewOptions(this.context);
    const channel = new Channel(view.webview, this.sessions, {
      show: this.showElsewhere,
      title: (text) => (view.description = text),
    });
    this.channel = channel;
    if (this.pending) channel.show(this.pending);
    this.pending = undefined;
    view.onDidChangeVisibility(() => {
      if (!view.visible) channel.hidden();
    });
    view.onDidDispose(() => {
      channel.dispose();
      if (this.channel === channel) this.channel = undefined;
    });
    view.webview.html = pageOf(this.page, view.webview, this.context);
  }

  show(place: Place): void {
    if (this.channel) this.channel.show(place);
    else this.pending = place;
    void commands.executeCommand(`${this.id}.focus`);
  }
}
