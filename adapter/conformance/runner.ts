/**
 * Carries out operation lists on a guest port. A page is named by its PFN and found through the P2M as it stands; the
 * guest's side of each operation (P2M edits, scratch mappings) is done here, so it is the same on every machine.
 */

import { type AccessFault, FREE_FRAME, type FrameState, type GuestPort } from './guest-port.ts';
import {
  type FrameName,
  type GrantPlace,
  type MmuRequest,
  type Operation,
  OperationMistake,
} from './operations.ts';

/** What an operation gave; the fields of a line of output. */
export interface Outcome {
  readonly rc: number;
  /** Requests or extents completed; 0 for operations that do not count. */
  readonly done: number;
  readonly value?: bigint;
  readonly fault?: AccessFault;
  /** GNTST_* of a grant operation. */
  readonly status?: number;
  readonly handle?: number;
  readonly rule?: string;
}

const NR = { mmuUpdate: 1, memoryOp: 12, updateVaMapping: 14, grantTableOp: 20, mmuextOp: 26 } as const;
const XENMEM = { decrease: 1, populate: 6, exchange: 11 } as const;
const GNTTABOP = { map: 0, unmap: 1, setup: 2 } as const;
const GNTMAP_CONTAINS_PTE = 16;
const MMUEXT = { newUserBaseptr: 15, copyPage: 17 } as const;
const MMU_MACHPHYS_UPDATE = 1;
const DOMID_SELF = 0x7ff0;
const UVMF_INVLPG = 2n;

const INVALID_FRAME = 0xffff_ffff_ffff_ffffn;
const FRAME_FIELD = 0x000f_ffff_ffff_f000n;
const M2P_WINDOW = 0xffff_8000_0000_0000n;
const WORDS_PER_PAGE = 512;
const MAPPED_READ_ONLY = 0x21n; // P, A
const MAPPED_WRITABLE = 0x63n; // P, RW, A, D

/** Boot pages at the bottom of the address space that lists leave alone: one for scratch, the next for grant entries. */
const SCRATCH_VA = 0x1000n;
const GRANT_VA = 0x2000n;
export const MAX_GRANT_FRAMES = 14;
const GRANTS_PER_FRAME = 512;

/** Offsets within the argument pages. */
const AT = { structure: 0, list: 1024, done: 2048, requests: 4096 } as const;

export class OperationRunner {
  private readonly port: GuestPort;
  /** Frames that a PFN named last, kept after its page was given back. */
  private readonly lastFrames = new Map<number, bigint>();
  private readonly nameOf: (frame: bigint) => bigint | null;
  private grantFrames = 0;

  /** @param nameOf how a frame in a value that was read is told; null leaves it as it is. Default: by its PFN. */
  constructor(port: GuestPort, nameOf?: (frame: bigint) => bigint | null) {
    this.port = port;
    this.nameOf = nameOf ?? ((frame) => this.pfnOfFrame(frame));
    this.mapAt(SCRATCH_VA, 0n);
  }

  /** Carries out one operation. Throws an OperationMistake for what only shows while the list runs. */
  run(operation: Operation): Outcome {
    const outcome = this.carryOut(operation);
    const rule = this.port.brokenRule;
    return rule === null ? outcome : { ...outcome, rule };
  }

  /** The frame-table row of a page, also after the page was given back. */
  frameState(name: FrameName): FrameState | null {
    const frame = this.frameOf(name, false);
    const last = typeof name === 'bigint' ? this.lastFrames.get(Number(name)) : undefined;
    if (frame !== INVALID_FRAME) return this.port.frame(frame);
    return last === undefined ? FREE_FRAME : this.port.frame(last);
  }

  /** The machine frame that a name stands for: all ones when the P2M has none. */
  frameOf(name: FrameName, raw: boolean): bigint {
    if (typeof name === 'string') return this.port.namedFrames.get(name) ?? INVALID_FRAME;
    if (raw) return name;
    return name < BigInt(this.port.nrPages) ? this.port.p2m(Number(name)) : INVALID_FRAME;
  }

