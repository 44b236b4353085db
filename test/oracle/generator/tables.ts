/** Random operations on page tables: entries, pins, roots, and whole trees built at once. */

import type { FrameName, MmuRequest, Operation } from '../../../adapter/conformance/operations.ts';
import {
  type Context,
  DOMAINS,
  DOMID_SELF,
  type Family,
  POOL,
  SLOTS,
  kernelMapping,
  mmuext,
} from './context.ts';

const ACCESSED_AND_DIRTY = 0x60n;
const PIN_L1 = 0;
const UNPIN = 4;
const NEW_BASEPTR = 5;
const NEW_USER_BASEPTR = 15;

export function tableOperations(context: Context): Family {
  const { random, glance } = context;

  const updateOf = (requests: readonly MmuRequest[], fd?: number): Operation => ({
    op: 'mmu_update',
    raw: false,
    requests,
    ...(fd === undefined ? {} : { fd }),
  });

  const update = (): Operation => {
    const request = context.request(context.table());
    return random.chance(4)
      ? updateOf([request], random.pick([...DOMAINS, 0x1_0000 | DOMID_SELF, 0x6_0000 | DOMID_SELF]))
      : updateOf([request]);
  };

  const batch = (): Operation => {
    const table = context.table();
    return updateOf(
      Array.from({ length: 2 + random.below(5) }, () =>
        context.request(random.chance(60) ? table : context.table()),
      ),
    );
  };

  /** Requests whose machine frames are no page's: raw, the same numbers on every machine. */
  const rawUpdate = (): Operation => {
    const nowhere = random.pick([0x3_0000_0000n, 0xf_ffff_ffffn, 0xb8n]);
    const request = { p: nowhere, index: random.pick(SLOTS), pte: (nowhere << 12n) | 0x63n, cmd: 0 };
    return random.chance(50)
      ? { ...updateOf([request]), raw: true }
      : { ...mmuext(random.pick([0, 3, 4, 5, 15, 16, 17]), { p: nowhere, arg2: nowhere }), raw: true };
  };

  const pin = (): Operation => {
    const level = 1 + random.below(4);
    return mmuext(level - 1, {
      p: random.chance(70) ? context.pageOf([`l${level}`, 'idle']) : context.page(),
    });
  };

  const unpin = (): Operation => {
    const pinned = POOL.filter((p) => glance.state(p)?.pinned === true);
    return mmuext(UNPIN, {
      p: pinned.length > 0 && random.chance(85) ? random.pick(pinned) : context.page(),
    });
  };

  /** A root needs the kernel's own mapping in slot 0: it is put there first, more often than not. */
  const loadRoot = (): Operation => {
    if (random.chance(25)) return mmuext(NEW_BASEPTR, { p: 'boot.l4' });
    const p = context.pageOf(['l4', 'idle']);
    const load = mmuext(NEW_BASEPTR, { p });
    return random.chance(30) ? load : context.inTurn(updateOf([kernelMapping(p)]), load);
  };

  const loadUserRoot = (): Operation =>
    mmuext(NEW_USER_BASEPTR, { p: random.chance(30) ? 0n : context.pageOf(['l4', 'idle']) });

  /** A chain of four idle pages, filled by plain stores, then validated all at once from some level on. */
  const tree = (): Operation => {
    const [leaf, ...tables] = context.idlePages(5) as [bigint, ...bigint[]];
    const steps: Operation[] = [leaf, ...tables].map((p) => ({ op: 'fill', raw: false, p, value: 0n }));
    let child: FrameName = leaf;
    for (const p of tables) {
      const flags = random.pick([0x63n, 0x67n, 0x27n]);
      steps.push({ op: 'poke', raw: false, p, index: random.pick(SLOTS), pte: (child << 12n) | flags });
      child = p;
    }
    const top = random.below(tables.length);
    const [root] = tables.slice(-1) as [bigint];
    if (random.chance(50))
      steps.push({ op: 'poke', raw: false, p: root, index: 0, pte: 0x67n, to: 'boot.l3' });
    steps.push(mmuext(PIN_L1 + top, { p: tables[top] as bigint }), mmuext(PIN_L1 + 3, { p: root }));
    if (random.chance(40)) steps.push(mmuext(UNPIN, { p: tables[top] as bigint }));
    const [first, ...others] = steps as [Operation, ...Operation[]];
    return context.inTurn(first, ...others);
  };

  /** An entry with A and D, then the same without them under MMU_PT_UPDATE_PRESERVE_AD. */
  const preserve = (): Operation => {
    const p = context.table();
    const index = random.pick(SLOTS.slice(1));
    const entry = context.entryFor(context.levelOf(p), p);
    const entryWith = (pte: bigint, cmd: number): Operation => updateOf([{ ...entry, p, index, pte, cmd }]);
    return context.inTurn(
      entryWith(entry.pte | ACCESSED_AND_DIRTY, 0),
      entryWith(entry.pte & ~ACCESSED_AND_DIRTY, 2),
      { op: 'peek', raw: false, p, index },
    );
  };

  return {
    kinds: [
      [34, update],
      [6, batch],
      [1, rawUpdate],
      [14, pin],
      [6, unpin],
      [5, loadRoot],
      [2, loadUserRoot],
      [2, tree],
      [3, preserve],
    ],
  };
}
