/** What the compilation of one function knows: registers in use, the stack frame, where variables live, jump targets. */

import { Slot } from './bytecode.ts';
import type { Emitter, Target } from './compile-emitter.ts';
import type { Location } from './program.ts';
import type { FunctionSymbol, Label, Scope, SourceRange, VariableSymbol } from './tree.ts';
import { type CType, type DataModel, sizeOf } from './types.ts';

/** A register of the window, by its offset from the window's start. */
export type Register = number;

/** Notes that a statement begins and returns its number; see compile.ts. */
export type BeginStatement = (context: FunctionContext, range: SourceRange, scope: Scope) => void;

export class FunctionContext {
  readonly emitter: Emitter;
  readonly model: DataModel;
  readonly is64: boolean;
  /** Null while an expression of the debugger is compiled. */
  readonly symbol: FunctionSymbol | null;
  readonly index: number;
  readonly locations: Map<VariableSymbol, Location>;
  readonly beginStatement: BeginStatement;
  /** Guest address of the first trap stub. */
  readonly trapStubs: bigint;
  /**
   * For the debugger's expressions, which run in a window of their own: where the variables of the function that they
   * look into are, and that function's window relative to their own.
   */
  outer: { readonly locations: ReadonlyMap<VariableSymbol, Location>; readonly window: Register } | null =
    null;
  /** The register with the address for a returned record, and the one with that of the variadic arguments. */
  resultAddress: Register = -1;
  variadicArea: Register = -1;
  readonly breaks: Target[] = [];
  readonly continues: Target[] = [];
  readonly labels = new Map<Label, Target>();
  /** Old values of the updates being compiled; an `oldValue` is that of the innermost. */
  readonly oldValues: Register[] = [];
  scope: Scope;
  /** First free register; grows and shrinks as temporaries come and go. */
  top: Register = Slot.first;
  mostRegisters: Register = Slot.first + 4;
  /** First free byte of the stack frame; what a statement takes for its temporaries is free again after it. */
  frameTop = 0;
  frameBytes = 0;
  frameAlign = 16;

  constructor(fields: {
    emitter: Emitter;
    model: DataModel;
    symbol: FunctionSymbol | null;
    index: number;
    locations: Map<VariableSymbol, Location>;
    beginStatement: BeginStatement;
    trapStubs: bigint;
    scope: Scope;
  }) {
    this.emitter = fields.emitter;
    this.model = fields.model;
    this.is64 = fields.model.wordBytes === 8;
    this.symbol = fields.symbol;
    this.index = fields.index;
    this.locations = fields.locations;
    this.beginStatement = fields.beginStatement;
    this.trapStubs = fields.trapStubs;
    this.scope = fields.scope;
  }

  /** Registers that a pointer takes. */
  get pointerWords(): 1 | 2 {
    return this.is64 ? 2 : 1;
  }

  /** Registers that a value of the type takes; a record is handled by its address. */
  wordsOf(type: CType): 0 | 1 | 2 {
    switch (type.kind) {
      case 'integer':
        return type.bytes === 8 ? 2 : 1;
      case 'void':
        return 0;
      default:
        return this.pointerWords;
    }
  }

  /** Bytes of an object; a complete type is the checker's promise. */
  bytesOf(type: CType): number {
    const bytes = sizeOf(type, this.model);
    if (bytes === null) throw new Error(`compile.bytesOf: type ${type.kind} has no size`);
    return bytes;
  }

  /** Takes registers from the top. */
  take(words: number): Register {
    const at = this.top;
    this.top += words;
    if (this.top > this.mostRegisters) this.mostRegisters = this.top;
    return at;
  }

  /** Takes bytes of the function's frame in guest memory; their offset from the frame pointer. */
  takeFrame(bytes: number, align: number): number {
    const at = Math.ceil(this.frameTop / align) * align;
    this.frameTop = at + bytes;
    if (this.frameTop > this.frameBytes) this.frameBytes = this.frameTop;
    if (align > this.frameAlign) this.frameAlign = align;
    return at;
  }

  labelTarget(label: Label): Target {
    const known = this.labels.get(label);
    if (known !== undefined) return known;
    const made = this.emitter.target();
    this.labels.set(label, made);
    return made;
  }
}
