/** Walking through hypercalls line by line, the state with it: forwards, backwards, and the same as without a walk. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageType } from '../../../core/machine/frames.ts';
import { HypercallWalk } from '../../../core/timeline/hypercall-walk.ts';
import { listingsOf } from '../../../core/timeline/listing.ts';
import { CONFIGURATIONS, DATA_FLAGS, Guest, TABLE_FLAGS } from '../hypervisor/guest.ts';
import { Careless, Snapshot } from '../hypervisor/random/careless.ts';
import { step } from '../hypervisor/random/steps.ts';

type Look = (walk: HypercallWalk) => void;

/** Every hypercall and page fault of the guest is walked through before it is made. */
function walkAll(guest: Guest, look: Look): void {
  const { hv } = guest;
  const hypercall = hv.hypercall.bind(hv);
  const pageFault = hv.deliverPageFault.bind(hv);
  hv.hypercall = (vcpu, nr, args) => {
    walked(guest, () => hypercall(vcpu, nr, args), look);
    hypercall(vcpu, nr, args);
  };
  hv.deliverPageFault = (vcpu) => {
    const fault = { ...vcpu.mmu.fault };
    walked(guest, () => pageFault(vcpu), look);
    Object.assign(vcpu.mmu.fault, fault);
    return pageFault(vcpu);
  };
}

function walked({ hv }: Guest, work: () => void, look: Look): void {
  const walk = HypercallWalk.record(hv, work);
  if (walk === null) return;
  look(walk);
  walk.leave();
}

/** The names of the activations at a position, outermost first. */
const stackOf = (walk: HypercallWalk): string =>
  walk
    .frames()
    .map(({ activation }) => activation.fn.name)
    .reverse()
    .join(' > ');

const lineText = (guest: Guest, walk: HypercallWalk): string => {
  const { activation, line } = walk.here;
  const text = listingsOf(guest.hv.options.xen).text(activation.fn.file) ?? '';
  return (text.split('\n')[line - 1] ?? '').trim();
};

describe.each(CONFIGURATIONS)('a walk through random hypercalls on $abi under Xen $xen', ({ abi, xen }) => {
  it('moves the state line by line, and ends where the hypercall ends without a walk', () => {
    let positions = 0;
    let calls = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 10, maxLength: 40 }),
        fc.infiniteStream(fc.nat()),
        (steps, at) => {
          const guest = new Careless({
            abi,
            xen,
            heapFrames: 1400,
            spec: { memoryBytes: 5 * 2 ** 20, maxPages: 1300 },
          });
          const { hv } = guest;
          guest.audited = false;
          let ends: Snapshot | null = null;
          walkAll(guest, (walk) => {
            const before = new Snapshot(hv);
            expect(walk.unlisted).toEqual([]);
            for (const { activation, line } of walk.positions)
              expect(activation.fn.lines.some((each) => each.line === line)).toBe(true);
            walk.moveTo(walk.positions.length);
            ends = new Snapshot(hv);
            const middle = (at.next().value ?? 0) % (walk.positions.length + 1);
            walk.moveTo(middle);
            const half = new Snapshot(hv);
            walk.moveTo(0);
            expect(before.difference(hv)).toBeNull();
            while (walk.at < middle) walk.moveTo(walk.at + 1);
            expect(half.difference(hv)).toBeNull();
            positions += walk.positions.length;
            calls++;
          });
          const made = hv.hypercall;
          hv.hypercall = (vcpu, nr, args) => {
            ends = null;
            made.call(hv, vcpu, nr, args);
            if (ends !== null) expect((ends as Snapshot).difference(hv)).toBeNull();
          };
          for (const each of steps) guest.run(each);
        },
      ),
      { numRuns: 6, seed: 20260822 },
    );
    expect(calls).toBeGreaterThan(50);
    expect(positions).toBeGreaterThan(1000);
  }, 600_000);
});

