/**
 * One run of a kernel as domain 0 of a real Xen under QEMU's emulation: starts the machine, looks at the domain as it
 * begins, collects the log while it runs, and ends when the script has ended, in whatever way.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GuestRam } from '../real-xen/guest-ram.ts';
import type { RealXenFiles } from '../real-xen/provide.ts';
import { RealXenUnavailable } from '../real-xen/real-xen-unavailable.ts';
import { Control, LOG_MAGIC, LOG_PAGES, LOG_PAGE_BYTES, LogReader, type LogRecord } from './log.ts';

export interface MachineOptions {
  readonly memoryBytes: number;
  /** How long the script may run, in milliseconds; the start of the machine does not count. */
  readonly patienceMs: number;
  /** Told each record as it comes; false ends the run. */
  readonly watch: (record: LogRecord) => boolean;
}

/** The domain as Xen built it. */
export interface RealStart {
  /** Machine frames by PFN, and at last that of the shared info page. */
  readonly frames: Uint32Array;
  readonly nrPages: number;
  readonly root: bigint;
  /** Frames of the machine, as Xen counts them. */
  readonly machineFrames: number;
}

/** Why the run has ended. */
export type MachineEnd =
  /** The script's own end, or the watcher's. */
  | 'log'
  /** Xen has crashed the domain, or the domain has shut itself down. */
  | 'stopped'
  | 'patience'
  /** Xen itself has stopped. */
  | 'xen';

export interface MachineRun {
  readonly start: RealStart;
  readonly end: MachineEnd;
  /** `4.17.7`, as Xen says it. */
  readonly version: string;
  /** All that came over the serial line. */
  readonly serial: string;
}

const MIB = 1024 * 1024;
const PAGE_SIZE = 4096;
/** What Xen itself needs beside the domain, generously. */
const XEN_BYTES = 112 * MIB;
/** Above it, machine addresses and places in the file differ. */
export const MOST_DOMAIN_BYTES = 1024 * MIB;
export const LEAST_DOMAIN_BYTES = 8 * MIB;
/** RAM of the machine that a domain of this size runs on. */
export const machineBytes = (memoryBytes: number): number => Math.ceil((memoryBytes + XEN_BYTES) / MIB) * MIB;
const BOOT_MS = 120_000;
const POLL_MS = 2;
/** Room for a crash report to come over the serial line. */
const LAST_WORDS_MS = 300;
/** Looked at again with what comes after it. */
const LONGEST_LINE = 256;
const SHARED_MEMORY = '/dev/shm';

