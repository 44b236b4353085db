/**
 * What differs between the guest ABIs, as rows: geometry, masks, holes, structure layouts, selectors.
 *
 * Code asks the row; it never asks for an ABI's name. Offsets are those of the public headers, produced by compiling
 * them (facts 4.1, 6.1, 6.6, 7.3, 9.9), and a test compares the shipped headers with gcc.
 */

import type { Level, VirtualAddress } from '../units.ts';

export type AbiName = 'x86_64' | 'x86_32p' | 'x86_32';

/** Flag bits of an entry as two words: bits 11:0 in `lo`, bits 63:52 in `hi`. */
export interface FlagMask {
  readonly lo: number;
  readonly hi: number;
}

/**
 * What Xen keeps in one of its slots: the next entry of the M2P window, the table itself (linear mapping), a private
 * area that guests cannot use, one of the four L2 tables of a PAE root, nothing.
 */
export type XenSlotContent = 'm2p' | 'self' | 'xen' | 'l2s' | 'nothing';

/** One level of the page tables. */
export interface LevelRow {
  readonly level: Level;
  /** Lowest bit of the virtual address that indexes the table. */
  readonly shift: number;
  readonly slots: number;
  /** Whether the processor takes bit 7 of an entry at this level as a superpage. */
  readonly superpages: boolean;
  /** Slots that Xen writes at promotion and that are closed to the guest; null where Xen has none. */
  readonly xenSlots: XenSlots | null;
  /** Whether the processor takes rights from entries of this level, and sets A in them. */
  readonly hasRights: boolean;
  /** Low flags that Xen adds to present entries (facts 2.5). */
  readonly added: number;
  /** Low flags that Xen takes out again when the table is demoted (facts 3.12). */
  readonly removed: number;
  /** Low flags of the entries that the domain builder makes at this level (facts 6.3). */
  readonly builderFlags: number;
  /** Whether an entry may name a table of its own level (facts 2.9). */
  readonly linear: boolean;
}

/** Slots from..to, inclusive. `ofTopL2`: only in the L2 that the last slot of a PAE L3 names (PGT_pae_xen_l2). */
export interface XenSlots {
  readonly from: number;
  readonly to: number;
  readonly ofTopL2: boolean;
}

/** A field of a structure in guest memory. */
export interface Field {
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 8;
}

export interface StartInfoLayout {
  readonly size: number;
  readonly magic: string;
  readonly magicBytes: number;
  readonly nrPages: Field;
  readonly sharedInfo: Field;
  readonly flags: Field;
  readonly storeMfn: Field;
  readonly storeEvtchn: Field;
  readonly consoleMfn: Field;
  readonly consoleEvtchn: Field;
  readonly consoleInfoOffset: Field;
  readonly consoleInfoSize: Field;
  readonly ptBase: Field;
  readonly nrPtFrames: Field;
  readonly mfnList: Field;
  readonly modStart: Field;
  readonly modLen: Field;
  readonly cmdLine: { readonly offset: number; readonly bytes: number };
  readonly firstP2mPfn: Field;
  readonly nrP2mFrames: Field;
}

export interface SharedInfoLayout {
  readonly vcpuInfoBytes: number;
  readonly upcallPending: Field;
  readonly upcallMask: Field;
  readonly pendingSel: Field;
  readonly cr2: Field;
  readonly evtchnPending: { readonly offset: number; readonly bytes: number };
  readonly evtchnMask: { readonly offset: number; readonly bytes: number };
  readonly maxPfn: Field;
}

/** Selectors of the flat segments that Xen gives a guest (facts 9.5). */
export interface Selectors {
  readonly kernelCs: number;
  readonly kernelSs: number;
  readonly userCs: number;
  readonly userSs: number;
  /** RPL that Xen forces on a trap entry's code segment. */
  readonly kernelRpl: number;
}

/** A word of a trap's bounce frame or of an iret frame. */
export type FrameWord = 'rax' | 'rcx' | 'r11' | 'error' | 'flags' | 'rip' | 'cs' | 'rflags' | 'rsp' | 'ss';

