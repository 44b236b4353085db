/** Bytes of memory in the three address spaces, a page at a time, up to the first page that cannot be read. */

import type { Domain } from '../machine/domain.ts';
import type { Machine } from '../machine/machine.ts';
import { type Mfn, PAGE_SIZE, formatFrame, formatHex, mfn, pfn, virtualAddress } from '../units.ts';
import type { MemoryBytes, MemoryQuery, MemorySpace, Unknown } from './machine-source.ts';
import { P2mReader } from './p2m.ts';
import { translate } from './tables.ts';

export function memoryBytes(machine: Machine, domain: Domain, query: MemoryQuery): MemoryBytes {
  const frameAt = FRAME_AT[query.space];
  const bytes = new Uint8Array(query.bytes);
  let reason: string | null = null;
  let read = 0;
  let end = query.bytes;
  for (let at = 0; at < query.bytes;) {
    const address = query.address + BigInt(at);
    const offset = Number(address & 0xfffn);
    const length = Math.min(PAGE_SIZE - offset, query.bytes - at);
    const frame = frameAt(machine, domain, address);
    if (typeof frame === 'number') {
      // Behind a hole: the hole's end is all that is wanted.
      if (reason !== null) {
        end = at;
        break;
      }
      for (let i = 0; i < length; i++) bytes[at + i] = machine.memory.readByte(frame, offset + i);
      read = at + length;
    } else {
      reason ??= frame.unknown;
    }
    at += length;
  }
  return { bytes: bytes.subarray(0, read), unreadable: reason === null ? 0 : end - read, reason };
}

type FrameAt = (machine: Machine, domain: Domain, address: bigint) => Mfn | Unknown;

const FRAME_AT: { readonly [space in MemorySpace]: FrameAt } = {
  va: (machine, domain, address) => translate(machine, domain, virtualAddress(address)),
  pfn: (machine, domain, address) => pseudoPhysicalFrame(machine, domain, address),
  mfn: (machine, _domain, address) => machineFrame(machine, address),
};

function machineFrame({ memory }: Machine, address: bigint): Mfn | Unknown {
  const frame = address >> 12n;
  if (frame < BigInt(memory.frameCount)) return mfn(Number(frame));
  return { unknown: `mfn ${formatHex(frame)} is no machine memory` };
}

function pseudoPhysicalFrame(machine: Machine, domain: Domain, address: bigint): Mfn | Unknown {
  const reader = P2mReader.of(machine, domain);
  if ('unknown' in reader) return reader;
  const index = address >> 12n;
  if (index >= BigInt(reader.length))
    return { unknown: `pfn ${formatHex(index)} is past the end of the P2M` };
  const entry = reader.entry(pfn(Number(index)));
  if ('unknown' in entry) return entry;
  if (entry.mfn === null) return { unknown: `pfn ${formatFrame(pfn(Number(index)))} has no machine frame` };
  return machineFrame(machine, BigInt(entry.mfn) << 12n);
}
