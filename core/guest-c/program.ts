/**
 * A compiled script: bytecode, the image that start of day loads, and what a debugger asks about both.
 *
 * Image, ascending from the virtual base:
 *   kernel stack (STACK_PAGES, lowest so that an overflow leaves the image) | text | one page of text for the
 *   debugger's expressions | read-only data | data | zeros
 * Kernels of Mini-OS's and XTF's kinds (linkage.ts) are linked from address 0 on, the text first and the stack behind the
 * read-only data: Mini-OS counts PFNs from `_text` and makes all up to `_erodata` read-only.
 *
 * Text is executed from `code`, not from guest memory: what a guest stores over its own text has no effect, but its
 * page-table entries decide whether the text may be executed at all.
 */

import { type VirtualAddress, PAGE_SIZE } from '../units.ts';
import type { GuestImage } from '../hypervisor/types.ts';
import type { DataModel } from './types.ts';
import type { FunctionSymbol, Scope, SourceRange, TranslationUnit, VariableSymbol } from './tree.ts';

/** Pages of the image's own kernel stack. */
export const STACK_PAGES = 16;
export const STACK_BYTES = STACK_PAGES * PAGE_SIZE;
/** Instructions in the page kept for the debugger's expressions. */
export const SCRATCH_INSTRUCTIONS = PAGE_SIZE / 4;

/** Where a variable lives while its function runs. */
export type Location =
  | { readonly kind: 'register'; readonly slot: number }
  /** Bytes above the frame pointer. */
  | { readonly kind: 'frame'; readonly offset: number }
  /** The register holds the object's address: a record passed by value. */
  | { readonly kind: 'indirect'; readonly slot: number }
  | { readonly kind: 'static'; readonly address: bigint };

export interface ProgramFunction {
  readonly index: number;
  readonly name: string;
  /** Null for the entry and trap stubs. */
  readonly symbol: FunctionSymbol | null;
  /** Instructions entry..end - 1. */
  readonly entry: number;
  readonly end: number;
  /** Registers of its window. */
  readonly windowWords: number;
  /** The first statement, or -1. */
  readonly firstStatement: number;
}

export interface ProgramStatement {
  readonly index: number;
  readonly range: SourceRange;
  readonly scope: Scope;
  readonly fn: number;
  /** Steps do not stop here: one more statement of the macro call at which the one before has stopped. */
  readonly continued: boolean;
  /** Its `stmt` instruction. */
  readonly pc: number;
}

export interface Program {
  readonly unit: TranslationUnit;
  readonly model: DataModel;
  /** Four words an instruction; the scratch page is at the end. */
  readonly code: Int32Array;
  /** Instructions of the script itself. */
  readonly textInstructions: number;
  /** The first of the SCRATCH_INSTRUCTIONS, on a page of their own. */
  readonly scratchBase: number;
  readonly functions: readonly ProgramFunction[];
  readonly statements: readonly ProgramStatement[];
  /** Statement of each instruction, -1 for none. */
  readonly statementOf: Int32Array;
  readonly image: GuestImage;
  readonly virtBase: VirtualAddress;
  readonly textBase: VirtualAddress;
  /** The end of the image's own kernel stack. */
  readonly stackTop: VirtualAddress;
  /** Addresses of the image's parts, for views: name, first byte, end. */
  readonly parts: readonly { readonly name: string; readonly from: bigint; readonly to: bigint }[];
  readonly locations: ReadonlyMap<VariableSymbol, Location>;
  readonly entryOf: ReadonlyMap<FunctionSymbol, number>;
  /** An instruction that traps, in place of functions that are only declared. */
  readonly missing: number;
  /** First of the 256 trap stubs, TRAP_STUB_INSTRUCTIONS apart. */
  readonly trapStubs: number;
}

/** The function whose instructions hold `pc`, or undefined. */
export function functionAt(program: Program, pc: number): ProgramFunction | undefined {
  let low = 0;
  let high = program.functions.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const fn = program.functions[middle] as ProgramFunction;
    if (pc < fn.entry) high = middle - 1;
    else if (pc >= fn.end) low = middle + 1;
    else return fn;
  }
  return undefined;
}

/** The statement that an instruction belongs to, or undefined. */
export function statementAt(program: Program, pc: number): ProgramStatement | undefined {
  const index = program.statementOf[pc];
  return index === undefined || index < 0 ? undefined : program.statements[index];
}

/** The guest address of an instruction. */
export const addressOfPc = (program: Program, pc: number): bigint => program.textBase + BigInt(pc) * 4n;
