/**
 * HYPERVISOR_event_channel_op (32): send, on the two ports that a domU is born with (start_info): xenstore's and the
 * console's, behind which the console daemon reads the ring. Other operations are not in the model. Facts 8.4.
 */

import type { Vcpu } from '../machine/vcpu.ts';
import { drainConsole } from './console-ring.ts';
import { readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { refuse } from './refusal.ts';

/** The ports that the toolstack binds before a domU starts. */
export const STORE_PORT = 1;
export const CONSOLE_PORT = 2;

const EVTCHNOP_SEND = 4;

export function eventChannelOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const addressLo = args[2] as number;
  const addressHi = args[3] as number;
  if (command !== EVTCHNOP_SEND) return refuse(hv, 'event_channel_op.command', { command });
  if (!readField(vcpu, addressLo, addressHi, { offset: 0, bytes: 4 }))
    return refuse(hv, 'event_channel_op.argument', { addressLo, addressHi });
  const port = vcpu.mmu.lo >>> 0;
  const isOpen = vcpu.domain.role === 'domU' && (port === STORE_PORT || port === CONSOLE_PORT);
  if (!isOpen) return refuse(hv, 'event_channel_op.port', { port });
  if (port !== CONSOLE_PORT) return 0;
  const text = drainConsole(hv, vcpu.domain);
  if (text !== '') hv.observer?.consoleWritten?.(vcpu.domain, text);
  return 0;
}
