/** HYPERVISOR_vm_assist (21): facts 8.3. Of the assists the model knows writable page tables and m2p_strict. */

import type { Vcpu } from '../machine/vcpu.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

const VMASST_CMD_ENABLE = 0;
const VMASST_CMD_DISABLE = 1;
/** m2p_strict exists for guests with two roots alone. */
const FIRST_64_BIT_ASSIST = 32;

export function vmAssist(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const type = (args[2] as number) >>> 0;
  const exists = hv.ruleSet.assists.has(type) && (type < FIRST_64_BIT_ASSIST || hv.abi.kernelInRing3);
  if (!exists) return refuse(hv, 'vm_assist.type', { type });
  met(hv, 'vm_assist.type');
  if (command !== VMASST_CMD_ENABLE && command !== VMASST_CMD_DISABLE)
    return refuse(hv, 'vm_assist.command', { command });
  met(hv, 'vm_assist.command');
  vcpu.domain.setAssist(type, command === VMASST_CMD_ENABLE);
  return 0;
}
