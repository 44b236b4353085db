/**
 * The model behind the guest port: a freshly built x86_64 hardware domain with its linear mapping at address 0, as the
 * kernel of the real machine has it. The operations act as code of the guest's kernel on vCPU 0.
 */

import { x86_64 } from '../../core/abi/x86_64.ts';
import { emulatePteWrite } from '../../core/hypervisor/pte-emulation.ts';
import { type AuditProblem, audit } from '../../core/hypervisor/audit.ts';
import { DEFAULT_OPTIONS, Hypervisor } from '../../core/hypervisor/hypervisor.ts';
import { linearCount } from '../../core/hypervisor/linear.ts';
import type { RuleId } from '../../core/hypervisor/rules.ts';
import { isPageTable } from '../../core/hypervisor/type-system.ts';
import type { Domain } from '../../core/machine/domain.ts';
import { FrameFlag } from '../../core/machine/frames.ts';
import { Machine } from '../../core/machine/machine.ts';
import { VECTOR_PAGE_FAULT } from '../../core/machine/mmu.ts';
import { R } from '../../core/machine/registers.ts';
import type { Vcpu } from '../../core/machine/vcpu.ts';
import { entryFrame } from '../../core/pte.ts';
import { type Mark, Store } from '../../core/state/store.ts';
import { type Mfn, PAGE_SIZE, highWord, joinWords, lowWord, mfn, virtualAddress } from '../../core/units.ts';
import { WalkRecord, entryWord, isCanonical, walk } from '../../core/walk.ts';
import {
  ARGUMENT_PAGES,
  NOWHERE_FRAME,
  VGA_FRAME,
  FREE_FRAME,
  type AccessFault,
  type FrameRecord,
  type GuestPort,
} from './guest-port.ts';
import type { BootTable, FrameAlias } from './operations.ts';

/** As on the machine that the oracle starts: 128 MiB, half of it the domain's. */
const MACHINE_FRAMES = (128 << 20) / PAGE_SIZE;
const DOMAIN_BYTES = 64 << 20;
/** The real kernel's image ends here too; the argument pages are its last ones. */
const IMAGE_PAGES = 0x20;
const ARGUMENTS_PFN = IMAGE_PAGES - ARGUMENT_PAGES;
/** Domain 0 has no limit of its own. */
const NO_LIMIT = 0x7fff_ffff;

/** The domain crashed or shut itself down, so that no operation can follow. */
export class DomainStopped extends Error {}

export class ModelPort implements GuestPort {
  readonly nrPages: number;
  readonly argumentsVa = BigInt(ARGUMENTS_PFN * PAGE_SIZE);
  readonly bootTables: ReadonlyMap<BootTable, bigint>;
  readonly namedFrames: ReadonlyMap<FrameAlias, bigint>;
  readonly hypervisor: Hypervisor;
  brokenRule: RuleId | null = null;
  private readonly machine: Machine;
  private readonly journal: Store;
  private readonly domain: Domain;
  private readonly vcpu: Vcpu;
  private readonly p2mFrames: readonly Mfn[];
  private readonly argumentFrames: readonly Mfn[];
  private readonly args = new Int32Array(12);
  private readonly fresh: Mark;

  constructor() {
    this.journal = new Store();
    this.machine = new Machine(this.journal, { ...x86_64, virtBase: virtualAddress(0n) }, MACHINE_FRAMES);
    this.hypervisor = new Hypervisor(this.machine, DEFAULT_OPTIONS);
    this.domain = this.hypervisor.createDomain({
      memoryBytes: DOMAIN_BYTES,
      image: { size: IMAGE_PAGES * PAGE_SIZE, segments: [], entry: 0 },
      layout: { kind: 'contiguous' },
      role: 'hardware',
      maxPages: NO_LIMIT,
    });
    const [vcpu] = this.domain.vcpus;
    const { layout } = this.domain;
    if (vcpu === undefined || layout === null)
      throw new Error('model-port: the domain has no vCPU or no layout');
    this.vcpu = vcpu;
    // Xen takes the table's first page when it creates the domain, the model when it first needs it.
    this.hypervisor.grants.of(this.domain).grow(1);
    this.nrPages = this.domain.nrPages;
    const p2mPages = Math.ceil((this.nrPages * 8) / PAGE_SIZE);
    this.p2mFrames = Array.from({ length: p2mPages }, (_, i) =>
      this.mapped(layout.p2mList + BigInt(i * PAGE_SIZE)),
    );
    this.argumentFrames = Array.from({ length: ARGUMENT_PAGES }, (_, i) =>
      this.mapped(this.argumentsVa + BigInt(i * PAGE_SIZE)),
    );
    this.bootTables = this.findBootTables();
    this.namedFrames = new Map<FrameAlias, bigint>([
      ...this.bootTables,
      ['shared_info', BigInt(layout.sharedInfo)],
      ['xen.m2p', BigInt(this.machine.m2pBase)],
      ['free', BigInt(MACHINE_FRAMES - 1)],
      ['vga', VGA_FRAME],
      ['nowhere', NOWHERE_FRAME],
    ]);
    this.fresh = this.journal.mark();
  }

