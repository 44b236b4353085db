/**
 * Proof that a layout fits the Xen that runs: frames whose state is known from the way domain 0 is built (facts 3.3,
 * 6.3) must read so, and the M2P must be the inverse of the P2M. Without it every comparison would be worthless.
 */

import type { GuestPort } from '../../../adapter/conformance/guest-port.ts';
import type { BootTable } from '../../../adapter/conformance/operations.ts';
import { RealXenUnavailable } from '../../../adapter/real-xen/real-xen-unavailable.ts';
import type { RealFrame, XenMemory } from './xen-memory.ts';

type Known = Omit<RealFrame, 'ownerWord'>;

const known = (type: Known['type'], typeCount: number, refCount: number, pinned: boolean): Known => ({
  type,
  typeCount,
  refCount,
  pinned,
  validated: type !== 'none',
  allocated: true,
  owner: 'domain',
  linear: 0,
  partial: false,
});

const KNOWN_TABLES: { readonly [table in BootTable]: Known } = {
  'boot.l4': known('l4', 2, 4, true),
  'boot.l3': known('l3', 1, 3, false),
  'boot.l2': known('l2', 1, 3, false),
  'boot.l1.0': known('l1', 1, 3, false),
  'boot.l1.1': known('l1', 1, 3, false),
};
/** First page of the linear mapping, and first page past it. */
const MAPPED_PFN = 1;
const UNMAPPED_PFN = 0x400;

export function proveLayout(port: GuestPort, xen: XenMemory): void {
  for (const [name, expected] of Object.entries(KNOWN_TABLES))
    expectState(xen, name, port.bootTables.get(name as BootTable) ?? 0n, expected);
  expectState(xen, 'a mapped page', port.p2m(MAPPED_PFN), known('writable', 1, 2, false));
  for (let pfn = UNMAPPED_PFN; pfn < port.nrPages; pfn++)
    expectState(xen, `the unmapped page 0x${pfn.toString(16)}`, port.p2m(pfn), known('none', 0, 1, false));
  for (let pfn = 0; pfn < port.nrPages; pfn++) {
    const frame = port.p2m(pfn);
    if (xen.m2p(frame) !== BigInt(pfn) || xen.frame(frame)?.owner !== 'domain')
      throw mismatch(`the M2P or the owner of page 0x${pfn.toString(16)} (frame 0x${frame.toString(16)})`);
  }
}

function expectState(xen: XenMemory, what: string, frame: bigint, expected: Known): void {
  const state = xen.frame(frame);
  for (const [name, value] of Object.entries(expected))
    if (state === null || state[name as keyof Known] !== value)
      throw mismatch(`${what} (frame 0x${frame.toString(16)}), which should have ${name} ${String(value)}`);
}

const mismatch = (what: string): RealXenUnavailable =>
  new RealXenUnavailable(
    `The layout known for this Xen does not fit it: it shows a wrong state for ${what}; add its layout to test/oracle/real/layouts.ts.`,
  );
