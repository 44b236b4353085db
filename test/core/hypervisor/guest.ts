/**
 * A guest for tests of the hypervisor: makes hypercalls as a kernel would, with its requests in guest memory, and
 * checks after every one that the counts are sound.
 */

import { expect } from 'vitest';
import type { Abi, AbiName, LevelRow } from '../../../core/abi/index.ts';
import { DEFAULT_OPTIONS, Hypervisor } from '../../../core/hypervisor/hypervisor.ts';
import { RULE_SETS } from '../../../core/hypervisor/rule-sets.ts';
import { audit } from '../../../core/hypervisor/audit.ts';
import type { DomainSpec, GuestImage, HypervisorOptions } from '../../../core/hypervisor/types.ts';
import type { Domain } from '../../../core/machine/domain.ts';
import { FrameFlag, PAGE_TYPE_NAMES } from '../../../core/machine/frames.ts';
import { Machine } from '../../../core/machine/machine.ts';
import { R } from '../../../core/machine/registers.ts';
import type { Vcpu } from '../../../core/machine/vcpu.ts';
import { A, D, P, RW, US } from '../../../core/pte.ts';
import { Store } from '../../../core/state/store.ts';
import { DOMID, type Mfn, PAGE_SIZE, highWord, lowWord, mfn } from '../../../core/units.ts';
import { entryWord, slotOf } from '../../../core/walk.ts';

const MIB = 1024 * 1024;
const IMAGE_PAGES = 20;
/** Page of the image where tests put their requests. */
const SCRATCH_PAGE = 18;

export const IMAGE: GuestImage = { size: IMAGE_PAGES * PAGE_SIZE, segments: [], entry: 0x10 };

/** Every ABI under every hypervisor that runs it. */
export const CONFIGURATIONS = [
  { abi: 'x86_64', xen: '4.17' },
  { abi: 'x86_32p', xen: '4.17' },
  { abi: 'x86_64', xen: '3.0.4' },
  { abi: 'x86_32p', xen: '3.0.4' },
  { abi: 'x86_32', xen: '3.0.4' },
] as const;

export interface GuestOptions extends Partial<HypervisorOptions> {
  readonly abi?: AbiName;
  readonly spec?: Partial<DomainSpec>;
  readonly heapFrames?: number;
  /** A hypervisor that already runs, to build a second domain on. */
  readonly hv?: Hypervisor;
}

/** The guest kernel cannot reach its own memory: it has unmapped it. */
export class GuestFault extends Error {}

export class Guest {
  readonly hv: Hypervisor;
  readonly abi: Abi;
  readonly domain: Domain;
  readonly vcpu: Vcpu;
  /** The page that `fresh` gives next. */
  private nextPage: number;

  constructor(options: GuestOptions = {}) {
    this.hv = options.hv ?? newHypervisor(options);
    this.abi = this.hv.abi;
    this.domain = this.hv.createDomain({
      memoryBytes: 16 * MIB,
      image: IMAGE,
      layout: { kind: 'scattered', seed: 1 },
      role: 'domU',
      ...options.spec,
    });
    const vcpu = this.domain.vcpus[0];
    if (vcpu === undefined) throw new Error('the domain has no vCPU');
    this.vcpu = vcpu;
    this.nextPage = this.layout.parts.reduce((last, part) => Math.max(last, part.to), 0);
  }

  get layout() {
    if (this.domain.layout === null) throw new Error('the domain has no layout');
    return this.domain.layout;
  }

  get root(): Mfn {
    const root = this.vcpu.kernelRoot;
    if (root === null) throw new Error('no root');
    return root;
  }

  /** The ABI's row of a level. */
  row(level: number): LevelRow {
    const row = this.abi.levels[level - 1];
    if (row === undefined) throw new Error(`no level ${level}`);
    return row;
  }

  /** The table that holds Xen's slots (the root, or for PAE the L2 of its last slot), and which they are. */
  get xenSlots(): { readonly table: Mfn; readonly from: number; readonly to: number } {
    const row = this.abi.levels.find((each) => each.xenSlots !== null);
    if (row?.xenSlots == null) throw new Error('the ABI has no Xen slots');
    return { table: this.place(this.abi.xenHole.from, row.level).table, ...row.xenSlots };
  }

  /** The next mapped page that the builder did not use: a PFN. */
  fresh(): number {
    return this.nextPage++;
  }

  /** The machine frame of a PFN, read from the P2M as a guest does. */
  p2m(page: number): Mfn {
    return mfn(
      Number(this.load(this.layout.p2mList + BigInt(page * this.abi.wordBytes), this.abi.wordBytes)),
    );
  }

  /** The kernel's linear address of a PFN. */
  kva(page: number): bigint {
    return this.layout.virtBase + BigInt(page) * BigInt(PAGE_SIZE);
  }

  load(va: bigint, bytes: 1 | 2 | 4 | 8): bigint {
    const { mmu } = this.vcpu;
    if (!mmu.load(lowWord(va), highWord(va), bytes))
      throw new GuestFault(`load of 0x${va.toString(16)} faults`);
    return (BigInt(mmu.hi >>> 0) << 32n) | BigInt(mmu.lo >>> 0);
  }

