/**
 * Where a Xen keeps what the oracle reads, by version: data, proved at each start on frames whose state is known. The
 * layouts are those of the public interface and of a build with debugging information (facts 3.1).
 */

import { RealXenUnavailable } from '../../../adapter/real-xen/real-xen-unavailable.ts';

/** A bit or a field of a 64-bit word. */
export interface BitField {
  readonly shift: bigint;
  readonly mask: bigint;
}

export interface XenLayout {
  readonly version: string;
  /** Virtual addresses in Xen's slots of every root. */
  readonly m2p: bigint;
  readonly frameTable: bigint;
  /** The record of a frame. */
  readonly recordBytes: number;
  readonly countInfo: number;
  readonly typeInfo: number;
  readonly owner: number;
  /** A signed 16-bit number, of tables in use alone. */
  readonly linearCount: number;
  readonly type: BitField;
  readonly pinned: BitField;
  readonly validated: BitField;
  readonly partial: BitField;
  readonly typeCount: BitField;
  readonly allocated: BitField;
  readonly state: BitField;
  readonly refCount: BitField;
  /** Value of `state` for a frame that is free; its type word then holds something else. */
  readonly freeState: bigint;
}

/** The layout of a version; throws RealXenUnavailable with a sentence for one that is not known. */
export function layoutOf(version: string, layouts: readonly XenLayout[] = XEN_LAYOUTS): XenLayout {
  const layout = layouts.find((row) => row.version === version);
  if (layout !== undefined) return layout;
  const known = layouts.map((row) => row.version).join(', ');
  throw new RealXenUnavailable(
    `This is Xen ${version}, and the oracle only knows the memory layout of ${known}: use one of those, or add its layout to test/oracle/real/layouts.ts.`,
  );
}

const bit = (shift: number): BitField => ({ shift: BigInt(shift), mask: 1n });
const bits = (high: number, low: number): BitField => ({
  shift: BigInt(low),
  mask: (1n << BigInt(high - low + 1)) - 1n,
});

export const XEN_LAYOUTS: readonly XenLayout[] = [
  {
    version: '4.17',
    m2p: 0xffff_8000_0000_0000n,
    frameTable: 0xffff_82e0_0000_0000n,
    recordBytes: 32,
    countInfo: 8,
    typeInfo: 16,
    owner: 24,
    linearCount: 30,
    type: bits(63, 61),
    pinned: bit(59),
    validated: bit(58),
    partial: bit(56),
    typeCount: bits(54, 0),
    allocated: bit(63),
    state: bits(59, 58),
    refCount: bits(53, 0),
    freeState: 3n,
  },
];

export const fieldOf = (word: bigint, { shift, mask }: BitField): bigint => (word >> shift) & mask;
