/** The shape of a rule's row; see rules.ts. */

import type { ErrnoName, ErrorName } from './errno.ts';

/** The rule sets of the model: a present-day hypervisor, and the one of the last 2-level guests. */
export type XenVersion = '4.17' | '3.0.4';

export interface Rule {
  /** What Xen demands and what broke it, with `{placeholders}` for the evidence. */
  readonly sentence: string;
  readonly errno: Readonly<Record<XenVersion, ErrorName | null>>;
  /** The function of Xen's in which the check is made. */
  readonly xenFunction: string;
  /** What Xen prints on its console; null when it says nothing even in a debug build. */
  readonly xenPrints: string | null;
  readonly printsInRelease: boolean;
  readonly usualCause: string;
  readonly remedy: string;
}

/** The same error in both rule sets. */
export const both = (errno: ErrorName): Rule['errno'] => ({ '4.17': errno, '3.0.4': errno });
/** A distinct error in 4.17; 3.0.4 answered every failed MMU operation with -EINVAL (facts 0). */
export const onceEinval = (errno: ErrnoName): Rule['errno'] => ({ '4.17': errno, '3.0.4': 'EINVAL' });
/** No error: the domain is crashed. */
export const CRASH: Rule['errno'] = { '4.17': null, '3.0.4': null };
