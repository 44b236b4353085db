/**
 * The pages that hypercall arguments lie in, and hypercalls that use them: numbers of hypercalls and commands, and
 * where each structure is put.
 */

import type { GuestPort } from './guest-port.ts';

export const NR = {
  mmuUpdate: 1,
  memoryOp: 12,
  updateVaMapping: 14,
  grantTableOp: 20,
  mmuextOp: 26,
} as const;

/** Offsets within the argument pages: a structure, a list that it points to, a count that Xen writes, requests or data. */
export const AT = { structure: 0, list: 1024, done: 2048, requests: 4096 } as const;

const UVMF_INVLPG = 2n;

export class ArgumentArea {
  private readonly port: GuestPort;

  constructor(port: GuestPort) {
    this.port = port;
  }

  /** Virtual address of an offset. */
  at(offset: number): bigint {
    return this.port.argumentsVa + BigInt(offset);
  }

  put(offset: number, words: readonly bigint[]): void {
    this.port.writeArguments(offset, new Uint8Array(BigUint64Array.from(words).buffer));
  }

  putStructure(structure: DataView): void {
    this.port.writeArguments(
      AT.structure,
      new Uint8Array(structure.buffer, structure.byteOffset, structure.byteLength),
    );
  }

  view(offset: number, length: number): DataView {
    const bytes = this.port.readArguments(offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  call(number: number, args: readonly bigint[]): number {
    return Number(this.port.hypercall(number, args));
  }

  /** A hypercall that takes a command and a structure. */
  callWith(number: number, command: number, structure: DataView, ...more: readonly bigint[]): number {
    this.putStructure(structure);
    return this.call(number, [BigInt(command), this.at(AT.structure), ...more]);
  }

  /** update_va_mapping with a flush of the address. */
  mapAt(va: bigint, entry: bigint): number {
    return this.call(NR.updateVaMapping, [va, entry, UVMF_INVLPG]);
  }
}
