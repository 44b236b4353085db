/** A vCPU: its registers, trap table and view of memory. All of it is journalled words (registers.ts, facts 6.5, 7.1). */

import { Region } from '../state/column.ts';
import type { Store } from '../state/store.ts';
import { type Mfn, highWord, joinWords, lowWord, mfn } from '../units.ts';
import type { Domain } from './domain.ts';
import type { PhysicalMemory } from './memory.ts';
import { Mmu } from './mmu.ts';
import { Control, NO_ROOT, R, REGISTER_WORDS, type Register } from './registers.ts';

/** Words of a trap-table row: flags and code segment, address low, address high; the fourth is spare. */
const TRAP_WORDS = 4;
const TRAP_VECTORS = 256;

/** An entry of the virtual IDT; address 0 means no handler. */
export interface TrapEntry {
  readonly flags: number;
  readonly cs: number;
  readonly addressLo: number;
  readonly addressHi: number;
}

export class Vcpu {
  readonly domain: Domain;
  readonly id: number;
  readonly registers: Region;
  readonly mmu: Mmu;
  private readonly traps: Region;

  constructor(store: Store, memory: PhysicalMemory, domain: Domain, id: number) {
    this.domain = domain;
    this.id = id;
    this.registers = new Region(store, 'vcpu.registers', REGISTER_WORDS);
    this.traps = new Region(store, 'vcpu.traps', TRAP_VECTORS * TRAP_WORDS);
    this.registers.set(Control.userRoot, NO_ROOT);
    this.registers.set(Control.kernelRoot, NO_ROOT);
    this.mmu = new Mmu(store, memory, domain.abi, this.registers);
  }

  /** Name as Xen prints it: `d1v0`. */
  get name(): string {
    return `d${this.domain.id}v${this.id}`;
  }

  regLo(register: Register): number {
    return this.registers.data[register * 2] as number;
  }

  regHi(register: Register): number {
    return this.registers.data[register * 2 + 1] as number;
  }

  setReg(register: Register, lo: number, hi: number): void {
    this.registers.set(register * 2, lo);
    this.registers.set(register * 2 + 1, hi);
  }

  /** A register as unsigned 64-bit value (32-bit ABIs: the high word is 0). */
  getReg(register: Register): bigint {
    return joinWords(this.regLo(register), this.regHi(register));
  }

  setRegValue(register: Register, value: bigint): void {
    this.setReg(register, lowWord(value), highWord(value));
  }

  /** The result register of a hypercall, sign-extended from 32 bits: every errno and count fits. */
  setResult(value: number): void {
    this.setReg(R.rax, value, value < 0 ? -1 : 0);
  }

  control(word: number): number {
    return this.registers.data[word] as number;
  }

  setControl(word: number, value: number): void {
    this.registers.set(word, value);
  }

  get kernelRoot(): Mfn | null {
    const root = this.control(Control.kernelRoot);
    return root === NO_ROOT ? null : mfn(root >>> 0);
  }

  get userRoot(): Mfn | null {
    const root = this.control(Control.userRoot);
    return root === NO_ROOT ? null : mfn(root >>> 0);
  }

  get inUserMode(): boolean {
    return this.control(Control.userMode) !== 0;
  }

  /** Enters guest user or kernel mode; on ABIs with two roots that is a CR3 load, which drops non-global entries. */
  enterMode(mode: 'kernel' | 'user'): void {
    const word = mode === 'user' ? 1 : 0;
    if (this.control(Control.userMode) === word) return;
    this.setControl(Control.userMode, word);
    if (this.domain.abi.kernelInRing3) this.mmu.flushNonGlobal();
  }

  trap(vector: number): TrapEntry {
    const at = vector * TRAP_WORDS;
    const word = this.traps.get(at);
    return {
      flags: word & 0xff,
      cs: word >>> 16,
      addressLo: this.traps.get(at + 1),
      addressHi: this.traps.get(at + 2),
    };
  }

  setTrap(vector: number, entry: TrapEntry): void {
    const at = vector * TRAP_WORDS;
    this.traps.set(at, (entry.cs << 16) | entry.flags);
    this.traps.set(at + 1, entry.addressLo);
    this.traps.set(at + 2, entry.addressHi);
  }
}
