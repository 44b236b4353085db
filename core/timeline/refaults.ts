/**
 * Faults that repeat: a handler script whose handler returns without having made the access possible would fault for
 * ever. A handler that builds one table a fault needs as many as there are levels; far beyond that it is hopeless.
 */

import type { FaultRecord } from './types.ts';

/** Faults in a row at one address with one error code after which the access counts as one that never completes. */
export const HOPELESS_FAULTS = 100;

export class RefaultWatch {
  private last: FaultRecord | null = null;
  private inARow = 0;

  /** Notes a fault; true when it is one too many of its kind. */
  isHopeless(fault: FaultRecord): boolean {
    const { last } = this;
    const isSame =
      last !== null &&
      last.domain === fault.domain &&
      last.cr2 === fault.cr2 &&
      last.errorCode === fault.errorCode;
    this.inARow = isSame ? this.inARow + 1 : 1;
    this.last = fault;
    return this.inARow > HOPELESS_FAULTS;
  }
}
