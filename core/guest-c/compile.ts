/**
 * The compiler: the typed tree of a unit to a program. The order of the text is entry stub, trap stubs, functions; then
 * comes the data (see program.ts), and when all addresses are known the operands that name them are filled in.
 */

import { ABIS } from '../abi/index.ts';
import { PAGE_SIZE, virtualAddress } from '../units.ts';
import { Op, Slot } from './bytecode.ts';
import { FunctionContext } from './compile-context.ts';
import { Emitter, fillAddress } from './compile-emitter.ts';
import { LAYOUTS, buildImage, placeParts } from './compile-image.ts';
import { storeFrom, variablePlace, whole } from './compile-places.ts';
import { compileBody } from './compile-statements.ts';
import {
  START_FUNCTION,
  TRAP_HANDLERS,
  type StubFunction,
  emitEntryStub,
  emitTrapStubs,
} from './compile-stubs.ts';
import {
  type Location,
  type Program,
  type ProgramFunction,
  type ProgramStatement,
  SCRATCH_INSTRUCTIONS,
} from './program.ts';
import type { FunctionSymbol, SourceRange, Scope, TranslationUnit, VariableSymbol } from './tree.ts';

/** Compiles a unit without errors; `entry` is the function that the entry stub calls. Returns the program. */
export function generate(unit: TranslationUnit, entry: FunctionSymbol): Program {
  const { model } = unit;
  const abi = ABIS[model.abi];
  const layout = LAYOUTS[unit.linkage];
  const virtBase = layout.virtBase ?? abi.virtBase;
  const textBase = virtualAddress(virtBase + BigInt(layout.textOffset));
  const emitter = new Emitter();
  const start = functionNamed(unit, START_FUNCTION);
  const stubs: StubFunction[] = [emitEntryStub(emitter, model, 0, start, entry)];
  const trapStubs = emitter.count;
  stubs.push(emitTrapStubs(emitter, model, 1, staticNamed(unit, TRAP_HANDLERS)));
  const building = new ProgramBuilder(unit, emitter, textBase + BigInt(trapStubs * 4));
  for (const stub of stubs) building.addStub(stub);
  // Also those that the script never calls: the debugger's user may.
  for (const symbol of unit.functions) building.addFunction(symbol);
  building.addMissing();
  const textInstructions = emitter.count;
  const textBytes = Math.ceil((textInstructions * 4) / PAGE_SIZE) * PAGE_SIZE;
  const scratchBase = textBytes / 4;
  const code = new Int32Array((scratchBase + SCRATCH_INSTRUCTIONS) * 4);
  code.set(emitter.code.subarray(0, textInstructions * 4));
  for (let pc = textInstructions; pc < scratchBase + SCRATCH_INSTRUCTIONS; pc++) code[pc * 4] = Op.undefined;
  const placed = placeParts(unit, virtBase, layout, textBytes + PAGE_SIZE);
  for (const [symbol, address] of placed.addresses) {
    building.locations.set(symbol, { kind: 'static', address });
  }
  const addressOf = (symbol: VariableSymbol | FunctionSymbol): bigint => {
    if (symbol.kind === 'function') return textBase + BigInt(building.entryPc(symbol) * 4);
    const address = placed.addresses.get(symbol);
    if (address === undefined) throw new Error(`compile.generate: ${symbol.name} has no address`);
    return address;
  };
  for (const { word, symbol, addend, what } of emitter.fixups) {
    if (what === 'pc' && symbol.kind === 'function') code[word] = building.entryPc(symbol);
    else fillAddress(code, word, addressOf(symbol) + BigInt(addend));
  }
  const statementOf = new Int32Array(code.length / 4).fill(-1);
  statementOf.set(emitter.statementOf);
  return {
    unit,
    model,
    code,
    textInstructions,
    scratchBase,
    functions: building.functions,
    statements: building.statements,
    statementOf,
    image: buildImage(unit, virtBase, placed, layout.textOffset, addressOf),
    virtBase,
    textBase,
    stackTop: virtualAddress(placed.stackTop),
    parts: placed.parts,
    locations: building.locations,
    entryOf: building.entryOf,
    missing: building.missingPc,
    trapStubs,
  };
}

/** The function of that name with a body, or null. */
export function functionNamed(unit: TranslationUnit, name: string): FunctionSymbol | null {
  const symbol = unit.scope.symbols.get(name);
  return symbol?.kind === 'function' && symbol.body !== null ? symbol : null;
}

function staticNamed(unit: TranslationUnit, name: string): VariableSymbol | null {
  const symbol = unit.scope.symbols.get(name);
  return symbol?.kind === 'variable' && symbol.storage === 'static' ? symbol : null;
}

/** Collects the functions, statements and locations of a program as its code is written. */
class ProgramBuilder {
  readonly functions: ProgramFunction[] = [];
  readonly statements: ProgramStatement[] = [];
  readonly locations = new Map<VariableSymbol, Location>();
  readonly entryOf = new Map<FunctionSymbol, number>();
  private readonly unit: TranslationUnit;
  private readonly emitter: Emitter;
  private readonly trapStubs: bigint;
  missingPc = 0;
  /** The text of the macro call that the last statements came from. */
  private macroExtent: SourceRange | null = null;