/** How Xen enters and leaves a guest's kernel (facts 7.3, 7.6); words in ascending order from the new stack pointer. */
export interface TrapFrames {
  /** The frame of an exception; `error` is left out for vectors without error code. */
  readonly bounce: readonly FrameWord[];
  /** Words that `bounce` has after it only when the trap came from user mode. */
  readonly bounceFromUser: readonly FrameWord[];
  readonly iret: readonly FrameWord[];
  /** Words that follow in an iret frame that returns to user mode. */
  readonly iretToUser: readonly FrameWord[];
  /** The stack pointer is aligned down to this before the frame is pushed. */
  readonly stackAlignment: number;
  /** Bytes of the CS word that the saved upcall mask lies above. */
  readonly upcallMaskShift: 16 | 32;
  /** RPL bits that are cleared in a CS pushed from kernel mode, so that the guest sees kernel as ring 0. */
  readonly hiddenRpl: number;
  /** RFLAGS bits cleared on entry to a handler. */
  readonly clearedFlags: number;
  /** An iret frame with this bit in its flags word came from a syscall; 0 where there is none. */
  readonly inSyscall: number;
}

export interface Abi {
  readonly name: AbiName;
  /** Bytes of the guest's `unsigned long`: pointers, P2M entries, stack words. */
  readonly wordBytes: 4 | 8;
  readonly entryBytes: 4 | 8;
  /** L1 first; the last one is the root. */
  readonly levels: readonly LevelRow[];
  readonly rootLevel: Level;
  /** Frame bits of an entry's high word (the low word's are 31:12). */
  readonly frameMaskHi: number;
  /** Exclusive limit of machine memory in frames that an entry of this ABI can name, or that its M2P window covers. */
  readonly maxMachineFrames: number;
  /** Whether guest kernels run in ring 3, so that each present entry needs US (facts 2.5). */
  readonly kernelInRing3: boolean;
  /** Where scripts' kernels are loaded. */
  readonly virtBase: VirtualAddress;
  /** The guest-readable M2P window, entry width = `wordBytes` (facts 1.4). */
  readonly m2pWindow: { readonly start: VirtualAddress; readonly end: VirtualAddress };
  /** Xen's hole: addresses from..to (inclusive) at which the guest may make no entry. */
  readonly xenHole: { readonly from: VirtualAddress; readonly to: VirtualAddress };
  /**
   * Addresses that Xen accepts from a guest, by the most significant word: below `below`, or from `from` on
   * (facts 2.1). On 32-bit ABIs the word is the address itself.
   */
  readonly guestAddresses: { readonly below: number; readonly from: number };
  /** Accesses at or above this address meet the segment limit and raise #GP; null where segments are flat. */
  readonly segmentLimit: VirtualAddress | null;
  readonly selectors: Selectors;
  readonly trapFrames: TrapFrames;
  readonly startInfo: StartInfoLayout;
  readonly sharedInfo: SharedInfoLayout;
  readonly trapInfo: { readonly bytes: number; readonly address: Field };
  readonly mmuextOp: { readonly bytes: number; readonly arg1: Field; readonly arg2: Field };
  readonly memoryReservation: {
    readonly bytes: number;
    readonly extentStart: Field;
    readonly nrExtents: Field;
    readonly extentOrder: Field;
    readonly memFlags: Field;
    readonly domid: Field;
  };
  /** Flag bits that make validation fail for a domain without I/O rights, by level (facts 2.3); index level - 1. */
  readonly disallowed: readonly FlagMask[];
  /** Whether Xen marks the guest kernel's L1 entries with GUEST_KERNEL and the user's with G (facts 2.5). */
  readonly marksKernelEntries: boolean;
  /** The slot of a root whose L2 carries Xen's slots and must always be there: 3 for PAE (facts 2.8), else null. */
  readonly topL2Slot: number | null;
  /** Frames below which a root must lie without the assist pae_extended_cr3; null where CR3 is wide enough. */
  readonly rootFrameLimit: number | null;
  /** Whether promotion of a root clears the words behind its last slot (PAE under a 64-bit Xen; facts 2.6). */
  readonly clearsRestOfRoot: boolean;
  /** What Xen puts into its slots, in order from the first; what lies behind the list stays empty. */
  readonly xenSlotContents: readonly XenSlotContent[];
}
