/**
 * The hypervisor: the doors through which a guest's processor enters it, and the state that its calls share. What the
 * calls do is in free functions beside this file, one file a hypercall; they are plain and synchronous, and work on
 * 32-bit words (ARCHITECTURE.md, decisions 2 and 3).
 */

import type { Abi } from '../abi/index.ts';
import type { Domain, DomainCrash } from '../machine/domain.ts';
import type { FrameTable } from '../machine/frames.ts';
import type { Machine } from '../machine/machine.ts';
import type { PhysicalMemory } from '../machine/memory.ts';
import { Control, RunState } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { CONTEXT_SWITCHED } from './context.ts';
import { DomainExtras } from './domain-extras.ts';
import { EntryMasks } from './entry-masks.ts';
import { EventChannelTables } from './event-channels.ts';
import { GrantTables } from './grant-table.ts';
import { Heap } from './heap.ts';
import { HYPERCALLS } from './hypercalls.ts';
import { type PendingRefusal, explainRefusal, refuse } from './refusal.ts';
import { RULE_SETS, type RuleSet } from './rule-sets.ts';
import { type SegmentRegister, loadSegment } from './segments.ts';
import { buildDomain } from './start-of-day.ts';
import { TlbClock } from './tlb.ts';
import { eventDue } from './shared-info.ts';
import { enterEventCallback, pageFault, trapToGuest } from './traps.ts';
import { type Tracer, left } from './trace.ts';
import type { DomainSpec, HypervisorObserver, HypervisorOptions, Refusal } from './types.ts';

export type { DomainSpec, GuestImage, HypervisorObserver, HypervisorOptions, Refusal } from './types.ts';
export { DEFAULT_OPTIONS } from './types.ts';

export class Hypervisor {
  readonly machine: Machine;
  readonly options: HypervisorOptions;
  readonly ruleSet: RuleSet;
  readonly abi: Abi;
  /** Whether page-table entries have two words. */
  readonly wide: boolean;
  readonly memory: PhysicalMemory;
  readonly frames: FrameTable;
  readonly masks: EntryMasks;
  readonly heap: Heap;
  readonly tlb: TlbClock;
  readonly extras: DomainExtras;
  readonly grants: GrantTables;
  readonly events: EventChannelTables;
  /** Told of hypercalls, refusals, traps, crashes and console output; null costs nothing. */
  observer: HypervisorObserver | null = null;
  /** Told of each line that a hypercall goes through; null costs a comparison a line. */
  tracer: Tracer | null = null;

  // The scratch of the call in progress; nothing of it lives on between calls but what `lastRefusal` explains.
  /** The refusal of the present or last hypercall: the first check that failed, innermost. */
  pending: PendingRefusal | null = null;
  /** Why the last getPageType failed; see type-system.ts. */
  typeFailure = 0;
  /** Whether the last failed promotion leaves the type bits (facts 3.9). */
  promotionKeptType = false;
  /** Number of the domain whose hypercall is in progress. */
  caller = 0;
  /** The request of a batch that is being worked on; -1 outside batches. */
  requestIndex = -1;
  /** Requests that the last batch completed; -1 when the last hypercall was none. */
  done = -1;
  /** A TLB flush that is due when the hypercall ends. */
  flushDue = false;
  /** A trap that the guest gets when the hypercall ends; -1 for none. */
  trapDue = -1;
  private explained: Refusal | null = null;

  constructor(machine: Machine, options: HypervisorOptions) {
    this.machine = machine;
    this.options = options;
    this.ruleSet = RULE_SETS[options.xen];
    this.abi = machine.abi;
    this.wide = machine.abi.entryBytes === 8;
    this.memory = machine.memory;
    this.frames = machine.frames;
    this.masks = new EntryMasks(machine.abi, this.ruleSet, options);
    this.heap = new Heap(machine);
    this.tlb = new TlbClock(machine.store, machine);
    this.extras = new DomainExtras(machine.store);
    this.grants = new GrantTables(this);
    this.events = new EventChannelTables(machine.store);
  }

  /**
   * Builds a domain as the toolstack does (facts 6) and returns it, ready to run its first instruction. It cannot be
   * undone. Throws an Error with one sentence when the machine has not the memory.
   */
  createDomain(spec: DomainSpec): Domain {
    return this.machine.store.withoutJournal(() => buildDomain(this, spec));
  }

