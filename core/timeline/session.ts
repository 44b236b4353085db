/**
 * One debugging session: guest scripts, the machine and hypervisor they run on, and the cursor that moves over their
 * history. Architecture decisions 5 and 10; the words are in types.ts.
 */

import { statementAt } from '../guest-c/program.ts';
import { Hypervisor } from '../hypervisor/hypervisor.ts';
import { audit } from '../hypervisor/audit.ts';
import type { GuestImage } from '../hypervisor/types.ts';
import { Machine } from '../machine/machine.ts';
import { Store } from '../state/store.ts';
import { checkTexts } from './check-texts.ts';
import { BreakpointTable } from './breakpoints.ts';
import { substitute } from './dollar-names.ts';
import type { ConditionContext } from './event-stops.ts';
import { Execution } from './execution.ts';
import { Guest } from './guest.ts';
import { byMachine, byP2m, byPageTables, readBytes, type Translate, writeBytes } from './guest-memory.ts';
import { History } from './history.ts';
import { Inspector } from './inspector.ts';
import { type RunOptions, readOptions } from './options.ts';
import type { Position } from './position.ts';
import { type KnownCall, Recorder } from './recorder.ts';
import { type CompiledScript, compileScript } from './scripts.ts';
import { type StopJudge, Timeline, type Travel } from './timeline.ts';
import type {
  AbiName,
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
  StepTarget,
  StopTest,
  Value,
  VcpuNumber,
  VcpuSummary,
  VisibleName,
} from './types.ts';
import { type Radix, TypedValue, childrenOf, inRadix } from './values.ts';
import type { WalkView } from './walk-view.ts';
import type { Trial } from './trial.ts';
import type { WatchedPlace } from './watch-places.ts';

/** The most bytes that one answer holds. */
const MAX_READ = 1 << 20;
const INSIDE_XEN =
  'Xen is in the middle of a hypercall: nothing can be changed until the session has stepped out of it.';
const ALL_CHILDREN = { start: 0, count: Infinity };

/** A script that has become a program. */
type Runnable = CompiledScript & { readonly program: NonNullable<CompiledScript['program']> };

export class Session {
  readonly abi: AbiName;
  readonly xen: '4.17' | '3.0.4';
  /** What the views look at. */
  readonly machine: Machine;
  readonly hypervisor: Hypervisor;
  private readonly config: SessionConfig;
  private readonly execution: Execution;
  private readonly inspector: Inspector;
  private readonly history: History;
  private readonly timeline: Timeline;

  /** Compiles the scripts and builds the machine; nothing has run yet. */
  static create(config: SessionConfig): SessionCreation {
    const options = readOptions(config);
    if ('attribute' in options) return { kind: 'error', ...options };
    const scripts = config.programs.map((source) => compileScript(source, config, options));
    const problems = scripts.flatMap((script) => script.problems);
    if (!scripts.every(isRunnable)) return { kind: 'problems', problems };
    try {
      return { kind: 'session', session: new Session(config, options, scripts), problems };
    } catch (error) {
      if (error instanceof DomainDoesNotFit)
        return { kind: 'error', attribute: 'memory', message: `memory: ${error.message}.` };
      throw error;
    }
  }

