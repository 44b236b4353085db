/**
 * The differential test's core: one operation on the model and on the real machine, and what must be equal after it.
 * The model goes first; an operation after which the guest's own kernel could not run on is undone and left out, for
 * on the real machine it would end the run.
 */

import { DomainStopped, type ModelPort } from '../../adapter/conformance/model-port.ts';
import {
  BOOT_TABLES,
  type FrameName,
  type Operation,
  OperationMistake,
} from '../../adapter/conformance/operations.ts';
import type { FrameState } from '../../adapter/conformance/guest-port.ts';
import { type Outcome, OperationRunner } from '../../adapter/conformance/runner.ts';
import type { RealPort } from './real/real-port.ts';

export interface Mismatch {
  readonly operation: Operation;
  /** What differs: `rc`, `frame 0x400 typeCount`, ... */
  readonly what: string;
  readonly model: string;
  readonly real: string;
}

/**
 * What became of a step. `unsafe`: left out, for the guest's kernel could not go on after it. `end`: equal, but the
 * machines cannot be compared further (docs/differences.md).
 */
export type Step =
  | { readonly kind: 'equal'; readonly outcome: Outcome }
  | { readonly kind: 'unsafe' | 'end' }
  | { readonly kind: 'mismatch'; readonly mismatch: Mismatch };

const FRAME_FIELD = 0x000f_ffff_ffff_f000n;
/** Slots of roots that hold what only that machine has; they stay in a page that was a root. */
const XEN_SLOTS = { from: 256, to: 271 } as const;
/** Extents of these orders are left out: the real machine would use up its memory. Larger ones Xen refuses. */
const LARGE_ORDERS = { from: 5, to: 18 } as const;
/** What the kernel needs to go on: its image, the boot pages that the runner maps at, and the boot stack. */
const KERNEL_PAGES = 0x50;

const STATE_FIELDS = ['type', 'typeCount', 'refCount', 'pinned', 'validated', 'allocated'] as const;

/**
 * Which frame of the model stands for which of the real machine. Xen's allocator chooses by rules that a guest cannot
 * know, so the model is made to take the frame that stands for the one that Xen took.
 */
export class FrameTwins {
  private readonly atStart = new Map<bigint, bigint>();
  private taken = new Map<bigint, bigint>();
  private readonly model: ModelPort;
  private fresh = 0n;

  constructor(model: ModelPort, real: RealPort) {
    model.reset();
    this.model = model;
    for (let pfn = 0; pfn < real.nrPages; pfn++) this.atStart.set(real.p2m(pfn), model.p2m(pfn));
    for (const [name, frame] of real.namedFrames) this.atStart.set(frame, model.namedFrames.get(name) ?? 0n);
  }

  reset(): void {
    this.taken = new Map();
    this.fresh = this.model.firstFreeFrame;
  }

  /** The model's frames for a run of real ones; null when they do not lie beside each other. */
  of(base: bigint, count: number): bigint | null {
    const frames = Array.from({ length: count }, (_, i) => this.known(base + BigInt(i)));
    const [first] = frames;
    if (first === undefined) return null;
    if (frames.every((frame) => frame === null)) return this.takeFresh(base, count);
    const isRun = first !== null && frames.every((frame, i) => frame === first + BigInt(i));
    return isRun && first % BigInt(count) === 0n ? first : null;
  }

  /** The model's frame that stands for a real one. */
  known(real: bigint): bigint | null {
    return this.atStart.get(real) ?? this.taken.get(real) ?? null;
  }

  private takeFresh(base: bigint, count: number): bigint {
    const size = BigInt(count);
    const first = ((this.fresh + size - 1n) / size) * size;
    for (let i = 0n; i < size; i++) this.taken.set(base + i, first + i);
    this.fresh = first + size;
    return first;
  }
}

/** A freshly started pair of machines. Make one for each list. */
export class MachinePair {
  readonly model: ModelPort;
  private readonly real: RealPort;
  private readonly twins: FrameTwins;
  private readonly modelRunner: OperationRunner;
  private readonly realRunner: OperationRunner;
  private readonly names: readonly FrameName[];

  /** @param pages the PFNs whose frames are compared after each operation, beside the boot tables. */
  constructor(model: ModelPort, real: RealPort, twins: FrameTwins, pages: readonly bigint[]) {
    if (!model.reset()) throw new Error('compare: the model cannot go back to its start');
    real.reset();
    this.model = model;
    this.real = real;
    this.twins = twins;
    twins.reset();
    this.modelRunner = new OperationRunner(model, () => null);
    this.realRunner = new OperationRunner(real, (frame) => twins.known(frame));
    this.names = [...BOOT_TABLES, 'shared_info', 'free', ...pages];
  }

  /** The model's row of a page: what the generator looks at. */
  state(name: FrameName): FrameState | null {
    return this.modelRunner.frameState(name);
  }

