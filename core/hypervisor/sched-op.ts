/** HYPERVISOR_sched_op (29) and its older form (6): facts 8.3. */

import { Control } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { drainConsole } from './console-ring.ts';
import { readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { refuse } from './refusal.ts';
import { upcallPending, setUpcallMask } from './shared-info.ts';

const SCHEDOP_YIELD = 0;
const SCHEDOP_BLOCK = 1;
const SCHEDOP_SHUTDOWN = 2;
const RUN_STATE_BLOCKED = 1;

export function schedOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const addressLo = args[2] as number;
  const addressHi = args[3] as number;
  if (command === SCHEDOP_YIELD) return 0;
  if (command === SCHEDOP_BLOCK) return block(hv, vcpu);
  if (command !== SCHEDOP_SHUTDOWN) return refuse(hv, 'sched_op.command', { command });
  if (!readField(vcpu, addressLo, addressHi, { offset: 0, bytes: 4 }))
    return refuse(hv, 'sched_op.argument', { command, addressLo, addressHi });
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
  if (!upcallPending(hv, vcpu)) vcpu.setControl(Control.runState, RUN_STATE_BLOCKED);
  return 0;
}

function shutdown(hv: Hypervisor, vcpu: Vcpu, reason: number): number {
  const text = drainConsole(hv, vcpu.domain);
  if (text !== '') hv.observer?.consoleWritten?.(vcpu.domain, text);
  vcpu.domain.shutdown(reason);
  return 0;
}
