/** One recipe for each rule of entries, types and linear tables. */

import type { entryRules } from '../../../../core/hypervisor/rules-entries.ts';
import { A, P, PAT, PCD, PSE, RW } from '../../../../core/pte.ts';
import { mfn } from '../../../../core/units.ts';
import { DATA_FLAGS, TABLE_FLAGS } from '../guest.ts';
import { LINEAR, type Recipe, type Scene, both, modern, notPae, old, pae, wide } from './scene.ts';

const PIN_L2 = 1;
const PIN_L3 = 2;
const POPULATE = 6;
const TOP = 3;
/** An L3 and an L4 entry exist on these. */
const threeLevels = ({ abi }: { readonly abi: string }): boolean => abi !== 'x86_32';

/** A guest on which an entry of the root, of a level, can be changed. */
const upper = (
  level: 2 | 3 | 4,
  frameOf: (guest: ReturnType<Scene['guest']>) => number,
  bits = 0,
): Recipe['make'] => {
  return (scene) => {
    const guest = scene.guest();
    const flags = level === guest.abi.rootLevel ? guest.rootFlags : TABLE_FLAGS;
    return [guest, guest.linkAt(level, frameOf(guest), flags | bits)];
  };
};

/** A root of a PAE guest that holds what `entries` says is refused as such. */
const paeRoot = (slot: number, frameOf: (guest: ReturnType<Scene['guest']>) => number): Recipe['make'] => {
  return (scene) => {
    const guest = scene.guest();
    const root = guest.tableWith(slot, guest.entry(frameOf(guest), guest.rootFlags));
    return [guest, guest.mmuext(PIN_L3, root)];
  };
};

export const entryRecipes: { readonly [id in keyof typeof entryRules]: Recipe } = {
  'l1e.flags': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.mapLeaf(guest.dFrame, DATA_FLAGS | PAT)];
    },
  },
  'l1e.invalid-frame': {
    make: (scene) => {
      const guest = scene.guest();
      const { table, slot } = guest.place(guest.kva(guest.d), 1);
      const allOnes = guest.abi.entryBytes === 4 ? 0xffff_f001n : 0x000f_ffff_ffff_f001n;
      return [guest, guest.update(table, slot, allOnes)];
    },
  },
  'l1e.mmio': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.mapLeaf(guest.hv.machine.maxPage)];
    },
  },
  'l1e.owner': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.mapLeaf(scene.beside(guest).dFrame)];
    },
  },
  'l1e.writable-type': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.mapLeaf(guest.root)];
    },
  },
  'l1e.cache-attributes': {
    on: modern,
    make: (scene) => {
      const dom0 = scene.dom0();
      return [dom0, dom0.mapLeaf(dom0.layout.sharedInfo, P | RW | PCD)];
    },
  },
  'l2e.flags': { make: upper(2, (guest) => guest.mFrame, PSE) },
  'l2e.child-owner': { make: upper(2, (guest) => guest.foreignFrame) },
  'l2e.child-type': { make: upper(2, (guest) => guest.mFrame) },
  'l3e.flags': { on: threeLevels, make: upper(3, (guest) => guest.mFrame, PSE) },
  'l3e.child-owner': { on: threeLevels, make: upper(3, (guest) => guest.foreignFrame) },
  'l3e.child-type': { on: threeLevels, make: upper(3, (guest) => guest.mFrame) },
  'l4e.flags': { on: wide, make: upper(4, (guest) => guest.mFrame, PSE) },
  'l4e.child-owner': { on: wide, make: upper(4, (guest) => guest.foreignFrame) },
  'l4e.child-type': { on: wide, make: upper(4, (guest) => guest.mFrame) },
  'l2e.xen-slot': {
    on: ({ abi }) => abi !== 'x86_64',
    make: (scene) => {
      const guest = scene.guest();
      const { table, from } = guest.xenSlots;
      return [guest, guest.update(table, from, 0n)];
    },
  },
  'l4e.xen-slot': {
    on: wide,
    make: (scene) => {
      const guest = scene.guest();
      const { table, to } = guest.xenSlots;
      return [guest, guest.update(table, to, 0n)];
    },
  },
  'l3e.closed-slot': {
    on: pae,
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.update(guest.root, TOP, 0n)];
    },
  },
  'l3e.plain-l2': {
    on: pae,
    make: paeRoot(TOP, (guest) => {
      const l2 = guest.copyTable(guest.xenSlots.table);
      guest.mmuext(PIN_L2, l2);
      return l2;
    }),
  },
  'l3e.top-l2': {
    on: pae,
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.update(guest.root, 0, guest.entry(guest.xenSlots.table, guest.rootFlags))];
    },
  },
  'l3.no-top-l2': { on: pae, make: paeRoot(0, (guest) => guest.emptyTable()) },
  'l3.shared-top-l2': { on: pae, make: paeRoot(TOP, (guest) => guest.xenSlots.table) },
  'l3.above-4g': {
    on: pae,
    make: (scene) => {
      const guest = scene.guest({ heapFrames: 0x10_4000, spec: { maxPages: 5000 } });
      guest.hv.heap.lookFrom(mfn(0x10_0000));
      const [root = 0] = guest.memoryOp(POPULATE, [guest.d]).list;
      return [guest, guest.mmuext(PIN_L3, root)];
    },
  },
  'l1tf.entry': {
    make: (scene) => {
      const guest = scene.guest({ l1tf: 'crash' });
      guest.mapLeaf(guest.dFrame, 0);
      return [guest, null];
    },
  },
  'linear.disabled': {
    on: notPae,
    make: (scene) => {
      const guest = scene.guest({ linearPageTables: false });
      return [guest, guest.update(guest.root, 5, guest.entry(guest.root, LINEAR))];
    },
  },
  'linear.writable': {
    on: notPae,
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.update(guest.root, 5, guest.entry(guest.root, LINEAR | RW))];
    },
  },
  'linear.nested': {
    on: both(modern, notPae),
    make: (scene) => {
      const guest = scene.guest();
      const [second, third] = [guest.copyRoot(), guest.copyRoot()];
      for (const root of [second, third]) guest.mmuext(guest.abi.rootLevel - 1, root);
      guest.update(second, 5, guest.entry(third, LINEAR));
      return [guest, guest.update(guest.root, 5, guest.entry(second, LINEAR))];
    },
  },
  // 4.17 counts to 2^55: no guest gets there.
  'type.count-overflow': {
    on: old,
    make: (scene) => {
      const guest = scene.guest();
      guest.hv.machine.store.withoutJournal(() => guest.hv.frames.typeCount.set(guest.dFrame, 0xffff));
      const { table, slot } = guest.place(guest.kva(guest.d), 1);
      return [guest, guest.quietUpdate(table, slot + 1, guest.entry(guest.dFrame, P | RW | A))];
    },
  },
};
