/**
 * Faults that repeat: a handler script whose handler returns without having made the access possible would fault for
 * ever. A handler that builds one table a fault needs as many as there are levels; far beyond that it is hopeless.
 * A handler that faults itself is another matter: each fault lies deeper on the kernel stack, until Xen finds no room
 * for the next exception frame and crashes the domain.
 */

import type { FaultRecord } from './types.ts';

/** Faults in a row at one address with one error code after which the access counts as one that never completes. */
export const HOPELESS_FAULTS = 100;

/** Faults of one kind in a row. */
export interface Refault {
  readonly fault: FaultRecord;
  readonly stackPointer: number;
  readonly inARow: number;
}

export class RefaultWatch {
  last: Refault | null = null;

  /** Notes a fault that was delivered to a kernel stack; true when it is one too many of its kind. */
  isHopeless(fault: FaultRecord, stackPointer: number): boolean {
    const { last } = this;
    const isSame =
      last !== null &&
      last.fault.domain === fault.domain &&
      last.fault.cr2 === fault.cr2 &&
      last.fault.errorCode === fault.errorCode &&
      last.stackPointer === stackPointer;
    const inARow = isSame ? last.inARow + 1 : 1;
    this.last = { fault, stackPointer, inARow };
    return inARow > HOPELESS_FAULTS;
  }
}
