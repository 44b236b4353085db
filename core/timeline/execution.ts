/**
 * The cursor that moves: runs the processors of all guests in turn, makes their hypercalls, delivers their faults, and
 * knows when to stop. Deterministic: the turn passes on when a vCPU yields, blocks, ends or has had its quantum.
 */

import { TRAP_HANDLERS, TRAP_STUBS, TRAP_STUB_INSTRUCTIONS } from '../guest-c/compile-stubs.ts';
import { functionAt } from '../guest-c/program.ts';
import { EVERY_STATEMENT, Exit, VECTOR_GENERAL_PROTECTION } from '../guest-c/vm-exit.ts';
import { Slot } from '../guest-c/bytecode.ts';
import type { Activation, Vm, VmState } from '../guest-c/vm.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import type { DeliveredTrap } from '../hypervisor/types.ts';
import { OutOfModelMemory } from '../machine/memory.ts';
import type { StaleUse } from '../machine/mmu.ts';
import { eventDue } from '../hypervisor/shared-info.ts';
import { R } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { formatFrame, formatHex, joinWords } from '../units.ts';
import type { BreakpointTable } from './breakpoints.ts';
import { byPageTables, integerOf, readBytes } from './guest-memory.ts';
import type { Guest } from './guest.ts';
import { type ConditionTest, EventStops, type HypercallEvent, standsAtCall } from './event-stops.ts';
import { type PendingHypercall, describeArguments } from './hypercall-text.ts';
import type { CallDescription, Recorder } from './recorder.ts';
import { Walks, faultEntry, hypercallEntry } from './walks.ts';
import { Watches } from './watches.ts';
import { NEVER, type Position, position } from './position.ts';
import { HOPELESS_FAULTS, type Refault, RefaultWatch } from './refaults.ts';
import { isOwnHypercall, quietBut } from './step-targets.ts';
import { Turns, type TurnState, isRunnable } from './turns.ts';
import {
  type ExitInfo,
  type FaultRecord,
  type SourcePlace,
  type Stop,
  type StopTest,
  type VcpuSummary,
} from './types.ts';

/** Exits after which Xen has run, so that page tables may be others. */
const HAS_ENTERED_XEN: ReadonlySet<Exit> = new Set([Exit.hypercall, Exit.fault, Exit.trapReturn]);
/** Statements granted to end the one that has begun, and begin none. */
const NO_STATEMENT = 0;
/** Exits at which the processor stands before an event. */
const MAKES_EVENT: ReadonlySet<Exit> = new Set([
  Exit.hypercall,
  Exit.fault,
  Exit.trapReturn,
  Exit.halted,
  Exit.exited,
  Exit.windows,
]);
/** Statements that take the time of one event, about. */
const EVENT_WORK = 60;
const ARRIVED = { kind: 'arrived' } as const;
const SCHED_OP = 29;
const SCHED_OP_COMPAT = 6;
const SCHEDOP_YIELD = 0;
const IRET = 23;
const FAULT_USER = 4;
/** What `exited` says of several guests is the worst of them. */
const SEVERITY: readonly ExitInfo['kind'][] = ['finished', 'failed', 'limit', 'crashed', 'internal'];
/** SHUTDOWN_* reasons that are an orderly end. */
const SHUTDOWN_TEXTS: readonly string[] = ['powered off', 'asked for a reboot', 'suspended itself'];

const NO_JUMP_FROM_EVENT =
  'The guest stands in a hypercall or a fault, not before a statement: step once, then jump.';

/** How a run may end by itself: at a step's end, at the user's first statement, or not. */
export type RunTest =
  | StopTest
  | { readonly kind: 'entry' }
  /** A step whose end has been decided from elsewhere. */
  | { readonly kind: 'prepared'; readonly step: Step };

/** A stop, or that the limit of the run has been reached. */
export type RunEnd = Stop | { readonly kind: 'arrived' };

/** What `snapshot` takes. */
export interface ExecutionState {
  readonly statements: number;
  readonly otherMoments: number;
  readonly rests: boolean;
  readonly upcallsUnchecked: boolean;
  readonly exit: ExitInfo | null;
  readonly standsAtHypercall: boolean;
  readonly turns: TurnState;
  readonly vms: readonly VmState[];
  /** By guest. */
  readonly exits: readonly (ExitInfo | null)[];
  readonly refault: Refault | null;
}

/** A run in progress. */
interface Running {
  readonly test: RunTest;
  readonly limit: Position;
}

/** A step in progress. */
export interface Step {
  readonly vm: Vm;
  /** Stops at statements of this window and those below; EVERY_STATEMENT for steps into. */
  readonly stepBase: number;
  readonly quiet: Uint8Array;
  /** By window: the activations that a step back may end in; null when it may end in any. */
  readonly own: ReadonlyMap<number, Activated> | null;
  /** The hypercalls that it goes into: those that the user's text makes itself, or those of a name. */
  readonly enters: { readonly kind: 'own' } | { readonly kind: 'named'; readonly name: string } | null;
}

