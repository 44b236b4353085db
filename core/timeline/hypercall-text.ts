/**
 * Hypercalls in words: names of sub-operations for breakpoints, and arguments as data for the log. Structures are read
 * from guest memory as it stands when the call is made. Names and layouts: Xen's public headers, facts 3.15 to 3.17, 4.
 */

import type { Field } from '../abi/index.ts';
import { HYPERCALLS, hypercallName } from '../hypervisor/hypercalls.ts';
import { MMUEXT_NAMES } from '../hypervisor/mmuext-op.ts';
import { XENMEM_NAMES } from '../hypervisor/memory-op.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import { joinWords, lowWord } from '../units.ts';
import { describeStructure, eventStructure, grantStructure } from './structure-text.ts';
import type { JsonObject, JsonValue } from './types.ts';

/** Reads an unsigned integer of guest memory, null where it cannot be read. */
export type ReadInteger = (address: bigint, bytes: number) => bigint | null;

/** A hypercall as it is about to be made. */
export interface PendingHypercall {
  readonly vcpu: Vcpu;
  readonly nr: number;
  /** Six lo/hi pairs. */
  readonly args: Int32Array;
  readonly read: ReadInteger;
}

/** Requests of a batch that a log entry shows, and that a breakpoint looks at. */
const MAX_REQUESTS = 64;
const MAX_ENTRIES = 4096;
const PREEMPTED = 0x8000_0000;

const MMU_COMMANDS = [
  'MMU_NORMAL_PT_UPDATE',
  'MMU_MACHPHYS_UPDATE',
  'MMU_PT_UPDATE_PRESERVE_AD',
  'MMU_PT_UPDATE_NO_TRANSLATE',
];
const SCHED_COMMANDS = [
  'yield',
  'block',
  'shutdown',
  'poll',
  'remote_shutdown',
  'shutdown_code',
  'watchdog',
].map((name) => `SCHEDOP_${name}`);
const CONSOLE_COMMANDS = ['CONSOLEIO_write', 'CONSOLEIO_read'];
const ASSIST_COMMANDS = ['VMASST_CMD_enable', 'VMASST_CMD_disable'];
const EVENT_COMMANDS = [
  'bind_interdomain',
  'bind_virq',
  'bind_pirq',
  'close',
  'send',
  'status',
  'alloc_unbound',
  'bind_ipi',
  'bind_vcpu',
  'unmask',
  'reset',
].map((name) => `EVTCHNOP_${name}`);
const GRANT_COMMANDS = [
  'map_grant_ref',
  'unmap_grant_ref',
  'setup_table',
  'dump_table',
  'transfer',
  'copy',
  'query_size',
  'unmap_and_replace',
  'set_version',
  'get_status_frames',
  'get_version',
  'swap_grant_ref',
  'cache_flush',
].map((name) => `GNTTABOP_${name}`);
const VERSION_COMMANDS = [
  'version',
  'extraversion',
  'compile_info',
  'capabilities',
  'changeset',
  'platform_parameters',
  'get_features',
  'pagesize',
  'guest_handle',
  'commandline',
].map((name) => `XENVER_${name}`);

/** Sub-operations that the first argument names. */
const COMMANDS: Readonly<Record<string, readonly (string | null)[]>> = {
  memory_op: XENMEM_NAMES,
  sched_op: SCHED_COMMANDS,
  sched_op_compat: SCHED_COMMANDS,
  console_io: CONSOLE_COMMANDS,
  vm_assist: ASSIST_COMMANDS,
  event_channel_op: EVENT_COMMANDS,
  grant_table_op: GRANT_COMMANDS,
  xen_version: VERSION_COMMANDS,
};

