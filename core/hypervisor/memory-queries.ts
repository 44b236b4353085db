/**
 * The operations of memory_op that ask about memory, or that exist only for other kinds of guests: memory maps, the
 * frames of the M2P, the largest page number, add_to_physmap and its like. Facts 4.5.
 */

import type { Field } from '../abi/index.ts';
import type { Domain } from '../machine/domain.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { DOMID, type DomainId, PAGE_SIZE } from '../units.ts';
import { readField, writeField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';

/** Types of E820 entries. */
const RAM = 1;
const RESERVED = 2;
const FIRST_MIB = 0x10_0000;
const HIGH_WORD_WEIGHT = 0x1_0000_0000;
const E820_BYTES = 20;

interface MemoryRange {
  readonly from: number;
  readonly bytes: number;
  readonly type: number;
}

/** struct xen_memory_map { u32 nr_entries; buffer }: copies ranges until the buffer or they are at their end. */
const mapLayout = (hv: Hypervisor): { readonly entries: Field; readonly buffer: Field } => ({
  entries: { offset: 0, bytes: 4 },
  buffer: { offset: hv.abi.wordBytes, bytes: hv.abi.wordBytes },
});

/** XENMEM_memory_map (9): what the toolstack has set, for a domU one range of RAM; the hardware domain has none. */
export function memoryMap(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): number {
  if (vcpu.domain.role === 'hardware') return refuse(hv, 'memory_op.no-map', {});
  met(hv, 'memory_op.no-map');
  return copyMap(hv, vcpu, lo, hi, [{ from: 0, bytes: vcpu.domain.maxPages * PAGE_SIZE, type: RAM }]);
}

/** XENMEM_machine_memory_map (10): the machine's own, for the privileged domain. */
export function machineMemoryMap(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): number {
  if (vcpu.domain.role !== 'hardware') return refuse(hv, 'memory_op.machine-map', {});
  met(hv, 'memory_op.machine-map');
  return copyMap(hv, vcpu, lo, hi, [
    { from: 0, bytes: FIRST_MIB, type: RESERVED },
    { from: FIRST_MIB, bytes: hv.machine.maxPage * PAGE_SIZE - FIRST_MIB, type: RAM },
  ]);
}

function copyMap(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number, ranges: readonly MemoryRange[]): number {
  const { entries, buffer } = mapLayout(hv);
  const unreadable = () => refuse(hv, 'memory_op.argument', { addressLo: lo, addressHi: hi });
  if (!readField(vcpu, lo, hi, entries)) return unreadable();
  const count = Math.min(vcpu.mmu.lo >>> 0, ranges.length);
  if (!readField(vcpu, lo, hi, buffer)) return unreadable();
  const to = { lo: vcpu.mmu.lo, hi: vcpu.mmu.hi };
  const isCopied =
    ranges.slice(0, count).every(({ from, bytes, type }, i) => {
      const put = (offset: number, size: 4 | 8, value: number) =>
        writeField(
          vcpu,
          to.lo,
          to.hi,
          { offset: i * E820_BYTES + offset, bytes: size },
          value | 0,
          Math.floor(value / HIGH_WORD_WEIGHT),
        );
      return put(0, 8, from) && put(8, 8, bytes) && put(16, 4, type);
    }) && writeField(vcpu, lo, hi, entries, count, 0);
  return isCopied ? 0 : unreadable();
}

/** XENMEM_machphys_mfn_list (5): the first frame of each superpage of the M2P. */
export function machphysMfnList(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): number {
  const { wordBytes } = hv.abi;
  const unreadable = () => refuse(hv, 'memory_op.argument', { addressLo: lo, addressHi: hi });
  if (!readField(vcpu, lo, hi, { offset: 0, bytes: 4 })) return unreadable();
  const most = vcpu.mmu.lo >>> 0;
  if (!readField(vcpu, lo, hi, { offset: wordBytes, bytes: wordBytes })) return unreadable();
  const list = { lo: vcpu.mmu.lo, hi: vcpu.mmu.hi };
  const frames = hv.abi.entryBytes === 8 ? 512 : 1024;
  const count = Math.min(most, hv.machine.m2pFrames / frames);
  for (let i = 0; i < count; i++) {
    const field = { offset: i * wordBytes, bytes: wordBytes };
    if (!writeField(vcpu, list.lo, list.hi, field, hv.machine.m2pBase + i * frames, 0))
      return refuse(hv, 'memory_op.list', { addressLo: list.lo, addressHi: list.hi, extent: i });
    met(hv, 'memory_op.list');
  }
  return writeField(vcpu, lo, hi, { offset: 2 * wordBytes, bytes: 4 }, count, 0) ? 0 : unreadable();
}

/** XENMEM_maximum_gpfn (14): the last page that the domain has announced in its shared info page. */
export function maximumGpfn(hv: Hypervisor, domain: Domain): number {
  const frame = domain.layout?.sharedInfo;
  if (frame === undefined) throw new Error(`maximum_gpfn: ${domain.name} has not been built`);
  const announced = hv.memory.readWord(frame, hv.abi.sharedInfo.maxPfn.offset >>> 2);
  return (announced === 0 ? 1 : announced) - 1;
}

/** Where the fields lie that these three look at before they refuse a guest that translates its own frames. */
const PHYSMAP_FIELDS: { readonly [command: number]: { readonly space: Field | null; readonly bad: number } } =
  {
    7: { space: { offset: 4, bytes: 4 }, bad: 4 },
    15: { space: null, bad: 0 },
    23: { space: { offset: 2, bytes: 2 }, bad: 3 },
  };

/** add_to_physmap (7), remove_from_physmap (15), add_to_physmap_batch (23): not for PV guests. */
export function physmap(hv: Hypervisor, vcpu: Vcpu, command: number, lo: number, hi: number): number {
  const row = PHYSMAP_FIELDS[command];
  if (row === undefined) throw new Error(`memory_op: ${command} is no physmap operation`);
  if (!readField(vcpu, lo, hi, { offset: 0, bytes: 2 }))
    return refuse(hv, 'memory_op.argument', { addressLo: lo, addressHi: hi });
  met(hv, 'memory_op.argument');
  const domid = vcpu.mmu.lo;
  if (row.space !== null && hv.ruleSet.exchangeRules === 'modern') {
    if (!readField(vcpu, lo, hi, row.space))
      return refuse(hv, 'memory_op.argument', { addressLo: lo, addressHi: hi });
    met(hv, 'memory_op.argument');
    if (vcpu.mmu.lo >>> 0 === row.bad)
      return refuse(hv, command === 7 ? 'memory_op.space' : 'memory_op.batch-space', { space: row.bad });
  }
  const domain = domid === DOMID.SELF ? vcpu.domain : hv.machine.domain(domid as DomainId);
  const foreign = { foreign: domid, foreignHex: domid.toString(16) };
  if (domain === undefined) return refuse(hv, 'memory_op.domain', { ...foreign, why: 'does not exist' });
  met(hv, 'memory_op.domain');
  if (domain !== vcpu.domain && vcpu.domain.role !== 'hardware')
    return refuse(hv, 'memory_op.privilege', foreign);
  met(hv, 'memory_op.privilege');
  return refuse(hv, 'memory_op.not-translated', { command });
}
