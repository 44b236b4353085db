/** x86_64: four levels, 64-bit entries, guest kernel in ring 3. Facts 1.4, 2.1 to 2.3, 4.1, 6.1, 6.6, 9.5. */

import { virtualAddress } from '../units.ts';
import { A, D, P, RW, US } from '../pte.ts';
import type { Abi } from './abi.ts';

/** PWT, PCD, PAT/PSE: refused at every level of a domain without I/O rights. */
const CACHE_BITS = 0x098;
const G = 0x100;

/** What the rows of L2 and L3 have in common. */
const UPPER = {
  slots: 512,
  xenSlots: null,
  hasRights: true,
  added: US,
  removed: 0,
  builderFlags: P | RW | US | A | D,
  linear: true,
} as const;

export const x86_64: Abi = {
  name: 'x86_64',
  wordBytes: 8,
  entryBytes: 8,
  levels: [
    { ...UPPER, level: 1, shift: 12, superpages: false, added: 0, builderFlags: P | RW | A, linear: false },
    { ...UPPER, level: 2, shift: 21, superpages: true },
    { ...UPPER, level: 3, shift: 30, superpages: true },
    {
      ...UPPER,
      level: 4,
      shift: 39,
      superpages: false,
      xenSlots: { from: 256, to: 271, ofTopL2: false },
      added: US | A,
    },
  ],
  rootLevel: 4,
  frameMaskHi: 0x000f_ffff,
  maxMachineFrames: 2 ** 32 - 1,
  kernelInRing3: true,
  virtBase: virtualAddress(0xffff_ffff_8000_0000n),
  m2pWindow: {
    start: virtualAddress(0xffff_8000_0000_0000n),
    end: virtualAddress(0xffff_8040_0000_0000n),
  },
  xenHole: {
    from: virtualAddress(0xffff_8000_0000_0000n),
    to: virtualAddress(0xffff_87ff_ffff_ffffn),
  },
  guestAddresses: { below: 0x8000, from: 0xffff_8800 },
  segmentLimit: null,
  selectors: { kernelCs: 0xe033, kernelSs: 0xe02b, userCs: 0xe033, userSs: 0xe02b, kernelRpl: 3 },
  trapFrames: {
    bounce: ['rcx', 'r11', 'error', 'rip', 'cs', 'rflags', 'rsp', 'ss'],
    bounceFromUser: [],
    iret: ['rax', 'r11', 'rcx', 'flags', 'rip', 'cs', 'rflags', 'rsp', 'ss'],
    iretToUser: [],
    stackAlignment: 16,
    upcallMaskShift: 32,
    hiddenRpl: 3,
    clearedFlags: 0x7_4100, // TF, NT, RF, VM, AC
    inSyscall: 0x100,
  },
  startInfo: {
    size: 1168,
    magic: 'xen-3.0-x86_64',
    magicBytes: 32,
    nrPages: { offset: 32, bytes: 8 },
    sharedInfo: { offset: 40, bytes: 8 },
    flags: { offset: 48, bytes: 4 },
    storeMfn: { offset: 56, bytes: 8 },
    storeEvtchn: { offset: 64, bytes: 4 },
    consoleMfn: { offset: 72, bytes: 8 },
    consoleEvtchn: { offset: 80, bytes: 4 },
    consoleInfoOffset: { offset: 72, bytes: 4 },
    consoleInfoSize: { offset: 76, bytes: 4 },
    ptBase: { offset: 88, bytes: 8 },
    nrPtFrames: { offset: 96, bytes: 8 },
    mfnList: { offset: 104, bytes: 8 },
    modStart: { offset: 112, bytes: 8 },
    modLen: { offset: 120, bytes: 8 },
    cmdLine: { offset: 128, bytes: 1024 },
    firstP2mPfn: { offset: 1152, bytes: 8 },
    nrP2mFrames: { offset: 1160, bytes: 8 },
  },
  sharedInfo: {
    vcpuInfoBytes: 64,
    upcallPending: { offset: 0, bytes: 1 },
    upcallMask: { offset: 1, bytes: 1 },
    pendingSel: { offset: 8, bytes: 8 },
    cr2: { offset: 16, bytes: 8 },
    evtchnPending: { offset: 2048, bytes: 512 },
    evtchnMask: { offset: 2560, bytes: 512 },
    maxPfn: { offset: 3088, bytes: 8 },
  },
  trapInfo: { bytes: 16, address: { offset: 8, bytes: 8 } },
  mmuextOp: { bytes: 24, arg1: { offset: 8, bytes: 8 }, arg2: { offset: 16, bytes: 8 } },
  memoryReservation: {
    bytes: 32,
    extentStart: { offset: 0, bytes: 8 },
    nrExtents: { offset: 8, bytes: 8 },
    extentOrder: { offset: 16, bytes: 4 },
    memFlags: { offset: 20, bytes: 4 },
    domid: { offset: 24, bytes: 2 },
  },
  disallowed: [
    { lo: CACHE_BITS, hi: 0 },
    { lo: CACHE_BITS | G, hi: 0 },
    { lo: CACHE_BITS | G, hi: 0 },
    { lo: CACHE_BITS | G, hi: 0 },
  ],
  marksKernelEntries: true,
  topL2Slot: null,
  rootFrameLimit: null,
  clearsRestOfRoot: false,
  // The M2P comes when the root is loaded; then MMCFG, the linear page table, nothing, and Xen's own (facts 1.4, 2.6).
  xenSlotContents: ['m2p', 'xen', 'self', 'nothing', 'xen', 'xen', 'xen'],
};
