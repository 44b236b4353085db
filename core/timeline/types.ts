/**
 * The words of a debugging session: what it is made from, what can stop it, what it tells about the run.
 *
 * Architecture decisions 5 and 10. Everything here is plain data, so that an adapter, a headless runner and a test
 * read the same answers. Files are named by the paths that the caller gave; lines and columns count from 1.
 */
import type { VirtualAddress } from '../units.ts';
import type { Session } from './session.ts';
import type { DollarValues } from './dollar-names.ts';
import type { DataHit, DataSpec } from './watches.ts';

export type AbiName = 'x86_64' | 'x86_32p' | 'x86_32';

/** Severity as compilers have it; `id` is stable and names the kind of problem. */
export interface SessionProblem {
  readonly id: string;
  readonly severity: 'error' | 'warning' | 'note';
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  readonly message: string;
}

/** A guest script: one domain each, d1, d2, ... in the order given (the hardware domain is d0). */
export interface ProgramSource {
  readonly path: string;
  readonly text: string;
}

/** Where `#include` finds files: the user's by path, and the headers that ship with Xenscope. */
export interface SourceHost {
  read(path: string): string | undefined;
  /** `root` is the folder that the names are relative to: a shipped header's path is `root/name`. */
  readonly headers: { readonly root: string; readonly files: ReadonlyMap<string, string> };
}

/** What a run is made from. Texts come unparsed as the user wrote them; `Session.create` checks them. */
export interface SessionConfig {
  readonly programs: readonly ProgramSource[];
  readonly host: SourceHost;
  readonly includePaths?: readonly string[] | undefined;
  /** False leaves out `<xenscope.h>` in front of the script. */
  readonly prelude?: boolean | undefined;
  readonly abi?: string | undefined;
  readonly xen?: string | undefined;
  /** Bytes, or a text as `16MiB`. */
  readonly memory?: string | number | undefined;
  readonly machine?: string | number | undefined;
  /** `VA[,read|write|exec][,user]` */
  readonly fault?: string | undefined;
  readonly entry?: string | undefined;
  /** `contiguous`, `scattered`, `scattered:SEED` */
  readonly layout?: string | undefined;
  readonly role?: string | undefined;
  /** Builds the (only) domain as another was built elsewhere; `memory` and `machine` must have room for it. */
  readonly startOfDay?: StartOfDay | undefined;
  /** `release` or `debug`: a debug build of Xen prints more and keeps bit 62 of L1 entries for itself. */
  readonly xenBuild?: string | undefined;
  /** False: Xen was started with pv-linear-pt=0. */
  readonly linearPageTables?: boolean | undefined;
  /** `ignored` or `crash`: see HypervisorOptions. */
  readonly l1tf?: string | undefined;
  readonly maxStatements?: number | undefined;
  /** Keep the checks that each hypercall made in `HypercallRecord.checks` (slower). */
  readonly trace?: boolean | undefined;
  /** False: a step into a hypercall goes into the library's function, not into Xen. Default true. */
  readonly stepIntoXen?: boolean | undefined;
  /** Memory for going back in time: bytes, or a text as `256MiB`, which is the default. */
  readonly historyMemory?: string | number | undefined;
  /** Keep the journal that `changedCells`, evaluation without side effects and going back need. Default true. */
  readonly journal?: boolean | undefined;
}

/** A domain as it was built by a real Xen. */
export interface StartOfDay {
  /** The machine frame of each page, by PFN, and at last that of the shared info page. */
  readonly frames: Uint32Array;
  /** Bytes of the kernel's image; an image of the script that is larger stays so. */
  readonly imageBytes: number;
}

export type SessionCreation =
  | {
      readonly kind: 'session';
      readonly session: Session;
      readonly problems: readonly SessionProblem[];
    }
  /** The script is wrong; every error at its place. */
  | { readonly kind: 'problems'; readonly problems: readonly SessionProblem[] }
  /** The configuration is wrong: one sentence naming the attribute and what is allowed. */
  | { readonly kind: 'error'; readonly attribute: string; readonly message: string };

/** A virtual CPU, numbered over all domains of the session in order of creation. A debugger shows it as a thread. */
export type VcpuNumber = number;

/** How far a run goes if nothing else stops it. */
export type StopTest =
  | { readonly kind: 'continue' }
  | {
      readonly kind: 'step';
      readonly vcpu: VcpuNumber;
      readonly how: 'into' | 'over' | 'out';
      /** For a step into: which of the statement's calls. Without one, the first that the user can see. */
      readonly target?: StepTarget;
    };

/** What a statement calls: a function of the guest's, or a hypercall, whose lines in Xen can be stepped through. */
export type StepTarget =
  | { readonly kind: 'function'; readonly name: string; readonly library: boolean }
  /** `through`: the library function that makes it, when that is not its own wrapper. */
  | { readonly kind: 'hypercall'; readonly name: string; readonly through: string | null };

