/**
 * One machine under QEMU's emulation: starts it, waits for its kernel, takes and restores a snapshot, ends it.
 * Everything is synchronous: the driver has nothing else to do, and a round trip to the guest takes microseconds.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RealXenFiles } from './provide.ts';
import { RealXenUnavailable } from './real-xen-unavailable.ts';

const RAM_MIB = 128;
const DOMAIN_MIB = 64;
const BOOT_SECONDS = 60;
const COMMAND_SECONDS = 30;
const SHARED_MEMORY = '/dev/shm';
const SNAPSHOT = 'fresh';

const pauseWord = new Int32Array(new SharedArrayBuffer(4));
/** Sleeps without leaving the call. */
export const sleep = (milliseconds: number): void => void Atomics.wait(pauseWord, 0, 0, milliseconds);

/** In front of a command: the kernel ends it when we end, however we end. Without that tool it is left to `exit`. */
const DIES_WITH_US: readonly string[] =
  spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { stdio: 'ignore' }).status === 0
    ? ['setpriv', '--pdeathsig', 'KILL']
    : [];

/** What a machine starts from: domain 0's kernel is an ELF image with Xen's notes. */
export interface BootFiles extends RealXenFiles {
  readonly kernel: string;
}

export class QemuMachine {
  readonly ramPath: string;
  private readonly folder: string;
  private readonly process: ChildProcess;
  private readonly monitor: { readonly input: number; readonly output: number };
  private unread = '';
  private readonly endWithUs = (): void => this.stop();

  constructor(files: BootFiles) {
    this.folder = mkdtempSync(join(memoryFolder(), 'xenscope-xen-'));
    this.ramPath = join(this.folder, 'ram');
    const pipe = join(this.folder, 'monitor');
    if (spawnSync('mkfifo', [`${pipe}.in`, `${pipe}.out`]).status !== 0)
      throw new RealXenUnavailable(
        `mkfifo could not make ${pipe}.in: the driver talks to QEMU through named pipes.`,
      );
    const flags = constants.O_RDWR | constants.O_NONBLOCK;
    this.monitor = { input: openSync(`${pipe}.in`, flags), output: openSync(`${pipe}.out`, flags) };
    const [program, ...args] = [...DIES_WITH_US, files.qemu, ...this.qemuArguments(files, pipe)];
    this.process = spawn(program ?? files.qemu, args, { stdio: 'ignore' });
    process.once('exit', this.endWithUs);
    this.command('qmp_capabilities');
  }

  private qemuArguments(files: BootFiles, pipe: string): string[] {
    return [
      ...['-machine', 'q35,accel=tcg,memory-backend=ram', '-cpu', 'max', '-m', String(RAM_MIB)],
      ...['-object', `memory-backend-file,id=ram,size=${RAM_MIB}M,mem-path=${this.ramPath},share=on`],
      ...['-nodefaults', '-display', 'none', '-no-reboot', '-serial', `file:${this.consolePath}`],
      ...['-chardev', `pipe,id=monitor,path=${pipe}`, '-mon', 'chardev=monitor,mode=control'],
      ...['-kernel', files.xen, '-initrd', files.kernel],
      ...['-append', `com1=115200,8n1 console=com1 loglvl=all guest_loglvl=all dom0_mem=${DOMAIN_MIB}M`],
    ];
  }

  private get consolePath(): string {
    return join(this.folder, 'console');
  }

  /** What Xen and the kernel have printed. */
  console(): string {
    return existsSync(this.consolePath) ? readFileSync(this.consolePath, 'latin1') : '';
  }

  isRunning(): boolean {
    try {
      const state = readFileSync(`/proc/${this.process.pid ?? 0}/stat`, 'latin1');
      return !/^\d+ \(.*\) [ZX]/.test(state);
    } catch {
      return false;
    }
  }

  /** Waits until the console shows the pattern; its match. */
  waitForConsole(pattern: RegExp): RegExpExecArray {
    for (let waited = 0; waited < BOOT_SECONDS * 1000; waited += 20) {
      const match = pattern.exec(this.console());
      if (match !== null) return match;
      if (!this.isRunning()) break;
      sleep(20);
    }
    const last = this.console().trim().split('\n').slice(-5).join('\n');
    throw new RealXenUnavailable(
      `The kernel did not start under Xen and QEMU; the console ends with:\n${last}`,
    );
  }

