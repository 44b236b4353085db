/**
 * The cursor that moves: runs the processors of all guests in turn, makes their hypercalls, delivers their faults, and
 * knows when to stop. Deterministic: the turn passes on when a vCPU yields, blocks, ends or has had its quantum.
 */

import { TRAP_HANDLERS, TRAP_STUBS, TRAP_STUB_INSTRUCTIONS } from '../guest-c/compile-stubs.ts';
import { functionAt } from '../guest-c/program.ts';
import { EVERY_STATEMENT, Exit, VECTOR_GENERAL_PROTECTION } from '../guest-c/vm-exit.ts';
import type { Vm } from '../guest-c/vm.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { wake } from '../hypervisor/event-channels.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import type { DeliveredTrap } from '../hypervisor/types.ts';
import { OutOfModelMemory } from '../machine/memory.ts';
import type { StaleUse } from '../machine/mmu.ts';
import { Control, R, RunState } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { formatFrame, formatHex, joinWords } from '../units.ts';
import type { BreakpointTable } from './breakpoints.ts';
import { byPageTables, integerOf, readBytes } from './guest-memory.ts';
import type { Guest } from './guest.ts';
import { type PendingHypercall, describeArguments, subOperations } from './hypercall-text.ts';
import type { Recorder } from './recorder.ts';
import { HOPELESS_FAULTS, RefaultWatch } from './refaults.ts';
import {
  type BreakpointSpec,
  type ExceptionFilters,
  type ExitInfo,
  type FaultRecord,
  NO_FILTERS,
  type SourcePlace,
  type Stop,
  type StopTest,
  type VcpuSummary,
} from './types.ts';

/** Statements that a vCPU has before the next one's turn. */
const QUANTUM = 10_000;
/** Statements granted to end the one that has begun, and begin none. */
const REST_OF_STATEMENT = 0;
const SCHED_OP = 29;
const SCHED_OP_COMPAT = 6;
const SCHEDOP_YIELD = 0;
const IRET = 23;
const FAULT_USER = 4;
/** What `exited` says of several guests is the worst of them. */
const SEVERITY: readonly ExitInfo['kind'][] = ['finished', 'failed', 'limit', 'crashed', 'internal'];
/** SHUTDOWN_* reasons that are an orderly end. */
const SHUTDOWN_TEXTS: readonly string[] = ['powered off', 'asked for a reboot', 'suspended itself'];

/** How a run may end by itself: at a step's end, at the user's first statement, or not. */
export type RunTest = StopTest | { readonly kind: 'entry' };

/** A step in progress. */
interface Step {
  readonly vm: Vm;
  /** Stops at statements of this window and those below; EVERY_STATEMENT for steps into. */
  readonly stepBase: number;
  readonly quiet: Uint8Array;
}

/** Decides whether a breakpoint with a condition holds at the present place. */
export type ConditionTest = (spec: BreakpointSpec, guest: Guest, vm: Vm) => boolean;

export class Execution {
  readonly guests: readonly Guest[];
  readonly recorder: Recorder;
  readonly breakpoints: BreakpointTable;
  filters: ExceptionFilters = { ...NO_FILTERS, refused: true, crashed: true };
  statements = 0;
  exit: ExitInfo | null = null;
  /** The last stop stands inside the library, at a hypercall: frames begin with the user's. */
  standsAtHypercall = false;
  /** Collects the checks of hypercalls when they are traced. */
  checks: string[] = [];
  private readonly hypervisor: Hypervisor;
  private readonly maxStatements: number;
  private readonly holds: ConditionTest;
  /** Every vCPU, in the order in which they were made. */
  private readonly all: { readonly guest: Guest; readonly vm: Vm }[];
  private readonly args = new Int32Array(12);
  private current = 0;
  private quantumLeft = QUANTUM;
  private readonly refaults = new RefaultWatch();
  private step: Step | null = null;
  /** The hypercall at which a breakpoint has stopped already. */
  private passing: Vm | null = null;
  /** The vCPU that stands at a stale translation, and has been told of it. */
  private passingStale: Vm | null = null;
  private lastTrap: DeliveredTrap | null = null;

