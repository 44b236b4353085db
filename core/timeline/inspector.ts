/**
 * What a debugger asks of a session that stands still: frames, variables, and expressions, which the guest's own
 * processor evaluates. What an expression changes can be taken back as a whole.
 */

import { Slot } from '../guest-c/bytecode.ts';
import { type ScratchCode, compileScratch } from '../guest-c/evaluate.ts';
import { parseExpression } from '../guest-c/front.ts';
import { type Location, type Program, addressOfPc, functionAt, statementAt } from '../guest-c/program.ts';
import type { Scope, VariableSymbol } from '../guest-c/tree.ts';
import { type CType, integerType, sizeOf, typeName } from '../guest-c/types.ts';
import { Exit } from '../guest-c/vm-exit.ts';
import type { Vm } from '../guest-c/vm.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import type { HypervisorObserver, Refusal } from '../hypervisor/types.ts';
import { R, type RegisterName } from '../machine/registers.ts';
import { formatHex, joinWords, virtualAddress } from '../units.ts';
import type { Execution } from './execution.ts';
import { byPageTables, readBytes, writeBytes } from './guest-memory.ts';
import type { Guest } from './guest.ts';
import { stepTargets } from './step-targets.ts';
import { type FrameChange, type Trial, type TriedCall, frameChanges } from './trial.ts';
import { refusalRecord } from './recorder.ts';
import type {
  Evaluation,
  Frame,
  NamedValue,
  SourcePlace,
  StepTarget,
  VcpuNumber,
  VisibleName,
} from './types.ts';
import { type Storage, TypedValue, type ValueContext } from './values.ts';
import { MAX_WATCHED_BYTES, type ShownAs, type WatchedPlace } from './watch-places.ts';

/** What stands behind a `Frame`. */
interface FrameDetail {
  readonly guest: Guest;
  readonly vm: Vm;
  readonly pc: number;
  readonly base: number;
}

/** Statements that an expression may take. */
const EVALUATION_BUDGET = 1_000_000;
const GENERAL_REGISTERS = Object.keys(R) as RegisterName[];
const REGISTER_WORDS = GENERAL_REGISTERS.length * 2;

export class Inspector {
  private readonly execution: Execution;
  private readonly hypervisor: Hypervisor;
  private readonly details = new WeakMap<Frame, FrameDetail>();

  constructor(execution: Execution, hypervisor: Hypervisor) {
    this.execution = execution;
    this.hypervisor = hypervisor;
  }

  /** The frames of a vCPU, innermost first; at a hypercall they begin with the user's own. */
  stack(vcpu: VcpuNumber): readonly Frame[] {
    const found = this.execution.at(vcpu);
    if (found === undefined) return [];
    const { guest, vm } = found;
    const activations = guest.activations(vm);
    const first = this.execution.standsAtHypercall ? Math.max(guest.userIndex(vm, activations), 0) : 0;
    return activations.slice(first).map(({ pc, base, foreign }, index) => {
      const statement = statementAt(vm.program, pc);
      const frame: Frame = {
        id: index,
        vcpu,
        name: vm.functionOf(base)?.name ?? '?',
        place: statement === undefined ? null : guest.placeOf(statement),
        rip: virtualAddress(addressOfPc(vm.program, pc)),
        trap: foreign || isCalledByStub(vm, base),
      };
      this.details.set(frame, { guest, vm, pc, base });
      return frame;
    });
  }

  /** The innermost frame, or the user's own at a hypercall: for the conditions of breakpoints. */
  frameOf(guest: Guest, vm: Vm, whose: 'innermost' | 'user'): Frame | undefined {
    const activations = guest.activations(vm);
    const index = whose === 'user' ? Math.max(guest.userIndex(vm, activations), 0) : 0;
    const activation = activations[index];
    if (activation === undefined) return undefined;
    const { pc, base } = activation;
    const frame: Frame = {
      id: -1,
      vcpu: this.execution.numberOf(vm),
      name: '',
      place: null,
      rip: virtualAddress(addressOfPc(vm.program, pc)),
      trap: false,
    };
    this.details.set(frame, { guest, vm, pc, base });
    return frame;
  }

