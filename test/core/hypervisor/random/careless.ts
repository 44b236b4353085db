/** A guest that carries out random steps, and the state of its machine to compare. */

import { audit } from '../../../../core/hypervisor/audit.ts';
import type { Hypervisor } from '../../../../core/hypervisor/hypervisor.ts';
import { R } from '../../../../core/machine/registers.ts';
import { highWord, lowWord, mfn, type Mfn } from '../../../../core/units.ts';
import { Guest, GuestFault, type GuestOptions } from '../guest.ts';
import { PAGES, SPECIAL_FRAMES, type Step } from './steps.ts';

/** The guest has taken its own working memory away. */
const LOST = -1000;
const NEW_BASEPTR = 5;
const VECTORS = [11, 13, 14];

/** The model itself has gone wrong. */
export class Unsound extends Error {}

export class Careless extends Guest {
  /** Whether each hypercall is followed by the audit; a repetition of audited steps needs none. */
  audited = true;
  private readonly pages: readonly number[];
  private readonly pageFrames: readonly Mfn[];
  private readonly hostileValues: readonly bigint[];
  private readonly start: readonly [bigint, bigint];

  constructor(options: GuestOptions) {
    super(options);
    this.pages = Array.from({ length: PAGES }, () => this.fresh());
    const { machine } = this.hv;
    this.pageFrames = [
      ...this.pages.map((page) => this.p2m(page)),
      this.root,
      this.place(this.kva(0), 1).table,
      this.place(this.kva(0), 2).table,
      machine.m2pBase,
      mfn(machine.maxPage - 1),
      mfn(0x10),
      this.layout.sharedInfo,
      this.p2m(this.domain.nrPages - 1),
    ];
    if (this.pageFrames.length !== PAGES + SPECIAL_FRAMES) throw new Error('the steps name other frames');
    this.hostileValues = [
      ...[0n, 1n, 2n, 3n, 7n, 0x7ff0n, 0x7ff1n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn],
      ...[this.scratch, this.scratch + 1n, this.scratch + 4090n],
      ...[this.unmapped, this.abi.xenHole.from, 0x1234_0000_0000_0000n],
    ];
    this.installHandlers();
    this.start = [this.vcpu.getReg(R.rip), this.vcpu.getReg(R.rsp)];
  }

  /** Result of a step; a store that faults gives -1. */
  run(step: Step): number {
    if (!this.domain.isRunning) return 0;
    try {
      return this.make(step);
    } catch (error) {
      if (error instanceof GuestFault) return LOST;
      throw error;
    } finally {
      // Handlers are not run: the kernel goes on where it was.
      this.vcpu.setRegValue(R.rip, this.start[0]);
      this.vcpu.setRegValue(R.rsp, this.start[1]);
    }
  }

  protected override check(): void {
    if (!this.audited) return;
    const [problem] = audit(this.hv);
    if (problem !== undefined) throw new Unsound(problem.message);
  }

  private make(step: Step): number {
    switch (step.kind) {
      case 'update': {
        const command = BigInt(step.command % this.abi.entryBytes);
        return this.update(this.frame(step.table), step.slot % this.slots, this.entryOf(step), command);
      }
      case 'vaMapping':
        return this.vaMapping(this.kva(this.page(step.page)), this.entryOf(step), BigInt(step.flush));
      case 'mmuext':
        // What 3.0.4 cannot load as root ends the domain: only frames that are seldom chosen are tried.
        if (step.command === NEW_BASEPTR && this.hv.options.xen === '3.0.4' && step.second < PAGES) return 0;
        return this.mmuext(step.command, this.frame(step.target), this.frame(step.second));
      case 'memory':
        return this.memoryOp(step.command, [this.frame(step.target)]).rc;
      case 'store':
        return this.settle(
          this.store(
            this.addressOf(step),
            step.width > this.abi.entryBytes ? 4 : step.width,
            this.entryOf(step),
          ),
        );
      case 'exchange':
        return this.compareExchange(step);
      case 'table': {
        const page = this.page(step.page);
        const entry = this.entry(this.frame(step.page), 0x21);
        return this.vaMapping(this.kva(page), entry) || this.mmuext(step.level - 1, this.frame(step.page));
      }
      case 'root':
        return this.mmuext(this.abi.rootLevel - 1, this.frame(step.target)) === 0
          ? this.mmuext(NEW_BASEPTR, this.frame(step.target))
          : this.update(this.root, step.slot % this.slots, this.entry(this.frame(step.target), 0x61));
      case 'gdt':
        step.targets.forEach((target, i) =>
          this.mustStore(
            this.scratch + BigInt(i * this.abi.wordBytes),
            this.abi.wordBytes,
            BigInt(this.frame(target)),
          ),
        );
        return this.call(2, this.scratch, step.targets.length * 512);
      case 'descriptor':
        return this.updateDescriptor(
          (BigInt(this.frame(step.target)) << 12n) | BigInt(step.index * 8),
          step.descriptor,
        );
      case 'ldt':
        return this.mmuext(13, this.kva(this.page(step.page)), step.entries);
      case 'segment': {
        const outcome = this.hv.loadSegment(this.vcpu, 'fs', step.selector);
        this.check();
        return outcome === 'loaded' ? 0 : -1;
      }
      case 'assist':
        return this.call(21, step.command, step.type);
      case 'hostile':
        return this.call(step.nr, ...step.args.map((index) => this.hostileValues[index] ?? 0n));
    }
  }

