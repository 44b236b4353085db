/**
 * Carries out operation lists on a guest port. A page is named by its PFN and found through the P2M as it stands; the
 * guest's side of each operation (P2M edits, scratch mappings) is done here, so it is the same on every machine.
 */

import { AT, ArgumentArea, NR } from './argument-area.ts';
import { MAPPED_READ_ONLY, MAPPED_WRITABLE, frameIn, isPresent, withFrame } from './entries.ts';
import { type GrantEntry, GrantOperations } from './grant-operations.ts';
import { type AccessFault, FREE_FRAME, type FrameRecord, type GuestPort } from './guest-port.ts';
import {
  GRANT_FRAMES,
  type FrameName,
  type GrantFrame,
  type GrantPlace,
  type MmuRequest,
  type Operation,
  OperationMistake,
  type Word,
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
  /** The words of a hypercall's data that were asked for. */
  readonly values?: readonly bigint[];
  readonly rule?: string;
}

const XENMEM = { decrease: 1, populate: 6, exchange: 11 } as const;
const MMUEXT = { newUserBaseptr: 15, copyPage: 17 } as const;
const MMU_MACHPHYS_UPDATE = 1;
const DOMID_SELF = 0x7ff0;

const INVALID_FRAME = 0xffff_ffff_ffff_ffffn;
const M2P_WINDOW = 0xffff_8000_0000_0000n;
const WORDS_PER_PAGE = 512;

/** A boot page at the bottom of the address space that lists leave alone. */
const SCRATCH_VA = 0x1000n;

export class OperationRunner {
  /** Frames that the last operation got from Xen, in order. */
  taken: readonly bigint[] = [];
  private readonly port: GuestPort;
  private readonly area: ArgumentArea;
  private readonly grants: GrantOperations;
  /** Frames that a PFN named last, kept after its page was given back. */
  private readonly lastFrames = new Map<number, bigint>();
  private readonly nameOf: (frame: bigint) => bigint | null;

  /** @param nameOf how a frame in a value that was read is told; null leaves it as it is. Default: by its PFN. */
  constructor(port: GuestPort, nameOf?: (frame: bigint) => bigint | null) {
    this.port = port;
    this.area = new ArgumentArea(port);
    this.grants = new GrantOperations(port, this.area);
    this.nameOf = nameOf ?? ((frame) => this.pfnOfFrame(frame));
    this.area.mapAt(SCRATCH_VA, 0n);
  }

  /** Carries out one operation. Throws an OperationMistake for what only shows while the list runs. */
  run(operation: Operation): Outcome {
    this.taken = [];
    const outcome = this.carryOut(operation);
    const rule = this.port.brokenRule;
    return rule === null ? outcome : { ...outcome, rule };
  }

  /** The frame-table row of a page, also after the page was given back. */
  frameState(name: FrameName): FrameRecord | null {
    const frame = this.currentOrLastFrame(name);
    return frame === INVALID_FRAME ? FREE_FRAME : this.port.frame(frame);
  }

  /** The machine frame that a name stands for or, where it stands for none, stood for last: all ones when for none ever. */
  currentOrLastFrame(name: FrameName): bigint {
    const frame = this.frameOf(name, false);
    if (frame !== INVALID_FRAME || typeof name === 'string') return frame;
    return this.lastFrames.get(Number(name)) ?? INVALID_FRAME;
  }

  /** The machine frame that a name stands for: all ones when the P2M has none. */
  frameOf(name: FrameName, raw: boolean): bigint {
    if (isGrantFrame(name)) return this.grants.frameOf(name) ?? INVALID_FRAME;
    if (typeof name === 'string') return this.port.namedFrames.get(name) ?? INVALID_FRAME;
    if (raw) return name;
    return name < BigInt(this.port.nrPages) ? this.port.p2m(Number(name)) : INVALID_FRAME;
  }

  /** The pages of the grant table that have been set up. */
  get grantFrames(): readonly bigint[] {
    return this.grants.frames;
  }

