/** What differs between the rule sets about grant tables (facts 5.1 to 5.11; column 3.0.4 read in its source). */

import type { FlagMask } from '../abi/index.ts';
import type { AbiName } from '../abi/abi.ts';
import { GNTTAB_HI } from '../pte.ts';
import type { XenVersion } from './rule.ts';

export interface GrantTableRules {
  /** Pages of 512 entries that a table has at first and at most. */
  readonly initialFrames: number;
  readonly maxFrames: number;
  readonly handlesAtFirst: number;
  readonly maxHandles: number;
  /** A handle that becomes free is used again after all others, or before them. */
  readonly handlesReused: 'last' | 'first';
  /** Commands that exist. */
  readonly commands: ReadonlySet<number>;
  /** Most elements in a list. */
  readonly maxCount: number;
  /** Checks in the order of 3.0.4: references and counts before domains and privilege. */
  readonly oldOrder: boolean;
  /** A pin is refused when any counter of the entry is at its limit, or only its own. */
  readonly limitOfAnyCounter: boolean;
  /** Mappings made by grants cannot be executed, and have the software bits that the guest chose. */
  readonly mappingsNoExec: boolean;
  /** ABIs on which every mapping made by a grant is a user mapping. */
  readonly alwaysUser: ReadonlySet<AbiName>;
  /** Unmapping first checks both halves, then flushes, then drops the references (4.17); or half by half. */
  readonly unmapsInBatches: boolean;
  /** A copy's offsets and length are looked at before its domains and frames, or after. */
  readonly copyBoundsFirst: boolean;
  /** Whether a side may be named by its frame is seen with its domain, or when its page is claimed. */
  readonly copyByFrameSeenAt: 'domain' | 'page';
  /** A copy that is the first to write compares the entry's frame with the one that it is pinned for. */
  readonly copyComparesFrame: boolean;
  /** Entries marked as parts of a page cannot be mapped. */
  readonly hasSubPages: boolean;
  /** The toolstack grants itself the rings of a new domU (entries 0 and 1). */
  readonly toolstackFillsReserved: boolean;
  /** The mark of a debug build on entries made by a grant. */
  readonly debugMark: FlagMask;
  /** Overwriting such an entry in a debug build: a fault in the guest, or the end of the domain. */
  readonly implicitUnmap: 'fault' | 'crash';
}

export const GRANT_TABLE_RULES: { readonly [xen in XenVersion]: GrantTableRules } = {
  '4.17': {
    initialFrames: 1,
    maxFrames: 64,
    handlesAtFirst: 256,
    maxHandles: 262_144,
    handlesReused: 'last',
    commands: new Set([0, 1, 2, 4, 5, 6, 7, 8, 10, 11]),
    maxCount: 0x7fff_ffff,
    oldOrder: false,
    limitOfAnyCounter: false,
    mappingsNoExec: true,
    alwaysUser: new Set(),
    unmapsInBatches: true,
    copyBoundsFirst: false,
    copyByFrameSeenAt: 'page',
    copyComparesFrame: true,
    hasSubPages: true,
    toolstackFillsReserved: true,
    debugMark: { lo: 0, hi: GNTTAB_HI },
    implicitUnmap: 'fault',
  },
  '3.0.4': {
    initialFrames: 4,
    maxFrames: 4,
    handlesAtFirst: 512,
    maxHandles: 16_384,
    handlesReused: 'first',
    commands: new Set([0, 1, 2, 4, 5]),
    maxCount: 512,
    oldOrder: true,
    limitOfAnyCounter: true,
    mappingsNoExec: false,
    alwaysUser: new Set(['x86_64']),
    unmapsInBatches: false,
    copyBoundsFirst: true,
    copyByFrameSeenAt: 'domain',
    copyComparesFrame: false,
    hasSubPages: false,
    toolstackFillsReserved: false,
    debugMark: { lo: 0x800, hi: 0 },
    implicitUnmap: 'crash',
  },
};
