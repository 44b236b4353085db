/** Whole machines: start of day from 16 MiB to 64 GiB, and what a machine of 1 TiB costs with 16 GiB in use. */

import { ABIS } from '../../core/abi/index.ts';
import { DEFAULT_OPTIONS, Hypervisor } from '../../core/hypervisor/hypervisor.ts';
import { Machine } from '../../core/machine/machine.ts';
import { Store } from '../../core/state/store.ts';
import { PAGE_SIZE } from '../../core/units.ts';
import { calibrated, reportBytes } from './measure.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const TIB = 1024 ** 4;
const SIZES: readonly (readonly [string, number])[] = [
  ['16 MiB', 16 * MIB],
  ['256 MiB', 256 * MIB],
  ['4 GiB', 4 * GIB],
  ['64 GiB', 64 * GIB],
];

export function benchMachines(): void {
  for (const [name, bytes] of SIZES) {
    const frames = Machine.framesFor(ABIS.x86_64, bytes / PAGE_SIZE + 1024);
    calibrated(`start of day, ${name}`, bytes < GIB ? 5 : 1, 1, () => build(frames, bytes));
    reportBytes(`memory of it, ${name}`, () => build(frames, bytes));
  }
  reportBytes('memory, 16 GiB in a machine of 1 TiB', () => build(TIB / PAGE_SIZE, 16 * GIB));
}

function build(frames: number, bytes: number): Hypervisor {
  const hypervisor = new Hypervisor(new Machine(new Store(), ABIS.x86_64, frames), DEFAULT_OPTIONS);
  hypervisor.createDomain({
    memoryBytes: bytes,
    image: { size: 0x10000, segments: [], entry: 0 },
    layout: { kind: 'scattered', seed: 1 },
    role: 'domU',
  });
  return hypervisor;
}
