/**
 * A real Xen behind the guest port: the oracle's kernel as domain 0 under QEMU, driven through its mailbox in shared
 * RAM. Starting proves the layout of Xen's memory on frames whose state is known; where it does not hold, it refuses.
 */

import {
  ARGUMENT_PAGES,
  NOWHERE_FRAME,
  VGA_FRAME,
  type AccessFault,
  type GuestPort,
} from '../../../adapter/conformance/guest-port.ts';
import type { BootTable, FrameAlias } from '../../../adapter/conformance/operations.ts';
import { GuestRam } from '../../../adapter/real-xen/guest-ram.ts';
import { type XenLayout, layoutOf } from './layouts.ts';
import { type BootFiles, QemuMachine, sleep } from '../../../adapter/real-xen/qemu.ts';
import { proveLayout } from './prove.ts';
import { RealXenUnavailable } from '../../../adapter/real-xen/real-xen-unavailable.ts';
import { type RealFrame, XenMemory } from './xen-memory.ts';

const PAGE_SIZE = 4096;
const MAGIC = 0x786e_6365_6e65_6c6cn;
const NO_FAULT = 0xffff_ffff_ffff_ffffn;
const VECTOR_PAGE_FAULT = 14n;

/** Offsets in the control page; kernel/mailbox.h. */
const Box = {
  magic: 0,
  request: 8,
  response: 12,
  command: 16,
  args: 24,
  result: 72,
  faultVector: 80,
  faultCode: 88,
  faultAddress: 96,
  nrPages: 104,
  rootPfn: 112,
  arguments: 128,
  version: 144,
  argumentMfns: 152,
  nrP2mPages: 184,
  p2mMfns: 192,
  sharedInfo: 704,
} as const;
const Command = { hypercall: 1n, load: 2n, fill: 4n } as const;

const ANSWER_SECONDS = 10;
/** Polls without sleeping: an answer takes microseconds, unless others need the processors too. */
const BUSY_POLLS = 300;
/** The shortest sleeps that the system gives, in milliseconds. */
const NAP = 0.02;

/** The machine did not answer: it has stopped, or an operation takes without end. */
export class MachineStopped extends Error {}

export class RealPort implements GuestPort {
  readonly nrPages: number;
  readonly argumentsVa: bigint;
  readonly bootTables: ReadonlyMap<BootTable, bigint>;
  readonly namedFrames: ReadonlyMap<FrameAlias, bigint>;
  readonly brokenRule = null;
  readonly version: string;
  private readonly machine: QemuMachine;
  private readonly ram: GuestRam;
  private readonly box: bigint;
  private readonly xen: XenMemory;
  private readonly root: bigint;
  private readonly argumentFrames: readonly bigint[];
  private readonly p2mFrames: readonly bigint[];
  private readonly request = new DataView(new ArrayBuffer(56));
  private readonly requestWord = new DataView(new ArrayBuffer(4));
  private readonly responseWord = new DataView(new ArrayBuffer(4));
  private readonly answer = new DataView(new ArrayBuffer(32));
  private count: number;
  private hasSnapshot = false;

