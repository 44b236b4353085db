/**
 * XENMEM_exchange (memory_op 11): gives frames to Xen and gets as many others for them, in pieces of another size. Each
 * chunk is exchanged as a whole or not at all; nr_exchanged tells how far the call came. Facts 4.4.
 */

import type { Field } from '../abi/index.ts';
import type { Domain } from '../machine/domain.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { DOMID, type DomainId, type Mfn, joinWords, mfn } from '../units.ts';
import { isGuestAddress, readField, writeField } from './guest-access.ts';
import type { Hypervisor } from './hypervisor.ts';
import { met, refuse } from './refusal.ts';
import { did, left } from './trace.ts';
import { assignStolen, freeStolen, stealPage, takeForNobody, whyNotStolen } from './steal-page.ts';

const HIGH_WORD_WEIGHT = 0x1_0000_0000;
const PAGE_SHIFT = 12;
const ADDRESS_BITS = 0xff;
const NODE_SHIFT = 8;
const MAX_NODES = 64;

/** One of the two reservations. */
interface Extents {
  readonly listLo: number;
  readonly listHi: number;
  readonly count: bigint;
  readonly order: number;
  readonly memFlags: number;
  readonly domid: number;
}

interface Exchange {
  readonly into: Domain;
  readonly input: Extents;
  readonly output: Extents;
  /** Orders of a chunk in extents of the input and of the output. */
  readonly inChunk: number;
  readonly outChunk: number;
}

export function exchange(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): number {
  if (hv.tracer !== null) hv.tracer.entered('memory_exchange', { addressLo: lo, addressHi: hi });
  return left(hv, exchangeAll(hv, vcpu, lo, hi));
}

function exchangeAll(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number): number {
  const { bytes } = hv.abi.memoryReservation;
  const { wordBytes } = hv.abi;
  const doneField: Field = { offset: 2 * bytes, bytes: wordBytes };
  const input = readExtents(hv, vcpu, lo, hi, 0);
  const output = input === null ? null : readExtents(hv, vcpu, lo, hi, bytes);
  const before = readWord(vcpu, lo, hi, doneField);
  const unreadable = () => refuse(hv, 'exchange.argument', { addressLo: lo, addressHi: hi });
  if (input === null || output === null || before === null) return unreadable();
  met(hv, 'exchange.argument');
  hv.done = Number(before);
  const finish = (exchanged: bigint, rc: number): number => {
    hv.done = Number(exchanged);
    const low = Number(BigInt.asIntN(32, exchanged));
    const high = Number(BigInt.asIntN(32, exchanged >> 32n));
    return writeField(vcpu, lo, hi, doneField, low, high) ? rc : unreadable();
  };
  const refused = checkSizes(hv, vcpu, input, output, before) || 0;
  if (refused !== 0) return finish(before, refused);
  if (before === input.count && hv.ruleSet.exchangeRules === 'modern') return 0;
  const into = checkLists(hv, vcpu, input, output);
  if (typeof into === 'number') return finish(before, into);
  const plan: Exchange = {
    into,
    input,
    output,
    inChunk: Math.max(output.order - input.order, 0),
    outChunk: Math.max(input.order - output.order, 0),
  };
  const chunks = input.count >> BigInt(plan.inChunk);
  for (let chunk = before >> BigInt(plan.inChunk); chunk < chunks; chunk++) {
    hv.requestIndex = Number(chunk);
    const rc = exchangeChunk(hv, vcpu, plan, Number(chunk));
    if (rc !== 0) return finish(chunk << BigInt(plan.inChunk), rc);
  }
  return finish(input.count, 0);
}

/** What can be said before anything is looked at; 0, or the error. The two rule sets have different orders. */
function checkSizes(hv: Hypervisor, vcpu: Vcpu, input: Extents, output: Extents, before: bigint): number {
  const isModern = hv.ruleSet.exchangeRules === 'modern';
  return isModern
    ? checkOrders(hv, vcpu, input, output) || checkCounts(hv, input, output, before)
    : checkCounts(hv, input, output, before) || checkOrders(hv, vcpu, input, output);
}