  /** What a step into can go into from the frame's statement. */
  stepTargets(frame: Frame): readonly StepTarget[] {
    const detail = this.details.get(frame);
    return detail === undefined ? [] : stepTargets(detail.guest, detail.vm, detail.pc);
  }

  /** The first statement of a frame's function. */
  startOf(frame: Frame): SourcePlace | null {
    const detail = this.details.get(frame);
    const fn = detail?.vm.functionOf(detail.base);
    const statement = fn === undefined ? undefined : detail?.vm.program.statements[fn.firstStatement];
    return statement === undefined ? null : (detail?.guest.placeOf(statement) ?? null);
  }

  locals(frame: Frame): readonly NamedValue[] {
    const detail = this.details.get(frame);
    if (detail === undefined) return [];
    return visibleLocals(detail).map((symbol) => this.variable(detail, symbol));
  }

  globals(frame: Frame): readonly NamedValue[] {
    const detail = this.details.get(frame);
    if (detail === undefined) return [];
    const { guest, vm } = detail;
    const list: NamedValue[] = [];
    for (const symbol of vm.program.unit.scope.symbols.values()) {
      if (symbol.kind !== 'variable' || symbol.storage !== 'static') continue;
      if (!guest.isLibrary(symbol.range.file)) list.push(this.variable(detail, symbol));
    }
    return list;
  }

  /** Names that an expression in the frame may use, inner ones first; a hidden one is told once. */
  names(frame: Frame): readonly VisibleName[] {
    const detail = this.details.get(frame);
    if (detail === undefined) return [];
    const found = new Map<string, VisibleName>();
    for (let scope: Scope | null = scopeOf(detail); scope !== null; scope = scope.parent) {
      for (const { name, kind, range } of scope.symbols.values()) {
        if (name === '' || found.has(name)) continue;
        found.set(name, { name, kind, library: detail.guest.isLibrary(range.file) });
      }
    }
    for (const [name, { definition }] of detail.vm.program.unit.macros) {
      const library = definition === null || detail.guest.isLibrary(definition.file.path);
      if (!found.has(name)) found.set(name, { name, kind: 'macro', library });
    }
    return [...found.values()];
  }

  registers(frame: Frame): readonly NamedValue[] {
    const detail = this.details.get(frame);
    return detail === undefined ? [] : GENERAL_REGISTERS.map((name) => this.register(detail, name));
  }

  /** Evaluates an expression, undoes what it has changed, and tells what that was. */
  tryOut(text: string, frame: Frame): Trial {
    const refusals: Refusal[] = [];
    const calls: TriedCall[] = [];
    const changes: FrameChange[] = [];
    const { machine } = this.hypervisor;
    const mark = machine.store.mark();
    const observer: HypervisorObserver = {
      refused: (_, refusal) => refusals.push(refusal),
      hypercallReturned: (_, nr, rc, done) => {
        calls.push({ name: hypercallName(nr), rc, done });
        changes.splice(0, changes.length, ...frameChanges(machine, mark));
      },
    };
    const evaluation = this.evaluate(text, frame, 'none', observer);
    return { evaluation, calls, refusals: refusals.map(refusalRecord), changes };
  }

  /** Evaluates an expression; with `none` everything that it changed is undone, and only `observer` hears of it. */
  evaluate(
    text: string,
    frame: Frame,
    sideEffects: 'none' | 'keep',
    observer: HypervisorObserver | null = null,
  ): Evaluation {
    const detail = this.details.get(frame);
    if (detail === undefined) return problem('The frame is gone: the guest has run since.');
    const name = /^\s*\$(\w+)\s*$/.exec(text)?.[1];
    if (name !== undefined) return this.registerByName(detail, name);
    const { vm } = detail;
    const { store } = this.hypervisor.machine;
    const mark = store.mark();
    const windows = vm.snapshotWindows();
    const { observer: usual } = this.hypervisor;
    if (sideEffects === 'none') this.hypervisor.observer = observer;
    try {
      return this.evaluateHere(text, detail);
    } finally {
      this.hypervisor.observer = usual;
      if (sideEffects === 'none') {
        store.undoTo(mark);
        vm.restoreWindows(windows);
      }
    }
  }

  /** What an integer or pointer expression is worth as a truth value; a text says why it cannot be evaluated. */
  truth(text: string, frame: Frame): boolean | string {
    const result = this.evaluate(`!!(${text}\n)`, frame, 'none');
    return result.kind === 'problem' ? result.message : !/^0\b/.test(result.value.text);
  }

