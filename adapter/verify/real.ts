/** The run on real Xen in the words of run.ts: the records of the log, put together. */

import { resolve } from 'node:path';
import { VECTOR_PAGE_FAULT } from '../../core/machine/mmu.ts';
import type { Vcpu } from '../../core/machine/vcpu.ts';
import type { ReadInteger } from '../../core/timeline/hypercall-text.ts';
import { integerOf } from '../../core/timeline/guest-memory.ts';
import { type KernelImage, type Place, placesOf } from './build.ts';
import { type RawHypercall, describeAnswer, describeCall, doneIn } from './decode.ts';
import type { Blob, LogRecord } from './log.ts';
import type { MachineRun } from './machine.ts';
import { type DeliveredFault, type GuestRun, type MadeHypercall, type RunEnd, linesOf } from './run.ts';

type CallRecord = Extract<LogRecord, { kind: 'call' }>;
type ReturnRecord = Extract<LogRecord, { kind: 'return' }>;
type FaultRecord = Extract<LogRecord, { kind: 'fault' }>;

/** A hypercall and what came of it; null while it has not returned. */
export interface LoggedCall {
  readonly call: CallRecord;
  back: ReturnRecord | null;
}

/** What a log tells, in order. */
export interface RealLog {
  readonly calls: readonly LoggedCall[];
  readonly faults: readonly FaultRecord[];
  /** What the script has ended with, where it ended by itself. */
  readonly status: number | null;
}

const SCHED_OP = 29;
const SCHED_OP_COMPAT = 6;
const CONSOLE_IO = 18;
const SHUTDOWN = 2n;
const SHUTDOWN_TEXTS: readonly string[] = ['powered off', 'asked for a reboot', 'suspended itself'];

/** Pairs calls with their returns: what a handler asks while a call is under way lies within it. */
export class LogBook implements RealLog {
  readonly calls: LoggedCall[] = [];
  readonly faults: FaultRecord[] = [];
  status: number | null = null;
  private readonly open: LoggedCall[] = [];

  add(record: LogRecord): void {
    switch (record.kind) {
      case 'call': {
        const logged = { call: record, back: null };
        this.calls.push(logged);
        this.open.push(logged);
        return;
      }
      case 'return': {
        const logged = this.open.pop();
        if (logged !== undefined) logged.back = record;
        return;
      }
      case 'fault':
        this.faults.push(record);
        return;
      case 'end':
        this.status = record.status;
    }
  }
}

/** What is needed to put a log into words. */
export interface RealContext {
  readonly image: KernelImage;
  readonly vcpu: Vcpu;
  /** A file as it shall be shown. */
  readonly pathOf: (file: string) => string;
  /** Folders of the library and the start-up file, whose lines are nobody's own. */
  readonly libraryFolders: readonly string[];
  /** What the handler of a handler script is called. */
  readonly nameOf: (fn: string) => string;
}

export async function describeReal(log: RealLog, run: MachineRun, context: RealContext): Promise<GuestRun> {
  const places = await userPlaces(log, context);
  const placeOf = (trace: readonly bigint[]): Place | null =>
    trace.map((address) => places.get(address)).find((place) => place != null) ?? null;
  return {
    hypercalls: log.calls.map((logged) => describeLogged(logged, context, placeOf(logged.call.trace))),
    faults: log.faults.map((fault) => describeFault(fault, context, placeOf(fault.trace))),
    console: linesOf(log.calls.map(consoleText).join('')),
    end: endOf(log, run),
  };
}

function describeLogged(
  { call, back }: LoggedCall,
  { vcpu }: RealContext,
  place: Place | null,
): MadeHypercall {
  const after = back === null ? call.memory : [...back.memory, ...call.memory];
  const raw: RawHypercall = {
    nr: call.nr,
    args: call.args,
    before: reader(call.memory),
    after: reader(after),
  };
  return {
    ...describeCall(vcpu, raw),
    rc: back === null ? null : resultOf(back.rc),
    done: back === null ? null : (back.done ?? doneIn(raw)),
    answer: back === null ? {} : describeAnswer(raw),
    place,
  };
}

function describeFault(
  fault: FaultRecord,
  { image, nameOf }: RealContext,
  place: Place | null,
): DeliveredFault {
  const name = image.functions.get(fault.handler);
  return {
    vector: fault.vector,
    errorCode: fault.errorCode,
    cr2: fault.vector === VECTOR_PAGE_FAULT ? hex(fault.cr2) : null,
    handler: name === undefined ? hex(fault.handler) : nameOf(name),
    place,
  };
}

