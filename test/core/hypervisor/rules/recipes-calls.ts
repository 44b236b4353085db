/** One recipe for each rule of the other hypercalls, of traps and of iret. */

import { ERRNO } from '../../../../core/hypervisor/errno.ts';
import type { callRules } from '../../../../core/hypervisor/rules-calls.ts';
import { R } from '../../../../core/machine/registers.ts';
import { type Recipe, type Scene, modern, wide } from './scene.ts';

const SET_TRAP_TABLE = 0;
const SET_GDT = 2;
const UPDATE_DESCRIPTOR = 10;
const MEMORY_OP = 12;
const MULTICALL = 13;
const SET_TIMER_OP = 15;
const XEN_VERSION = 17;
const CONSOLE_IO = 18;
const VM_ASSIST = 21;
const IRET = 23;
const SET_SEGMENT_BASE = 25;
const SCHED_OP = 29;
const CALLBACK_OP = 30;
const UNUSED = 11;
const DECREASE = 1;
const MAXIMUM_RAM_PAGE = 2;
const CURRENT_RESERVATION = 3;
const POPULATE = 6;
const TRANSLATE_GPFN_LIST = 8;
const PAGE_FAULT = 14;
const NOT_CANONICAL = 0x1234_0000_0000_0000n;
const CALL_GATE_OF_XEN = 0x0000_8900_0000_0067n;
const NOBODY = 77;
const CRASHES = null;

type Guest = ReturnType<Scene['guest']>;

/** A hypercall of an ordinary guest. */
const call =
  (nr: number, args: (guest: Guest) => readonly (bigint | number)[] = () => []): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    return [guest, guest.call(nr, ...args(guest))];
  };

const populate =
  (fields: Parameters<Guest['reservation']>[0], command = POPULATE): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    return [guest, guest.call(MEMORY_OP, command, guest.reservation(fields))];
  };

const decrease =
  (frameOf: (guest: Guest) => number): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    return [guest, guest.memoryOp(DECREASE, [frameOf(guest)]).rc];
  };

/** What the counting operations of memory_op return: the extents done. */
const none = () => 0;

/** A trap table of one entry, and its end, at the scratch page. */
function trapTable(guest: Guest, handler: bigint): bigint {
  const { trapInfo, selectors } = guest.abi;
  [handler, 0n].forEach((address, i) => {
    const at = guest.scratch + BigInt(i * trapInfo.bytes);
    guest.mustStore(at, 4, BigInt(PAGE_FAULT | (selectors.kernelCs << 16)));
    guest.put(trapInfo.address, address, at);
  });
  return guest.scratch;
}

/** update_descriptor; 32-bit guests pass each 64-bit value as two words. */
const descriptor =
  (addressOf: (guest: Guest) => bigint, value = 0n): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    const [address, word] = [addressOf(guest), 0xffff_ffffn];
    const args =
      guest.abi.wordBytes === 8
        ? [address, value]
        : [address & word, address >> 32n, value & word, value >> 32n];
    return [guest, guest.call(UPDATE_DESCRIPTOR, ...args)];
  };

/** callback_op with struct callback_register { u16 type, flags; address } at the scratch page. */
const callback =
  (command: number, type: number, address = 0n): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    guest.words(type, 0xe019, 0, 0);
    guest.mustStore(guest.scratch + 8n, guest.abi.wordBytes, address);
    return [guest, guest.call(CALLBACK_OP, command, guest.scratch)];
  };

/** An iret frame of the guest's own making. */
function iretTo(guest: Guest, cs: bigint): void {
  const { wordBytes, trapFrames } = guest.abi;
  const words = [...trapFrames.iret, ...trapFrames.iretToUser];
  const at = guest.kva(guest.d);
  words.forEach((word, i) =>
    guest.mustStore(at + BigInt(i * wordBytes), wordBytes, word === 'cs' ? cs : 0x202n),
  );
  guest.vcpu.setRegValue(R.rsp, at);
  guest.call(IRET);
}

