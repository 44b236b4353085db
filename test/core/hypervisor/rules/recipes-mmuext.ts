/** One recipe for each rule of mmu_update, update_va_mapping and mmuext_op. */

import type { mmuextRules } from '../../../../core/hypervisor/rules-mmuext.ts';
import { DOMID } from '../../../../core/units.ts';
import { LINEAR, type Recipe, type Scene, modern, notPae, old, wide } from './scene.ts';

const MMU_UPDATE = 1;
const SET_GDT = 2;
const MMUEXT_OP = 26;
const PIN_L1 = 0;
const UNPIN = 4;
const NEW_BASEPTR = 5;
const TLB_FLUSH_LOCAL = 6;
const TLB_FLUSH_MULTI = 8;
const FLUSH_CACHE = 12;
const SET_LDT = 13;
const NEW_USER_BASEPTR = 15;
const CLEAR_PAGE = 16;
const COPY_PAGE = 17;
const FLUSH_CACHE_GLOBAL = 18;
const MARK_SUPER = 19;
const MACHPHYS_UPDATE = 1n;
const NOBODY = 77;

type Guest = ReturnType<Scene['guest']>;

/** One mmuext_op of an ordinary guest. */
const ext =
  (command: number, arg1: (guest: Guest) => number | bigint = () => 0, arg2 = arg1): Recipe['make'] =>
  (scene) => {
    const guest = scene.guest();
    return [guest, guest.mmuext(command, arg1(guest), arg2(guest))];
  };

