/**
 * The differential test's core: one operation on the model and on the real machine, and what must be equal after it.
 * The model goes first; an operation after which the guest's own kernel could not run on is undone and left out, for
 * on the real machine it would end the run.
 */

import { DomainStopped, type ModelPort } from '../../adapter/conformance/model-port.ts';
import {
  BOOT_TABLES,
  type FrameName,
  GRANT_FRAMES,
  type Operation,
  OperationMistake,
} from '../../adapter/conformance/operations.ts';
import type { FrameRecord } from '../../adapter/conformance/guest-port.ts';
import type { GrantEntry } from '../../adapter/conformance/grant-operations.ts';
import { frameIn, isPresent, withFrame } from '../../adapter/conformance/entries.ts';
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

/** Slots of roots that hold what only that machine has; they stay in a page that was a root. */
const XEN_SLOTS = { from: 256, to: 271 } as const;
/** Extents of these orders are left out: the real machine would use up its memory. Larger ones Xen refuses. */
const LARGE_ORDERS = { from: 5, to: 18 } as const;
/** What the kernel needs to go on: its image, the boot pages that the runner maps at, and the boot stack. */
const KERNEL_PAGES = 0x50;

/** What must be equal in the frame table, beside the M2P entries of pages that have a PFN. */
const STATE_FIELDS = [
  ...['type', 'typeCount', 'refCount', 'pinned', 'validated', 'allocated', 'owner', 'linear'],
] as const satisfies readonly (keyof FrameRecord)[];