/** The stack pointer somewhere, and a page fault with a handler for it. */
const faultOnStack =
  (stackOf: (guest: Guest) => bigint): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    guest.call(SET_TRAP_TABLE, trapTable(guest, guest.kva(4)));
    guest.vcpu.setRegValue(R.rsp, stackOf(guest));
    guest.fault();
    return [guest, CRASHES];
  };

export const callRecipes: { readonly [id in keyof typeof callRules]: Recipe } = {
  'memory_op.command': { make: call(MEMORY_OP, () => [63, 0]) },
  // 3.0.4 does not look at the upper bits of an operation that has no extents.
  'memory_op.continuation': { on: modern, make: call(MEMORY_OP, () => [64 | MAXIMUM_RAM_PAGE, 0]) },
  'memory_op.not-modelled': { make: call(MEMORY_OP, () => [TRANSLATE_GPFN_LIST, 0]) },
  'memory_op.argument': { make: call(MEMORY_OP, (guest) => [CURRENT_RESERVATION, guest.unmapped]) },
  'memory_op.domain': {
    make: call(MEMORY_OP, (guest) => [CURRENT_RESERVATION, guest.words(NOBODY)]),
  },
  'memory_op.privilege': {
    make: (scene) => {
      const guest = scene.guest();
      const other = guest.words(scene.beside(guest).domain.id);
      return [guest, guest.call(MEMORY_OP, CURRENT_RESERVATION, other)];
    },
  },
  'memory_op.order': { returns: none, make: populate({ order: 20 }) },
  'memory_op.list': {
    returns: none,
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.call(MEMORY_OP, POPULATE, guest.reservation({ list: guest.unmapped }))];
    },
  },
  // 3.0.4 returns the error itself.
  'memory_op.extents': {
    returns: (where) => (modern(where) ? 0 : -ERRNO.EINVAL),
    make: populate({ count: 0xffff_ffff }),
  },
  'memory_op.address-bits': { on: modern, returns: none, make: populate({ memFlags: 12 }) },
  'memory_op.no-memory': { returns: none, make: populate({}) },
  'memory_op.invalid-frame': { returns: none, make: decrease((guest) => guest.hv.machine.maxPage) },
  'memory_op.not-owned': { returns: none, make: decrease((guest) => guest.foreignFrame) },

  'hypercall.unknown': { make: call(UNUSED) },
  'hypercall.not-modelled': { make: call(SET_TIMER_OP) },
  'set_trap_table.read': { make: call(SET_TRAP_TABLE, (guest) => [guest.unmapped]) },
  'set_trap_table.address': {
    on: wide,
    make: call(SET_TRAP_TABLE, (guest) => [trapTable(guest, NOT_CANONICAL)]),
  },
  'console_io.permission': { make: call(CONSOLE_IO, (guest) => [0, 0, guest.scratch]) },
  'console_io.buffer': {
    make: (scene) => {
      const dom0 = scene.dom0();
      return [dom0, dom0.call(CONSOLE_IO, 0, 6, dom0.unmapped)];
    },
  },
  'console_io.count': {
    make: (scene) => {
      const dom0 = scene.dom0();
      return [dom0, dom0.call(CONSOLE_IO, 1, 0x8000_0000, dom0.scratch)];
    },
  },
  'console_io.command': {
    make: (scene) => {
      const dom0 = scene.dom0();
      return [dom0, dom0.call(CONSOLE_IO, 9, 6, dom0.scratch)];
    },
  },
  'sched_op.command': { make: call(SCHED_OP, () => [77]) },
  'sched_op.argument': { make: call(SCHED_OP, (guest) => [2, guest.unmapped]) },
  'vm_assist.type': { make: call(VM_ASSIST, () => [0, 31]) },
  'vm_assist.command': { make: call(VM_ASSIST, () => [9, 2]) },
  'xen_version.command': { make: call(XEN_VERSION, () => [99]) },
  'xen_version.argument': { make: call(XEN_VERSION, (guest) => [3, guest.unmapped]) },
  'xen_version.pagesize': { make: call(XEN_VERSION, () => [7, 1]) },
  'multicall.list': { make: call(MULTICALL, (guest) => [guest.unmapped, 1]) },
  // The error is the nested call's own result; the list goes on.
  'multicall.nested': { returns: none, make: call(MULTICALL, (guest) => [guest.longs(MULTICALL), 1]) },
  'set_gdt.entries': { make: call(SET_GDT, (guest) => [guest.scratch, 8000]) },
  'set_gdt.list': { make: call(SET_GDT, (guest) => [guest.unmapped, 1]) },
  'set_gdt.frame': { make: call(SET_GDT, (guest) => [guest.longs(guest.dFrame), 512]) },
  'update_descriptor.address': { make: descriptor((guest) => (BigInt(guest.dFrame) << 12n) | 4n) },
  'update_descriptor.owner': { make: descriptor((guest) => BigInt(guest.foreignFrame) << 12n) },
  'update_descriptor.frame': { make: descriptor((guest) => BigInt(guest.root) << 12n) },
  'set_segment_base.abi': { on: (where) => !wide(where), make: call(SET_SEGMENT_BASE, () => [0, 0]) },
  'set_segment_base.which': { on: wide, make: call(SET_SEGMENT_BASE, () => [9, 0]) },
  'set_segment_base.base': { on: wide, make: call(SET_SEGMENT_BASE, () => [0, NOT_CANONICAL]) },
  'callback_op.command': { make: call(CALLBACK_OP, (guest) => [7, guest.scratch]) },
  'callback_op.argument': { make: call(CALLBACK_OP, (guest) => [0, guest.unmapped]) },
  'callback_op.type': { make: callback(0, 6) },
  'callback_op.address': { on: wide, make: callback(0, 0, NOT_CANONICAL) },
  'callback_op.mandatory': { make: callback(1, 0) },
  'descriptor.bad': { make: descriptor((guest) => BigInt(guest.dFrame) << 12n, CALL_GATE_OF_XEN) },

  'trap.no-event-callback': {
    make: (scene) => {
      const guest = scene.guest();
      const { upcallMask, upcallPending } = guest.abi.sharedInfo;
      const shared = (field: { readonly offset: number }, value: number) =>
        guest.hv.memory.writeBytes(guest.layout.sharedInfo, field.offset, Uint8Array.of(value));
      shared(upcallMask, 0);
      shared(upcallPending, 1);
      guest.hv.deliverEvents(guest.vcpu);
      return [guest, CRASHES];
    },
  },
  'trap.no-handler': {
    make: (scene) => {
      const guest = scene.guest();
      guest.fault();
      return [guest, CRASHES];
    },
  },
  // A 32-bit guest meets its segment limit or the page tables there instead.
  'trap.stack-in-xen': { on: wide, make: faultOnStack((guest) => guest.abi.xenHole.from + 0x1000n) },
  'trap.bad-stack': { make: faultOnStack((guest) => guest.unmapped + 0x800n) },
  'iret.frame': {
    make: (scene) => {
      const guest = scene.guest();
      guest.vcpu.setRegValue(R.rsp, guest.unmapped);
      guest.call(IRET);
      return [guest, CRASHES];
    },
  },
  'iret.no-user-root': {
    on: wide,
    make: (scene) => {
      const guest = scene.guest();
      iretTo(guest, BigInt(guest.abi.selectors.userCs));
      return [guest, CRASHES];
    },
  },
  'iret.ring': {
    on: (where) => !wide(where),
    make: (scene) => {
      const guest = scene.guest();
      iretTo(guest, 0xe008n);
      return [guest, CRASHES];
    },
  },
};
