/**
 * One guest processor (the C side of a vCPU): its register windows, and what its loop leaves to slower code.
 *
 * The architectural registers rip, rsp and rbp are in the vCPU whenever the loop does not run (`save`, `load`); rbp is
 * the number of the running function's window. The windows are the processor's own: no guest address leads to them.
 * A call pushes the return address and the caller's rbp on the guest's stack and a return pops them, so a bad stack
 * is a real fault; what is popped decides where execution goes on, and what cannot be is a trap.
 */

import type { Vcpu } from '../machine/vcpu.ts';
import { type AccessKind, type Mmu, VECTOR_WATCHED } from '../machine/mmu.ts';
import { R } from '../machine/registers.ts';
import type { CellWatch } from '../state/cell-watch.ts';
import { highWord, lowWord } from '../units.ts';
import { FOREIGN, INSTRUCTION_BYTES, Op, Slot, WINDOW_MAGIC } from './bytecode.ts';
import { type Program, type ProgramFunction, SCRATCH_INSTRUCTIONS, functionAt } from './program.ts';
import { Exit, VECTOR_GENERAL_PROTECTION, VECTOR_INVALID_OPCODE } from './vm-exit.ts';
import { runLoop } from './vm-run.ts';
import { buildTrapRegisters, loadTrapRegisters } from './vm-traps.ts';

/** An activation, innermost first in `frames()`. */
export interface Activation {
  /** The instruction being executed; for a caller, its call. */
  readonly pc: number;
  readonly base: number;
  /** Entered by a trap (through a stub) or by iret, not by a call. */
  readonly foreign: boolean;
}

/** Left free below the interrupted function's stack. */
const SCRATCH_STACK_GAP = 256;

/** What a processor is, beside the registers that are in its vCPU. */
export interface VmState {
  readonly pc: number;
  readonly base: number;
  readonly spLo: number;
  readonly spHi: number;
  readonly page: number;
  readonly stray: boolean;
  readonly returnLo: number;
  readonly returnHi: number;
  readonly vector: number;
  readonly status: number;
  readonly spare: number;
  readonly windows: Int32Array;
}

/** What a processor was doing when it was given something else to do. */
export interface SuspendedWork {
  readonly page: number;
  readonly pc: number;
  readonly base: number;
  readonly spLo: number;
  readonly spHi: number;
  readonly resuming: boolean;
  readonly stray: boolean;
  readonly returnLo: number;
  readonly returnHi: number;
  readonly vector: number;
  readonly status: number;
}

const FIRST_WINDOWS = 1 << 15;
/** Windows may begin below it at first, and so many words more when they have got there. */
const WINDOW_STEP = 1 << 10;
/** 64 MiB of windows: deeper than any stack that fits the guest's own pages. */
const MAX_WINDOWS = 1 << 24;
const TOUCH_KINDS: readonly AccessKind[] = ['read', 'write', 'exec'];

export class Vm {
  readonly program: Program;
  readonly vcpu: Vcpu;
  readonly mmu: Mmu;
  readonly code: Int32Array;
  readonly is64: boolean;
  readonly textLo: number;
  readonly textHi: number;
  readonly imageHi: number;
  /** By statement: 1 where a step into does not stop. */
  library: Uint8Array;
  windows = new Int32Array(FIRST_WINDOWS);
  windowLimit: number;
  pc = 0;
  base = 0;
  spLo = 0;
  spHi = 0;
  /** The run begins at a statement that has already stopped it once. */
  resuming = false;
  /** The page of text, counted in instructions, that the run has last been allowed to execute; -1: to be asked again. */
  page = -1;
  /** Statements executed in the last run. */
  executed = 0;
  /** What `halt` or `exit` gave. */
  status = 0;
  /** A trap raised by an operation itself; -1: the Mmu's. */
  vector = -1;
  trapVector = 0;
  /** The trap is that of `mmu.fault`, for `Hypervisor.deliverPageFault`. */
  trapFromMmu = false;
  /** Target of a return or call that leads nowhere, and the window that a return named. */
  returnLo = 0;
  returnHi = 0;
  returnBase = 0;
  /** rip is `returnHi:returnLo`, which is no instruction. */
  private stray = false;
  /** Instructions that may be executed: the text, and the scratch page while an expression is evaluated. */
  private codeLimit: number;
  private readonly margin: number;
  /** Where the next window goes when rbp names none. */
  private spare = 0;