  /** A register of the frame by its name on either ABI; null when there is none of that name. */
  registerValue(frame: Frame, name: string): bigint | null {
    const detail = this.details.get(frame);
    const found = registerNamed(name);
    return detail === undefined || found === undefined ? null : registerBits(detail, found);
  }

  /** What a data breakpoint on an expression watches; an object has an address, or is a local in its function's window. */
  watched(text: string, frame: Frame): WatchedPlace | { readonly problem: string } {
    const detail = this.details.get(frame);
    if (detail === undefined) return { problem: 'The frame is gone: the guest has run since.' };
    const { vm, base } = detail;
    const symbol = visibleLocals(detail).find(({ name }) => name === text.trim());
    const location = symbol === undefined ? undefined : vm.program.locations.get(symbol);
    const owner = { vcpu: frame.vcpu, base, functionName: vm.functionOf(base)?.name ?? '?' };
    if (symbol !== undefined && location?.kind === 'register') {
      const bytes = sizeOf(symbol.type, vm.program.model) ?? 4;
      return {
        kind: 'local',
        ...owner,
        name: symbol.name,
        slot: location.slot,
        bytes,
        shown: shownAs(symbol.type),
      };
    }
    const result = this.evaluate(text, frame, 'none');
    if (result.kind === 'problem') return { problem: result.message };
    const { value } = result;
    if (!(value instanceof TypedValue) || value.address === null)
      return { problem: `${text.trim()} is a value that lies in no memory; watch what it is made from.` };
    const bytes = sizeOf(value.ctype, vm.program.model) ?? 0;
    if (bytes === 0 || bytes > MAX_WATCHED_BYTES)
      return { problem: `${text.trim()} has ${bytes} bytes; at most ${MAX_WATCHED_BYTES} can be watched.` };
    const place = { kind: 'bytes', space: 'va', vcpu: frame.vcpu, address: value.address, bytes } as const;
    const isLocal = symbol !== undefined && location?.kind === 'frame';
    return { ...place, shown: shownAs(value.ctype), ...(isLocal ? { owner } : {}) };
  }

  private evaluateHere(text: string, detail: FrameDetail): Evaluation {
    const { vm } = detail;
    const scope = scopeOf(detail);
    const parsed = parseExpression(text, scope, vm.program.unit);
    const { expression } = parsed;
    if (expression === null) return problem(parsed.problems[0]?.message ?? 'This is no expression.');
    const window = detail.base - vm.windowTop(vm.base);
    const code = compileScratch(vm.program, { ...parsed, expression }, scope, window);
    if ('problem' in code) return problem(code.problem);
    const registers = vm.vcpu.registers.data.slice(0, REGISTER_WORDS);
    const work = vm.beginScratch();
    try {
      const trouble = this.storeLiterals(vm, code) ?? this.runScratch(detail);
      if (trouble !== null) return problem(trouble);
      return { kind: 'value', value: this.result(vm, code, text.trim()) };
    } finally {
      for (const [i, word] of registers.entries()) vm.vcpu.registers.set(i, word);
      vm.endScratch(work);
    }
  }

  /** Runs to the halt at the end; a text says why that was not reached. */
  private runScratch({ guest, vm }: FrameDetail): string | null {
    const args = new Int32Array(12);
    for (let left = EVALUATION_BUDGET; left > 0;) {
      const exit = vm.run(left, -1);
      left -= vm.executed + 1;
      switch (exit) {
        case Exit.halted:
          return null;
        case Exit.breakpoint:
          vm.resuming = true;
          break;
        case Exit.hypercall: {
          const nr = vm.hypercallArguments(args);
          vm.skip();
          this.hypervisor.hypercall(vm.vcpu, nr, args);
          if (!guest.domain.isRunning) return 'The evaluation has ended the domain.';
          vm.load();
          break;
        }
        case Exit.fault:
          return faultText(vm);
        case Exit.exited:
          return 'The evaluation has ended the script.';
        default:
          return 'The evaluation did not come to its end.';
      }
    }
    return `The evaluation did not end within ${EVALUATION_BUDGET} statements.`;
  }

