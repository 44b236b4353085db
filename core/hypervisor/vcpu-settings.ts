/** HYPERVISOR_stack_switch (3), fpu_taskswitch (5) and set_segment_base (25): facts 8.3. */

import { Control } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { isCanonical } from '../walk.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

export function stackSwitch(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  vcpu.setControl(Control.kernelSs, (args[0] as number) | hv.abi.selectors.kernelRpl);
  vcpu.setControl(Control.kernelSpLo, args[2] as number);
  vcpu.setControl(Control.kernelSpHi, hv.abi.wordBytes === 8 ? (args[3] as number) : 0);
  return 0;
}

/** Sets or clears the virtual CR0.TS. */
export function fpuTaskswitch(_hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  vcpu.setControl(Control.cr0Ts, (args[0] as number) === 0 ? 0 : 1);
  return 0;
}

/** SEGBASE_*: the control word of each base, by number; the last one takes a selector in place of a base. */
const SEGMENT_BASES = [Control.fsBaseLo, Control.gsUserBaseLo, Control.gsKernelBaseLo] as const;
const SEGBASE_GS_USER_SEL = 3;

export function setSegmentBase(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  if (hv.abi.wordBytes !== 8) return refuse(hv, 'set_segment_base.abi', {});
  met(hv, 'set_segment_base.abi');
  const which = args[0] as number;
  const [lo, hi] = [args[2] as number, args[3] as number];
  if (which === SEGBASE_GS_USER_SEL) {
    vcpu.setControl(Control.gsUserSelector, lo & 0xffff);
    return 0;
  }
  const word = SEGMENT_BASES[which];
  if (word === undefined) return refuse(hv, 'set_segment_base.which', { which });
  met(hv, 'set_segment_base.which');
  if (!isCanonical(hv.abi, hi)) return refuse(hv, 'set_segment_base.base', { addressLo: lo, addressHi: hi });
  met(hv, 'set_segment_base.base');
  vcpu.setControl(word, lo);
  vcpu.setControl(word + 1, hi);
  return 0;
}