/** What tells an activation from others in the same window: the function, and where it was called. */
interface Activated {
  readonly fn: number;
  readonly returnPc: number;
}

export class Execution {
  readonly guests: readonly Guest[];
  readonly recorder: Recorder;
  readonly breakpoints: BreakpointTable;
  readonly stops: EventStops;
  readonly watches: Watches;
  readonly turns: Turns;
  readonly walks: Walks;
  /** Statements begun, over all vCPUs. */
  statements = 0;
  exit: ExitInfo | null = null;
  /** Where the user's entry function began; null before. */
  entered: Position | null = null;
  /** Nothing stops the run but its limit, and nobody is told of anything: known history is repeated. */
  silent = false;
  /** The last stop stands inside the library, at a hypercall: frames begin with the user's. */
  standsAtHypercall = false;
  /** Collects the checks of hypercalls when they are traced. */
  checks: string[] = [];
  private readonly hypervisor: Hypervisor;
  private readonly maxStatements: number;
  private readonly args = new Int32Array(12);
  /** Moments that have passed beside statements: see position.ts. */
  private otherMoments = 0;
  /** An event has been done and the processor has not run on. */
  private rests = false;
  /** The vCPU may have an event to take before it runs. */
  private upcallsUnchecked = true;
  private readonly refaults = new RefaultWatch();
  private step: Step | null = null;
  /** The hypercall at which a breakpoint has stopped already. */
  private passing: Vm | null = null;
  /** The vCPU that stands at a stale translation, and has been told of it. */
  private passingStale: Vm | null = null;
  /** The hypercall into which the cursor has gone already. */
  private passingXen: Vm | null = null;
  private readonly stepIntoXen: boolean;
  private lastTrap: DeliveredTrap | null = null;
  /** Name of the hypercall that was made last. */
  private lastCall: string | null = null;
  /** The last run ended with its budget alone, so that nobody has touched the state since. */
  private isSliced = false;

  constructor(fields: {
    readonly guests: readonly Guest[];
    readonly hypervisor: Hypervisor;
    readonly recorder: Recorder;
    readonly breakpoints: BreakpointTable;
    readonly maxStatements: number;
    readonly holds: ConditionTest;
    readonly stepIntoXen: boolean;
  }) {
    this.guests = fields.guests;
    this.hypervisor = fields.hypervisor;
    this.recorder = fields.recorder;
    this.breakpoints = fields.breakpoints;
    this.maxStatements = fields.maxStatements;
    this.stepIntoXen = fields.stepIntoXen;
    this.walks = new Walks(fields.hypervisor, fields.holds);
    this.stops = new EventStops(fields.hypervisor, fields.breakpoints, fields.holds, (id) =>
      this.turns.firstOf(id),
    );
    this.turns = new Turns(this.guests);
    this.watches = new Watches(fields.hypervisor, (vcpu) => this.turns.at(vcpu)?.vm);
  }

  /** Told by the hypervisor's observer. */
  trapDelivered(trap: DeliveredTrap): void {
    this.lastTrap = trap;
  }

  /** Told by the hypervisor's observer: a guest has given a further vCPU its first state. */
  vcpuInitialised(vcpu: Vcpu): void {
    const guest = this.guests.find(({ domain }) => domain === vcpu.domain);
    if (guest === undefined || guest.vms.some((vm) => vm.vcpu === vcpu)) return;
    this.turns.add({ guest, vm: guest.addVcpu(vcpu) });
  }

  numberOf(vm: Vm): number {
    return this.turns.numberOf(vm);
  }

  at(vcpu: number): { readonly guest: Guest; readonly vm: Vm } | undefined {
    return this.turns.at(vcpu);
  }

  stateOf(guest: Guest, vm: Vm): VcpuSummary['state'] {
    if (guest.exit !== null) return guest.exit.kind === 'crashed' ? 'crashed' : 'finished';
    return isRunnable({ guest, vm }) ? 'running' : 'blocked';
  }

  /** Moments that have passed: where the cursor stands. */
  get position(): Position {
    return position(this.statements + this.otherMoments);
  }

  /** What a repetition costs up to here: statements, and events for as many as they take time. */
  get work(): number {
    return this.statements + EVENT_WORK * this.otherMoments;
  }

  /** After an event, before the processor runs on. */
  get isResting(): boolean {
    return this.rests;
  }

