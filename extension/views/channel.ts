/**
 * The host's end of the message channel to one page. Requests go to the debug session; an answer can be an error, and
 * a cancelled request is never answered.
 */

import type {
  FromView,
  Moment,
  Place,
  RequestMessage,
  ToView,
  ViewRequestName,
} from '../webview/messages.ts';

/** What a channel needs of a VS Code webview. */
export interface Page {
  onDidReceiveMessage(listener: (message: FromView) => void): { dispose(): unknown };
  postMessage(message: ToView): PromiseLike<boolean>;
}

/** Who answers, and what the page looks at. */
export interface Source {
  readonly moment: Moment;
  ask(name: ViewRequestName, args: object): Promise<unknown>;
}

export interface ChannelOwner {
  /** The page asks for another view. */
  show(place: Place): void;
  /** The page names what it shows. */
  title(text: string): void;
}

/** The requests a page may make; a page is not trusted with any other. */
const allowed: Readonly<Record<ViewRequestName, true>> = {
  'xenscope/machine': true,
  'xenscope/table': true,
  'xenscope/frames': true,
  'xenscope/p2m': true,
  'xenscope/walk': true,
  'xenscope/resolve': true,
  readMemory: true,
};

export class Channel {
  private readonly page: Page;
  private readonly source: Source;
  private readonly owner: ChannelOwner;
  private readonly listener: { dispose(): unknown };
  /** Requests that have neither been answered nor cancelled. */
  private readonly open = new Set<number>();
  private ready = false;
  /** Where to go as soon as the page is ready. */
  private pending: Place | undefined;

  constructor(page: Page, source: Source, owner: ChannelOwner) {
    this.page = page;
    this.source = source;
    this.owner = owner;
    this.listener = page.onDidReceiveMessage((message) => this.receive(message));
  }

  dispose(): void {
    this.listener.dispose();
    this.open.clear();
  }

  /** The page is gone until the view is shown again; it will say `ready` anew. */
  hidden(): void {
    this.ready = false;
    this.open.clear();
  }

  moment(moment: Moment): void {
    if (this.ready) this.post({ kind: 'moment', moment });
  }

  show(place: Place): void {
    if (this.ready) this.post({ kind: 'show', place });
    else this.pending = place;
  }

  private receive(message: FromView): void {
    switch (message.kind) {
      case 'ready':
        return this.begin();
      case 'request':
        return void this.answer(message);
      case 'cancel':
        return void this.open.delete(message.id);
      case 'show':
        return this.owner.show(message.place);
      case 'title':
        return this.owner.title(message.text);
    }
  }

  private begin(): void {
    this.ready = true;
    this.open.clear();
    this.moment(this.source.moment);
    if (this.pending) this.show(this.pending);
    this.pending = undefined;
  }

  private async answer({ id, name, arguments: args }: RequestMessage): Promise<void> {
    this.open.add(id);
    const reply = await this.ask(name, args).then(
      (body): ToView => ({ kind: 'answer', id, body }),
      (error: unknown): ToView => ({ kind: 'failure', id, message: sentence(error) }),
    );
    if (this.open.delete(id)) this.post(reply);
  }

  private async ask(name: ViewRequestName, args: object): Promise<unknown> {
    if (!Object.hasOwn(allowed, name)) throw new Error(`Views make no request named ${name}.`);
    return this.source.ask(name, args);
  }

  private post(message: ToView): void {
    void this.page.postMessage(message);
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