  /**
   * A hypercall of the guest kernel; `args` are six lo/hi pairs and rip points after the instruction. The result is in
   * rax afterwards. It may have changed rip, rsp and mode (iret) or stopped the domain: look at `domain.isRunning`.
   */
  hypercall(vcpu: Vcpu, nr: number, args: Int32Array): void {
    this.pending = null;
    this.explained = null;
    this.caller = vcpu.domain.id;
    this.requestIndex = -1;
    this.done = -1;
    const observer = this.observer;
    if (observer !== null) observer.hypercallEntered?.(vcpu, nr, args);
    const rc = this.dispatch(vcpu, nr, args);
    if (rc !== CONTEXT_SWITCHED) vcpu.setResult(rc);
    if (this.trapDue >= 0) this.deliverDueTrap(vcpu);
    if (observer !== null) {
      const refusal = this.lastRefusal;
      if (refusal !== null) observer.refused?.(vcpu, refusal);
      observer.hypercallReturned?.(
        vcpu,
        nr,
        rc === CONTEXT_SWITCHED ? 0 : rc,
        this.done < 0 ? null : this.done,
      );
    }
    this.deliverEvents(vcpu);
  }

  /**
   * Lets a vCPU that is about to run enter its event callback, if an event waits and it takes events. Hypercalls end with
   * it by themselves; whoever schedules vCPUs calls it when a vCPU's turn comes.
   */
  deliverEvents(vcpu: Vcpu): 'none' | 'delivered' | 'crashed' {
    const isRunning = vcpu.domain.isRunning && vcpu.control(Control.runState) === RunState.running;
    return isRunning && eventDue(this, vcpu) ? enterEventCallback(this, vcpu) : 'none';
  }

  /** Runs one hypercall within another (multicall); the result is returned, not put into rax. */
  dispatch(vcpu: Vcpu, nr: number, args: Int32Array): number {
    const row = HYPERCALLS[nr];
    if (row === undefined) return refuse(this, 'hypercall.unknown', { number: nr });
    if (row.run === null) return refuse(this, 'hypercall.not-modelled', { name: row.name });
    if (this.tracer === null) return row.run(this, vcpu, args);
    this.tracer.entered(`do_${row.name}`, {});
    return left(this, row.run(this, vcpu, args));
  }

  /**
   * The fault that `vcpu.mmu.fault` holds: Xen carries out a store to an L1 table where it emulates, or delivers it to
   * the guest's handler, or crashes the domain. Returns what it did; rip is that of the operation that faulted.
   */
  deliverPageFault(vcpu: Vcpu): 'emulated' | 'delivered' | 'crashed' {
    this.caller = vcpu.domain.id;
    const done = pageFault(this, vcpu);
    if (this.trapDue >= 0) this.deliverDueTrap(vcpu);
    return done;
  }

  /** Another trap of the guest's processor: #DE, #UD, #GP, int3. `errorCode` is null for vectors without one. */
  deliverTrap(vcpu: Vcpu, vector: number, errorCode: number | null): 'delivered' | 'crashed' {
    return trapToGuest(this, vcpu, vector, errorCode);
  }

  private deliverDueTrap(vcpu: Vcpu): void {
    const vector = this.trapDue;
    this.trapDue = -1;
    if (vcpu.domain.isRunning) this.deliverTrap(vcpu, vector, 0);
  }

  /**
   * The guest's processor loads a data segment register: 'loaded', or what became of the trap that the selector
   * raised. Pages of the LDT are taken as descriptor pages at their first use.
   */
  loadSegment(vcpu: Vcpu, register: SegmentRegister, selector: number): 'loaded' | 'delivered' | 'crashed' {
    return loadSegment(this, vcpu, register, selector);
  }

  /** Present exactly when the last hypercall was refused; made when it is first asked for. */
  get lastRefusal(): Refusal | null {
    if (this.pending === null) return null;
    return (this.explained ??= explainRefusal(this, this.pending));
  }

  crash(domain: Domain, crash: DomainCrash): void {
    domain.crash(crash);
    this.observer?.crashed?.(domain, crash);
  }
}