  /** An entry of the grant table, read without the guest. */
  grantEntry(ref: number): GrantEntry {
    return this.grants.entry(ref);
  }

  private carryOut(o: Operation): Outcome {
    switch (o.op) {
      case 'mmu_update':
        return this.mmuUpdate(o.requests, o.fd ?? DOMID_SELF, o.raw);
      case 'mmuext':
        return this.mmuext(o);
      case 'va_map':
        return result(this.area.call(NR.updateVaMapping, [o.va, this.entry(o), o.flags]));
      case 'decrease':
        return this.decrease(o.p, o.order, o.raw);
      case 'populate':
        return this.populate(o.p, o.order, o.raw);
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
        return this.grantSetup(o);
      case 'grant_set':
        return this.grants.set(o, this.frameOf(o.p, o.raw));
      case 'grant_map':
        return this.grants.map(o, this.placeOf(o.place, o.raw));
      case 'grant_unmap':
        return this.grants.unmap(o, this.placeOf(o.place, o.raw));
      case 'hypercall':
        return this.hypercall(o);
    }
  }

  private mmuUpdate(requests: readonly MmuRequest[], fd: number, raw: boolean): Outcome {
    const words = requests.flatMap((request) => {
      const address = this.entryAddress(request.p, request.index, raw) + BigInt(request.cmd);
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
    const { area } = this;
    area.put(AT.requests, words);
    area.put(AT.done, [0n]);
    const rc = area.call(number, [area.at(AT.requests), BigInt(count), area.at(AT.done), BigInt(fd)]);
    return { rc, done: area.view(AT.done, 4).getUint32(0, true) };
  }

  private decrease(p: FrameName, order: number, raw: boolean): Outcome {
    this.area.put(AT.list, [this.frameOf(p, raw)]);
    const rc = this.reservation(XENMEM.decrease, order);
    if (rc === 1 && typeof p === 'bigint' && !raw)
      for (let i = 0; i < 2 ** order; i++) this.nameFrame(Number(p) + i, INVALID_FRAME);
    return { rc, done: rc };
  }

  private populate(p: FrameName, order: number, raw: boolean): Outcome {
    const pfn = this.pfnOf(p, raw, 'populate');
    this.area.put(AT.list, [BigInt(pfn)]);
    const rc = this.reservation(XENMEM.populate, order);
    if (rc === 1) this.take(pfn, this.area.view(AT.list, 8).getBigUint64(0, true), 2 ** order);
    return { rc, done: rc };
  }

  private reservation(command: number, order: number): number {
    const structure = new DataView(new ArrayBuffer(32));
    structure.setBigUint64(0, this.area.at(AT.list), true);
    structure.setBigUint64(8, 1n, true);
    structure.setUint32(16, order, true);
    structure.setUint16(24, DOMID_SELF, true);
    return this.area.callWith(NR.memoryOp, command, structure);
  }

  private exchange(p: FrameName, raw: boolean): Outcome {
    const pfn = this.pfnOf(p, raw, 'exchange');
    this.area.put(AT.list, [this.frameOf(p, raw), BigInt(pfn)]);
    const structure = new DataView(new ArrayBuffer(72));
    for (const half of [0, 1]) {
      structure.setBigUint64(32 * half, this.area.at(AT.list + 8 * half), true);
      structure.setBigUint64(32 * half + 8, 1n, true);
      structure.setUint16(32 * half + 24, DOMID_SELF, true);
    }
    const rc = this.area.callWith(NR.memoryOp, XENMEM.exchange, structure);
    const done = Number(this.area.view(AT.structure + 64, 8).getBigUint64(0, true));
    if (done === 1 && rc === 0) this.take(pfn, this.area.view(AT.list + 8, 8).getBigUint64(0, true), 1);
    return { rc, done };
  }

  /** Enters frames that Xen gave into the P2M. */
  private take(pfn: number, base: bigint, count: number): void {
    this.taken = Array.from({ length: count }, (_, i) => base + BigInt(i));
    this.taken.forEach((frame, i) => {
      this.nameFrame(pfn + i, frame);
    });
  }

  private grantSetup(o: Operation & { op: 'grant_setup' }): Outcome {
    const outcome = this.grants.setup(o);
    if (outcome.status !== 0) return outcome;
    this.taken = this.grants.frames;
    for (const frame of this.taken) this.forgetLast(frame);
    return outcome;
  }

  private hypercall(o: Operation & { op: 'hypercall' }): Outcome {
    const values = (words: readonly Word[]): bigint[] => words.map((word) => this.wordOf(word, o.raw));
    const before = values(o.data ?? []);
    this.area.put(AT.requests, before);
    const rc = this.area.call(o.nr, values(o.args));
    const word = (at: number): bigint => this.area.view(AT.requests + 8 * at, 8).getBigUint64(0, true);
    if (o.takes !== undefined && word(o.takes.word) !== before[o.takes.word])
      this.take(this.pfnOf(o.takes.p, false, 'hypercall: "takes"'), word(o.takes.word), 2 ** o.takes.order);
    return { ...result(rc), ...(o.show === undefined ? {} : { values: o.show.map(word) }) };
  }

  private wordOf(word: Word, raw: boolean): bigint {
    if (typeof word === 'bigint') return word;
    if ('frame' in word) return this.frameOf(word.frame, raw);
    if ('pte' in word) return this.entry({ ...word, raw });
    if ('table' in word) return this.entryAddress(word.table, word.index, raw) + BigInt(word.cmd ?? 0);
    return this.area.at(AT.requests + word.data);
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
    const rc = this.area.mapAt(SCRATCH_VA, withFrame(flags, this.frameOf(o.p, o.raw)));
    if (rc !== 0) return result(rc);
    const outcome = work();
    this.area.mapAt(SCRATCH_VA, 0n);
    return outcome;
  }

  private placeOf(place: GrantPlace, raw: boolean): bigint {
    return 'va' in place ? place.va : this.entryAddress(place.p, place.index, raw);
  }

  /** The machine address of a slot of a table. */
  private entryAddress(table: FrameName, index: number, raw: boolean): bigint {
    return (this.frameOf(table, raw) << 12n) + BigInt(index * 8);
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
    if (o.raw || !isPresent(o.pte)) return o.pte;
    return withFrame(o.pte, this.frameOf(frameIn(o.pte), false));
  }

  /** A present entry with its frame told by name, where it has one. */
  private named(value: bigint): bigint {
    if (!isPresent(value)) return value;
    const name = this.nameOf(frameIn(value));
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
    else this.forgetLast(frame);
    this.port.setP2m(pfn, frame);
  }

  private forgetLast(frame: bigint): void {
    for (const [former, last] of this.lastFrames) if (last === frame) this.lastFrames.delete(former);
  }

  /** The place in the P2M of a page that gets a new frame; a machine frame has the one that the M2P gives it. */
  private pfnOf(p: FrameName, raw: boolean, op: string): number {
    const pfn = raw && typeof p === 'bigint' ? this.pfnOfFrame(p) : p;
    if (typeof pfn === 'bigint' && pfn < BigInt(this.port.nrPages)) return Number(pfn);
    const name = typeof p === 'string' ? p : `0x${p.toString(16)}`;
    const what = raw ? 'a machine frame whose M2P entry is a PFN' : 'a PFN';
    throw new OperationMistake(`${op} of ${name}: give ${what} below 0x${this.port.nrPages.toString(16)}`);
  }
}

const result = (rc: number): Outcome => ({ rc, done: 0 });
const wordAt = (index: number): bigint => SCRATCH_VA + BigInt(index * 8);
const isGrantFrame = (name: FrameName): name is GrantFrame =>
  typeof name === 'string' && (GRANT_FRAMES as readonly string[]).includes(name);