describe('stepping into mmu_update that links an L1 table', () => {
  const guest = new Guest({ abi: 'x86_64' });
  const { hv } = guest;
  const page = guest.fresh();
  const data = guest.fresh();
  guest.mustStore(guest.kva(page), 8, guest.entry(guest.p2m(data), DATA_FLAGS));
  guest.makeReadOnly(page);
  const table = guest.p2m(page);
  const l2 = guest.place(guest.unmapped, 2);
  let walk: HypercallWalk | null = null;
  const makeWalk = (): HypercallWalk => {
    if (walk !== null) return walk;
    const { hypercall } = hv;
    hv.hypercall = (vcpu, nr, args) => {
      walk = HypercallWalk.record(hv, () => {
        hypercall.call(hv, vcpu, nr, args);
      });
    };
    guest.quietUpdate(l2.table, l2.slot, guest.entry(table, TABLE_FLAGS));
    hv.hypercall = hypercall;
    if (walk === null) throw new Error('there is nothing to walk through');
    return walk;
  };

  it('begins at the head of do_mmu_update', () => {
    const it = makeWalk();
    it.moveTo(0);
    expect(stackOf(it)).toBe('do_mmu_update');
    expect(lineText(guest, it)).toMatch(/^int do_mmu_update\(/);
  });

  it('goes into each function, as Xen nests them', () => {
    const it = makeWalk();
    const stacks = new Set<string>();
    for (let i = 0; i < it.positions.length; i++) {
      it.moveTo(i);
      stacks.add(stackOf(it));
    }
    expect([...stacks]).toContain(
      'do_mmu_update > mod_l2_entry > get_page_from_l2e > get_page_type > promote_l1_table > get_page_from_l1e > get_page_type',
    );
  });

  it('steps over a call in one go, and out of a function to its caller', () => {
    const it = makeWalk();
    const call = it.positions.findIndex(
      ({ activation, line }) =>
        activation.fn.id === 'mod_l2_entry' &&
        activation.fn.lines.some((each) => each.line === line && each.key === 'call get_page_from_l2e'),
    );
    it.moveTo(call);
    const next = it.target('over', 'forward') as number;
    expect(it.positions[next]?.activation.fn.id).toBe('mod_l2_entry');
    expect(it.positions[it.target('into', 'forward') as number]?.activation.fn.id).toBe('get_page_from_l2e');
    expect(it.positions[it.target('out', 'forward') as number]?.activation.fn.id).toBe('do_mmu_update');
    it.moveTo(next);
    expect(it.target('over', 'backward')).toBe(call);
    expect(it.target('out', 'backward')).toBeLessThan(call);
  });

  it('moves the table from its old type to l1, count 1, line by line', () => {
    const it = makeWalk();
    const seen: string[] = [];
    for (let i = 0; i <= it.positions.length; i++) {
      it.moveTo(i);
      const state = `${hv.frames.typeName(table)} ${hv.frames.typeCount.get(table)}`;
      if (seen.at(-1) !== state) seen.push(state);
    }
    expect(seen).toEqual(['writable 0', 'l1 1']);
    it.moveTo(0);
    expect(hv.frames.typeOf(table)).toBe(PageType.writable);
  });

  it('ends with the closing line of do_mmu_update, from which each step leads out', () => {
    const it = makeWalk();
    it.moveTo(it.positions.length - 1);
    expect(lineText(guest, it)).toBe('}');
    expect(it.here.result).toBe(0);
    for (const how of ['into', 'over', 'out'] as const) expect(it.target(how, 'forward')).toBe('after');
    it.moveTo(0);
    for (const how of ['into', 'over', 'out'] as const) expect(it.target(how, 'backward')).toBe('before');
  });
});

describe('a batch', () => {
  it('is visited entry by entry, with i of count', () => {
    const guest = new Guest({ abi: 'x86_64' });
    const pages = [guest.fresh(), guest.fresh(), guest.fresh()];
    const requests = pages.map((page) => {
      const { table, slot } = guest.place(guest.kva(page), 1);
      return [guest.entryAddress(table, slot), guest.entry(guest.p2m(page), 0x21)] as const;
    });
    const indices: (number | string | undefined)[] = [];
    walkAll(guest, (walk) => {
      for (const { facts, activation } of walk.positions)
        if (facts?.['count'] !== undefined && activation.parent === null) indices.push(facts['i']);
    });
    expect(guest.mmuUpdate(requests)).toEqual({ rc: 0, done: 3 });
    expect([...new Set(indices)]).toEqual([0, 1, 2]);
  });
});