export type BreakpointSpec =
  /** Stops at the first statement on `line`, or on the next line that has one. */
  | {
      readonly kind: 'line';
      readonly id: number;
      readonly file: string;
      readonly line: number;
      readonly column?: number;
      readonly condition?: string;
    }
  /** Name of a function of the script or library (`page_fault_handler`). */
  | { readonly kind: 'function'; readonly id: number; readonly name: string; readonly condition?: string }
  /**
   * `mmu_update`, `HYPERVISOR_mmu_update`, `mmuext_op:MMUEXT_PIN_*`; `*` matches any text. Stops before the call, or
   * behind it when the condition asks for its result (`$rc`, `$done`). The library's start-up does not count.
   */
  | {
      readonly kind: 'hypercall';
      readonly id: number;
      readonly pattern: string;
      readonly condition?: string;
    }
  | DataSpec;

/** Where a breakpoint went; `verified: false` says why in `message`. */
export interface BreakpointPlace {
  readonly id: number;
  readonly verified: boolean;
  readonly message?: string;
  readonly place?: SourcePlace;
}

export interface SourcePlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** The file is a shipped header or the library. */
  readonly library: boolean;
}

/** Off, on, or on where a condition holds. */
export type FilterSetting = boolean | { readonly condition: string };

/** Which events stop a run beside breakpoints. */
export interface ExceptionFilters {
  readonly refused: FilterSetting;
  /** Refused, and the Xen of this run prints nothing. */
  readonly silent: FilterSetting;
  /** A page fault is delivered. */
  readonly fault: FilterSetting;
  /** Another trap is delivered: #GP, #UD, #DE. */
  readonly trap: FilterSetting;
  readonly crashed: FilterSetting;
  /** An access about to go through a translation of the TLB that the page tables no longer give (slower). */
  readonly stale: FilterSetting;
  /** P2M and M2P disagree, looked at after hypercalls and stores to the P2M. */
  readonly disagree: FilterSetting;
  /** The audit finds something, made after every hypercall (slow). */
  readonly audit: FilterSetting;
}
export type FilterName = keyof ExceptionFilters;

export const NO_FILTERS: ExceptionFilters = {
  refused: false,
  silent: false,
  fault: false,
  trap: false,
  crashed: false,
  stale: false,
  disagree: false,
  audit: false,
};

/** A condition that could not be evaluated; what it guards has stopped, so that its author sees it. */
export interface ConditionProblem {
  /** The breakpoint's; 0 for a filter. */
  readonly id: number;
  readonly condition: string;
  readonly message: string;
}

/** A P2M entry that the M2P does not confirm. */
export interface Disagreement {
  readonly domain: number;
  readonly pfn: number;
  readonly mfn: number;
  /** What the M2P says of the frame; null for an invalid entry. */
  readonly m2p: number | null;
}

/** Why a run stands still; with it, what data breakpoints met at the same place, and conditions that have trouble. */
export type Stop = StopReason & {
  readonly problems?: readonly ConditionProblem[];
  readonly data?: readonly DataHit[];
  /** What `$mfn`, `$old` and the like are at this stop. */
  readonly values?: DollarValues;
  /** It stands inside a hypercall, at a line of Xen's. */
  readonly inXen?: true;
};

type StopReason =
  | { readonly kind: 'step'; readonly vcpu: VcpuNumber }
  | { readonly kind: 'breakpoint'; readonly vcpu: VcpuNumber; readonly ids: readonly number[] }
  /** Standing at a hypercall breakpoint: in front of the call, or behind it, `returned` telling of it. */
  | {
      readonly kind: 'hypercall';
      readonly vcpu: VcpuNumber;
      readonly ids: readonly number[];
      readonly name: string;
      readonly args: JsonObject;
      readonly returned: HypercallRecord | null;
    }
  /** Behind the statement, hypercall or trap that touched what data breakpoints watch; `during` names a hypercall. */
  | {
      readonly kind: 'data';
      readonly vcpu: VcpuNumber;
      readonly ids: readonly number[];
      readonly hits: readonly DataHit[];
      readonly during: string | null;
    }
  /** A hypercall or a store to the P2M has left entries of the P2M that the M2P does not confirm. */
  | {
      readonly kind: 'disagreement';
      readonly vcpu: VcpuNumber;
      readonly entries: readonly Disagreement[];
      /** The hypercall behind which it stands; null after a store. */
      readonly during: string | null;
    }
  /** The audit finds the model or, after an edit, the state unsound. */
  | { readonly kind: 'audit'; readonly vcpu: VcpuNumber; readonly messages: readonly string[] }
  /** A hypercall was refused; the frame is the guest's own statement that made it. */
  | { readonly kind: 'refused'; readonly vcpu: VcpuNumber; readonly record: HypercallRecord }
  | { readonly kind: 'fault'; readonly vcpu: VcpuNumber; readonly record: FaultRecord }
  /** Standing at an access through a stale translation, not yet made; or at a hypercall that made one. */
  | { readonly kind: 'stale'; readonly vcpu: VcpuNumber; readonly record: StaleRecord }
  | { readonly kind: 'crashed'; readonly vcpu: VcpuNumber; readonly exit: ExitInfo }
  | { readonly kind: 'exited'; readonly exit: ExitInfo }
  /** `maxStatements` was reached, or every vCPU waits for an event that cannot come. */
  | { readonly kind: 'limit'; readonly vcpu: VcpuNumber; readonly exit: ExitInfo }
  /** A move backwards has come to where history begins. */
  | { readonly kind: 'start'; readonly vcpu: VcpuNumber }
  /** The slice of statements given to `run` is used up: call `run` again with the same test to go on. */
  | { readonly kind: 'budget' }
  /** An invariant of the model itself is broken. */
  | { readonly kind: 'internal'; readonly exit: ExitInfo };