  /** Whether the store was made; a fault is in `vcpu.mmu.fault`. */
  store(va: bigint, bytes: 1 | 2 | 4 | 8, value: bigint): boolean {
    return this.vcpu.mmu.store(lowWord(va), highWord(va), bytes, lowWord(value), highWord(value));
  }

  mustStore(va: bigint, bytes: 1 | 2 | 4 | 8, value: bigint): void {
    if (!this.store(va, bytes, value)) throw new GuestFault(`store to 0x${va.toString(16)} faults`);
  }

  /** Makes a hypercall and audits; the result as a signed number. */
  call(nr: number, ...args: (bigint | number)[]): number {
    const words = new Int32Array(12);
    args.forEach((arg, i) => {
      words[i * 2] = lowWord(BigInt(arg));
      words[i * 2 + 1] = highWord(BigInt(arg));
    });
    this.hv.hypercall(this.vcpu, nr, words);
    const rc = this.vcpu.regLo(R.rax);
    this.check();
    return rc;
  }

  /** Made after every hypercall: the counts must be those that the tables, pins and roots imply. */
  protected check(): void {
    expect(audit(this.hv)).toEqual([]);
  }

  get scratch(): bigint {
    return this.kva(SCRATCH_PAGE);
  }

  /** mmu_update of a batch; `done` is read back from where *pdone points. */
  mmuUpdate(requests: readonly (readonly [ptr: bigint, val: bigint])[], foreign: number = DOMID.SELF) {
    requests.forEach(([ptr, val], i) => {
      this.mustStore(this.scratch + BigInt(i * 16), 8, ptr);
      this.mustStore(this.scratch + BigInt(i * 16 + 8), 8, val);
    });
    const doneAt = this.scratch + 4088n;
    this.mustStore(doneAt, 4, 0xdeadn);
    const rc = this.call(1, this.scratch, requests.length, doneAt, foreign);
    return { rc, done: Number(this.load(doneAt, 4)) };
  }

  /** One mmu_update of an entry: its result. */
  update(table: Mfn, slot: number, entry: bigint, command = 0n): number {
    return this.mmuUpdate([[this.entryAddress(table, slot) | command, entry]]).rc;
  }

  /** As `update`, without the audit: for states whose counts a test has made up. */
  quietUpdate(table: Mfn, slot: number, entry: bigint): number {
    this.mustStore(this.scratch, 8, this.entryAddress(table, slot));
    this.mustStore(this.scratch + 8n, 8, entry);
    const words = new Int32Array(12);
    words.set([lowWord(this.scratch), highWord(this.scratch), 1, 0, 0, 0, DOMID.SELF]);
    this.hv.hypercall(this.vcpu, 1, words);
    return this.vcpu.regLo(R.rax);
  }

  entryAddress(table: Mfn, slot: number): bigint {
    return (BigInt(table) << 12n) + BigInt(slot * this.abi.entryBytes);
  }

  mmuext(
    command: number,
    arg1: bigint | number = 0,
    arg2: bigint | number = 0,
    foreign: number = DOMID.SELF,
  ): number {
    const { mmuextOp } = this.abi;
    this.mustStore(this.scratch, 4, BigInt(command));
    this.mustStore(this.scratch + BigInt(mmuextOp.arg1.offset), mmuextOp.arg1.bytes, BigInt(arg1));
    this.mustStore(this.scratch + BigInt(mmuextOp.arg2.offset), mmuextOp.arg2.bytes, BigInt(arg2));
    return this.call(26, this.scratch, 1, 0, foreign);
  }

  vaMapping(va: bigint, entry: bigint, flags = 2n): number {
    return this.abi.wordBytes === 8
      ? this.call(14, va, entry, flags)
      : this.call(14, va, entry & 0xffff_ffffn, entry >> 32n, flags);
  }

  memoryOp(command: number, list: readonly (bigint | number)[], order = 0, domid: number = DOMID.SELF) {
    const { memoryReservation: layout, wordBytes } = this.abi;
    const listAt = this.scratch + 256n;
    list.forEach((item, i) => this.mustStore(listAt + BigInt(i * wordBytes), wordBytes, BigInt(item)));
    this.mustStore(this.scratch + BigInt(layout.extentStart.offset), layout.extentStart.bytes, listAt);
    this.mustStore(
      this.scratch + BigInt(layout.nrExtents.offset),
      layout.nrExtents.bytes,
      BigInt(list.length),
    );
    this.mustStore(this.scratch + BigInt(layout.extentOrder.offset), 4, BigInt(order));
    this.mustStore(this.scratch + BigInt(layout.memFlags.offset), 4, 0n);
    this.mustStore(this.scratch + BigInt(layout.domid.offset), 2, BigInt(domid));
    const rc = this.call(12, command, this.scratch);
    return { rc, list: list.map((_, i) => Number(this.load(listAt + BigInt(i * wordBytes), wordBytes))) };
  }

