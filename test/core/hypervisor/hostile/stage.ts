/**
 * Where hostile calls are made: a guest with a granted page, a neighbour, and what each kind of argument may be. The
 * values are names and numbers, so that a table of results can be read (hostile.test.ts).
 */

import { A, D, P, RW } from '../../../../core/pte.ts';
import { DOMID, type Mfn } from '../../../../core/units.ts';
import { FIRST_REF, GTF_ACCEPT, HOST_MAP } from '../grant-guest.ts';
import type { Configuration } from '../rules/scene.ts';
import { RuleGuest, Scene } from '../rules/scene.ts';

const MIB = 2 ** 20;
const HEAP_FRAMES = 4000;

export type Kind = 'pointer' | 'count' | 'frame' | 'address' | 'entry' | 'virtual' | 'domain' | 'number';

/** A value under its name. */
export type Hostile = readonly [name: string, value: bigint];

export class Stage {
  readonly guest: RuleGuest;
  readonly other: RuleGuest;
  /** A page of the guest that is mapped read-only, and one that nothing maps. */
  readonly readOnly: bigint;
  readonly spare: { readonly page: number; readonly frame: Mfn };
  /** Where the neighbour's page may be mapped. */
  readonly window: bigint;
  /** Where it is mapped, and by which handle. */
  readonly mappedAt: bigint;
  readonly handle: number;

  constructor(where: Configuration, role: 'domU' | 'hardware') {
    this.other = new Scene(where).guest({ heapFrames: HEAP_FRAMES, spec: { memoryBytes: 4 * MIB } });
    this.guest = new RuleGuest({
      hv: this.other.hv,
      spec: { memoryBytes: 4 * MIB, maxPages: 1100, maxVcpus: 2, role },
    });
    const { guest, other } = this;
    other.setup();
    other.grant(FIRST_REF, guest.domain.id, other.dFrame);
    other.grant(FIRST_REF + 1, guest.domain.id, 0, GTF_ACCEPT);
    guest.setup();
    const page = guest.fresh();
    guest.makeReadOnly(page);
    this.readOnly = guest.kva(page);
    this.spare = guest.unmappedFrame();
    this.window = guest.kva(guest.fresh());
    this.mappedAt = guest.kva(guest.fresh());
    this.handle = guest.map(this.mappedAt, HOST_MAP, FIRST_REF, other.domain.id).handle;
    other.domain.maxPages += 16;
  }

  get leaf(): { readonly table: Mfn; readonly slot: number } {
    return this.guest.place(this.guest.kva(this.guest.d), 1);
  }

  /** The hostile values of a kind, each once. */
  hostile(kind: Kind): readonly Hostile[] {
    const values = this.values()[kind];
    return values.filter(([, value], i) => values.findIndex(([, each]) => each === value) === i);
  }

  private values(): { readonly [kind in Kind]: readonly Hostile[] } {
    const { guest } = this;
    const ones = (1n << BigInt(guest.abi.wordBytes * 8)) - 1n;
    const notCanonical: readonly Hostile[] =
      guest.abi.wordBytes === 8 ? [['not canonical', 0x1234_0000_0000_0000n]] : [];
    const pointers: readonly Hostile[] = [
      ['NULL', 0n],
      ['odd', guest.kva(guest.d) + 1n],
      ['unmapped', guest.unmapped],
      ['at the end', guest.layout.mappedEnd - 2n],
      ['of Xen', guest.abi.xenHole.from],
      ['M2P', guest.abi.m2pWindow.start],
      ['all ones', ones],
      ...notCanonical,
    ];
    const frames = this.frames(ones);
    const flags = BigInt(P | RW | A | D);
    return {
      pointer: [...pointers, ['read-only', this.readOnly]],
      virtual: [...pointers, ['of another vCPU', guest.kva(guest.d) + 0xfffn]],
      count: [
        ['0', 0n],
        ['2^31', 0x8000_0000n],
        ['2^31 - 1', 0x7fff_ffffn],
        ['2^32 - 1', 0xffff_ffffn],
        ['1000', 1000n],
      ],
      frame: frames,
      address: frames.flatMap(([name, frame]): Hostile[] =>
        name === 'the data page'
          ? [1n, 2n, 4n, 7n].map((low) => [`data page + ${low}`, (frame << 12n) | low])
          : [[name, BigInt.asUintN(64, frame << 12n)]],
      ),
      entry: [
        ...frames.map(([name, frame]): Hostile => [name, BigInt.asUintN(64, (frame << 12n) | flags)]),
        ['every flag', (BigInt(guest.dFrame) << 12n) | 0xfffn],
        ['all bits', (1n << 64n) - 1n],
      ],
      domain: [
        ['SELF', BigInt(DOMID.SELF)],
        ['IO', 0x7ff1n],
        ['XEN', 0x7ff2n],
        ['COW', 0x7ff3n],
        ['INVALID', 0x7ff4n],
        ['IDLE', 0x7fffn],
        ['own', BigInt(guest.domain.id)],
        ['neighbour', BigInt(this.other.domain.id)],
        ['nobody', 77n],
        ['0xffff', 0xffffn],
      ],
      number: [
        ['0', 0n],
        ['1', 1n],
        ['63', 63n],
        ['64', 64n],
        ['0xffff', 0xffffn],
        ['2^31', 0x8000_0000n],
        ['2^32 - 1', 0xffff_ffffn],
      ],
    };
  }

  private frames(ones: bigint): readonly Hostile[] {
    const { guest, other } = this;
    const { machine, heap } = guest.hv;
    const free = Array.from({ length: machine.maxPage }, (_, i) => machine.maxPage - 1 - i).find((frame) =>
      heap.isFree(frame),
    );
    return [
      ['frame 0', 0n],
      ['first MiB', 0x10n],
      ['the data page', BigInt(guest.dFrame)],
      ['the root', BigInt(guest.root)],
      ['an L1', BigInt(this.leaf.table)],
      ['of Xen', BigInt(machine.m2pBase)],
      ['shared info', BigInt(guest.layout.sharedInfo)],
      ['foreign', BigInt(other.dFrame)],
      ['free', BigInt(free ?? 0)],
      ['past the end', BigInt(machine.maxPage)],
      ['2^28', 1n << 28n],
      ['all ones', ones >> (guest.abi.wordBytes === 8 ? 0n : 12n)],
    ];
  }
}
