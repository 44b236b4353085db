/**
 * What crosses the wire beyond the Debug Adapter Protocol: launch arguments, custom requests and events.
 *
 * Types only. This is the one file of adapter/ that extension/ may import (with `import type`). Numbers that can
 * exceed 2^53 and all addresses and entries are hexadecimal strings (`"0x8000000000103067"`); frame numbers are
 * plain numbers. Every answer is bounded: a request names where to start and how many rows it wants, and the answer
 * holds at most `MAX_ROWS` of them.
 */

export type AbiName = 'x86_64' | 'x86_32p' | 'x86_32';
export type XenVersion = '4.17' | '3.0.4';

/** Attributes of a launch configuration of type `xenscope`. Everything but `program` has a default. */
export interface LaunchAttributes {
  /** The guest script, or one for each domain (d1, d2, ...). */
  readonly program: string | readonly string[];
  readonly abi?: AbiName;
  readonly xen?: XenVersion;
  /** Memory of each domain: a number of bytes or `"16MiB"`. */
  readonly memory?: string | number;
  /** Memory of the whole machine. */
  readonly machine?: string | number;
  /** For a handler script: the access that triggers it, `"0x400000,write"`. */
  readonly fault?: string;
  /** Name of the entry function. */
  readonly entry?: string;
  /** `contiguous`, `scattered` or `scattered:SEED`. */
  readonly layout?: string;
  readonly role?: 'domU' | 'hardware';
  /** A debug build of Xen prints more and keeps bit 62 of L1 entries for itself. */
  readonly xenBuild?: 'release' | 'debug';
  /** Default true; false is Xen's boot option pv-linear-pt=0. */
  readonly linearPageTables?: boolean;
  /** What Xen does about entries without P that a processor with the L1TF flaw could use. */
  readonly l1tf?: 'ignored' | 'crash';
  readonly maxStatements?: number;
  /** Default true: F5 stops on the first line of the script's entry function. */
  readonly stopOnEntry?: boolean;
  /**
   * Whether a guest that has come to its end stands still once more, so that one can go back from there: `failure` when
   * it has crashed or failed. Default `never`.
   */
  readonly stopOnExit?: 'never' | 'failure' | 'always';
  /** Memory for going back in time, a number of bytes or a text; default `256MiB`. */
  readonly historyMemory?: string | number;
  /** Default true: a step into a hypercall goes into Xen, line by line; false goes into the library's wrapper. */
  readonly stepIntoXen?: boolean;
  /** Folders searched by `#include`, after the script's own. */
  readonly includePath?: readonly string[];
  readonly noDebug?: boolean;
}

/**
 * Where memory is, in `readMemory`, `writeMemory`, `xenscope/resolve` and the memoryReference of a variable:
 * `va:0x400000` is a virtual address, `pfn:0x12` and `mfn:0x1a3` are frames by number (`mfn:0x1a3+0x18` is a byte in
 * one). `@2` behind it names the thread whose page tables or P2M count; without it those of the thread that stopped.
 */
export type MemoryReferenceText = string;

/** The most rows that one answer holds. */
export type MaxRows = 1024;

/** Which domain a request is about; the domain of the focused vCPU when absent. */
export interface DomainSelector {
  readonly domain?: number;
}

export interface MachineSummary {
  readonly abi: AbiName;
  readonly xen: XenVersion;
  /** Frames of the machine; valid MFNs are below it. */
  readonly maxPage: number;
  readonly levels: number;
  readonly entriesPerTable: number;
  readonly entryBytes: 4 | 8;
  readonly domains: readonly DomainSummary[];
  /** False when too much has happened since the last stop to say what changed; then no row is marked. */
  readonly changesKnown?: boolean;
}

export interface DomainSummary {
  readonly domain: number;
  readonly name: string;
  readonly totPages: number;
  readonly maxPages: number;
  /** Length of the guest's P2M array. */
  readonly nrPages: number;
  /** Machine frame of the kernel root that vCPU 0 has loaded. */
  readonly root: number;
  readonly userRoot: number | null;
  readonly crashed: string | null;
}

export type FrameType = 'none' | 'l1' | 'l2' | 'l3' | 'l4' | 'seg_desc' | 'shared' | 'writable';

export interface FrameRow {
  readonly mfn: number;
  /** The owner's domain id, or null when the frame is free. */
  readonly owner: number | null;
  /** `d1`, `Xen`, `I/O` or `free`, for people. */
  readonly ownerName: string;
  readonly type: FrameType;
  readonly typeCount: number;
  readonly refCount: number;
  readonly pinned: boolean;
  readonly validated: boolean;
  readonly allocated: boolean;
  /** What the M2P says: a PFN as number, or null for an invalid entry. */
  readonly m2p: number | null;
  /** What the frame is for, where the model knows: `start_info`, `P2M list`, `boot page table`, `kernel text`... */
  readonly role?: string;
  readonly changed: boolean;
}

export interface TableEntryRow {
  readonly slot: number;
  readonly pte: string;
  readonly present: boolean;
  /** Decoded flags as people write them: `P RW US A D NX`. */
  readonly flags: string;
  readonly mfn: number;
  /** PFN of the frame in its owner's numbering, null when unknown. */
  readonly pfn: number | null;
  /** Level of the table that the entry points to; 0 when it maps a page (or is not present). */
  readonly childLevel: 0 | 1 | 2 | 3 | 4;
  readonly superpage: boolean;
  /** First virtual address that the entry covers. */
  readonly va: string;
  /** Set when the slot is written by Xen and closed to the guest. */
  readonly xen: boolean;
  readonly changed: boolean;
}

