/** A guest kernel of the bench: makes hypercalls with lists in its own memory, as kernels do. */

import { ABIS } from '../../core/abi/index.ts';
import { DEFAULT_OPTIONS, Hypervisor } from '../../core/hypervisor/hypervisor.ts';
import type { StartOfDayLayout } from '../../core/machine/domain.ts';
import { Machine } from '../../core/machine/machine.ts';
import { vaWords } from '../../core/machine/mmu.ts';
import { R } from '../../core/machine/registers.ts';
import type { Vcpu } from '../../core/machine/vcpu.ts';
import { Store } from '../../core/state/store.ts';
import { virtualAddress } from '../../core/units.ts';

/** A kernel's own memory, where the bench puts its lists: behind the image's stack. */
const LIST = 0x8000n;
const UPDATE_VA_MAPPING = 14;
const UVMF_INVLPG = 2;

export class Kernel {
  readonly hypervisor: Hypervisor;
  readonly vcpu: Vcpu;
  readonly layout: StartOfDayLayout;
  /** The arguments of the next call, as pairs of words. */
  readonly args = new Int32Array(12);

  /** On a hypervisor of its own, or as a further domain. */
  constructor(pages: number, hypervisor = hypervisorFor(pages * 2)) {
    this.hypervisor = hypervisor;
    const domain = hypervisor.createDomain({
      memoryBytes: pages * 4096,
      image: { size: 0x10000, segments: [], entry: 0 },
      layout: { kind: 'scattered', seed: 1 },
      role: 'domU',
    });
    const [vcpu] = domain.vcpus;
    if (vcpu === undefined || domain.layout === null) throw new Error('bench: the domain has no vCPU');
    this.vcpu = vcpu;
    this.layout = domain.layout;
  }

  get list(): bigint {
    return this.layout.virtBase + LIST;
  }

  /** A hypercall with the arguments in `args`; it must succeed. */
  call(nr: number): void {
    this.hypervisor.hypercall(this.vcpu, nr, this.args);
    if (this.vcpu.regLo(R.rax) !== 0) throw new Error(`bench: ${nr} returned ${this.vcpu.regLo(R.rax)}`);
  }

  store(va: bigint, lo: number, hi: number): void {
    const [vaLo, vaHi] = vaWords(virtualAddress(va));
    if (!this.vcpu.mmu.store(vaLo, vaHi, 8, lo, hi))
      throw new Error(`bench: ${va.toString(16)} is not mapped`);
  }

  load(va: bigint): number {
    const [vaLo, vaHi] = vaWords(virtualAddress(va));
    if (!this.vcpu.mmu.load(vaLo, vaHi, 4)) throw new Error(`bench: ${va.toString(16)} is not mapped`);
    return this.vcpu.mmu.lo;
  }

  /** An entry that maps a page of the kernel's linear mapping. */
  mapping(pfn: number, entry: bigint): void {
    const [vaLo, vaHi] = vaWords(virtualAddress(this.kva(pfn)));
    const [lo, hi] = vaWords(virtualAddress(entry));
    this.args.set([vaLo, vaHi, lo, hi, UVMF_INVLPG, 0, 0]);
    this.call(UPDATE_VA_MAPPING);
  }

  kva(pfn: number): bigint {
    return this.layout.virtBase + BigInt(pfn * 4096);
  }

  /** The machine frame of a pseudo-physical one, from the P2M. */
  frame(pfn: number): number {
    const [lo, hi] = vaWords(virtualAddress(this.layout.p2mList + BigInt(pfn * 8)));
    if (!this.vcpu.mmu.load(lo, hi, 8)) throw new Error('bench: the P2M is not mapped');
    return this.vcpu.mmu.lo;
  }
}

function hypervisorFor(pages: number): Hypervisor {
  const abi = ABIS.x86_64;
  return new Hypervisor(new Machine(new Store(), abi, Machine.framesFor(abi, pages)), DEFAULT_OPTIONS);
}
