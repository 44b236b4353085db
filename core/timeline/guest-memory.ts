/**
 * Guest memory as the debugger reads and writes it: by the page tables as they stand, without TLB, without setting A
 * or D, and without regard to rights. Whatever is written is journalled like everything else.
 */

import type { Vcpu } from '../machine/vcpu.ts';
import type { Machine } from '../machine/machine.ts';
import { type Mfn, PAGE_SIZE, highWord, lowWord, mfn } from '../units.ts';

/** Where bytes of one page lie. */
interface PageAccess {
  readonly frame: Mfn;
  readonly offset: number;
  readonly bytes: number;
}

/** How an address becomes a frame: null where there is none. */
export type Translate = (address: bigint) => Mfn | null;

/** By the root that the vCPU has loaded. */
export function byPageTables(machine: Machine, vcpu: Vcpu): Translate {
  return (address) => {
    const record = vcpu.mmu.probe(lowWord(address), highWord(address));
    return record.end === 'page' && machine.memory.has(record.frame) ? record.frame : null;
  };
}

/** The address is `mfn * 4096 + offset`. */
export function byMachine(machine: Machine): Translate {
  return (address) => {
    const frame = mfn(Number(address >> 12n));
    return machine.memory.has(frame) ? frame : null;
  };
}

/** The address is `pfn * 4096 + offset`, and the guest's own P2M says which frame that is. */
export function byP2m(machine: Machine, vcpu: Vcpu): Translate {
  const { layout, nrPages, abi } = vcpu.domain;
  const walk = byPageTables(machine, vcpu);
  return (address) => {
    const page = address >> 12n;
    if (layout === null || page >= BigInt(nrPages)) return null;
    const entry = layout.p2mList + page * BigInt(abi.wordBytes);
    const words = readBytes(machine, walk, entry, abi.wordBytes);
    if (words.length < abi.wordBytes) return null;
    const frame = mfn(Number(integerOf(words)));
    return machine.memory.has(frame) ? frame : null;
  };
}

/** As many bytes as can be read, from the first on. */
export function readBytes(
  machine: Machine,
  translate: Translate,
  address: bigint,
  bytes: number,
): Uint8Array {
  const into = new Uint8Array(bytes);
  let done = 0;
  for (const page of pagesOf(translate, address, bytes)) {
    for (let i = 0; i < page.bytes; i++)
      into[done + i] = machine.memory.readByte(page.frame, page.offset + i);
    done += page.bytes;
  }
  return done === bytes ? into : into.slice(0, done);
}

/** Writes as many bytes as can be written; returns how many. */
export function writeBytes(
  machine: Machine,
  translate: Translate,
  address: bigint,
  bytes: Uint8Array,
): number {
  let done = 0;
  for (const page of pagesOf(translate, address, bytes.length)) {
    machine.memory.writeBytes(page.frame, page.offset, bytes.subarray(done, done + page.bytes));
    done += page.bytes;
  }
  return done;
}

/** An unsigned little-endian integer. */
export function integerOf(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}

/** The pages of a stretch of addresses, up to the first that does not translate. */
function* pagesOf(translate: Translate, address: bigint, bytes: number): Generator<PageAccess> {
  let at = address;
  for (let left = bytes; left > 0;) {
    const offset = Number(at & 0xfffn);
    const count = Math.min(left, PAGE_SIZE - offset);
    const frame = translate(at);
    if (frame === null) return;
    yield { frame, offset, bytes: count };
    at += BigInt(count);
    left -= count;
  }
}