  private carryOut(o: Operation): Outcome {
    switch (o.op) {
      case 'mmu_update':
        return this.mmuUpdate(o.requests, o.fd ?? DOMID_SELF, o.raw);
      case 'mmuext':
        return this.mmuext(o);
      case 'va_map':
        return result(this.call(NR.updateVaMapping, [o.va, this.entry(o), o.flags]));
      case 'decrease':
        return this.decrease(o.p, o.order, o.raw);
      case 'populate':
        return this.populate(o.p, o.order);
      case 'exchange':
        return this.exchange(o.p, o.raw);
      case 'fill':
        return this.throughScratch(o, MAPPED_WRITABLE, () =>
          this.storeAt(SCRATCH_VA, o.value, WORDS_PER_PAGE),
        );
      case 'poke':
        return this.throughScratch(o, MAPPED_WRITABLE, () => this.storeAt(wordAt(o.index), this.entry(o), 1));
      case 'peek':
        return this.throughScratch(o, MAPPED_READ_ONLY, () => this.loadAt(wordAt(o.index), o.raw));
      case 'store':
        return this.storeAt(o.va, this.entry(o), 1);
      case 'load':
        return this.loadAt(o.va, o.raw);
      case 'm2p':
        return this.loadM2p(this.frameOf(o.p, o.raw));
      case 'grant_setup':
        return this.grantSetup(o.frames);
      case 'grant_set':
        return this.grantSet(o);
      case 'grant_map':
        return this.grantMap(o);
      case 'grant_unmap':
        return this.grantUnmap(o.place, o.handle, o.raw);
    }
  }

  private mmuUpdate(requests: readonly MmuRequest[], fd: number, raw: boolean): Outcome {
    const words = requests.flatMap((request) => {
      const address = (this.frameOf(request.p, raw) << 12n) + BigInt(request.index * 8) + BigInt(request.cmd);
      const value = request.cmd === MMU_MACHPHYS_UPDATE ? request.pte : this.entry({ ...request, raw });
      return [address, value];
    });
    return this.batch(NR.mmuUpdate, words, requests.length, fd);
  }

  private mmuext(o: Operation & { op: 'mmuext' }): Outcome {
    const isNoRoot = o.cmd === MMUEXT.newUserBaseptr && o.p === 0n;
    const arg1 = o.va ?? (o.p === undefined || isNoRoot ? 0n : this.frameOf(o.p, o.raw));
    const arg2 = o.arg2 ?? 0n;
    const words = [BigInt(o.cmd), arg1, o.cmd === MMUEXT.copyPage ? this.frameOf(arg2, o.raw) : arg2];
    return this.batch(NR.mmuextOp, words, 1, o.fd ?? DOMID_SELF);
  }

  /** The two hypercalls that take an array of requests, a count, a place for the number done, and a domain. */
  private batch(number: number, words: readonly bigint[], count: number, fd: number): Outcome {
    const va = this.port.argumentsVa;
    this.put(AT.requests, words);
    this.put(AT.done, [0n]);
    const args = [va + BigInt(AT.requests), BigInt(count), va + BigInt(AT.done), BigInt(fd)];
    const rc = this.call(number, args);
    return { rc, done: this.view(AT.done, 4).getUint32(0, true) };
  }

  private decrease(p: FrameName, order: number, raw: boolean): Outcome {
    this.put(AT.list, [this.frameOf(p, raw)]);
    const rc = this.reservation(XENMEM.decrease, order);
    if (rc === 1 && typeof p === 'bigint' && !raw)
      for (let i = 0; i < 2 ** order; i++) this.nameFrame(Number(p) + i, INVALID_FRAME);
    return { rc, done: rc };
  }

  private populate(p: FrameName, order: number): Outcome {
    const pfn = this.pfnOf(p, 'populate');
    this.put(AT.list, [BigInt(pfn)]);
    const rc = this.reservation(XENMEM.populate, order);
    const base = this.view(AT.list, 8).getBigUint64(0, true);
    if (rc === 1) for (let i = 0; i < 2 ** order; i++) this.nameFrame(pfn + i, base + BigInt(i));
    return { rc, done: rc };
  }

  private reservation(command: number, order: number): number {
    const structure = new DataView(new ArrayBuffer(32));
    structure.setBigUint64(0, this.port.argumentsVa + BigInt(AT.list), true);
    structure.setBigUint64(8, 1n, true);
    structure.setUint32(16, order, true);
    structure.setUint16(24, DOMID_SELF, true);
    return this.callWith(NR.memoryOp, BigInt(command), structure);
  }

