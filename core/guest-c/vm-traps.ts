/**
 * What a guest kernel's entry code does around a C trap handler: it makes `struct cpu_user_regs` from the bounce frame
 * and the registers, and afterwards the frame of the iret hypercall from what the structure then holds.
 *
 * Facts 7.3 (bounce frame), 7.6 (iret frame), 9.9 (order of the structure). rbp names a register window here, and is
 * saved and restored with the others.
 */

import { R, type Register } from '../machine/registers.ts';
import { Slot } from './bytecode.ts';
import type { Vm } from './vm.ts';

/** Ring 3 in a code selector: guest user mode. A 64-bit kernel sees its own with the ring cleared, a 32-bit one has ring 1. */
const RPL = 3;
/** Vectors whose frame has an error code. */
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);

/** The general registers of the structure, in order, and what follows them. */
interface TrapLayout {
  readonly wordBytes: 4 | 8;
  readonly general: readonly Register[];
  /** Words of the bounce frame in front of the error code. */
  readonly saved: readonly Register[];
  /** Offset of the error code; the vector is in the upper half of its word. */
  readonly errorCode: number;
  readonly vectorOffset: number;
  /** Offset of rip; cs, rflags, rsp, ss, es, ds, fs, gs follow, a word each. */
  readonly rip: number;
  readonly bytes: number;
  /** What iret takes in front of rip: registers, or null for the flags word. */
  readonly iret: readonly (Register | null)[];
}

const LAYOUT_64: TrapLayout = {
  wordBytes: 8,
  general: [
    R.r15,
    R.r14,
    R.r13,
    R.r12,
    R.rbp,
    R.rbx,
    R.r11,
    R.r10,
    R.r9,
    R.r8,
    R.rax,
    R.rcx,
    R.rdx,
    R.rsi,
    R.rdi,
  ],
  saved: [R.rcx, R.r11],
  errorCode: 120,
  vectorOffset: 124,
  rip: 128,
  bytes: 200,
  iret: [R.rax, R.r11, R.rcx, null],
};

const LAYOUT_32: TrapLayout = {
  wordBytes: 4,
  general: [R.rbx, R.rcx, R.rdx, R.rsi, R.rdi, R.rbp, R.rax],
  saved: [],
  errorCode: 28,
  vectorOffset: 30,
  rip: 32,
  bytes: 68,
  iret: [R.rax],
};

const layoutOf = (vm: Vm): TrapLayout => (vm.is64 ? LAYOUT_64 : LAYOUT_32);

/**
 * `trapEnter`: makes the structure below the bounce frame at rsp, and puts its address and the vector into the
 * stub's registers. False, with `mmu.fault` filled and nothing moved, when the stack cannot be used.
 */
export function buildTrapRegisters(vm: Vm, vector: number): boolean {
  const layout = layoutOf(vm);
  const { windows, base } = vm;
  const frame = new Stack(vm, vm.spLo, vm.spHi);
  const regs = new Stack(vm, vm.spLo, vm.spHi).moved(-((layout.bytes + 15) & ~15));
  const interruptedRbp = windows[base + Slot.caller] as number;
  for (const [i, register] of layout.general.entries()) {
    const isRbp = register === R.rbp;
    const lo = isRbp ? interruptedRbp : vm.vcpu.regLo(register);
    if (!regs.store(i * layout.wordBytes, lo, isRbp ? 0 : vm.vcpu.regHi(register))) return false;
  }
  let at = 0;
  for (const register of layout.saved) {
    if (!frame.load(at)) return false;
    if (!regs.store(layout.general.indexOf(register) * layout.wordBytes, vm.mmu.lo, vm.mmu.hi)) return false;
    at += layout.wordBytes;
  }
  if (!regs.store(layout.errorCode, 0, 0)) return false;
  if (WITH_ERROR_CODE.has(vector)) {
    if (!frame.load(at) || !regs.store(layout.errorCode, vm.mmu.lo, 0)) return false;
    at += layout.wordBytes;
  }
  if (!regs.storeHalf(layout.vectorOffset, vector)) return false;
  if (!copyControl(vm, layout, frame.moved(at), regs)) return false;
  windows[base + Slot.first] = regs.lo;
  if (vm.is64) windows[base + Slot.first + 1] = regs.hi;
  windows[base + Slot.first + 2] = vector;
  windows[base + Slot.first + 3] = 0;
  vm.spLo = regs.lo;
  vm.spHi = regs.hi;
  return true;
}

