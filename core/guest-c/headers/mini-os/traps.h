/* Trap handlers: void f(struct pt_regs *), with Xen's register structure. */
#ifndef MINIOS_TRAPS_H
#define MINIOS_TRAPS_H

#include <xenscope/traps.h>

#define pt_regs cpu_user_regs
#define TRAP_PF_PROT PF_PRESENT
#define TRAP_PF_WRITE PF_WRITE
#define TRAP_PF_USER PF_USER

#endif
