/**
 * The differential test's core: one operation on the model and on the real machine, and what must be equal after it.
 * The model goes first; an operation after which the guest's own kernel could not run on is undone and left out, for
 * on the real machine it would end the run.
 */

import { DomainStopped, type ModelPort } from '../../adapter/conformance/model-port.ts';
import {
  BOOT_TABLES,
  type BootTable,
  type FrameName,
  type Operation,
  OperationMistake,
} from '../../adapter/conformance/operations.ts';
import type { FrameState, GuestPort } from '../../adapter/conformance/guest-port.ts';
import { type Outcome, OperationRunner } from '../../adapter/conformance/runner.ts';
import type { RealPort } from './real/real-port.ts';

export interface Mismatch {
  readonly operation: Operation;
  /** What differs: `rc`, `frame 0x400 typeCount`, ... */
  readonly what: string;
  readonly model: string;
  readonly real: string;
}

/** What became of a step. */
export type Step =
  { readonly kind: 'equal' | 'unsafe' } | { readonly kind: 'mismatch'; readonly mismatch: Mismatch };

const FRAME_FIELD = 0x000f_ffff_ffff_f000n;
/** Boot tables have other PFNs on each machine; values that name one are compared with this frame plus its index. */
const BOOT_TABLE_NAMES = 0x00b0_0700n;
/** What the kernel needs to go on: its image, the boot pages that the runner maps at, and the boot stack. */
const KERNEL_PAGES = 0x50;

const STATE_FIELDS = ['type', 'typeCount', 'refCount', 'pinned', 'validated', 'allocated'] as const;

/** A freshly started pair of machines. Make one for each list. */
export class MachinePair {
  readonly model: ModelPort;
  private readonly real: RealPort;
  private readonly modelRunner: OperationRunner;
  private readonly realRunner: OperationRunner;
  private readonly names: readonly FrameName[];

  /** @param pages the PFNs whose frames are compared after each operation, beside the boot tables. */
  constructor(model: ModelPort, real: RealPort, pages: readonly bigint[]) {
    if (!model.reset()) throw new Error('compare: the model cannot go back to its start');
    real.reset();
    this.model = model;
    this.real = real;
    this.modelRunner = new OperationRunner(model);
    this.realRunner = new OperationRunner(real);
    this.names = [...BOOT_TABLES, ...pages];
  }

  /** The model's row of a page: what the generator looks at. */
  state(name: FrameName): FrameState | null {
    return this.modelRunner.frameState(name);
  }

  run(operation: Operation): Step {
    const mark = this.model.mark();
    const model = this.onModel(operation);
    if (model === null || !this.kernelCanRun()) {
      if (!this.model.undoTo(mark)) throw new Error('compare: the model cannot undo an operation');
      return { kind: 'unsafe' };
    }
    const real = this.realRunner.run(operation);
    const mismatch = this.compareOutcomes(operation, model, real) ?? this.compareFrames(operation);
    return mismatch === null ? { kind: 'equal' } : { kind: 'mismatch', mismatch };
  }

  /** Broken invariants of the model. */
  audit(): readonly string[] {
    return this.model.audit().map((problem) => JSON.stringify(problem));
  }

  private onModel(operation: Operation): Outcome | null {
    try {
      return this.modelRunner.run(operation);
    } catch (error) {
      if (error instanceof DomainStopped || error instanceof OperationMistake) return null;
      throw error;
    }
  }

  private kernelCanRun(): boolean {
    for (let page = 1; page < KERNEL_PAGES; page++) {
      const reached = this.model.reach(BigInt(page * 4096));
      const isTable = reached !== null && this.isBootTable(reached.frame);
      const isScratch = page < 0x10;
      if (!isScratch && !isTable && reached?.writable !== true) return false;
    }
    return true;
  }

  private isBootTable(frame: bigint): boolean {
    return [...this.model.bootTables.values()].includes(frame);
  }

  private compareOutcomes(operation: Operation, model: Outcome, real: Outcome): Mismatch | null {
    const ofModel = comparable(model, this.model);
    const ofReal = comparable(real, this.real);
    for (const what of Object.keys(ofModel))
      if (ofModel[what] !== ofReal[what])
        return { operation, what, model: ofModel[what] ?? '', real: ofReal[what] ?? '' };
    return null;
  }

  private compareFrames(operation: Operation): Mismatch | null {
    for (const name of this.names) {
      const model = this.modelRunner.frameState(name);
      const real = this.realRunner.frameState(name);
      const what = `frame ${typeof name === 'string' ? name : `0x${name.toString(16)}`}`;
      if (STATE_FIELDS.some((field) => model?.[field] !== real?.[field]) || isPartial(real))
        return { operation, what, model: describe(model), real: describe(real) };
    }
    return null;
  }
}

const isPartial = (state: FrameState | null): boolean =>
  state !== null && 'partial' in state && state.partial === true;

function describe(state: FrameState | null): string {
  if (state === null) return 'no frame';
  const { type, typeCount, refCount, pinned, validated, allocated } = state;
  const flags = [
    pinned ? 'pinned' : '',
    validated ? 'validated' : '',
    allocated ? 'allocated' : '',
    isPartial(state) ? 'partial' : '',
  ];
  return [`${type} tc ${typeCount} rc ${refCount}`, ...flags.filter((flag) => flag !== '')].join(' ');
}

/** An outcome's fields as texts, with what differs by nature made equal. */
function comparable(outcome: Outcome, port: GuestPort): Record<string, string | undefined> {
  const { rc, done, value, fault, status, handle } = outcome;
  return {
    rc: String(rc),
    done: String(done),
    value: value === undefined ? undefined : `0x${withBootNames(value, port).toString(16)}`,
    fault:
      fault === undefined
        ? undefined
        : `vector ${fault.vector} code ${fault.errorCode} cr2 ${fault.cr2?.toString(16) ?? 'none'}`,
    status: status?.toString(),
    handle: handle?.toString(),
  };
}

function withBootNames(value: bigint, port: GuestPort): bigint {
  if ((value & 1n) === 0n) return value;
  const pfn = (value & FRAME_FIELD) >> 12n;
  const index = BOOT_TABLES.findIndex((name: BootTable) => {
    const frame = port.bootTables.get(name);
    return frame !== undefined && port.m2p(frame) === pfn;
  });
  return index < 0 ? value : (value & ~FRAME_FIELD) | ((BOOT_TABLE_NAMES + BigInt(index)) << 12n);
}