  /** Brings back the state after start of day; false when the journal no longer reaches it. */
  reset(): boolean {
    return this.journal.undoTo(this.fresh);
  }

  /** A point to come back to with `undoTo`. */
  mark(): Mark {
    return this.journal.mark();
  }

  undoTo(mark: Mark): boolean {
    return this.journal.undoTo(mark);
  }

  /** The 8-byte words of a frame. */
  contents(frame: bigint): BigUint64Array {
    return BigUint64Array.from({ length: PAGE_SIZE / 8 }, (_, i) => this.word(frame, i));
  }

  word(frame: bigint, index: number): bigint {
    const at = mfn(Number(frame));
    const { memory } = this.machine;
    return joinWords(memory.readWord(at, index * 2), memory.readWord(at, index * 2 + 1));
  }

  /** The first frame from which on all are free. */
  get firstFreeFrame(): bigint {
    let frame = MACHINE_FRAMES;
    while (this.hypervisor.heap.isFree(frame - 1)) frame--;
    return BigInt(frame);
  }

  /** Makes the next allocation take this frame if it is free. */
  preferFrame(frame: bigint): void {
    this.hypervisor.heap.lookFrom(mfn(Number(frame)));
  }

  /** The frame that the guest's kernel reaches at an address, and whether it may write there; null where it faults. */
  reach(va: bigint): { readonly frame: bigint; readonly writable: boolean } | null {
    if (!isCanonical(this.machine.abi, highWord(va))) return null;
    const { end, frame, writable } = this.vcpu.mmu.probe(lowWord(va), highWord(va));
    return end === 'page' ? { frame: BigInt(frame), writable } : null;
  }

  audit(): readonly AuditProblem[] {
    return audit(this.hypervisor);
  }

  hypercall(number: number, args: readonly bigint[]): bigint {
    this.args.fill(0);
    args.forEach((arg, i) => {
      this.args[i * 2] = lowWord(arg);
      this.args[i * 2 + 1] = highWord(arg);
    });
    this.hypervisor.hypercall(this.vcpu, number, this.args);
    this.brokenRule = this.hypervisor.pending?.rule ?? null;
    const { state } = this.domain;
    if (state.kind === 'crashed') throw new DomainStopped(state.crash.message);
    if (state.kind === 'shutdown') throw new DomainStopped('the domain has shut itself down');
    return BigInt.asIntN(64, this.vcpu.getReg(R.rax));
  }

  load(va: bigint): bigint | AccessFault {
    this.brokenRule = null;
    const { mmu } = this.vcpu;
    return mmu.load(lowWord(va), highWord(va), 8) ? joinWords(mmu.lo, mmu.hi) : this.fault();
  }

  store(va: bigint, value: bigint, words: number): AccessFault | null {
    this.brokenRule = null;
    const { mmu } = this.vcpu;
    for (let i = 0; i < words; i++) {
      const at = va + BigInt(i * 8);
      const isStored = mmu.store(lowWord(at), highWord(at), 8, lowWord(value), highWord(value));
      if (!isStored && !this.isEmulated()) return this.fault();
    }
    return null;
  }

  writeArguments(offset: number, bytes: Uint8Array): void {
    this.inArguments(offset, bytes.length, (frame, at, from, length) => {
      this.machine.memory.writeBytes(frame, at, bytes.subarray(from, from + length));
    });
  }

  readArguments(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.inArguments(offset, length, (frame, at, from, part) => {
      for (let i = 0; i < part; i++) bytes[from + i] = this.machine.memory.readByte(frame, at + i);
    });
    return bytes;
  }