/** Text that a call has brought to the console. */
function consoleText({ call, back }: LoggedCall): string {
  const isWrite = call.nr === CONSOLE_IO && call.args[0] === 0n;
  if (!isWrite || (back !== null && back.rc < 0n)) return '';
  return call.memory.map(({ bytes }) => Buffer.from(bytes).toString('latin1')).join('');
}

function endOf(log: RealLog, run: MachineRun): RunEnd {
  const { status } = log;
  if (status === 0) return { kind: 'finished', status, reason: 'the script has finished' };
  if (status !== null) return { kind: 'failed', status, reason: `the script ended with status ${status}` };
  if (run.end === 'patience') {
    const reason = 'the script did not end in time';
    return { kind: 'limit', status: null, reason, isWaiting: isWaiting(log) };
  }
  if (run.end === 'log') return { kind: 'failed', status: null, reason: 'the access never completed' };
  return shutdownOf(log) ?? { kind: 'crashed', status: null, reason: lastWords(run.serial) };
}

/** The last call sleeps until an event comes. */
function isWaiting({ calls }: RealLog): boolean {
  const last = calls.at(-1);
  return last?.back === null && last.call.nr === SCHED_OP && last.call.args[0] !== SHUTDOWN;
}

/** The script's own sched_op, from which it did not come back. */
function shutdownOf({ calls }: RealLog): RunEnd | null {
  const last = calls.at(-1);
  if (last?.back !== null || last.call.args[0] !== SHUTDOWN) return null;
  const { nr, args, memory } = last.call;
  if (nr !== SCHED_OP && nr !== SCHED_OP_COMPAT) return null;
  const reason = nr === SCHED_OP ? reader(memory)(args[1] ?? 0n, 4) : (args[1] ?? 0n);
  const text = SHUTDOWN_TEXTS[Number(reason)];
  if (text !== undefined) return { kind: 'finished', status: null, reason: `the domain has ${text}` };
  return {
    kind: 'crashed',
    status: null,
    reason: `the domain has shut down with reason ${Number(reason)} (crash)`,
  };
}

/** What Xen printed about the crash, up to the registers. */
function lastWords(serial: string): string {
  const lines = serial.split(/\r?\n/).filter((line) => line.startsWith('(XEN) '));
  const crash = lines.findIndex((line) => /domain_crash|Unhandled|crashed on cpu/.test(line));
  const told = lines.slice(Math.max(crash, 0), crash + 12).filter((line) => !/^\(XEN\) -+\[/.test(line));
  const end = told.findIndex((line) => /crashed on cpu/.test(line));
  const shown = crash < 0 ? lines.slice(-1) : told.slice(0, end < 0 ? undefined : end + 1);
  return shown.map((line) => line.replace('(XEN) ', '')).join('\n');
}

/** The script's own lines, by address. */
async function userPlaces(
  { calls, faults }: RealLog,
  { image, libraryFolders, pathOf }: RealContext,
): Promise<ReadonlyMap<bigint, Place | null>> {
  // A return address belongs to what follows the call; an interrupted instruction is itself.
  const lookedUp = new Map<bigint, bigint>();
  for (const { call } of calls) for (const address of call.trace) lookedUp.set(address, address - 1n);
  for (const { trace } of faults)
    for (const [i, address] of trace.entries())
      if (i === 0 || !lookedUp.has(address)) lookedUp.set(address, address);
  const places = await placesOf(image, [...new Set(lookedUp.values())]);
  const isOwn = ({ file }: Place): boolean =>
    !/[?>]$/.test(file) && !libraryFolders.some((folder) => resolve(file).startsWith(`${folder}/`));
  return new Map(
    [...lookedUp].map(([address, asked]) => {
      const place = places.get(asked)?.find(isOwn);
      return [address, place === undefined ? null : { ...place, file: pathOf(place.file) }] as const;
    }),
  );
}

/** Reads what the recorder has kept. */
function reader(memory: readonly Blob[]): ReadInteger {
  return (address, count) => {
    for (const { address: from, bytes } of memory) {
      const offset = address - from;
      if (offset < 0n || offset + BigInt(count) > BigInt(bytes.length)) continue;
      return integerOf(bytes.subarray(Number(offset), Number(offset) + count));
    }
    return null;
  };
}

function resultOf(rc: bigint): number | string {
  const isSafe = rc <= BigInt(Number.MAX_SAFE_INTEGER) && rc >= BigInt(Number.MIN_SAFE_INTEGER);
  return isSafe ? Number(rc) : hex(BigInt.asUintN(64, rc));
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
