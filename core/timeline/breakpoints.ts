/**
 * Breakpoints: lines and functions become patched instructions, hypercalls become patterns that are tried on each call
 * about to be made.
 */

import { Op } from '../guest-c/bytecode.ts';
import type { Program, ProgramStatement } from '../guest-c/program.ts';
import type { CallRequest } from './call-values.ts';
import { globTest, needsResult } from './dollar-names.ts';
import { hypercallNames } from './hypercall-text.ts';
import type { BreakpointPlace, BreakpointSpec, SourcePlace } from './types.ts';
import type { DataSpec } from './watches.ts';

/** Tells where a statement is, and whether it belongs to the library. */
export type PlaceOfStatement = (statement: ProgramStatement) => SourcePlace;

type HypercallSpec = Extract<BreakpointSpec, { readonly kind: 'hypercall' }>;

/** A hypercall breakpoint, and the requests of a call that its pattern names. */
export interface MatchedHypercall {
  readonly spec: HypercallSpec;
  readonly requests: readonly CallRequest[];
}

export class BreakpointTable {
  private readonly programs: readonly Program[];
  private readonly placeOf: PlaceOfStatement;
  /** By program, by instruction: the breakpoints that stand there. */
  private readonly standing = new Map<Program, Map<number, BreakpointSpec[]>>();
  private readonly reserved = new Map<Program, Set<number>>();
  private hypercalls: { readonly spec: HypercallSpec; readonly test: (name: string) => boolean }[] = [];
  /** Those on data; `Watches` watches them. */
  data: readonly DataSpec[] = [];

  constructor(programs: readonly Program[], placeOf: PlaceOfStatement) {
    this.programs = programs;
    this.placeOf = placeOf;
  }

  /** Replaces all breakpoints. */
  set(specs: readonly BreakpointSpec[]): readonly BreakpointPlace[] {
    this.clear();
    this.data = specs.filter((spec) => spec.kind === 'data');
    return specs.map((spec) => {
      switch (spec.kind) {
        case 'line':
          return this.setLine(spec);
        case 'function':
          return this.setFunction(spec);
        case 'hypercall':
          return this.setHypercall(spec);
        case 'data':
          return { id: spec.id, verified: true };
      }
    });
  }

  /** The line and function breakpoints at an instruction. */
  at(program: Program, pc: number): readonly BreakpointSpec[] {
    return this.standing.get(program)?.get(pc) ?? [];
  }

  /** Keeps an instruction patched for good: where the user's entry function begins. */
  reserve(program: Program, pc: number): void {
    const reserved = this.reserved.get(program) ?? new Set<number>();
    this.reserved.set(program, reserved.add(pc));
    program.code[pc * 4] = Op.breakpoint;
  }

  /** Does something with no instruction patched: the repetition of what is known stops nowhere. */
  lifted<T>(work: () => T): T {
    this.writePatches(Op.stmt);
    try {
      return work();
    } finally {
      this.writePatches(Op.breakpoint);
    }
  }

  isReserved(program: Program, pc: number): boolean {
    return this.reserved.get(program)?.has(pc) ?? false;
  }

  get watchesHypercalls(): boolean {
    return this.hypercalls.length > 0;
  }

  /**
   * The hypercall breakpoints that a call meets; its names are `mmuext_op` and, for each request,
   * `mmuext_op:MMUEXT_PIN_L1_TABLE`. Those whose condition needs the result stop after it.
   */
  matching(name: string, requests: readonly CallRequest[], when: 'before' | 'after'): MatchedHypercall[] {
    return this.hypercalls.flatMap(({ spec, test }) => {
      if (needsResult(spec.condition) !== (when === 'after')) return [];
      if (test(name)) return [{ spec, requests }];
      const named = requests.filter((request) => test(`${name}:${request.name}`));
      return named.length === 0 ? [] : [{ spec, requests: named }];
    });
  }

  private writePatches(op: number): void {
    for (const patched of [this.standing, this.reserved])
      for (const [program, pcs] of patched) for (const pc of pcs.keys()) program.code[pc * 4] = op;
  }

  private clear(): void {
    for (const [program, byPc] of this.standing) {
      for (const pc of byPc.keys()) if (!this.isReserved(program, pc)) program.code[pc * 4] = Op.stmt;
    }
    this.standing.clear();
    this.hypercalls = [];
  }

  private setLine(spec: Extract<BreakpointSpec, { readonly kind: 'line' }>): BreakpointPlace {
    let place: SourcePlace | undefined;
    for (const program of this.programs) {
      const statement = firstFromLine(program, spec.file, spec.line, spec.column ?? 1);
      if (statement === undefined) continue;
      this.patch(program, statement, spec);
      place ??= this.placeOf(statement);
    }
    return placed(spec.id, place, `There is no statement in line ${spec.line} of ${spec.file} or behind it.`);
  }

  private setFunction(spec: Extract<BreakpointSpec, { readonly kind: 'function' }>): BreakpointPlace {
    let place: SourcePlace | undefined;
    for (const program of this.programs) {
      const fn = program.functions.find(
        ({ name, firstStatement }) => name === spec.name && firstStatement >= 0,
      );
      const statement = fn === undefined ? undefined : program.statements[fn.firstStatement];
      if (statement === undefined) continue;
      this.patch(program, statement, spec);
      place ??= this.placeOf(statement);
    }
    return placed(spec.id, place, `No function is called ${spec.name}.`);
  }

  private setHypercall(spec: HypercallSpec): BreakpointPlace {
    const pattern = spec.pattern.trim().replace(/^HYPERVISOR_/, '');
    const isCall = globTest(pattern.split(':')[0] ?? '');
    if (!hypercallNames().some(isCall))
      return placed(spec.id, undefined, `No hypercall is called ${spec.pattern}.`);
    this.hypercalls.push({ spec, test: globTest(pattern) });
    return { id: spec.id, verified: true };
  }

  private patch(program: Program, statement: ProgramStatement, spec: BreakpointSpec): void {
    const byPc = this.standing.get(program) ?? new Map<number, BreakpointSpec[]>();
    this.standing.set(program, byPc);
    byPc.set(statement.pc, [...(byPc.get(statement.pc) ?? []), spec]);
    program.code[statement.pc * 4] = Op.breakpoint;
  }
}

function placed(id: number, place: SourcePlace | undefined, message: string): BreakpointPlace {
  return place === undefined ? { id, verified: false, message } : { id, verified: true, place };
}

/** The first statement at or behind a place: of the nearest line that has one, the leftmost. */
function firstFromLine(
  program: Program,
  file: string,
  line: number,
  column: number,
): ProgramStatement | undefined {
  let best: ProgramStatement | undefined;
  for (const statement of program.statements) {
    const { range } = statement;
    const isBehind = range.line > line || (range.line === line && range.column >= column);
    if (range.file !== file || statement.continued || !isBehind) continue;
    if (best === undefined || isBefore(range, best.range)) best = statement;
  }
  return best;
}

const isBefore = (
  x: { readonly line: number; readonly column: number },
  y: { readonly line: number; readonly column: number },
): boolean => x.line < y.line || (x.line === y.line && x.column < y.column);
