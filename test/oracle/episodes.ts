/**
 * Runs lists on both machines: random ones in episodes that each begin afresh, so that a mismatch comes with the list
 * that leads to it, and is made small by leaving out what it does not need.
 */

import { ModelPort } from '../../adapter/conformance/model-port.ts';
import { frameIn, isPresent } from '../../adapter/conformance/entries.ts';
import type { FrameName, Operation, Word } from '../../adapter/conformance/operations.ts';
import { FrameTwins, MachinePair, type Mismatch, type Step } from './compare.ts';
import type { Failure } from './failure.ts';
import { type Tally, countIn } from './tally.ts';
import { Generator, POOL } from './generator/generator.ts';
import { Random } from './random.ts';
import { provideFiles } from './real/kernel.ts';
import { MachineStopped, RealPort } from './real/real-port.ts';
import { RealXenUnavailable } from '../../adapter/real-xen/real-xen-unavailable.ts';

/** The seeds of a run's episodes: no two runs with different seeds below 2048 have one in common. */
const EPISODES_BETWEEN_SEEDS = 1 << 20;

const SHRINK_MILLISECONDS = 120_000;

/** Both machines, started once for many lists. */
export class Oracle {
  real: RealPort;
  private readonly model = new ModelPort();
  private twins: FrameTwins;

  constructor() {
    this.real = new RealPort(provideFiles());
    this.twins = new FrameTwins(this.model, this.real);
  }

  close(): void {
    this.real.close();
  }

  pair(pages: readonly bigint[]): MachinePair {
    try {
      return new MachinePair(this.model, this.real, this.twins, pages);
    } catch (error) {
      // A machine that a list has stopped cannot be brought back to its start.
      if (!(error instanceof RealXenUnavailable || error instanceof MachineStopped)) throw error;
      this.restart();
      return new MachinePair(this.model, this.real, this.twins, pages);
    }
  }

  /** Runs a list from a fresh start; null when both machines agree as far as they can be compared. */
  runList(list: readonly Operation[]): Failure | null {
    return this.compareList(list).failure;
  }

  /** The same, with the operations that were not compared. */
  compareList(list: readonly Operation[]): {
    readonly failure: Failure | null;
    readonly leftOut: readonly Operation[];
  } {
    const pair = this.pair(pagesOf(list));
    const leftOut: Operation[] = [];
    for (const [i, operation] of list.entries()) {
      const step = this.step(pair, operation);
      if (step.kind === 'mismatch')
        return { failure: { list: list.slice(0, i + 1), mismatch: step.mismatch }, leftOut };
      if (step.kind === 'unsafe') leftOut.push(operation);
      if (step.kind === 'end') return { failure: null, leftOut: [...leftOut, ...list.slice(i)] };
    }
    return { failure: failureAtEnd(pair, list), leftOut };
  }

  /** Generates and runs one more episode of the run with this seed, and counts it. */
  runEpisode(seed: number, length: number, tally: Tally): Failure | null {
    const pair = this.pair(POOL);
    const generator = new Generator(new Random(seed * EPISODES_BETWEEN_SEEDS + tally.episodes), {
      state: (name: FrameName) => pair.state(name),
      reaches: (va: bigint) => this.glanceAt(va),
    });
    const list: Operation[] = [];
    tally.episodes++;
    while (list.length < length) {
      const operation = generator.next();
      const step = this.step(pair, operation);
      if (step.kind === 'unsafe') continue;
      list.push(operation);
      tally.operations++;
      countIn(tally.operationCounts, operation.op);
      if (step.kind === 'equal' && step.outcome.rule !== undefined)
        countIn(tally.ruleCounts, step.outcome.rule);
      if (step.kind === 'equal') generator.learn(operation, step.outcome);
      if (step.kind === 'mismatch') return { list, mismatch: step.mismatch };
      if (step.kind === 'end') return null;
    }
    return failureAtEnd(pair, list);
  }