/** Names of the arguments, in order; others are told by number. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  set_trap_table: ['table'],
  mmu_update: ['req', 'count', 'pdone', 'foreigndom'],
  set_gdt: ['frames', 'entries'],
  stack_switch: ['ss', 'sp'],
  sched_op_compat: ['cmd', 'arg'],
  update_descriptor: ['ma', 'desc'],
  memory_op: ['cmd', 'arg'],
  multicall: ['calls', 'count'],
  xen_version: ['cmd', 'arg'],
  console_io: ['cmd', 'count', 'buffer'],
  grant_table_op: ['cmd', 'ops', 'count'],
  vm_assist: ['cmd', 'type'],
  mmuext_op: ['op', 'count', 'pdone', 'foreigndom'],
  sched_op: ['cmd', 'arg'],
  event_channel_op: ['cmd', 'arg'],
  iret: [],
};

/** Every name that a hypercall breakpoint can have. */
export const hypercallNames = (): readonly string[] =>
  HYPERCALLS.flatMap((row) => (row === undefined ? [] : [row.name]));

/** One request of a hypercall, or the hypercall itself where it takes no list. */
export interface CallEntry {
  /** `MMUEXT_PIN_L1_TABLE`, `MMU_NORMAL_PT_UPDATE`, `XENMEM_exchange`; null where there are no sub-operations. */
  readonly name: string | null;
  readonly command: bigint | null;
  /** Address of the request in guest memory; null when the call takes no list. */
  readonly at: bigint | null;
}

/** What a call asks for, one entry a request. */
export function callEntries(call: PendingHypercall): readonly CallEntry[] {
  const name = hypercallName(call.nr);
  const named = COMMANDS[name];
  if (named !== undefined) return [entryNamed(named, argument(call, 0) & 0x3fn, null)];
  if (name === 'mmuext_op')
    return requests(call, 0, MAX_ENTRIES).map((at) => entryNamed(MMUEXT_NAMES, call.read(at, 4), at));
  if (name === 'mmu_update')
    return requests(call, 0, MAX_ENTRIES).map((at) => {
      const ptr = call.read(at, 8);
      return entryNamed(MMU_COMMANDS, ptr === null ? null : ptr & 3n, at);
    });
  return [{ name: null, command: null, at: null }];
}

const entryNamed = (
  names: readonly (string | null)[],
  command: bigint | null,
  at: bigint | null,
): CallEntry => ({ name: command === null ? null : (names[Number(command)] ?? `${command}`), command, at });

/** The arguments by name; lists of requests are read. */
export function describeArguments(call: PendingHypercall): JsonObject {
  const name = hypercallName(call.nr);
  if (name === 'update_va_mapping' || name === 'update_va_mapping_otherdomain') return vaMapping(call);
  const names = ARGUMENTS[name] ?? ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'];
  const described: Record<string, JsonValue> = {};
  for (const [i, label] of names.entries()) described[label] = describeArgument(call, name, label, i);
  if (name === 'memory_op') describeReservation(call, described);
  if (name === 'grant_table_op') describeGrants(call, described);
  if (name === 'event_channel_op') describeEvent(call, described);
  return described;
}

function describeArgument(call: PendingHypercall, name: string, label: string, index: number): JsonValue {
  const value = argument(call, index);
  if (label === 'cmd') return COMMANDS[name]?.[Number(value & 0x3fn)] ?? Number(value);
  if (label === 'req') return requests(call, index).map((at) => mmuRequest(call, at));
  if (label === 'op') return requests(call, index).map((at) => mmuextRequest(call, at));
  if (label === 'count' || label === 'entries' || label === 'type') return Number(value);
  return hex(value);
}

function mmuRequest({ read }: PendingHypercall, at: bigint): JsonValue {
  const ptr = read(at, 8);
  const val = read(at + 8n, 8);
  return {
    ptr: told(ptr),
    val: told(val),
    cmd: ptr === null ? null : (MMU_COMMANDS[Number(ptr & 3n)] ?? null),
  };
}

function mmuextRequest({ vcpu, read }: PendingHypercall, at: bigint): JsonValue {
  const { arg1, arg2 } = vcpu.domain.abi.mmuextOp;
  const command = read(at, 4);
  return {
    cmd: command === null ? null : (MMUEXT_NAMES[Number(command)] ?? Number(command)),
    arg1: told(read(at + BigInt(arg1.offset), arg1.bytes)),
    arg2: told(read(at + BigInt(arg2.offset), arg2.bytes)),
  };
}