  private exchange(p: FrameName, raw: boolean): Outcome {
    const pfn = this.pfnOf(p, 'exchange');
    const listVa = this.port.argumentsVa + BigInt(AT.list);
    this.put(AT.list, [this.frameOf(p, raw), BigInt(pfn)]);
    const structure = new DataView(new ArrayBuffer(72));
    for (const half of [0, 1]) {
      structure.setBigUint64(32 * half, listVa + BigInt(8 * half), true);
      structure.setBigUint64(32 * half + 8, 1n, true);
      structure.setUint16(32 * half + 24, DOMID_SELF, true);
    }
    const rc = this.callWith(NR.memoryOp, BigInt(XENMEM.exchange), structure);
    const done = Number(this.view(AT.structure + 64, 8).getBigUint64(0, true));
    if (done === 1 && rc === 0) this.nameFrame(pfn, this.view(AT.list + 8, 8).getBigUint64(0, true));
    return { rc, done };
  }

  private loadM2p(frame: bigint): Outcome {
    const loaded = this.port.load(BigInt.asUintN(64, M2P_WINDOW + frame * 8n));
    return typeof loaded === 'bigint' ? { rc: 0, done: 0, value: loaded } : { rc: 0, done: 0, fault: loaded };
  }

  /** Maps a page at the scratch address, works there and unmaps it. The result of a mapping that fails is its rc. */
  private throughScratch(
    o: { readonly p: FrameName; readonly raw: boolean },
    flags: bigint,
    work: () => Outcome,
  ): Outcome {
    const rc = this.mapAt(SCRATCH_VA, withFrame(flags, this.frameOf(o.p, o.raw)));
    if (rc !== 0) return result(rc);
    const outcome = work();
    this.mapAt(SCRATCH_VA, 0n);
    return outcome;
  }

  private grantSetup(frames: number): Outcome {
    if (frames > MAX_GRANT_FRAMES)
      throw new OperationMistake(
        `grant_setup of ${frames} frames: a list can use at most ${MAX_GRANT_FRAMES}`,
      );
    const structure = new DataView(new ArrayBuffer(24));
    structure.setUint16(0, DOMID_SELF, true);
    structure.setUint32(4, frames, true);
    structure.setBigUint64(16, this.port.argumentsVa + BigInt(AT.list), true);
    const rc = this.grantOp(GNTTABOP.setup, structure);
    const status = this.view(AT.structure + 8, 2).getInt16(0, true);
    if (rc === 0 && status === 0) this.mapGrantFrames(frames);
    return { rc, done: 0, status };
  }

  private mapGrantFrames(frames: number): void {
    const list = this.view(AT.list, frames * 8);
    for (let i = 0; i < frames; i++)
      this.mapAt(GRANT_VA + BigInt(i * 4096), withFrame(MAPPED_WRITABLE, list.getBigUint64(i * 8, true)));
    this.grantFrames = Math.max(this.grantFrames, frames);
  }

  private grantSet(o: Operation & { op: 'grant_set' }): Outcome {
    if (o.ref >= this.grantFrames * GRANTS_PER_FRAME)
      throw new OperationMistake(
        `grant_set of entry ${o.ref}: the table has ${this.grantFrames * GRANTS_PER_FRAME} entries, use grant_setup first`,
      );
    const frame = BigInt.asUintN(32, this.frameOf(o.p, o.raw));
    const entry = (frame << 32n) | (BigInt(o.domid) << 16n) | BigInt(o.flags);
    return this.storeAt(GRANT_VA + BigInt(o.ref * 8), entry, 1);
  }

  private grantMap(o: Operation & { op: 'grant_map' }): Outcome {
    const structure = new DataView(new ArrayBuffer(32));
    structure.setBigUint64(0, this.placeOf(o.place, o.raw), true);
    structure.setUint32(8, o.flags | ('p' in o.place ? GNTMAP_CONTAINS_PTE : 0), true);
    structure.setUint32(12, o.ref, true);
    structure.setUint16(16, o.dom, true);
    const rc = this.grantOp(GNTTABOP.map, structure);
    const status = this.view(AT.structure + 18, 2).getInt16(0, true);
    const handle = this.view(AT.structure + 20, 4).getUint32(0, true);
    return { rc, done: 0, status, ...(rc === 0 && status === 0 ? { handle } : {}) };
  }

