/**
 * Hypercalls for people and logs: name, arguments as JSON (contracts: addresses and entries as hexadecimal strings),
 * and one line of summary. It reads the guest's memory without side effects, so call it before the hypercall runs.
 */

import type { Field } from '../abi/index.ts';
import type { Vcpu } from '../machine/vcpu.ts';
import type { PhysicalMemory } from '../machine/memory.ts';
import { describeFlags, entryFrame } from '../pte.ts';
import { DOMID, formatFrame, formatHex, highWord, joinWords, lowWord } from '../units.ts';
import { errnoName } from './errno.ts';
import { hypercallName } from './hypercalls.ts';
import type { Hypervisor } from './hypervisor.ts';
import { XENMEM_NAMES } from './memory-op.ts';
import { MMUEXT_NAMES } from './mmuext-op.ts';
import { UVMF_ALL, UVMF_FLUSHTYPE_MASK, UVMF_INVLPG, UVMF_TLB_FLUSH } from './va-mapping.ts';

export type DecodedValue =
  string | number | boolean | null | readonly DecodedValue[] | { readonly [name: string]: DecodedValue };

export interface DecodedHypercall {
  readonly nr: number;
  readonly name: string;
  readonly args: { readonly [name: string]: DecodedValue };
  /** One line without the name, as `L2[0x1ff] of mfn 00123 := 0x124067`. */
  readonly summary: string;
}

/** Requests of a batch that are decoded one by one. */
const MAX_DECODED = 64;

const MMU_COMMANDS = [
  'MMU_NORMAL_PT_UPDATE',
  'MMU_MACHPHYS_UPDATE',
  'MMU_PT_UPDATE_PRESERVE_AD',
  'MMU_PT_UPDATE_NO_TRANSLATE',
];
const SHUTDOWN_NAMES = ['poweroff', 'reboot', 'suspend', 'crash', 'watchdog', 'soft_reset'];
const SCHED_NAMES = ['yield', 'block', 'shutdown', 'poll', 'remote_shutdown', 'shutdown_code', 'watchdog'];
const ASSIST_NAMES = [
  '4gb_segments',
  '4gb_segments_notify',
  'writable_pagetables',
  'pae_extended_cr3',
  'architectural_iopl',
  'runstate_update_flag',
];

/** What the decoders of single hypercalls get. */
class Decoding {
  readonly hv: Hypervisor;
  readonly vcpu: Vcpu;
  private readonly words: Int32Array;

  constructor(hv: Hypervisor, vcpu: Vcpu, words: Int32Array) {
    this.hv = hv;
    this.vcpu = vcpu;
    this.words = words;
  }

  /** An argument as an unsigned word of the guest. */
  arg(index: number): bigint {
    const hi = this.hv.abi.wordBytes === 8 ? (this.words[index * 2 + 1] ?? 0) : 0;
    return joinWords(this.words[index * 2] ?? 0, hi);
  }

  number(index: number): number {
    return (this.words[index * 2] ?? 0) >>> 0;
  }

  /** A field of a structure in guest memory; null when it cannot be read. */
  field(at: bigint, field: Field): bigint | null {
    return peek(this.hv.memory, this.vcpu, at + BigInt(field.offset), field.bytes);
  }
}

type Decoder = (d: Decoding) => Omit<DecodedHypercall, 'nr' | 'name'>;

/** Describes a hypercall that is about to be made; `args` are six lo/hi pairs. */
export function describeHypercall(
  hv: Hypervisor,
  vcpu: Vcpu,
  nr: number,
  args: Int32Array,
): DecodedHypercall {
  const decoding = new Decoding(hv, vcpu, args);
  const decode = DECODERS[nr] ?? decodeRaw;
  return { nr, name: hypercallName(nr), ...decode(decoding) };
}

/** A result as people read it: `0`, `-22 (EINVAL)`. */
export function describeResult(rc: number): string {
  const name = errnoName(rc);
  return name === null ? String(rc) : `${rc} (${name})`;
}

