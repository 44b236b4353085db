/**
 * What differs between the rule sets beside the error numbers (those are in rules.ts): one row a behaviour.
 * Facts sections 2.3, 2.9, 3.9 to 3.18, 4.3; column 3.0.4 also read in the source of that release.
 */

import { ABIS, type Abi, type AbiName, type FlagMask, x86_32pOn32 } from '../abi/index.ts';
import { A, AVAIL, AVAIL_HIGH_HI, D, G, NX_HI, PAT, PCD, PWT, US } from '../pte.ts';
import { GRANT_TABLE_RULES, type GrantTableRules } from './grant-table-rules.ts';
import type { XenVersion } from './rule.ts';

/** PAT alone: L1 entries of x86_64 on 3.0.4, which puts G into user mappings itself. */
const PAT_ALONE: FlagMask = { lo: 0x080, hi: 0 };
/** PAT/PSE and G: all that 3.0.4 refuses elsewhere (PWT and PCD are free there). */
const PSE_AND_G: FlagMask = { lo: 0x180, hi: 0 };

export interface RuleSet {
  readonly xen: XenVersion;
  /** major << 16 | minor, as XENVER_version returns it. */
  readonly version: number;
  readonly extraVersion: string;
  /** The ABIs of its guests, each on the row that holds under this hypervisor. */
  readonly abis: { readonly [abi in AbiName]?: Abi };
  /** Masks that replace those of the ABI's row, by level - 1. */
  readonly disallowed: { readonly [abi in AbiName]?: readonly FlagMask[] };
  /** Bits of an L1 entry that a domain with I/O rights may set although they are refused otherwise. */
  readonly ioAllowedL1: FlagMask;
  /** Bits of an L1 entry whose change needs no new references. */
  readonly fastPathL1: FlagMask;
  /** The same for L2 to L4 entries. */
  readonly fastPathUpper: FlagMask;
  /** Linear entries: counted, one level of nesting, every level from L2; or at the root alone and unlimited. */
  readonly linearTables: 'counted' | 'rootOnly';
  /** A linear entry is tried only when the normal way ended in -EINVAL, or after every failure. */
  readonly linearAfterAnyError: boolean;
  /** mmu_update of a table by its present use, or by its stored type even at type count 0 (it is promoted for the update). */
  readonly updateByStoredType: boolean;
  /** Commands of mmu_update: NORMAL and MACHPHYS, or also PRESERVE_AD and NO_TRANSLATE. */
  readonly mmuUpdateCommands: 2 | 4;
  /** Bits 31:16 of foreigndom name the owner of the tables. */
  readonly foreignTableOwner: boolean;
  /** Entry errors of batches leave *pdone alone (4.17) or write it. */
  readonly entryErrorsWriteDone: boolean;
  /** An update of an L2 to L4 entry flushes the TLB at the end of the call (XSA-286). */
  readonly flushAfterUpperUpdate: boolean;
  /** Demotion of a page table flushes the TLB at the end of the call. */
  readonly flushAfterDemotion: boolean;
  /** A failed update_va_mapping flushes all the same. */
  readonly flushAfterFailedVaMapping: boolean;
  /** A failed NEW_BASEPTR keeps the old root, or is retried without one and then fatal. */
  readonly failedBaseptr: 'keepsOldRoot' | 'crashes';
  /** TLB operations of mmuext_op refuse a foreign domain. */
  readonly mmuextChecksForeign: boolean;
  /** The commands of mmuext_op that exist. */
  readonly mmuextCommands: ReadonlySet<number>;
  /** PIN_Ln above the root level succeeds without effect. */
  readonly pinAboveRootIgnored: boolean;
  /** decrease_reservation also unpins (until XSA-252). */
  readonly decreaseUnpins: boolean;
  /** Argument errors of memory_op 0, 1 and 6 are returned, or hidden in a count of 0. */
  readonly memoryOpReturnsErrors: boolean;
  /** The last operation of memory_op. */
  readonly lastMemoryOp: number;
  /** Bits of memory_op's command that are the operation; those above are the extent to go on with. */
  readonly memoryOpBits: 4 | 6;
  /** How exchange and its like check: 3.0.4 knew neither nodes nor other domains, and no memory below the DMA limit. */
  readonly exchangeRules: 'modern' | 'old';
  /** Fewest address bits that exchanged memory may be asked for. */
  readonly leastAddressBits: number;
  /** Largest extent order of an ordinary domain and of the hardware domain. */
  readonly maxOrder: { readonly domU: number; readonly hardware: number };
  readonly maxTypeCount: number;
  /** The last query of xen_version. */
  readonly lastVersionQuery: number;
  /** callback_op knows sysenter and syscall32. */
  readonly hasSysenterCallbacks: boolean;
  /** VMASST_TYPE_* that a guest may set, as bit numbers. */
  readonly assists: ReadonlySet<number>;
  /** XENVER_get_features, submap 0: of a domU; the hardware domain adds bit 11. */
  readonly features: number;
  /** Xen sets A in L4 entries, beside US. */
  readonly setsRootAccessed: boolean;
  /** Pages shared with Xen may be mapped write-back only (facts 2.4). */
  readonly xenPagesAreWriteBack: boolean;
  /** Cached mappings of frames that are no RAM are made uncached (facts 2.4). */
  readonly mmioIsUncached: boolean;
  /** Grant tables (facts 5.1): sizes, and what changed in them. */
  readonly grantTable: GrantTableRules;
  /** Failed promotion of L2 to L4 at a later slot leaves the type bits (tc 0), or clears them (facts 3.9). */
  readonly failedPromotionKeepsType: boolean;
}

