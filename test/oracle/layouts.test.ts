/** The proof at each start: a layout with any constant wrong is refused in one sentence, before anything is compared. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RealXenUnavailable } from '../../adapter/real-xen/real-xen-unavailable.ts';
import { provideFiles } from './real/kernel.ts';
import { type BitField, type XenLayout, XEN_LAYOUTS, layoutOf } from './real/layouts.ts';
import { RealPort } from './real/real-port.ts';

const START_MILLISECONDS = 300_000;

let port: RealPort | null = null;

beforeAll(() => {
  port = new RealPort(provideFiles());
}, START_MILLISECONDS);

afterAll(() => {
  port?.close();
});

/** What the proof says of a layout. */
function said(layout: XenLayout): string {
  if (port === null) throw new Error('the machine has not started');
  try {
    port.prove(layout);
    return 'proved';
  } catch (error) {
    if (error instanceof RealXenUnavailable) return error.message;
    throw error;
  }
}

const right = layoutOf(XEN_LAYOUTS[0]?.version ?? '');
const moved = ({ shift, mask }: BitField, by: bigint): BitField => ({ shift: shift + by, mask });

/** Each constant but two, which show in no frame at start: `linearCount` and `state`. Lists fail with those wrong. */
const WRONG: { readonly [name in keyof XenLayout]?: XenLayout[name] } = {
  m2p: right.m2p + 8n,
  frameTable: right.frameTable + 32n,
  recordBytes: 40,
  countInfo: right.typeInfo,
  typeInfo: right.countInfo,
  owner: right.owner - 4,
  type: moved(right.type, -1n),
  pinned: moved(right.pinned, 1n),
  validated: moved(right.validated, -1n),
  partial: moved(right.partial, 2n),
  typeCount: { shift: 1n, mask: right.typeCount.mask },
  allocated: moved(right.allocated, -1n),
  refCount: moved(right.refCount, 1n),
  freeState: 0n,
};

describe('the layout of the memory of a real Xen', () => {
  it('is proved as it is known', () => {
    expect(said(right)).toBe('proved');
  });

  it.each(Object.keys(WRONG) as (keyof XenLayout)[])('is refused with %s wrong', (name) => {
    expect(said({ ...right, [name]: WRONG[name] })).toMatch(
      /^The layout known for this Xen does not fit it: it shows a wrong state for .*; add its layout to test\/oracle\/real\/layouts\.ts\.$/,
    );
  });

  it('is refused for a version that is not known', () => {
    expect(() => layoutOf('4.99')).toThrow(
      'This is Xen 4.99, and the oracle only knows the memory layout of 4.17: use one of those, or add its layout to test/oracle/real/layouts.ts.',
    );
  });
});