  /** Runs as `test` says, for at most `budget` statements and events, and not beyond `limit`. */
  run(test: RunTest, budget: number, limit = NEVER): RunEnd {
    this.walks.leave();
    if (this.exit !== null) return { kind: 'exited', exit: this.exit };
    if (!this.isSliced && !this.silent) this.watches.begin();
    try {
      const stop = this.runGuarded(test, budget, limit);
      this.isSliced = stop.kind === 'budget' || stop.kind === 'arrived';
      if (stop.kind !== 'budget' && stop.kind !== 'arrived') this.step = null;
      this.standsAtHypercall = standsAtCall(stop) || this.walks.isInside;
      return stop;
    } catch (error) {
      // The one place where a broken invariant of the model ends: the run is over, and says so.
      return this.broken(error);
    }
  }

  private runGuarded(test: RunTest, budget: number, limit: Position): RunEnd {
    if (test.kind === 'prepared') this.step = test.step;
    else if (test.kind !== 'step') this.step = null;
    else this.step ??= this.forwardStep(test);
    for (let left = budget; left > 0;) {
      if (this.position >= limit) return this.arrive();
      const statementsBefore = this.statements;
      const stop = this.goOn(test, left, limit);
      if (stop !== null) return stop;
      left -= this.statements - statementsBefore + 1;
    }
    return { kind: 'budget' };
  }

  /** The next moment, or statements up to the next event: something ends at each of them. */
  private goOn(test: RunTest, budget: number, limit: Position): RunEnd | null {
    if (this.rests) return this.leaveRest();
    const { now } = this.turns;
    if (now === null) return this.passTurn();
    const { guest, vm } = now;
    if (this.upcallsUnchecked) {
      this.upcallsUnchecked = false;
      if (this.hypervisor.deliverEvents(vm.vcpu) !== 'none') {
        this.eventDone();
        return this.afterHypervisor(guest, vm);
      }
    }
    const step = this.step?.vm === vm ? this.step : null;
    vm.library = step?.quiet ?? guest.quiet;
    const stepBase = Math.max(step?.stepBase ?? -1, this.watches.localBase(vm));
    const exit = this.runProcessor(vm, this.grant(budget, limit), stepBase);
    this.statements += vm.executed;
    this.turns.quantumLeft -= vm.executed;
    if (this.position >= limit && MAKES_EVENT.has(exit)) return this.arriveBefore(vm, exit);
    return this.withData(this.handle(guest, vm, exit, { test, limit }), guest, vm, exit);
  }

  private grant(budget: number, limit: Position): number {
    const left = Math.max(this.turns.quantumLeft, 0);
    return Math.min(budget, limit - this.position, this.maxStatements - this.statements, left);
  }

  private leaveRest(): null {
    this.rests = false;
    this.otherMoments++;
    return null;
  }

  /** An event is done; the processor rests. */
  private eventDone(): void {
    this.otherMoments++;
    this.rests = true;
    this.upcallsUnchecked = true;
  }

  private passTurn(): Stop | null {
    if (!this.turns.pass()) return this.nobodyRuns();
    this.otherMoments++;
    this.upcallsUnchecked = true;
    return null;
  }

  /** At the limit: goes on to just before the next moment. */
  private arrive(): RunEnd {
    const { now } = this.turns;
    if (this.rests || now === null) return ARRIVED;
    if (this.upcallsUnchecked && eventDue(this.hypervisor, now.vm.vcpu)) return ARRIVED;
    this.upcallsUnchecked = false;
    return this.arriveBefore(now.vm, now.vm.run(NO_STATEMENT, -1));
  }

  /** The event is not made: the next run comes to it again. */
  private arriveBefore(vm: Vm, exit: Exit): RunEnd {
    if (exit === Exit.fault) vm.keepTrap();
    return ARRIVED;
  }

  /** Notes that the cursor has been told of what stands here: going on does not stop at it again. */
  settle(): void {
    const { now } = this.turns;
    if (now === null) return;
    const { vm } = now;
    vm.resuming = vm.atStatement && !this.rests;
    this.passing = vm.atHypercall && !this.rests ? vm : null;
    this.standsAtHypercall = vm.atHypercall || (this.rests && vm.isBehindHypercall);
  }

  /** Makes a statement of the running function the next one; the sentence that says why it cannot be, or null. */
  jump(vcpu: number, { file, line }: Pick<SourcePlace, 'file' | 'line'>): string | null {
    const found = this.turns.at(vcpu);
    if (found === undefined) return `There is no vCPU ${vcpu}.`;
    const { vm } = found;
    const { program } = vm;
    if (!vm.atStatement || this.rests) return NO_JUMP_FROM_EVENT;
    const fn = functionAt(program, vm.pc);
    const target = program.statements.find(
      ({ pc, range, continued }) =>
        range.file === file && range.line === line && !continued && functionAt(program, pc) === fn,
    );
    if (target === undefined)
      return `Line ${line} is not in ${fn?.name ?? 'the function'}, which is running.`;
    vm.jumpTo(target.pc);
    vm.resuming = true;
    return null;
  }