  private grantUnmap(place: GrantPlace, handle: number, raw: boolean): Outcome {
    const structure = new DataView(new ArrayBuffer(24));
    structure.setBigUint64(0, this.placeOf(place, raw), true);
    structure.setUint32(16, handle, true);
    const rc = this.grantOp(GNTTABOP.unmap, structure);
    return { rc, done: 0, status: this.view(AT.structure + 20, 2).getInt16(0, true) };
  }

  private placeOf(place: GrantPlace, raw: boolean): bigint {
    return 'va' in place ? place.va : (this.frameOf(place.p, raw) << 12n) + BigInt(place.index * 8);
  }

  private grantOp(command: number, structure: DataView): number {
    this.port.writeArguments(AT.structure, bytesOf(structure));
    return this.call(NR.grantTableOp, [BigInt(command), this.port.argumentsVa + BigInt(AT.structure), 1n]);
  }

  private storeAt(va: bigint, value: bigint, words: number): Outcome {
    const fault = this.port.store(va, value, words);
    return fault === null ? result(0) : { rc: 0, done: 0, fault };
  }

  private loadAt(va: bigint, raw: boolean): Outcome {
    const loaded = this.port.load(va);
    if (typeof loaded !== 'bigint') return { rc: 0, done: 0, fault: loaded };
    return { rc: 0, done: 0, value: raw ? loaded : this.named(loaded) };
  }

  /** An entry with its frame found through the P2M; one that is not present is passed on as it is. */
  private entry(o: { readonly pte: bigint; readonly to?: FrameName; readonly raw: boolean }): bigint {
    if (o.to !== undefined) return withFrame(o.pte, this.frameOf(o.to, o.raw));
    if (o.raw || (o.pte & 1n) === 0n) return o.pte;
    return withFrame(o.pte, this.frameOf((o.pte & FRAME_FIELD) >> 12n, false));
  }

  /** A present entry with its frame told by name, where it has one. */
  private named(value: bigint): bigint {
    if ((value & 1n) === 0n) return value;
    const name = this.nameOf((value & FRAME_FIELD) >> 12n);
    return name === null ? value : withFrame(value, name);
  }

  /** The PFN that the M2P gives, where that is one of the domain's. */
  private pfnOfFrame(frame: bigint): bigint | null {
    const pfn = this.port.m2p(frame);
    return pfn !== null && pfn < BigInt(this.port.nrPages) ? pfn : null;
  }

  /** Edits the P2M. A frame that gets a new name loses the names of its former lives. */
  private nameFrame(pfn: number, frame: bigint): void {
    if (pfn >= this.port.nrPages) return;
    if (frame === INVALID_FRAME) this.lastFrames.set(pfn, this.port.p2m(pfn));
    else for (const [former, last] of this.lastFrames) if (last === frame) this.lastFrames.delete(former);
    this.port.setP2m(pfn, frame);
  }

  private pfnOf(p: FrameName, op: string): number {
    if (typeof p === 'bigint' && p < BigInt(this.port.nrPages)) return Number(p);
    const name = typeof p === 'string' ? p : `0x${p.toString(16)}`;
    throw new OperationMistake(`${op} of ${name}: give a PFN below 0x${this.port.nrPages.toString(16)}`);
  }

  private mapAt(va: bigint, entry: bigint): number {
    return this.call(NR.updateVaMapping, [va, entry, UVMF_INVLPG]);
  }

  private callWith(number: number, command: bigint, structure: DataView): number {
    this.port.writeArguments(AT.structure, bytesOf(structure));
    return this.call(number, [command, this.port.argumentsVa + BigInt(AT.structure)]);
  }

  private call(number: number, args: readonly bigint[]): number {
    return Number(this.port.hypercall(number, args));
  }

  private put(offset: number, words: readonly bigint[]): void {
    this.port.writeArguments(offset, new Uint8Array(BigUint64Array.from(words).buffer));
  }

  private view(offset: number, length: number): DataView {
    const bytes = this.port.readArguments(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

const result = (rc: number): Outcome => ({ rc, done: 0 });
const wordAt = (index: number): bigint => SCRATCH_VA + BigInt(index * 8);
const withFrame = (entry: bigint, frame: bigint): bigint =>
  (entry & ~FRAME_FIELD) | ((frame << 12n) & FRAME_FIELD);
const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
