/** Returned by a hypercall that has set up the vCPU's registers itself (iret): rax is not its result. */
export const CONTEXT_SWITCHED = 0x7fff_ffff;
