/**
 * A vCPU's registers as journalled words: the general registers as pairs in the order of `struct cpu_user_regs`
 * (facts 9.9), then the control words that Xen keeps for the vCPU.
 */

/** Index of a general register; its words are `2 * index` and `2 * index + 1`. */
export const R = {
  r15: 0,
  r14: 1,
  r13: 2,
  r12: 3,
  rbp: 4,
  rbx: 5,
  r11: 6,
  r10: 7,
  r9: 8,
  r8: 9,
  rax: 10,
  rcx: 11,
  rdx: 12,
  rsi: 13,
  rdi: 14,
  rip: 15,
  cs: 16,
  rflags: 17,
  rsp: 18,
  ss: 19,
  es: 20,
  ds: 21,
  fs: 22,
  gs: 23,
} as const;
export type RegisterName = keyof typeof R;
export type Register = (typeof R)[RegisterName];

/** Words after the general registers. */
export const Control = {
  /** MFN of the kernel root (guest_table). */
  kernelRoot: 64,
  /** MFN of the user root (guest_table_user), or NO_ROOT. */
  userRoot: 65,
  /** 0 in guest kernel mode, 1 in guest user mode. */
  userMode: 66,
  kernelSs: 67,
  kernelSpLo: 68,
  kernelSpHi: 69,
  /** TLB generations: bumping one drops its entries. */
  tlbGeneration: 70,
  tlbGlobalGeneration: 71,
  /** A RunState. */
  runState: 72,
  eventCallbackLo: 73,
  eventCallbackHi: 74,
  failsafeCallbackLo: 75,
  failsafeCallbackHi: 76,
  syscallCallbackLo: 77,
  syscallCallbackHi: 78,
  ldtBaseLo: 79,
  ldtBaseHi: 80,
  ldtEntries: 81,
  iopl: 82,
  /** Code selectors of the callbacks, for 32-bit guests. */
  eventCallbackCs: 83,
  failsafeCallbackCs: 84,
  syscallCallbackCs: 85,
  nmiCallbackLo: 86,
  nmiCallbackHi: 87,
  nmiCallbackCs: 88,
  sysenterCallbackLo: 89,
  sysenterCallbackHi: 90,
  sysenterCallbackCs: 91,
  syscall32CallbackLo: 92,
  syscall32CallbackHi: 93,
  syscall32CallbackCs: 94,
  /** The virtual CR0.TS. */
  cr0Ts: 95,
  fsBaseLo: 96,
  fsBaseHi: 97,
  gsUserBaseLo: 98,
  gsUserBaseHi: 99,
  gsKernelBaseLo: 100,
  gsKernelBaseHi: 101,
  gsUserSelector: 102,
  /** While the vCPU polls: the port, or -1 for several; 0 when it does not. */
  pollPort: 103,
  /** 1 while the poll ends by itself after some time. */
  pollTimes: 104,
} as const;
/** `down`: the guest has not brought the vCPU up yet, or has taken it down. */
export const RunState = { running: 0, blocked: 1, down: 2 } as const;
export const REGISTER_WORDS = 128;
/** The value of `Control.userRoot` when no user root is loaded. */
export const NO_ROOT = -1;

/** rflags bits. */
export const RFLAGS_IF = 0x200;
export const RFLAGS_RESERVED = 0x2;
