/** HYPERVISOR_stack_switch (3) and set_callbacks (4): facts 8.3, 7.6. */

import { Control } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { isGuestAddress } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';

export function stackSwitch(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  vcpu.setControl(Control.kernelSs, (args[0] as number) | hv.abi.selectors.kernelRpl);
  vcpu.setControl(Control.kernelSpLo, args[2] as number);
  vcpu.setControl(Control.kernelSpHi, hv.abi.wordBytes === 8 ? (args[3] as number) : 0);
  return 0;
}

/** Where the addresses lie among the arguments: 32-bit guests pass a selector before each. */
const CALLBACKS = {
  8: [
    { arg: 0, word: Control.eventCallbackLo },
    { arg: 2, word: Control.failsafeCallbackLo },
    { arg: 4, word: Control.syscallCallbackLo },
  ],
  4: [
    { arg: 2, word: Control.eventCallbackLo },
    { arg: 6, word: Control.failsafeCallbackLo },
  ],
} as const;

/** Always 0: an address that is refused is passed over. */
export function setCallbacks(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  for (const { arg, word } of CALLBACKS[hv.abi.wordBytes]) {
    const lo = args[arg] as number;
    const hi = hv.abi.wordBytes === 8 ? (args[arg + 1] as number) : 0;
    if (!isGuestAddress(hv.abi, lo, hi)) continue;
    vcpu.setControl(word, lo);
    vcpu.setControl(word + 1, hi);
  }
  return 0;
}