  /** Whether the processors are the same, at the same instructions, with the same in the windows that are in use. */
  hasWindowsOf({ turns, vms }: ExecutionState): boolean {
    return (
      turns.processors === this.turns.snapshot().processors &&
      turns.processors.every(({ vm }, i) => {
        const own = vms[i];
        return own?.pc === vm.pc && own.base === vm.base && vm.hasWindows(own.windows);
      })
    );
  }

  restoreWindows({ turns, vms }: ExecutionState): void {
    for (const [i, { vm }] of turns.processors.entries()) {
      const own = vms[i];
      if (own !== undefined) vm.restoreWindows(own.windows);
    }
  }

  /** What comes next will be another. */
  forgetFuture(): void {
    if (this.entered !== null && this.entered > this.position) this.entered = null;
  }

  /** Another vCPU than the schedule's runs next. */
  giveTurn(vcpu: number): void {
    this.turns.give(vcpu);
    this.upcallsUnchecked = true;
  }

  /** Everything about the run that is no cell of the store and not the recorder's. */
  snapshot(): ExecutionState {
    const { statements, otherMoments, rests, upcallsUnchecked, exit, guests, standsAtHypercall } = this;
    const turns = this.turns.snapshot();
    return {
      statements,
      otherMoments,
      rests,
      upcallsUnchecked,
      exit,
      standsAtHypercall,
      turns,
      vms: turns.processors.map(({ vm }) => vm.snapshot()),
      exits: guests.map((guest) => guest.exit),
      refault: this.refaults.last,
    };
  }

  restore(state: ExecutionState): void {
    this.statements = state.statements;
    this.otherMoments = state.otherMoments;
    this.rests = state.rests;
    this.upcallsUnchecked = state.upcallsUnchecked;
    this.exit = state.exit;
    this.standsAtHypercall = state.standsAtHypercall;
    this.refaults.last = state.refault;
    this.turns.restore(state.turns);
    for (const [i, guest] of this.guests.entries()) {
      guest.exit = state.exits[i] ?? null;
      guest.vms = state.turns.processors.filter((one) => one.guest === guest).map(({ vm }) => vm);
    }
    for (const [i, { vm }] of state.turns.processors.entries()) {
      const own = state.vms[i];
      if (own !== undefined) vm.restore(own);
    }
    this.step = null;
    this.isSliced = false;
    this.passing = null;
    this.passingStale = null;
    this.passingXen = null;
  }

  /** With the filter on, the use of a stale translation ends the run as a fault does, but not the one told last. */
  private runProcessor(vm: Vm, grant: number, stepBase: number): Exit {
    if (!this.stops.filters.stale) return vm.run(grant, stepBase);
    const isTold = this.passingStale === vm;
    this.passingStale = null;
    vm.mmu.watchStale(isTold ? 'note' : 'refuse');
    const exit = vm.run(isTold ? NO_STATEMENT : grant, stepBase);
    vm.mmu.watchStale('off');
    if (isTold) vm.mmu.takeStaleUse();
    return exit;
  }

  private forwardStep(test: Extract<StopTest, { readonly kind: 'step' }>): Step | null {
    const aim = this.aimOf(test);
    if (aim === null) return null;
    const { guest, vm, frames, index, quiet } = aim;
    const base = frames[test.how === 'out' ? index + 1 : index]?.base ?? -1;
    if (test.how !== 'into') return { vm, stepBase: base, quiet, own: null, enters: null };
    const { target } = test;
    if (target?.kind === 'hypercall')
      return { vm, stepBase: base, quiet, own: null, enters: { kind: 'named', name: target.name } };
    const stepBase = EVERY_STATEMENT;
    if (target?.kind === 'function')
      return { vm, stepBase, quiet: quietBut(guest, vm, target.name), own: null, enters: null };
    return { vm, stepBase, quiet, own: null, enters: this.stepIntoXen ? { kind: 'own' } : null };
  }

  /**
   * The step back from here: into the statement before it, over calls to the one before it in this function or a caller,
   * or out to the call of this function.
   */
  backwardStep(test: Extract<StopTest, { readonly kind: 'step' }>): RunTest {
    const aim = this.aimOf(test);
    if (aim === null) return { kind: 'continue' };
    const { vm, frames, index, quiet } = aim;
    if (test.how === 'into')
      return { kind: 'prepared', step: { vm, stepBase: EVERY_STATEMENT, quiet, own: null, enters: null } };
    const ends = frames.slice(test.how === 'out' ? index + 1 : index);
    const own = new Map(ends.map(({ base }) => [base, activated(vm, base)]));
    return { kind: 'prepared', step: { vm, stepBase: ends[0]?.base ?? -1, quiet, own, enters: null } };
  }

  private aimOf(test: Extract<StopTest, { readonly kind: 'step' }>): Aim | null {
    const found = this.turns.at(test.vcpu);
    if (found === undefined) return null;
    const { guest, vm } = found;
    const frames = guest.activations(vm);
    const index = this.standsAtHypercall ? Math.max(guest.userIndex(vm, frames), 0) : 0;
    const inLibrary = guest.userIndex(vm, frames) !== index;
    return { guest, vm, frames, index, quiet: inLibrary ? guest.quietInLibrary : guest.quiet };
  }

