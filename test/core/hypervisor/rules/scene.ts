/**
 * The scene of a recipe: guests of one ABI under one hypervisor. A recipe breaks one rule and no other before it; the
 * test that cooks them (every-rule.test.ts) says which rule was told, and with which result.
 */

import type { AbiName } from '../../../../core/abi/index.ts';
import type { XenVersion } from '../../../../core/hypervisor/rules.ts';
import type { HypervisorOptions } from '../../../../core/hypervisor/types.ts';
import { A, P } from '../../../../core/pte.ts';
import { DOMID, type Mfn, highWord, lowWord } from '../../../../core/units.ts';
import { DATA_FLAGS, type GuestOptions, TABLE_FLAGS } from '../guest.ts';
import { FIRST_REF, GrantGuest } from '../grant-guest.ts';

const MIB = 2 ** 20;
const MEMORY_OP = 12;

export interface Configuration {
  readonly abi: AbiName;
  readonly xen: XenVersion;
}

/** The guest whose call was refused (or who was crashed), and the result that it saw: an error, a status, a count. */
export type Outcome = readonly [guest: RuleGuest, result: number | null];

export interface Recipe {
  /** Where the rule exists; everywhere when left out. */
  readonly on?: (where: Configuration) => boolean;
  /** The result where it is not the rule's own error: counts of memory_op, calls that report the error elsewhere. */
  readonly returns?: (where: Configuration) => number;
  readonly make: (scene: Scene) => Outcome;
}

export const modern = ({ xen }: Configuration): boolean => xen === '4.17';
export const old = ({ xen }: Configuration): boolean => xen === '3.0.4';
export const pae = ({ abi }: Configuration): boolean => abi === 'x86_32p';
export const wide = ({ abi }: Configuration): boolean => abi === 'x86_64';
export const notPae = ({ abi }: Configuration): boolean => abi !== 'x86_32p';
export const both =
  (...tests: readonly ((where: Configuration) => boolean)[]) =>
  (where: Configuration): boolean =>
    tests.every((test) => test(where));

export class RuleGuest extends GrantGuest {
  /** A page that may become a table, and one with data. */
  readonly m = this.fresh();
  readonly d = this.fresh();

  get mFrame(): Mfn {
    return this.p2m(this.m);
  }

  get dFrame(): Mfn {
    return this.p2m(this.d);
  }

  /** A frame of Xen's. */
  get foreignFrame(): Mfn {
    return this.hv.machine.m2pBase;
  }

  /** Flags that an entry of the root takes when it names a table. */
  get rootFlags(): number {
    return this.row(this.abi.rootLevel).builderFlags;
  }

  /** Changes the entry that maps `d`. */
  mapLeaf(frame: number, flags: number = DATA_FLAGS): number {
    const { table, slot } = this.place(this.kva(this.d), 1);
    return this.update(table, slot, this.entry(frame, flags));
  }

  /** Changes the L2 entry of an address that has no L1 table. */
  link(frame: number, flags: number = TABLE_FLAGS): number {
    const { table, slot } = this.place(this.unmapped, 2);
    return this.update(table, slot, this.entry(frame, flags));
  }

  /** Changes an entry of an upper table that nothing uses yet. */
  linkAt(level: 2 | 3 | 4, frame: number, flags: number): number {
    const { table } = this.place(this.unmapped, level);
    return this.update(table, level === this.abi.rootLevel ? 1 : 5, this.entry(frame, flags));
  }

  /** An empty page that the kernel maps read-only: its frame. */
  emptyTable(): Mfn {
    const page = this.fresh();
    this.makeReadOnly(page);
    return this.p2m(page);
  }

  /** A table with one entry. */
  tableWith(slot: number, entry: bigint): Mfn {
    const page = this.fresh();
    this.mustStore(this.kva(page) + BigInt(slot * this.abi.entryBytes), this.abi.entryBytes, entry);
    this.makeReadOnly(page);
    return this.p2m(page);
  }

  /** Stores 32-bit words at the scratch page. */
  words(...values: readonly number[]): bigint {
    values.forEach((value, i) => this.mustStore(this.scratch + BigInt(i * 4), 4, BigInt(value >>> 0)));
    return this.scratch;
  }

