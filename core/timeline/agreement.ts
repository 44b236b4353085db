/**
 * Whether P2M and M2P agree: for the exception filter that looks after hypercalls, which change the M2P, and after the
 * guest's stores to its P2M. Between the two they disagree for a while in every correct balloon driver; the filter is
 * for finding the place where they stay so.
 */

import type { Domain } from '../machine/domain.ts';
import type { Machine } from '../machine/machine.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import type { Mark } from '../state/store.ts';
import { PAGE_SIZE, type Pfn, mfn, pfn } from '../units.ts';
import { byPageTables, integerOf, readBytes } from './guest-memory.ts';
import type { Disagreement } from './types.ts';

/** The entries of the P2M that lie in a stretch of it and disagree. */
export function disagreementsIn(
  machine: Machine,
  vcpu: Vcpu,
  from: bigint,
  bytes: number,
): readonly Disagreement[] {
  const { layout, abi, nrPages } = vcpu.domain;
  if (layout === null) return [];
  const word = BigInt(abi.wordBytes);
  const first = Number((from - layout.p2mList) / word);
  const last = Number((from + BigInt(bytes) - 1n - layout.p2mList) / word);
  const found: Disagreement[] = [];
  for (let index = Math.max(first, 0); index <= Math.min(last, nrPages - 1); index++)
    found.push(...disagreementAt(machine, vcpu, pfn(index)));
  return found;
}

/** The entries that became wrong by what was written to the M2P since a mark. */
export function disagreementsSince(machine: Machine, domains: readonly Domain[], mark: Mark): Disagreement[] {
  const { abi, m2pBase, m2pFrames, memory } = machine;
  const touched = new Map<number, number>();
  machine.store.forEachChangeSince(mark, (cell, old) => {
    if (cell.kind !== 'memory') return;
    const page = memory.frameOfSlot(cell.slot) - m2pBase;
    if (page < 0 || page >= m2pFrames) return;
    const byte = page * PAGE_SIZE + cell.word * 4;
    const frame = Math.floor(byte / abi.wordBytes);
    if (byte % abi.wordBytes === 0 && !touched.has(frame)) touched.set(frame, old >>> 0);
  });
  const found = [...touched].flatMap(([frame, old]) => {
    const domain = domains.find(({ id }) => id === machine.frames.ownerOf(mfn(frame)));
    const vcpus = (domain === undefined ? domains : [domain]).flatMap(({ vcpus: [first] }) => first ?? []);
    return vcpus.flatMap((vcpu) =>
      [old, machine.m2p(mfn(frame))].flatMap((index) => disagreementAt(machine, vcpu, pfn(index))),
    );
  });
  return found.filter(
    (one, i) => found.findIndex((other) => other.domain === one.domain && other.pfn === one.pfn) === i,
  );
}

/** An entry of one P2M, if it names a frame of the domain's whose M2P entry is another. */
function disagreementAt(machine: Machine, vcpu: Vcpu, index: Pfn): Disagreement[] {
  const { domain } = vcpu;
  const { layout, nrPages, abi } = domain;
  if (layout === null || index >= nrPages) return [];
  const at = layout.p2mList + BigInt(index * abi.wordBytes);
  const words = readBytes(machine, byPageTables(machine, vcpu), at, abi.wordBytes);
  if (words.length < abi.wordBytes) return [];
  const frame = integerOf(words);
  if (frame >= BigInt(machine.maxPage)) return [];
  const named = mfn(Number(frame));
  if (machine.frames.ownerOf(named) !== domain.id && machine.frames.ownerOf(named) !== null) return [];
  const back = machine.m2pValue(named);
  if (back === BigInt(index)) return [];
  const m2p = back < BigInt(0xffff_ffff) ? Number(back) : null;
  return [{ domain: domain.id, pfn: index, mfn: named, m2p }];
}
