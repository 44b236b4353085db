/** A guest of a session: its domain, its program, and a processor for each vCPU. */

import { type Program, type ProgramStatement, statementAt } from '../guest-c/program.ts';
import { type Activation, Vm } from '../guest-c/vm.ts';
import type { Domain } from '../machine/domain.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { HANDLER } from './scripts.ts';
import type { ExitInfo, SourcePlace } from './types.ts';

export class Guest {
  readonly domain: Domain;
  readonly program: Program;
  /** Path of the script. */
  readonly path: string;
  vms: readonly Vm[];
  /** The user's first function. */
  readonly entryName: string;
  /** The script only defines a fault handler; the shipped program around it makes the access. */
  readonly isHandlerScript: boolean;
  /** Set when the guest has come to its end. */
  exit: ExitInfo | null = null;
  /** By statement: 1 where steps do not stop, because it is the library's or goes on with a macro call. */
  readonly quiet: Uint8Array;
  /** The same for steps that begin in the library. */
  readonly quietInLibrary: Uint8Array;
  readonly isLibrary: (file: string) => boolean;

  constructor(fields: {
    readonly domain: Domain;
    readonly program: Program;
    readonly path: string;
    readonly entryName: string;
    readonly isLibrary: (file: string) => boolean;
  }) {
    this.domain = fields.domain;
    this.program = fields.program;
    this.path = fields.path;
    this.entryName = fields.entryName;
    this.isLibrary = fields.isLibrary;
    this.isHandlerScript = fields.entryName === HANDLER;
    const { statements } = fields.program;
    this.quietInLibrary = Uint8Array.from(statements, ({ continued }) => (continued ? 1 : 0));
    this.quiet = Uint8Array.from(statements, ({ continued, range }) =>
      continued || fields.isLibrary(range.file) ? 1 : 0,
    );
    this.vms = this.domain.vcpus.map((vcpu) => new Vm(this.program, vcpu, this.quiet));
    for (const vm of this.vms) vm.load();
  }

  /** A processor for a vCPU that the guest has initialised. */
  addVcpu(vcpu: Vcpu): Vm {
    const vm = new Vm(this.program, vcpu, this.quiet);
    vm.load();
    this.vms = [...this.vms, vm];
    return vm;
  }

  placeOf = ({ range }: ProgramStatement): SourcePlace => {
    const { file, line, column, endLine, endColumn } = range;
    return { file, line, column, endLine, endColumn, library: this.isLibrary(file) };
  };

  /** The activations of C functions, innermost first; stubs are left out. */
  activations(vm: Vm): readonly Activation[] {
    return vm.frames().filter((frame) => this.symbolOf(vm, frame) !== null);
  }

  /** Index of the innermost activation outside the library, or -1. */
  userIndex(vm: Vm, frames: readonly Activation[]): number {
    return frames.findIndex(({ pc }) => {
      const statement = statementAt(vm.program, pc);
      return statement !== undefined && !this.isLibrary(statement.range.file);
    });
  }

  /** The user's own place: that of the innermost activation outside the library. */
  userPlace(vm: Vm): SourcePlace | null {
    const frames = this.activations(vm);
    const frame = frames[this.userIndex(vm, frames)];
    const statement = frame === undefined ? undefined : statementAt(vm.program, frame.pc);
    return statement === undefined ? null : this.placeOf(statement);
  }

  /** A function's name; around a script that only defines a handler the shipped program's stands for the script's. */
  ownName(name: string): string {
    const fn = this.program.functions.find((one) => one.name === name)?.symbol;
    return fn !== null && fn !== undefined && this.isLibrary(fn.range.file) ? this.entryName : name;
  }

  private symbolOf(vm: Vm, { base }: Activation): object | null {
    return vm.functionOf(base)?.symbol ?? null;
  }
}
