/**
 * What conditions know of a hypercall before it is made: for each of its requests the values of `$op`, `$mfn`, `$old`
 * and the rest. `$rc` and `$done` come after the call.
 */

import { isPresent, pteFrame } from '../pte.ts';
import { hypercallName } from '../hypervisor/hypercalls.ts';
import { PageType } from '../machine/frames.ts';
import type { Machine } from '../machine/machine.ts';
import {
  highWord,
  joinWords,
  lowWord,
  maddrToMfn,
  machineAddress,
  mfn,
  offsetInPage,
  pte,
} from '../units.ts';
import { type DollarName, type DollarValues } from './dollar-names.ts';
import {
  type CallEntry,
  type PendingHypercall,
  argument,
  callEntries,
  reservationOf,
} from './hypercall-text.ts';

/** A request with its values. */
export interface CallRequest {
  readonly name: string | null;
  readonly values: DollarValues;
}

type Values = Partial<Record<DollarName, bigint>>;

const MMU_MACHPHYS_UPDATE = 1n;
/** Operations of mmuext_op whose first argument is an address, not a frame. */
const TAKES_ADDRESS = /INVLPG|SET_LDT/;

/** The requests of a call that is about to be made. */
export function callRequests(machine: Machine, call: PendingHypercall): readonly CallRequest[] {
  const name = hypercallName(call.nr);
  const entries = callEntries(call);
  if (name === 'memory_op') return memoryRequests(call, entries);
  return entries.map((entry, i) => {
    const own = valuesOf(machine, call, name, entry);
    const index: Values = entry.at === null ? {} : { index: BigInt(i) };
    return { name: entry.name, values: defined({ op: entry.command, ...index, ...own }) };
  });
}

function valuesOf(
  machine: Machine,
  call: PendingHypercall,
  name: string,
  { at, ...entry }: CallEntry,
): Loose {
  if (name === 'update_va_mapping' || name === 'update_va_mapping_otherdomain')
    return vaMapping(machine, call);
  if (at === null) return {};
  if (name === 'mmu_update') return mmuUpdate(machine, call, at);
  const { arg1 } = call.vcpu.domain.abi.mmuextOp;
  const first = call.read(at + BigInt(arg1.offset), arg1.bytes);
  if (TAKES_ADDRESS.test(entry.name ?? '')) return { va: first };
  return { mfn: first, pfn: pfnOf(machine, first) };
}

/** Values of which some cannot be read. */
type Loose = Partial<Record<DollarName, bigint | null>>;

function mmuUpdate(machine: Machine, { vcpu, read }: PendingHypercall, at: bigint): Loose {
  const ptr = read(at, 8);
  const value = read(at + 8n, 8);
  if (ptr === null) return {};
  const frame = BigInt(maddrToMfn(machineAddress(ptr)));
  if ((ptr & 3n) === MMU_MACHPHYS_UPDATE)
    return { mfn: frame, pfn: value, new: value, old: pfnOf(machine, frame) };
  return { ...slotAt(machine, vcpu.domain.abi.entryBytes, ptr & ~3n), ...entryNamed(machine, value) };
}

/** The table that holds a slot, and what it holds now. */
function slotAt(machine: Machine, entryBytes: number, address: bigint): Loose {
  const table = maddrToMfn(machineAddress(address));
  if (!machine.memory.has(table)) return { table: BigInt(table) };
  const word = (offsetInPage(address) & -entryBytes) >>> 2;
  const lo = machine.memory.readWord(table, word);
  const hi = entryBytes === 8 ? machine.memory.readWord(table, word + 1) : 0;
  const type = machine.frames.has(table) ? machine.frames.typeOf(table) : PageType.none;
  const isTable = type >= PageType.l1 && type <= PageType.l4;
  return { table: BigInt(table), old: joinWords(lo, hi), level: isTable ? BigInt(type) : null };
}

/** A new entry, and the frame that it names. */
function entryNamed(machine: Machine, value: bigint | null): Loose {
  if (value === null) return {};
  const entry = pte(value);
  if (!isPresent(lowWord(entry))) return { new: value };
  const frame = BigInt(pteFrame(entry));
  return { new: value, mfn: frame, pfn: pfnOf(machine, frame) };
}

function vaMapping(machine: Machine, call: PendingHypercall): Loose {
  const { vcpu } = call;
  const va = argument(call, 0);
  const wide = vcpu.domain.abi.wordBytes === 8;
  const value = wide ? argument(call, 1) : joinWords(lowWord(argument(call, 1)), lowWord(argument(call, 2)));
  const record = vcpu.mmu.probe(lowWord(va), highWord(va));
  const table = record.tables[0];
  const isLeaf = record.level === 1 && table !== undefined;
  const slot: Loose = isLeaf
    ? { table: BigInt(table), old: joinWords(record.los[0] as number, record.his[0] as number) }
    : {};
  return { va, level: 1n, ...slot, ...entryNamed(machine, value) };
}

/** One request for each extent; a call without a list is one request. */
function memoryRequests(call: PendingHypercall, entries: readonly CallEntry[]): CallRequest[] {
  const [entry] = entries;
  const name = entry?.name ?? null;
  const op: Loose = { op: entry?.command ?? null };
  const extents = reservationOf(call)?.extents ?? [];
  if (extents.length === 0) return [{ name, values: defined(op) }];
  const isPfn = name === 'XENMEM_populate_physmap';
  return extents.map((extent, i) => ({
    name,
    values: defined({ ...op, index: BigInt(i), ...(isPfn ? { pfn: extent } : { mfn: extent }) }),
  }));
}

/** What the M2P says of a frame; null where it says nothing. */
function pfnOf(machine: Machine, frame: bigint | null): bigint | null {
  if (frame === null || frame >= BigInt(machine.maxPage)) return null;
  return machine.m2pValue(mfn(Number(frame)));
}

function defined(values: Loose): DollarValues {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null)) as DollarValues;
}
