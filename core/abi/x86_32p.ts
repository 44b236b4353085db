/**
 * x86_32p (PAE): three levels, 64-bit entries, guest kernel in ring 1; the root has four slots, and the L2 table in the
 * last one carries Xen's hole. Two rows: guests of a 64-bit Xen (from 2007 to this day), and guests of a 32-bit Xen
 * built with PAE, as 3.0.4 was. Facts 0, 1.4, 2.1 to 2.3, 2.6, 2.8, 4.1, 6.1, 6.6.
 */

import { A, D, P, PSE, RW, US, FLAGS_HI, AVAIL_HIGH_HI } from '../pte.ts';
import { virtualAddress } from '../units.ts';
import type { Abi, XenSlotContent } from './abi.ts';
import { x86_32 } from './x86_32.ts';

/** PWT, PCD, PAT/PSE: refused at every level of a domain without I/O rights. */
const CACHE_BITS = 0x098;
const G = 0x100;
/** First slot of the top L2 that is Xen's: 0xf5800000 >> 21, within the table. */
const FIRST_XEN_SLOT = 428;
const HOLE = virtualAddress(0xf580_0000n);

const LOWER = { slots: 512, hasRights: true, added: 0, removed: 0 } as const;

/** Under a 64-bit Xen the guest's root is an L3 below a root of Xen's. */
export const x86_32p: Abi = {
  ...x86_32,
  name: 'x86_32p',
  entryBytes: 8,
  levels: [
    {
      ...LOWER,
      level: 1,
      shift: 12,
      superpages: false,
      xenSlots: null,
      builderFlags: P | RW | A,
      linear: false,
    },
    {
      ...LOWER,
      level: 2,
      shift: 21,
      superpages: true,
      xenSlots: { from: FIRST_XEN_SLOT, to: 511, ofTopL2: true },
      builderFlags: P | RW | US | A | D,
      linear: true,
    },
    {
      level: 3,
      shift: 30,
      slots: 4,
      superpages: false,
      xenSlots: null,
      hasRights: true,
      added: US | RW,
      removed: US | RW | A,
      builderFlags: P | RW | US | A | D,
      linear: false,
    },
  ],
  rootLevel: 3,
  frameMaskHi: 0x000f_ffff,
  // What the 4-byte M2P between the start of the hole and 0xffe00000 covers.
  maxMachineFrames: 0x298_0000,
  m2pWindow: { start: HOLE, end: virtualAddress(0xffe0_0000n) },
  xenHole: { from: HOLE, to: virtualAddress(0xffff_ffffn) },
  guestAddresses: { below: 0xf580_0000, from: 2 ** 32 },
  segmentLimit: null,
  startInfo: { ...x86_32.startInfo, size: 1112, magic: 'xen-3.0-x86_32p' },
  disallowed: [
    { lo: CACHE_BITS, hi: 0 },
    { lo: CACHE_BITS | G, hi: 0 },
    { lo: CACHE_BITS | G, hi: FLAGS_HI },
  ],
  topL2Slot: 3,
  rootFrameLimit: 0x10_0000,
  clearsRestOfRoot: true,
  xenSlotContents: Array<XenSlotContent>(83).fill('m2p'),
};

/** P, PWT, PCD and the software bits: all that a 32-bit processor lets stand in an entry of a PAE root. */
const REFUSED_IN_ROOT = 0x1e6;

const [leafRow, middleRow, rootRow] = x86_32p.levels;
if (leafRow === undefined || middleRow === undefined || rootRow === undefined)
  throw new Error('abi: x86_32p has three levels');

/** Under a 32-bit Xen the processor reads the four root entries itself, and they carry no rights. */
export const x86_32pOn32: Abi = {
  ...x86_32p,
  levels: [leafRow, middleRow, { ...rootRow, hasRights: false, added: 0, removed: 0, builderFlags: P }],
  maxMachineFrames: 0x40_0000,
  m2pWindow: { start: HOLE, end: virtualAddress(0xf680_0000n) },
  segmentLimit: virtualAddress(0xf680_0000n),
  startInfo: { ...x86_32.startInfo, magic: 'xen-3.0-x86_32p' },
  disallowed: [
    { lo: PSE | G, hi: AVAIL_HIGH_HI },
    { lo: PSE | G, hi: AVAIL_HIGH_HI },
    { lo: REFUSED_IN_ROOT, hi: FLAGS_HI },
  ],
  clearsRestOfRoot: false,
  // 16 MiB of M2P, frame table and writable M2P, the linear page table (8 MiB), then Xen's own (facts 1.4).
  xenSlotContents: [
    ...Array<XenSlotContent>(8).fill('m2p'),
    ...Array<XenSlotContent>(56).fill('xen'),
    ...Array<XenSlotContent>(4).fill('l2s'),
    ...Array<XenSlotContent>(16).fill('xen'),
  ],
};
