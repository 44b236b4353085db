/**
 * Promotion: validating a frame that is to be a page table (or descriptor page), entry by entry in slot order, taking
 * the references of each; demotion gives them back. Facts 2.6, 2.8, 3.8, 3.9, 3.12.
 */

import type { LevelRow } from '../abi/index.ts';
import type { Domain } from '../machine/domain.ts';
import { PageType } from '../machine/frames.ts';
import { P, entryFrame } from '../pte.ts';
import { type DomainId, type Mfn, WORDS_PER_PAGE, mfn } from '../units.ts';
import { validateDescriptors } from './descriptors.ts';
import {
  adjustedHi,
  acceptedLo,
  adjustedLo,
  getPageFromL1e,
  getPageFromUpper,
  putPageFromL1e,
  putPageFromUpper,
} from './entries.ts';
import type { Hypervisor } from './hypervisor.ts';
import { checkL1tf } from './l1tf.ts';
import { met, refuse, whileValidating } from './refusal.ts';
import { did, left, leftVoid } from './trace.ts';
import { isWithin, linkL2Tables, writeXenSlots, xenSlots } from './xen-slots.ts';

/** VMASST_TYPE_pae_extended_cr3. */
const PAE_EXTENDED_CR3 = 3;

/** Validates a frame as what its new type says; 0, or the error of the entry that was refused. */
export function promote(hv: Hypervisor, frame: number, type: number): number {
  hv.promotionKeptType = false;
  if (hv.tracer === null) return validate(hv, mfn(frame), type);
  const name = type === PageType.segDesc ? 'validate_segdesc_page' : `promote_l${type}_table`;
  hv.tracer.entered(name, { frame, level: type });
  return left(hv, validate(hv, mfn(frame), type));
}

function validate(hv: Hypervisor, table: Mfn, type: number): number {
  if (type === PageType.segDesc) return validateDescriptors(hv, table);
  const row = hv.abi.levels[type - 1];
  if (row === undefined) throw new Error(`promote: ABI ${hv.abi.name} has no tables of level ${type}`);
  const domain = hv.machine.domain(hv.frames.owner.get(table) as DomainId);
  if (domain === undefined) throw new Error(`promote: mfn ${table.toString(16)} has no owner`);
  const isPaeRoot = type === hv.abi.rootLevel && hv.abi.topL2Slot !== null;
  if (isPaeRoot) {
    const refused = preparePaeRoot(hv, table, row, domain);
    if (refused !== 0) return refused;
  }
  const slots = xenSlots(hv, table, row);
  for (let slot = 0; slot < row.slots; slot++) {
    if (isWithin(slots, slot)) continue;
    const rc = takeEntry(hv, domain, table, row, slot);
    if (rc !== 0) return giveUp(hv, table, row, slot, rc);
  }
  if (slots !== null) {
    writeXenSlots(hv, table, slots);
    did(hv, 'xen-slots');
  }
  if (!isPaeRoot) return 0;
  const shared = checkTopL2Unshared(hv, table);
  return shared === 0 ? 0 : giveUp(hv, table, row, row.slots, shared);
}

/** Gives up what the entries of a table hold; but for PAE roots its contents stay as they are. */
export function demote(hv: Hypervisor, frame: number, type: number): void {
  const row = hv.abi.levels[type - 1];
  if (row === undefined) return;
  if (hv.tracer !== null) hv.tracer.entered(`demote_l${type}_table`, { frame, level: type });
  dropEntries(hv, mfn(frame), row, row.slots);
  leftVoid(hv);
}