  /** Puts string literals where the scratch function's stack frame will be. */
  private storeLiterals(vm: Vm, code: ScratchCode): string | null {
    if (code.literals.length === 0) return null;
    const { machine } = this.hypervisor;
    const sp = joinWords(vm.spLo, vm.is64 ? vm.spHi : 0);
    const frame = ((sp - BigInt(code.frameBytes)) / BigInt(code.frameAlign)) * BigInt(code.frameAlign);
    const translate = byPageTables(machine, vm.vcpu);
    for (const { offset, symbol } of code.literals) {
      for (const entry of symbol.initialiser?.entries ?? []) {
        if (entry.kind !== 'bytes') continue;
        const at = frame + BigInt(offset + entry.offset);
        if (writeBytes(machine, translate, at, entry.data) < entry.data.length)
          return `The guest's stack has no room for a string literal: ${formatHex(at)} is not mapped.`;
      }
    }
    return null;
  }

  private result(vm: Vm, code: ScratchCode, text: string): TypedValue {
    const { type } = code;
    const context = this.valueContext(vm);
    const at = vm.base + code.register;
    const lo = vm.windows[at] ?? 0;
    const wide = code.result === 'address' ? vm.is64 : isWide(vm, type);
    const bits = joinWords(lo, wide ? (vm.windows[at + 1] ?? 0) : 0);
    const storage: Storage =
      code.result === 'address' ? { kind: 'memory', address: bits } : { kind: 'bits', bits };
    return new TypedValue(context, type, storage, text);
  }

  private variable(detail: FrameDetail, symbol: VariableSymbol): NamedValue {
    const { vm } = detail;
    const storage = storageOf(detail, symbol, vm.program.locations.get(symbol));
    const value = new TypedValue(this.valueContext(vm), symbol.type, storage, symbol.name);
    return { name: symbol.name, evaluateName: symbol.name, value };
  }

  private register(detail: FrameDetail, name: RegisterName): NamedValue {
    const { vm } = detail;
    const { model } = vm.program;
    const bits = registerBits(detail, name);
    const type = integerType('unsigned long', model);
    const value = new TypedValue(this.valueContext(vm), type, { kind: 'bits', bits }, `$${name}`);
    return { name, evaluateName: `$${name}`, value };
  }

  private registerByName(detail: FrameDetail, name: string): Evaluation {
    const found = registerNamed(name);
    if (found === undefined)
      return problem(`There is no register ${name}; there are ${GENERAL_REGISTERS.join(', ')}.`);
    return { kind: 'value', value: this.register(detail, found).value };
  }

  private valueContext(vm: Vm): ValueContext {
    const { machine } = this.hypervisor;
    const translate = byPageTables(machine, vm.vcpu);
    return {
      model: vm.program.model,
      read: (address, bytes) => readBytes(machine, translate, address, bytes),
      symbolAt: (address) => symbolAt(vm, address),
      radix: 'natural',
    };
  }
}

const problem = (message: string): Evaluation => ({ kind: 'problem', message });

const registerNamed = (name: string): RegisterName | undefined =>
  GENERAL_REGISTERS.find((one) => one === name || one === name.replace(/^e(?=[a-z]{2}$)/, 'r'));

function isCalledByStub(vm: Vm, base: number): boolean {
  const caller = vm.windows[base + Slot.caller] ?? base;
  return (
    caller !== base &&
    vm.functionOf(caller)?.symbol === null &&
    vm.windows[caller + Slot.foreign] === 1 &&
    caller > 0
  );
}

/** Entries with their flags, other unsigned numbers and addresses in hexadecimal. */
function shownAs(type: CType): ShownAs {
  if (type.kind !== 'integer') return 'hex';
  if (/^(pteval_t|pgentry_t)$/.test(typeName(type))) return 'entry';
  return type.signed ? 'signed' : 'hex';
}

/** The scope of the statement at which the frame stands; the file's when it stands at none. */
function scopeOf({ vm, pc }: FrameDetail): Scope {
  return statementAt(vm.program, pc)?.scope ?? vm.program.unit.scope;
}