export const mmuextRecipes: { readonly [id in keyof typeof mmuextRules]: Recipe } = {
  'foreign.own-id': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.mmuUpdate([[0n, 0n]], guest.domain.id).rc];
    },
  },
  // To an unprivileged domain 3.0.4 does not tell who exists.
  'foreign.unknown': {
    make: (scene) => {
      const dom0 = scene.dom0();
      return [dom0, dom0.mmuUpdate([[0n, 0n]], NOBODY).rc];
    },
  },
  'foreign.unprivileged': {
    make: (scene) => {
      const guest = scene.guest();
      const other = scene.beside(guest);
      const { table, slot } = guest.place(guest.kva(guest.d), 1);
      return [guest, guest.mmuUpdate([[guest.entryAddress(table, slot), 0n]], other.domain.id).rc];
    },
  },
  'mmu_update.requests': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.call(MMU_UPDATE, guest.unmapped, 1, 0, DOMID.SELF)];
    },
  },
  'mmu_update.command': {
    make: (scene) => {
      const guest = scene.guest();
      // Of the two-bit commands of 2-level guests the last does not exist.
      const command = guest.abi.entryBytes === 4 ? 3n : 4n;
      return [guest, guest.mmuUpdate([[(BigInt(guest.dFrame) << 12n) | command, 0n]]).rc];
    },
  },
  'mmu_update.table-owner': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.update(guest.foreignFrame, 0, 0n)];
    },
  },
  'mmu_update.foreign-upper': {
    on: modern,
    make: (scene) => {
      const dom0 = scene.dom0();
      const other = scene.beside(dom0);
      const { table } = dom0.place(dom0.kva(0), 2);
      return [dom0, dom0.mmuUpdate([[dom0.entryAddress(table, 5), 0n]], other.domain.id).rc];
    },
  },
  'mmu_update.not-storable': {
    make: (scene) => {
      const guest = scene.guest();
      const gdt = guest.emptyTable();
      guest.call(SET_GDT, guest.longs(gdt), 512);
      return [guest, guest.update(gdt, 0, 0n)];
    },
  },
  'mmu_update.m2p-table-owner': {
    on: modern,
    make: (scene) => {
      const dom0 = scene.dom0();
      const { id } = scene.beside(dom0).domain;
      return [dom0, dom0.mmuUpdate([[MACHPHYS_UPDATE, 0n]], ((id + 1) << 16) | id).rc];
    },
  },
  'mmu_update.m2p-owner': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.mmuUpdate([[(BigInt(guest.foreignFrame) << 12n) | MACHPHYS_UPDATE, 0n]]).rc];
    },
  },
  'va_mapping.address': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.vaMapping(guest.abi.xenHole.from, 0n)];
    },
  },
  'va_mapping.no-l1': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.vaMapping(guest.unmapped, 0n)];
    },
  },
  'va_mapping.not-l1': {
    on: notPae,
    make: (scene) => {
      const guest = scene.guest();
      guest.update(guest.root, 5, guest.entry(guest.root, LINEAR));
      const window = guest.abi.levels.reduce(
        (va, { level, shift }) => (level > 1 ? va | (5n << BigInt(shift)) : va),
        0n,
      );
      return [guest, guest.vaMapping(window, 0n)];
    },
  },
  'va_mapping.flush-bitmap': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.vaMapping(guest.kva(guest.d), 0n, guest.unmapped | 2n)];
    },
  },
  'pin.owner': { make: ext(PIN_L1, (guest) => guest.foreignFrame) },
  'pin.type': { make: ext(PIN_L1, (guest) => guest.dFrame) },
  'pin.twice': {
    make: (scene) => {
      const guest = scene.guest();
      const table = guest.emptyTable();
      guest.mmuext(PIN_L1, table);
      return [guest, guest.mmuext(PIN_L1, table)];
    },
  },
  'unpin.owner': { make: ext(UNPIN, (guest) => guest.foreignFrame) },
  'unpin.not-pinned': { make: ext(UNPIN, (guest) => guest.dFrame) },
  // The first failure is told; that 3.0.4 then crashes the domain is a rule of its own.
  'baseptr.owner': { make: ext(NEW_BASEPTR, (guest) => guest.foreignFrame) },
  'baseptr.type': { make: ext(NEW_BASEPTR, (guest) => guest.dFrame) },
  'baseptr.fatal': {
    on: old,
    make: (scene) => {
      const guest = scene.guest();
      guest.mmuext(NEW_BASEPTR, guest.dFrame);
      return [guest, null];
    },
  },
  'user-baseptr.owner': { on: wide, make: ext(NEW_USER_BASEPTR, (guest) => guest.foreignFrame) },
  'user-baseptr.type': { on: wide, make: ext(NEW_USER_BASEPTR, (guest) => guest.dFrame) },
  'mmuext_op.operations': {
    make: (scene) => {
      const guest = scene.guest();
      return [guest, guest.call(MMUEXT_OP, guest.unmapped, 1, 0, DOMID.SELF)];
    },
  },
  'mmuext_op.user-root': { on: ({ abi }) => abi !== 'x86_64', make: ext(NEW_USER_BASEPTR) },
  'mmuext_op.command': { make: ext(14) },
  'mmuext_op.foreign': {
    on: modern,
    make: (scene) => {
      const dom0 = scene.dom0();
      return [dom0, dom0.mmuext(TLB_FLUSH_LOCAL, 0, 0, scene.beside(dom0).domain.id)];
    },
  },
  'mmuext_op.flush-bitmap': { make: ext(TLB_FLUSH_MULTI, (guest) => guest.unmapped) },
  'mmuext_op.flush-cache': { make: ext(FLUSH_CACHE) },
  'mmuext_op.flush-cache-global': { on: modern, make: ext(FLUSH_CACHE_GLOBAL) },
  'mmuext_op.super': { on: modern, make: ext(MARK_SUPER) },
  'set_ldt.arguments': {
    make: ext(
      SET_LDT,
      (guest) => guest.kva(guest.d) + 8n,
      () => 4,
    ),
  },
  'clear_page.frame': { on: modern, make: ext(CLEAR_PAGE, (guest) => guest.root) },
  'copy_page.source': {
    on: modern,
    make: ext(
      COPY_PAGE,
      (guest) => guest.dFrame,
      (guest) => guest.foreignFrame,
    ),
  },
  'copy_page.destination': {
    on: modern,
    make: ext(
      COPY_PAGE,
      (guest) => guest.root,
      (guest) => guest.dFrame,
    ),
  },
};
