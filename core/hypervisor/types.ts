/** What the hypervisor is given, and what it tells: options, domain specifications, refusals, observers. */

import type { VirtualAddress } from '../units.ts';
import type { Domain, DomainCrash, DomainRole } from '../machine/domain.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import type { ErrorName } from './errno.ts';
import type { RuleId, XenVersion } from './rules.ts';

export interface HypervisorOptions {
  /** Which hypervisor's rules and errors. */
  readonly xen: XenVersion;
  /** A debug build keeps bit 62 of L1 entries for itself and prints its messages. */
  readonly debug: boolean;
  /** The boot option pv-linear-pt: whether recursive page tables are allowed. */
  readonly linearPageTables: boolean;
  /**
   * What happens to a domU that puts into an entry without P what a processor with the L1TF flaw may use: nothing
   * that it sees (the flaw is absent, or Xen goes over to shadow tables), or a crash (a Xen without shadow tables).
   */
  readonly l1tf: 'ignored' | 'crash';
}

export const DEFAULT_OPTIONS: HypervisorOptions = {
  xen: '4.17',
  debug: false,
  linearPageTables: true,
  l1tf: 'ignored',
};

/** A program as the domain builder loads it: bytes from the virtual base on. */
export interface GuestImage {
  /** Bytes, a multiple of the page size, counted from the virtual base. */
  readonly size: number;
  readonly segments: readonly {
    readonly offset: number;
    readonly bytes: Uint8Array;
    readonly name: string;
  }[];
  /** Offset of the first instruction. */
  readonly entry: number;
  /** Where the kernel wants its linear mapping to begin; default: the ABI's virtBase. */
  readonly virtBase?: VirtualAddress;
}

/** How pseudo-physical frames lie in machine memory. */
export type MemoryLayout =
  | { readonly kind: 'contiguous' }
  | { readonly kind: 'scattered'; readonly seed: number }
  /** The frame of each page, by PFN, and at last that of the shared info page. */
  | { readonly kind: 'given'; readonly frames: Uint32Array };

export interface DomainSpec {
  readonly memoryBytes: number;
  readonly image: GuestImage;
  readonly layout: MemoryLayout;
  readonly role: DomainRole;
  readonly commandLine?: string;
  /** vCPUs that the guest may bring up; default 4. */
  readonly maxVcpus?: number;
  /** Frames that the domain may have in all; default: what it starts with. */
  readonly maxPages?: number;
}

/** Why a hypercall failed, for people and for JSON. */
export interface Refusal {
  readonly rule: RuleId;
  /**
   * The error of the rule; for memory_op's counting operations the reason why Xen stopped, for grant operations the
   * status of the element (the hypercall itself returned 0).
   */
  readonly errno: ErrorName;
  /** The rule's sentence with this refusal's frames, entries and numbers. */
  readonly message: string;
  readonly evidence: Readonly<Record<string, string | number>>;
  /** For batches: the index of the request that failed. */
  readonly requestIndex?: number;
  /** What the console of a debug build shows, filled; null when Xen says nothing. */
  readonly xenPrints: string | null;
  readonly xenPrintsInRelease: boolean;
  /** Whether the hypervisor that runs here prints it: a debug build, or a message of release builds too. */
  readonly isPrinted: boolean;
  readonly usualCause: string;
  readonly remedy: string;
}

/** A trap that reached the guest's handler. */
export interface DeliveredTrap {
  readonly vector: number;
  /** Null for vectors without one. */
  readonly errorCode: number | null;
  /** For page faults: the address, as words. */
  readonly cr2Lo: number;
  readonly cr2Hi: number;
  /** The handler's address, as words. */
  readonly handlerLo: number;
  readonly handlerHi: number;
  /** The address of the interrupted operation, as words. */
  readonly ripLo: number;
  readonly ripHi: number;
}

/** Told of what the hypervisor does; every member is optional. Set `Hypervisor.observer`. */
export interface HypervisorObserver {
  /** `args` is the hypercall's live argument array: six lo/hi pairs. */
  hypercallEntered?(vcpu: Vcpu, nr: number, args: Int32Array): void;
  /** `done`: requests completed by a batch, null for others. */
  hypercallReturned?(vcpu: Vcpu, nr: number, rc: number, done: number | null): void;
  refused?(vcpu: Vcpu, refusal: Refusal): void;
  trapDelivered?(vcpu: Vcpu, trap: DeliveredTrap): void;
  /** A store to a read-only L1 table was carried out by Xen; the entry's new words. */
  pteWriteEmulated?(vcpu: Vcpu, table: number, slot: number, lo: number, hi: number): void;
  /** An event upcall: the vCPU has entered its event callback. */
  upcallDelivered?(vcpu: Vcpu): void;
  /** The guest has given a vCPU its first state; it is down still. */
  vcpuInitialised?(vcpu: Vcpu): void;
  crashed?(domain: Domain, crash: DomainCrash): void;
  /** Text written to the domain's console (console_io or the console ring). */
  consoleWritten?(domain: Domain, text: string): void;
}
