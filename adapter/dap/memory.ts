/** readMemory and writeMemory in the three address spaces. */

import type { MemoryRead } from '../../core/timeline/types.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import { type RequestRows, STANDING, debuggeeOf } from './context.ts';
import type { Debuggee } from './debuggee.ts';
import { vcpuOf } from './debuggee.ts';
import { stateEdited } from './edits.ts';
import { type MemoryReference, parseMemoryReference } from './memory-reference.ts';

/** The most bytes that one request moves. */
const MAX_BYTES = 1024 * 1024;

export const MEMORY: RequestRows<'readMemory' | 'writeMemory'> = {
  readMemory: {
    when: STANDING,
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const reference = readReference(args);
      const count = Math.min(args.integer('count'), MAX_BYTES);
      const read = readBytes(debuggee, reference, count);
      const address = `0x${reference.address.toString(16)}`;
      if (read.kind === 'problem') return { address, unreadableBytes: count };
      return {
        address,
        data: Buffer.from(read.bytes).toString('base64'),
        ...(read.unreadable === 0 ? {} : { unreadableBytes: read.unreadable }),
      };
    },
  },

  writeMemory: {
    when: ['stopped'],
    handle(context, args) {
      const debuggee = debuggeeOf(context);
      const reference = readReference(args);
      const bytes = Buffer.from(args.text('data'), 'base64');
      if (bytes.length > MAX_BYTES) throw new RequestError('The argument `data` holds more than 1 MiB.');
      const { space, address } = reference;
      const written = debuggee.session.writeMemory(space, vcpuFor(debuggee, reference), address, bytes);
      if (typeof written !== 'number') throw new RequestError(written.problem);
      if (written < bytes.length && !args.flag('allowPartial')) {
        throw new RequestError(`Only the first ${String(written)} bytes could be written.`);
      }
      stateEdited(context, debuggee);
      return { bytesWritten: written };
    },
  },
};

/** Reads bytes; a hole in front is an empty answer with all bytes unreadable. */
export function readBytes(debuggee: Debuggee, reference: MemoryReference, count: number): MemoryRead {
  if (count === 0) return { kind: 'bytes', bytes: new Uint8Array(0), unreadable: 0 };
  const vcpu = vcpuFor(debuggee, reference);
  return debuggee.session.readMemory(reference.space, vcpu, reference.address, count);
}

/** The vCPU that a reference names, or the one that stands. */
export function vcpuFor(debuggee: Debuggee, { thread }: MemoryReference): number {
  if (thread === null) return debuggee.standing === null ? 0 : vcpuOf(debuggee.standing);
  if (debuggee.session.vcpus().some(({ vcpu }) => vcpu === thread - 1)) return thread - 1;
  throw new RequestError(`There is no thread ${String(thread)}.`);
}

function readReference(args: RequestArguments): MemoryReference {
  const text = args.text('memoryReference');
  const reference = parseMemoryReference(text);
  if (reference === null) {
    throw new RequestError(`\`${text}\` is no memory reference: write va:0x400000, pfn:0x12 or mfn:0x1a3.`);
  }
  const offset = args.optionalInteger('offset', Number.MIN_SAFE_INTEGER) ?? 0;
  return { ...reference, address: BigInt.asUintN(64, reference.address + BigInt(offset)) };
}