  constructor(fields: {
    readonly guests: readonly Guest[];
    readonly hypervisor: Hypervisor;
    readonly recorder: Recorder;
    readonly breakpoints: BreakpointTable;
    readonly maxStatements: number;
    readonly holds: ConditionTest;
  }) {
    this.guests = fields.guests;
    this.hypervisor = fields.hypervisor;
    this.recorder = fields.recorder;
    this.breakpoints = fields.breakpoints;
    this.maxStatements = fields.maxStatements;
    this.holds = fields.holds;
    this.all = this.guests.flatMap((guest) => guest.vms.map((vm) => ({ guest, vm })));
  }

  /** Told by the hypervisor's observer. */
  trapDelivered(trap: DeliveredTrap): void {
    this.lastTrap = trap;
  }

  /** Told by the hypervisor's observer: a guest has given a further vCPU its first state. */
  vcpuInitialised(vcpu: Vcpu): void {
    const guest = this.guests.find(({ domain }) => domain === vcpu.domain);
    if (guest === undefined || guest.vms.some((vm) => vm.vcpu === vcpu)) return;
    this.all.push({ guest, vm: guest.addVcpu(vcpu) });
  }

  numberOf(vm: Vm): number {
    return this.all.findIndex((one) => one.vm === vm);
  }

  at(vcpu: number): { readonly guest: Guest; readonly vm: Vm } | undefined {
    return this.all[vcpu];
  }

  stateOf(guest: Guest, vm: Vm): VcpuSummary['state'] {
    if (guest.exit !== null) return guest.exit.kind === 'crashed' ? 'crashed' : 'finished';
    return isRunnable(guest, vm) ? 'running' : 'blocked';
  }

  run(test: RunTest, budget: number): Stop {
    if (this.exit !== null) return { kind: 'exited', exit: this.exit };
    try {
      const stop = this.runGuarded(test, budget);
      if (stop.kind !== 'budget') this.step = null;
      this.standsAtHypercall = stop.kind === 'hypercall' || stop.kind === 'refused';
      return stop;
    } catch (error) {
      // The one place where a broken invariant of the model ends: the run is over, and says so.
      return this.broken(error);
    }
  }

  private runGuarded(test: RunTest, budget: number): Stop {
    if (test.kind !== 'step') this.step = null;
    else if (this.step === null) this.beginStep(test);
    for (let left = budget; left > 0;) {
      const turn = this.turn();
      if (turn === null) return this.nobodyRuns();
      const { guest, vm } = turn;
      if (this.hypervisor.deliverEvents(vm.vcpu) !== 'none') {
        const stop = this.afterHypervisor(guest, vm);
        if (stop !== null) return stop;
        if (guest.exit !== null) continue;
      }
      const several = this.all.length > 1;
      const grant = Math.min(
        left,
        this.maxStatements - this.statements,
        several ? this.quantumLeft : Infinity,
        0x3fff_ffff,
      );
      const step = this.step?.vm === vm ? this.step : null;
      vm.library = step?.quiet ?? guest.quiet;
      const exit = this.runProcessor(vm, grant, step?.stepBase ?? -1);
      this.statements += vm.executed;
      this.quantumLeft -= vm.executed;
      left -= vm.executed + 1;
      const stop = this.handle(guest, vm, exit, test);
      if (stop !== null) return stop;
    }
    return { kind: 'budget' };
  }

  /** With the filter on, the use of a stale translation ends the run as a fault does, but not the one told last. */
  private runProcessor(vm: Vm, grant: number, stepBase: number): Exit {
    if (!this.filters.stale) return vm.run(grant, stepBase);
    const isTold = this.passingStale === vm;
    this.passingStale = null;
    vm.mmu.watchStale(isTold ? 'note' : 'refuse');
    const exit = vm.run(isTold ? REST_OF_STATEMENT : grant, stepBase);
    vm.mmu.watchStale('off');
    if (isTold) vm.mmu.takeStaleUse();
    return exit;
  }