  // ---- whose turn it is ------------------------------------------------------------------------------------------------

  private nobodyRuns(): Stop {
    if (this.guests.every((guest) => guest.exit !== null)) return this.allEnded();
    const blocked = this.guests.filter((guest) => guest.exit === null).map(({ domain }) => domain.name);
    return this.endWithLimit(
      `every vCPU of ${blocked.join(', ')} waits for an event, and none is left that could send one`,
    );
  }

  // ---- exits of the processor ------------------------------------------------------------------------------------------

  private handle(guest: Guest, vm: Vm, exit: Exit, { test, limit }: Running): Stop | null {
    switch (exit) {
      case Exit.statement:
        return this.atStatement(vm);
      case Exit.breakpoint:
        return this.atBreakpoint(guest, vm, test);
      case Exit.watched:
        return null;
      case Exit.budget:
        if (this.statements >= this.maxStatements) return this.atLimit(guest, vm);
        return this.turns.quantumLeft <= 0 && this.position < limit ? this.passTurn() : null;
      case Exit.hypercall:
        return this.hypercall(guest, vm);
      case Exit.fault: {
        const use = vm.mmu.takeStaleUse();
        if (use !== null) return this.atStale(guest, vm, use);
        return (this.silent ? null : this.goIntoFault(guest, vm)) ?? this.fault(guest, vm);
      }
      case Exit.trapReturn:
        return this.trapReturn(guest, vm);
      case Exit.halted:
        this.eventDone();
        return this.ended(guest, vm, this.returned(guest, vm));
      case Exit.exited:
        this.eventDone();
        return this.ended(guest, vm, gaveUp(vm.status));
      case Exit.windows: {
        this.eventDone();
        const message = `d${guest.domain.id} has called functions more deeply than the model can follow.`;
        this.hypervisor.crash(guest.domain, { message, rule: null, walk: [] });
        return this.afterHypervisor(guest, vm);
      }
      default:
        throw new Error(`execution.handle: the processor left its loop with ${exit}`);
    }
  }

  private atStatement(vm: Vm): Stop | null {
    vm.resuming = true;
    return this.isStepEnd(vm) ? { kind: 'step', vcpu: this.numberOf(vm) } : null;
  }

  private isStepEnd(vm: Vm): boolean {
    const { step } = this;
    if (step?.vm !== vm || vm.base > step.stepBase || step.quiet[vm.statementIndex()] === 1) return false;
    if (step.own === null) return true;
    const own = step.own.get(vm.base);
    const here = activated(vm, vm.base);
    return own?.fn === here.fn && own.returnPc === here.returnPc;
  }

  private atBreakpoint(guest: Guest, vm: Vm, test: RunTest): Stop | null {
    vm.resuming = true;
    const met = this.stops.atPlace(this.breakpoints.at(vm.program, vm.pc), guest, vm);
    const vcpu = this.numberOf(vm);
    const isEntry = this.breakpoints.isReserved(vm.program, vm.pc);
    if (isEntry) this.entered ??= this.position;
    if (met.ids.length > 0) return { kind: 'breakpoint', vcpu, ...met };
    return (isEntry && test.kind === 'entry') || this.isStepEnd(vm) ? { kind: 'step', vcpu } : null;
  }

  private trapReturn(guest: Guest, vm: Vm): Stop | null {
    if (!vm.leaveTrap()) return this.fault(guest, vm);
    this.eventDone();
    this.args.fill(0);
    this.hypervisor.hypercall(vm.vcpu, IRET, this.args);
    return this.afterHypervisor(guest, vm);
  }

  private hypercall(guest: Guest, vm: Vm): Stop | null {
    const { hypervisor, args } = this;
    const nr = vm.hypercallArguments(args);
    const { vcpu } = vm;
    const call: PendingHypercall = { vcpu, nr, args, read: this.reader(vm) };
    const event: HypercallEvent = {
      guest,
      vm,
      call,
      requests: this.silent ? null : this.stops.requestsOf(call),
    };
    const waiting = this.silent ? null : (this.atHypercallBreakpoint(event) ?? this.goIntoXen(event));
    if (waiting !== null) return waiting;
    const described = this.recorder.isCallKnown ? null : this.describe(guest, vm, call);
    const from = this.position;
    this.checks = [];
    this.lastTrap = null;
    this.lastCall = hypercallName(nr);
    this.eventDone();
    vm.skip();
    const mark = this.stops.markBeforeHypercall();
    const stale = this.makeHypercall(vm, nr);
    const record = this.recorder.hypercall(from, described, {
      nr,
      rcLo: vm.resultLo(),
      rcHi: vm.resultHi(),
      done: hypervisor.done < 0 ? null : hypervisor.done,
      refusal: hypervisor.lastRefusal,
      checks: this.checks,
    });
    this.recordTrapOf(guest, vm, record);
    const stop = this.afterHypervisor(guest, vm);
    if (stop !== null || guest.exit !== null) return stop;
    if ((nr === SCHED_OP || nr === SCHED_OP_COMPAT) && args[0] === SCHEDOP_YIELD) this.turns.quantumLeft = 0;
    if (this.silent) return null;
    const told = this.stops.afterHypercall(event, this.numberOf(vm), record, mark);
    return told ?? (stale === null ? null : this.staleStop(guest, vm, stale, record));
  }

