/**
 * Faults that repeat: a handler script whose handler returns without having made the access possible would fault for
 * ever. A handler that builds one table a fault needs as many as there are levels; far beyond that it is hopeless.
 * A handler that faults itself is another matter: each fault lies deeper on the kernel stack, until Xen finds no room
 * for the next exception frame and crashes the domain.
 */

import type { FaultRecord } from './types.ts';

/** Faults in a row at one address with one error code after which the access counts as one that never completes. */
export const HOPELESS_FAULTS = 100;

export class RefaultWatch {
  private last: FaultRecord | null = null;
  private lastStack = 0;
  private inARow = 0;

  /** Notes a fault that was delivered to a kernel stack; true when it is one too many of its kind. */
  isHopeless(fault: FaultRecord, stackPointer: number): boolean {
    const { last } = this;
    const isSame =
      last !== null &&
      last.domain === fault.domain &&
      last.cr2 === fault.cr2 &&
      last.errorCode === fault.errorCode &&
      this.lastStack === stackPointer;
    this.inARow = isSame ? this.inARow + 1 : 1;
    this.last = fault;
    this.lastStack = stackPointer;
    return this.inARow > HOPELESS_FAULTS;
  }
}
