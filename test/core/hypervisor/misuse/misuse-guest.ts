/** A guest with the two pages that the rows of the misuse catalogue (facts 11) are about. */

import { ERRNO, type ErrnoName } from '../../../../core/hypervisor/errno.ts';
import type { XenVersion } from '../../../../core/hypervisor/rules.ts';
import type { Mfn } from '../../../../core/units.ts';
import { DATA_FLAGS, Guest, type GuestOptions, TABLE_FLAGS } from '../guest.ts';

export const EINVAL = -ERRNO.EINVAL;
export const MIB = 2 ** 20;

export const PIN_L1 = 0;
export const PIN_L2 = 1;
export const PIN_L3 = 2;
export const PIN_L4 = 3;
export const UNPIN = 4;
export const NEW_BASEPTR = 5;

export class MisuseGuest extends Guest {
  /** A page that is to become an L1 table, and one with data; both mapped writable by the kernel. */
  readonly m: number;
  readonly d: number;
  readonly xen: XenVersion;

  constructor(options: GuestOptions = {}) {
    super(options);
    this.xen = this.hv.options.xen;
    this.m = this.fresh();
    this.d = this.fresh();
  }

  get isModern(): boolean {
    return this.xen === '4.17';
  }

  /** The error of 4.17, or -EINVAL, which 3.0.4 gave for every failed MMU operation. */
  error(name: ErrnoName): number {
    return this.isModern ? -ERRNO[name] : EINVAL;
  }

  get mFrame(): Mfn {
    return this.p2m(this.m);
  }

  get dFrame(): Mfn {
    return this.p2m(this.d);
  }

  /** The L2 entry of an address that has no L1 table yet. */
  get parent(): { readonly table: Mfn; readonly slot: number } {
    return this.place(this.unmapped, 2);
  }

  /** The L1 entry by which the kernel maps d. */
  get leaf(): { readonly table: Mfn; readonly slot: number } {
    return this.place(this.kva(this.d), 1);
  }

  link(frame: Mfn | number = this.mFrame, flags = TABLE_FLAGS): number {
    return this.update(this.parent.table, this.parent.slot, this.entry(frame, flags));
  }

  /** Gives up the writable mapping of m and links it. */
  linkTable(): number {
    this.makeReadOnly(this.m);
    return this.link();
  }

  map(frame: Mfn | number, flags: number = DATA_FLAGS): number {
    return this.update(this.leaf.table, this.leaf.slot, this.entry(frame, flags));
  }

  /** Stores an entry into a page that is no table yet. */
  storeEntry(page: number, slot: number, entry: bigint): void {
    this.mustStore(this.kva(page) + BigInt(slot * this.abi.entryBytes), this.abi.entryBytes, entry);
  }

  /** An empty page that the kernel maps read-only: its frame. */
  emptyTable(): Mfn {
    const page = this.fresh();
    this.makeReadOnly(page);
    return this.p2m(page);
  }

  /** Why the domain crashed: a rule, or the state it is in instead. */
  get crashRule(): string | null {
    const { state } = this.domain;
    return state.kind === 'crashed' ? state.crash.rule : state.kind;
  }
}
