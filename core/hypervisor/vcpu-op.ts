/**
 * HYPERVISOR_vcpu_op (24): a guest brings up further vCPUs of its own. `initialise` takes the whole state of the new one,
 * struct vcpu_guest_context (facts 9.9), with a root of its own to load; `up` lets it run. Facts 8.3.
 */

import { Control, NO_ROOT, R, RFLAGS_IF, RunState, type Register } from '../machine/registers.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { isCanonical } from '../walk.ts';
import { carryInto, isGuestAddress, readField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { loadKernelRoot, loadUserRoot } from './root.ts';
import { installGdt } from './set-gdt.ts';
import { setUpcallMask } from './shared-info.ts';

const VCPUOP_INITIALISE = 0;
const VCPUOP_UP = 1;
const VCPUOP_DOWN = 2;
const VCPUOP_IS_UP = 3;
const SHUTDOWN_POWEROFF = 0;
const TRAP_VECTORS = 256;

/** Where the fields of vcpu_guest_context lie (facts 9.9); registers are a word each, in the structure's own order. */
interface ContextLayout {
  readonly registers: readonly (readonly [Register, number])[];
  readonly traps: number;
  readonly gdtFrames: number;
  readonly gdtEntries: number;
  readonly kernelSs: number;
  readonly kernelSp: number;
  readonly cr3: number;
  readonly userCr3: number | null;
  readonly eventCallback: number;
  readonly eventCallbackCs: number | null;
  readonly failsafeCallback: number;
  readonly syscallCallback: number | null;
}

const at = (first: number, names: readonly Register[], word: number): (readonly [Register, number])[] =>
  names.map((register, i) => [register, first + i * word] as const);

const REGISTERS_64 = at(
  520,
  [R.r15, R.r14, R.r13, R.r12, R.rbp, R.rbx, R.r11, R.r10, R.r9, R.r8, R.rax, R.rcx, R.rdx, R.rsi, R.rdi],
  8,
);
const CONTEXTS: { readonly [word in 4 | 8]: ContextLayout } = {
  8: {
    registers: [...REGISTERS_64, [R.rip, 648], [R.cs, 656], [R.rflags, 664], [R.rsp, 672], [R.ss, 680]],
    traps: 720,
    gdtFrames: 4832,
    gdtEntries: 4960,
    kernelSs: 4968,
    kernelSp: 4976,
    cr3: 4984 + 3 * 8,
    userCr3: 4984 + 1 * 8,
    eventCallback: 5112,
    eventCallbackCs: null,
    failsafeCallback: 5120,
    syscallCallback: 5128,
  },
  4: {
    registers: [
      ...at(516, [R.rbx, R.rcx, R.rdx, R.rsi, R.rdi, R.rbp, R.rax], 4),
      [R.rip, 548],
      [R.cs, 552],
      [R.rflags, 556],
      [R.rsp, 560],
      [R.ss, 564],
    ],
    traps: 584,
    gdtFrames: 2640,
    gdtEntries: 2704,
    kernelSs: 2708,
    kernelSp: 2712,
    cr3: 2716 + 3 * 4,
    userCr3: null,
    eventCallback: 2784,
    eventCallbackCs: 2780,
    failsafeCallback: 2792,
    syscallCallback: null,
  },
};

export function vcpuOp(hv: Hypervisor, vcpu: Vcpu, args: Int32Array): number {
  const command = args[0] as number;
  const id = (args[2] as number) >>> 0;
  const { domain } = vcpu;
  if (id >= domain.maxVcpus) return refuse(hv, 'vcpu_op.vcpu', { vcpu: id, vcpus: domain.maxVcpus });
  met(hv, 'vcpu_op.vcpu');
  const found = domain.vcpu(id);
  const isInitialised = found !== undefined && found.control(Control.kernelRoot) !== NO_ROOT;
  switch (command) {
    case VCPUOP_INITIALISE:
      if (isInitialised) return refuse(hv, 'vcpu_op.initialised', { vcpu: id });
      met(hv, 'vcpu_op.initialised');
      return initialise(hv, vcpu, id, args[4] as number, args[5] as number);
    case VCPUOP_UP:
      if (!isInitialised) return refuse(hv, 'vcpu_op.not-initialised', { vcpu: id });
      met(hv, 'vcpu_op.not-initialised');
      if (found.control(Control.runState) === RunState.down)
        found.setControl(Control.runState, RunState.running);
      return 0;
    case VCPUOP_DOWN:
      return found === undefined ? 0 : takeDown(found);
    case VCPUOP_IS_UP:
      return isInitialised && found.control(Control.runState) !== RunState.down ? 1 : 0;
    default:
      return refuse(hv, 'vcpu_op.command', { command });
  }
}

/** The last vCPU that goes down ends the domain. */
function takeDown(vcpu: Vcpu): number {
  const { domain } = vcpu;
  const othersUp = domain.vcpus.some(
    (each) => each !== vcpu && each.control(Control.runState) !== RunState.down,
  );
  if (othersUp) vcpu.setControl(Control.runState, RunState.down);
  else domain.shutdown(SHUTDOWN_POWEROFF);
  return 0;
}

function initialise(hv: Hypervisor, caller: Vcpu, id: number, lo: number, hi: number): number {
  const context = new Context(hv, caller, lo, hi);
  const layout = CONTEXTS[hv.abi.wordBytes];
  const registers = layout.registers.map(([register, offset]) => [register, context.word(offset)] as const);
  const roots = [context.word(layout.cr3), layout.userCr3 === null ? ZERO : context.word(layout.userCr3)];
  const kernelSs = context.word(layout.kernelSs);
  const kernelSp = context.word(layout.kernelSp);
  const callbacks = readCallbacks(context, layout);
  const traps = readTraps(hv, context, layout.traps);
  const gdtEntries = context.word(layout.gdtEntries).lo >>> 0;
  const gdt = readFrames(context, hv, layout.gdtFrames, Math.ceil(gdtEntries / 512));
  if (!context.isGood) return refuse(hv, 'vcpu_op.argument', { addressLo: lo, addressHi: hi });
  met(hv, 'vcpu_op.argument');
  const rip = registers.find(([register]) => register === R.rip)?.[1] ?? ZERO;
  if (!isCanonical(hv.abi, rip.hi) || !isGuestAddress(hv.abi, rip.lo, rip.hi))
    return refuse(hv, 'vcpu_op.address', { addressLo: rip.lo, addressHi: rip.hi });
  met(hv, 'vcpu_op.address');
  const vcpu = caller.domain.vcpu(id) ?? caller.domain.addVcpu(hv.machine.store, hv.memory, id);
  const gdtRc = gdt.length === 0 ? 0 : installGdt(hv, vcpu, gdt);
  if (gdtRc !== 0) return gdtRc;
  const rootRc = loadRoots(hv, vcpu, roots[0] ?? ZERO, roots[1] ?? ZERO);
  if (rootRc !== 0) {
    installGdt(hv, vcpu, []);
    return rootRc;
  }
  for (const [register, value] of registers) vcpu.setReg(register, value.lo, value.hi);
  const { selectors } = hv.abi;
  vcpu.setReg(R.cs, (vcpu.regLo(R.cs) & 0xffff) | selectors.kernelRpl, 0);
  vcpu.setReg(R.ss, (vcpu.regLo(R.ss) & 0xffff) | selectors.kernelRpl, 0);
  vcpu.setReg(R.rflags, vcpu.regLo(R.rflags) | RFLAGS_IF, 0);
  vcpu.setControl(Control.kernelSs, kernelSs.lo | selectors.kernelRpl);
  vcpu.setControl(Control.kernelSpLo, kernelSp.lo);
  vcpu.setControl(Control.kernelSpHi, kernelSp.hi);
  for (const [word, value] of callbacks) {
    vcpu.setControl(word, value.lo);
    if (word !== Control.eventCallbackCs) vcpu.setControl(word + 1, value.hi);
  }
  traps.forEach((trap, vector) => vcpu.setTrap(vector, trap));
  vcpu.setControl(Control.runState, RunState.down);
  setUpcallMask(hv, vcpu, 1);
  hv.observer?.vcpuInitialised?.(vcpu);
  return 0;
}

/** cr3 holds the frame as an address; a 32-bit guest's has the frame's high bits folded into the low ones. */
function loadRoots(hv: Hypervisor, vcpu: Vcpu, cr3: Word, userCr3: Word): number {
  const rc = loadKernelRoot(hv, vcpu, frameOfCr3(hv, cr3));
  if (rc !== 0) return rc;
  return userCr3.lo === 0 && userCr3.hi === 0 ? 0 : loadUserRoot(hv, vcpu, frameOfCr3(hv, userCr3));
}

const frameOfCr3 = (hv: Hypervisor, { lo, hi }: Word): number =>
  hv.abi.wordBytes === 8 ? (hi >>> 0) * 0x10_0000 + (lo >>> 12) : (lo >>> 12) + (lo & 0xfff) * 0x10_0000;

function readCallbacks(context: Context, layout: ContextLayout): (readonly [number, Word])[] {
  const rows: (readonly [number, number | null])[] = [
    [Control.eventCallbackLo, layout.eventCallback],
    [Control.failsafeCallbackLo, layout.failsafeCallback],
    [Control.syscallCallbackLo, layout.syscallCallback],
    [Control.eventCallbackCs, layout.eventCallbackCs],
  ];
  return rows.flatMap(([word, offset]) => (offset === null ? [] : [[word, context.word(offset)] as const]));
}

function readTraps(hv: Hypervisor, context: Context, first: number) {
  const { trapInfo, selectors } = hv.abi;
  return Array.from({ length: TRAP_VECTORS }, (_, i) => {
    const entry = first + i * trapInfo.bytes;
    const head = context.field(entry, 4).lo;
    const address = context.field(entry + trapInfo.address.offset, trapInfo.address.bytes);
    return {
      flags: (head >>> 8) & 0xff,
      cs: (head >>> 16) | selectors.kernelRpl,
      addressLo: address.lo,
      addressHi: address.hi,
    };
  });
}

function readFrames(context: Context, hv: Hypervisor, first: number, count: number): number[] {
  return Array.from({ length: Math.min(count, 14) }, (_, i) => {
    const { lo, hi } = context.word(first + i * hv.abi.wordBytes);
    return (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0);
  });
}

interface Word {
  readonly lo: number;
  readonly hi: number;
}
const ZERO: Word = { lo: 0, hi: 0 };

/** The structure in the guest's memory. */
class Context {
  isGood = true;
  private readonly hv: Hypervisor;
  private readonly vcpu: Vcpu;
  private readonly lo: number;
  private readonly hi: number;

  constructor(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number) {
    this.hv = hv;
    this.vcpu = vcpu;
    this.lo = lo;
    this.hi = hi;
  }

  /** An `unsigned long`. */
  word(offset: number): Word {
    return this.field(offset, this.hv.abi.wordBytes);
  }

  field(offset: number, bytes: 1 | 2 | 4 | 8): Word {
    const { mmu } = this.vcpu;
    const from = (this.lo + offset) | 0;
    if (this.isGood)
      this.isGood = readField(this.vcpu, from, carryInto(this.lo, this.hi, offset), { offset: 0, bytes });
    return this.isGood ? { lo: mmu.lo, hi: bytes === 8 ? mmu.hi : 0 } : ZERO;
  }
}