/** On 32-bit ABIs the entry is passed in two arguments. */
function vaMapping(call: PendingHypercall): JsonObject {
  const wide = call.vcpu.domain.abi.wordBytes === 8;
  const entry = wide ? argument(call, 1) : joinWords(lowWord(argument(call, 1)), lowWord(argument(call, 2)));
  const flags = argument(call, wide ? 2 : 3);
  const other = hypercallName(call.nr) === 'update_va_mapping_otherdomain';
  return {
    va: hex(argument(call, 0)),
    val: hex(entry),
    flags: hex(flags),
    ...(other ? { domid: hex(argument(call, wide ? 3 : 4)) } : {}),
  };
}

function describeReservation(call: PendingHypercall, into: Record<string, JsonValue>): void {
  const reservation = reservationOf(call, MAX_REQUESTS);
  if (reservation === null) return;
  into['extents'] = reservation.extents.map(told);
  into['nr_extents'] = reservation.count;
  into['extent_order'] = reservation.order;
}

/** The extents of a memory_op that takes a reservation (of an exchange: what the guest gives); null for others. */
export function reservationOf(
  call: PendingHypercall,
  most = MAX_ENTRIES,
): { readonly extents: readonly (bigint | null)[]; readonly count: number; readonly order: number } | null {
  const layout = call.vcpu.domain.abi.memoryReservation;
  const command = XENMEM_NAMES[Number(argument(call, 0) & 0x3fn)] ?? '';
  if (hypercallName(call.nr) !== 'memory_op' || !/_reservation$|populate|exchange/.test(command)) return null;
  if (/current|maximum/.test(command)) return null;
  const at = argument(call, 1);
  const field = ({ offset, bytes }: Field): bigint | null => call.read(at + BigInt(offset), bytes);
  const start = field(layout.extentStart);
  const count = field(layout.nrExtents);
  if (start === null || count === null) return null;
  const { wordBytes } = call.vcpu.domain.abi;
  const length = start === 0n ? 0 : Math.min(Number(count), most);
  const extents = Array.from({ length }, (_, i) => call.read(start + BigInt(i * wordBytes), wordBytes));
  return { extents, count: Number(count), order: Number(field(layout.extentOrder) ?? 0n) };
}

function describeEvent(call: PendingHypercall, into: Record<string, JsonValue>): void {
  const structure = eventStructure(EVENT_COMMANDS[Number(argument(call, 0))] ?? '');
  if (structure !== undefined) into['op'] = describeStructure(structure, argument(call, 1), call.read);
}

function describeGrants(call: PendingHypercall, into: Record<string, JsonValue>): void {
  const command = GRANT_COMMANDS[Number(argument(call, 0))] ?? '';
  const structure = grantStructure(command, call.vcpu.domain.abi.wordBytes);
  if (structure === undefined) return;
  const count = Math.min(Number(argument(call, 2) & 0xffff_ffffn), MAX_REQUESTS);
  into['ops'] = Array.from({ length: count }, (_, i) =>
    describeStructure(structure, argument(call, 1) + BigInt(i * structure.bytes), call.read),
  );
}

/** Addresses of a batch's requests. */
function requests(call: PendingHypercall, index: number, most = MAX_REQUESTS): bigint[] {
  const { mmuextOp } = call.vcpu.domain.abi;
  const bytes = hypercallName(call.nr) === 'mmuext_op' ? mmuextOp.bytes : 16;
  const list = argument(call, index);
  const count = Number(argument(call, index + 1) & 0xffff_ffffn) % PREEMPTED;
  if (list === 0n) return [];
  return Array.from({ length: Math.min(count, most) }, (_, i) => list + BigInt(i * bytes));
}

/** An argument as an unsigned number. */
export function argument(call: PendingHypercall, index: number): bigint {
  const lo = call.args[index * 2] ?? 0;
  const hi = call.vcpu.domain.abi.wordBytes === 8 ? (call.args[index * 2 + 1] ?? 0) : 0;
  return joinWords(lo, hi);
}

const told = (value: bigint | null): JsonValue => (value === null ? null : hex(value));
const hex = (value: bigint): string => `0x${value.toString(16)}`;