const MODERN_FAST: FlagMask = { lo: AVAIL | G | D | A | US, hi: AVAIL_HIGH_HI | NX_HI };

const modern: RuleSet = {
  xen: '4.17',
  version: (4 << 16) | 17,
  extraVersion: '.7',
  abis: { x86_64: ABIS.x86_64, x86_32p: ABIS.x86_32p },
  disallowed: {},
  ioAllowedL1: { lo: PWT | PCD | PAT, hi: 0 },
  fastPathL1: MODERN_FAST,
  fastPathUpper: MODERN_FAST,
  linearTables: 'counted',
  linearAfterAnyError: false,
  updateByStoredType: false,
  mmuUpdateCommands: 4,
  foreignTableOwner: true,
  entryErrorsWriteDone: false,
  flushAfterUpperUpdate: true,
  flushAfterDemotion: false,
  flushAfterFailedVaMapping: false,
  failedBaseptr: 'keepsOldRoot',
  mmuextChecksForeign: true,
  mmuextCommands: new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20]),
  pinAboveRootIgnored: true,
  decreaseUnpins: false,
  memoryOpReturnsErrors: false,
  lastMemoryOp: 26,
  memoryOpBits: 6,
  exchangeRules: 'modern',
  leastAddressBits: 0,
  maxOrder: { domU: 9, hardware: 18 },
  maxTypeCount: 0xffff_ffff,
  lastVersionQuery: 9,
  hasSysenterCallbacks: true,
  assists: new Set([0, 1, 2, 3, 4, 5, 32]),
  features: 0x2_20e0,
  setsRootAccessed: true,
  xenPagesAreWriteBack: true,
  mmioIsUncached: true,
  failedPromotionKeepsType: true,
  grantTable: GRANT_TABLE_RULES['4.17'],
};

const old: RuleSet = {
  xen: '3.0.4',
  version: 3 << 16,
  extraVersion: '.4-1',
  abis: { x86_64: ABIS.x86_64, x86_32p: x86_32pOn32, x86_32: ABIS.x86_32 },
  disallowed: { x86_64: [PAT_ALONE, PSE_AND_G, PSE_AND_G, PSE_AND_G] },
  ioAllowedL1: { lo: 0, hi: 0 },
  fastPathL1: { lo: 0xffc, hi: 0xfff0_0000 | 0 },
  fastPathUpper: { lo: 0xffe, hi: 0xfff0_0000 | 0 },
  linearTables: 'rootOnly',
  linearAfterAnyError: true,
  updateByStoredType: true,
  mmuUpdateCommands: 2,
  foreignTableOwner: false,
  entryErrorsWriteDone: true,
  flushAfterUpperUpdate: false,
  flushAfterDemotion: true,
  flushAfterFailedVaMapping: true,
  failedBaseptr: 'crashes',
  mmuextChecksForeign: false,
  mmuextCommands: new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15]),
  pinAboveRootIgnored: true,
  decreaseUnpins: true,
  memoryOpReturnsErrors: true,
  lastMemoryOp: 13,
  memoryOpBits: 4,
  exchangeRules: 'old',
  leastAddressBits: 30,
  maxOrder: { domU: 0, hardware: 31 },
  maxTypeCount: 0xffff,
  lastVersionQuery: 8,
  hasSysenterCallbacks: false,
  assists: new Set([0, 1, 2, 3]),
  features: 0,
  setsRootAccessed: false,
  xenPagesAreWriteBack: false,
  mmioIsUncached: false,
  failedPromotionKeepsType: false,
  grantTable: GRANT_TABLE_RULES['3.0.4'],
};

export const RULE_SETS: { readonly [xen in XenVersion]: RuleSet } = { '4.17': modern, '3.0.4': old };