export interface ExitInfo {
  /** As `xenscope run` exits (contracts.md section 1): 0 finished, 1 failed, 3 crashed, 4 limit, 5 internal. */
  readonly status: 0 | 1 | 3 | 4 | 5;
  readonly kind: 'finished' | 'failed' | 'crashed' | 'limit' | 'internal';
  readonly reason: string;
  /** It finished, but hardly as the user expected: the reason is worth telling. */
  readonly isUnexpected?: true;
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

export interface RefusalRecord {
  readonly rule: string;
  readonly errno: string;
  readonly message: string;
  readonly xenFunction: string;
  readonly xenPrints: string;
  readonly xenPrintsInRelease: boolean;
  /** Whether the Xen of this run prints it. */
  readonly isPrinted: boolean;
  readonly usualCause: string;
  readonly remedy: string;
  readonly evidence: JsonObject;
}

export interface HypercallRecord {
  readonly seq: number;
  readonly domain: number;
  /** Number of the vCPU inside its domain. */
  readonly vcpu: number;
  readonly name: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly args: JsonObject;
  /** A number, or a hexadecimal text when it does not fit 53 bits. */
  readonly rc: number | string;
  /** Requests completed, for calls that take a list; null for others. */
  readonly done: number | null;
  readonly refusal: RefusalRecord | null;
  readonly checks: readonly string[];
}

export interface FaultRecord {
  readonly seq: number;
  readonly domain: number;
  readonly vcpu: number;
  /** 14 is a page fault. */
  readonly vector: number;
  /** Hexadecimal; null for traps other than page faults. */
  readonly cr2: string | null;
  readonly errorCode: number | null;
  readonly file: string | null;
  readonly line: number | null;
  /** Name of the C handler; null when Xen itself dealt with it or the domain crashed. */
  readonly deliveredTo: string | null;
}

/** A use of a stale translation. */
export interface StaleRecord {
  readonly domain: number;
  readonly vcpu: number;
  /** Hexadecimal. */
  readonly address: string;
  readonly access: 'read' | 'write' | 'exec';
  /** The machine frame that the TLB leads to, as Xen prints it. */
  readonly frame: string;
  /** The one that the page tables map; `frame` again when only the right is gone; null when they map none. */
  readonly mapped: string | null;
  readonly file: string | null;
  readonly line: number | null;
}

/** One activation of a function, innermost first. `id` is valid until the next run. */
export interface Frame {
  readonly id: number;
  readonly vcpu: VcpuNumber;
  readonly name: string;
  readonly place: SourcePlace | null;
  readonly rip: VirtualAddress;
  /** Entered by a trap, not by a call. */
  readonly trap: boolean;
}

export interface VcpuSummary {
  readonly vcpu: VcpuNumber;
  readonly domain: number;
  /** Number inside the domain. */
  readonly index: number;
  readonly program: string;
  readonly state: 'running' | 'blocked' | 'finished' | 'crashed';
}

/** A value as a variables view shows it. `children` of `Session` opens it. */
export interface Value {
  readonly text: string;
  readonly type: string;
  /** Where the object lives; null for a value in a register or one that is computed. */
  readonly address: VirtualAddress | null;
  /** `va:0x...` of what to show in a memory panel: the object, or what a pointer points to. */
  readonly memoryReference: string | null;
  readonly namedChildren: number;
  readonly indexedChildren: number;
}

export interface NamedValue {
  readonly name: string;
  /** An expression that names the same object, for watches. */
  readonly evaluateName: string;
  readonly value: Value;
}

/** A name that an expression may use. */
export interface VisibleName {
  readonly name: string;
  readonly kind: 'variable' | 'function' | 'typedef' | 'enumerator' | 'macro';
  /** Declared by a shipped header, not by the user. */
  readonly library: boolean;
}

export type Evaluation =
  { readonly kind: 'value'; readonly value: Value } | { readonly kind: 'problem'; readonly message: string };

/** `va` is translated by the vCPU's page tables, `pfn` by the domain's P2M, `mfn` is the machine's memory. */
export type MemorySpace = 'va' | 'pfn' | 'mfn';

export type MemoryRead =
  | {
      readonly kind: 'bytes';
      readonly bytes: Uint8Array;
      /** Bytes after them that cannot be read. */ readonly unreadable: number;
    }
  | { readonly kind: 'problem'; readonly message: string };