const decodeMmuUpdate: Decoder = (d) => {
  const count = d.number(1) % 0x8000_0000;
  const requests: { [name: string]: DecodedValue }[] = [];
  for (let i = 0; i < Math.min(count, MAX_DECODED); i++) {
    const ptr = d.field(d.arg(0), { offset: i * 16, bytes: 8 });
    const val = d.field(d.arg(0), { offset: i * 16 + 8, bytes: 8 });
    requests.push(ptr === null || val === null ? { unreadable: true } : decodeRequest(d, ptr, val));
  }
  const [first] = requests;
  const more = count > 1 ? ` (and ${count - 1} more)` : '';
  return {
    args: { requests, count, done: formatHex(d.arg(2)), domid: domidName(d.number(3)) },
    summary:
      count === 0 || first === undefined
        ? 'no requests'
        : `${String(first['text'] ?? 'unreadable requests')}${more}`,
  };
};

function decodeRequest(d: Decoding, ptr: bigint, val: bigint): { [name: string]: DecodedValue } {
  const { abi, frames } = d.hv;
  const command = Number(ptr & BigInt(abi.entryBytes - 1));
  const address = ptr - BigInt(command);
  const table = Number(address >> 12n);
  const slot = Number(address & 0xfffn) / abi.entryBytes;
  const lo = lowWord(val);
  const hi = abi.entryBytes === 8 ? highWord(val) : 0;
  const type = table < frames.count ? frames.typeName(table as never) : 'none';
  const level = /^l[1-4]$/.test(type) ? Number(type[1]) : 0;
  const place =
    level > 0
      ? `L${level}[${formatHex(slot)}] of mfn ${hex5(table)}`
      : `offset ${formatHex(Number(address & 0xfffn))} of mfn ${hex5(table)}`;
  const entry = `${formatHex(val)} (mfn ${formatFrame(entryFrame(lo, hi))} ${describeFlags(lo, hi, Math.max(level, 1))})`;
  return {
    ptr: formatHex(ptr),
    val: formatHex(val),
    command: MMU_COMMANDS[command] ?? command,
    table: formatHex(table),
    slot,
    level,
    text: command === 1 ? `M2P[${hex5(table)}] := ${formatHex(val)}` : `${place} := ${entry}`,
  };
}

const decodeMmuext: Decoder = (d) => {
  const { mmuextOp: layout } = d.hv.abi;
  const count = d.number(1) % 0x8000_0000;
  const operations: { [name: string]: DecodedValue }[] = [];
  for (let i = 0; i < Math.min(count, MAX_DECODED); i++) {
    const at = d.arg(0) + BigInt(i * layout.bytes);
    const command = d.field(at, { offset: 0, bytes: 4 });
    const arg1 = d.field(at, layout.arg1);
    const arg2 = d.field(at, layout.arg2);
    if (command === null || arg1 === null || arg2 === null) operations.push({ unreadable: true });
    else
      operations.push({
        cmd: MMUEXT_NAMES[Number(command)] ?? Number(command),
        arg1: formatHex(arg1),
        arg2: formatHex(arg2),
      });
  }
  const texts = operations.map((op) =>
    'unreadable' in op ? 'unreadable' : `${String(op['cmd'])} ${String(op['arg1'])}`,
  );
  return {
    args: { operations, count, done: formatHex(d.arg(2)), domid: domidName(d.number(3)) },
    summary: texts.slice(0, 3).join(', ') + (count > 3 ? ` (and ${count - 3} more)` : ''),
  };
};

const decodeVaMapping: Decoder = (d) => {
  const wide = d.hv.abi.wordBytes === 8;
  const value = wide ? d.arg(1) : joinWords(d.number(1), d.number(2));
  const flags = d.arg(wide ? 2 : 3);
  const lo = lowWord(value);
  const hi = wide ? highWord(value) : 0;
  return {
    args: { va: formatHex(d.arg(0)), val: formatHex(value), flags: flushName(flags) },
    summary: `${formatHex(d.arg(0))} := ${formatHex(value)} (mfn ${formatFrame(entryFrame(lo, hi))} ${describeFlags(lo, hi, 1)}), ${flushName(flags)}`,
  };
};