  constructor(files: BootFiles) {
    this.machine = new QemuMachine(files);
    try {
      const mailbox = this.machine.waitForConsole(/oracle: mailbox ([0-9a-f]{16})\s/);
      this.ram = new GuestRam(this.machine.ramPath);
      this.box = BigInt(`0x${mailbox[1] ?? '0'}`) * BigInt(PAGE_SIZE);
      if (this.control(Box.magic) !== MAGIC)
        throw new RealXenUnavailable(
          'The mailbox is not where the kernel said: guest RAM is not shared with QEMU.',
        );
      this.count = Number(this.control(Box.request) & 0xffff_ffffn);
      this.nrPages = Number(this.control(Box.nrPages));
      this.argumentsVa = this.control(Box.arguments);
      this.argumentFrames = this.frameList(Box.argumentMfns, ARGUMENT_PAGES);
      this.p2mFrames = this.frameList(Box.p2mMfns, Number(this.control(Box.nrP2mPages)));
      const version = this.control(Box.version);
      this.version = `${version >> 16n}.${version & 0xffffn}`;
      const layout = layoutOf(this.version);
      this.root = this.p2m(Number(this.control(Box.rootPfn)));
      this.bootTables = this.findBootTables(this.root);
      this.xen = this.prove(layout);
      this.namedFrames = new Map<FrameAlias, bigint>([
        ...this.bootTables,
        ['shared_info', this.control(Box.sharedInfo) >> 12n],
        ['xen.m2p', (this.ram.translate(this.root, layout.m2p) ?? 0n) >> 12n],
        ['free', this.findFreeFrame()],
        ['vga', VGA_FRAME],
        ['nowhere', NOWHERE_FRAME],
      ]);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Xen's memory, after a proof that it is laid out so; throws RealXenUnavailable where it is not. */
  prove(layout: XenLayout): XenMemory {
    const xen = new XenMemory(this.ram, layout, this.root);
    xen.learnDomain(this.root);
    proveLayout(this, xen);
    return xen;
  }

  /** How Xen names itself on its console: release, and who built it. */
  get banner(): string {
    return /Xen version (\S+ \([^)]*\))/.exec(this.console())?.[1] ?? this.version;
  }

  close(): void {
    this.machine.stop();
  }

  console(): string {
    return this.machine.console();
  }

  /** Brings back the state after start of day; the first call only keeps it. */
  reset(): void {
    if (this.hasSnapshot) this.machine.restore();
    else this.machine.snapshot();
    this.xen.forget();
    this.hasSnapshot = true;
    this.count = Number(this.control(Box.request) & 0xffff_ffffn);
  }

  hypercall(number: number, args: readonly bigint[]): bigint {
    this.ask(Command.hypercall, [BigInt(number), ...args]);
    return this.answer.getBigInt64(0, true);
  }

  load(va: bigint): bigint | AccessFault {
    this.ask(Command.load, [va]);
    return this.fault() ?? this.answer.getBigUint64(0, true);
  }

  store(va: bigint, value: bigint, words: number): AccessFault | null {
    this.ask(Command.fill, [va, value, BigInt(words)]);
    return this.fault();
  }

  writeArguments(offset: number, bytes: Uint8Array): void {
    for (const { address, from, length } of this.argumentParts(offset, bytes.length))
      this.ram.write(address, bytes.subarray(from, from + length));
  }

  readArguments(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (const part of this.argumentParts(offset, length))
      this.ram.read(part.address, bytes.subarray(part.from, part.from + part.length));
    return bytes;
  }

  p2m(pfn: number): bigint {
    return this.ram.read64(this.p2mAddress(pfn));
  }

  setP2m(pfn: number, frame: bigint): void {
    this.ram.write64(this.p2mAddress(pfn), frame);
  }

  m2p(frame: bigint): bigint | null {
    return this.xen.m2p(frame);
  }

  frame(frame: bigint): RealFrame | null {
    return this.xen.frame(frame);
  }

  /** The 8-byte words of a frame. */
  contents(frame: bigint): BigUint64Array {
    const words = new BigUint64Array(PAGE_SIZE / 8);
    this.ram.read(frame * BigInt(PAGE_SIZE), new Uint8Array(words.buffer));
    return words;
  }

  word(frame: bigint, index: number): bigint {
    return this.ram.read64(frame * BigInt(PAGE_SIZE) + BigInt(index * 8));
  }

  /** Fills a frame with zeros, past the guest and Xen. */
  clearFrame(frame: bigint): void {
    this.ram.write(frame * BigInt(PAGE_SIZE), new Uint8Array(PAGE_SIZE));
  }

  /** Puts a command into the mailbox, rings, and waits for the answer. */
  private ask(command: bigint, args: readonly bigint[]): void {
    const { request } = this;
    request.setBigUint64(0, command, true);
    for (let i = 0; i < 6; i++) request.setBigUint64(8 + i * 8, BigInt.asUintN(64, args[i] ?? 0n), true);
    this.ram.write(this.box + BigInt(Box.command), new Uint8Array(request.buffer));
    this.count = (this.count + 1) >>> 0;
    this.requestWord.setUint32(0, this.count, true);
    this.ram.write(this.box + BigInt(Box.request), new Uint8Array(this.requestWord.buffer));
    this.machine.resume();
    this.waitForAnswer();
    this.machine.pause();
    this.xen.forget();
    this.ram.read(this.box + BigInt(Box.result), new Uint8Array(this.answer.buffer));
  }

  private waitForAnswer(): void {
    const at = this.box + BigInt(Box.response);
    const bytes = new Uint8Array(this.responseWord.buffer);
    const deadline = Date.now() + ANSWER_SECONDS * 1000;
    for (let polls = 0; ; polls++) {
      this.ram.read(at, bytes);
      if (this.responseWord.getUint32(0, true) === this.count) return;
      if (polls < BUSY_POLLS) continue;
      sleep(NAP);
      if (polls % 1000 === 0 && (Date.now() > deadline || !this.machine.isRunning())) break;
    }
    const last = this.machine.console().trim().split('\n').slice(-6).join('\n');
    throw new MachineStopped(`the real machine gave no answer; its console ends with:\n${last}`);
  }

  private fault(): AccessFault | null {
    const vector = this.answer.getBigUint64(8, true);
    if (vector === NO_FAULT) return null;
    const errorCode = Number(this.answer.getBigUint64(16, true));
    const cr2 = vector === VECTOR_PAGE_FAULT ? { cr2: this.answer.getBigUint64(24, true) } : {};
    return { vector: Number(vector), errorCode, ...cr2 };
  }

  private control(offset: number): bigint {
    return this.ram.read64(this.box + BigInt(offset));
  }

  private frameList(offset: number, length: number): bigint[] {
    return Array.from({ length }, (_, i) => this.control(offset + i * 8));
  }

  /** A free frame that Xen's allocator will not choose soon: the lowest one above the first 16 MiB. */
  private findFreeFrame(): bigint {
    for (let frame = 0x1000n; ; frame++) {
      const state = this.xen.frame(frame);
      if (state === null) throw new RealXenUnavailable('The machine has no free frame: give it more memory.');
      if (state.owner === 'none') return frame;
    }
  }

  private p2mAddress(pfn: number): bigint {
    const frame = this.p2mFrames[Math.floor((pfn * 8) / PAGE_SIZE)];
    if (frame === undefined) throw new Error(`real-port: the P2M has no entry ${pfn}`);
    return frame * BigInt(PAGE_SIZE) + BigInt((pfn * 8) % PAGE_SIZE);
  }

  private findBootTables(root: bigint): Map<BootTable, bigint> {
    const child = (table: bigint, slot: number): bigint =>
      (this.ram.read64(table * BigInt(PAGE_SIZE) + BigInt(slot * 8)) & 0x000f_ffff_ffff_f000n) >> 12n;
    const l3 = child(root, 0);
    const l2 = child(l3, 0);
    return new Map<BootTable, bigint>([
      ['boot.l4', root],
      ['boot.l3', l3],
      ['boot.l2', l2],
      ['boot.l1.0', child(l2, 0)],
      ['boot.l1.1', child(l2, 1)],
    ]);
  }

  private argumentParts(offset: number, length: number): { address: bigint; from: number; length: number }[] {
    const parts = [];
    for (let done = 0; done < length;) {
      const at = (offset + done) % PAGE_SIZE;
      const part = Math.min(PAGE_SIZE - at, length - done);
      const frame = this.argumentFrames[Math.floor((offset + done) / PAGE_SIZE)];
      if (frame === undefined) throw new Error(`real-port: argument offset ${offset} is past the pages`);
      parts.push({ address: frame * BigInt(PAGE_SIZE) + BigInt(at), from: done, length: part });
      done += part;
    }
    return parts;
  }
}
