/**
 * Where the views' data comes from: an asynchronous, read-only look at a machine. A source that cannot know something
 * answers `{ unknown: reason }` instead of guessing. The simulated machine is one source; a dump or a live Xen can be
 * another. A source that can travel in time has a further interface for that; this one always shows the present.
 *
 * Answers are plain data (frame numbers as numbers, addresses and entries as hexadecimal strings), bounded by the
 * `count` of the request, ready to be sent to a view.
 */

import type { AbiName } from '../abi/index.ts';
import type { PageTypeName } from '../machine/frames.ts';
import type { DomainId, Level, Mfn, Pfn, VirtualAddress } from '../units.ts';

/** The answer of a source that does not know. */
export interface Unknown {
  readonly unknown: string;
}

export type Answer<T> = Promise<T | Unknown>;

export interface MachineSource {
  summary(): Promise<MachineSummary>;
  /** Entries of one table. */
  table(query: TableQuery): Answer<TableRows>;
  /** Rows of the frame table; scans for a filter end early and say where to go on. */
  frames(query: FrameQuery): Promise<FrameRows>;
  /** The guest's P2M beside what the M2P says. */
  p2m(query: P2mQuery): Answer<P2mRows>;
  /** The walk of a virtual address through the kernel root of a domain's first vCPU. */
  walk(query: WalkQuery): Answer<Walk>;
  /** Bytes as they stand in memory, up to the first that cannot be read. */
  memory(query: MemoryQuery): Answer<MemoryBytes>;
}

export interface MachineSummary {
  readonly abi: AbiName;
  readonly xen: '4.17' | '3.0.4';
  readonly maxPage: number;
  readonly levels: number;
  readonly entriesPerTable: number;
  readonly entryBytes: 4 | 8;
  readonly domains: readonly DomainSummary[];
  /** False when too much has happened since the last stop to say what changed; then nothing is marked. */
  readonly changesKnown: boolean;
}

export interface DomainSummary {
  readonly domain: number;
  readonly name: string;
  readonly totPages: number;
  readonly maxPages: number;
  readonly nrPages: number;
  readonly root: number;
  readonly userRoot: number | null;
  /** Why the domain was crashed, or null. */
  readonly crashed: string | null;
}

export interface TableQuery {
  readonly domain: DomainId;
  /** Null: the kernel root of the domain's first vCPU. */
  readonly mfn: Mfn | null;
  /** Null: the level that the frame is typed as. */
  readonly level: Level | null;
  /** First virtual address that the table covers. */
  readonly base: VirtualAddress;
  /** Index of the first row wanted among those that match. */
  readonly from: number;
  readonly count: number;
  /** Leaves out slots that hold zero and have not changed. */
  readonly presentOnly: boolean;
}

export interface TableRows {
  readonly mfn: number;
  readonly level: Level;
  /** Rows that match, whether told or not. */
  readonly total: number;
  readonly rows: readonly TableEntryRow[];
}

export interface TableEntryRow {
  readonly slot: number;
  readonly pte: string;
  readonly present: boolean;
  readonly flags: string;
  readonly mfn: number;
  readonly pfn: number | null;
  readonly childLevel: 0 | Level;
  readonly superpage: boolean;
  readonly va: string;
  readonly xen: boolean;
  readonly changed: boolean;
}

export interface FrameFilter {
  readonly owner?: DomainId | 'free';
  readonly type?: PageTypeName;
  readonly changedOnly: boolean;
  readonly pinnedOnly: boolean;
}

export interface FrameQuery {
  readonly from: number;
  readonly count: number;
  readonly filter: FrameFilter;
}

export interface FrameRows {
  readonly rows: readonly FrameRow[];
  /** Frame from which to ask for the following rows; null at the end of the machine. */
  readonly next: number | null;
}

export interface FrameRow {
  readonly mfn: number;
  readonly owner: number | null;
  readonly ownerName: string;
  readonly type: PageTypeName;
  readonly typeCount: number;
  readonly refCount: number;
  readonly pinned: boolean;
  readonly validated: boolean;
  readonly allocated: boolean;
  readonly m2p: number | null;
  readonly role?: string;
  readonly changed: boolean;
}

/**
 * `ok`: M2P and owner agree. `invalid`: all ones. `m2p-disagrees`: the domain's frame, but the M2P names another PFN.
 * `foreign`: the frame is not the domain's, or there is no such frame.
 */
export type P2mState = 'ok' | 'invalid' | 'm2p-disagrees' | 'foreign';

export interface P2mQuery {
  readonly domain: DomainId;
  readonly from: Pfn;
  readonly count: number;
  readonly filter: { readonly state?: P2mState; readonly changedOnly: boolean };
}

export interface P2mRows {
  /** Length of the P2M array, whatever the filter. */
  readonly total: number;
  readonly rows: readonly P2mRow[];
  /** PFN from which to ask for the following rows; null at the end of the array. */
  readonly next: number | null;
}

export interface P2mRow {
  readonly pfn: number;
  readonly mfn: number | null;
  readonly m2p: number | null;
  readonly state: P2mState;
  readonly owner: string;
  readonly role?: string;
  readonly changed: boolean;
}

export interface WalkQuery {
  readonly domain: DomainId;
  readonly va: VirtualAddress;
}

export interface WalkStep {
  readonly level: Level;
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
  readonly maddr: string | null;
  readonly fault: string | null;
}

/** `va` is translated by the kernel root, `pfn` by the guest's P2M, `mfn` is the machine's memory. */
export type MemorySpace = 'va' | 'pfn' | 'mfn';

export interface MemoryQuery {
  readonly space: MemorySpace;
  /** Whose page tables and P2M. */
  readonly domain: DomainId;
  /** Byte address in the space. */
  readonly address: bigint;
  readonly bytes: number;
}

export interface MemoryBytes {
  readonly bytes: Uint8Array;
  /** Length of the hole behind them, at most what was asked for; 0 when all was read. */
  readonly unreadable: number;
  /** Why there is a hole, or null. */
  readonly reason: string | null;
}