  private constructor(config: SessionConfig, options: RunOptions, scripts: readonly Runnable[]) {
    this.config = config;
    this.abi = options.abi.name;
    this.xen = options.hypervisor.xen;
    const store = config.journal === false ? new Store(0) : new Store();
    this.machine = new Machine(store, options.abi, options.machineFrames);
    this.hypervisor = new Hypervisor(this.machine, options.hypervisor);
    const guests = scripts.map((script, i) => this.buildGuest(script, options, i));
    const recorder = new Recorder(guests.length);
    const [first] = guests;
    if (first === undefined) throw new Error('session: no guest');
    const breakpoints = new BreakpointTable(
      guests.map(({ program }) => program),
      first.placeOf,
    );
    this.execution = new Execution({
      guests,
      hypervisor: this.hypervisor,
      recorder,
      breakpoints,
      maxStatements: options.maxStatements,
      holds: (condition, context) => this.holds(condition, context),
      stepIntoXen: config.stepIntoXen ?? true,
    });
    this.inspector = new Inspector(this.execution, this.hypervisor);
    this.hypervisor.observer = {
      trapDelivered: (_, trap) => this.execution.trapDelivered(trap),
      vcpuInitialised: (vcpu) => this.execution.vcpuInitialised(vcpu),
      consoleWritten: (domain, text) => {
        this.timeline.printing();
        recorder.write(domain.id, text);
      },
    };
    if (config.trace === true)
      this.hypervisor.tracer = checkTexts((line) => this.execution.checks.push(line));
    for (const guest of guests) reserveEntry(guest, breakpoints);
    const { execution } = this;
    this.history = new History({ store, execution, recorder, budget: options.historyBytes });
    this.timeline = new Timeline(store, execution, this.history, (work) =>
      breakpoints.lifted(() => execution.watches.without(work)),
    );
  }

  private buildGuest(script: Runnable, options: RunOptions, index: number): Guest {
    const domain = builtOrDoesNotFit(() =>
      this.hypervisor.createDomain({
        memoryBytes: options.memoryBytes,
        image: this.paddedImage(script.program.image),
        layout: options.layout,
        role: index === 0 ? options.role : 'domU',
      }),
    );
    return new Guest({
      domain,
      program: script.program,
      path: this.config.programs[index]?.path ?? '',
      entryName: script.entryName,
      isLibrary: libraryTest(this.config),
    });
  }

  /** As large as that of the domain that this one is built after, so that what follows lies at the same places. */
  private paddedImage(image: GuestImage): GuestImage {
    const size = Math.max(image.size, this.config.startOfDay?.imageBytes ?? 0);
    return { ...image, size };
  }

  get hypercallLog(): readonly HypercallRecord[] {
    return this.execution.recorder.hypercalls;
  }

  get faultLog(): readonly FaultRecord[] {
    return this.execution.recorder.faults;
  }

  /** Complete lines that the guests printed. */
  get console(): readonly string[] {
    return this.execution.recorder.console;
  }

  /** The hypercall by which a line of `console` was written; undefined for a last line without its end. */
  consoleCall(line: number): HypercallRecord | undefined {
    return this.execution.recorder.callOfLine(line);
  }

  /** Statements executed so far, over all vCPUs. */
  get statements(): number {
    return this.execution.statements;
  }

  /** Null while the run can go on. */
  get exit(): ExitInfo | null {
    return this.execution.exit;
  }

  /** Runs until `test` or an enabled breakpoint or filter stops it, for at most `budget` statements. */
  run(test: StopTest, budget: number): Stop {
    const { walks } = this.execution;
    const wasInside = walks.isInside;
    const inside = walks.go(test, 'forward');
    if (inside !== null) return inside;
    if (test.kind === 'step') this.timeline.giveTurn(test.vcpu);
    // A step that leads out of a hypercall ends at the user's next statement.
    const onward: StopTest = wasInside && test.kind === 'step' ? { ...test, how: 'over' } : test;
    const stop = this.timeline.run(onward, budget);
    walks.settle();
    return stop;
  }

  /** Runs the start of day up to the first statement of the entry function (or of a handler script's handler). */
  runToEntry(budget: number): Stop {
    return this.timeline.run({ kind: 'entry' }, budget);
  }

  // ---- time --------------------------------------------------------------------------------------------------------------

  /** Where the session stands; see position.ts. */
  get position(): Position {
    return this.execution.position;
  }

  /** The vCPU whose turn it is. */
  get turn(): VcpuNumber {
    return this.execution.turns.number;
  }

  /** The earliest position that can be gone to. */
  get start(): Position {
    return this.history.start;
  }

  /** The latest position that is known. */
  get end(): Position {
    return this.history.end;
  }

  /** Bytes that going back in time takes, about. */
  get historyBytes(): number {
    return this.history.bytes;
  }

