/**
 * Which L1 entries map a frame: found by a scan of every L1 table in use, for people who ask why a frame is not free
 * to change its type. It costs a walk over the frame table, so it is made when a refusal is explained, not before.
 */

import { PageType } from '../machine/frames.ts';
import { P, RW, entryFrame } from '../pte.ts';
import type { DomainId, Mfn, VirtualAddress } from '../units.ts';
import { mfn, virtualAddress } from '../units.ts';
import type { Hypervisor } from './hypervisor.ts';
import { isWithin, xenSlots } from './xen-slots.ts';

/** A live L1 entry that maps the frame. */
export interface FrameMapping {
  readonly table: Mfn;
  readonly slot: number;
  readonly writable: boolean;
  /** The address it gives the frame under the owner's kernel root; null when the table is not linked there. */
  readonly va: VirtualAddress | null;
}

/** Every entry of an L1 table in use that maps the frame, by table and slot. */
export function mappingsOf(hv: Hypervisor, frame: Mfn): FrameMapping[] {
  const found: FrameMapping[] = [];
  const wide = hv.abi.entryBytes === 8;
  const slots = hv.abi.levels[0]?.slots ?? 0;
  for (const table of l1TablesInUse(hv)) {
    for (let slot = 0; slot < slots; slot++) {
      const word = wide ? slot * 2 : slot;
      const lo = hv.memory.readWord(table, word);
      if ((lo & P) === 0) continue;
      if (entryFrame(lo, wide ? hv.memory.readWord(table, word + 1) : 0) !== frame) continue;
      found.push({ table, slot, writable: (lo & RW) !== 0, va: addressOf(hv, table, slot) });
    }
  }
  return found;
}

function l1TablesInUse(hv: Hypervisor): Mfn[] {
  const tables: Mfn[] = [];
  const { type, typeCount, count } = hv.frames;
  for (let i = type.nextTouched(0) ?? count; i < count; i++) {
    if ((i & 4095) === 0) i = type.nextTouched(i) ?? count;
    if (i < count && type.get(i) === PageType.l1 && typeCount.get(i) !== 0) tables.push(mfn(i));
  }
  return tables;
}

/** The lowest address at which the owner's kernel root reaches this slot of an L1 table. */
function addressOf(hv: Hypervisor, table: Mfn, slot: number): VirtualAddress | null {
  const owner = hv.machine.domain(hv.frames.owner.get(table) as DomainId);
  const root = owner?.vcpus[0]?.kernelRoot ?? null;
  if (root === null) return null;
  const base = findTable(hv, root, hv.abi.rootLevel, table, 0n);
  if (base === null) return null;
  const va = base + (BigInt(slot) << 12n);
  return virtualAddress(BigInt.asUintN(hv.abi.wordBytes * 8, canonical(hv, va)));
}

const canonical = (hv: Hypervisor, va: bigint): bigint =>
  hv.abi.wordBytes === 8 ? BigInt.asIntN(48, va) : va;

/** The address that slot 0 of an L1 table has below this table, or null. Linear entries are not followed. */
function findTable(hv: Hypervisor, table: Mfn, level: number, wanted: Mfn, base: bigint): bigint | null {
  const row = hv.abi.levels[level - 1];
  if (row === undefined) return null;
  const wide = hv.abi.entryBytes === 8;
  const closed = xenSlots(hv, table, row);
  for (let slot = 0; slot < row.slots; slot++) {
    if (isWithin(closed, slot)) continue;
    const lo = hv.memory.readWord(table, wide ? slot * 2 : slot);
    if ((lo & P) === 0) continue;
    const child = entryFrame(lo, wide ? hv.memory.readWord(table, slot * 2 + 1) : 0);
    const va = base + (BigInt(slot) << BigInt(row.shift));
    if (level === 2) {
      if (child === wanted) return va;
      continue;
    }
    if (hv.frames.type.get(child) !== level - 1) continue;
    const found = findTable(hv, child, level - 1, wanted, va);
    if (found !== null) return found;
  }
  return null;
}
