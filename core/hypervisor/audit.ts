/**
 * The audit: counts every reference and type reference anew, from the tables, pins, roots, GDTs and Xen's own pages,
 * and compares them with the frame table. It is the model's own conscience: a problem here is a bug of the model, not
 * of the guest. Facts 3.2, 3.3, section 12.
 */

import { FrameFlag, NO_OWNER, PAGE_TYPE_NAMES, PageType } from '../machine/frames.ts';
import type { LevelRow } from '../abi/index.ts';
import { P, RW, entryFrame } from '../pte.ts';
import { DOMID, type Mfn, formatFrame, mfn } from '../units.ts';
import type { GrantTable } from './grant-table.ts';
import type { Hypervisor } from './hypervisor.ts';
import { linearCount } from './linear.ts';
import { isPageTable } from './type-system.ts';
import { isTopL2, isWithin, xenSlots } from './xen-slots.ts';

/** A broken invariant of one frame; `found` is what the frame table says, `expected` what the recount gives. */
export interface AuditProblem {
  readonly frame: Mfn | null;
  readonly what:
    'refCount' | 'typeCount' | 'linearCount' | 'type' | 'validated' | 'owner' | 'totPages' | 'heap' | 'tlb';
  readonly expected: number | string;
  readonly found: number | string;
  readonly message: string;
}

const CHUNK_SHIFT = 12;
const CHUNK_MASK = (1 << CHUNK_SHIFT) - 1;

/** A number for each frame, 0 at first; sparse, as the frame table is. */
class Counts {
  private readonly chunks: Int32Array[] = [];

  get(frame: number): number {
    return this.chunks[frame >>> CHUNK_SHIFT]?.[frame & CHUNK_MASK] ?? 0;
  }

  add(frame: number, count: number): void {
    const chunk = (this.chunks[frame >>> CHUNK_SHIFT] ??= new Int32Array(CHUNK_MASK + 1));
    chunk[frame & CHUNK_MASK] = (chunk[frame & CHUNK_MASK] as number) + count;
  }
}

/** What the recount has found. */
class Recount {
  readonly refs = new Counts();
  readonly types = new Counts();
  readonly linear = new Counts();
  readonly problems: AuditProblem[] = [];

  ref(frame: number, count = 1): void {
    this.refs.add(frame, count);
  }

  refAndType(frame: number): void {
    this.refs.add(frame, 1);
    this.types.add(frame, 1);
  }

  report(
    frame: Mfn | null,
    what: AuditProblem['what'],
    expected: number | string,
    found: number | string,
  ): void {
    const where = frame === null ? '' : `mfn ${formatFrame(frame)}: `;
    this.problems.push({
      frame,
      what,
      expected,
      found,
      message: `${where}${what} is ${found}, but what refers to it makes ${expected}`,
    });
  }
}

/** Recounts everything; empty when the state is sound. */
export function audit(hv: Hypervisor): AuditProblem[] {
  const count = new Recount();
  forEachFrame(hv, (frame) => countHeldBy(hv, count, frame));
  for (const domain of hv.machine.domains) {
    for (const vcpu of domain.vcpus) {
      for (const root of [vcpu.kernelRoot, vcpu.userRoot]) if (root !== null) count.refAndType(root);
      for (const frame of hv.extras.gdtFrames(vcpu)) count.refAndType(frame);
      for (const frame of hv.extras.ldtFrames(vcpu)) count.refAndType(frame);
    }
  }
  for (const table of hv.grants.all()) countDeviceMappings(count, table);
  forEachFrame(hv, (frame) => compare(hv, count, frame));
  checkTotals(hv, count);
  checkTlbs(hv, count);
  return count.problems;
}

/** Host mappings made by grants are L1 entries like others; a device mapping is only a pin (facts 3.3). */
function countDeviceMappings(count: Recount, table: GrantTable): void {
  for (const ref of table.pinnedRefs()) {
    const pin = table.pin(ref);
    const frame = table.pinnedFrame(ref);
    count.ref(frame, (pin >>> 24) & 0xff);
    for (let i = (pin >>> 16) & 0xff; i > 0; i--) count.refAndType(frame);
  }
}

/** Calls for every frame that is or ever was in use. */
function forEachFrame(hv: Hypervisor, visit: (frame: Mfn) => void): void {
  const { refCount, count } = hv.frames;
  for (let i = refCount.nextTouched(0) ?? count; i < count; i++) {
    if ((i & 4095) === 0) i = refCount.nextTouched(i) ?? count;
    if (i < count) visit(mfn(i));
  }
}

/** What this frame's flags and, if it is a table in use, its entries hold. */
function countHeldBy(hv: Hypervisor, count: Recount, frame: Mfn): void {
  const { frames } = hv;
  const flags = frames.flags.get(frame);
  if ((flags & FrameFlag.allocated) !== 0) count.ref(frame);
  if ((flags & FrameFlag.pinned) !== 0) count.refAndType(frame);
  if ((flags & FrameFlag.xenHeap) !== 0) count.types.add(frame, 1);
  const type = frames.type.get(frame);
  if (!isPageTable(type) || frames.typeCount.get(frame) === 0) return;
  const row = hv.abi.levels[type - 1];
  if (row === undefined) count.report(frame, 'type', 'a type of this ABI', PAGE_TYPE_NAMES[type] ?? type);
  else if ((flags & FrameFlag.validated) === 0)
    count.report(frame, 'validated', 'validated', 'not validated');
  else countEntries(hv, count, frame, row);
}

