/** The MMU path: validated, journalled updates of L1 entries, and the pin of a full tree of tables. */

import { ABIS } from '../../core/abi/index.ts';
import { DEFAULT_OPTIONS, Hypervisor } from '../../core/hypervisor/hypervisor.ts';
import type { StartOfDayLayout } from '../../core/machine/domain.ts';
import { Machine } from '../../core/machine/machine.ts';
import { vaWords } from '../../core/machine/mmu.ts';
import { R } from '../../core/machine/registers.ts';
import type { Vcpu } from '../../core/machine/vcpu.ts';
import { Store } from '../../core/state/store.ts';
import { virtualAddress } from '../../core/units.ts';
import { calibrated } from './measure.ts';

const MMU_UPDATE = 1;
const UPDATE_VA_MAPPING = 14;
const MMUEXT_OP = 26;
const PIN_L4_TABLE = 3;
const UNPIN_TABLE = 4;
const DOMID_SELF = 0x7ff0;
const BATCH = 128;
const UPDATES = 512_000;
const PRESENT_RW = 0x23;
const PRESENT_RO = 0x21;
const TABLE = 0x67;
const ENTRIES = 512;
const L1_TABLES = 64;
const PINS = 20;

/** A kernel's own memory, where the bench puts its lists: behind the image's stack. */
const LIST = 0x8000n;

class Kernel {
  readonly hypervisor: Hypervisor;
  readonly vcpu: Vcpu;
  readonly layout: StartOfDayLayout;
  /** The arguments of the next call, as pairs of words. */
  readonly args = new Int32Array(12);

  constructor(pages: number) {
    const abi = ABIS.x86_64;
    const machine = new Machine(new Store(), abi, Machine.framesFor(abi, pages * 2));
    this.hypervisor = new Hypervisor(machine, DEFAULT_OPTIONS);
    const domain = this.hypervisor.createDomain({
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

  /** The machine frame of a pseudo-physical one, from the P2M. */
  frame(pfn: number): number {
    const [lo, hi] = vaWords(virtualAddress(this.layout.p2mList + BigInt(pfn * 8)));
    if (!this.vcpu.mmu.load(lo, hi, 8)) throw new Error('bench: the P2M is not mapped');
    return this.vcpu.mmu.lo;
  }
}

export function benchMmu(): void {
  benchUpdates();
  benchPin();
}

/** Two lists of requests map a window of pages to two rotations of its frames, so that each update changes an entry. */
function benchUpdates(): void {
  const kernel = new Kernel(4096);
  const { vcpu, layout } = kernel;
  const window = layout.mappedEnd - BigInt(BATCH * 4096);
  const leaf = vcpu.mmu.probe(...vaWords(virtualAddress(window)));
  const frames = Array.from(
    { length: BATCH },
    (_, i) => vcpu.mmu.probe(...vaWords(virtualAddress(window + BigInt(i * 4096)))).frame,
  );
  const rotated = (index: number): number => frames[(index + (index < BATCH ? 1 : 2)) % BATCH] ?? 0;
  const table = leaf.tables[0] ?? 0;
  for (let i = 0; i < 2 * BATCH; i++) {
    const at = kernel.list + BigInt(i * 16);
    kernel.store(at, (table << 12) | (((leaf.slots[0] ?? 0) + (i % BATCH)) * 8), 0);
    kernel.store(at + 8n, (rotated(i) << 12) | PRESENT_RW, 0);
  }
  const [listLo, listHi] = vaWords(virtualAddress(kernel.list));
  const mark = kernel.hypervisor.machine.store.mark();
  const { args } = kernel;
  args.set([listLo, listHi, 0, 0, 0, 0, DOMID_SELF]);
  const update = (first: number, count: number): void => {
    args[0] = listLo + first * 16;
    args[2] = count;
    kernel.call(MMU_UPDATE);
  };
  calibrated('mmu_update, one request a call', 7, UPDATES, () => {
    for (let i = 0; i < UPDATES; i++) update(i % (2 * BATCH), 1);
  });
  calibrated('mmu_update, 128 requests a call', 7, UPDATES, () => {
    for (let i = 0; i < UPDATES / BATCH; i++) update((i % 2) * BATCH, BATCH);
  });
  const [vaLo, vaHi] = vaWords(virtualAddress(window));
  args.set([vaLo, vaHi, 0, 0, 0, 0, 0]);
  calibrated('update_va_mapping', 7, UPDATES, () => {
    for (let i = 0; i < UPDATES; i++) {
      const index = i % (2 * BATCH);
      args[0] = vaLo + (index % BATCH) * 4096;
      args[2] = (rotated(index) << 12) | PRESENT_RW;
      kernel.call(UPDATE_VA_MAPPING);
    }
  });
  if (kernel.hypervisor.machine.store.mark() === mark) throw new Error('bench: nothing was journalled');
}

/** A root, an L3, an L2 and 64 full L1 tables, of pages that nothing maps, pinned and unpinned. */
function benchPin(): void {
  const kernel = new Kernel(0x10000);
  const { memory } = kernel.hypervisor;
  let pfn = 0x4000;
  const write = (table: number, slot: number, child: number, flags: number): void => {
    memory.writeWord(table as never, slot * 2, (child << 12) | flags);
  };
  const take = (): number => kernel.frame(pfn++);
  const [root, l3, l2] = [take(), take(), take()];
  write(root, 0, l3, TABLE);
  write(l3, 0, l2, TABLE);
  for (let i = 0; i < L1_TABLES; i++) {
    const l1 = take();
    write(l2, i, l1, TABLE);
    for (let slot = 0; slot < ENTRIES; slot++)
      write(l1, slot, take(), slot % 2 === 0 ? PRESENT_RW : PRESENT_RO);
  }
  const [listLo, listHi] = vaWords(virtualAddress(kernel.list));
  const mmuext = (command: number): void => {
    kernel.store(kernel.list, command, 0);
    kernel.store(kernel.list + 8n, root, 0);
    kernel.args.set([listLo, listHi, 1, 0, 0, 0, DOMID_SELF]);
    kernel.call(MMUEXT_OP);
  };
  calibrated('pin and unpin, a root with 64 full L1 tables', 5, PINS, () => {
    for (let i = 0; i < PINS; i++) {
      mmuext(PIN_L4_TABLE);
      mmuext(UNPIN_TABLE);
    }
  });
}
