/**
 * The instructions that no C text stands for, at the start of the text: the entry stub, which a kernel's start-up file
 * has, and the trap stubs, which its entry code has.
 */

import { Op, Slot } from './bytecode.ts';
import type { Emitter } from './compile-emitter.ts';
import type { FunctionSymbol, VariableSymbol } from './tree.ts';
import type { CType, DataModel } from './types.ts';

/** Instructions of one trap stub. */
export const TRAP_STUB_INSTRUCTIONS = 3;
/** Stubs: one for each vector, and behind them that of the event callback. */
export const TRAP_STUBS = 257;
/** The library's array of C handlers, by stub. */
export const TRAP_HANDLERS = '__xenscope_trap_handlers';
/** The library's function that runs before the entry function. */
export const START_FUNCTION = '__xenscope_start';

/** Registers of the entry stub's window. */
const START_WINDOW = 32;
/** Registers of the trap stubs' window: structure's address, vector, handler's address, then the handler's window. */
const STUB_HANDLER = Slot.first + 4;
const STUB_CALLEE = Slot.first + 6;
const STUB_WINDOW = STUB_CALLEE + Slot.first + 4;

export interface StubFunction {
  readonly name: string;
  readonly entry: number;
  readonly end: number;
  readonly windowWords: number;
}

/** Calls the library's start function, then the entry function with start_info's address; halts with its result. */
export function emitEntryStub(
  emitter: Emitter,
  model: DataModel,
  index: number,
  start: FunctionSymbol | null,
  entry: FunctionSymbol,
): StubFunction {
  const from = emitter.count;
  const callee = Slot.first + 2;
  emitter.emit(Op.enter, index, 0, 16);
  emitter.emit(Op.start, Slot.first);
  if (start !== null) callWithStartInfo(emitter, model, start, callee);
  callWithStartInfo(emitter, model, entry, callee);
  const returns = entry.type.returns;
  if (returns.kind !== 'integer') emitter.emit(Op.ldi, callee + Slot.first, 0);
  else if (returns.bytes === 8) emitter.emit(Op.qnez, callee + Slot.first, callee + Slot.first);
  emitter.emit(Op.halt, callee + Slot.first);
  return { name: '_start', entry: from, end: emitter.count, windowWords: START_WINDOW };
}

/** The first pointer parameter gets start_info's address, all others zero. */
function callWithStartInfo(emitter: Emitter, model: DataModel, fn: FunctionSymbol, callee: number): void {
  let at = callee + Slot.first;
  let given = false;
  for (const type of fn.type.parameters) {
    const words = registersOf(type, model);
    const isInfo: boolean = type.kind === 'pointer' && !given;
    if (words === 2) emitter.emit(isInfo ? Op.qmov : Op.qldi, at, isInfo ? Slot.first : 0);
    else emitter.emit(isInfo ? Op.mov : Op.ldi, at, isInfo ? Slot.first : 0);
    given ||= isInfo;
    at += words;
  }
  emitter.fix(emitter.emit(Op.call, 0, callee), 1, fn, 'pc');
}

const registersOf = (type: CType, model: DataModel): 1 | 2 =>
  (type.kind === 'integer' ? type.bytes : model.wordBytes) === 8 ? 2 : 1;

/** One stub for each vector and for the event callback, then what they share: load the handler, call it, return by iret. */
export function emitTrapStubs(
  emitter: Emitter,
  model: DataModel,
  index: number,
  handlers: VariableSymbol | null,
): StubFunction {
  const from = emitter.count;
  const shared = from + TRAP_STUBS * TRAP_STUB_INSTRUCTIONS;
  for (let vector = 0; vector < TRAP_STUBS; vector++) {
    // The bounce frame lies at rsp, wherever that is: nothing is aligned.
    emitter.emit(Op.enter, index, 0, 1);
    emitter.emit(Op.trapEnter, vector);
    emitter.emit(Op.jmp, shared);
  }
  if (handlers === null) emitter.emit(Op.undefined);
  else emitHandlerCall(emitter, model, handlers);
  emitter.emit(Op.trapReturn, Slot.first);
  return { name: '<trap>', entry: from, end: emitter.count, windowWords: STUB_WINDOW };
}

function emitHandlerCall(emitter: Emitter, model: DataModel, handlers: VariableSymbol): void {
  const is64 = model.wordBytes === 8;
  const vector = Slot.first + 2;
  const table = emitter.emit(is64 ? Op.qldi : Op.ldi, STUB_HANDLER);
  emitter.fix(table, 2, handlers, 'address');
  const shift = is64 ? 3 : 2;
  emitter.emit(is64 ? Op.qaddsh : Op.addsh, STUB_HANDLER, STUB_HANDLER, vector | (shift << 16));
  emitter.emit(is64 ? Op.l64 : Op.wl32, STUB_HANDLER, STUB_HANDLER, 0);
  emitter.emit(is64 ? Op.qmov : Op.mov, STUB_CALLEE + Slot.first, Slot.first);
  emitter.emit(Op.callr, STUB_HANDLER, STUB_CALLEE);
}