  constructor(unit: TranslationUnit, emitter: Emitter, trapStubs: bigint) {
    this.unit = unit;
    this.emitter = emitter;
    this.trapStubs = trapStubs;
  }

  addStub(stub: StubFunction): void {
    this.functions.push({ ...stub, index: this.functions.length, symbol: null, firstStatement: -1 });
  }

  /** The function's first instruction; for one that is only declared (and then never reached) one that traps. */
  entryPc(symbol: FunctionSymbol): number {
    return this.entryOf.get(symbol) ?? this.missingPc;
  }

  addMissing(): void {
    this.missingPc = this.emitter.emit(Op.undefined);
  }

  addFunction(symbol: FunctionSymbol): void {
    const { emitter } = this;
    const { body } = symbol;
    if (body === null) return;
    const index = this.functions.length;
    const entry = emitter.count;
    const firstStatement = this.statements.length;
    this.entryOf.set(symbol, entry);
    const context = new FunctionContext({
      emitter,
      model: this.unit.model,
      symbol,
      index,
      locations: this.locations,
      beginStatement: (inside, range, scope) => this.beginStatement(inside, range, scope),
      trapStubs: this.trapStubs,
      scope: body.scope,
    });
    emitter.statement = -1;
    emitter.emit(Op.enter, index, 0, 0);
    placeVariables(context, symbol);
    compileBody(context, body, symbol.end);
    emitter.code[entry * 4 + 2] = context.frameBytes;
    emitter.code[entry * 4 + 3] = context.frameAlign;
    emitter.statement = -1;
    this.functions.push({
      index,
      name: symbol.name,
      symbol,
      entry,
      end: emitter.count,
      windowWords: context.mostRegisters + 2,
      firstStatement: this.statements.length > firstStatement ? firstStatement : -1,
    });
  }

  /** Whether a statement is made by the macro call of the one before: their places overlap. */
  private goesOn(range: SourceRange): boolean {
    const before = this.macroExtent;
    if (before?.inMacro !== true || range.inMacro !== true || before.file !== range.file) return false;
    return (
      isBefore(range.line, range.column, before.endLine, before.endColumn) &&
      isBefore(before.line, before.column, range.endLine, range.endColumn)
    );
  }

  private beginStatement(context: FunctionContext, range: SourceRange, scope: Scope): void {
    const { emitter } = this;
    const before = this.statements.at(-1);
    const index = this.statements.length;
    emitter.statement = index;
    const pc = emitter.emit(Op.stmt, index);
    const continued = before?.fn === context.index && this.goesOn(range);
    this.macroExtent = continued ? joined(this.macroExtent ?? range, range) : range;
    this.statements.push({ index, range, scope, fn: context.index, pc, continued });
  }
}

const isBefore = (line: number, column: number, thanLine: number, thanColumn: number): boolean =>
  line < thanLine || (line === thanLine && column < thanColumn);

function joined(x: SourceRange, y: SourceRange): SourceRange {
  const first = isBefore(x.line, x.column, y.line, y.column) ? x : y;
  const last = isBefore(x.endLine, x.endColumn, y.endLine, y.endColumn) ? y : x;
  return { ...first, endLine: last.endLine, endColumn: last.endColumn };
}

/**
 * Gives parameters and locals their registers or bytes of the stack frame. Arguments arrive in registers; those whose
 * address matters are stored into the frame first thing.
 */
function placeVariables(context: FunctionContext, symbol: FunctionSymbol): void {
  const { locations, pointerWords } = context;
  const { returns } = symbol.type;
  if (returns.kind === 'record') context.resultAddress = context.take(pointerWords);
  const arrivals = symbol.parameters.map((parameter) => ({
    parameter,
    register: context.take(context.wordsOf(parameter.type)),
  }));
  if (symbol.type.variadic) context.variadicArea = context.take(pointerWords);
  if (returns.kind !== 'void' && context.top < Slot.first + 2) context.take(Slot.first + 2 - context.top);
  for (const { parameter, register } of arrivals) {
    if (parameter.type.kind === 'record') locations.set(parameter, { kind: 'indirect', slot: register });
    else if (!parameter.addressTaken) locations.set(parameter, { kind: 'register', slot: register });
    else {
      const offset = context.takeFrame(context.bytesOf(parameter.type), parameter.align);
      locations.set(parameter, { kind: 'frame', offset });
      storeFrom(context, whole(variablePlace(context, parameter)), parameter.type, register);
    }
  }
  for (const local of symbol.locals) placeLocal(context, local);
}

export function placeLocal(context: FunctionContext, local: VariableSymbol): void {
  const inRegister = !local.addressTaken && (local.type.kind === 'integer' || local.type.kind === 'pointer');
  if (inRegister) {
    context.locations.set(local, { kind: 'register', slot: context.take(context.wordsOf(local.type)) });
    return;
  }
  const offset = context.takeFrame(context.bytesOf(local.type), Math.max(local.align, 1));
  context.locations.set(local, { kind: 'frame', offset });
}
