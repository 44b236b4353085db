/** The MMU path: validated, journalled mmu_update of L1 entries, one request a call and 128. */

import { ABIS } from '../../core/abi/index.ts';
import { DEFAULT_OPTIONS, Hypervisor } from '../../core/hypervisor/hypervisor.ts';
import { Machine } from '../../core/machine/machine.ts';
import { vaWords } from '../../core/machine/mmu.ts';
import { R } from '../../core/machine/registers.ts';
import { Store } from '../../core/state/store.ts';
import { virtualAddress } from '../../core/units.ts';
import { nanosecondsEach, report } from './measure.ts';

const HYPERCALL_MMU_UPDATE = 1;
const DOMID_SELF = 0x7ff0;
const BATCH = 128;
const UPDATES = 512_000;
const PRESENT_RW = 0x23;

export function benchMmuUpdate(calibration: number): void {
  const abi = ABIS.x86_64;
  if (abi === undefined) throw new Error('bench: the x86_64 row is missing');
  const pages = 4096;
  const machine = new Machine(new Store(), abi, Machine.framesFor(abi, pages * 2));
  const hypervisor = new Hypervisor(machine, DEFAULT_OPTIONS);
  const domain = hypervisor.createDomain({
    memoryBytes: pages * 4096,
    image: { size: 0x10000, segments: [], entry: 0 },
    layout: { kind: 'scattered', seed: 1 },
    role: 'domU',
  });
  const vcpu = domain.vcpus[0];
  const layout = domain.layout;
  if (vcpu === undefined || layout === null) throw new Error('bench: the domain has no vCPU');

  // Two lists of requests that map a window of pages to two rotations of its frames, so that each update changes one.
  const list = layout.virtBase + 0x8000n;
  const target = firstFreeVa(layout.mappedEnd);
  const leaf = vcpu.mmu.probe(...vaWords(target));
  const table = leaf.tables[0] ?? 0;
  const frames = Array.from(
    { length: BATCH },
    (_, i) => vcpu.mmu.probe(...vaWords(target + BigInt(i * 4096))).frame,
  );
  const writeRequest = (index: number, slot: number, frame: number): void => {
    const [lo, hi] = vaWords(virtualAddress(list + BigInt(index * 16)));
    vcpu.mmu.store(lo, hi, 8, (table << 12) | (slot * 8), Math.floor(table / 0x10_0000));
    vcpu.mmu.store(lo + 8, hi, 8, (frame << 12) | PRESENT_RW, Math.floor(frame / 0x10_0000));
  };
  const firstSlot = leaf.slots[0] ?? 0;
  for (let i = 0; i < BATCH; i++) {
    writeRequest(i, firstSlot + i, frames[(i + 1) % BATCH] ?? 0);
    writeRequest(BATCH + i, firstSlot + i, frames[(i + 2) % BATCH] ?? 0);
  }
  const [listLo, listHi] = vaWords(list);
  const mark = machine.store.mark();
  const args = new Int32Array(12);
  args[1] = listHi;
  args[6] = DOMID_SELF;
  const call = (firstRequest: number, count: number): void => {
    args[0] = listLo + firstRequest * 16;
    args[2] = count;
    hypervisor.hypercall(vcpu, HYPERCALL_MMU_UPDATE, args);
    if (vcpu.regLo(R.rax) !== 0) throw new Error(`bench: mmu_update returned ${vcpu.regLo(R.rax)}`);
  };
  report(
    'mmu_update, one request a call',
    nanosecondsEach(7, UPDATES, () => {
      for (let i = 0; i < UPDATES; i++) call(i % (2 * BATCH), 1);
    }),
    calibration,
  );
  report(
    'mmu_update, 128 requests a call',
    nanosecondsEach(7, UPDATES, () => {
      for (let i = 0; i < UPDATES / BATCH; i++) call((i % 2) * BATCH, BATCH);
    }),
    calibration,
  );
  if (machine.store.mark() === mark) throw new Error('bench: nothing was journalled');
}

/** The first data page of the last 128 pages of the bootstrap mapping. */
const firstFreeVa = (mappedEnd: bigint): bigint => mappedEnd - BigInt(BATCH * 4096);
