/** The MMU path: validated, journalled updates of L1 entries, and the pin of a full tree of tables. */

import { vaWords } from '../../core/machine/mmu.ts';
import { virtualAddress } from '../../core/units.ts';
import { Kernel } from './kernel.ts';
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