/** Operations that get frames from Xen, whose choice the model has to follow: the real machine goes first. */
const takesFrames = (operation: Operation): boolean =>
  ['populate', 'exchange', 'grant_setup'].includes(operation.op) || 'takes' in operation;

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

  /** The first of the model's frames for a run of real ones; null when they do not lie beside each other. */
  of(run: readonly bigint[]): bigint | null {
    const frames = run.map((frame) => this.known(frame));
    const [first] = frames;
    if (first === undefined) return null;
    if (frames.every((frame) => frame === null)) return this.takeFresh(run);
    const isRun = first !== null && frames.every((frame, i) => frame === first + BigInt(i));
    return isRun && first % BigInt(run.length) === 0n ? first : null;
  }

  /** The model's frame that stands for a real one. */
  known(real: bigint): bigint | null {
    return this.taken.get(real) ?? this.atStart.get(real) ?? null;
  }

  /** A frame from which on the model has given none away. */
  get firstUnused(): bigint {
    return this.fresh;
  }

  /** Notes which frames stand for each other from now on. */
  pair(real: readonly bigint[], model: readonly bigint[]): void {
    real.forEach((frame, i) => {
      const twin = model[i];
      if (twin === undefined) return;
      this.taken.set(frame, twin);
      if (twin >= this.fresh) this.fresh = twin + 1n;
    });
  }

  private takeFresh(run: readonly bigint[]): bigint {
    const size = BigInt(run.length);
    const first = ((this.fresh + size - 1n) / size) * size;
    this.pair(
      run,
      run.map((_, i) => first + BigInt(i)),
    );
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
  /** Grant references that the list has written. */
  private readonly refs = new Set<number>();

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
    this.names = [...BOOT_TABLES, 'shared_info', 'free', ...GRANT_FRAMES, ...pages];
  }

  /** The model's row of a page: what the generator looks at. */
  state(name: FrameName): FrameRecord | null {
    return this.modelRunner.frameState(name);
  }

  run(operation: Operation): Step {
    if (takesFrames(operation)) return this.runTaking(operation);
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
  private runTaking(operation: Operation): Step {
    if (!this.canTake(operation)) return { kind: 'unsafe' };
    const before = this.realRunner.grantFrames;
    const real = this.realRunner.run(operation);
    const { taken } = this.realRunner;
    const isTable = operation.op === 'grant_setup';
    // Of a grant table, the first page was there from the start; the model can be made to take one more.
    const got = isTable ? taken.slice(1).filter((frame) => !before.includes(frame)) : taken;
    const twin =
      got.length === 0 || (isTable && got.length > 1) ? this.twins.firstUnused : this.twins.of(got);
    if (twin === null) return { kind: 'end' };
    if (!isTable) for (const frame of taken) this.real.clearFrame(frame);
    this.model.preferFrame(twin);
    const model = this.modelRunner.run(operation);
    if (isTable) this.twins.pair(taken, this.modelRunner.taken);
    else if (taken.length > 0 && this.modelRunner.taken[0] !== twin) return this.wrongFrame(operation, twin);
    return this.compare(operation, model, real);
  }

  /** Extents that would use up the memory of the real machine are left out, as is what no list can mean. */
  private canTake(operation: Operation): boolean {
    if (operation.op === 'populate' && isLarge(operation.order)) return false;
    const placed = 'takes' in operation ? operation.takes?.p : 'p' in operation ? operation.p : 0n;
    return typeof placed === 'bigint' && placed < BigInt(this.real.nrPages);
  }

  /** The frame that Xen found free is not free in the model. */
  private wrongFrame(operation: Operation, twin: bigint): Step {
    const model = `frame 0x${twin.toString(16)} is ${describe(this.model.frame(twin))}`;
    return { kind: 'mismatch', mismatch: { operation, what: 'free', model, real: 'free before' } };
  }

  private compare(operation: Operation, model: Outcome, real: Outcome): Step {
    const states = this.names.map((name) => this.realRunner.frameState(name));
    if (states.some(isPartial)) return { kind: 'end' };
    const mismatch =
      this.compareOutcomes(operation, model, real) ??
      this.compareFrames(operation, states) ??
      this.compareGrants(operation);
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
    if (!isPresent(word)) return word;
    const twin = this.twins.known(frameIn(word));
    return twin === null ? word : withFrame(word, twin);
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

  /** A load of what each machine has of its own (machine frames, among them in grant entries), or a store that would change it. */
  private touchesNamedFrame(operation: Operation): boolean {
    if (operation.op !== 'load' && operation.op !== 'store') return false;
    const reached = this.model.reach(operation.va);
    if (reached === null || (operation.op === 'store' && !reached.writable)) return false;
    return [...this.model.namedFrames.values(), ...this.modelRunner.grantFrames].includes(reached.frame);
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

  /** @param states the real machine's rows of `names`. */
  private compareFrames(operation: Operation, states: readonly (FrameRecord | null)[]): Mismatch | null {
    for (const [i, name] of this.names.entries()) {
      const model = this.modelRunner.frameState(name);
      const real = states[i] ?? null;
      const what = `frame ${nameText(name)}`;
      if (STATE_FIELDS.some((field) => model?.[field] !== real?.[field]))
        return { operation, what, model: describe(model), real: describe(real) };
      const isPage = typeof name === 'bigint' && model !== null && model.refCount > 0;
      const mismatch = isPage ? this.compareM2p(operation, name) : null;
      if (mismatch !== null) return mismatch;
    }
    return null;
  }

  private compareM2p(operation: Operation, name: FrameName): Mismatch | null {
    const model = this.model.m2p(this.modelRunner.currentOrLastFrame(name));
    const real = this.real.m2p(this.realRunner.currentOrLastFrame(name));
    if (model === real) return null;
    return { operation, what: `m2p ${nameText(name)}`, model: hexText(model), real: hexText(real) };
  }

  /** The entries of the grant table that lists wrote: flags as the guest and Xen left them, and the frame. */
  private compareGrants(operation: Operation): Mismatch | null {
    if (operation.op === 'grant_set') this.refs.add(operation.ref);
    for (const ref of this.refs) {
      const model = this.modelRunner.grantEntry(ref);
      const real = this.realRunner.grantEntry(ref);
      const isEqual = model.flags === real.flags && model.frame === this.asTwin(real.frame);
      if (!isEqual)
        return { operation, what: `grant ${ref}`, model: grantText(model), real: grantText(real) };
    }
    return null;
  }

  private asTwin(frame: bigint): bigint {
    return this.twins.known(frame) ?? frame;
  }
}

const isPartial = (state: FrameRecord | null): boolean =>
  state !== null && 'partial' in state && state.partial === true;

function describe(state: FrameRecord | null): string {
  if (state === null) return 'no frame';
  const { type, typeCount, refCount, pinned, validated, allocated, owner, linear } = state;
  const flags = [
    pinned ? 'pinned' : '',
    validated ? 'validated' : '',
    allocated ? 'allocated' : '',
    owner === 'domain' ? '' : `owner ${owner}`,
    linear === 0 ? '' : `linear ${linear}`,
  ];
  return [`${type} tc ${typeCount} rc ${refCount}`, ...flags.filter((flag) => flag !== '')].join(' ');
}

const nameText = (name: FrameName): string => (typeof name === 'string' ? name : `0x${name.toString(16)}`);
const hexText = (value: bigint | null): string => (value === null ? 'none' : `0x${value.toString(16)}`);
const grantText = ({ flags, frame }: GrantEntry): string => `flags ${hexText(flags)} frame ${hexText(frame)}`;

const isXenSlot = (slot: number): boolean => slot >= XEN_SLOTS.from && slot <= XEN_SLOTS.to;

const isLarge = (order: number): boolean => order >= LARGE_ORDERS.from && order <= LARGE_ORDERS.to;

/** An outcome's fields as texts. */
function comparable(outcome: Outcome): Record<string, string | undefined> {
  const { rc, done, value, values, fault, status, handle } = outcome;
  return {
    rc: String(rc),
    done: String(done),
    value: value === undefined ? undefined : hexText(value),
    values: values?.map(hexText).join(' '),
    fault:
      fault === undefined
        ? undefined
        : `vector ${fault.vector} code ${fault.errorCode} cr2 ${fault.cr2?.toString(16) ?? 'none'}`,
    status: status?.toString(),
    handle: handle?.toString(),
  };
}
