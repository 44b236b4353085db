/**
 * The grant operations of a list, on entries of version 1: the table's pages are mapped when it is set up, and entries
 * are written by plain stores, as a guest does.
 */

import { AT, type ArgumentArea, NR } from './argument-area.ts';
import type { GuestPort } from './guest-port.ts';
import { type GrantFrame, type Operation, OperationMistake } from './operations.ts';
import type { Outcome } from './runner.ts';
import { MAPPED_WRITABLE, withFrame } from './entries.ts';

const GNTTABOP = { map: 0, unmap: 1, setup: 2 } as const;
const GNTMAP_CONTAINS_PTE = 16;
const DOMID_SELF = 0x7ff0;

/** Boot pages from here on are replaced by those of the grant table; lists leave them alone. */
const GRANT_VA = 0x2000n;
export const MAX_GRANT_FRAMES = 14;
const GRANTS_PER_FRAME = 512;
const ENTRY_BYTES = 8n;

/** An entry as it stands: flags with the domain above them, and the machine frame. */
export interface GrantEntry {
  readonly flags: bigint;
  readonly frame: bigint;
}

type Grant<Name extends Operation['op']> = Operation & { readonly op: Name };

export class GrantOperations {
  /** Machine frames of the table's pages, as setup_table told them. */
  frames: readonly bigint[] = [];
  private readonly port: GuestPort;
  private readonly area: ArgumentArea;

  constructor(port: GuestPort, area: ArgumentArea) {
    this.port = port;
    this.area = area;
  }

  /** The frame of a page of the table; null before it is set up. */
  frameOf(name: GrantFrame): bigint | null {
    return this.frames[Number(name.slice('grant.'.length))] ?? null;
  }

  /** What an entry holds, read without the guest. */
  entry(ref: number): GrantEntry {
    const frame = this.frames[Math.floor(ref / GRANTS_PER_FRAME)];
    const word = frame === undefined ? 0n : this.port.word(frame, ref % GRANTS_PER_FRAME);
    return { flags: word & 0xffff_ffffn, frame: word >> 32n };
  }

  setup({ frames }: Grant<'grant_setup'>): Outcome {
    if (frames > MAX_GRANT_FRAMES)
      throw new OperationMistake(
        `grant_setup of ${frames} frames: a list can use at most ${MAX_GRANT_FRAMES}`,
      );
    const structure = new DataView(new ArrayBuffer(24));
    structure.setUint16(0, DOMID_SELF, true);
    structure.setUint32(4, frames, true);
    structure.setBigUint64(16, this.area.at(AT.list), true);
    const rc = this.call(GNTTABOP.setup, structure);
    const status = this.status(8);
    if (rc === 0 && status === 0) this.mapFrames(frames);
    return { rc, done: 0, status };
  }

  private mapFrames(count: number): void {
    const list = this.area.view(AT.list, count * 8);
    const frames = Array.from({ length: count }, (_, i) => list.getBigUint64(i * 8, true));
    frames.forEach((frame, i) =>
      this.area.mapAt(GRANT_VA + BigInt(i * 4096), withFrame(MAPPED_WRITABLE, frame)),
    );
    if (count > this.frames.length) this.frames = frames;
  }

  /** @param frame the machine frame that the entry shall name. */
  set({ ref, domid, flags }: Grant<'grant_set'>, frame: bigint): Outcome {
    const entries = this.frames.length * GRANTS_PER_FRAME;
    if (ref >= entries)
      throw new OperationMistake(
        `grant_set of entry ${ref}: the table has ${entries} entries, use grant_setup first`,
      );
    const entry = (BigInt.asUintN(32, frame) << 32n) | (BigInt(domid) << 16n) | BigInt(flags);
    const fault = this.port.store(GRANT_VA + BigInt(ref) * ENTRY_BYTES, entry, 1);
    return { rc: 0, done: 0, ...(fault === null ? {} : { fault }) };
  }

  /** @param address where the mapping goes: virtual, or the machine address of an entry. */
  map(o: Grant<'grant_map'>, address: bigint): Outcome {
    const structure = new DataView(new ArrayBuffer(32));
    structure.setBigUint64(0, address, true);
    structure.setUint32(8, (o.flags | ('p' in o.place ? GNTMAP_CONTAINS_PTE : 0)) >>> 0, true);
    structure.setUint32(12, o.ref, true);
    structure.setUint16(16, o.dom, true);
    const rc = this.call(GNTTABOP.map, structure);
    const status = this.status(18);
    const handle = this.area.view(AT.structure + 20, 4).getUint32(0, true);
    return { rc, done: 0, status, ...(rc === 0 && status === 0 ? { handle } : {}) };
  }

  unmap({ handle }: Grant<'grant_unmap'>, address: bigint): Outcome {
    const structure = new DataView(new ArrayBuffer(24));
    structure.setBigUint64(0, address, true);
    structure.setUint32(16, handle, true);
    const rc = this.call(GNTTABOP.unmap, structure);
    return { rc, done: 0, status: this.status(20) };
  }

  private call(command: number, structure: DataView): number {
    return this.area.callWith(NR.grantTableOp, command, structure, 1n);
  }

  private status(offset: number): number {
    return this.area.view(AT.structure + offset, 2).getInt16(0, true);
  }
}
