/**
 * The guest processor's loop: fetches an instruction, does it, goes on until something outside has to act.
 *
 * One function and one switch, because that is what a JavaScript engine makes fast: the processor's state is in local
 * variables, nothing is allocated, and an operation that cannot complete leaves the switch with nothing changed. What
 * happens rarely is in vm.ts. Operations are described in bytecode.ts; their numbers are written out here, because only
 * literals make V8 jump by a table (seven times faster than names), and a test compares them with the names beside them.
 */

import { Op, Slot, WINDOW_MAGIC } from './bytecode.ts';
import { Division, INT_MIN, divide64, division, mulHigh } from './vm-arithmetic.ts';
import { EVERY_STATEMENT, Exit, VECTOR_DIVIDE, VECTOR_INVALID_OPCODE } from './vm-exit.ts';
import type { Vm } from './vm.ts';

const CALL_REGISTER = Op.callr;

/**
 * Runs until an exit, at which the processor may be left and entered again any number of times without a trace: what the
 * guest's run comes to does not depend on how it was sliced. Stops before the statement when `budget` statements have been executed, or when one begins in
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
  let page = vm.page;
  let exit: Exit = Exit.fault;
  if (vm.resuming && budget > 0) {
    vm.resuming = false;
    if (pc >>> 10 === page || mmu.fetch(textLo + (pc << 2), textHi)) {
      page = pc >>> 10;
      executed++;
      pc++;
    }
  }
  for (;;) {
    const i = pc << 2;
    const a = code[i + 1] as number;
    const b = code[i + 2] as number;
    const c = code[i + 3] as number;
    const op = code[i] as number;
    run: {
      switch (op) {
        case /* stmt */ 0: {
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
        case /* breakpoint */ 1:
          if (pc >>> 10 !== page) {
            if (!mmu.fetch(textLo + (pc << 2), textHi)) break;
            page = pc >>> 10;
          }
          exit = executed >= budget ? Exit.budget : Exit.breakpoint;
          break run;
        case /* jmp */ 2:
          pc = a;
          continue;
        case /* call */ 3:
        case /* callr */ 4: {
          const next = base + b;
          if (next >= regsLimit) {
            if (!vm.growWindows(next)) {
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
          if (op === CALL_REGISTER) {
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
        case /* ret */ 5: {
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
        case /* enter */ 6: {
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
        case /* hypercall */ 7:
          exit = Exit.hypercall;
          break run;
        case /* rax */ 8:
          regs[base + a] = vm.resultLo();
          pc++;
          continue;
        case /* qrax */ 9: {
          regs[base + a] = vm.resultLo();
          regs[base + a + 1] = vm.resultHi();
          pc++;
          continue;
        }
        case /* halt */ 10:
          vm.status = regs[base + a] as number;
          exit = Exit.halted;
          break run;
        case /* exit */ 11:
          vm.status = regs[base + a] as number;
          exit = Exit.exited;
          break run;
        case /* undefined */ 12:
          vm.vector = VECTOR_INVALID_OPCODE;
          break;
        case /* touch */ 13:
          exit = Exit.touch;
          break run;
        case /* trapEnter */ 14:
          exit = Exit.trapEnter;
          break run;
        case /* trapReturn */ 15:
          exit = Exit.trapReturn;
          break run;
        case /* start */ 16:
          exit = Exit.start;
          break run;
        case /* mov */ 17: {
          regs[base + a] = regs[base + b] as number;
          pc++;
          continue;
        }
        case /* ldi */ 18: {
          regs[base + a] = b;
          pc++;
          continue;
        }
        case /* qmov */ 19: {
          const lo = regs[base + b] as number;
          regs[base + a + 1] = regs[base + b + 1] as number;
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qldi */ 20: {
          regs[base + a] = b;
          regs[base + a + 1] = c;
          pc++;
          continue;
        }
        case /* qsext */ 21: {
          const lo = regs[base + b] as number;
          regs[base + a] = lo;
          regs[base + a + 1] = lo >> 31;
          pc++;
          continue;
        }
        case /* qzext */ 22: {
          regs[base + a] = regs[base + b] as number;
          regs[base + a + 1] = 0;
          pc++;
          continue;
        }
        case /* sext8 */ 23: {
          regs[base + a] = ((regs[base + b] as number) << 24) >> 24;
          pc++;
          continue;
        }
        case /* sext16 */ 24: {
          regs[base + a] = ((regs[base + b] as number) << 16) >> 16;
          pc++;
          continue;
        }
        case /* add */ 25: {
          regs[base + a] = (regs[base + b] as number) + (regs[base + c] as number);
          pc++;
          continue;
        }
        case /* sub */ 26: {
          regs[base + a] = (regs[base + b] as number) - (regs[base + c] as number);
          pc++;
          continue;
        }
        case /* and */ 28: {
          regs[base + a] = (regs[base + b] as number) & (regs[base + c] as number);
          pc++;
          continue;
        }
        case /* or */ 29: {
          regs[base + a] = (regs[base + b] as number) | (regs[base + c] as number);
          pc++;
          continue;
        }
        case /* xor */ 30: {
          regs[base + a] = (regs[base + b] as number) ^ (regs[base + c] as number);
          pc++;
          continue;
        }
        case /* shl */ 31: {
          regs[base + a] = (regs[base + b] as number) << (regs[base + c] as number);
          pc++;
          continue;
        }
        case /* shr */ 32: {
          regs[base + a] = (regs[base + b] as number) >>> (regs[base + c] as number);
          pc++;
          continue;
        }
        case /* sar */ 33: {
          regs[base + a] = (regs[base + b] as number) >> (regs[base + c] as number);
          pc++;
          continue;
        }
        case /* mul */ 27: {
          regs[base + a] = Math.imul(regs[base + b] as number, regs[base + c] as number);
          pc++;
          continue;
        }
        case /* divs */ 34: {
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
        case /* mods */ 36: {
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
        case /* divu */ 35: {
          const y = (regs[base + c] as number) >>> 0;
          if (y === 0) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = ((regs[base + b] as number) >>> 0) / y;
          pc++;
          continue;
        }
        case /* modu */ 37: {
          const y = (regs[base + c] as number) >>> 0;
          if (y === 0) {
            vm.vector = VECTOR_DIVIDE;
            break;
          }
          regs[base + a] = ((regs[base + b] as number) >>> 0) % y;
          pc++;
          continue;
        }
        case /* addi */ 38: {
          regs[base + a] = (regs[base + b] as number) + c;
          pc++;
          continue;
        }
        case /* andi */ 40: {
          regs[base + a] = (regs[base + b] as number) & c;
          pc++;
          continue;
        }
        case /* ori */ 41: {
          regs[base + a] = (regs[base + b] as number) | c;
          pc++;
          continue;
        }
        case /* xori */ 42: {
          regs[base + a] = (regs[base + b] as number) ^ c;
          pc++;
          continue;
        }
        case /* shli */ 43: {
          regs[base + a] = (regs[base + b] as number) << c;
          pc++;
          continue;
        }
        case /* shri */ 44: {
          regs[base + a] = (regs[base + b] as number) >>> c;
          pc++;
          continue;
        }
        case /* sari */ 45: {
          regs[base + a] = (regs[base + b] as number) >> c;
          pc++;
          continue;
        }
        case /* muli */ 39: {
          regs[base + a] = Math.imul(regs[base + b] as number, c);
          pc++;
          continue;
        }
        case /* neg */ 46: {
          regs[base + a] = -(regs[base + b] as number);
          pc++;
          continue;
        }
        case /* not */ 47: {
          regs[base + a] = ~(regs[base + b] as number);
          pc++;
          continue;
        }
        case /* addsh */ 48: {
          regs[base + a] = (regs[base + b] as number) + ((regs[base + (c & 0xffff)] as number) << (c >>> 16));
          pc++;
          continue;
        }
        case /* qadd */ 49: {
          const x = regs[base + b] as number;
          const lo = (x + (regs[base + c] as number)) | 0;
          regs[base + a + 1] =
            (regs[base + b + 1] as number) + (regs[base + c + 1] as number) + (lo >>> 0 < x >>> 0 ? 1 : 0);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qsub */ 50: {
          const x = regs[base + b] as number;
          const y = regs[base + c] as number;
          regs[base + a + 1] =
            (regs[base + b + 1] as number) - (regs[base + c + 1] as number) - (x >>> 0 < y >>> 0 ? 1 : 0);
          regs[base + a] = x - y;
          pc++;
          continue;
        }
        case /* qmul */ 51: {
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
        case /* qand */ 52: {
          const lo = (regs[base + b] as number) & (regs[base + c] as number);
          regs[base + a + 1] = (regs[base + b + 1] as number) & (regs[base + c + 1] as number);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qor */ 53: {
          const lo = (regs[base + b] as number) | (regs[base + c] as number);
          regs[base + a + 1] = (regs[base + b + 1] as number) | (regs[base + c + 1] as number);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qxor */ 54: {
          const lo = (regs[base + b] as number) ^ (regs[base + c] as number);
          regs[base + a + 1] = (regs[base + b + 1] as number) ^ (regs[base + c + 1] as number);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qshl */ 55: {
          const s = (regs[base + c] as number) & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s < 32 ? lo << s : 0;
          regs[base + a + 1] = s === 0 ? hi : s < 32 ? (hi << s) | (lo >>> (32 - s)) : lo << (s - 32);
          pc++;
          continue;
        }
        case /* qshr */ 56: {
          const s = (regs[base + c] as number) & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s === 0 ? lo : s < 32 ? (lo >>> s) | (hi << (32 - s)) : hi >>> (s - 32);
          regs[base + a + 1] = s < 32 ? hi >>> s : 0;
          pc++;
          continue;
        }
        case /* qsar */ 57: {
          const s = (regs[base + c] as number) & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s === 0 ? lo : s < 32 ? (lo >>> s) | (hi << (32 - s)) : hi >> (s - 32);
          regs[base + a + 1] = s < 32 ? hi >> s : hi >> 31;
          pc++;
          continue;
        }
        case /* qdivs */ 58: {
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
        case /* qdivu */ 59: {
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
        case /* qmods */ 60: {
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
        case /* qmodu */ 61: {
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
        case /* qaddi */ 62: {
          const lo = ((regs[base + b] as number) + c) | 0;
          regs[base + a + 1] = (regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qmuli */ 63: {
          const x = regs[base + b] as number;
          regs[base + a + 1] =
            mulHigh(x, c) + Math.imul(x, c >> 31) + Math.imul(regs[base + b + 1] as number, c);
          regs[base + a] = Math.imul(x, c);
          pc++;
          continue;
        }
        case /* qandi */ 64: {
          const lo = (regs[base + b] as number) & c;
          regs[base + a + 1] = (regs[base + b + 1] as number) & (c >> 31);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qori */ 65: {
          const lo = (regs[base + b] as number) | c;
          regs[base + a + 1] = (regs[base + b + 1] as number) | (c >> 31);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qxori */ 66: {
          const lo = (regs[base + b] as number) ^ c;
          regs[base + a + 1] = (regs[base + b + 1] as number) ^ (c >> 31);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qshli */ 67: {
          const s = c & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s < 32 ? lo << s : 0;
          regs[base + a + 1] = s === 0 ? hi : s < 32 ? (hi << s) | (lo >>> (32 - s)) : lo << (s - 32);
          pc++;
          continue;
        }
        case /* qshri */ 68: {
          const s = c & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s === 0 ? lo : s < 32 ? (lo >>> s) | (hi << (32 - s)) : hi >>> (s - 32);
          regs[base + a + 1] = s < 32 ? hi >>> s : 0;
          pc++;
          continue;
        }
        case /* qsari */ 69: {
          const s = c & 63;
          const lo = regs[base + b] as number;
          const hi = regs[base + b + 1] as number;
          regs[base + a] = s === 0 ? lo : s < 32 ? (lo >>> s) | (hi << (32 - s)) : hi >> (s - 32);
          regs[base + a + 1] = s < 32 ? hi >> s : hi >> 31;
          pc++;
          continue;
        }
        case /* qneg */ 70: {
          const x = regs[base + b] as number;
          regs[base + a + 1] = ~(regs[base + b + 1] as number) + (x === 0 ? 1 : 0);
          regs[base + a] = -x;
          pc++;
          continue;
        }
        case /* qnot */ 71: {
          const lo = ~(regs[base + b] as number);
          regs[base + a + 1] = ~(regs[base + b + 1] as number);
          regs[base + a] = lo;
          pc++;
          continue;
        }
        case /* qaddsh */ 72: {
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
        case /* eq */ 73: {
          regs[base + a] = (regs[base + b] as number) === (regs[base + c] as number) ? 1 : 0;
          pc++;
          continue;
        }
        case /* ne */ 74: {
          regs[base + a] = (regs[base + b] as number) !== (regs[base + c] as number) ? 1 : 0;
          pc++;
          continue;
        }
        case /* lt */ 75: {
          regs[base + a] = (regs[base + b] as number) < (regs[base + c] as number) ? 1 : 0;
          pc++;
          continue;
        }
        case /* le */ 76: {
          regs[base + a] = (regs[base + b] as number) <= (regs[base + c] as number) ? 1 : 0;
          pc++;
          continue;
        }
        case /* ltu */ 77: {
          regs[base + a] = (regs[base + b] as number) >>> 0 < (regs[base + c] as number) >>> 0 ? 1 : 0;
          pc++;
          continue;
        }
        case /* leu */ 78: {
          regs[base + a] = (regs[base + b] as number) >>> 0 <= (regs[base + c] as number) >>> 0 ? 1 : 0;
          pc++;
          continue;
        }
        case /* eqz */ 79: {
          regs[base + a] = (regs[base + b] as number) === 0 ? 1 : 0;
          pc++;
          continue;
        }
        case /* nez */ 80: {
          regs[base + a] = (regs[base + b] as number) !== 0 ? 1 : 0;
          pc++;
          continue;
        }
        case /* qeq */ 81: {
          const xh = regs[base + b + 1] as number;
          const yh = regs[base + c + 1] as number;
          regs[base + a] = (regs[base + b] as number) === (regs[base + c] as number) && xh === yh ? 1 : 0;
          pc++;
          continue;
        }
        case /* qne */ 82: {
          const xh = regs[base + b + 1] as number;
          const yh = regs[base + c + 1] as number;
          regs[base + a] = (regs[base + b] as number) !== (regs[base + c] as number) || xh !== yh ? 1 : 0;
          pc++;
          continue;
        }
        case /* qlt */ 83: {
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
        case /* qle */ 84: {
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
        case /* qltu */ 85: {
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
        case /* qleu */ 86: {
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
        case /* qeqz */ 87: {
          regs[base + a] = ((regs[base + b] as number) | (regs[base + b + 1] as number)) === 0 ? 1 : 0;
          pc++;
          continue;
        }
        case /* qnez */ 88: {
          regs[base + a] = ((regs[base + b] as number) | (regs[base + b + 1] as number)) !== 0 ? 1 : 0;
          pc++;
          continue;
        }
        case /* jz */ 89: {
          pc = (regs[base + a] as number) === 0 ? b : pc + 1;
          continue;
        }
        case /* jnz */ 90: {
          pc = (regs[base + a] as number) !== 0 ? b : pc + 1;
          continue;
        }
        case /* qjz */ 91: {
          pc = ((regs[base + a] as number) | (regs[base + a + 1] as number)) === 0 ? b : pc + 1;
          continue;
        }
        case /* qjnz */ 92: {
          pc = ((regs[base + a] as number) | (regs[base + a + 1] as number)) !== 0 ? b : pc + 1;
          continue;
        }
        case /* jeq */ 93: {
          pc = (regs[base + a] as number) === (regs[base + b] as number) ? c : pc + 1;
          continue;
        }
        case /* jne */ 94: {
          pc = (regs[base + a] as number) !== (regs[base + b] as number) ? c : pc + 1;
          continue;
        }
        case /* jlt */ 95: {
          pc = (regs[base + a] as number) < (regs[base + b] as number) ? c : pc + 1;
          continue;
        }
        case /* jle */ 96: {
          pc = (regs[base + a] as number) <= (regs[base + b] as number) ? c : pc + 1;
          continue;
        }
        case /* jltu */ 97: {
          pc = (regs[base + a] as number) >>> 0 < (regs[base + b] as number) >>> 0 ? c : pc + 1;
          continue;
        }
        case /* jleu */ 98: {
          pc = (regs[base + a] as number) >>> 0 <= (regs[base + b] as number) >>> 0 ? c : pc + 1;
          continue;
        }
        case /* jeqi */ 99: {
          pc = (regs[base + a] as number) === b ? c : pc + 1;
          continue;
        }
        case /* jnei */ 100: {
          pc = (regs[base + a] as number) !== b ? c : pc + 1;
          continue;
        }
        case /* jlti */ 101: {
          pc = (regs[base + a] as number) < b ? c : pc + 1;
          continue;
        }
        case /* jgei */ 102: {
          pc = (regs[base + a] as number) >= b ? c : pc + 1;
          continue;
        }
        case /* jltui */ 103: {
          pc = (regs[base + a] as number) >>> 0 < b >>> 0 ? c : pc + 1;
          continue;
        }
        case /* jgeui */ 104: {
          pc = (regs[base + a] as number) >>> 0 >= b >>> 0 ? c : pc + 1;
          continue;
        }
        case /* qjeq */ 105: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (regs[base + a] as number) === (regs[base + b] as number) && xh === yh ? c : pc + 1;
          continue;
        }
        case /* qjne */ 106: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (regs[base + a] as number) !== (regs[base + b] as number) || xh !== yh ? c : pc + 1;
          continue;
        }
        case /* qjlt */ 107: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 < (regs[base + b] as number) >>> 0 : xh < yh)
            ? c
            : pc + 1;
          continue;
        }
        case /* qjle */ 108: {
          const xh = regs[base + a + 1] as number;
          const yh = regs[base + b + 1] as number;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 <= (regs[base + b] as number) >>> 0 : xh < yh)
            ? c
            : pc + 1;
          continue;
        }
        case /* qjltu */ 109: {
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
        case /* qjleu */ 110: {
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
        case /* qjeqi */ 111: {
          pc = (regs[base + a] as number) === b && (regs[base + a + 1] as number) === b >> 31 ? c : pc + 1;
          continue;
        }
        case /* qjnei */ 112: {
          pc = (regs[base + a] as number) !== b || (regs[base + a + 1] as number) !== b >> 31 ? c : pc + 1;
          continue;
        }
        case /* qjlti */ 113: {
          const xh = regs[base + a + 1] as number;
          const yh = b >> 31;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 < b >>> 0 : xh < yh) ? c : pc + 1;
          continue;
        }
        case /* qjgei */ 114: {
          const xh = regs[base + a + 1] as number;
          const yh = b >> 31;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 >= b >>> 0 : xh > yh) ? c : pc + 1;
          continue;
        }
        case /* qjltui */ 115: {
          const xh = regs[base + a + 1] as number;
          const yh = b >> 31;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 < b >>> 0 : xh >>> 0 < yh >>> 0) ? c : pc + 1;
          continue;
        }
        case /* qjgeui */ 116: {
          const xh = regs[base + a + 1] as number;
          const yh = b >> 31;
          pc = (xh === yh ? (regs[base + a] as number) >>> 0 >= b >>> 0 : xh >>> 0 > yh >>> 0) ? c : pc + 1;
          continue;
        }
        case /* l8u */ 117: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 1)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* wl8u */ 127: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 1)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* gl8u */ 137: {
          if (!mmu.load(b, imageHi, 1)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* l8s */ 118: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 1)) break;
          regs[base + a] = (mmu.lo << 24) >> 24;
          pc++;
          continue;
        }
        case /* wl8s */ 128: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 1)) break;
          regs[base + a] = (mmu.lo << 24) >> 24;
          pc++;
          continue;
        }
        case /* gl8s */ 138: {
          if (!mmu.load(b, imageHi, 1)) break;
          regs[base + a] = (mmu.lo << 24) >> 24;
          pc++;
          continue;
        }
        case /* l16u */ 119: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 2)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* wl16u */ 129: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 2)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* gl16u */ 139: {
          if (!mmu.load(b, imageHi, 2)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* l16s */ 120: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 2)) break;
          regs[base + a] = (mmu.lo << 16) >> 16;
          pc++;
          continue;
        }
        case /* wl16s */ 130: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 2)) break;
          regs[base + a] = (mmu.lo << 16) >> 16;
          pc++;
          continue;
        }
        case /* gl16s */ 140: {
          if (!mmu.load(b, imageHi, 2)) break;
          regs[base + a] = (mmu.lo << 16) >> 16;
          pc++;
          continue;
        }
        case /* l32 */ 121: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 4)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* wl32 */ 131: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 4)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* gl32 */ 141: {
          if (!mmu.load(b, imageHi, 4)) break;
          regs[base + a] = mmu.lo;
          pc++;
          continue;
        }
        case /* l64 */ 122: {
          const x = regs[base + b] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + b + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.load(lo, hi, 8)) break;
          regs[base + a] = mmu.lo;
          regs[base + a + 1] = mmu.hi;
          pc++;
          continue;
        }
        case /* wl64 */ 132: {
          if (!mmu.load(((regs[base + b] as number) + c) | 0, 0, 8)) break;
          regs[base + a] = mmu.lo;
          regs[base + a + 1] = mmu.hi;
          pc++;
          continue;
        }
        case /* gl64 */ 142: {
          if (!mmu.load(b, imageHi, 8)) break;
          regs[base + a] = mmu.lo;
          regs[base + a + 1] = mmu.hi;
          pc++;
          continue;
        }
        case /* s8 */ 123: {
          const x = regs[base + a] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + a + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.store(lo, hi, 1, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case /* ws8 */ 133: {
          if (!mmu.store(((regs[base + a] as number) + c) | 0, 0, 1, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case /* gs8 */ 143: {
          if (!mmu.store(b, imageHi, 1, regs[base + a] as number, 0)) break;
          pc++;
          continue;
        }
        case /* s16 */ 124: {
          const x = regs[base + a] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + a + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.store(lo, hi, 2, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case /* ws16 */ 134: {
          if (!mmu.store(((regs[base + a] as number) + c) | 0, 0, 2, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case /* gs16 */ 144: {
          if (!mmu.store(b, imageHi, 2, regs[base + a] as number, 0)) break;
          pc++;
          continue;
        }
        case /* s32 */ 125: {
          const x = regs[base + a] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + a + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.store(lo, hi, 4, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case /* ws32 */ 135: {
          if (!mmu.store(((regs[base + a] as number) + c) | 0, 0, 4, regs[base + b] as number, 0)) break;
          pc++;
          continue;
        }
        case /* gs32 */ 145: {
          if (!mmu.store(b, imageHi, 4, regs[base + a] as number, 0)) break;
          pc++;
          continue;
        }
        case /* s64 */ 126: {
          const x = regs[base + a] as number;
          const lo = (x + c) | 0;
          const hi = ((regs[base + a + 1] as number) + (c >> 31) + (lo >>> 0 < c >>> 0 ? 1 : 0)) | 0;
          if (!mmu.store(lo, hi, 8, regs[base + b] as number, regs[base + b + 1] as number)) break;
          pc++;
          continue;
        }
        case /* ws64 */ 136: {
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
        case /* gs64 */ 146: {
          if (!mmu.store(b, imageHi, 8, regs[base + a] as number, regs[base + a + 1] as number)) break;
          pc++;
          continue;
        }
        case /* stack */ 147:
          spLo = regs[base + a] as number;
          if (is64) spHi = regs[base + a + 1] as number;
          pc++;
          continue;
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
  vm.page = exit <= Exit.budget ? page : -1;
  return exit;
}