  /** Every hypercall that is known, also those ahead, with the position just before each. */
  get knownCalls(): readonly KnownCall[] {
    return this.execution.recorder.known();
  }

  /**
   * Goes back to the last place where `test`, a breakpoint or a filter would have stopped a forward run and which `judge`
   * accepts; `start` when there is none. Like `run` it is to be called again after `budget`.
   */
  back(test: StopTest, budget: number, judge: StopJudge = () => true): Stop {
    const { walks } = this.execution;
    const origin = this.timeline.origin;
    const inside = walks.go(test, 'backward');
    if (inside !== null) return inside;
    const stop = this.timeline.back(test, budget, judge);
    return stop.kind === 'budget' ? stop : this.backIntoXen(stop, test, origin);
  }

  /** Where a stop lies in a hypercall, or a step back leads into one, the walk begins from its end. */
  private backIntoXen(stop: Stop, test: StopTest, origin: Position): Stop {
    const { execution } = this;
    if (stop.inXen === true && 'vcpu' in stop) {
      const within = execution.goBackIntoXen(stop.vcpu, 'last breakpoint');
      execution.walks.settle();
      return within ?? stop;
    }
    if (test.kind !== 'step' || test.how !== 'into' || stop.kind !== 'step') return stop;
    if (this.config.stepIntoXen === false) return stop;
    const landing = this.position;
    const call = this.knownCalls.findLast(
      ({ position: at, record }) => at >= landing && at < origin && this.vcpuOfRecord(record) === test.vcpu,
    );
    if (call === undefined) return stop;
    this.timeline.seek(call.position, Infinity);
    const within = execution.goBackIntoXen(test.vcpu, 'last line');
    if (within === null) this.timeline.seek(landing, Infinity);
    execution.walks.settle();
    return within ?? stop;
  }

  private vcpuOfRecord({ domain, vcpu }: HypercallRecord): VcpuNumber | undefined {
    return this.vcpus().find((each) => each.domain === domain && each.index === vcpu)?.vcpu;
  }

  /** Goes to a position, or to the start or end of what is known. */
  seek(place: Position, budget: number): Travel<Position> {
    this.execution.walks.leave();
    return this.timeline.seek(place, budget);
  }

  /** Goes to just before the last change of one of the cells (see `Store`); null when there has been none. */
  seekLastChange(cells: ReadonlySet<number>, budget: number): Travel<Position | null> {
    this.execution.walks.leave();
    return this.timeline.lastChange(cells, budget);
  }

  /** How much of a journey in progress is done, 0 to 1. */
  get travelled(): number {
    return this.timeline.travelled;
  }

  /** Ends a journey in progress where it is. */
  abandonTravel(): void {
    this.timeline.abandon();
  }

  /** Replaces all breakpoints. */
  setBreakpoints(specs: readonly BreakpointSpec[]): readonly BreakpointPlace[] {
    const { breakpoints, watches } = this.execution;
    const places = breakpoints.set(specs);
    watches.set([...breakpoints.data, ...this.execution.stops.p2mSpecs()]);
    const placed = this.execution.walks.setSpots(specs, places);
    return placed.map((place) => ({ ...place, ...watches.trouble(place.id) }));
  }

  setFilters(filters: ExceptionFilters): void {
    const { breakpoints, stops, watches } = this.execution;
    stops.filters = filters;
    watches.set([...breakpoints.data, ...stops.p2mSpecs()]);
  }

  /** Statements of a file between two lines, for breakpoint locations. */
  places(file: string, line: number, endLine: number): readonly SourcePlace[] {
    const found = new Map<string, SourcePlace>();
    for (const guest of this.execution.guests) {
      for (const statement of guest.program.statements) {
        const { range } = statement;
        if (range.file !== file || range.line < line || range.line > endLine || statement.continued) continue;
        found.set(`${range.line}:${range.column}`, guest.placeOf(statement));
      }
    }
    return [...found.values()].sort((a, b) => a.line - b.line || a.column - b.column);
  }