/**
 * `trapReturn`: loads the registers from the structure, makes the iret frame, and points rsp at it. False, with
 * `mmu.fault` filled, when memory cannot be read or written.
 */
export function loadTrapRegisters(vm: Vm): boolean {
  const layout = layoutOf(vm);
  const { vcpu, mmu } = vm;
  const word = layout.wordBytes;
  const slot = vm.base + (vm.code[vm.pc * 4 + 1] as number);
  const regs = new Stack(vm, vm.windows[slot] as number, vm.is64 ? (vm.windows[slot + 1] as number) : 0);
  if (!regs.load(layout.rip + word)) return false;
  const toUser = (mmu.lo & RPL) === RPL;
  if (!regs.load(layout.rip + 3 * word)) return false;
  // A 32-bit iret to the kernel pops no stack pointer: the frame must end where rsp shall be.
  const words = vm.is64 || toUser ? 5 : 3;
  const kernel32 = new Stack(vm, mmu.lo, mmu.hi).moved(-(words + layout.iret.length) * word);
  const frame = vm.is64 || toUser ? regs.moved(-(words + layout.iret.length) * word) : kernel32;
  const copied: [number, number][] = [];
  for (let i = 0; i < words; i++) {
    if (!regs.load(layout.rip + i * word)) return false;
    copied.push([mmu.lo, mmu.hi]);
  }
  const values: [number, number][] = [];
  for (let i = 0; i < layout.general.length; i++) {
    if (!regs.load(i * word)) return false;
    values.push([mmu.lo, mmu.hi]);
  }
  const inFront = layout.iret.map((register): [number, number] =>
    register === null ? [0, 0] : (values[layout.general.indexOf(register)] ?? [0, 0]),
  );
  for (const [i, [lo, hi]] of [...inFront, ...copied].entries()) {
    if (!frame.store(i * word, lo, hi)) return false;
  }
  for (const [i, register] of layout.general.entries()) {
    const [lo, hi] = values[i] ?? [0, 0];
    if (register === R.rbp) vm.base = lo;
    else vcpu.setReg(register, lo, hi);
  }
  vm.spLo = frame.lo;
  vm.spHi = frame.hi;
  return true;
}

/** rip, cs, rflags and, where the frame has them, rsp and ss: from the bounce frame into the structure. */
function copyControl(vm: Vm, layout: TrapLayout, frame: Stack, regs: Stack): boolean {
  const { mmu } = vm;
  const word = layout.wordBytes;
  let fromUser = false;
  for (let i = 0; i < 3; i++) {
    if (!frame.load(i * word)) return false;
    if (i === 1) fromUser = (mmu.lo & RPL) === RPL;
    if (!regs.store(layout.rip + i * word, mmu.lo, mmu.hi)) return false;
  }
  if (vm.is64 || fromUser) {
    for (let i = 3; i < 5; i++) {
      if (!frame.load(i * word) || !regs.store(layout.rip + i * word, mmu.lo, mmu.hi)) return false;
    }
    return true;
  }
  const after = frame.moved(3 * word);
  return (
    regs.store(layout.rip + 3 * word, after.lo, 0) &&
    regs.store(layout.rip + 4 * word, vm.vcpu.regLo(R.ss), 0)
  );
}

/** Words of the ABI's size at offsets from an address. */
class Stack {
  readonly lo: number;
  readonly hi: number;
  private readonly vm: Vm;

  constructor(vm: Vm, lo: number, hi: number) {
    this.vm = vm;
    this.lo = lo | 0;
    this.hi = vm.is64 ? hi | 0 : 0;
  }

  moved(bytes: number): Stack {
    const lo = (this.lo + bytes) | 0;
    const carry = lo >>> 0 < (bytes | 0) >>> 0 ? 1 : 0;
    return new Stack(this.vm, lo, this.hi + (bytes >> 31) + carry);
  }

  load(offset: number): boolean {
    const { lo, hi } = this.moved(offset);
    return this.vm.mmu.load(lo, hi, this.vm.is64 ? 8 : 4);
  }

  store(offset: number, lo: number, hi: number): boolean {
    const at = this.moved(offset);
    return this.vm.mmu.store(at.lo, at.hi, this.vm.is64 ? 8 : 4, lo, hi);
  }

  storeHalf(offset: number, value: number): boolean {
    const at = this.moved(offset);
    return this.vm.mmu.store(at.lo, at.hi, this.vm.is64 ? 4 : 2, value, 0);
  }
}
