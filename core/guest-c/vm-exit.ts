/** Why the guest processor stops: the traps that its operations raise, and the exits of its loop. */

export const VECTOR_DIVIDE = 0;
export const VECTOR_INVALID_OPCODE = 6;
export const VECTOR_GENERAL_PROTECTION = 13;

/** `stepBase` that stops at each statement of the script. */
export const EVERY_STATEMENT = 0x7fff_ffff;

/** Why the processor left its loop. Those from `oddReturn` on are dealt with in vm.ts. */
export const Exit = {
  /** Before a statement that the step condition wants. */
  statement: 0,
  breakpoint: 1,
  /** The statements granted are used up. */
  budget: 2,
  /** At a hypercall, not yet made. */
  hypercall: 3,
  /** `trapVector` tells which trap; for a page fault `mmu.fault` holds the rest. */
  fault: 4,
  /** The entry function returned, or the script called exit; `status`. */
  halted: 5,
  exited: 6,
  /** More register windows than the model holds. */
  windows: 7,
  /** The iret hypercall of a trap stub is due: `leaveTrap` makes the registers those that it wants. */
  trapReturn: 8,
  oddReturn: 9,
  wild: 10,
  touch: 11,
  trapEnter: 12,
  start: 13,
  /** Before a statement, the one before it having touched a watched cell. */
  watched: 14,
} as const;
export type Exit = (typeof Exit)[keyof typeof Exit];