  vcpus(): readonly VcpuSummary[] {
    return this.execution.guests.flatMap((guest) =>
      guest.vms.map((vm) => ({
        vcpu: this.execution.numberOf(vm),
        domain: guest.domain.id,
        index: vm.vcpu.id,
        program: guest.path,
        state: this.execution.stateOf(guest, vm),
      })),
    );
  }

  stack(vcpu: VcpuNumber): readonly Frame[] {
    return this.inspector.stack(vcpu);
  }

  /** What the hypervisor does for the vCPU, while it is inside a hypercall. */
  xenView(vcpu: VcpuNumber): WalkView | null {
    return this.execution.walks.viewOf(vcpu);
  }

  /** What a step into can go into from the frame's statement. */
  stepTargets(frame: Frame): readonly StepTarget[] {
    return this.inspector.stepTargets(frame);
  }

  /** Parameters and locals of the enclosing blocks, inner first; hidden ones are left out. */
  locals(frame: Frame): readonly NamedValue[] {
    return this.inspector.locals(frame);
  }

  registers(frame: Frame): readonly NamedValue[] {
    return this.inspector.registers(frame);
  }

  /** Names that an expression in the frame may use. */
  names(frame: Frame): readonly VisibleName[] {
    return this.inspector.names(frame);
  }

  /** File-scope objects of the script, not those of shipped headers. */
  globals(frame: Frame): readonly NamedValue[] {
    return this.inspector.globals(frame);
  }

  /** What a value opens to, at most 1024 at once. */
  children(
    value: Value,
    range: { readonly start: number; readonly count: number } = ALL_CHILDREN,
  ): readonly NamedValue[] {
    return value instanceof TypedValue ? childrenOf(value, range) : [];
  }

  /** The value with its integers, and those of what it opens to, written in another way. */
  written(value: Value, radix: Radix): Value {
    return value instanceof TypedValue ? inRadix(value, radix) : value;
  }

  /** Evaluates an expression in a frame; with `none` all that it changes is taken back, hypercalls too. */
  evaluate(text: string, frame: Frame, options: { readonly sideEffects: 'none' | 'keep' }): Evaluation {
    const { sideEffects } = options;
    if (sideEffects === 'keep' && this.execution.walks.isInside)
      return { kind: 'problem', message: INSIDE_XEN };
    const evaluate = () =>
      this.execution.watches.without(() => this.inspector.evaluate(text, frame, sideEffects));
    return sideEffects === 'none' ? evaluate() : this.timeline.edit(evaluate);
  }

  /** Makes a statement of the running function the next one; the sentence that says why it cannot be, or null. */
  jump(vcpu: VcpuNumber, place: Pick<SourcePlace, 'file' | 'line'>): string | null {
    if (this.execution.walks.isInside) return INSIDE_XEN;
    return this.timeline.edit(() => this.execution.jump(vcpu, place));
  }

  /** Where the function of a frame begins; null for a frame that has no text. */
  startOf(frame: Frame): SourcePlace | null {
    return this.inspector.startOf(frame);
  }

  /** Assigns to what an expression names. */
  assign(target: string, text: string, frame: Frame): Evaluation {
    const name = /^\s*\$\w+\s*$/.exec(target);
    if (name !== null)
      return { kind: 'problem', message: `${target.trim()} is a register and cannot be changed here.` };
    return this.evaluate(`(${target}) = (${text}\n)`, frame, { sideEffects: 'keep' });
  }

  /** Evaluates an expression, takes everything back, and tells what its hypercalls would have done. */
  tryOut(text: string, frame: Frame): Trial {
    return this.execution.watches.without(() => this.inspector.tryOut(text, frame));
  }

  /** The cells in which a place lies now, for `seekLastChange`; null for a local in a register window, or unmapped. */
  cellsOf(place: WatchedPlace): ReadonlySet<number> | null {
    return this.execution.watches.cellsOf(place);
  }

  /** What a data breakpoint on an expression watches. */
  watchedPlace(text: string, frame: Frame): WatchedPlace | { readonly problem: string } {
    return this.execution.watches.without(() => this.inspector.watched(text, frame));
  }

