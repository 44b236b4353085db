/**
 * What a view's page and the extension host say to each other. Types only, so that both sides can share them.
 *
 * A page asks by request; every request ends in exactly one `answer` or `failure`, or is cancelled by the page. The
 * host pushes nothing but the moment (which session, which stop) and where to go: a page asks again for what it shows.
 */

import type { CustomRequests } from '../../adapter/protocol.ts';

/** The three tables of the Xen Memory panel, and the memory editor. */
export type ViewName = 'page-tables' | 'machine-frames' | 'p2m-map' | 'memory';

/** Request name -> [arguments, answer]: the custom requests that views make, and DAP's own `readMemory`. */
export interface ViewRequests extends Pick<
  CustomRequests,
  | 'xenscope/machine'
  | 'xenscope/table'
  | 'xenscope/frames'
  | 'xenscope/p2m'
  | 'xenscope/walk'
  | 'xenscope/resolve'
> {
  readonly readMemory: [MemoryRange, MemoryBytes];
}
export type ViewRequestName = keyof ViewRequests;

export interface MemoryRange {
  readonly memoryReference: string;
  readonly offset: number;
  readonly count: number;
}

export interface MemoryBytes {
  /** Address of the first byte, as DAP gives it. */
  readonly address: string;
  /** Bytes that could not be read after those in `data`. */
  readonly unreadableBytes?: number;
  /** Base64. */
  readonly data?: string;
}

/** What a view is looking at. `stop` counts the stops of the session. */
export type Moment =
  { readonly kind: 'none' } | { readonly kind: 'session'; readonly session: string; readonly stop: number };

/** A place that one view asks another to show. */
export type Place =
  | { readonly kind: 'frame'; readonly mfn: number }
  | { readonly kind: 'p2m'; readonly pfn: number }
  | { readonly kind: 'address'; readonly va: string }
  | { readonly kind: 'memory'; readonly text: string; readonly as: MemoryMode };

export type MemoryMode = 'bytes' | 'entries';

/** What VS Code hands to the commands of a row's context menu (`data-vscode-context`). */
export interface RowContext {
  readonly mfn?: number | undefined;
  readonly pfn?: number | undefined;
  readonly va?: string | undefined;
  /** The whole row for the clipboard. */
  readonly text: string;
  /** What the debug console's `watch` calls the row; absent where it is nothing to watch. */
  readonly watch?: string | undefined;
  readonly xenscopeHasWatch: boolean;
  /** Whether the frame is a page table, or the entry leads to one. */
  readonly xenscopeIsTable: boolean;
  readonly xenscopeHasFrame: boolean;
  readonly xenscopeHasPfn: boolean;
}

export type RequestMessage = {
  [K in ViewRequestName]: {
    readonly kind: 'request';
    readonly id: number;
    readonly name: K;
    readonly arguments: ViewRequests[K][0];
  };
}[ViewRequestName];

export type FromView =
  | { readonly kind: 'ready' }
  | RequestMessage
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'show'; readonly place: Place }
  | { readonly kind: 'title'; readonly text: string };

export type ToView =
  | { readonly kind: 'moment'; readonly moment: Moment }
  | { readonly kind: 'answer'; readonly id: number; readonly body: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly message: string }
  | { readonly kind: 'show'; readonly place: Place };
