/** Masks that the checks of page-table entries use, computed once from the ABI's row, the rule set and the options. */

import type { Abi, FlagMask } from '../abi/index.ts';
import { GNTTAB_HI } from '../pte.ts';
import type { RuleSet } from './rule-sets.ts';
import type { HypervisorOptions } from './types.ts';

export class EntryMasks {
  /** Forbidden bits by level - 1. */
  readonly badLo: Int32Array;
  readonly badHi: Int32Array;
  /** Forbidden bits of an L1 entry of a domain with I/O rights. */
  readonly ioBadL1Lo: number;
  readonly ioBadL1Hi: number;
  /** Bits whose change needs new references, by level - 1. */
  readonly significantLo: Int32Array;
  readonly significantHi: Int32Array;

  constructor(abi: Abi, ruleSet: RuleSet, options: HypervisorOptions) {
    const masks = ruleSet.disallowed[abi.name] ?? abi.disallowed;
    this.badLo = Int32Array.from(masks, (mask) => mask.lo);
    this.badHi = Int32Array.from(masks, (mask) => mask.hi);
    if (options.debug && abi.entryBytes === 8) this.badHi[0] = (this.badHi[0] ?? 0) | GNTTAB_HI;
    this.ioBadL1Lo = (this.badLo[0] ?? 0) & ~abi.ioAllowedL1.lo;
    this.ioBadL1Hi = (this.badHi[0] ?? 0) & ~abi.ioAllowedL1.hi;
    const free = abi.levels.map((row): FlagMask =>
      row.level === 1 ? ruleSet.fastPathL1 : ruleSet.fastPathUpper,
    );
    this.significantLo = Int32Array.from(free, (mask) => ~mask.lo);
    this.significantHi = Int32Array.from(free, (mask) => ~mask.hi);
  }
}