  private beginStep(test: Extract<StopTest, { readonly kind: 'step' }>): void {
    const found = this.all[test.vcpu];
    if (found === undefined) return;
    const { guest, vm } = found;
    this.current = test.vcpu;
    const frames = guest.activations(vm);
    const index = this.standsAtHypercall ? Math.max(guest.userIndex(vm, frames), 0) : 0;
    const inLibrary = guest.userIndex(vm, frames) !== index;
    const frame = frames[test.how === 'out' ? index + 1 : index];
    const stepBase = test.how === 'into' ? EVERY_STATEMENT : (frame?.base ?? -1);
    this.step = { vm, stepBase, quiet: inLibrary ? guest.quietInLibrary : guest.quiet };
  }

  // ---- whose turn it is ------------------------------------------------------------------------------------------------

  private turn(): { readonly guest: Guest; readonly vm: Vm } | null {
    if (this.quantumLeft <= 0) this.passTurn();
    for (let i = 0; i < this.all.length; i++) {
      const found = this.all[this.current];
      if (found !== undefined && isRunnable(found.guest, found.vm)) return found;
      this.passTurn();
    }
    return this.passTime() ? this.turn() : null;
  }

  /** When nobody runs, time passes until the first poll that has a timeout is over. */
  private passTime(): boolean {
    const sleeper = this.all.find(
      ({ guest, vm }) => guest.exit === null && vm.vcpu.control(Control.pollTimes) !== 0,
    );
    if (sleeper === undefined) return false;
    wake(sleeper.vm.vcpu);
    return true;
  }

  private passTurn(): void {
    this.current = (this.current + 1) % this.all.length;
    this.quantumLeft = QUANTUM;
  }

  private nobodyRuns(): Stop {
    if (this.guests.every((guest) => guest.exit !== null)) return this.allEnded();
    const blocked = this.guests.filter((guest) => guest.exit === null).map(({ domain }) => domain.name);
    return this.endWithLimit(
      `every vCPU of ${blocked.join(', ')} waits for an event, and none is left that could send one`,
    );
  }

  // ---- exits of the processor ------------------------------------------------------------------------------------------

