/** Random mappings, accesses through them, contents of pages, and pages that are given back, taken and exchanged. */

import type { Operation } from '../../../adapter/conformance/operations.ts';
import { type Context, DOMAINS, type Family, type Level, POOL, SLOTS, mmuext, vaMap } from './context.ts';

const UVMF_INVLPG = 2n;
/** Flags of update_va_mapping: each kind of flush of this vCPU and of all, and with a bitmap that cannot be read. */
const FLUSHES = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 0xf002n, 0xf001n, 0x1_4000_0002n, 0x1_4000_0001n] as const;
const INVLPG_LOCAL = 7;
const CLEAR_PAGE = 16;
const COPY_PAGE = 17;
const UPDATE_VA_MAPPING_OTHERDOMAIN = 22;

export function memoryOperations(context: Context): Family {
  const { random, glance } = context;

  const map = (): Operation =>
    vaMap(
      context.windowVa(),
      random.chance(25) ? { pte: 0n } : context.entryFor(1, context.page()),
      random.chance(80) ? UVMF_INVLPG : random.pick(FLUSHES),
    );

  const oddMap = (): Operation => {
    const va = random.chance(60)
      ? context.linkedVa()
      : random.pick([0xffff_8000_0000_0000n, 0x4000_0000n, 0xffff_ffff_ffff_f000n, 0x8000_0000_0000n]);
    const entry = context.entryFor(1, context.page());
    if (random.chance(75)) return vaMap(va, entry, random.pick(FLUSHES));
    const at = random.chance(50) ? context.windowVa() : va;
    const args = [at, entry, UVMF_INVLPG, BigInt(random.pick(DOMAINS))];
    return { op: 'hypercall', raw: false, nr: UPDATE_VA_MAPPING_OTHERDOMAIN, args };
  };

  /** Prepares a page as a table by plain stores. */
  const poke = (): Operation => {
    const p = context.pageOf(['idle']);
    const level = (1 + random.below(4)) as Level;
    return { op: 'poke', raw: false, p, index: random.pick(SLOTS), ...context.entryFor(level, p) };
  };

  const clear = (): Operation => ({ op: 'fill', raw: false, p: context.pageOf(['idle']), value: 0n });

  const clearOrCopy = (): Operation =>
    random.chance(35)
      ? mmuext(CLEAR_PAGE, { p: random.chance(70) ? context.pageOf(['idle']) : context.page() })
      : mmuext(COPY_PAGE, {
          p: random.chance(80) ? context.pageOf(['idle']) : context.page(),
          arg2: random.chance(70) ? context.table() : context.page(),
        });

  const peek = (): Operation => ({ op: 'peek', raw: false, p: context.table(), index: random.pick(SLOTS) });

  const giveBack = (): Operation => ({ op: 'decrease', raw: false, p: context.page(), order: 0 });

  const takeAgain = (): Operation => {
    const lacking = POOL.filter((p) => glance.state(p)?.allocated !== true);
    if (lacking.length === 0) return giveBack();
    return { op: 'populate', raw: false, p: random.pick(lacking), order: random.chance(90) ? 0 : 1 };
  };

  const exchange = (): Operation => ({
    op: 'exchange',
    raw: false,
    p: random.chance(70) ? context.pageOf(['idle']) : context.page(),
  });

  /** Two stores to a slot of an L1 through a read-only mapping: Xen carries them out in the guest's stead. */
  const storeToTable = (): Operation => {
    const p = context.pageOf(['l1']);
    const va = context.windowVa();
    const slot = va + BigInt(random.pick(SLOTS) * 8);
    const store = (): Operation => ({ op: 'store', raw: false, va: slot, ...context.entryFor(1, p) });
    const mapping = vaMap(va, { pte: (p << 12n) | 0x21n }, random.chance(80) ? UVMF_INVLPG : 1n);
    return context.inTurn(mapping, store(), store());
  };

  /** A load or store, after a flush: what a TLB still holds depends on the processor. */
  const access = (): Operation => {
    const page = random.chance(60) ? context.windowVa() : context.linkedVa();
    const va = page + BigInt(random.pick(SLOTS) * 8);
    const target = glance.reaches(va);
    if (target === 'bootTable' || target === 'root') return map();
    const load: Operation = { op: 'load', raw: false, va };
    const store: Operation = { op: 'store', raw: false, va, ...context.entryFor(1, context.page()) };
    return context.inTurn(mmuext(INVLPG_LOCAL, { va: page }), random.chance(50) ? load : store);
  };

  return {
    kinds: [
      [10, map],
      [3, oddMap],
      [5, poke],
      [4, clear],
      [3, clearOrCopy],
      [3, peek],
      [4, giveBack],
      [4, takeAgain],
      [4, exchange],
      [6, access],
      [3, storeToTable],
      [1, () => ({ op: 'm2p', raw: false, p: context.page() })],
    ],
  };
}