/** Takes the references of one entry and stores it as Xen adjusts it. */
function takeEntry(hv: Hypervisor, domain: Domain, table: Mfn, row: LevelRow, slot: number): number {
  const { memory, wide } = hv;
  const word = wide ? slot * 2 : slot;
  const lo = memory.readWord(table, word);
  const hi = wide ? memory.readWord(table, word + 1) : 0;
  const { level } = row;
  if (hv.tracer !== null && (lo & P) !== 0)
    hv.tracer.did('slot', { level, slot, table, entryLo: lo, entryHi: hi });
  if ((lo & P) === 0) {
    if (level === hv.abi.rootLevel && slot === hv.abi.topL2Slot)
      return refuse(hv, 'l3.no-top-l2', { table, frame: table });
    return checkL1tf(hv, domain, level, lo, hi);
  }
  const rc =
    level === 1
      ? getPageFromL1e(hv, lo, hi, domain, domain.id)
      : getPageFromUpper(hv, level, lo, hi, table, slot);
  if (rc !== 0) return rc;
  const accepted = level === 1 ? acceptedLo(hv, lo, hi) : lo;
  memory.writeWord(table, word, adjustedLo(hv, level, accepted, hi));
  if (wide) memory.writeWord(table, word + 1, adjustedHi(hv, level, lo, hi));
  did(hv, 'adjust');
  return 0;
}

/** Undoes a promotion that failed at a slot; `row.slots` stands for a check after the last one. */
function giveUp(hv: Hypervisor, table: Mfn, row: LevelRow, slot: number, rc: number): number {
  whileValidating(hv, table, row.level, Math.min(slot, row.slots - 1), rc);
  did(hv, 'failed');
  dropEntries(hv, table, row, slot);
  hv.promotionKeptType = hv.ruleSet.failedPromotionKeepsType && row.level > 1 && slot > 0;
  return rc;
}

/** Drops the references of the guest's entries in the slots below `end`. */
function dropEntries(hv: Hypervisor, table: Mfn, row: LevelRow, end: number): void {
  const { memory, wide } = hv;
  const slots = xenSlots(hv, table, row);
  for (let slot = 0; slot < end; slot++) {
    if (isWithin(slots, slot)) continue;
    const word = wide ? slot * 2 : slot;
    const lo = memory.readWord(table, word);
    if ((lo & P) === 0) continue;
    const hi = wide ? memory.readWord(table, word + 1) : 0;
    if (hv.tracer !== null)
      hv.tracer.did('drop', { level: row.level, slot, table, entryLo: lo, entryHi: hi });
    if (row.level === 1) putPageFromL1e(hv, lo, hi);
    else putPageFromUpper(hv, row.level, lo, hi, table);
    if (row.removed !== 0) memory.writeWord(table, word, lo & ~row.removed);
  }
}

/** What 4.17 and 3.0.4 ask of a PAE root before its entries: that CR3 can hold its address (facts 2.8, rule 6). */
function preparePaeRoot(hv: Hypervisor, table: Mfn, row: LevelRow, domain: Domain): number {
  const { rootFrameLimit } = hv.abi;
  const hasRun = (domain.vcpus[0]?.kernelRoot ?? null) !== null;
  if (rootFrameLimit !== null && table >= rootFrameLimit && hasRun && !domain.hasAssist(PAE_EXTENDED_CR3))
    return refuse(hv, 'l3.above-4g', { table, frame: table });
  met(hv, 'l3.above-4g');
  if (hv.abi.clearsRestOfRoot)
    for (let word = row.slots * 2; word < WORDS_PER_PAGE; word++) hv.memory.writeWord(table, word, 0);
  return 0;
}

/** The L2 of the last slot carries Xen's slots for this root alone (facts 2.8, rule 3). */
function checkTopL2Unshared(hv: Hypervisor, table: Mfn): number {
  const word = (hv.abi.topL2Slot ?? 0) * 2;
  const frame = entryFrame(hv.memory.readWord(table, word), hv.memory.readWord(table, word + 1));
  if (hv.frames.typeCount.get(frame) !== 1) return refuse(hv, 'l3.shared-top-l2', { table, frame });
  met(hv, 'l3.shared-top-l2');
  linkL2Tables(hv, table);
  did(hv, 'link');
  return 0;
}
