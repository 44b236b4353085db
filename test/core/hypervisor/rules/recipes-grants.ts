/** One recipe for each rule of grant tables. */

import type { grantRules } from '../../../../core/hypervisor/rules-grants.ts';
import { allocatePages } from '../../../../core/hypervisor/references.ts';
import { DOMID } from '../../../../core/units.ts';
import {
  CONTAINS_PTE,
  DEVICE_MAP,
  FIRST_REF,
  GTF_ACCEPT,
  GTF_PERMIT,
  GTF_READING,
  GTF_READONLY,
  HOST_MAP,
  MAP_READONLY,
} from '../grant-guest.ts';
import { type Outcome, type Recipe, type RuleGuest, type Scene, modern, old } from './scene.ts';

const SETUP_TABLE = 2;
const SET_VERSION = 8;
const GET_VERSION = 10;
const SWAP = 11;
const NOBODY = 77;
const NO_TABLE_REF = 9999;
/** Mappings of one entry that its counter holds. */
const PIN_LIMIT = 128;

/** What a mapper asks for, where it is not the plain mapping that succeeds. */
interface Change {
  readonly host?: (mapper: RuleGuest) => bigint;
  readonly flags?: number;
  readonly ref?: number;
  readonly domid?: number;
  /** What the granter does before. */
  readonly before?: (granter: RuleGuest, mapper: RuleGuest) => void;
}

const map =
  ({ host, flags = HOST_MAP, ref = FIRST_REF, domid, before }: Change): Recipe['make'] =>
  (scene) => {
    const { granter, mapper, va } = scene.pair();
    before?.(granter, mapper);
    return [mapper, mapper.map(host?.(mapper) ?? va, flags, ref, domid ?? granter.domain.id).status];
  };

/** A grant that is mapped, and then something is done with it. */
const mapped =
  (
    then: (mapper: RuleGuest, handle: number, va: bigint, granter: RuleGuest) => number,
    flags = HOST_MAP,
  ): Recipe['make'] =>
  (scene) => {
    const { granter, mapper, va } = scene.pair();
    const { handle } = mapper.map(va, flags, FIRST_REF, granter.domain.id);
    return [mapper, then(mapper, handle, va, granter)];
  };

/** setup_table of an ordinary guest: the status. */
const setup =
  (fields: {
    readonly domid?: number;
    readonly frames?: number;
    readonly list?: 'unmapped';
  }): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    return [guest, setupTable(guest, fields)];
  };

function setupTable(
  guest: RuleGuest,
  fields: { readonly domid?: number; readonly frames?: number; readonly list?: 'unmapped' },
): number {
  const { setup: layout } = guest.layouts;
  guest.put(layout.domid, fields.domid ?? DOMID.SELF);
  guest.put(layout.frames, fields.frames ?? 1);
  guest.put(layout.list, fields.list === undefined ? guest.scratch + 512n : guest.unmapped);
  return guest.grantOp(SETUP_TABLE) || guest.status(layout.status);
}

/** A transfer of a page that nothing maps, to a domain that may accept it. */
const transfer =
  (prepare: (receiver: RuleGuest, sender: RuleGuest) => number): Recipe['make'] =>
  (scene) => {
    const { granter: receiver, mapper: sender } = scene.pair();
    const domid = prepare(receiver, sender);
    return [sender, sender.transfer(sender.unmappedFrame().frame, domid, FIRST_REF)];
  };

const copy =
  (sides: (guest: RuleGuest) => Parameters<RuleGuest['copy']>): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    return [guest, guest.copy(...sides(guest))];
  };

/** A copy from the granted page. */
const copyGranted = (granter: RuleGuest, mapper: RuleGuest): number =>
  mapper.copy({ ref: FIRST_REF, domid: granter.domain.id }, { frame: mapper.mFrame }, 8);

/** A command of one number; its result is the hypercall's. */
const versionOf = (guest: RuleGuest, command: number, value: number): Outcome => {
  guest.words(value);
  return [guest, guest.grantOp(command)];
};

const grantOp =
  (command: number, count: number, at: (guest: RuleGuest) => bigint = (guest) => guest.scratch) =>
  (scene: Scene): Outcome => {
    const guest = scene.guest();
    return [guest, guest.grantOp(command, count, at(guest))];
  };

