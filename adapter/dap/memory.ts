/** readMemory and writeMemory in the three address spaces. */

import { type RequestArguments, RequestError } from './arguments.ts';
import { type RequestRows, STANDING, debuggeeOf } from './context.ts';
import type { Debuggee } from './debuggee.ts';
import { stateEdited } from './edits.ts';
import { type MemoryReference, parseMemoryReference } from './memory-reference.ts';

/** The most bytes that one request moves. */
const MAX_BYTES = 1024 * 1024;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

export const MEMORY: RequestRows<'readMemory' | 'writeMemory'> = {
  readMemory: {
    when: STANDING,
    async handle(context, args) {
      const debuggee = debuggeeOf(context);
      const { space, address, ...reference } = readReference(args);
      const read = await debuggee.source.memory({
        space,
        domain: debuggee.domainOf(vcpuFor(debuggee, reference)),
        address,
        bytes: Math.min(args.integer('count'), MAX_BYTES),
      });
      if ('unknown' in read) throw new RequestError(read.unknown);
      return {
        address: `0x${address.toString(16)}`,
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
      const data = args.text('data');
      const bytes = Buffer.from(data, 'base64');
      if (!BASE64.test(data)) throw new RequestError('The argument `data` must be bytes in base64.');
      if (bytes.length > MAX_BYTES) throw new RequestError('The argument `data` holds more than 1 MiB.');
      const { space, address } = reference;
      const written = debuggee.session.writeMemory(space, vcpuFor(debuggee, reference), address, bytes);
      if (typeof written !== 'number') throw new RequestError(written.problem);
      if (written < bytes.length && !args.flag('allowPartial')) {
        throw new RequestError(`Only the first ${written} bytes could be written.`);
      }
      const memoryReference = args.text('memoryReference');
      stateEdited(context, debuggee, { memoryReference, offset: offsetOf(args), count: written });
      return { bytesWritten: written };
    },
  },
};

/** The vCPU that a reference names, or the one that stands. */
function vcpuFor(debuggee: Debuggee, { thread }: Pick<MemoryReference, 'thread'>): number {
  if (thread === null) return debuggee.focus();
  if (debuggee.session.vcpus().some(({ vcpu }) => vcpu === thread - 1)) return thread - 1;
  throw new RequestError(`There is no thread ${thread}.`);
}

function readReference(args: RequestArguments): MemoryReference {
  const text = args.text('memoryReference');
  const reference = parseMemoryReference(text);
  if (reference === null) {
    throw new RequestError(`\`${text}\` is no memory reference: write va:0x400000, pfn:0x12 or mfn:0x1a3.`);
  }
  return { ...reference, address: BigInt.asUintN(64, reference.address + BigInt(offsetOf(args))) };
}

const offsetOf = (args: RequestArguments): number =>
  args.optionalInteger('offset', Number.MIN_SAFE_INTEGER) ?? 0;