  p2m(pfn: number): bigint {
    const [frame, word] = this.p2mPlace(pfn);
    const { memory } = this.machine;
    return joinWords(memory.readWord(frame, word), memory.readWord(frame, word + 1));
  }

  setP2m(pfn: number, frame: bigint): void {
    const [page, word] = this.p2mPlace(pfn);
    this.machine.memory.writeWord(page, word, lowWord(frame));
    this.machine.memory.writeWord(page, word + 1, highWord(frame));
  }

  m2p(frame: bigint): bigint | null {
    return frame < BigInt(MACHINE_FRAMES) ? this.machine.m2pValue(mfn(Number(frame))) : null;
  }

  frame(frame: bigint): FrameRecord | null {
    if (frame >= BigInt(MACHINE_FRAMES)) return null;
    const at = mfn(Number(frame));
    const { frames } = this.machine;
    const refCount = frames.refCount.get(at);
    if (refCount === 0) return FREE_FRAME;
    return {
      type: frames.typeName(at),
      typeCount: frames.typeCount.get(at),
      refCount,
      pinned: frames.hasFlag(at, FrameFlag.pinned),
      validated: frames.hasFlag(at, FrameFlag.validated),
      allocated: frames.hasFlag(at, FrameFlag.allocated),
      owner: frames.owner.get(at) === this.domain.id ? 'domain' : 'other',
      linear: this.isTableInUse(at) ? linearCount(this.hypervisor, at) : 0,
    };
  }

  private isTableInUse(frame: Mfn): boolean {
    const { frames } = this.machine;
    return isPageTable(frames.type.get(frame)) && frames.typeCount.get(frame) > 0;
  }

  /** Xen carries out a store to an L1 table in the guest's stead. */
  private isEmulated(): boolean {
    return this.vcpu.mmu.fault.vector === VECTOR_PAGE_FAULT && emulatePteWrite(this.hypervisor, this.vcpu);
  }

  private fault(): AccessFault {
    const { vector, errorCode, vaLo, vaHi } = this.vcpu.mmu.fault;
    return { vector, errorCode, ...(vector === VECTOR_PAGE_FAULT ? { cr2: joinWords(vaLo, vaHi) } : {}) };
  }

  private mapped(va: bigint): Mfn {
    return this.vcpu.mmu.probe(lowWord(va), highWord(va)).frame;
  }

  private findBootTables(): Map<BootTable, bigint> {
    const root = this.vcpu.kernelRoot;
    if (root === null) throw new Error('model-port: the domain has no root');
    const record = new WalkRecord();
    walk(this.machine.memory, this.machine.abi, root, 0, 0, record);
    const [l1, l2, l3, l4] = record.tables.map((table) => BigInt(table));
    const word = entryWord(this.machine.abi, 1);
    const second = entryFrame(
      this.machine.memory.readWord(mfn(Number(l2)), word),
      this.machine.memory.readWord(mfn(Number(l2)), word + 1),
    );
    return new Map<BootTable, bigint>([
      ['boot.l4', l4 as bigint],
      ['boot.l3', l3 as bigint],
      ['boot.l2', l2 as bigint],
      ['boot.l1.0', l1 as bigint],
      ['boot.l1.1', BigInt(second)],
    ]);
  }

  private p2mPlace(pfn: number): readonly [Mfn, number] {
    const page = this.p2mFrames[Math.floor((pfn * 8) / PAGE_SIZE)];
    if (page === undefined) throw new Error(`model-port: the P2M has no entry ${pfn}`);
    return [page, ((pfn * 8) % PAGE_SIZE) / 4];
  }

  /** Splits a range of the argument pages by frame. */
  private inArguments(
    offset: number,
    length: number,
    each: (frame: Mfn, at: number, from: number, length: number) => void,
  ): void {
    for (let done = 0; done < length;) {
      const at = (offset + done) % PAGE_SIZE;
      const part = Math.min(PAGE_SIZE - at, length - done);
      const frame = this.argumentFrames[Math.floor((offset + done) / PAGE_SIZE)];
      if (frame === undefined) throw new Error(`model-port: argument offset ${offset} is past the pages`);
      each(frame, at, done, part);
      done += part;
    }
  }
}