export const grantRecipes: { readonly [id in keyof typeof grantRules]: Recipe } = {
  'grant_table_op.command': { make: grantOp(3, 1) },
  'grant_table_op.count': { make: grantOp(0, -1) },
  'grant_table_op.single': { make: grantOp(SETUP_TABLE, 2) },
  'grant_table_op.argument': { make: grantOp(0, 1, (guest) => guest.unmapped) },
  'grant.map-flags': { make: map({ flags: 0 }) },
  'grant.domain': { make: map({ domid: NOBODY }) },
  'grant.no-handle': {
    make: (scene) => {
      const { granter, mapper, va } = scene.pair();
      const table = mapper.hv.grants.of(mapper.domain);
      while (table.takeHandle() !== null);
      return [mapper, mapper.map(va, HOST_MAP, FIRST_REF, granter.domain.id).status];
    },
  },
  'grant.reference': { make: map({ ref: NO_TABLE_REF }) },
  'grant.pinned-by-other': {
    make: (scene) => {
      const { granter, mapper, va } = scene.pair();
      mapper.map(va, HOST_MAP, FIRST_REF, granter.domain.id);
      const third = scene.beside(granter);
      const host = third.kva(third.fresh());
      return [third, third.map(host, HOST_MAP, FIRST_REF, granter.domain.id).status];
    },
  },
  'grant.pin-overflow': {
    make: map({
      before: (granter, mapper) => {
        const host = mapper.kva(mapper.fresh());
        for (let i = 0; i < PIN_LIMIT; i++) mapper.map(host, HOST_MAP, FIRST_REF, granter.domain.id);
      },
    }),
  },
  'grant.entry-type': {
    make: map({
      before: (granter, mapper) => granter.grant(FIRST_REF, mapper.domain.id, granter.dFrame, GTF_ACCEPT),
    }),
  },
  'grant.entry-domain': {
    make: map({ before: (granter) => granter.grant(FIRST_REF, NOBODY, granter.dFrame) }),
  },
  'grant.entry-readonly': {
    make: map({
      before: (granter, mapper) =>
        granter.grant(FIRST_REF, mapper.domain.id, granter.dFrame, GTF_PERMIT | GTF_READONLY),
    }),
  },
  'grant.frame': {
    make: map({
      before: (granter, mapper) => granter.grant(FIRST_REF, mapper.domain.id, granter.foreignFrame),
    }),
  },
  'grant.frame-gone': {
    make: map({
      before: (granter, mapper) => {
        const host = mapper.kva(mapper.fresh());
        mapper.map(host, HOST_MAP, FIRST_REF, granter.domain.id);
        mapper.vaMapping(host, 0n);
        const frame = granter.dFrame;
        granter.vaMapping(granter.kva(granter.d), 0n);
        granter.memoryOp(1, [frame]);
      },
    }),
  },
  'grant.writable-type': {
    make: map({
      before: (granter, mapper) => granter.grant(FIRST_REF, mapper.domain.id, granter.root),
    }),
  },
  'grant.address': { make: map({ host: (mapper) => mapper.abi.m2pWindow.start }) },
  'grant.no-l1': { make: map({ host: (mapper) => mapper.unmapped }) },
  'grant.pte-aligned': {
    make: map({
      flags: HOST_MAP | CONTAINS_PTE,
      host: (mapper) => (BigInt(mapper.place(mapper.kva(0), 1).table) << 12n) | 2n,
    }),
  },
  'grant.pte-owner': {
    make: map({
      flags: HOST_MAP | CONTAINS_PTE,
      host: (mapper) => BigInt(mapper.foreignFrame) << 12n,
    }),
  },
  'grant.pte-type': {
    make: map({ flags: HOST_MAP | CONTAINS_PTE, host: (mapper) => BigInt(mapper.dFrame) << 12n }),
  },
  'grant.handle': {
    make: (scene) => {
      const { mapper, va } = scene.pair();
      return [mapper, mapper.unmap(va, 3)];
    },
  },
  'grant.device-address': {
    make: mapped((mapper, handle) => mapper.unmap(0n, handle, 0x1000n), HOST_MAP | DEVICE_MAP),
  },
  'grant.pte-mismatch': {
    make: mapped((mapper, handle, va) => {
      mapper.vaMapping(va, 0n);
      return mapper.unmap(va, handle);
    }),
  },
  'grant.replace-pte': {
    on: modern,
    make: (scene) => {
      const { granter, mapper, va } = scene.pair();
      const { table, slot } = mapper.place(va, 1);
      const host = mapper.entryAddress(table, slot);
      const { handle } = mapper.map(host, HOST_MAP | CONTAINS_PTE, FIRST_REF, granter.domain.id);
      return [mapper, mapper.replace(host, handle, mapper.kva(mapper.d))];
    },
  },
  'grant.setup-frames': { make: setup({ frames: 65 }) },
  'grant.privilege': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, setupTable(guest, { domid: scene.beside(guest).domain.id })];
    },
  },
  'grant.table-memory': {
    make: (scene) => {
      const guest = scene.guest();
      while (allocatePages(guest.hv, guest.domain, 0) !== null);
      return [guest, setupTable(guest, {})];
    },
  },
  'grant.frame-list': { on: modern, make: setup({ list: 'unmapped' }) },
  'grant.version': { on: modern, make: (scene) => versionOf(scene.guest(), SET_VERSION, 3) },
  'grant.version-2': { on: modern, make: (scene) => versionOf(scene.guest(), SET_VERSION, 2) },
  'grant.version-domain': { on: modern, make: (scene) => versionOf(scene.guest(), GET_VERSION, NOBODY) },
  'grant.version-privilege': {
    on: modern,
    make: (scene) => {
      const guest = scene.guest();
      return versionOf(guest, GET_VERSION, scene.beside(guest).domain.id);
    },
  },
  'grant.swap-pinned': {
    on: modern,
    make: (scene) => {
      const { granter, mapper, va } = scene.pair();
      mapper.map(va, HOST_MAP, FIRST_REF, granter.domain.id);
      const { swap } = granter.layouts;
      granter.put(swap.a, FIRST_REF);
      granter.put(swap.b, FIRST_REF + 1);
      return [granter, granter.grantOp(SWAP) || granter.status(swap.status)];
    },
  },
  // A debug build of 4.17 gives the guest a fault instead.
  'grant.implicit-unmap': {
    on: old,
    make: (scene) => {
      const { granter, mapper, va } = scene.pair({ debug: true });
      mapper.map(va, HOST_MAP, FIRST_REF, granter.domain.id);
      mapper.vaMapping(va, 0n);
      return [mapper, null];
    },
  },
  'transfer.page': {
    make: (scene) => {
      const { granter, mapper } = scene.pair();
      return [mapper, mapper.transfer(mapper.dFrame, granter.domain.id, FIRST_REF)];
    },
  },
  'transfer.domain': { make: transfer(() => NOBODY) },
  'transfer.headroom': {
    make: transfer((receiver, sender) => {
      receiver.grant(FIRST_REF, sender.domain.id, 0, GTF_ACCEPT);
      receiver.domain.maxPages = receiver.domain.totPages;
      return receiver.domain.id;
    }),
  },
  'transfer.entry': {
    make: transfer((receiver) => {
      receiver.domain.maxPages = receiver.domain.totPages + 1;
      return receiver.domain.id;
    }),
  },
  'copy.bounds': {
    make: copy((guest) => [{ frame: guest.dFrame, offset: 4090 }, { frame: guest.mFrame }, 8]),
  },
  'copy.by-frame': {
    make: copy((guest) => [{ frame: guest.dFrame, domid: guest.domain.id }, { frame: guest.mFrame }, 8]),
  },
  'copy.domain': {
    make: copy((guest) => [{ ref: FIRST_REF, domid: NOBODY }, { frame: guest.mFrame }, 8]),
  },
  'copy.frame': { make: copy((guest) => [{ frame: guest.foreignFrame }, { frame: guest.mFrame }, 8]) },
  'copy.frame-gone': {
    on: modern,
    make: (scene) => {
      const { granter, mapper, va } = scene.pair();
      const frame = granter.dFrame;
      mapper.map(va, HOST_MAP, FIRST_REF, granter.domain.id);
      mapper.vaMapping(va, 0n);
      granter.vaMapping(granter.kva(granter.d), 0n);
      granter.memoryOp(1, [frame]);
      return [mapper, copyGranted(granter, mapper)];
    },
  },
  'copy.entry-changed': {
    on: modern,
    make: (scene) => {
      const { granter, mapper, va } = scene.pair();
      mapper.map(va, HOST_MAP | MAP_READONLY, FIRST_REF, granter.domain.id);
      granter.grant(FIRST_REF, mapper.domain.id, granter.mFrame, GTF_PERMIT | GTF_READING);
      const granted = { ref: FIRST_REF, domid: granter.domain.id };
      return [mapper, mapper.copy({ frame: mapper.mFrame }, granted, 8)];
    },
  },
  'copy.dest-type': { make: copy((guest) => [{ frame: guest.dFrame }, { frame: guest.root }, 8]) },
};