  private handle(guest: Guest, vm: Vm, exit: Exit, test: RunTest): Stop | null {
    switch (exit) {
      case Exit.statement:
        return this.atStatement(vm);
      case Exit.breakpoint:
        return this.atBreakpoint(guest, vm, test);
      case Exit.budget:
        return this.statements >= this.maxStatements ? this.atLimit(guest, vm) : null;
      case Exit.hypercall:
        return this.hypercall(guest, vm);
      case Exit.fault: {
        const use = vm.mmu.takeStaleUse();
        return use === null ? this.fault(guest, vm) : this.atStale(guest, vm, use);
      }
      case Exit.trapReturn:
        this.args.fill(0);
        this.hypervisor.hypercall(vm.vcpu, IRET, this.args);
        return this.afterHypervisor(guest, vm);
      case Exit.halted:
        return this.ended(guest, vm, this.returned(guest, vm));
      case Exit.exited:
        return this.ended(guest, vm, gaveUp(vm.status));
      case Exit.windows: {
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
    const step = this.step;
    if (step === null || step.quiet[vm.statementIndex()] === 1) return null;
    return { kind: 'step', vcpu: this.numberOf(vm) };
  }

  private atBreakpoint(guest: Guest, vm: Vm, test: RunTest): Stop | null {
    vm.resuming = true;
    const here = this.breakpoints.at(vm.program, vm.pc);
    const ids = here.filter((spec) => this.holds(spec, guest, vm)).map(({ id }) => id);
    const vcpu = this.numberOf(vm);
    if (ids.length > 0) return { kind: 'breakpoint', vcpu, ids };
    if (test.kind === 'entry' && this.breakpoints.isReserved(vm.program, vm.pc))
      return { kind: 'step', vcpu };
    const { step } = this;
    const isStep = step?.vm === vm && vm.base <= step.stepBase && step.quiet[vm.statementIndex()] !== 1;
    return isStep ? { kind: 'step', vcpu } : null;
  }

  private hypercall(guest: Guest, vm: Vm): Stop | null {
    const { hypervisor, args } = this;
    const nr = vm.hypercallArguments(args);
    const { vcpu } = vm;
    const call: PendingHypercall = { vcpu, nr, args, read: this.reader(vm) };
    const waiting = this.atHypercallBreakpoint(guest, vm, call);
    if (waiting !== null) return waiting;
    const place = guest.userPlace(vm);
    const described = describeArguments(call);
    this.checks = [];
    this.lastTrap = null;
    vm.skip();
    const stale = this.makeHypercall(vm, nr);
    const refusal = hypervisor.lastRefusal;
    const record = this.recorder.hypercall({
      domain: guest.domain.id,
      vcpu: vcpu.id,
      nr,
      place,
      args: described,
      rcLo: vm.resultLo(),
      rcHi: vm.resultHi(),
      done: hypervisor.done < 0 ? null : hypervisor.done,
      refusal,
      checks: this.checks,
    });
    this.recordTrapOf(guest, vm, place);
    const stop = this.afterHypervisor(guest, vm);
    if (stop !== null || guest.exit !== null) return stop;
    if ((nr === SCHED_OP || nr === SCHED_OP_COMPAT) && args[0] === SCHEDOP_YIELD) this.passTurn();
    if (refusal !== null && this.filters.refused) return { kind: 'refused', vcpu: this.numberOf(vm), record };
    return stale === null ? null : this.staleStop(guest, vm, stale, place);
  }

  /** Makes the hypercall; the stale translation that Xen used for the guest's pointers, if that is asked for. */
  private makeHypercall(vm: Vm, nr: number): StaleUse | null {
    if (this.filters.stale) vm.mmu.watchStale('note');
    this.hypervisor.hypercall(vm.vcpu, nr, this.args);
    vm.mmu.watchStale('off');
    return vm.mmu.takeStaleUse();
  }

  private atStale(guest: Guest, vm: Vm, use: StaleUse): Stop {
    this.passingStale = vm;
    return this.staleStop(guest, vm, use, guest.userPlace(vm));
  }

  private staleStop(guest: Guest, vm: Vm, use: StaleUse, place: SourcePlace | null): Stop {
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

  private atHypercallBreakpoint(guest: Guest, vm: Vm, call: PendingHypercall): Stop | null {
    const isPassing = this.passing === vm;
    this.passing = null;
    if (isPassing || !this.breakpoints.watchesHypercalls) return null;
    const name = hypercallName(call.nr);
    const met = this.breakpoints.matching(name, subOperations(call));
    const ids = met.filter((spec) => this.holds(spec, guest, vm)).map(({ id }) => id);
    if (ids.length === 0) return null;
    this.passing = vm;
    return { kind: 'hypercall', vcpu: this.numberOf(vm), ids, name, args: describeArguments(call) };
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
    return this.filters.fault ? { kind: 'fault', vcpu: this.numberOf(vm), record } : null;
  }

  /** A trap that the hypercall itself has raised. */
  private recordTrapOf(guest: Guest, vm: Vm, place: SourcePlace | null): void {
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
    if (status === 0) return { status: 0, kind: 'finished', reason: `${guest.entryName} has finished` };
    return { status: 1, kind: 'failed', reason: `${guest.entryName} returned ${status}` };
  }

  private ended(guest: Guest, vm: Vm, exit: ExitInfo): Stop | null {
    guest.exit = exit;
    const isLast = this.guests.every((one) => one.exit !== null);
    const end = isLast ? this.allEnded() : null;
    if (exit.kind === 'crashed' && this.filters.crashed) {
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
    return { kind: 'limit', vcpu: this.current, exit };
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

/** What is known of a fault before it is delivered. */
interface FaultTold {
  readonly vector: number;
  readonly cr2: bigint | null;
  readonly errorCode: number | null;
  readonly place: SourcePlace | null;
}

const isRunnable = (guest: Guest, vm: Vm): boolean =>
  guest.exit === null && guest.domain.isRunning && vm.vcpu.control(Control.runState) === RunState.running;

function gaveUp(status: number): ExitInfo {
  if (status === 0) return { status: 0, kind: 'finished', reason: 'the script has ended itself' };
  return { status: 1, kind: 'failed', reason: `the script has ended itself with status ${status}` };
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
