/**
 * Runs lists on both machines: random ones in episodes that each begin afresh, so that a mismatch comes with the list
 * that leads to it, and is made small by leaving out what it does not need.
 */

import { ModelPort } from '../../adapter/conformance/model-port.ts';
import type { FrameName, Operation } from '../../adapter/conformance/operations.ts';
import { MachinePair, type Mismatch, type Step } from './compare.ts';
import { Generator, POOL } from './generator.ts';
import { Random } from './random.ts';
import { provideFiles } from './real/packages.ts';
import { RealPort } from './real/real-port.ts';

export interface Failure {
  /** The operations up to and with the one that showed the difference. */
  readonly list: readonly Operation[];
  readonly mismatch: Mismatch;
}

export interface Tally {
  operations: number;
  episodes: number;
  refused: number;
  readonly byOperation: Map<string, number>;
}

/** Both machines, started once for many lists. */
export class Oracle {
  readonly real: RealPort;
  private readonly model = new ModelPort();

  constructor() {
    this.real = new RealPort(provideFiles());
  }

  close(): void {
    this.real.close();
  }

  pair(pages: readonly bigint[]): MachinePair {
    return new MachinePair(this.model, this.real, pages);
  }

  /** Runs a list from a fresh start; null when both machines agree to its end. */
  runList(list: readonly Operation[]): Failure | null {
    const pair = this.pair(pagesOf(list));
    for (const [i, operation] of list.entries()) {
      const step = pair.run(operation);
      if (step.kind === 'mismatch') return { list: list.slice(0, i + 1), mismatch: step.mismatch };
    }
    return auditFailure(pair, list);
  }

  /** Generates and runs one episode. */
  runEpisode(seed: number, length: number, tally: Tally): Failure | null {
    const pair = this.pair(POOL);
    const generator = new Generator(new Random(seed), {
      state: (name: FrameName) => pair.state(name),
      reaches: (va: bigint) => this.glanceAt(va),
    });
    const list: Operation[] = [];
    tally.episodes++;
    while (list.length < length) {
      const operation = generator.next();
      const step: Step = pair.run(operation);
      if (step.kind === 'unsafe') continue;
      list.push(operation);
      tally.operations++;
      tally.byOperation.set(operation.op, (tally.byOperation.get(operation.op) ?? 0) + 1);
      if (step.kind === 'mismatch') return { list, mismatch: step.mismatch };
    }
    return auditFailure(pair, list);
  }

  /**
   * The shortest list found that still shows a difference of the same kind: parts of halving size are left out as
   * long as the difference stays.
   */
  shrink(failure: Failure): Failure {
    let best = failure;
    for (let size = Math.ceil(best.list.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = best.list.length - 1 - size; at >= 0; at -= size) {
        const shorter = [...best.list.slice(0, Math.max(0, at)), ...best.list.slice(at + size)];
        const found = this.runList(shorter);
        if (found !== null && isSameKind(found.mismatch, failure.mismatch)) best = found;
      }
    }
    return best;
  }

  private glanceAt(va: bigint): 'bootTable' | 'root' | 'page' | 'nothing' {
    const reached = this.model.reach(va);
    if (reached === null) return 'nothing';
    if ([...this.model.bootTables.values()].includes(reached.frame)) return 'bootTable';
    return this.model.frame(reached.frame)?.type === 'l4' ? 'root' : 'page';
  }
}

function auditFailure(pair: MachinePair, list: readonly Operation[]): Failure | null {
  const [problem] = pair.audit();
  const operation = list.at(-1);
  if (problem === undefined || operation === undefined) return null;
  return { list, mismatch: { operation, what: 'audit', model: problem, real: 'sound' } };
}

const isSameKind = (a: Mismatch, b: Mismatch): boolean =>
  a.operation.op === b.operation.op && a.what.split(' ')[0] === b.what.split(' ')[0];

/** Every PFN that a list names. */
function pagesOf(list: readonly Operation[]): bigint[] {
  const pages = new Set<bigint>();
  const add = (name: unknown): void => {
    if (typeof name === 'bigint') pages.add(name);
  };
  const addEntry = (entry: { readonly pte: bigint; readonly to?: FrameName }): void => {
    if (entry.to === undefined && (entry.pte & 1n) !== 0n) add((entry.pte >> 12n) & 0xff_ffff_ffffn);
    else add(entry.to);
  };
  for (const operation of list) {
    if (operation.raw) continue;
    if ('p' in operation) add(operation.p);
    if ('place' in operation && 'p' in operation.place) add(operation.place.p);
    if ('pte' in operation) addEntry(operation);
    if (operation.op === 'mmuext' && operation.cmd === COPY_PAGE) add(operation.arg2);
    if (operation.op !== 'mmu_update') continue;
    for (const request of operation.requests) {
      add(request.p);
      addEntry(request);
    }
  }
  return [...pages];
}

const COPY_PAGE = 17;