export interface P2mRow {
  readonly pfn: number;
  /** Machine frame that the guest's P2M names, null for an invalid entry. */
  readonly mfn: number | null;
  /** What the M2P says about that frame: null for an invalid entry or no frame. */
  readonly m2p: number | null;
  readonly state: 'ok' | 'invalid' | 'm2p-disagrees' | 'foreign';
  readonly owner: string;
  readonly role?: string;
  readonly changed: boolean;
}

export interface WalkStep {
  readonly level: 1 | 2 | 3 | 4;
  readonly tableMfn: number;
  readonly slot: number;
  readonly pte: string;
  readonly flags: string;
  readonly present: boolean;
  readonly superpage: boolean;
}

export interface Walk {
  readonly va: string;
  readonly steps: readonly WalkStep[];
  /** Where the walk ends: a machine address, or why there is none. */
  readonly maddr: string | null;
  readonly fault: string | null;
}

export interface TableResult {
  readonly mfn: number;
  readonly level: 1 | 2 | 3 | 4;
  readonly total: number;
  readonly rows: readonly TableEntryRow[];
}

/** A source that does not know says why instead of answering. */
export interface Unknown {
  readonly unknown: string;
}

/** Request name -> [arguments, body of the response]. */
export interface CustomRequests {
  'xenscope/machine': [Record<string, never>, MachineSummary];
  /** Entries of one table; only the non-empty ones when `presentOnly`. `mfn` absent: the domain's kernel root. */
  'xenscope/table': [
    DomainSelector & {
      readonly mfn?: number;
      readonly level?: 1 | 2 | 3 | 4;
      /** First virtual address that the table covers; absent: 0. */
      readonly base?: string;
      readonly from: number;
      readonly count: number;
      readonly presentOnly: boolean;
    },
    TableResult | Unknown,
  ];
  'xenscope/frames': [
    {
      readonly from: number;
      readonly count: number;
      readonly filter?: {
        readonly owner?: number | 'free';
        readonly type?: FrameType;
        readonly changed?: boolean;
        readonly pinned?: boolean;
      };
    },
    /** `next`: the frame to ask from for the following rows, null at the end. */
    { readonly rows: readonly FrameRow[]; readonly next: number | null },
  ];
  'xenscope/p2m': [
    DomainSelector & {
      readonly from: number;
      readonly count: number;
      readonly filter?: { readonly state?: P2mRow['state']; readonly changed?: boolean };
    },
    { readonly total: number; readonly rows: readonly P2mRow[]; readonly next: number | null } | Unknown,
  ];
  'xenscope/walk': [DomainSelector & { readonly va: string }, Walk | Unknown];
  /** Resolves what a user typed into an address box: `va:0x...`, `pfn:`, `mfn:`, a symbol or a C expression. */
  'xenscope/resolve': [
    { readonly text: string; readonly frameId?: number },
    { readonly memoryReference: string; readonly label: string } | Unknown,
  ];
  /** One step back: into the statement before, over calls, or out to the call of this function. Answered at once. */
  'xenscope/stepBack': [{ readonly threadId: number; readonly how: 'into' | 'over' | 'out' }, undefined];
  /** Goes to a position, or to the start or end of what is known; answered at once, `stopped` tells of the arrival. */
  'xenscope/seek': [{ readonly position: number }, undefined];
  'xenscope/history': [
    /** Which of the known hypercalls: from a number on, all or the refused ones. */
    { readonly from: number; readonly count: number; readonly refusedOnly?: boolean },
    HistorySummary,
  ];
  'xenscope/hypercalls': [
    { readonly from: number; readonly count: number },
    { readonly total: number; readonly rows: readonly HypercallRow[] },
  ];
}

/** Where the session stands in the run. Positions are numbers in the order of time. */
export interface HistorySummary {
  readonly position: number;
  readonly start: number;
  /** The latest that is known. */
  readonly end: number;
  /** Hypercalls known, also those ahead. */
  readonly total: number;
  readonly rows: readonly HistoryRow[];
  /** What to ask for as `from` next, null at the end. */
  readonly next: number | null;
}

export interface HistoryRow {
  readonly seq: number;
  /** Just before the call. */
  readonly position: number;
  readonly name: string;
  readonly domain: number;
  readonly vcpu: number;
  readonly refused: boolean;
}

export interface HypercallRow {
  readonly seq: number;
  readonly domain: number;
  readonly vcpu: number;
  readonly name: string;
  readonly summary: string;
  readonly rc: string;
  readonly refused: boolean;
  readonly rule: string | null;
  readonly file: string | null;
  readonly line: number | null;
}

/** Event name -> body. */
export interface CustomEvents {
  /** State has moved: views ask again for what they show. `stop` counts stops, so that a late answer can be told. */
  'xenscope/stateChanged': { readonly stop: number };
}

/**
 * What `dist/adapter.cjs` (built from adapter/inline.ts) exports. The extension loads that file by name when the first
 * session starts, so that it needs neither the adapter's code at activation nor an import beyond this file.
 */
export interface AdapterModule {
  /** One adapter for one debug session; it talks by messages of the Debug Adapter Protocol, without a stream. */
  createInlineAdapter(): InlineAdapter;
}

/** The shape that VS Code asks of an adapter that runs inside the extension host. */
export interface InlineAdapter {
  readonly onDidSendMessage: (listener: (message: object) => void) => { dispose(): void };
  handleMessage(message: object): void;
  dispose(): void;
}
