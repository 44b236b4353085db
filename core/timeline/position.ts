/**
 * Places in a run, as numbers. A run is a row of moments: a statement begins; an event (a hypercall, a fault, an upcall, a
 * guest's end) is done, and after it the processor runs on; the turn passes to another vCPU. A position is the number of
 * moments that have passed, so every place where a session can stand has a number, and numbers have the order of time.
 *
 * At a position the run has gone on to just before the next moment: it stands before a statement, or at the instruction
 * that makes an event. After an event it rests, for one position, before the processor runs on.
 */

declare const positionBrand: unique symbol;
export type Position = number & { readonly [positionBrand]: true };

export const position = (moments: number): Position => moments as Position;

export const START: Position = position(0);
/** Later than every moment. */
export const NEVER: Position = position(Infinity);
