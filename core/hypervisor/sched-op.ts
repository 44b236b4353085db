/** HYPERVISOR_sched_op (29) and its older form (6): facts 8.3. */

import { Control, RunState } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { drainConsole } from './console-ring.ts';
import { POLLS_ANY, isPending } from './event-channels.ts';
import { readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { eventDue, upcallPending, setUpcallMask } from './shared-info.ts';

const SCHEDOP_YIELD = 0;
const SCHEDOP_BLOCK = 1;
const SCHEDOP_SHUTDOWN = 2;
const SCHEDOP_POLL = 3;
const MAX_POLLED = 128;

export function schedOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const addressLo = args[2] as number;
  const addressHi = args[3] as number;
  if (command === SCHEDOP_YIELD) return 0;
  if (command === SCHEDOP_BLOCK) return block(hv, vcpu);
  if (command === SCHEDOP_POLL) return poll(hv, vcpu, addressLo, addressHi);
  if (command !== SCHEDOP_SHUTDOWN) return refuse(hv, 'sched_op.command', { command });
  met(hv, 'sched_op.command');
  if (!readField(vcpu, addressLo, addressHi, { offset: 0, bytes: 4 }))
    return refuse(hv, 'sched_op.argument', { command, addressLo, addressHi });
  met(hv, 'sched_op.argument');
  return shutdown(hv, vcpu, vcpu.mmu.lo);
}

/** The form of 3.0: the reason of a shutdown is passed by value. */
export function schedOpCompat(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  if (command === SCHEDOP_YIELD) return 0;
  if (command === SCHEDOP_BLOCK) return block(hv, vcpu);
  if (command === SCHEDOP_SHUTDOWN) return shutdown(hv, vcpu, args[2] as number);
  return refuse(hv, 'sched_op.command', { command });
}

/** Blocks the vCPU until an event comes, with events unmasked; it does not block when one is pending. */
function block(hv: Hypervisor, vcpu: Vcpu): number {
  setUpcallMask(hv, vcpu, 0);
  if (!upcallPending(hv, vcpu)) vcpu.setControl(Control.runState, RunState.blocked);
  return 0;
}

/**
 * struct sched_poll { ports, nr_ports, timeout }: waits until an event is pending at one of the ports, masked or not, or
 * an upcall is due. A poll with a timeout ends by itself when nothing else is left to run.
 */
function poll(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): number {
  const { wordBytes } = hv.abi;
  const unreadable = () =>
    refuse(hv, 'sched_op.argument', { command: SCHEDOP_POLL, addressLo: lo, addressHi: hi });
  if (!readField(vcpu, lo, hi, { offset: 0, bytes: wordBytes })) return unreadable();
  const list = { lo: vcpu.mmu.lo, hi: vcpu.mmu.hi };
  if (!readField(vcpu, lo, hi, { offset: wordBytes, bytes: 4 })) return unreadable();
  const count = vcpu.mmu.lo >>> 0;
  if (!readField(vcpu, lo, hi, { offset: 2 * wordBytes, bytes: 8 })) return unreadable();
  const hasTimeout = (vcpu.mmu.lo | vcpu.mmu.hi) !== 0;
  if (count > MAX_POLLED) return refuse(hv, 'sched_op.poll-count', { count });
  met(hv, 'sched_op.poll-count');
  let port = 0;
  for (let i = 0; i < count; i++) {
    if (!readField(vcpu, list.lo, list.hi, { offset: i * 4, bytes: 4 })) return unreadable();
    port = vcpu.mmu.lo >>> 0;
    if (!hv.events.of(vcpu.domain).has(port)) return refuse(hv, 'sched_op.poll-port', { port });
    met(hv, 'sched_op.poll-port');
    if (isPending(hv, vcpu.domain, port)) return 0;
  }
  if (eventDue(hv, vcpu)) return 0;
  vcpu.setControl(Control.pollPort, count === 1 ? port : POLLS_ANY);
  vcpu.setControl(Control.pollTimes, hasTimeout ? 1 : 0);
  vcpu.setControl(Control.runState, RunState.blocked);
  return 0;
}

function shutdown(hv: Hypervisor, vcpu: Vcpu, reason: number): number {
  const text = drainConsole(hv, vcpu.domain);
  if (text !== '') hv.observer?.consoleWritten?.(vcpu.domain, text);
  vcpu.domain.shutdown(reason);
  return 0;
}