  constructor(program: Program, vcpu: Vcpu, library: Uint8Array) {
    this.program = program;
    this.vcpu = vcpu;
    this.mmu = vcpu.mmu;
    this.code = program.code;
    this.is64 = program.model.wordBytes === 8;
    this.textLo = lowWord(program.textBase);
    this.textHi = this.is64 ? highWord(program.textBase) : 0;
    this.imageHi = this.textHi;
    this.library = library;
    this.codeLimit = program.textInstructions;
    this.margin = program.functions.reduce((most, fn) => Math.max(most, fn.windowWords), 0) + 4096;
    this.windowLimit = 0;
    this.growWindows(0);
  }

  /**
   * Runs until something outside has to act; see `runLoop`. The registers are in the vCPU afterwards. A statement that
   * touches a watched cell is run to its end, with the access noted; then the run stops.
   */
  run(budget: number, stepBase: number): Exit {
    const { watch } = this.mmu;
    if (watch === null) return this.runOn(budget, stepBase, null);
    watch.by = 'guest';
    try {
      return this.runOn(budget, stepBase, watch);
    } finally {
      watch.by = 'hypervisor';
      watch.traps = false;
    }
  }

  private runOn(budget: number, stepBase: number, watch: CellWatch | null): Exit {
    let total = 0;
    let isWatched = false;
    for (;;) {
      if (watch !== null) watch.traps = !isWatched;
      const exit = this.enterLoop(isWatched ? 0 : budget - total, stepBase);
      total += this.executed;
      const settled = exit <= Exit.windows ? exit : this.settle(exit);
      if (settled === null) continue;
      if (settled === Exit.fault && this.vector < 0 && this.mmu.fault.vector === VECTOR_WATCHED) {
        isWatched = true;
        continue;
      }
      const told = isWatched && settled === Exit.budget ? Exit.watched : settled;
      this.executed = total;
      if (told === Exit.fault) this.tellTrap();
      this.save();
      return told;
    }
  }

  /** At a trap's end: loads the registers that the iret hypercall wants. False when memory does not allow it: a fault. */
  leaveTrap(): boolean {
    const { watch } = this.mmu;
    if (watch !== null) watch.by = 'guest';
    const isReady = loadTrapRegisters(this);
    if (watch !== null) watch.by = 'hypervisor';
    if (!isReady) this.tellTrap();
    this.save();
    return isReady;
  }

  private tellTrap(): void {
    this.trapFromMmu = this.vector < 0;
    this.trapVector = this.trapFromMmu ? this.mmu.fault.vector : this.vector;
    this.vector = -1;
  }

  /** Puts rip, rsp and rbp into the vCPU. */
  save(): void {
    const { vcpu } = this;
    if (this.stray) vcpu.setReg(R.rip, this.returnLo, this.returnHi);
    else vcpu.setReg(R.rip, this.textLo + this.pc * INSTRUCTION_BYTES, this.textHi);
    vcpu.setReg(R.rsp, this.spLo, this.spHi);
    vcpu.setReg(R.rbp, this.base, 0);
  }

  /**
   * Takes rip, rsp and rbp from the vCPU. At the first instruction of a function, which then was entered by a trap,
   * by iret or by start of day, a window is made above the one that rbp names.
   */
  load(): void {
    const { vcpu } = this;
    const interrupted = this.pc;
    const lo = vcpu.regLo(R.rip);
    const hi = vcpu.regHi(R.rip);
    const pc = this.pcOf(lo, hi);
    this.stray = pc < 0;
    if (pc < 0) {
      this.returnLo = lo;
      this.returnHi = hi;
    } else {
      this.pc = pc;
    }
    this.spLo = vcpu.regLo(R.rsp);
    this.spHi = vcpu.regHi(R.rsp);
    this.page = -1;
    const base = vcpu.regLo(R.rbp);
    if (pc >= 0 && this.code[pc * 4] === Op.enter) this.enterForeign(base, interrupted);
    else if (this.isWindow(base)) this.base = base;
    else this.vector = VECTOR_GENERAL_PROTECTION;
  }

