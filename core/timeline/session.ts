/**
 * One debugging session: guest scripts, the machine and hypervisor they run on, and the cursor that moves.
 */
import type {
  BreakpointPlace,
  BreakpointSpec,
  Evaluation,
  ExceptionFilters,
  ExitInfo,
  FaultRecord,
  Frame,
  HypercallRecord,
  MemoryRead,
  MemorySpace,
  NamedValue,
  SessionConfig,
  SessionCreation,
  SourcePlace,
  Stop,
  StopTest,
  Value,
  VcpuNumber,
  VcpuSummary,
} from './types.ts';

export declare class Session {
  static create(config: SessionConfig): SessionCreation;
  readonly abi: 'x86_64' | 'x86_32';
  readonly xen: '4.17' | '3.0.4';
  readonly hypercallLog: readonly HypercallRecord[];
  readonly faultLog: readonly FaultRecord[];
  /** Complete lines that the guests printed. */
  readonly console: readonly string[];
  /** Statements executed so far, over all vCPUs. */
  readonly statements: number;
  /** Null while the run can go on. */
  readonly exit: ExitInfo | null;
  /** Runs until `test` or an enabled breakpoint or filter stops it, for at most `budget` statements. */
  run(test: StopTest, budget: number): Stop;
  /** Runs the start of day up to the first statement of the entry function (or of a handler script's user code). */
  runToEntry(budget: number): Stop;
  /** Replaces all breakpoints of the kinds given. */
  setBreakpoints(specs: readonly BreakpointSpec[]): readonly BreakpointPlace[];
  setFilters(filters: ExceptionFilters): void;
  /** Statements of a file between two lines, for breakpoint locations. */
  places(file: string, line: number, endLine: number): readonly SourcePlace[];
  vcpus(): readonly VcpuSummary[];
  stack(vcpu: VcpuNumber): readonly Frame[];
  /** Variables visible in a frame: parameters and locals of the enclosing scopes, inner first; shadowed ones left out. */
  locals(frame: Frame): readonly NamedValue[];
  registers(frame: Frame): readonly NamedValue[];
  /** File-scope objects of the script (not of shipped headers). */
  globals(frame: Frame): readonly NamedValue[];
  children(value: Value, range?: { readonly start: number; readonly count: number }): readonly NamedValue[];
  evaluate(text: string, frame: Frame, options: { readonly sideEffects: 'none' | 'keep' }): Evaluation;
  assign(target: string, text: string, frame: Frame): Evaluation;
  readMemory(space: MemorySpace, vcpu: VcpuNumber, address: bigint, bytes: number): MemoryRead;
  /** Bytes written; a problem when none could be. */
  writeMemory(
    space: MemorySpace,
    vcpu: VcpuNumber,
    address: bigint,
    bytes: Uint8Array,
  ): number | { readonly problem: string };
  audit(): readonly { readonly message: string }[];
  /** Text of a shipped header, for a debugger's `source` request. */
  librarySource(file: string): string | undefined;
}