  /**
   * The shortest list found in reasonable time that still shows a difference of the same kind: parts of halving size are
   * left out as long as the difference stays.
   */
  shrink(failure: Failure): Failure {
    let best = failure;
    const deadline = Date.now() + SHRINK_MILLISECONDS;
    for (let size = Math.ceil(best.list.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = best.list.length - 1 - size; at >= 0; at -= size) {
        if (Date.now() > deadline) return best;
        const shorter = [...best.list.slice(0, Math.max(0, at)), ...best.list.slice(at + size)];
        const found = this.runList(shorter);
        if (found !== null && isSameKind(found.mismatch, failure.mismatch)) best = found;
      }
    }
    return best;
  }

  /** One step; a real machine that stops is a difference, and is started again. */
  private step(pair: MachinePair, operation: Operation): Step {
    try {
      return pair.run(operation);
    } catch (error) {
      if (!(error instanceof MachineStopped)) return brokenModel(operation, error);
      this.restart();
      const mismatch = { operation, what: 'machine', model: 'runs on', real: error.message };
      return { kind: 'mismatch', mismatch };
    }
  }

  private restart(): void {
    this.real.close();
    this.real = new RealPort(provideFiles());
    this.twins = new FrameTwins(this.model, this.real);
  }

  private glanceAt(va: bigint): 'bootTable' | 'root' | 'page' | 'nothing' {
    const reached = this.model.reach(va);
    if (reached === null) return 'nothing';
    if ([...this.model.bootTables.values()].includes(reached.frame)) return 'bootTable';
    return this.model.frame(reached.frame)?.type === 'l4' ? 'root' : 'page';
  }
}

/** An internal invariant of the model's that did not hold. */
function brokenModel(operation: Operation, error: unknown): Step {
  if (!(error instanceof Error)) throw error;
  return { kind: 'mismatch', mismatch: { operation, what: 'model', model: error.message, real: 'runs on' } };
}

/** What shows only when a list has run: contents of pages, and broken invariants of the model. */
function failureAtEnd(pair: MachinePair, list: readonly Operation[]): Failure | null {
  const operation = list.at(-1);
  if (operation === undefined) return null;
  const [problem] = pair.audit();
  const mismatch =
    problem === undefined
      ? pair.compareContents(operation)
      : { operation, what: 'audit', model: problem, real: 'sound' };
  return mismatch === null ? null : { list, mismatch };
}

/** The same thing differs, after the same operation where it is the operation that shows it. */
function isSameKind(a: Mismatch, b: Mismatch): boolean {
  const [kind] = a.what.split(' ');
  const isSeenAtEnd = kind === 'contents' || kind === 'audit';
  return kind === b.what.split(' ')[0] && (isSeenAtEnd || a.operation.op === b.operation.op);
}

/** Every PFN that a list names. */
function pagesOf(list: readonly Operation[]): bigint[] {
  const pages = new Set<bigint>();
  const add = (name: FrameName | undefined): void => {
    if (typeof name === 'bigint') pages.add(name);
  };
  const addEntry = (entry: { readonly pte: bigint; readonly to?: FrameName }): void => {
    add(entry.to ?? (isPresent(entry.pte) ? frameIn(entry.pte) : undefined));
  };
  const addWord = (word: Word): void => {
    if (typeof word === 'bigint' || 'data' in word) return;
    if ('pte' in word) addEntry(word);
    else add('frame' in word ? word.frame : word.table);
  };
  for (const operation of list) {
    if (operation.raw) continue;
    if ('p' in operation) add(operation.p);
    if ('place' in operation && 'p' in operation.place) add(operation.place.p);
    if ('pte' in operation) addEntry(operation);
    if (operation.op === 'mmuext' && operation.cmd === COPY_PAGE) add(operation.arg2);
    if (operation.op === 'hypercall') add(operation.takes?.p);
    if (operation.op === 'hypercall') [...operation.args, ...(operation.data ?? [])].forEach(addWord);
    if (operation.op !== 'mmu_update') continue;
    for (const request of operation.requests) {
      add(request.p);
      addEntry(request);
    }
  }
  return [...pages];
}

const COPY_PAGE = 17;