  /** The instruction at an address, or -1 when there is none. */
  pcOf(lo: number, hi: number): number {
    const offset = (lo - this.textLo) >>> 0;
    if ((hi | 0) !== this.textHi || (offset & 3) !== 0) return -1;
    const pc = offset >>> 2;
    return pc < this.codeLimit ? pc : -1;
  }

  /** The first instruction of the function at an address; -1 (with the address kept) when there is no function. */
  callTarget(lo: number, hi: number): number {
    const pc = this.pcOf(lo, hi);
    if (pc >= 0 && this.code[pc * 4] === Op.enter) return pc;
    this.returnLo = lo;
    this.returnHi = hi;
    return -1;
  }

  resultLo(): number {
    return this.vcpu.regLo(R.rax);
  }

  resultHi(): number {
    return this.vcpu.regHi(R.rax);
  }

  /** Number and six arguments (lo/hi pairs) of the hypercall that the processor stands at. */
  hypercallArguments(into: Int32Array): number {
    const at = this.pc * 4;
    const first = this.base + (this.code[at + 1] as number);
    const words = this.code[at + 3] as number;
    for (let i = 0; i < 6; i++) {
      into[i * 2] = this.windows[first + (i + 1) * words] as number;
      into[i * 2 + 1] = words === 2 ? (this.windows[first + (i + 1) * 2 + 1] as number) : 0;
    }
    return this.windows[first] as number;
  }

  /** Whether it stands at a hypercall, not yet made. */
  get atHypercall(): boolean {
    return !this.stray && this.vector < 0 && this.code[this.pc * 4] === Op.hypercall;
  }

  /** Whether it stands right behind a hypercall. */
  get isBehindHypercall(): boolean {
    return !this.stray && this.pc > 0 && this.code[(this.pc - 1) * 4] === Op.hypercall;
  }

  /** Goes behind the instruction at which the processor stands: the hypercall is made, the store was emulated. */
  skip(): void {
    this.pc++;
    this.save();
  }

  /** All that the processor is beside the vCPU's registers: for going back. */
  snapshot(): VmState {
    const { pc, base, spLo, spHi, page, stray, returnLo, returnHi, vector, status, spare } = this;
    const windows = this.snapshotWindows();
    return { pc, base, spLo, spHi, page, stray, returnLo, returnHi, vector, status, spare, windows };
  }

  /** Becomes what it was. It stands at no statement that has stopped it. */
  restore(state: VmState): void {
    this.pc = state.pc;
    this.base = state.base;
    this.spLo = state.spLo;
    this.spHi = state.spHi;
    this.page = state.page;
    this.stray = state.stray;
    this.returnLo = state.returnLo;
    this.returnHi = state.returnHi;
    this.vector = state.vector;
    this.status = state.status;
    this.spare = state.spare;
    this.resuming = false;
    this.restoreWindows(state.windows);
  }

  /** Every word of the windows that has been in use: what is left behind in one is seen by who uses it next. */
  snapshotWindows(): Int32Array {
    return this.windows.slice(0, this.windowLimit + this.margin);
  }

  restoreWindows(words: Int32Array): void {
    this.windows.fill(0, words.length, this.windowLimit + this.margin);
    this.windows.set(words);
    this.windowLimit = words.length - this.margin;
  }

  /** Whether the windows in use hold the same. */
  hasWindows(words: Int32Array): boolean {
    const top = this.windowTop(this.base);
    for (let i = 0; i < top; i++) if (this.windows[i] !== words[i]) return false;
    return true;
  }

