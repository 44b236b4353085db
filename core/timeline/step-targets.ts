/**
 * What a step into can go into from a statement: functions that it calls, and hypercalls that they make. Found in the
 * program's code, so nothing runs for it; calls through pointers are not among them.
 */

import { Op } from '../guest-c/bytecode.ts';
import { type Program, type ProgramFunction, functionAt } from '../guest-c/program.ts';
import type { Vm } from '../guest-c/vm.ts';
import type { Guest } from './guest.ts';
import type { StepTarget } from './types.ts';

const WRAPPER = 'HYPERVISOR_';
/** Targets that one statement is offered. */
const MAX_TARGETS = 16;

/** The calls of the statement at which an activation stands, in order, each with the hypercalls that it makes. */
export function stepTargets(guest: Guest, vm: Vm, pc: number): readonly StepTarget[] {
  const { program } = vm;
  const targets: StepTarget[] = [];
  for (const fn of callsIn(program, instructionsOf(program, pc))) {
    const library = fn.symbol !== null && guest.isLibrary(fn.symbol.range.file);
    if (library) {
      for (const name of hypercallsOf(guest, program, fn)) {
        const through = fn.name === WRAPPER + name ? null : fn.name;
        targets.push({ kind: 'hypercall', name, through });
      }
    }
    targets.push({ kind: 'function', name: fn.name, library });
  }
  const keys = new Set<string>();
  const distinct = targets.filter((target) => {
    const key = JSON.stringify(target);
    return !keys.has(key) && keys.add(key);
  });
  return distinct.slice(0, MAX_TARGETS);
}

/** By statement, 1 where a step into a function does not stop: it stops there, and in the functions that run now. */
export function quietBut(guest: Guest, vm: Vm, name: string): Uint8Array {
  const { program } = vm;
  const loud = new Set([
    program.functions.find((fn) => fn.name === name),
    ...guest.activations(vm).map(({ base }) => vm.functionOf(base)),
  ]);
  return Uint8Array.from(program.statements, ({ pc, continued }, i) => {
    const fn = functionAt(program, pc);
    if (continued || !loud.has(fn)) return 1;
    return fn?.name === name ? 0 : (guest.quiet[i] ?? 1);
  });
}

/** Whether the user's own text calls the wrapper of the hypercall at which the processor stands. */
export function isOwnHypercall(guest: Guest, vm: Vm): boolean {
  const frames = guest.activations(vm);
  const index = guest.userIndex(vm, frames);
  return (
    index === 0 || (index === 1 && (vm.functionOf(frames[0]?.base ?? 0)?.name ?? '').startsWith(WRAPPER))
  );
}

/** Instructions of the statement at `pc`, with those of the statements that go on with it. */
function instructionsOf(program: Program, pc: number): readonly number[] {
  const first = program.statementOf[pc] ?? -1;
  if (first < 0) return [];
  const found: number[] = [];
  const fn = functionAt(program, pc);
  if (fn === undefined) return [];
  let own = false;
  for (let at = fn.entry; at < fn.end; at++) {
    const statement = program.statementOf[at] ?? -1;
    if (statement === first) own = true;
    else if (statement >= 0 && program.statements[statement]?.continued !== true) own = false;
    if (own) found.push(at);
  }
  return found;
}

/** The functions that instructions call, each once, in order. */
function callsIn(program: Program, instructions: readonly number[]): readonly ProgramFunction[] {
  const called = new Set<ProgramFunction>();
  for (const at of instructions) {
    if (program.code[at * 4] !== Op.call) continue;
    const fn = functionAt(program, program.code[at * 4 + 1] ?? -1);
    if (fn !== undefined) called.add(fn);
  }
  return [...called];
}

/** The hypercalls that a library function makes, by itself or through others. */
function hypercallsOf(guest: Guest, program: Program, from: ProgramFunction): readonly string[] {
  const names = new Set<string>();
  const seen = new Set([from]);
  for (const fn of seen) {
    if (fn.name.startsWith(WRAPPER)) {
      names.add(fn.name.slice(WRAPPER.length));
      continue;
    }
    const instructions = Array.from({ length: fn.end - fn.entry }, (_, i) => fn.entry + i);
    for (const called of callsIn(program, instructions)) {
      if (called.symbol !== null && guest.isLibrary(called.symbol.range.file)) seen.add(called);
    }
  }
  return [...names];
}