  /** `gc/tc type` of a frame, with `pinned` and `!` for a table that is not validated: the notation of facts 10.6. */
  counts(frame: Mfn): string {
    const { frames } = this.hv;
    const type = PAGE_TYPE_NAMES[frames.type.get(frame)] ?? '?';
    const pinned = frames.hasFlag(frame, FrameFlag.pinned) ? ' pinned' : '';
    return `${frames.refCount.get(frame)}/${frames.typeCount.get(frame)} ${type}${pinned}`;
  }

  entry(frame: Mfn | number, flags: number): bigint {
    return (BigInt(frame) << 12n) | BigInt(flags);
  }

  readEntry(table: Mfn, slot: number): bigint {
    const word = entryWord(this.abi, slot);
    const lo = BigInt(this.hv.memory.readWord(table, word) >>> 0);
    return this.abi.entryBytes === 8
      ? (BigInt(this.hv.memory.readWord(table, word + 1) >>> 0) << 32n) | lo
      : lo;
  }

  /** The table of a level on the walk of an address, and the slot in it. */
  place(va: bigint, level: number): { table: Mfn; slot: number } {
    const walk = this.vcpu.mmu.probe(lowWord(va), highWord(va));
    const row = this.abi.levels[level - 1];
    const table = walk.tables[level - 1];
    if (row === undefined || table === undefined || walk.level > level)
      throw new Error(`no L${level} for 0x${va.toString(16)}`);
    return { table, slot: slotOf(row, lowWord(va), highWord(va)) };
  }

  /** Copies a table into a fresh page, without Xen's slots, and makes that read-only; its frame. */
  copyTable(table: Mfn, change: (slot: number, entry: bigint) => bigint = (_, entry) => entry): Mfn {
    const page = this.fresh();
    const closed = this.xenSlots;
    for (let slot = 0; slot < 4096 / this.abi.entryBytes; slot++) {
      const isClosed = table === closed.table && slot >= closed.from && slot <= closed.to;
      const entry = isClosed ? 0n : change(slot, this.readEntry(table, slot));
      const at = this.kva(page) + BigInt(slot * this.abi.entryBytes);
      if (entry !== 0n) this.mustStore(at, this.abi.entryBytes, entry);
    }
    expect(this.makeReadOnly(page)).toBe(0);
    return this.p2m(page);
  }

  /** A root with the entries of the present one, made and read-only but not yet in use; for PAE with an own top L2. */
  copyRoot(): Mfn {
    const { topL2Slot } = this.abi;
    if (topL2Slot === null) return this.copyTable(this.root);
    const topL2 = this.copyTable(this.xenSlots.table);
    return this.copyTable(this.root, (slot, entry) =>
      slot === topL2Slot ? this.entry(topL2, this.row(this.abi.rootLevel).builderFlags) : entry,
    );
  }

  /** As `copyRoot`, with an L2 table for the address 0 in place of none. For ABIs with two levels, the copy itself. */
  copyRootWithL2(l2: Mfn): Mfn {
    const flags = this.row(this.abi.rootLevel).builderFlags;
    if (this.abi.rootLevel === 3) {
      const topL2 = this.copyTable(this.xenSlots.table);
      return this.copyTable(this.root, (slot, entry) =>
        slot === 0 ? this.entry(l2, flags) : slot === this.abi.topL2Slot ? this.entry(topL2, flags) : entry,
      );
    }
    if (this.abi.rootLevel === 2)
      return this.copyTable(this.root, (slot, entry) => (slot === 0 ? this.readEntry(l2, 0) : entry));
    const l3 = this.fresh();
    this.mustStore(this.kva(l3), 8, this.entry(l2, flags));
    this.makeReadOnly(l3);
    return this.copyTable(this.root, (slot, entry) => (slot === 0 ? this.entry(this.p2m(l3), flags) : entry));
  }

  /** An address whose L1 table is missing while its L2 table is there, beyond the boot mapping. */
  get unmapped(): bigint {
    return this.layout.mappedEnd;
  }

  /** Makes the kernel's own mapping of a page read-only. */
  makeReadOnly(page: number): number {
    return this.vaMapping(this.kva(page), this.entry(this.p2m(page), P | A));
  }

  makeWritable(page: number): number {
    return this.vaMapping(this.kva(page), this.entry(this.p2m(page), P | RW | A));
  }

  get rule(): string | undefined {
    return this.hv.lastRefusal?.rule;
  }
}

export const TABLE_FLAGS = P | RW | US | A | D;
export const DATA_FLAGS = P | RW | US | A | D;

export function newHypervisor(options: GuestOptions = {}): Hypervisor {
  const xen = options.xen ?? (options.abi === 'x86_32' ? '3.0.4' : '4.17');
  const abi = RULE_SETS[xen].abis[options.abi ?? 'x86_64'];
  if (abi === undefined) throw new Error(`Xen ${xen} runs no such guests`);
  const machine = new Machine(new Store(), abi, Machine.framesFor(abi, options.heapFrames ?? 10000));
  return new Hypervisor(machine, {
    ...DEFAULT_OPTIONS,
    xen,
    debug: options.debug ?? false,
    linearPageTables: options.linearPageTables ?? true,
    l1tf: options.l1tf ?? 'ignored',
  });
}