  /** The exit that `run` has told is not acted on: the next run comes to it again. */
  keepTrap(): void {
    this.vector = this.trapFromMmu ? -1 : this.trapVector;
  }

  /** Whether it stands before a statement. */
  get atStatement(): boolean {
    return !this.stray && this.vector < 0 && (this.code[this.pc * 4] as number) <= Op.breakpoint;
  }

  /** Makes a statement of the running function the next one. */
  jumpTo(pc: number): void {
    this.pc = pc;
    this.save();
  }

  /** The statement at which the processor stands. */
  statementIndex(): number {
    return this.program.statementOf[this.pc] ?? -1;
  }

  /** The function that a window belongs to. */
  functionOf(base: number): ProgramFunction | undefined {
    return this.isWindow(base)
      ? this.program.functions[(this.windows[base] as number) & 0xff_ffff]
      : undefined;
  }

  /** The first free word above a window. */
  windowTop(base: number): number {
    const fn = this.functionOf(base);
    return fn === undefined ? this.spare : base + fn.windowWords;
  }

  /**
   * Makes the instructions on the scratch page the next to run, in a window and stack frame above all others. What the
   * processor was doing is returned, for `endScratch`.
   */
  beginScratch(): SuspendedWork {
    const { pc, base, spLo, spHi, page, resuming, stray, returnLo, returnHi, vector, status } = this;
    const window = this.windowTop(base);
    this.growWindows(window);
    this.windows.fill(0, window, window + this.margin);
    this.codeLimit = this.program.scratchBase + SCRATCH_INSTRUCTIONS;
    this.pc = this.program.scratchBase;
    this.base = window;
    this.resuming = false;
    this.stray = false;
    this.vector = -1;
    this.spLo = (spLo - SCRATCH_STACK_GAP) | 0;
    if (this.is64 && spLo >>> 0 < SCRATCH_STACK_GAP) this.spHi = (spHi - 1) | 0;
    return { pc, base, spLo, spHi, page, resuming, stray, returnLo, returnHi, vector, status };
  }

  /** Goes back to what was being done; the windows below are as the scratch instructions left them. */
  endScratch(work: SuspendedWork): void {
    this.codeLimit = this.program.textInstructions;
    this.pc = work.pc;
    this.base = work.base;
    this.spLo = work.spLo;
    this.spHi = work.spHi;
    this.page = work.page;
    this.resuming = work.resuming;
    this.stray = work.stray;
    this.returnLo = work.returnLo;
    this.returnHi = work.returnHi;
    this.vector = work.vector;
    this.status = work.status;
    this.save();
  }

  /** The functions being executed, innermost first. */
  frames(): Activation[] {
    const list: Activation[] = [];
    let { pc, base } = this;
    while (this.isWindow(base)) {
      const foreign = this.windows[base + Slot.foreign] !== 0;
      list.push({ pc, base, foreign });
      const back = this.windows[base + Slot.returnPc] as number;
      const caller = this.windows[base + Slot.caller] as number;
      if (caller >= base) break;
      pc = back >= 0 ? back - 1 : FOREIGN - 1 - back;
      base = caller;
    }
    return list;
  }

  /** Makes room for a window that begins at `base`; false when the model holds no more. */
  growWindows(base: number): boolean {
    let limit = this.windowLimit;
    while (limit <= base) limit += WINDOW_STEP;
    const needed = limit + this.margin;
    if (needed > MAX_WINDOWS) return false;
    let { length } = this.windows;
    while (length < needed) length *= 2;
    if (length > this.windows.length) {
      const windows = new Int32Array(length);
      windows.set(this.windows);
      this.windows = windows;
    }
    this.windowLimit = limit;
    return true;
  }

  isWindow(base: number): boolean {
    return (
      base >= 0 &&
      base < this.windows.length &&
      ((this.windows[base] as number) & 0xff00_0000) === WINDOW_MAGIC
    );
  }

