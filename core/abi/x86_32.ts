/**
 * x86_32 without PAE: two levels, 32-bit entries, guest kernel in ring 1 behind a segment limit. The ABI ended with
 * Xen 3.2; its rules are those of 3.0.4. Facts 0, 1.4, 2.1 to 2.3, 4.1, 6.1, 6.6, 9.5.
 */

import { virtualAddress } from '../units.ts';
import { A, D, P, RW, US } from '../pte.ts';
import type { Abi, XenSlotContent } from './abi.ts';

const LEAF_FLAGS = P | RW | A;
const TABLE_FLAGS = P | RW | US | A | D;
const XEN = Array<XenSlotContent>(16).fill('xen');

/** PAT/PSE and G; PWT and PCD are allowed in this era (facts 2.3, column [304]). */
const REFUSED = 0x180;

export const x86_32: Abi = {
  name: 'x86_32',
  wordBytes: 4,
  entryBytes: 4,
  levels: [
    {
      level: 1,
      shift: 12,
      slots: 1024,
      superpages: false,
      xenSlots: null,
      hasRights: true,
      added: 0,
      removed: 0,
      builderFlags: LEAF_FLAGS,
      linear: false,
    },
    {
      level: 2,
      shift: 22,
      slots: 1024,
      superpages: true,
      xenSlots: { from: 1008, to: 1023, ofTopL2: false },
      hasRights: true,
      added: 0,
      removed: 0,
      builderFlags: TABLE_FLAGS,
      linear: true,
    },
  ],
  rootLevel: 2,
  frameMaskHi: 0,
  maxMachineFrames: 0x10_0000,
  kernelInRing3: false,
  virtBase: virtualAddress(0xc000_0000n),
  m2pWindow: { start: virtualAddress(0xfc00_0000n), end: virtualAddress(0xfc40_0000n) },
  xenHole: { from: virtualAddress(0xfc00_0000n), to: virtualAddress(0xffff_ffffn) },
  guestAddresses: { below: 0xfc00_0000, from: 2 ** 32 },
  segmentLimit: virtualAddress(0xfc40_0000n),
  selectors: { kernelCs: 0xe019, kernelSs: 0xe021, userCs: 0xe02b, userSs: 0xe033, kernelRpl: 1 },
  trapFrames: {
    bounce: ['error', 'rip', 'cs', 'rflags'],
    bounceFromUser: ['rsp', 'ss'],
    iret: ['rax', 'rip', 'cs', 'rflags'],
    iretToUser: ['rsp', 'ss'],
    stackAlignment: 4,
    upcallMaskShift: 16,
    hiddenRpl: 0,
    clearedFlags: 0x3_4100, // TF, NT, RF, VM
    inSyscall: 0,
  },
  startInfo: {
    size: 1104,
    magic: 'xen-3.0-x86_32',
    magicBytes: 32,
    nrPages: { offset: 32, bytes: 4 },
    sharedInfo: { offset: 36, bytes: 4 },
    flags: { offset: 40, bytes: 4 },
    storeMfn: { offset: 44, bytes: 4 },
    storeEvtchn: { offset: 48, bytes: 4 },
    consoleMfn: { offset: 52, bytes: 4 },
    consoleEvtchn: { offset: 56, bytes: 4 },
    consoleInfoOffset: { offset: 52, bytes: 4 },
    consoleInfoSize: { offset: 56, bytes: 4 },
    ptBase: { offset: 60, bytes: 4 },
    nrPtFrames: { offset: 64, bytes: 4 },
    mfnList: { offset: 68, bytes: 4 },
    modStart: { offset: 72, bytes: 4 },
    modLen: { offset: 76, bytes: 4 },
    cmdLine: { offset: 80, bytes: 1024 },
    firstP2mPfn: { offset: 1104, bytes: 4 },
    nrP2mFrames: { offset: 1108, bytes: 4 },
  },
  sharedInfo: {
    vcpuInfoBytes: 64,
    upcallPending: { offset: 0, bytes: 1 },
    upcallMask: { offset: 1, bytes: 1 },
    pendingSel: { offset: 4, bytes: 4 },
    cr2: { offset: 8, bytes: 4 },
    evtchnPending: { offset: 2048, bytes: 128 },
    evtchnMask: { offset: 2176, bytes: 128 },
    maxPfn: { offset: 2316, bytes: 4 },
  },
  trapInfo: { bytes: 8, address: { offset: 4, bytes: 4 } },
  mmuextOp: { bytes: 12, arg1: { offset: 4, bytes: 4 }, arg2: { offset: 8, bytes: 4 } },
  memoryReservation: {
    bytes: 20,
    extentStart: { offset: 0, bytes: 4 },
    nrExtents: { offset: 4, bytes: 4 },
    extentOrder: { offset: 8, bytes: 4 },
    memFlags: { offset: 12, bytes: 4 },
    domid: { offset: 16, bytes: 2 },
  },
  disallowed: [
    { lo: REFUSED, hi: 0 },
    { lo: REFUSED, hi: 0 },
  ],
  marksKernelEntries: false,
  topL2Slot: null,
  rootFrameLimit: null,
  clearsRestOfRoot: false,
  // M2P, frame table, writable M2P, linear page table, and so on upwards (facts 1.4).
  xenSlotContents: ['m2p', ...XEN.slice(0, 7), 'self', ...XEN.slice(0, 7)],
};