  /** Takes the processor from the machine, which would poll for its next command; `resume` gives it back. */
  pause(): void {
    this.process.kill('SIGSTOP');
  }

  resume(): void {
    this.process.kill('SIGCONT');
  }

  /** Keeps the machine's present state, to come back to with `restore`. */
  snapshot(): void {
    const disk = join(this.folder, 'snapshots.qcow2');
    this.job('blockdev-create', { options: { driver: 'file', filename: disk, size: 0 } });
    this.command('blockdev-add', { driver: 'file', 'node-name': 'file', filename: disk });
    this.job('blockdev-create', { options: { driver: 'qcow2', file: 'file', size: 1 << 20 } });
    this.command('blockdev-add', { driver: 'qcow2', 'node-name': 'disk', file: 'file' });
    this.job('snapshot-save', { tag: SNAPSHOT, vmstate: 'disk', devices: ['disk'] });
  }

  restore(): void {
    this.job('snapshot-load', { tag: SNAPSHOT, vmstate: 'disk', devices: ['disk'] });
    this.command('cont');
  }

  /** Ends QEMU and removes its files. */
  stop(): void {
    process.removeListener('exit', this.endWithUs);
    this.process.kill('SIGKILL');
    for (const fd of Object.values(this.monitor)) closeSync(fd);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A command that QEMU carries out in the background; waits for its end. */
  private job(execute: string, args: Record<string, unknown>): void {
    this.command(execute, { 'job-id': 'oracle', ...args });
    for (let waited = 0; waited < COMMAND_SECONDS * 1000; waited++) {
      const jobs = this.command('query-jobs') as { id: string; status: string; error?: string }[];
      const job = jobs.find(({ id }) => id === 'oracle');
      if (job === undefined) return;
      if (job.status === 'concluded') {
        this.command('job-dismiss', { id: 'oracle' });
        if (job.error !== undefined) throw new Error(`QEMU's ${execute} failed: ${job.error}`);
        return;
      }
      sleep(1);
    }
    throw new Error(`QEMU's ${execute} did not end within ${COMMAND_SECONDS} s`);
  }

  private command(execute: string, args: Record<string, unknown> = {}): unknown {
    this.resume();
    writeSync(this.monitor.input, `${JSON.stringify({ execute, arguments: args })}\n`);
    for (;;) {
      const answer = this.readLine(execute);
      if ('error' in answer) throw new Error(`QEMU refused ${execute}: ${JSON.stringify(answer['error'])}`);
      if ('return' in answer) return answer['return'];
    }
  }

  private readLine(execute: string): Record<string, unknown> {
    for (let waited = 0; waited < COMMAND_SECONDS * 1000; waited++) {
      const end = this.unread.indexOf('\n');
      if (end >= 0) {
        const line = this.unread.slice(0, end);
        this.unread = this.unread.slice(end + 1);
        return JSON.parse(line) as Record<string, unknown>;
      }
      if (!this.readMore()) {
        if (!this.isRunning())
          throw new RealXenUnavailable(`QEMU has ended during ${execute}: ${this.lastLine()}`);
        sleep(1);
      }
    }
    throw new Error(`QEMU did not answer ${execute} within ${COMMAND_SECONDS} s`);
  }

  private readMore(): boolean {
    const buffer = Buffer.alloc(65536);
    try {
      const count = readSync(this.monitor.output, buffer);
      this.unread += buffer.toString('utf8', 0, count);
      return count > 0;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
      throw error;
    }
  }

  private lastLine(): string {
    return this.console().trim().split('\n').at(-1) ?? '';
  }
}

/** A folder in memory where there is room for the machine's RAM twice, else an ordinary one. */
function memoryFolder(): string {
  if (!existsSync(SHARED_MEMORY)) return tmpdir();
  const { bavail, bsize } = statfsSync(SHARED_MEMORY);
  return bavail * bsize > 2 * RAM_MIB * 1024 * 1024 ? SHARED_MEMORY : tmpdir();
}