  /** The stop inside the hypercall, if the step in progress or a breakpoint of a listing leads into it. */
  private goIntoXen({ guest, vm, call }: HypercallEvent): Stop | null {
    const isPassing = this.passingXen === vm;
    this.passingXen = null;
    if (isPassing) return null;
    const enters = this.step?.vm === vm ? this.step.enters : null;
    const isAim =
      enters?.kind === 'own' ? isOwnHypercall(guest, vm) : enters?.name === hypercallName(call.nr);
    if (!isAim && !this.walks.hasSpots) return null;
    const entry = hypercallEntry(this.hypervisor, guest, vm, this.numberOf(vm), call);
    const stop = this.walks.begin(entry, isAim ? 'first line' : 'first breakpoint');
    if (stop !== null) {
      this.passing = vm;
      this.passingXen = vm;
    }
    return stop;
  }

  /**
   * The stop inside Xen's handling of a page fault: a step into a store that Xen carries out itself leads there, since
   * nothing else of it is seen; so does a breakpoint of a listing.
   */
  private goIntoFault(guest: Guest, vm: Vm): Stop | null {
    const isPassing = this.passingXen === vm;
    this.passingXen = null;
    if (isPassing || !vm.trapFromMmu) return null;
    const isAim = this.step?.vm === vm && this.step.enters?.kind === 'own';
    if (!isAim && !this.walks.hasSpots) return null;
    const entry = faultEntry(this.hypervisor, guest, vm, this.numberOf(vm));
    const stop =
      (isAim
        ? this.walks.beginIfAll(entry, ({ activation }) => activation.fn.id !== 'create_bounce_frame')
        : null) ?? this.walks.begin(entry, 'first breakpoint');
    if (stop === null) return null;
    this.passingXen = vm;
    vm.keepTrap();
    return stop;
  }

  /** Goes into the hypercall before which a vCPU stands, at its last line or breakpoint. */
  goBackIntoXen(vcpu: number, where: 'last line' | 'last breakpoint'): Stop | null {
    const found = this.turns.at(vcpu);
    if (found === undefined || !found.vm.atHypercall) return null;
    const { guest, vm } = found;
    if (where === 'last line' && !isOwnHypercall(guest, vm)) return null;
    const args = new Int32Array(this.args.length);
    const call = { vcpu: vm.vcpu, nr: vm.hypercallArguments(args), args, read: this.reader(vm) };
    const stop = this.walks.begin(hypercallEntry(this.hypervisor, guest, vm, vcpu, call), where);
    this.passing = vm;
    this.passingXen = vm;
    this.standsAtHypercall = true;
    return stop;
  }

  /** What is told of a call beside its outcome. */
  private describe(guest: Guest, vm: Vm, call: PendingHypercall): CallDescription {
    const place = guest.userPlace(vm);
    return {
      domain: guest.domain.id,
      vcpu: vm.vcpu.id,
      file: place?.file ?? null,
      line: place?.line ?? null,
      args: describeArguments(call),
    };
  }

  /** Makes the hypercall; the stale translation that Xen used for the guest's pointers, if that is asked for. */
  private makeHypercall(vm: Vm, nr: number): StaleUse | null {
    if (this.stops.filters.stale) vm.mmu.watchStale('note');
    this.hypervisor.hypercall(vm.vcpu, nr, this.args);
    vm.mmu.watchStale('off');
    return vm.mmu.takeStaleUse();
  }

  private atStale(guest: Guest, vm: Vm, use: StaleUse): Stop {
    this.passingStale = vm;
    return this.staleStop(guest, vm, use, guest.userPlace(vm));
  }

  private staleStop(guest: Guest, vm: Vm, use: StaleUse, place: ToldPlace | null): Stop {
    const record = {
      domain: guest.domain.id,
      vcpu: vm.vcpu.id,
      address: formatHex(joinWords(use.vaLo, vm.is64 ? use.vaHi : 0)),
      access: use.kind,
      frame: formatFrame(use.frame),
      mapped: use.mapped === null ? null : formatFrame(use.mapped),
      file: place?.file ?? null,
      line: place?.line ?? null,
    };
    return { kind: 'stale', vcpu: this.numberOf(vm), record };
  }