  /** Stores words of the guest's size at the scratch page. */
  longs(...values: readonly (number | bigint)[]): bigint {
    const { wordBytes } = this.abi;
    values.forEach((value, i) =>
      this.mustStore(this.scratch + BigInt(i * wordBytes), wordBytes, BigInt(value)),
    );
    return this.scratch;
  }

  /** A page that nothing maps any more: its frame. */
  unmappedFrame(): { readonly page: number; readonly frame: Mfn } {
    const page = this.fresh();
    const frame = this.p2m(page);
    this.vaMapping(this.kva(page), 0n);
    return { page, frame };
  }

  /** A struct xen_memory_reservation at the scratch page, `at` bytes in. */
  reservation(fields: {
    readonly at?: number;
    readonly list?: bigint;
    readonly count?: number;
    readonly order?: number;
    readonly memFlags?: number;
    readonly domid?: number;
  }): bigint {
    const { memoryReservation: layout } = this.abi;
    const at = this.scratch + BigInt(fields.at ?? 0);
    this.put(layout.extentStart, fields.list ?? this.scratch + 512n, at);
    this.put(layout.nrExtents, fields.count ?? 1, at);
    this.put(layout.extentOrder, fields.order ?? 0, at);
    this.put(layout.memFlags, fields.memFlags ?? 0, at);
    this.put(layout.domid, fields.domid ?? DOMID.SELF, at);
    return at;
  }

  /** memory_op exchange of one frame for one, with the lists at 512 and 1024 of the scratch page. */
  exchange(
    frame: number,
    page: number,
    change: {
      readonly inList?: bigint;
      readonly outList?: bigint;
      readonly order?: number;
      readonly outCount?: number;
      readonly memFlags?: number;
      readonly domid?: number;
    } = {},
  ): number {
    const { memoryReservation: layout, wordBytes } = this.abi;
    const { order = 0, domid = DOMID.SELF } = change;
    this.mustStore(this.scratch + 512n, wordBytes, BigInt(frame));
    this.mustStore(this.scratch + 1024n, wordBytes, BigInt(page));
    this.reservation({ list: change.inList ?? this.scratch + 512n, order, domid });
    this.reservation({
      at: layout.bytes,
      list: change.outList ?? this.scratch + 1024n,
      count: change.outCount ?? 1,
      order,
      memFlags: change.memFlags ?? 0,
      domid,
    });
    this.mustStore(this.scratch + BigInt(2 * layout.bytes), wordBytes, 0n);
    return this.call(MEMORY_OP, 11, this.scratch);
  }

  /** The guest's processor loads from an address that faults, and the hypervisor deals with it. */
  fault(va = this.unmapped): void {
    this.vcpu.mmu.load(lowWord(va), highWord(va), 4);
    this.hv.deliverPageFault(this.vcpu);
  }
}

export class Scene {
  readonly where: Configuration;

  constructor(where: Configuration) {
    this.where = where;
  }

  get modern(): boolean {
    return modern(this.where);
  }

  guest(options: Partial<HypervisorOptions> & Pick<GuestOptions, 'spec' | 'heapFrames'> = {}): RuleGuest {
    return new RuleGuest({ ...this.where, ...options });
  }

  dom0(): RuleGuest {
    return this.guest({ spec: { role: 'hardware' } });
  }

  /** Another domain on the hypervisor of a first one. */
  beside(first: RuleGuest): RuleGuest {
    return new RuleGuest({ hv: first.hv, spec: { memoryBytes: 4 * MIB } });
  }

  /** A domain that grants its page `d`, and one that is granted it. */
  pair(options: Partial<HypervisorOptions> = {}): {
    readonly granter: RuleGuest;
    readonly mapper: RuleGuest;
    /** Where the mapper may map it. */
    readonly va: bigint;
  } {
    const granter = this.guest({ ...options, spec: { memoryBytes: 4 * MIB } });
    const mapper = this.beside(granter);
    granter.setup();
    granter.grant(FIRST_REF, mapper.domain.id, granter.dFrame);
    return { granter, mapper, va: mapper.kva(mapper.fresh()) };
  }
}

/** A read-only entry, as recursive maps are made of. */
export const LINEAR = P | A;
