/**
 * The page's end of the message channel: requests that end in an answer or an error and can be cancelled, the moment
 * the page looks at, and state that outlives the page.
 */

import type {
  FromView,
  Moment,
  Place,
  RequestMessage,
  ToView,
  ViewRequestName,
  ViewRequests,
} from '../messages.ts';

interface VsCodeApi {
  postMessage(message: FromView): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

interface Waiting {
  resolve(body: unknown): void;
  reject(error: Error): void;
}

/** A request that the page itself gave up; never shown to anyone. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

export class Host {
  onMoment: (moment: Moment) => void = () => undefined;
  onShow: (place: Place) => void = () => undefined;
  private readonly api = acquireVsCodeApi();
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  constructor() {
    window.addEventListener('message', (event: MessageEvent<ToView>) => this.receive(event.data));
  }

  /** The page has set its callbacks: the host may speak. */
  ready(): void {
    this.api.postMessage({ kind: 'ready' });
  }

  /** Asks the debug session. Rejects with the adapter's sentence, or with `Cancelled` when `signal` aborts. */
  request<K extends ViewRequestName>(
    name: K,
    args: ViewRequests[K][0],
    signal: AbortSignal,
  ): Promise<ViewRequests[K][1]> {
    const id = ++this.lastId;
    return new Promise<unknown>((resolve, reject) => {
      if (signal.aborted) return reject(new Cancelled());
      const cancel = () => {
        if (!this.waiting.delete(id)) return;
        this.api.postMessage({ kind: 'cancel', id });
        reject(new Cancelled());
      };
      signal.addEventListener('abort', cancel, { once: true });
      const settle = () => signal.removeEventListener('abort', cancel);
      this.waiting.set(id, {
        resolve: (body) => (settle(), resolve(body)),
        reject: (error) => (settle(), reject(error)),
      });
      // One row of the request table, which the compiler cannot follow through K.
      this.api.postMessage({ kind: 'request', id, name, arguments: args } as RequestMessage);
    }) as Promise<ViewRequests[K][1]>;
  }

  show(place: Place): void {
    this.api.postMessage({ kind: 'show', place });
  }

  title(text: string): void {
    this.api.postMessage({ kind: 'title', text });
  }

  /** What `save` was last given, in this page or in the one before it; `initial` fills what is missing. */
  load<T extends object>(initial: T): T {
    const saved = this.api.getState();
    return typeof saved === 'object' ? { ...initial, ...saved } : initial;
  }

  save(state: object): void {
    this.api.setState(state);
  }

  private receive(message: ToView): void {
    switch (message.kind) {
      case 'moment':
        return this.onMoment(message.moment);
      case 'show':
        return this.onShow(message.place);
      case 'answer':
        return this.take(message.id)?.resolve(message.body);
      case 'failure':
        return this.take(message.id)?.reject(new Error(message.message));
    }
  }

  private take(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }
}