  private atHypercallBreakpoint(event: HypercallEvent): Stop | null {
    const isPassing = this.passing === event.vm;
    this.passing = null;
    if (isPassing || !this.breakpoints.watchesHypercalls) return null;
    const stop = this.stops.beforeHypercall(event, this.numberOf(event.vm));
    if (stop !== null) this.passing = event.vm;
    return stop;
  }

  /** What data breakpoints have met: a stop of its own, or told with the stop that there is anyway. */
  private withData(stop: Stop | null, guest: Guest, vm: Vm, exit: Exit): Stop | null {
    if (this.silent || !this.watches.isActive) return stop;
    const met = this.watches.met(vm, HAS_ENTERED_XEN.has(exit));
    if (met.length === 0) return stop;
    const during = exit === Exit.hypercall ? this.lastCall : null;
    const told = this.stops.dataStop(met, { guest, vm, vcpu: this.numberOf(vm), during });
    if (told?.kind !== 'data' || stop === null) return stop ?? told;
    return { ...stop, data: told.hits };
  }

  private fault(guest: Guest, vm: Vm): Stop | null {
    const { hypervisor } = this;
    const { vcpu } = vm;
    const place = guest.userPlace(vm);
    const { vaLo, vaHi, errorCode } = vcpu.mmu.fault;
    const isPageFault = vm.trapFromMmu && vm.trapVector !== VECTOR_GENERAL_PROTECTION;
    const told: FaultTold = {
      vector: vm.trapVector,
      cr2: isPageFault ? joinWords(vaLo, vm.is64 ? vaHi : 0) : null,
      errorCode: isPageFault ? errorCode | (vcpu.inUserMode ? FAULT_USER : 0) : null,
      place,
    };
    this.eventDone();
    this.lastTrap = null;
    const result = vm.trapFromMmu
      ? hypervisor.deliverPageFault(vcpu)
      : hypervisor.deliverTrap(vcpu, vm.trapVector, vm.trapVector === VECTOR_GENERAL_PROTECTION ? 0 : null);
    const record = this.recordFault(guest, vm, told);
    if (result === 'emulated') {
      vm.skip();
      return null;
    }
    const stop = this.afterHypervisor(guest, vm);
    if (stop !== null || guest.exit !== null) return stop;
    if (guest.isHandlerScript && this.refaults.isHopeless(record, vcpu.regLo(R.rsp)))
      return this.ended(guest, vm, hopeless(record));
    return this.silent ? null : this.stops.afterFault(guest, vm, this.numberOf(vm), record);
  }

  /** A trap that the hypercall itself has raised. */
  private recordTrapOf(guest: Guest, vm: Vm, place: ToldPlace): void {
    const trap: DeliveredTrap | null = this.lastTrap;
    if (trap !== null)
      this.recordFault(guest, vm, { vector: trap.vector, cr2: null, errorCode: trap.errorCode, place });
  }

  private recordFault(guest: Guest, vm: Vm, told: FaultTold): FaultRecord {
    const trap: DeliveredTrap | null = this.lastTrap;
    return this.recorder.fault({
      domain: guest.domain.id,
      vcpu: vm.vcpu.id,
      vector: told.vector,
      cr2: told.cr2 === null ? null : formatHex(told.cr2),
      errorCode: told.errorCode ?? trap?.errorCode ?? null,
      file: told.place?.file ?? null,
      line: told.place?.line ?? null,
      deliveredTo: trap === null ? null : guest.ownName(this.handlerName(vm, trap)),
    });
  }

  /** The C function behind a trap's entry: through the stubs it is the one in the library's table. */
  private handlerName(vm: Vm, { handlerLo, handlerHi }: DeliveredTrap): string {
    const { program } = vm;
    const pc = vm.pcOf(handlerLo, handlerHi);
    const stub = Math.floor((pc - program.trapStubs) / TRAP_STUB_INSTRUCTIONS);
    const address = joinWords(handlerLo, vm.is64 ? handlerHi : 0);
    if (pc < 0) return formatHex(address);
    if (stub < 0 || stub >= TRAP_STUBS) return functionAt(program, pc)?.name ?? formatHex(address);
    const table = program.unit.scope.symbols.get(TRAP_HANDLERS);
    const location = table?.kind === 'variable' ? program.locations.get(table) : undefined;
    if (location?.kind !== 'static') return formatHex(address);
    const { wordBytes } = program.model;
    const handler = this.reader(vm)(location.address + BigInt(stub * wordBytes), wordBytes) ?? 0n;
    const target = vm.pcOf(Number(BigInt.asIntN(32, handler)), Number(BigInt.asIntN(32, handler >> 32n)));
    return functionAt(program, target)?.name ?? formatHex(handler);
  }