const decodeMemoryOp: Decoder = (d) => {
  const command = d.number(0) & 0x3f;
  const name = XENMEM_NAMES[command] ?? `operation ${command}`;
  const { memoryReservation: layout, wordBytes } = d.hv.abi;
  if (command !== 0 && command !== 1 && command !== 6)
    return { args: { cmd: name, arg: formatHex(d.arg(1)) }, summary: name };
  const list = d.field(d.arg(1), layout.extentStart);
  const count = d.field(d.arg(1), layout.nrExtents);
  const order = d.field(d.arg(1), layout.extentOrder);
  const domid = d.field(d.arg(1), layout.domid);
  const extents: DecodedValue[] = [];
  for (let i = 0; list !== null && count !== null && i < Number(count) && i < MAX_DECODED; i++) {
    const extent = d.field(list, { offset: i * wordBytes, bytes: wordBytes });
    extents.push(extent === null ? null : formatHex(extent));
  }
  return {
    args: {
      cmd: name,
      extents,
      nr_extents: count === null ? null : formatHex(count),
      extent_order: order === null ? null : Number(order),
      domid: domid === null ? null : domidName(Number(domid)),
    },
    summary: `${name} ${extents.slice(0, 4).join(' ')}${extents.length > 4 ? ' ...' : ''}`,
  };
};

const decodeTrapTable: Decoder = (d) => {
  const { trapInfo } = d.hv.abi;
  const entries: { [name: string]: DecodedValue }[] = [];
  for (let i = 0; d.arg(0) !== 0n && i < 256; i++) {
    const at = d.arg(0) + BigInt(i * trapInfo.bytes);
    const head = d.field(at, { offset: 0, bytes: 4 });
    const address = d.field(at, trapInfo.address);
    if (head === null || address === null || address === 0n) break;
    const word = Number(head);
    entries.push({
      vector: word & 0xff,
      flags: (word >>> 8) & 0xff,
      cs: formatHex(word >>> 16),
      address: formatHex(address),
    });
  }
  const vectors = entries.map((entry) => String(entry['vector'])).join(', ');
  const summary = d.arg(0) === 0n ? 'clears the table' : `vectors ${vectors || 'none'}`;
  return { args: { traps: entries }, summary };
};

const decodeConsoleIo: Decoder = (d) => {
  const count = d.number(1);
  let text = '';
  for (let i = 0; i < Math.min(count, 256); i++) {
    const byte = d.field(d.arg(2), { offset: i, bytes: 1 });
    if (byte === null) break;
    text += String.fromCharCode(Number(byte));
  }
  return {
    args: {
      cmd: d.number(0) === 0 ? 'write' : d.number(0) === 1 ? 'read' : d.number(0),
      count,
      buffer: formatHex(d.arg(2)),
      text,
    },
    summary: JSON.stringify(text),
  };
};

const decodeSchedOp: Decoder = (d) => {
  const command = SCHED_NAMES[d.number(0)] ?? `command ${d.number(0)}`;
  const reason = d.number(0) === 2 ? d.field(d.arg(1), { offset: 0, bytes: 4 }) : null;
  if (reason === null) return { args: { cmd: command }, summary: command };
  const told = SHUTDOWN_NAMES[Number(reason)] ?? Number(reason);
  return { args: { cmd: command, reason: told }, summary: `${command} ${told}` };
};

const decodeVmAssist: Decoder = (d) => {
  const command = d.number(0) === 0 ? 'enable' : d.number(0) === 1 ? 'disable' : d.number(0);
  const type = d.number(1) === 32 ? 'm2p_strict' : (ASSIST_NAMES[d.number(1)] ?? d.number(1));
  return { args: { cmd: command, type }, summary: `${command} ${type}` };
};

