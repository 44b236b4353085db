/**
 * The machine's RAM as a file that QEMU maps too. Reads and writes go through the page cache, which is the very memory
 * of the guest, so nothing has to be stopped.
 */

import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const PAGE_SIZE = 4096n;
const FRAME_FIELD = 0x000f_ffff_ffff_f000n;
const PRESENT = 1n;
const SUPERPAGE = 0x80n;

export class GuestRam {
  private readonly fd: number;
  private readonly word = new DataView(new ArrayBuffer(8));

  constructor(path: string) {
    this.fd = openSync(path, 'r+');
  }

  close(): void {
    closeSync(this.fd);
  }

  /** Reads bytes at a machine address; what lies past the end of RAM reads as zeros. */
  read(address: bigint, into: Uint8Array): void {
    const count = readSync(this.fd, into, 0, into.length, Number(address));
    into.fill(0, count);
  }

  write(address: bigint, bytes: Uint8Array): void {
    writeSync(this.fd, bytes, 0, bytes.length, Number(address));
  }

  read64(address: bigint): bigint {
    this.read(address, new Uint8Array(this.word.buffer));
    return this.word.getBigUint64(0, true);
  }

  write64(address: bigint, value: bigint): void {
    this.word.setBigUint64(0, value, true);
    this.write(address, new Uint8Array(this.word.buffer));
  }

  /** The machine address of a virtual one under a 4-level root; null where nothing is mapped. */
  translate(root: bigint, va: bigint): bigint | null {
    let table = root * PAGE_SIZE;
    for (let level = 4; level >= 1; level--) {
      const shift = BigInt(12 + 9 * (level - 1));
      const entry = this.read64(table + ((va >> shift) & 0x1ffn) * 8n);
      if ((entry & PRESENT) === 0n) return null;
      const isLeaf = level === 1 || (level < 4 && (entry & SUPERPAGE) !== 0n);
      const offset = (1n << shift) - 1n;
      if (isLeaf) return (entry & FRAME_FIELD & ~offset) + (va & offset);
      table = entry & FRAME_FIELD;
    }
    return null;
  }
}