  /** The hypervisor has had the vCPU: its registers may be others, its domain may have ended. */
  private afterHypervisor(guest: Guest, vm: Vm): Stop | null {
    const { state } = guest.domain;
    if (state.kind === 'running') {
      vm.load();
      return null;
    }
    if (state.kind === 'shutdown') return this.ended(guest, vm, shutDown(state.reason));
    const { message, walk } = state.crash;
    return this.ended(guest, vm, { status: 3, kind: 'crashed', reason: [message, ...walk].join('\n') });
  }

  // ---- ends --------------------------------------------------------------------------------------------------------------

  private returned(guest: Guest, vm: Vm): ExitInfo {
    const { status } = vm;
    if (status === 0 && guest.isHandlerScript && !this.hasFaulted(guest)) return unused(guest.entryName);
    if (status === 0) return { status: 0, kind: 'finished', reason: `${guest.entryName} has finished` };
    return { status: 1, kind: 'failed', reason: `${guest.entryName} returned ${status}` };
  }

  private hasFaulted({ domain }: Guest): boolean {
    return this.recorder.faults.some((record) => record.domain === domain.id);
  }

  private ended(guest: Guest, vm: Vm, exit: ExitInfo): Stop | null {
    guest.exit = exit;
    const isLast = this.guests.every((one) => one.exit !== null);
    const end = isLast ? this.allEnded() : null;
    if (exit.kind === 'crashed' && !this.silent && this.stops.filters.crashed) {
      return { kind: 'crashed', vcpu: this.numberOf(vm), exit };
    }
    return end;
  }

  private allEnded(): Stop {
    const exits = this.guests.flatMap(({ exit }) => (exit === null ? [] : [exit]));
    const worst = exits.reduce((a, b) => (SEVERITY.indexOf(b.kind) > SEVERITY.indexOf(a.kind) ? b : a));
    return this.endSession(worst);
  }

  private endSession(exit: ExitInfo): Stop {
    this.exit = exit;
    this.recorder.flush();
    return { kind: 'exited', exit };
  }

  private atLimit(guest: Guest, vm: Vm): Stop {
    const place = guest.userPlace(vm);
    const where = place === null ? '' : ` at ${place.file}:${place.line}`;
    return this.endWithLimit(`the limit of ${this.maxStatements} statements was reached${where}`);
  }

  private endWithLimit(reason: string): Stop {
    const exit: ExitInfo = { status: 4, kind: 'limit', reason };
    this.endSession(exit);
    return { kind: 'limit', vcpu: this.turns.number, exit };
  }

  private broken(error: unknown): Stop {
    if (error instanceof OutOfModelMemory) return this.endWithLimit(error.message);
    const reason = error instanceof Error ? error.message : String(error);
    const exit: ExitInfo = { status: 5, kind: 'internal', reason: `the model is wrong: ${reason}` };
    this.endSession(exit);
    return { kind: 'internal', exit };
  }

  private reader(vm: Vm): (address: bigint, bytes: number) => bigint | null {
    const { machine } = this.hypervisor;
    const translate = byPageTables(machine, vm.vcpu);
    return (address, bytes) => {
      const read = readBytes(machine, translate, address, bytes);
      return read.length < bytes ? null : integerOf(read);
    };
  }
}

/** From where a step sets out. */
interface Aim {
  readonly guest: Guest;
  readonly vm: Vm;
  readonly frames: readonly Activation[];
  /** The frame that the user sees as the innermost. */
  readonly index: number;
  readonly quiet: Uint8Array;
}

function activated({ windows }: Vm, base: number): Activated {
  return { fn: windows[base] ?? 0, returnPc: windows[base + Slot.returnPc] ?? 0 };
}

/** What is known of a fault before it is delivered. */
interface FaultTold {
  readonly vector: number;
  readonly cr2: bigint | null;
  readonly errorCode: number | null;
  readonly place: ToldPlace | null;
}

/** The user's own line. */
type ToldPlace = Pick<FaultRecord, 'file' | 'line'>;

function gaveUp(status: number): ExitInfo {
  if (status === 0) return { status: 0, kind: 'finished', reason: 'the script has ended itself' };
  return { status: 1, kind: 'failed', reason: `the script has ended itself with status ${status}` };
}

function unused(handler: string): ExitInfo {
  const reason = `${handler} was never called: the address of the access is mapped already, and so it did not fault`;
  return { status: 0, kind: 'finished', reason, isUnexpected: true };
}

function hopeless({ cr2, deliveredTo }: FaultRecord): ExitInfo {
  const reason = `${deliveredTo ?? 'the handler'} returned ${HOPELESS_FAULTS} times, but the access to ${cr2 ?? 'memory'} never completed`;
  return { status: 1, kind: 'failed', reason };
}

function shutDown(reason: number): ExitInfo {
  const text = SHUTDOWN_TEXTS[reason];
  if (text !== undefined) return { status: 0, kind: 'finished', reason: `the domain has ${text}` };
  return { status: 3, kind: 'crashed', reason: `the domain has shut down with reason ${reason} (crash)` };
}