const CONTROL_LINE = /xenscope: control ([0-9a-f]{16})\s/;
const DOMAIN_STOPPED = /^\(XEN\) Hardware Dom0 |Domain 0 \(vcpu#\d+\) crashed/m;
const XEN_STOPPED = /Panic on CPU|Xen BUG at|FATAL (PAGE FAULT|TRAP)|Assertion '.*' failed/;

/** Runs a kernel. @throws RealXenUnavailable when the machine does not come up */
export async function runKernel(
  files: RealXenFiles,
  kernel: string,
  options: MachineOptions,
): Promise<MachineRun> {
  const machine = new Machine(files, kernel, options);
  try {
    const start = await machine.boot();
    const end = await machine.follow();
    return { start, end, version: machine.version, serial: machine.serial };
  } finally {
    machine.stop();
  }
}

class Machine {
  serial = '';
  private stopped: 'domain' | 'xen' | null = null;
  private readonly options: MachineOptions;
  private readonly folder: string;
  private readonly process: ChildProcess;
  private readonly reader = new LogReader();
  private problem: string | null = null;
  private ram: GuestRam | null = null;
  private control = 0n;
  private frames: readonly bigint[] = [];
  private read = 0n;
  private readonly onExit = (): void => this.stop();
  private readonly onSignal = (): void => {
    this.stop();
    process.exit(130);
  };

  constructor(files: RealXenFiles, kernel: string, options: MachineOptions) {
    this.options = options;
    const ramMib = machineBytes(options.memoryBytes) / MIB;
    const domainKib = options.memoryBytes / 1024;
    this.folder = mkdtempSync(join(memoryFolder(ramMib * MIB), 'xenscope-verify-'));
    this.process = spawn(
      files.qemu,
      [
        ...['-machine', 'q35,accel=tcg,memory-backend=ram', '-cpu', 'max', '-m', String(ramMib)],
        ...['-object', `memory-backend-file,id=ram,size=${ramMib}M,mem-path=${this.ramPath},share=on`],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
        ...['-kernel', files.xen, '-initrd', kernel, '-append'],
        `com1=115200,8n1 console=com1 loglvl=all guest_loglvl=all dom0_mem=${domainKib}K,max:${domainKib}K dom0_max_vcpus=4`,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.process.stdout?.on('data', (data: Buffer) => this.hear(data.toString('latin1')));
    this.process.stderr?.on('data', (data: Buffer) => (this.problem = data.toString('utf8').trim()));
    this.process.on('error', (error) => (this.problem = error.message));
    process.once('exit', this.onExit);
    process.once('SIGINT', this.onSignal);
    process.once('SIGTERM', this.onSignal);
  }

  private get ramPath(): string {
    return join(this.folder, 'ram');
  }

  get version(): string {
    return /Xen version (\d+(?:\.\d+)*)/.exec(this.serial)?.[1] ?? 'unknown';
  }

  /** Waits until the kernel stands before the script's first instruction, and lets it go on. */
  async boot(): Promise<RealStart> {
    const match = await this.waitForLine(CONTROL_LINE);
    this.ram = new GuestRam(this.ramPath);
    this.control = BigInt(`0x${match[1] ?? '0'}`) * BigInt(PAGE_SIZE);
    if (this.word(Control.magic) !== LOG_MAGIC)
      throw new RealXenUnavailable(
        'The log is not where the kernel said: guest RAM is not shared with QEMU.',
      );
    this.frames = Array.from({ length: LOG_PAGES }, (_, i) => this.word(Control.frames + i * 8));
    const start = this.readStart(this.ram);
    this.ram.write64(this.control + BigInt(Control.go), 1n);
    return start;
  }

  /** Collects records until the run ends. */
  async follow(): Promise<MachineEnd> {
    const until = Date.now() + this.options.patienceMs;
    for (;;) {
      const hasEnded = this.drain();
      if (hasEnded) return 'log';
      if (this.hasStopped) {
        await delay(LAST_WORDS_MS);
        this.drain();
        return this.stopped === 'xen' ? 'xen' : 'stopped';
      }
      if (Date.now() > until) return 'patience';
      await delay(POLL_MS);
    }
  }

  private hear(text: string): void {
    const since = Math.max(this.serial.length - LONGEST_LINE, 0);
    this.serial += text;
    const fresh = this.serial.slice(since);
    if (XEN_STOPPED.test(fresh)) this.stopped = 'xen';
    else if (DOMAIN_STOPPED.test(fresh)) this.stopped ??= 'domain';
  }

  /** Ends QEMU and removes its files; may be called again. */
  stop(): void {
    process.removeListener('exit', this.onExit);
    process.removeListener('SIGINT', this.onSignal);
    process.removeListener('SIGTERM', this.onSignal);
    this.process.kill('SIGKILL');
    this.ram?.close();
    this.ram = null;
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Reads what the guest has written since; true when it was the end. */
  private drain(): boolean {
    const { ram } = this;
    if (ram === null) return true;
    const written = this.word(Control.written);
    if (written === this.read) return false;
    const records = this.reader.add(this.ringBytes(ram, this.read, written));
    this.read = written;
    ram.write64(this.control + BigInt(Control.read), written);
    for (const record of records) if (!this.options.watch(record) || record.kind === 'end') return true;
    return false;
  }

  private ringBytes(ram: GuestRam, from: bigint, to: bigint): Uint8Array {
    const bytes = new Uint8Array(Number(to - from));
    for (let done = 0; done < bytes.length;) {
      const at = Number((from + BigInt(done)) % BigInt(LOG_PAGES * LOG_PAGE_BYTES));
      const offset = at % LOG_PAGE_BYTES;
      const count = Math.min(LOG_PAGE_BYTES - offset, bytes.length - done);
      const frame = this.frames[Math.floor(at / LOG_PAGE_BYTES)] ?? 0n;
      ram.read(frame * BigInt(PAGE_SIZE) + BigInt(offset), bytes.subarray(done, done + count));
      done += count;
    }
    return bytes;
  }

  private readStart(ram: GuestRam): RealStart {
    const root = this.word(Control.root);
    const at = (va: bigint): bigint => {
      const address = ram.translate(root, va);
      if (address === null) throw new Error(`verify.machine: nothing is mapped at 0x${va.toString(16)}`);
      return address;
    };
    const info = this.word(Control.startInfo);
    const [nrPages, sharedInfo, list] = [
      ram.read64(at(info + 32n)),
      ram.read64(at(info + 40n)),
      ram.read64(at(info + 104n)),
    ];
    const frames = new Uint32Array(Number(nrPages) + 1);
    const page = new DataView(new ArrayBuffer(PAGE_SIZE));
    const perPage = PAGE_SIZE / 8;
    for (let pfn = 0; pfn < Number(nrPages); pfn++) {
      if (pfn % perPage === 0) ram.read(at(list + BigInt(pfn * 8)), new Uint8Array(page.buffer));
      frames[pfn] = Number(page.getBigUint64((pfn % perPage) * 8, true));
    }
    frames[Number(nrPages)] = Number(sharedInfo >> 12n);
    const machineFrames = Number(this.word(Control.machineFrames));
    return { frames, nrPages: Number(nrPages), root, machineFrames };
  }

  private async waitForLine(pattern: RegExp): Promise<RegExpExecArray> {
    const until = Date.now() + BOOT_MS;
    while (Date.now() < until) {
      const match = pattern.exec(this.serial);
      if (match !== null) return match;
      if (this.hasStopped) break;
      await delay(POLL_MS * 5);
    }
    await delay(LAST_WORDS_MS);
    const said = [this.problem ?? '', ...this.serial.trim().split('\n').slice(-5)].join('\n').trim();
    throw new RealXenUnavailable(`Xen did not start the script's kernel under QEMU; it ended with:\n${said}`);
  }

  private get hasStopped(): boolean {
    return (
      this.stopped !== null ||
      this.process.exitCode !== null ||
      this.process.signalCode !== null ||
      this.process.pid === undefined
    );
  }

  private word(offset: number): bigint {
    return this.ram?.read64(this.control + BigInt(offset)) ?? 0n;
  }
}

/** A folder in memory where there is room for the machine's RAM, else an ordinary one. */
function memoryFolder(bytes: number): string {
  try {
    const { bavail, bsize } = statfsSync(SHARED_MEMORY);
    return bavail * bsize > 2 * bytes ? SHARED_MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}