  private enterForeign(interruptedBase: number, interruptedPc: number): void {
    const known = this.isWindow(interruptedBase);
    const base = known ? this.windowTop(interruptedBase) : this.spare;
    this.growWindows(base);
    const { windows } = this;
    windows.fill(0, base, base + this.margin);
    windows[base] = WINDOW_MAGIC | (functionAt(this.program, this.pc)?.index ?? 0);
    windows[base + Slot.caller] = known ? interruptedBase : base;
    windows[base + Slot.returnPc] = FOREIGN - 1 - interruptedPc;
    windows[base + Slot.foreign] = 1;
    this.base = base;
    this.save();
  }

  /** The loop, or what stands in its way: no instruction at rip, no window in rbp. */
  private enterLoop(budget: number, stepBase: number): Exit {
    if (!this.stray && this.vector < 0) return runLoop(this, budget, stepBase);
    this.executed = 0;
    return this.vector < 0 ? this.raiseStray() : Exit.fault;
  }

  /** What the loop left: done here (null, go on), or made into an exit that is told. */
  private settle(exit: Exit): Exit | null {
    this.spare = this.windowTop(this.base);
    switch (exit) {
      case Exit.oddReturn:
        return this.oddReturn();
      case Exit.wild:
        this.stray = true;
        return null;
      case Exit.touch:
        return this.touch();
      case Exit.start:
        return this.start();
      case Exit.trapEnter:
        if (!buildTrapRegisters(this, this.code[this.pc * 4 + 1] as number)) return Exit.fault;
        this.pc++;
        return null;
      default:
        return exit;
    }
  }

  /** A return whose popped words are not those that the call pushed. */
  private oddReturn(): Exit | null {
    const target = this.pcOf(this.returnLo, this.returnHi);
    if (this.isWindow(this.returnBase)) {
      this.base = this.returnBase;
      if (target >= 0) this.pc = target;
      else this.stray = true;
      return null;
    }
    if (target < 0) {
      this.stray = true;
      return null;
    }
    this.spLo = this.windows[this.base + Slot.entrySp] as number;
    this.spHi = this.windows[this.base + Slot.entrySp + 1] as number;
    this.vector = VECTOR_GENERAL_PROTECTION;
    return Exit.fault;
  }

  /** rip is no instruction: a page fault where it may not be executed, else what stands there is no code. */
  private raiseStray(): Exit {
    if (this.mmu.fetch(this.returnLo, this.returnHi)) this.vector = VECTOR_INVALID_OPCODE;
    return Exit.fault;
  }

  /** `touch`: an access without data. As user it is made in user mode, in which a fault also finds the vCPU. */
  private touch(): Exit | null {
    const at = this.pc * 4;
    const address = this.base + (this.code[at + 1] as number);
    const kind = TOUCH_KINDS[this.windows[this.base + (this.code[at + 2] as number)] as number] ?? 'read';
    const asUser = this.windows[this.base + (this.code[at + 3] as number)] !== 0;
    if (asUser) this.enterMode('user');
    if (!this.mmu.touch(this.windows[address] as number, this.windows[address + 1] as number, kind))
      return Exit.fault;
    if (asUser) this.enterMode('kernel');
    this.pc++;
    return null;
  }

  private enterMode(mode: 'kernel' | 'user'): void {
    const { selectors } = this.vcpu.domain.abi;
    this.vcpu.enterMode(mode);
    this.vcpu.setReg(R.cs, mode === 'user' ? selectors.userCs : selectors.kernelCs, 0);
    this.vcpu.setReg(R.ss, mode === 'user' ? selectors.userSs : selectors.kernelSs, 0);
  }

  /** The entry stub's first step: start_info's address from rsi, and the image's own stack. */
  private start(): null {
    const slot = this.base + (this.code[this.pc * 4 + 1] as number);
    this.windows[slot] = this.vcpu.regLo(R.rsi);
    if (this.is64) this.windows[slot + 1] = this.vcpu.regHi(R.rsi);
    const top = this.program.stackTop;
    this.spLo = lowWord(top);
    this.spHi = this.is64 ? highWord(top) : 0;
    this.pc++;
    return null;
  }
}