  private get slots(): number {
    return 4096 / this.abi.entryBytes;
  }

  private frame(index: number): Mfn {
    return this.pageFrames[index] ?? mfn(0);
  }

  private page(index: number): number {
    return this.pages[index] ?? 0;
  }

  private entryOf(step: { readonly target: number; readonly flags: number }): bigint {
    return this.entry(this.frame(step.target), step.flags);
  }

  private addressOf(step: { readonly page: number; readonly slot: number }): bigint {
    return this.kva(this.page(step.page)) + BigInt(step.slot * this.abi.entryBytes);
  }

  /** What became of a store: 0 made or emulated, -1 a fault of the guest. */
  private settle(stored: boolean): number {
    const outcome = stored ? 'emulated' : this.hv.deliverPageFault(this.vcpu);
    this.check();
    return outcome === 'emulated' ? 0 : -1;
  }

  private compareExchange(step: Step & { readonly kind: 'exchange' }): number {
    const va = this.addressOf(step);
    const { mmu } = this.vcpu;
    const bytes = this.abi.entryBytes;
    if (!mmu.load(lowWord(va), highWord(va), bytes)) return this.settle(false);
    const expected = { lo: step.hits ? mmu.lo : ~mmu.lo, hi: mmu.hi };
    const value = this.entryOf(step);
    return this.settle(
      mmu.compareExchange(lowWord(va), highWord(va), bytes, expected, lowWord(value), highWord(value)),
    );
  }

  private updateDescriptor(address: bigint, descriptor: bigint): number {
    const word = 0xffff_ffffn;
    return this.abi.wordBytes === 8
      ? this.call(10, address, descriptor)
      : this.call(10, address & word, address >> 32n, descriptor & word, descriptor >> 32n);
  }

  private installHandlers(): void {
    const { trapInfo, selectors } = this.abi;
    [...VECTORS, null].forEach((vector, i) => {
      const at = this.scratch + BigInt(i * trapInfo.bytes);
      this.mustStore(at, 4, BigInt((vector ?? 0) | (selectors.kernelCs << 16)));
      const handler = vector === null ? 0n : this.kva(4);
      this.mustStore(at + BigInt(trapInfo.address.offset), trapInfo.address.bytes, handler);
    });
    this.call(0, this.scratch);
  }
}

/** A copy of every word that can change. */
export class Snapshot {
  private readonly chunks: readonly Int32Array[];
  private readonly arenas: readonly Int32Array[];

  constructor(hv: Hypervisor) {
    const { store } = hv.machine;
    this.chunks = store['chunks'].map((chunk) => chunk.slice());
    this.arenas = store.arenas.map((arena) => arena.slice());
  }

  /**
   * Where the machine differs from the snapshot, or null. Storage taken since then counts as equal when nothing but
   * its fill is in it.
   */
  difference(hv: Hypervisor): string | null {
    const { store } = hv.machine;
    const owners = store['chunkOwners'];
    for (const [number, chunk] of store['chunks'].entries()) {
      const old = this.chunks[number] ?? new Int32Array(chunk.length).fill(chunk[0] ?? 0);
      const at = chunk.findIndex((word, i) => word !== old[i]);
      const { name = '', firstIndex = 0 } = owners[number] ?? {};
      if (at >= 0) return `${name}[${firstIndex + at}] is ${chunk[at]}, was ${old[at]}`;
    }
    for (const [number, arena] of store.arenas.entries()) {
      const old = this.arenas[number] ?? new Int32Array(arena.length);
      const at = arena.findIndex((word, i) => word !== old[i]);
      if (at >= 0) return `word ${at} of arena ${number} is ${arena[at]}, was ${old[at]}`;
    }
    return null;
  }
}