  run(operation: Operation): Step {
    if (operation.op === 'populate') return this.runPopulate(operation, operation.p, operation.order);
    if (this.touchesNamedFrame(operation)) return { kind: 'unsafe' };
    const mark = this.model.mark();
    const model = this.onModel(operation);
    if (model === null || !this.kernelCanRun()) {
      if (!this.model.undoTo(mark)) throw new Error('compare: the model cannot undo an operation');
      return { kind: 'unsafe' };
    }
    return this.compare(operation, model, this.realRunner.run(operation));
  }

  /** The real machine goes first, to say which frames were taken. What they hold is undefined: zeros for both. */
  private runPopulate(operation: Operation, p: FrameName, order: number): Step {
    if (typeof p !== 'bigint' || p >= BigInt(this.real.nrPages) || isLarge(order)) return { kind: 'unsafe' };
    const real = this.realRunner.run(operation);
    if (real.rc === 1) {
      const base = this.real.p2m(Number(p));
      for (let i = 0; i < 2 ** order; i++) this.real.clearFrame(base + BigInt(i));
      const twin = this.twins.of(base, 2 ** order);
      if (twin === null) return { kind: 'end' };
      this.model.preferFrame(twin);
      const model = this.modelRunner.run(operation);
      if (this.model.p2m(Number(p)) !== twin) return this.wrongFrame(operation, twin);
      return this.compare(operation, model, real);
    }
    return this.compare(operation, this.modelRunner.run(operation), real);
  }

  /** The frame that Xen found free is not free in the model. */
  private wrongFrame(operation: Operation, twin: bigint): Step {
    const model = `frame 0x${twin.toString(16)} is ${describe(this.model.frame(twin))}`;
    return { kind: 'mismatch', mismatch: { operation, what: 'free', model, real: 'free before' } };
  }

  private compare(operation: Operation, model: Outcome, real: Outcome): Step {
    if (this.names.some((name) => isPartial(this.realRunner.frameState(name)))) return { kind: 'end' };
    const mismatch = this.compareOutcomes(operation, model, real) ?? this.compareFrames(operation);
    return mismatch === null ? { kind: 'equal', outcome: model } : { kind: 'mismatch', mismatch };
  }

  /** Compares every word of the pages: entries as Xen and the processor left them. For the end of a list. */
  compareContents(operation: Operation): Mismatch | null {
    for (const name of this.names) {
      const frame = this.modelRunner.frameOf(name, false);
      const isHeld = (this.model.frame(frame)?.refCount ?? 0) > 0;
      if (typeof name === 'string' || !isHeld) continue;
      const model = this.model.contents(frame);
      const real = this.real.contents(this.realRunner.frameOf(name, false));
      for (let i = 0; i < real.length; i++) {
        if (model[i] === real[i] || isXenSlot(i)) continue;
        const word = this.asOnModel(real[i] ?? 0n);
        if (model[i] === word) continue;
        const what = `contents of 0x${name.toString(16)} at ${i}`;
        return {
          operation,
          what,
          model: `0x${model[i]?.toString(16) ?? ''}`,
          real: `0x${word.toString(16)}`,
        };
      }
    }
    return null;
  }

  /** A present entry with the frame that stands for its own on the model. */
  private asOnModel(word: bigint): bigint {
    if ((word & 1n) === 0n) return word;
    const twin = this.twins.known((word & FRAME_FIELD) >> 12n);
    return twin === null ? word : (word & ~FRAME_FIELD) | (twin << 12n);
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

  /** A load of what each machine has of its own, or a store that would change it. */
  private touchesNamedFrame(operation: Operation): boolean {
    if (operation.op !== 'load' && operation.op !== 'store') return false;
    const reached = this.model.reach(operation.va);
    if (reached === null || (operation.op === 'store' && !reached.writable)) return false;
    return [...this.model.namedFrames.values()].includes(reached.frame);
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
    const ofModel = comparable(model);
    const ofReal = comparable(real);
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
      if (STATE_FIELDS.some((field) => model?.[field] !== real?.[field]))
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
  const flags = [pinned ? 'pinned' : '', validated ? 'validated' : '', allocated ? 'allocated' : ''];
  return [`${type} tc ${typeCount} rc ${refCount}`, ...flags.filter((flag) => flag !== '')].join(' ');
}

const isXenSlot = (slot: number): boolean => slot >= XEN_SLOTS.from && slot <= XEN_SLOTS.to;

const isLarge = (order: number): boolean => order >= LARGE_ORDERS.from && order <= LARGE_ORDERS.to;

/** An outcome's fields as texts. */
function comparable(outcome: Outcome): Record<string, string | undefined> {
  const { rc, done, value, fault, status, handle } = outcome;
  return {
    rc: String(rc),
    done: String(done),
    value: value === undefined ? undefined : `0x${value.toString(16)}`,
    fault:
      fault === undefined
        ? undefined
        : `vector ${fault.vector} code ${fault.errorCode} cr2 ${fault.cr2?.toString(16) ?? 'none'}`,
    status: status?.toString(),
    handle: handle?.toString(),
  };
}