const decodeStackSwitch: Decoder = (d) => ({
  args: { ss: formatHex(d.arg(0)), esp: formatHex(d.arg(1)) },
  summary: `stack ${formatHex(d.arg(1))}`,
});

const decodeEventChannel: Decoder = (d) => {
  const port = d.field(d.arg(1), { offset: 0, bytes: 4 });
  const command = d.number(0) === 4 ? 'send' : d.number(0);
  return {
    args: { cmd: command, port: port === null ? null : Number(port) },
    summary: `${command} port ${port === null ? 'unreadable' : port}`,
  };
};

const decodeMulticall: Decoder = (d) => {
  const { wordBytes } = d.hv.abi;
  const count = d.number(1);
  const calls: DecodedValue[] = [];
  for (let i = 0; i < Math.min(count, MAX_DECODED); i++) {
    const word = (index: number) =>
      d.field(d.arg(0), { offset: (i * 8 + index) * wordBytes, bytes: wordBytes }) ?? 0n;
    const nr = Number(word(0));
    const words = new Int32Array(12);
    for (let a = 0; a < 5; a++) words.set([lowWord(word(2 + a)), highWord(word(2 + a))], a * 2);
    const { name, args, summary } =
      nr === 13 ? { name: 'multicall', args: {}, summary: '' } : describeHypercall(d.hv, d.vcpu, nr, words);
    calls.push({ name, args, summary });
  }
  return { args: { calls, count }, summary: `${count} calls` };
};

const decodeNothing: Decoder = () => ({ args: {}, summary: '' });

const decodeRaw: Decoder = (d) => {
  const values = [0, 1, 2, 3, 4].map((index) => formatHex(d.arg(index)));
  return { args: { values }, summary: values.join(', ') };
};

const DECODERS: { readonly [nr: number]: Decoder } = {
  0: decodeTrapTable,
  1: decodeMmuUpdate,
  3: decodeStackSwitch,
  12: decodeMemoryOp,
  13: decodeMulticall,
  14: decodeVaMapping,
  18: decodeConsoleIo,
  21: decodeVmAssist,
  22: decodeVaMapping,
  23: decodeNothing,
  26: decodeMmuext,
  29: decodeSchedOp,
  32: decodeEventChannel,
};

function flushName(flags: bigint): string {
  const kind = Number(flags) & UVMF_FLUSHTYPE_MASK;
  const name =
    kind === UVMF_TLB_FLUSH ? 'UVMF_TLB_FLUSH' : kind === UVMF_INVLPG ? 'UVMF_INVLPG' : 'UVMF_NONE';
  const target = flags - BigInt(Number(flags) & UVMF_FLUSHTYPE_MASK);
  if (target === 0n) return name;
  return target === BigInt(UVMF_ALL) ? `${name}|UVMF_ALL` : `${name}|${formatHex(target)}`;
}

const DOMID_NAMES = new Map<number, string>([
  [DOMID.SELF, 'DOMID_SELF'],
  [DOMID.IO, 'DOMID_IO'],
  [DOMID.XEN, 'DOMID_XEN'],
]);

const domidName = (domid: number): string | number => DOMID_NAMES.get(domid) ?? domid;

const hex5 = (frame: number): string => frame.toString(16).padStart(5, '0');

/** Reads guest memory by a walk, without TLB or any other effect; null when a byte is not mapped. */
function peek(memory: PhysicalMemory, vcpu: Vcpu, va: bigint, bytes: number): bigint | null {
  let value = 0n;
  for (let i = 0; i < bytes; i++) {
    const at = va + BigInt(i);
    const walk = vcpu.mmu.probe(lowWord(at), highWord(at));
    if (walk.end !== 'page' || !memory.has(walk.frame)) return null;
    value |= BigInt(memory.readByte(walk.frame, Number(at & 0xfffn))) << BigInt(i * 8);
  }
  return value;
}