function checkOrders(hv: Hypervisor, vcpu: Vcpu, input: Extents, output: Extents): number {
  const order = Math.max(input.order, output.order);
  const limit = hv.ruleSet.maxOrder[vcpu.domain.role];
  if (order > limit) return refuse(hv, 'exchange.order', { order, limit });
  met(hv, 'exchange.order');
  return 0;
}

function checkCounts(hv: Hypervisor, input: Extents, output: Extents, before: bigint): number {
  const word = BigInt(hv.abi.wordBytes * 8);
  const pages = (extents: Extents) => (extents.order >= word ? -1n : extents.count << BigInt(extents.order));
  const fits = (extents: Extents) => pages(extents) >= 0n && pages(extents) < 1n << word;
  const isSound =
    before <= input.count &&
    input.domid === output.domid &&
    fits(input) &&
    fits(output) &&
    pages(input) === pages(output);
  if (isSound) {
    met(hv, 'exchange.sizes');
    return 0;
  }
  return refuse(hv, 'exchange.sizes', {
    exchanged: String(before),
    inputs: `${input.count} of order ${input.order}`,
    outputs: `${output.count} of order ${output.order}`,
  });
}

/** Lists, node and domain; the domain, or the error. */
function checkLists(hv: Hypervisor, vcpu: Vcpu, input: Extents, output: Extents): Domain | number {
  const isModern = hv.ruleSet.exchangeRules === 'modern';
  for (const { listLo, listHi } of isModern ? [input, output] : [])
    if (!isGuestAddress(hv.abi, listLo, listHi))
      return refuse(hv, 'exchange.list', { addressLo: listLo, addressHi: listHi, extent: 0 });
  if (isModern) met(hv, 'exchange.list');
  const node = (output.memFlags >>> NODE_SHIFT) & 0xff;
  if (isModern && node > MAX_NODES) return refuse(hv, 'exchange.node', { node: node - 1 });
  if (isModern) met(hv, 'exchange.node');
  const bits = output.memFlags & ADDRESS_BITS;
  if (!isModern && bits !== 0 && bits < hv.ruleSet.leastAddressBits)
    return refuse(hv, 'exchange.address-bits', { bits, leastBits: hv.ruleSet.leastAddressBits });
  if (!isModern) met(hv, 'exchange.address-bits');
  const { domid } = input;
  const facts = { foreign: domid, foreignHex: domid.toString(16) };
  if (domid === DOMID.SELF) return vcpu.domain;
  if (!isModern) return refuse(hv, 'exchange.privilege', facts);
  const domain = hv.machine.domain(domid as DomainId);
  if (domain === undefined) return refuse(hv, 'exchange.domain', facts);
  met(hv, 'exchange.domain');
  if (domain === vcpu.domain || vcpu.domain.role === 'hardware') return domain;
  return refuse(hv, 'exchange.privilege', facts);
}

function exchangeChunk(hv: Hypervisor, vcpu: Vcpu, plan: Exchange, chunk: number): number {
  const stolen: Mfn[] = [];
  const taken: Mfn[] = [];
  const rc = stealInputs(hv, vcpu, plan, chunk, stolen) || takeOutputs(hv, plan, taken);
  if (rc !== 0) {
    for (const frame of stolen) assignStolen(hv, frame, plan.into);
    for (const base of taken) forEachPage(plan.output.order, base, (frame) => freeStolen(hv, frame));
    return rc;
  }
  for (const frame of stolen) freeStolen(hv, frame);
  did(hv, 'free');
  return handOut(hv, vcpu, plan, chunk, taken);
}

function stealInputs(hv: Hypervisor, vcpu: Vcpu, plan: Exchange, chunk: number, stolen: Mfn[]): number {
  const { input, into } = plan;
  const extents = 2 ** plan.inChunk;
  for (let j = 0; j < extents; j++) {
    const extent = chunk * extents + j;
    const base = readListed(hv, vcpu, input, extent);
    if (base === null) return refuseList(hv, input, extent);
    for (let k = 0; k < 2 ** input.order; k++) {
      const frame = base + k;
      if (!stealPage(hv, into, frame))
        return refuse(hv, 'exchange.frame', { frame, extent, why: whyNotStolen(hv, into, frame) });
      stolen.push(mfn(frame));
      if (hv.tracer !== null) hv.tracer.checked('exchange.frame', 'met', { frame, extent });
    }
  }
  return 0;
}

