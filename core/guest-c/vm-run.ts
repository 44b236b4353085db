/**
 * The guest processor's loop: fetches an instruction, does it, goes on until something outside has to act.
 *
 * One function and one switch, because that is what a JavaScript engine makes fast: the processor's state is in local
 * variables, nothing is allocated, and an operation that cannot complete leaves the switch with nothing changed. What
 * happens rarely is in vm.ts. Operations are described in bytecode.ts.
 */

import { Op, Slot, WINDOW_MAGIC } from './bytecode.ts';
import { Division, INT_MIN, divide64, division, mulHigh } from './vm-arithmetic.ts';
import { Exit, type Vm, VECTOR_DIVIDE, VECTOR_INVALID_OPCODE, EVERY_STATEMENT } from './vm.ts';

/**
 * Runs until an exit. Stops before the statement when `budget` statements have been executed, or when one begins in
 * the window `stepBase` or in one below it (-1: never; EVERY_STATEMENT: in any, but for statements of the library).
 */
export function runLoop(vm: Vm, budget: number, stepBase: number): Exit {
  const { code, mmu, is64, textLo, textHi, imageHi, library } = vm;
  const wordBytes = is64 ? 8 : 4;
  const pushed = wordBytes * 2;
  let regs = vm.windows;
  let regsLimit = vm.windowLimit;
  let pc = vm.pc;
  let base = vm.base;
  let spLo = vm.spLo;
  let spHi = vm.spHi;
  let executed = 0;
  let page = -1;
  let exit: Exit = Exit.fault;
  if (vm.resuming) {
    vm.resuming = false;
    executed++;
    pc++;
  }
  for (;;) {
    const i = pc << 2;
    const a = code[i + 1] as number;
    const b = code[i + 2] as number;
    const c = code[i + 3] as number;
    const op = code[i] as number;
    run: {
      switch (op) {
        case Op.stmt: {
          if (pc >>> 10 !== page) {
            if (!mmu.fetch(textLo + (pc << 2), textHi)) break;
            page = pc >>> 10;
          }
          if (executed >= budget) {
            exit = Exit.budget;
            break run;
          }
          if (base <= stepBase && (stepBase !== EVERY_STATEMENT || library[a] === 0)) {
            exit = Exit.statement;
            break run;
          }
          executed++;
          pc++;
          continue;
        }
        case Op.breakpoint:
          exit = executed >= budget ? Exit.budget : Exit.breakpoint;
          break run;
        case Op.jmp:
          pc = a;
          continue;
        case Op.call:
        case Op.callr: {
          const next = base + b;
          if (next >= regsLimit) {
            if (!vm.growWindows()) {
              exit = Exit.windows;
              break run;
            }
            regs = vm.windows;
            regsLimit = vm.windowLimit;
          }
          const lo = (spLo - pushed) | 0;
          const hi = is64 && spLo >>> 0 < pushed ? (spHi - 1) | 0 : spHi;
          const upLo = (lo + wordBytes) | 0;
          if (!mmu.store(upLo, upLo === 0 ? spHi : hi, wordBytes, textLo + ((pc + 1) << 2), textHi)) break;
          if (!mmu.store(lo, hi, wordBytes, base, 0)) break;
          let target = a;
          if (op === Op.callr) {
            target = vm.callTarget(regs[base + a] as number, is64 ? (regs[base + a + 1] as number) : 0);
            if (target < 0) {
              spLo = lo;
              spHi = hi;
              exit = Exit.wild;
              break run;
            }
          }
          regs[next + Slot.caller] = base;
          regs[next + Slot.returnPc] = pc + 1;
          regs[next + Slot.foreign] = 0;
          base = next;
          pc = target;
          spLo = lo;
          spHi = hi;
          continue;
        }
        case Op.ret: {
          const lo = regs[base + Slot.entrySp] as number;
          const hi = regs[base + Slot.entrySp + 1] as number;
          if (!mmu.load(lo, hi, wordBytes)) break;
          const caller = mmu.lo;
          const upLo = (lo + wordBytes) | 0;
          const upHi = is64 && upLo === 0 ? (hi + 1) | 0 : hi;
          if (!mmu.load(upLo, upHi, wordBytes)) break;
          const back = regs[base + Slot.returnPc] as number;
          spLo = (lo + pushed) | 0;
          spHi = is64 && spLo >>> 0 < pushed ? (hi + 1) | 0 : hi;
          if (
            caller === regs[base + Slot.caller] &&
            mmu.lo === ((textLo + (back << 2)) | 0) &&
            back >= 0 &&
            mmu.hi === (is64 ? textHi : 0)
          ) {
            base = caller;
            pc = back;
            continue;
          }
          vm.returnLo = mmu.lo;
          vm.returnHi = mmu.hi;
          vm.returnBase = caller;
          exit = Exit.oddReturn;
          break run;
        }
        case Op.enter: {
          regs[base] = WINDOW_MAGIC | a;
          regs[base + Slot.entrySp] = spLo;
          regs[base + Slot.entrySp + 1] = spHi;
          const lo = (spLo - b) & -c;
          if (is64 && lo >>> 0 > spLo >>> 0) spHi = (spHi - 1) | 0;
          spLo = lo;
          regs[base + Slot.fp] = spLo;
          regs[base + Slot.fp + 1] = spHi;
          pc++;
          continue;
        }
        case Op.hypercall:
          exit = Exit.hypercall;
          break run;
        case Op.rax:
          regs[base + a] = vm.resultLo();
          pc++;
          continue;
        case Op.qrax: {
          regs[base + a] = vm.resultLo();
          regs[base + a + 1] = vm.resultHi();
          pc++;
          continue;
        }
        case Op.halt:
          vm.status = regs[base + a] as number;
          exit = Exit.halted;
          break run;
        case Op.exit:
          vm.status = regs[base + a] as number;
          exit = Exit.exited;
          break run;
        case Op.undefined:
          vm.vector = VECTOR_INVALID_OPCODE;
          break;
        case Op.touch:
          exit = Exit.touch;
          break run;
        case Op.trapEnter:
          exit = Exit.trapEnter;
          break run;
        case Op.trapReturn:
          exit = Exit.trapReturn;
          break run;
        case Op.start:
          exit = Exit.start;
          break run;
        case Op.mov: {
          regs[base + a] = regs[base + b] as number;
          pc++;
          continue;
        }
        case Op.ldi: {
          regs[base + a] = b;
          pc++;
          continue;
        }
        case Op.qmov: {
          const lo = regs[base + b] as number;
          regs[base + a + 1] = regs[base + b + 1] as number;
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qldi: {
          regs[base + a] = b;
          regs[base + a + 1] = c;
          pc++;
          continue;
        }
        case Op.qsext: {
          const lo = regs[base + b] as number;
          regs[base + a] = lo;
          regs[base + a + 1] = lo >> 31;
          pc++;
          continue;
        }
        case Op.qzext: {
          regs[base + a] = regs[base + b] as number;
          regs[base + a + 1] = 0;
          pc++;
          continue;
        }
        case Op.sext8: {
          regs[base + a] = ((regs[base + b] as number) << 24) >> 24;
          pc++;
          continue;
        }
        case Op.sext16: {
          regs[base + a] = ((regs[base + b] as number) << 16) >> 16;
          pc++;
          continue;
        }
        case Op.add: {
          regs[base + a] = (regs[base + b] as number) + (regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.sub: {
          regs[base + a] = (regs[base + b] as number) - (regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.and: {
          regs[base + a] = (regs[base + b] as number) & (regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.or: {
          regs[base + a] = (regs[base + b] as number) | (regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.xor: {
          regs[base + a] = (regs[base + b] as number) ^ (regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.shl: {
          regs[base + a] = (regs[base + b] as number) << (regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.shr: {
          regs[base + a] = (regs[base + b] as number) >>> (regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.sar: {
          regs[base + a] = (regs[base + b] as number) >> (regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.mul: {
          regs[base + a] = Math.imul(regs[base + b] as number, regs[base + c] as number);
          pc++;
          continue;
        }
        case Op.divs: {
          const x = regs[base + b] as number;
          const y = regs[base + c] as number;
          if (y === 0 || (y === -1 && x === INT_MIN)) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = x / y;
          pc++;
          continue;
        }
        case Op.mods: {
          const x = regs[base + b] as number;
          const y = regs[base + c] as number;
          if (y === 0 || (y === -1 && x === INT_MIN)) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = x % y;
          pc++;
          continue;
        }
        case Op.divu: {
          const y = (regs[base + c] as number) >>> 0;
          if (y === 0) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = ((regs[base + b] as number) >>> 0) / y;
          pc++;
          continue;
        }
        case Op.modu: {
          const y = (regs[base + c] as number) >>> 0;
          if (y === 0) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = ((regs[base + b] as number) >>> 0) % y;
          pc++;
          continue;
        }
        case Op.addi: {
          regs[base + a] = (regs[base + b] as number) + c;
          pc++;
          continue;
        }
        case Op.andi: {
          regs[base + a] = (regs[base + b] as number) & c;
          pc++;
          continue;
        }
        case Op.ori: {
          regs[base + a] = (regs[base + b] as number) | c;
          pc++;
          continue;
        }
        case Op.xori: {
          regs[base + a] = (regs[base + b] as number) ^ c;
          pc++;
          continue;
        }
        case Op.shli: {
          regs[base + a] = (regs[base + b] as number) << c;
          pc++;
          continue;
        }
        case Op.shri: {
          regs[base + a] = (regs[base + b] as number) >>> c;
          pc++;
          continue;
        }
        case Op.sari: {
          regs[base + a] = (regs[base + b] as number) >> c;
          pc++;
          continue;
        }
        case Op.muli: {
          regs[base + a] = Math.imul(regs[base + b] as number, c);
          pc++;
          continue;
        }
        case Op.neg: {
          regs[base + a] = -(regs[base + b] as number);
          pc++;
          continue;
        }
        case Op.not: {
          regs[base + a] = ~(regs[base + b] as number);
          pc++;
          continue;
        }
        case Op.addsh: {
          regs[base + a] = (regs[base + b] as number) + ((regs[base + (c & 0xffff)] as number) << (c >>> 16));
          pc++;
          continue;
        }
        case Op.qadd: {
          const x = regs[base + b] as number;
          const lo = (x + (regs[base + c] as number)) | 0;
          regs[base + a + 1] =
            (regs[base + b + 1] as number) + (regs[base + c + 1] as number) + (lo >>> 0 < x >>> 0 ? 1 : 0);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qsub: {
          const x = regs[base + b] as number;
          const y = regs[base + c] as number;
          regs[base + a + 1] =
            (regs[base + b + 1] as number) - (regs[base + c + 1] as number) - (x >>> 0 < y >>> 0 ? 1 : 0);
          regs[base + a] = x - y;
          pc++;
          continue;
        }
        case Op.qmul: {
          const x = regs[base + b] as number;
          const y = regs[base + c] as number;
          regs[base + a + 1] =
            mulHigh(x, y) +
            Math.imul(x, regs[base + c + 1] as number) +
            Math.imul(regs[base + b + 1] as number, y);
          regs[base + a] = Math.imul(x, y);
          pc++;
          continue;
        }
        case Op.qand: {
          const lo = (regs[base + b] as number) & (regs[base + c] as number);
          regs[base + a + 1] = (regs[base + b + 1] as number) & (regs[base + c + 1] as number);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qor: {
          const lo = (regs[base + b] as number) | (regs[base + c] as number);
          regs[base + a + 1] = (regs[base + b + 1] as number) | (regs[base + c + 1] as number);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qxor: {
          const lo = (regs[base + b] as number) ^ (regs[base + c] as number);
          regs[base + a + 1] = (regs[base + b + 1] as number) ^ (regs[base + c + 1] as number);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qshl: {
          const s = (regs[base + c] as number) & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s < 32 ? lo << s : 0;
          regs[base + a + 1] = s === 0 ? hi : s < 32 ? (hi << s) | (lo >>> (32 - s)) : lo << (s - 32);
          pc++;
          continue;
        }
        case Op.qshr: {
          const s = (regs[base + c] as number) & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s === 0 ? lo : s < 32 ? (lo >>> s) | (hi << (32 - s)) : hi >>> (s - 32);
          regs[base + a + 1] = s < 32 ? hi >>> s : 0;
          pc++;
          continue;
        }
        case Op.qsar: {
          const s = (regs[base + c] as number) & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s === 0 ? lo : s < 32 ? (lo >>> s) | (hi << (32 - s)) : hi >> (s - 32);
          regs[base + a + 1] = s < 32 ? hi >> s : hi >> 31;
          pc++;
          continue;
        }
        case Op.qdivs: {
          if (
            !divide64(
              regs[base + b] as number,
              regs[base + b + 1] as number,
              regs[base + c] as number,
              regs[base + c + 1] as number,
              Division.signedQuotient,
            )
          ) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = division[0] as number;
          regs[base + a + 1] = division[1] as number;
          pc++;
          continue;
        }
        case Op.qdivu: {
          if (
            !divide64(
              regs[base + b] as number,
              regs[base + b + 1] as number,
              regs[base + c] as number,
              regs[base + c + 1] as number,
              Division.unsignedQuotient,
            )
          ) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = division[0] as number;
          regs[base + a + 1] = division[1] as number;
          pc++;
          continue;
        }
        case Op.qmods: {
          if (
            !divide64(
              regs[base + b] as number,
              regs[base + b + 1] as number,
              regs[base + c] as number,
              regs[base + c + 1] as number,
              Division.signedRemainder,
            )
          ) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = division[0] as number;
          regs[base + a + 1] = division[1] as number;
          pc++;
          continue;
        }
        case Op.qmodu: {
          if (
            !divide64(
              regs[base + b] as number,
              regs[base + b + 1] as number,
              regs[base + c] as number,
              regs[base + c + 1] as number,
              Division.unsignedRemainder,
            )
          ) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = division[0] as number;
          regs[base + a + 1] = division[1] as number;
          pc++;
          continue;
        }
        case Op.qaddi: {
          const lo = ((regs[base + b] as number) + c) | 0;
          regs[base + a + 1] = (regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qmuli: {
          const x = regs[base + b] as number;
          regs[base + a + 1] =
            mulHigh(x, c) + Math.imul(x, c >> 31) + Math.imul(regs[base + b + 1] as number, c);
          regs[base + a] = Math.imul(x, c);
          pc++;
          continue;
        }
        case Op.qandi: {
          const lo = (regs[base + b] as number) & c;
          regs[base + a + 1] = (regs[base + b + 1] as number) & (c >> 31);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qori: {
          const lo = (regs[base + b] as number) | c;
          regs[base + a + 1] = (regs[base + b + 1] as number) | (c >> 31);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qxori: {
          const lo = (regs[base + b] as number) ^ c;
          regs[base + a + 1] = (regs[base + b + 1] as number) ^ (c >> 31);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qshli: {
          const s = c & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s < 32 ? lo << s : 0;
          regs[base + a + 1] = s === 0 ? hi : s < 32 ? (hi << s) | (lo >>> (32 - s)) : lo << (s - 32);
          pc++;
          continue;
        }
        case Op.qshri: {
          const s = c & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s === 0 ? lo : s < 32 ? (lo >>> s) | (hi << (32 - s)) : hi >>> (s - 32);
          regs[base + a + 1] = s < 32 ? hi >>> s : 0;
          pc++;
          continue;
        }
        case Op.qsari: {
          const s = c & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s === 0 ? lo : s < 32 ? (lo >>> s) | (hi << (32 - s)) : hi >> (s - 32);
          regs[base + a + 1] = s < 32 ? hi >> s : hi >> 31;
          pc++;
          continue;
        }
        case Op.qneg: {
          const x = regs[base + b] as number;
          regs[base + a + 1] = ~(regs[base + b + 1] as number) + (x === 0 ? 1 : 0);
          regs[base + a] = -x;
          pc++;
          continue;
        }
        case Op.qnot: {
          const lo = ~(regs[base + b] as number);
          regs[base + a + 1] = ~(regs[base + b + 1] as number);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.qaddsh: {
          const p = base + (c & 0xffff);
          const s = c >>> 16;
          const x = regs[base + b] as number;
          const y = regs[p] as number;
          const yh = regs[p + 1] as number;
          const lo = (x + (y << s)) | 0;
          regs[base + a + 1] =
            (regs[base + b + 1] as number) +
            (s === 0 ? yh : (yh << s) | (y >>> (32 - s))) +
            (lo >>> 0 < x >>> 0 ? 1 : 0);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case Op.eq: {
          regs[base + a] = (regs[base + b] as number) === (regs[base + c] as number) ? 1 : 0;
          pc++;
          continue;
        }
        case Op.ne: {
          regs[base + a] = (regs[base + b] as number) !== (regs[base + c] as number) ? 1 : 0;
          pc++;
          continue;
        }
        case Op.lt: {
          regs[base + a] = (regs[base + b] as number) < (regs[base + c] as number) ? 1 : 0;
          pc++;
          continue;
        }
        case Op.le: {
          regs[base + a] = (regs[base + b] as number) <= (regs[base + c] as number) ? 1 : 0;
          pc++;
          continue;
        }
        case Op.ltu: {
          regs[base + a] = (regs[base + b] as number) >>> 0 < (regs[base + c] as number) >>> 0 ? 1 : 0;
          pc++;
          continue;
        }
        case Op.leu: {
          regs[base + a] = (regs[base + b] as number) >>> 0 <= (regs[base + c] as number) >>> 0 ? 1 : 0;
          pc++;
          continue;
        }
        case Op.eqz: {
          regs[base + a] = (regs[base + b] as number) === 0 ? 1 : 0;
          pc++;
          continue;
        }
        case Op.nez: {
          regs[base + a] = (regs[base + b] as number) !== 0 ? 1 : 0;
          pc++;
          continue;
        }
        case Op.qeq: {
          const xh = regs[base + b + 1] as number;
          const yh = regs[base + c + 1] as number;
          regs[base + a] = (regs[base + b] as number) === (regs[base + c] as number) && xh === yh ? 1 : 0;
          pc++;
          continue;
        }
        case Op.qne: {
          const xh = regs[base + b + 1] as number;
          const yh = regs[base + c + 1] as number;
          regs[base + a] = (regs[base + b] as number) !== (regs[base + c] as number) || xh !== yh ? 1 : 0;
          pc++;
          continue;
        }
        case Op.qlt: {
          const xh = regs[base + b + 1] as number;
          const yh = regs[base + c + 1] as number;
          regs[base + a] = (
            xh === yh ? (regs[base + b] as number) >>> 0 < (regs[base + c] as number) >>> 0 : xh < yh
          )
            ? 1
            : 0;
          pc++;
          continue;
        }
        case Op.qle: {
          const xh = regs[base + b + 1] as number;
          const yh = regs[base + c + 1] as number;
          regs[base + a] = (
            xh === yh ? (regs[base + b] as number) >>> 0 <= (regs[base + c] as number) >>> 0 : xh < yh
          )
            ? 1
            : 0;
          pc++;
          continue;
        }
        case Op.qltu: {
          const xh = regs[base + b + 1] as number;
          const yh = regs[base + c + 1] as number;
          regs[base + a] = (
            xh === yh
              ? (regs[base + b] as number) >>> 0 < (regs[base + c] as number) >>> 0
              : xh >>> 0 < yh >>> 0
          )
            ? 1
            : 0;
          pc++;
          continue;
        }
        case Op.qleu: {
          const xh = regs[base + b + 1] as number;
          const yh = regs[base + c + 1] as number;
          regs[base + a] = (
            xh === yh
              ? (regs[base + b] as number) >>> 0 <= (regs[base + c] as number) >>> 0
              : xh >>> 0 < yh >>> 0
          )
            ? 1
            : 0;
          pc++;
          continue;
        }
        case Op.qeqz: {
          regs[base + a] = ((regs[base + b] as number) | (regs[base + b + 1] as number)) === 0 ? 1 : 0;
          pc++;
          continue;
        }
        case Op.qnez: {
          regs[base + a] = ((regs[base + b] as number) | (regs[base + b + 1] as number)) !== 0 ? 1 : 0;
          pc++;
          continue;
        }
        case Op.jz: {
          pc = (regs[base + a] as number) === 0 ? b : pc + 1;
          continue;
        }
        case Op.jnz: {
          pc = (regs[base + a] as number) !== 0 ? b : pc + 1;
          continue;
        }
        case Op.qjz: {
          pc = ((regs[base + a] as number) | (regs[base + a + 1] as number)) === 0 ? b : pc + 1;
          continue;
        }
        case Op.qjnz: {
          pc = ((regs[base + a] as number) | (regs[base + a + 1] as number)) !== 0 ? b : pc + 1;
          continue;
        }
        case Op.jeq: {
          pc = (regs[base + a] as number) === (regs[base + b] as number) ? c : pc + 1;
          continue;
        }
        case Op.jne: {
          pc = (regs[base + a] as number) !== (regs[base + b] as number) ? c : pc + 1;
          continue;
        }
        case Op.jlt: {
          pc = (regs[base + a] as number) < (regs[base + b] as number) ? c : pc + 1;
          continue;
        }
        case Op.jle: {
          pc = (regs[base + a] as number) <= (regs[base + b] as number) ? c : pc + 1;
          continue;
        }
        case Op.jltu: {
          pc = (regs[base + a] as number) >>> 0 < (regs[base + b] as number) >>> 0 ? c : pc + 1;
          continue;
        }
        case Op.jleu: {
          pc = (regs[base + a] as number) >>> 0 <= (regs[base + b] as number) >>> 0 ? c : pc + 1;
          continue;
        }
        case Op.jeqi: {
          pc = (regs[base + a] as number) === b ? c : pc + 1;
          continue;
        }
        case Op.jnei: {
          pc = (regs[base + a] as number) !== b ? c : pc + 1;
          continue;
        }
        case Op.jlti: {
          pc = (regs[base + a] as number) < b ? c : pc + 1;
          continue;
        }
        case Op.jgei: {
          pc = (regs[base + a] as number) >= b ? c : pc + 1;
          continue;
        }
        case Op.jltui: {
          pc = (regs[base + a] as number) >>> 0 < b >>> 0 ? c : pc + 1;
          continue;
        }
        case Op.jgeui: {
          pc = (regs[base + a] as number) >>> 0 >= b >>> 0 ? c : pc + 1;
          continue;
        }
        case Op.qjeq: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (regs[base + a] as number) === (regs[base + b] as number) && xh === yh ? c : pc + 1;
          continue;
        }
        case Op.qjne: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (regs[base + a] as number) !== (regs[base + b] as number) || xh !== yh ? c : pc + 1;
          continue;
        }
        case Op.qjlt: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 < (regs[base + b] as number) >>> 0 : xh < yh)
            ? c
            : pc + 1;
          continue;
        }
        case Op.qjle: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 <= (regs[base + b] as number) >>> 0 : xh < yh)
            ? c
            : pc + 1;
          continue;
        }
        case Op.qjltu: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (
            xh === yh
              ? (regs[base + a] as number) >>> 0 < (regs[base + b] as number) >>> 0
              : xh >>> 0 < yh >>> 0
          )
            ? c
            : pc + 1;
          continue;
        }
        case Op.qjleu: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (
            xh === yh
              ? (regs[base + a] as number) >>> 0 <= (regs[base + b] as number) >>> 0
              : xh >>> 0 < yh >>> 0
          )
            ? c
            : pc + 1;
          continue;
        }
        case Op.qjeqi: {
          pc = (regs[base + a] as number) === b && (regs[base + a + 1] as number) === b >> 31 ? c : pc + 1;
          continue;
        }
        case Op.qjnei: {
          pc = (regs[base + a] as number) !== b || (regs[base + a + 1] as number) !== b >> 31 ? c : pc + 1;
          continue;
        }
        case Op.qjlti: {
          const xh = regs[base + a + 1] as number;
          const yh = b >> 31;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 < b >>> 0 : xh < yh) ? c : pc + 1;
          continue;
        }
        case Op.qjgei: {
          const xh = regs[base + a + 1] as number;
          const yh = b >> 31;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 >= b >>> 0 : xh > yh) ? c : pc + 1;
          continue;
        }
        case Op.qjltui: {
          const xh = regs[base + a + 1] as number;
          const yh = b >> 31;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 < b >>> 0 : xh >>> 0 < yh >>> 0) ? c : pc + 1;
          continue;
        }
        case Op.qjgeui: {
          const xh = regs[base + a + 1] as number;
          const yh = b >> 31;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 >= b >>> 0 : xh >>> 0 > yh >>> 0) ? c : pc + 1;
          continue;
        }
        case Op.l8u: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 1)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.wl8u: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 1)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.gl8u: {
          if (!mmu.load(b, imageHi, 1)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.l8s: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 1)) break;
          regs[base + a] = (mmu.lo << 24) >> 24;
          pc++;
          continue;
        }
        case Op.wl8s: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 1)) break;
          regs[base + a] = (mmu.lo << 24) >> 24;
          pc++;
          continue;
        }
        case Op.gl8s: {
          if (!mmu.load(b, imageHi, 1)) break;
          regs[base + a] = (mmu.lo << 24) >> 24;
          pc++;
          continue;
        }
        case Op.l16u: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 2)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.wl16u: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 2)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.gl16u: {
          if (!mmu.load(b, imageHi, 2)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.l16s: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 2)) break;
          regs[base + a] = (mmu.lo << 16) >> 16;
          pc++;
          continue;
        }
        case Op.wl16s: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 2)) break;
          regs[base + a] = (mmu.lo << 16) >> 16;
          pc++;
          continue;
        }
        case Op.gl16s: {
          if (!mmu.load(b, imageHi, 2)) break;
          regs[base + a] = (mmu.lo << 16) >> 16;
          pc++;
          continue;
        }
        case Op.l32: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 4)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.wl32: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 4)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.gl32: {
          if (!mmu.load(b, imageHi, 4)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case Op.l64: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 8)) break;
          regs[base + a] = mmu.lo;
          regs[base + a + 1] = mmu.hi;
          pc++;
          continue;
        }
        case Op.wl64: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 8)) break;
          regs[base + a] = mmu.lo;
          regs[base + a + 1] = mmu.hi;
          pc++;
          continue;
        }
        case Op.gl64: {
          if (!mmu.load(b, imageHi, 8)) break;
          regs[base + a] = mmu.lo;
          regs[base + a + 1] = mmu.hi;
          pc++;
          continue;
        }
        case Op.s8: {
          const x = regs[base + a] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + a + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.store(lo, hi, 1, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.ws8: {
          if (!mmu.store(((regs[base + a] as number) + c) | 0, 0, 1, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.gs8: {
          if (!mmu.store(b, imageHi, 1, regs[base + a] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.s16: {
          const x = regs[base + a] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + a + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.store(lo, hi, 2, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.ws16: {
          if (!mmu.store(((regs[base + a] as number) + c) | 0, 0, 2, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.gs16: {
          if (!mmu.store(b, imageHi, 2, regs[base + a] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.s32: {
          const x = regs[base + a] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + a + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.store(lo, hi, 4, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.ws32: {
          if (!mmu.store(((regs[base + a] as number) + c) | 0, 0, 4, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.gs32: {
          if (!mmu.store(b, imageHi, 4, regs[base + a] as number, 0)) break;
          pc++;
          continue;
        }
        case Op.s64: {
          const x = regs[base + a] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + a + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.store(lo, hi, 8, regs[base + b] as number, regs[base + b + 1] as number)) break;
          pc++;
          continue;
        }
        case Op.ws64: {
          if (
            !mmu.store(
              ((regs[base + a] as number) + c) | 0,
              0,
              8,
              regs[base + b] as number,
              regs[base + b + 1] as number,
            )
          )
            break;
          pc++;
          continue;
        }
        case Op.gs64: {
          if (!mmu.store(b, imageHi, 8, regs[base + a] as number, regs[base + a + 1] as number)) break;
          pc++;
          continue;
        }
        default:
          vm.vector = VECTOR_INVALID_OPCODE;
      }
      exit = Exit.fault;
    }
    break;
  }
  vm.pc = pc;
  vm.base = base;
  vm.spLo = spLo;
  vm.spHi = spHi;
  vm.executed = executed;
  return exit;
}
