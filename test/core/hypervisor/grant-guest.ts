/** Grant operations as a guest of the tests makes them: the list in its scratch page, the results read back. */

import { GRANT_LAYOUTS } from '../../../core/hypervisor/grant-layouts.ts';
import { GRANT_STATUS, type GrantStatusName } from '../../../core/hypervisor/errno.ts';
import { DOMID, type Mfn } from '../../../core/units.ts';
import type { Field } from '../../../core/abi/index.ts';
import { Guest, type GuestOptions } from './guest.ts';

export const GTF_PERMIT = 1;
export const GTF_ACCEPT = 2;
export const GTF_READONLY = 4;
export const GTF_READING = 8;
export const GTF_WRITING = 0x10;
export const DEVICE_MAP = 1;
export const HOST_MAP = 2;
export const MAP_READONLY = 4;
export const APPLICATION_MAP = 8;
export const CONTAINS_PTE = 16;

/** The status that a guest sees. */
export const gntst = (name: GrantStatusName): number => -GRANT_STATUS[name];

/** The first reference that the toolstack leaves to the guest. */
export const FIRST_REF = 8;

export class GrantGuest extends Guest {
  /** Where the pages of the grant table are mapped. */
  private tableAt = 0n;

  constructor(options: GuestOptions = {}) {
    super(options);
  }

  get layouts() {
    return GRANT_LAYOUTS[this.abi.wordBytes];
  }

  put(field: Field, value: bigint | number, at = this.scratch): void {
    this.mustStore(at + BigInt(field.offset), field.bytes, BigInt.asUintN(field.bytes * 8, BigInt(value)));
  }

  get(field: Field, at = this.scratch): number {
    return Number(this.load(at + BigInt(field.offset), field.bytes));
  }

  status(field: Field, at = this.scratch): number {
    return Number(BigInt.asIntN(16, BigInt(this.get(field, at))));
  }

  grantOp(command: number, count = 1, at = this.scratch): number {
    return this.call(20, command, at, count);
  }

  /** setup_table; maps the pages of the table and returns their frames. */
  setup(pages = 1): Mfn[] {
    const { setup } = this.layouts;
    const listAt = this.scratch + 512n;
    this.put(setup.domid, DOMID.SELF);
    this.put(setup.frames, pages);
    this.put(setup.list, listAt);
    const rc = this.grantOp(2);
    const status = this.status(setup.status);
    if (rc !== 0 || status !== 0) throw new Error(`setup_table: ${rc}, status ${status}`);
    const { wordBytes } = this.abi;
    const frames = Array.from({ length: pages }, (_, i) =>
      Number(this.load(listAt + BigInt(i * wordBytes), wordBytes)),
    ) as Mfn[];
    const first = this.fresh();
    this.tableAt = this.kva(first);
    frames.forEach((frame, i) => {
      if (i > 0) this.fresh();
      const rc = this.vaMapping(this.tableAt + BigInt(i * 4096), this.entry(frame, 0x23));
      if (rc !== 0) throw new Error(`the grant table cannot be mapped: ${rc}`);
    });
    return frames;
  }

  /** Writes a shared entry, flags last. */
  grant(ref: number, grantee: number, frame: number, flags = GTF_PERMIT): void {
    const at = this.tableAt + BigInt(ref * 8);
    this.mustStore(at + 4n, 4, BigInt(frame));
    this.mustStore(at + 2n, 2, BigInt(grantee));
    this.mustStore(at, 2, BigInt(flags));
  }

  entryFlags(ref: number): number {
    return Number(this.load(this.tableAt + BigInt(ref * 8), 2));
  }

  entryFrame(ref: number): number {
    return Number(this.load(this.tableAt + BigInt(ref * 8 + 4), 4));
  }

  map(host: bigint, flags: number, ref: number, domid: number) {
    const { map } = this.layouts;
    this.put(map.host, host);
    this.put(map.flags, flags);
    this.put(map.ref, ref);
    this.put(map.domid, domid);
    const rc = this.grantOp(0);
    return {
      rc,
      status: this.status(map.status),
      handle: this.get(map.handle),
      device: this.load(this.scratch + BigInt(map.device.offset), 8),
    };
  }

  unmap(host: bigint, handle: number, device = 0n): number {
    const { unmap } = this.layouts;
    this.put(unmap.host, host);
    this.put(unmap.device, device);
    this.put(unmap.handle, handle);
    const rc = this.grantOp(1);
    return rc === 0 ? this.status(unmap.status) : rc;
  }

  replace(host: bigint, handle: number, replacement: bigint): number {
    const { replace } = this.layouts;
    this.put(replace.host, host);
    this.put(replace.replacement, replacement);
    this.put(replace.handle, handle);
    const rc = this.grantOp(7);
    return rc === 0 ? this.status(replace.status) : rc;
  }

  transfer(frame: number, domid: number, ref: number): number {
    const { transfer } = this.layouts;
    this.put(transfer.frame, frame);
    this.put(transfer.domid, domid);
    this.put(transfer.ref, ref);
    const rc = this.grantOp(4);
    return rc === 0 ? this.status(transfer.status) : rc;
  }

  copy(
    source: { frame?: number; ref?: number; domid?: number; offset?: number },
    dest: { frame?: number; ref?: number; domid?: number; offset?: number },
    length: number,
  ): number {
    const { copy } = this.layouts;
    const sides = [
      [source, copy.source],
      [dest, copy.dest],
    ] as const;
    for (const [side, layout] of sides) {
      this.put(layout.what, side.ref ?? side.frame ?? 0);
      this.put(layout.domid, side.domid ?? DOMID.SELF);
      this.put(layout.offset, side.offset ?? 0);
    }
    this.put(copy.length, length);
    this.put(copy.flags, (source.ref === undefined ? 0 : 1) | (dest.ref === undefined ? 0 : 2));
    const rc = this.grantOp(5);
    return rc === 0 ? this.status(copy.status) : rc;
  }
}
