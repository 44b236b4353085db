/**
 * Random hypercalls of a careless guest. After each, the audit must agree; at the end, undo must restore every word,
 * and running the same calls again must lead to the same state.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOMID } from '../../../core/units.ts';
import { CONFIGURATIONS, Guest, GuestFault } from './guest.ts';

const PAGES = 8;
/** The guest has taken its own working memory away. */
const LOST = -1000;
const RUNS = Number(process.env['XENSCOPE_RUNS'] ?? 25);
const SEED = Number(process.env['XENSCOPE_SEED'] ?? 20260822);

type Step =
  | { kind: 'update'; table: number; slot: number; target: number; flags: number; command: number }
  | { kind: 'vaMapping'; page: number; target: number; flags: number; flush: number }
  | { kind: 'mmuext'; command: number; target: number; second: number }
  | { kind: 'memory'; command: 0 | 1 | 6; target: number }
  | { kind: 'store'; page: number; slot: number; target: number; flags: number };

/** Pages that steps work on, then frames that are special: the root, other boot tables, Xen's, free, MMIO. */
const target = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: PAGES - 1 }) },
  { weight: 1, arbitrary: fc.integer({ min: PAGES, max: PAGES + 7 }) },
);
const flags = fc.constantFrom(0x67, 0x63, 0x61, 0x65, 0x21, 0x27, 0x1, 0x0, 0xe7, 0x167, 0x77, 0x227);
const slot = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom(255, 256, 258, 271, 272, 300, 511));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      table: target,
      slot,
      target,
      flags,
      command: fc.constantFrom(0, 0, 0, 2, 3, 1, 4),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('vaMapping' as const),
      page: fc.integer({ min: 0, max: PAGES - 1 }),
      target,
      flags,
      flush: fc.constantFrom(0, 1, 2, 6),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('mmuext' as const),
      command: fc.constantFrom(0, 1, 2, 3, 4, 4, 5, 6, 10, 13, 15, 16, 17, 14),
      target,
      second: target,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('memory' as const), command: fc.constantFrom(0, 1, 6), target }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('store' as const),
      page: fc.integer({ min: 0, max: PAGES - 1 }),
      slot: fc.integer({ min: 0, max: 3 }),
      target,
      flags,
    }),
  },
);

class Careless {
  readonly guest: Guest;
  private readonly pages: number[];
  private readonly frames: number[];

  constructor(guest: Guest) {
    this.guest = guest;
    this.pages = Array.from({ length: PAGES }, () => guest.fresh());
    const boot = guest.place(guest.kva(0), 1).table;
    const middle = guest.place(guest.kva(0), 2).table;
    const { machine } = guest.hv;
    const special = [
      guest.root,
      boot,
      middle,
      machine.m2pBase,
      machine.maxPage - 1,
      0x10,
      guest.layout.sharedInfo,
    ];
    this.frames = [
      ...this.pages.map((page) => guest.p2m(page)),
      ...special,
      guest.p2m(guest.domain.nrPages - 1),
    ];
  }

  /** Result of a step; a store that faults gives -1. */
  run(step: Step): number {
    if (!this.guest.domain.isRunning) return 0;
    try {
      return this.make(step);
    } catch (error) {
      if (error instanceof GuestFault) return LOST;
      throw error;
    }
  }

  private make(step: Step): number {
    const { guest } = this;
    switch (step.kind) {
      case 'update':
        return guest.update(
          this.frame(step.table),
          step.slot,
          guest.entry(this.frame(step.target), step.flags),
          BigInt(step.command % guest.abi.entryBytes),
        );
      case 'vaMapping':
        return guest.vaMapping(
          guest.kva(this.pages[step.page] ?? 0),
          guest.entry(this.frame(step.target), step.flags),
          BigInt(step.flush),
        );
      case 'mmuext':
        return guest.mmuext(step.command, this.frame(step.target), this.frame(step.second), DOMID.SELF);
      case 'memory':
        return guest.memoryOp(step.command, [this.frame(step.target)]).rc;
      case 'store': {
        const va = guest.kva(this.pages[step.page] ?? 0) + BigInt(step.slot * guest.abi.entryBytes);
        return guest.store(va, guest.abi.entryBytes, guest.entry(this.frame(step.target), step.flags))
          ? 0
          : -1;
      }
    }
  }

  private frame(index: number) {
    return (this.frames[index] ?? 0) as never;
  }
}

/** Everything that can change, as one number for memory and text for the rest. */
function fingerprint(guest: Guest): string {
  const { machine } = guest.hv;
  let hash = 0;
  for (const arena of machine.store.arenas) for (const word of arena) hash = (Math.imul(hash, 31) + word) | 0;
  const { frames } = machine;
  const rows: string[] = [];
  for (let i = 0; i < frames.count; i++) {
    const columns = [
      frames.type,
      frames.typeCount,
      frames.refCount,
      frames.owner,
      frames.flags,
      frames.linearCount,
    ];
    rows.push(columns.map((column) => column.get(i)).join());
  }
  const registers = [...guest.vcpu.registers.data].join();
  return [
    hash,
    rows.join(';'),
    registers,
    JSON.stringify(guest.vcpu.mmu.tlbEntries()),
    guest.domain.totPages,
  ].join('|');
}

describe.each(CONFIGURATIONS)('random hypercalls on $abi under Xen $xen', ({ abi, xen }) => {
  it('keep the counts sound, can be undone and done again', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
        const careless = new Careless(
          new Guest({ abi, xen, heapFrames: 1400, spec: { memoryBytes: 5 * 2 ** 20, maxPages: 1300 } }),
        );
        const { guest } = careless;
        const { store } = guest.hv.machine;
        const mark = store.mark();
        const before = fingerprint(guest);
        const results = steps.map((each) => careless.run(each));
        const after = fingerprint(guest);
        expect(store.undoTo(mark)).toBe(true);
        expect(fingerprint(guest)).toBe(before);
        expect(steps.map((each) => careless.run(each))).toEqual(results);
        expect(fingerprint(guest)).toBe(after);
      }),
      { numRuns: RUNS, seed: SEED },
    );
  }, 600_000);
});