function takeOutputs(hv: Hypervisor, { output, outChunk }: Exchange, taken: Mfn[]): number {
  const bits = output.memFlags & ADDRESS_BITS;
  const below = bits === 0 ? hv.machine.maxPage : 2 ** Math.max(bits - PAGE_SHIFT, 0);
  for (let j = 0; j < 2 ** outChunk; j++) {
    const base = takeForNobody(hv, output.order, below);
    if (base === null)
      return refuse(hv, 'exchange.no-memory', { order: output.order, free: hv.heap.freeFrames });
    taken.push(base);
  }
  met(hv, 'exchange.no-memory');
  return 0;
}

/** Assigns the new frames, enters them into the M2P as the output list says, and tells which they are. */
function handOut(hv: Hypervisor, vcpu: Vcpu, plan: Exchange, chunk: number, taken: readonly Mfn[]): number {
  const { output, into } = plan;
  let rc = 0;
  taken.forEach((base, j) => {
    forEachPage(output.order, base, (frame) => assignStolen(hv, frame, into));
    const extent = chunk * taken.length + j;
    if (hv.tracer !== null) hv.tracer.did('assign', { frame: base, extent });
    const page = readListed(hv, vcpu, output, extent);
    if (page === null) {
      rc = refuseList(hv, output, extent);
      return;
    }
    forEachPage(output.order, base, (frame) => {
      const number = page + (frame - base);
      hv.machine.setM2p(frame, number | 0, Math.floor(number / HIGH_WORD_WEIGHT));
    });
    did(hv, 'm2p');
    if (!writeListed(hv, vcpu, output, extent, base)) rc = refuseList(hv, output, extent);
  });
  return rc;
}

function forEachPage(order: number, base: Mfn, visit: (frame: Mfn) => void): void {
  for (let i = 0; i < 2 ** order; i++) visit(mfn(base + i));
}

function readExtents(hv: Hypervisor, vcpu: Vcpu, lo: number, hi: number, base: number): Extents | null {
  const { memoryReservation: layout } = hv.abi;
  const word = (field: Field) => readWord(vcpu, lo, hi, { ...field, offset: field.offset + base });
  const values = [
    layout.extentStart,
    layout.nrExtents,
    layout.extentOrder,
    layout.memFlags,
    layout.domid,
  ].map(word);
  const [list, count, order, memFlags, domid] = values;
  if (list == null || count == null || order == null || memFlags == null || domid == null) return null;
  return {
    listLo: Number(BigInt.asIntN(32, list)),
    listHi: Number(BigInt.asIntN(32, list >> 32n)),
    count,
    order: Number(order),
    memFlags: Number(memFlags),
    domid: Number(domid),
  };
}

function readWord(vcpu: Vcpu, lo: number, hi: number, field: Field): bigint | null {
  if (!readField(vcpu, lo, hi, field)) return null;
  return joinWords(vcpu.mmu.lo, field.bytes === 8 ? vcpu.mmu.hi : 0);
}

const listField = (hv: Hypervisor, extent: number): Field => ({
  offset: extent * hv.abi.wordBytes,
  bytes: hv.abi.wordBytes,
});

/** A frame number of a list; null when it cannot be read. */
function readListed(hv: Hypervisor, vcpu: Vcpu, { listLo, listHi }: Extents, extent: number): number | null {
  if (!readField(vcpu, listLo, listHi, listField(hv, extent))) return null;
  if (hv.tracer !== null) hv.tracer.checked('exchange.list', 'met', { extent });
  return (vcpu.mmu.hi >>> 0) * HIGH_WORD_WEIGHT + (vcpu.mmu.lo >>> 0);
}

const writeListed = (hv: Hypervisor, vcpu: Vcpu, e: Extents, extent: number, frame: Mfn): boolean =>
  writeField(
    vcpu,
    e.listLo,
    e.listHi,
    listField(hv, extent),
    frame | 0,
    Math.floor(frame / HIGH_WORD_WEIGHT),
  );

const refuseList = (hv: Hypervisor, { listLo, listHi }: Extents, extent: number): number =>
  refuse(hv, 'exchange.list', { addressLo: listLo, addressHi: listHi, extent });
