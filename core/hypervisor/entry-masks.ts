/** Masks that the checks of page-table entries use, computed once from the ABI's row, the rule set and the options. */

import type { Abi, FlagMask } from '../abi/index.ts';
import { A } from '../pte.ts';
import type { RuleSet } from './rule-sets.ts';
import type { HypervisorOptions } from './types.ts';

export class EntryMasks {
  /** Forbidden bits by level - 1. */
  readonly badLo: Int32Array;
  readonly badHi: Int32Array;
  /** The same of L1 entries, as plain numbers for the hot path. */
  readonly badL1Lo: number;
  readonly badL1Hi: number;
  /** Forbidden bits of an L1 entry of a domain with I/O rights. */
  readonly ioBadL1Lo: number;
  readonly ioBadL1Hi: number;
  /** The mark of a debug build on entries that a grant made; 0 in a release build. */
  readonly grantMarkLo: number;
  readonly grantMarkHi: number;
  /** Bits whose change needs new references, by level - 1. */
  readonly significantLo: Int32Array;
  readonly significantHi: Int32Array;
  readonly significantL1Lo: number;
  readonly significantL1Hi: number;
  /** Low flags that Xen adds to present entries, by level - 1. */
  readonly added: Int32Array;

  constructor(abi: Abi, ruleSet: RuleSet, options: HypervisorOptions) {
    const masks = ruleSet.disallowed[abi.name] ?? abi.disallowed;
    this.badLo = Int32Array.from(masks, (mask) => mask.lo);
    this.badHi = Int32Array.from(masks, (mask) => mask.hi);
    const { debugMark } = ruleSet.grantTable;
    this.grantMarkLo = options.debug ? debugMark.lo : 0;
    this.grantMarkHi = options.debug && abi.entryBytes === 8 ? debugMark.hi : 0;
    this.badLo[0] = (this.badLo[0] ?? 0) | this.grantMarkLo;
    this.badHi[0] = (this.badHi[0] ?? 0) | this.grantMarkHi;
    this.badL1Lo = this.badLo[0] ?? 0;
    this.badL1Hi = this.badHi[0] ?? 0;
    this.ioBadL1Lo = (this.badLo[0] ?? 0) & ~ruleSet.ioAllowedL1.lo;
    this.ioBadL1Hi = (this.badHi[0] ?? 0) & ~ruleSet.ioAllowedL1.hi;
    this.added = Int32Array.from(abi.levels, (row) =>
      ruleSet.setsRootAccessed ? row.added : row.added & ~A,
    );
    const free = abi.levels.map((row): FlagMask =>
      row.level === 1 ? ruleSet.fastPathL1 : ruleSet.fastPathUpper,
    );
    this.significantLo = Int32Array.from(free, (mask) => ~mask.lo);
    this.significantHi = Int32Array.from(free, (mask) => ~mask.hi);
    this.significantL1Lo = this.significantLo[0] ?? -1;
    this.significantL1Hi = this.significantHi[0] ?? -1;
  }
}
