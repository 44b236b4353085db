/**
 * A hypercall's registers and structures in words. Both runs go through this file, so that what is compared was read
 * by the same rules: the model's memory is read where the call is made, real Xen's from what the recorder kept.
 */

import { EVENT_LAYOUTS, GRANT_ANSWERS } from './answers.ts';
import { type ReadInteger, describeArguments } from '../../core/timeline/hypercall-text.ts';
import { hypercallName } from '../../core/hypervisor/hypercalls.ts';
import type { Vcpu } from '../../core/machine/vcpu.ts';
import type { JsonObject, JsonValue } from '../../core/timeline/types.ts';
import { highWord, lowWord } from '../../core/units.ts';
import { type MadeHypercall, operationsOf } from './run.ts';

/** A hypercall as it was made. */
export interface RawHypercall {
  readonly nr: number;
  /** Six. */
  readonly args: readonly bigint[];
  /** The guest's memory when the call was made, and when it returned. */
  readonly before: ReadInteger;
  readonly after: ReadInteger;
}

type Told = Pick<MadeHypercall, 'name' | 'operations' | 'args'>;

const MMU_UPDATE = 1;
const MEMORY_OP = 12;
const MULTICALL = 13;
const GRANT_TABLE_OP = 20;
const MMUEXT_OP = 26;
const EVENT_CHANNEL_OP = 32;

const XENMEM_INCREASE = 0;
const XENMEM_POPULATE = 6;
const XENMEM_EXCHANGE = 11;
/** Entries of a list that are looked at, as many as the recorder keeps. */
const MAX_LIST = 64;
const RESERVATION_BYTES = 32n;
const MULTICALL_BYTES = 64n;

/** What was asked. `vcpu` stands for the ABI, which is the same for both. */
export function describeCall(vcpu: Vcpu, { nr, args, before }: RawHypercall): Told {
  const words = new Int32Array(12);
  for (const [i, value] of args.entries()) {
    words[i * 2] = lowWord(value);
    words[i * 2 + 1] = highWord(value);
  }
  const described = describeArguments({ vcpu, nr, args: words, read: before });
  return { name: hypercallName(nr), operations: operationsOf(described), args: described };
}

/** Where a batch tells how many of its requests were carried out; null when the script does not ask. */
export function doneIn({ nr, args, after }: RawHypercall): number | null {
  const at = args[2] ?? 0n;
  if ((nr !== MMU_UPDATE && nr !== MMUEXT_OP) || at === 0n) return null;
  const value = after(at, 4);
  return value === null ? null : Number(value);
}

/** What Xen wrote into the structures of the call. */
export function describeAnswer(raw: RawHypercall): JsonObject {
  switch (raw.nr) {
    case MULTICALL:
      return { results: multicallResults(raw) };
    case MEMORY_OP:
      return memoryAnswer(raw);
    case GRANT_TABLE_OP:
      return grantAnswer(raw);
    case EVENT_CHANNEL_OP:
      return eventAnswer(raw);
    default:
      return {};
  }
}

function multicallResults({ args, after }: RawHypercall): JsonValue {
  const [list = 0n, count = 0n] = args;
  return numbered(count, (i) => {
    const result = after(list + i * MULTICALL_BYTES + 8n, 8);
    return result === null ? null : Number(BigInt.asIntN(64, result));
  });
}

function memoryAnswer({ args, after }: RawHypercall): JsonObject {
  const [command = 0n, at = 0n] = args;
  const operation = Number(command & 0x3fn);
  if (operation === XENMEM_INCREASE || operation === XENMEM_POPULATE) return { frames: extents(at, after) };
  if (operation !== XENMEM_EXCHANGE) return {};
  const exchanged = after(at + 2n * RESERVATION_BYTES, 8);
  return {
    frames: extents(at + RESERVATION_BYTES, after),
    nr_exchanged: exchanged === null ? null : Number(exchanged),
  };
}

/** The list of a struct xen_memory_reservation. */
function extents(reservation: bigint, read: ReadInteger): JsonValue {
  const list = read(reservation, 8);
  const count = read(reservation + 8n, 8);
  if (list === null || list === 0n || count === null) return [];
  return numbered(count, (i) => hex(read(list + i * 8n, 8)));
}

function grantAnswer({ args, after }: RawHypercall): JsonObject {
  const [command = 0n, list = 0n, count = 0n] = args;
  const layout = GRANT_ANSWERS[Number(command)];
  if (layout === undefined) return {};
  const { bytes, status, handle, frames } = layout;
  const statuses = numbered(count & 0xffff_ffffn, (i) => signed16(after(list + i * bytes + status, 2)));
  const handles =
    handle === undefined
      ? {}
      : { handles: numbered(count & 0xffff_ffffn, (i) => number(after(list + i * bytes + handle, 4))) };
  return { statuses, ...handles, ...(frames === undefined ? {} : { frames: tableFrames(list, after) }) };
}

/** struct gnttab_setup_table: frames of the grant table. */
function tableFrames(at: bigint, read: ReadInteger): JsonValue {
  const list = read(at + 16n, 8);
  const count = read(at + 4n, 4);
  if (list === null || list === 0n || count === null) return [];
  return numbered(count, (i) => hex(read(list + i * 8n, 8)));
}

function eventAnswer({ args, after }: RawHypercall): JsonObject {
  const [command = 0n, at = 0n] = args;
  const offset = EVENT_LAYOUTS[Number(command)];
  return offset === undefined ? {} : { port: number(after(at + offset, 4)) };
}

const numbered = (count: bigint, one: (index: bigint) => JsonValue): JsonValue =>
  Array.from({ length: Number(count < MAX_LIST ? count : BigInt(MAX_LIST)) }, (_, i) => one(BigInt(i)));

const number = (value: bigint | null): JsonValue => (value === null ? null : Number(value));
const signed16 = (value: bigint | null): JsonValue =>
  value === null ? null : Number(BigInt.asIntN(16, value));
const hex = (value: bigint | null): JsonValue => (value === null ? null : `0x${value.toString(16)}`);