/** Parameters and locals declared before the statement, inner ones first and hiding outer ones of the same name. */
function visibleLocals({ vm, pc }: FrameDetail): VariableSymbol[] {
  const statement = statementAt(vm.program, pc);
  if (statement === undefined) return [];
  const found = new Map<string, VariableSymbol>();
  for (
    let scope: Scope | null = statement.scope;
    scope !== null && scope.owner !== null;
    scope = scope.parent
  ) {
    const own: VariableSymbol[] = [];
    for (const symbol of scope.symbols.values()) {
      if (symbol.kind !== 'variable' || symbol.name === '') continue;
      if (!found.has(symbol.name) && isDeclaredBefore(symbol, statement.range)) own.push(symbol);
    }
    for (const symbol of own) found.set(symbol.name, symbol);
  }
  for (const symbol of functionAt(vm.program, pc)?.symbol?.parameters ?? []) {
    if (!found.has(symbol.name) && symbol.name !== '') found.set(symbol.name, symbol);
  }
  return [...found.values()];
}

function isDeclaredBefore({ range }: VariableSymbol, at: VariableSymbol['range']): boolean {
  if (range.file !== at.file) return true;
  return range.line < at.endLine || (range.line === at.endLine && range.column <= at.endColumn);
}

function storageOf(
  { vm, base }: FrameDetail,
  symbol: VariableSymbol,
  location: Location | undefined,
): Storage {
  const words = (slot: number): bigint =>
    joinWords(vm.windows[base + slot] ?? 0, vm.is64 ? (vm.windows[base + slot + 1] ?? 0) : 0);
  switch (location?.kind) {
    case 'register': {
      const lo = vm.windows[base + location.slot] ?? 0;
      const hi = isWide(vm, symbol.type) ? (vm.windows[base + location.slot + 1] ?? 0) : 0;
      return { kind: 'bits', bits: joinWords(lo, hi) };
    }
    case 'frame':
      return { kind: 'memory', address: words(Slot.fp) + BigInt(location.offset) };
    case 'indirect':
      return { kind: 'memory', address: words(location.slot) };
    case 'static':
      return { kind: 'memory', address: location.address };
    case undefined:
      return { kind: 'bits', bits: 0n };
  }
}

const isWide = (vm: Vm, type: CType): boolean => (type.kind === 'integer' ? type.bytes === 8 : vm.is64);

/** rip, rsp and rbp are the frame's own; the others are those of the vCPU. */
function registerBits({ vm, pc, base }: FrameDetail, name: RegisterName): bigint {
  if (name === 'rip') return addressOfPc(vm.program, pc);
  if (name === 'rbp') return BigInt(base);
  if (name === 'rsp' && base !== vm.base)
    return joinWords(vm.windows[base + Slot.fp] ?? 0, vm.is64 ? (vm.windows[base + Slot.fp + 1] ?? 0) : 0);
  const bits = vm.vcpu.getReg(R[name]);
  return vm.is64 ? bits : bits & 0xffff_ffffn;
}

function faultText(vm: Vm): string {
  if (!vm.trapFromMmu) return `The evaluation raised trap ${vm.trapVector}.`;
  const { vaLo, vaHi, errorCode, vector } = vm.mmu.fault;
  const address = formatHex(joinWords(vaLo, vm.is64 ? vaHi : 0));
  if (vector !== 14) return `The address ${address} is not canonical or beyond the segment limit.`;
  const why = (errorCode & 1) === 0 ? 'it is not mapped' : 'its mapping does not allow the access';
  return `Page fault at ${address}: ${why}.`;
}

/** The function or static object at an address, with the distance from its start. */
function symbolAt(vm: Vm, address: bigint): string | null {
  const { program } = vm;
  const pc = vm.pcOf(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)));
  if (pc >= 0) {
    const fn = functionAt(program, pc);
    return fn === undefined ? null : plus(fn.name, (pc - fn.entry) * 4);
  }
  return staticAt(program, address);
}

const plus = (name: string, distance: number): string => (distance === 0 ? name : `${name}+${distance}`);

function staticAt(program: Program, address: bigint): string | null {
  for (const [symbol, location] of program.locations) {
    if (location.kind !== 'static' || symbol.name === '' || address < location.address) continue;
    const distance = address - location.address;
    if (distance < BigInt(sizeOf(symbol.type, program.model) ?? 0))
      return plus(symbol.name, Number(distance));
  }
  return null;
}