function countEntries(hv: Hypervisor, count: Recount, table: Mfn, row: LevelRow): void {
  const wide = hv.abi.entryBytes === 8;
  const closed = xenSlots(hv, table, row);
  for (let slot = 0; slot < row.slots; slot++) {
    if (isWithin(closed, slot)) continue;
    const lo = hv.memory.readWord(table, wide ? slot * 2 : slot);
    if ((lo & P) === 0) continue;
    const child = entryFrame(lo, wide ? hv.memory.readWord(table, slot * 2 + 1) : 0);
    if (!hv.machine.isRam(child)) {
      if (row.level > 1)
        count.report(table, 'type', 'a child that is RAM', `slot ${slot}: ${formatFrame(child)}`);
      continue;
    }
    if (row.level === 1) countLeaf(hv, count, child, lo);
    else if (child !== table) {
      countChild(hv, count, table, child, row.level);
      const isTopSlot = row.level === hv.abi.rootLevel && slot === hv.abi.topL2Slot;
      if (row.level > 2 && isTopL2(hv, child) !== isTopSlot)
        count.report(child, 'type', isTopSlot ? 'the L2 with Xen’s slots' : 'a plain L2', 'the other');
    }
  }
}

function countLeaf(hv: Hypervisor, count: Recount, frame: Mfn, lo: number): void {
  if ((lo & RW) === 0) {
    count.ref(frame);
    return;
  }
  count.refAndType(frame);
  if (hv.frames.type.get(frame) !== PageType.writable)
    count.report(frame, 'type', 'writable', PAGE_TYPE_NAMES[hv.frames.type.get(frame)] ?? '?');
}

function countChild(hv: Hypervisor, count: Recount, table: Mfn, child: Mfn, level: number): void {
  count.refAndType(child);
  const type = hv.frames.type.get(child);
  if (type === level) {
    count.linear.add(table, 1);
    count.linear.add(child, -1);
  } else if (type !== level - 1) {
    count.report(child, 'type', PAGE_TYPE_NAMES[level - 1] ?? '?', PAGE_TYPE_NAMES[type] ?? '?');
  }
}

function compare(hv: Hypervisor, count: Recount, frame: Mfn): void {
  const { frames } = hv;
  const refs = frames.refCount.get(frame);
  const types = frames.typeCount.get(frame);
  const owner = frames.owner.get(frame);
  if (refs !== count.refs.get(frame)) count.report(frame, 'refCount', count.refs.get(frame), refs);
  if (types !== count.types.get(frame)) count.report(frame, 'typeCount', count.types.get(frame), types);
  const linear = linearCount(hv, frame);
  if (hv.ruleSet.linearTables === 'counted' && linear !== count.linear.get(frame))
    count.report(frame, 'linearCount', count.linear.get(frame), linear);
  if ((refs === 0) !== (owner === NO_OWNER) && !frames.hasFlag(frame, FrameFlag.xenHeap))
    count.report(frame, 'owner', refs === 0 ? 'nobody' : 'a domain', owner === NO_OWNER ? 'nobody' : owner);
}

function checkTotals(hv: Hypervisor, count: Recount): void {
  const { frames, machine } = hv;
  const owned = new Map<number, number>();
  let used = 0;
  forEachFrame(hv, (frame) => {
    if (frame >= machine.firstHeapFrame && !hv.heap.isFree(frame)) used++;
    const owner = frames.owner.get(frame);
    if (owner === NO_OWNER || owner === DOMID.XEN || frames.hasFlag(frame, FrameFlag.xenHeap)) return;
    owned.set(owner, (owned.get(owner) ?? 0) + 1);
  });
  for (const domain of machine.domains) {
    const pages = owned.get(domain.id) ?? 0;
    if (pages !== domain.totPages)
      count.report(null, 'totPages', `${domain.name}: ${pages}`, domain.totPages);
  }
  const free = machine.maxPage - machine.firstHeapFrame - used;
  if (free !== hv.heap.freeFrames) count.report(null, 'heap', free, hv.heap.freeFrames);
}

/**
 * No writable translation may outlive the change of its frame into a page table (facts 3.6). Xen sees to that on the
 * vCPUs of the frame's owner alone: a domain that had it mapped as a foreign frame must flush by itself.
 */
function checkTlbs(hv: Hypervisor, count: Recount): void {
  for (const domain of hv.machine.domains) {
    for (const vcpu of domain.vcpus) {
      for (const entry of vcpu.mmu.tlbEntries()) {
        if (hv.frames.owner.get(entry.frame) !== domain.id) continue;
        const isTable =
          isPageTable(hv.frames.type.get(entry.frame)) && hv.frames.typeCount.get(entry.frame) !== 0;
        if (entry.writable && isTable) count.report(entry.frame, 'tlb', 'no writable translation', 'one');
      }
    }
  }
}
