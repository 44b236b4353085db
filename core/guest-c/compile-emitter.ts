/** Writes instructions: growth, jump targets that are placed later, and which statement each instruction belongs to. */

import { highWord, lowWord } from '../units.ts';
import { Op } from './bytecode.ts';
import type { FunctionSymbol, VariableSymbol } from './tree.ts';

/** A place that jumps lead to; `pc` is -1 until it is placed. */
export interface Target {
  pc: number;
  /** Operand words to fill in. */
  readonly uses: number[];
}

/** An operand that is an address known only when all code has been written. */
export interface Fixup {
  readonly word: number;
  readonly symbol: VariableSymbol | FunctionSymbol;
  readonly addend: number;
  /** `pc`: the function's first instruction; `address`: the low word of the guest address. */
  readonly what: 'pc' | 'address';
}

export class Emitter {
  code = new Int32Array(1 << 14);
  /** Instructions written. */
  count = 0;
  readonly fixups: Fixup[] = [];
  readonly statementOf: number[] = [];
  /** The statement being compiled, -1 for none. */
  statement = -1;

  emit(op: number, a = 0, b = 0, c = 0): number {
    const pc = this.count++;
    if (pc * 4 + 4 > this.code.length) {
      const code = new Int32Array(this.code.length * 2);
      code.set(this.code);
      this.code = code;
    }
    this.code[pc * 4] = op;
    this.code[pc * 4 + 1] = a;
    this.code[pc * 4 + 2] = b;
    this.code[pc * 4 + 3] = c;
    this.statementOf.push(this.statement);
    return pc;
  }

  target(): Target {
    return { pc: -1, uses: [] };
  }

  place(target: Target): void {
    target.pc = this.count;
    for (const word of target.uses) this.code[word] = this.count;
    target.uses.length = 0;
  }

  jump(to: Target): void {
    this.refer(to, this.emit(Op.jmp) * 4 + 1);
  }

  /** A jump on one register (`jz` and its like). */
  jumpOn(op: number, register: number, to: Target): void {
    this.refer(to, this.emit(op, register) * 4 + 2);
  }

  /** A jump on a comparison of two operands. */
  jumpIf(op: number, a: number, b: number, to: Target): void {
    this.refer(to, this.emit(op, a, b) * 4 + 3);
  }

  /** Has operand `index` (1..3) of an instruction filled in when addresses are known. */
  fix(
    pc: number,
    index: 1 | 2 | 3,
    symbol: VariableSymbol | FunctionSymbol,
    what: Fixup['what'],
    addend = 0,
  ): void {
    this.fixups.push({ word: pc * 4 + index, symbol, addend, what });
  }

  private refer(to: Target, word: number): void {
    if (to.pc >= 0) this.code[word] = to.pc;
    else to.uses.push(word);
  }
}

/** Writes an address into the operand that was kept for it: its low word, and with `qldi` the high word behind it. */
export function fillAddress(code: Int32Array, word: number, address: bigint): void {
  code[word] = lowWord(address);
  if (code[word & ~3] === Op.qldi) code[word + 1] = highWord(address);
}
