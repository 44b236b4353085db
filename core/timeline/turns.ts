/**
 * Whose turn it is: the processors of all guests run one after the other. A turn passes on when its vCPU yields, blocks,
 * ends or has had its quantum; that depends on the run alone, so a repetition takes the same turns.
 */

import type { Vm } from '../guest-c/vm.ts';
import { wake } from '../hypervisor/event-channels.ts';
import { Control, RunState } from '../machine/registers.ts';
import type { DomainId } from '../units.ts';
import type { Guest } from './guest.ts';
import type { VcpuNumber } from './types.ts';

/** Statements that a vCPU has before the next one's turn. */
const QUANTUM = 10_000;

export interface Processor {
  readonly guest: Guest;
  readonly vm: Vm;
}

export interface TurnState {
  readonly processors: readonly Processor[];
  readonly current: number;
  readonly quantumLeft: number;
}

export class Turns {
  /** Every vCPU, in the order in which they were made. */
  private processors: readonly Processor[];
  private current = 0;
  /** Statements left of the turn. */
  quantumLeft = QUANTUM;

  constructor(guests: readonly Guest[]) {
    this.processors = guests.flatMap((guest) => guest.vms.map((vm) => ({ guest, vm })));
  }

  add(processor: Processor): void {
    this.processors = [...this.processors, processor];
  }

  at(vcpu: number): Processor | undefined {
    return this.processors[vcpu];
  }

  numberOf(vm: Vm): number {
    return this.processors.findIndex((one) => one.vm === vm);
  }

  /** The number of a domain's first vCPU; null when it has none. */
  firstOf(domain: DomainId): VcpuNumber | null {
    const index = this.processors.findIndex(({ guest }) => guest.domain.id === domain);
    return index < 0 ? null : index;
  }

  /** The number of the vCPU whose turn it is, whether it can run or not. */
  get number(): number {
    return this.current;
  }

  /** The one whose turn it is; null when it cannot run. */
  get now(): Processor | null {
    const found = this.processors[this.current];
    return found !== undefined && isRunnable(found) ? found : null;
  }

  /** Passes the turn to the next that can run, perhaps the same again; false when nobody ever will. */
  pass(): boolean {
    const { length } = this.processors;
    for (let i = 1; i <= length; i++) {
      const next = (this.current + i) % length;
      const found = this.processors[next];
      if (found !== undefined && isRunnable(found)) {
        this.give(next);
        return true;
      }
    }
    return this.passTime() && this.pass();
  }

  give(vcpu: number): void {
    this.current = vcpu;
    this.quantumLeft = QUANTUM;
  }

  snapshot(): TurnState {
    const { processors, current, quantumLeft } = this;
    return { processors, current, quantumLeft };
  }

  restore({ processors, current, quantumLeft }: TurnState): void {
    this.processors = processors;
    this.current = current;
    this.quantumLeft = quantumLeft;
  }

  /** When nobody runs, time passes until the first poll that has a timeout is over. */
  private passTime(): boolean {
    const sleeper = this.processors.find(
      ({ guest, vm }) => guest.exit === null && vm.vcpu.control(Control.pollTimes) !== 0,
    );
    if (sleeper === undefined) return false;
    wake(sleeper.vm.vcpu);
    return true;
  }
}

export const isRunnable = ({ guest, vm }: Processor): boolean =>
  guest.exit === null && guest.domain.isRunning && vm.vcpu.control(Control.runState) === RunState.running;