  readMemory(space: MemorySpace, vcpu: VcpuNumber, address: bigint, bytes: number): MemoryRead {
    const translate = this.translation(space, vcpu);
    if (translate === null) return { kind: 'problem', message: `There is no vCPU ${vcpu}.` };
    const wanted = Math.min(Math.max(Math.trunc(bytes), 0), MAX_READ);
    const read = readBytes(this.machine, translate, address, wanted);
    return { kind: 'bytes', bytes: read, unreadable: wanted - read.length };
  }

  /** Bytes written; a problem when none could be. */
  writeMemory(
    space: MemorySpace,
    vcpu: VcpuNumber,
    address: bigint,
    bytes: Uint8Array,
  ): number | { readonly problem: string } {
    if (this.execution.walks.isInside) return { problem: INSIDE_XEN };
    const translate = this.translation(space, vcpu);
    const write = () => (translate === null ? 0 : writeBytes(this.machine, translate, address, bytes));
    const written = this.timeline.edit(write);
    if (written > 0 || bytes.length === 0) return written;
    return { problem: `0x${address.toString(16)} is not mapped to memory.` };
  }

  /** Broken invariants of the model; empty when it is sound. */
  audit(): readonly { readonly message: string }[] {
    return audit(this.hypervisor);
  }

  /** Text of a shipped header by its path or its name below the headers' folder. */
  librarySource(file: string): string | undefined {
    const { files, root } = this.config.host.headers;
    const name = file.replace(/^<(.*)>$/, '$1');
    return (
      files.get(name) ?? files.get(name.slice(name.startsWith(root) ? root.length : 0).replace(/^\/+/, ''))
    );
  }

  private translation(space: MemorySpace, number: VcpuNumber): Translate | null {
    const vcpu = this.execution.at(number)?.vm.vcpu;
    if (space === 'mfn') return byMachine(this.machine);
    if (vcpu === undefined) return null;
    return space === 'va' ? byPageTables(this.machine, vcpu) : byP2m(this.machine, vcpu);
  }

  /** A condition that cannot be evaluated answers with the reason. */
  private holds(
    condition: string | undefined,
    { guest, vm, frame: whose, values, rule }: ConditionContext,
  ): boolean | string {
    if (condition === undefined || condition.trim() === '') return true;
    const frame = this.inspector.frameOf(guest, vm, whose);
    const register = (name: string) =>
      frame === undefined ? null : this.inspector.registerValue(frame, name);
    const asked = substitute(condition, values, { register, ...(rule === undefined ? {} : { rule }) });
    if (asked.kind === 'absent') return false;
    if (asked.kind === 'problem') return asked.message;
    if (frame === undefined) return 'The vCPU stands in no function.';
    return this.execution.watches.without(() => this.inspector.truth(asked.text, frame));
  }
}

/** The builder's sentence about a domain that the machine has no room for. */
class DomainDoesNotFit extends Error {}

/** The builder throws plain Errors for sizes that do not fit; anything else is a fault of the model. */
function builtOrDoesNotFit<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (error instanceof Error && error.constructor === Error) throw new DomainDoesNotFit(error.message);
    throw error;
  }
}

const isRunnable = (script: CompiledScript): script is Runnable => script.program !== null;

/** Shipped files are those below the headers' root, and those that the run makes itself. */
function libraryTest({ host, programs }: SessionConfig): (file: string) => boolean {
  const scripts = new Set(programs.map(({ path }) => path));
  const { root, files } = host.headers;
  const prefix = root === '' || root.endsWith('/') ? root : `${root}/`;
  return (file) => !scripts.has(file) && file.startsWith(prefix) && (prefix !== '' || files.has(file));
}

function reserveEntry({ program, entryName }: Guest, breakpoints: BreakpointTable): void {
  const fn = program.functions.find(({ name }) => name === entryName);
  const statement = fn === undefined ? undefined : program.statements[fn.firstStatement];
  if (statement !== undefined && statementAt(program, statement.pc) !== undefined)
    breakpoints.reserve(program, statement.pc);
}
