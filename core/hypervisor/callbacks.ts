/**
 * Where Xen enters a guest kernel other than by traps: set_callbacks (4) and callback_op (30). Facts 7.6.
 *
 * A 64-bit guest names an address, a 32-bit guest a code selector and an address. struct callback_register is
 * { u16 type; u16 flags; address }, struct callback_unregister { u16 type }.
 */

import { Control } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { formatHex, joinWords } from '../units.ts';
import { isCanonical } from '../walk.ts';
import { readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

const REGISTER = 0;
const UNREGISTER = 1;
const RPL = 3;

/** A callback: the control words for its address (the low one) and its code selector, and on which ABIs it exists. */
interface CallbackRow {
  readonly name: string;
  readonly address: number;
  readonly selector: number;
  readonly guests: 'all' | '64-bit';
  /** Whether it may be taken away again. */
  readonly optional: boolean;
  /** In 3.0.4, too. */
  readonly isOld: boolean;
}

const event: CallbackRow = {
  name: 'event',
  address: Control.eventCallbackLo,
  selector: Control.eventCallbackCs,
  guests: 'all',
  optional: false,
  isOld: true,
};
const failsafe: CallbackRow = {
  ...event,
  name: 'failsafe',
  address: Control.failsafeCallbackLo,
  selector: Control.failsafeCallbackCs,
};
const syscall: CallbackRow = {
  ...event,
  name: 'syscall',
  address: Control.syscallCallbackLo,
  selector: Control.syscallCallbackCs,
  guests: '64-bit',
};
const nmi: CallbackRow = {
  ...event,
  name: 'nmi',
  address: Control.nmiCallbackLo,
  selector: Control.nmiCallbackCs,
  optional: true,
};
const sysenter: CallbackRow = {
  ...event,
  name: 'sysenter',
  address: Control.sysenterCallbackLo,
  selector: Control.sysenterCallbackCs,
  optional: true,
  isOld: false,
};
const syscall32: CallbackRow = {
  ...sysenter,
  name: 'syscall32',
  address: Control.syscall32CallbackLo,
  selector: Control.syscall32CallbackCs,
};

/** CALLBACKTYPE_* by number; 3 is an older name of sysenter. */
const CALLBACKS: readonly (CallbackRow | undefined)[] = [
  event,
  failsafe,
  syscall,
  sysenter,
  nmi,
  sysenter,
  undefined,
  syscall32,
];

/** Where set_callbacks has the callbacks among its arguments: `selector` is null for 64-bit guests. */
const ARGUMENTS = {
  8: [
    { row: event, selector: null, address: 0 },
    { row: failsafe, selector: null, address: 2 },
    { row: syscall, selector: null, address: 4 },
  ],
  4: [
    { row: event, selector: 0, address: 2 },
    { row: failsafe, selector: 4, address: 6 },
  ],
} as const;

/** Always 0: an address that is refused is passed over. */
export function setCallbacks(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  for (const { row, selector, address } of ARGUMENTS[hv.abi.wordBytes]) {
    const cs = selector === null ? hv.abi.selectors.kernelCs : (args[selector] as number);
    install(hv, vcpu, row, cs, args[address] as number, args[address + 1] as number);
  }
  return 0;
}

export function callbackOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  if (command !== REGISTER && command !== UNREGISTER) return refuse(hv, 'callback_op.command', { command });
  met(hv, 'callback_op.command');
  const [addressLo, addressHi] = [args[2] as number, args[3] as number];
  const { wordBytes } = hv.abi;
  const unreadable = () => refuse(hv, 'callback_op.argument', { command, addressLo, addressHi });
  if (!readField(vcpu, addressLo, addressHi, { offset: 0, bytes: 2 })) return unreadable();
  const type = vcpu.mmu.lo;
  let cs = hv.abi.selectors.kernelCs;
  if (command === REGISTER && wordBytes === 4) {
    if (!readField(vcpu, addressLo, addressHi, { offset: 4, bytes: 4 })) return unreadable();
    cs = vcpu.mmu.lo;
  }
  if (command === REGISTER && !readField(vcpu, addressLo, addressHi, { offset: 8, bytes: wordBytes }))
    return unreadable();
  const row = callbackOf(hv, type);
  if (row === null) return refuse(hv, 'callback_op.type', { type });
  met(hv, 'callback_op.type');
  if (command === REGISTER) {
    const [lo, hi] = [vcpu.mmu.lo, vcpu.mmu.hi];
    if (install(hv, vcpu, row, cs, lo, hi)) return 0;
    return refuse(hv, 'callback_op.address', { name: row.name, handler: formatHex(joinWords(lo, hi)) });
  }
  if (!row.optional) return refuse(hv, 'callback_op.mandatory', { name: row.name });
  met(hv, 'callback_op.mandatory');
  return install(hv, vcpu, row, 0, 0, 0) ? 0 : refuse(hv, 'callback_op.type', { type });
}

function callbackOf(hv: Hypervisor, type: number): CallbackRow | null {
  const row = CALLBACKS[type];
  if (row === undefined || (row.guests === '64-bit' && hv.abi.wordBytes !== 8)) return null;
  return row.isOld || hv.ruleSet.hasSysenterCallbacks ? row : null;
}

/** Notes a callback; false when its address is not canonical. */
function install(
  hv: Hypervisor,
  vcpu: Vcpu,
  row: CallbackRow,
  selector: number,
  lo: number,
  hi: number,
): boolean {
  const { wordBytes, selectors } = hv.abi;
  if (!isCanonical(hv.abi, hi)) return false;
  const rpl = Math.max(selector & RPL, selectors.kernelRpl);
  vcpu.setControl(row.selector, selector === 0 ? 0 : (selector & 0xffff & ~RPL) | rpl);
  vcpu.setControl(row.address, lo);
  vcpu.setControl(row.address + 1, wordBytes === 8 ? hi : 0);
  return true;
}
