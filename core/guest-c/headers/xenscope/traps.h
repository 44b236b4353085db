/*
 * Trap handlers are C functions `void handler(struct cpu_user_regs *regs)`. Xen enters a kernel with a bounce frame on
 * its stack and no C environment, so each vector has an entry stub that saves the registers, calls the handler and
 * returns by the iret hypercall with what regs then holds. set_trap_table puts the stubs in the handlers' place.
 */
#ifndef XENSCOPE_TRAPS_H
#define XENSCOPE_TRAPS_H

#include <xenscope/pages.h>

#define TRAP_divide_error 0
#define TRAP_debug 1
#define TRAP_nmi 2
#define TRAP_int3 3
#define TRAP_overflow 4
#define TRAP_bounds 5
#define TRAP_invalid_op 6
#define TRAP_no_device 7
#define TRAP_double_fault 8
#define TRAP_invalid_tss 10
#define TRAP_no_segment 11
#define TRAP_stack_error 12
#define TRAP_gp_fault 13
#define TRAP_page_fault 14
#define TRAP_copro_error 16
#define TRAP_alignment_check 17
#define TRAP_simd_error 19

/* Bits of a page fault's error code. */
#define PF_PRESENT 0x01
#define PF_WRITE 0x02
#define PF_USER 0x04
#define PF_RESERVED 0x08
#define PF_FETCH 0x10

typedef void trap_handler_t(struct cpu_user_regs *regs);

extern shared_info_t *HYPERVISOR_shared_info;
/* The C handler of each vector, for the entry stubs; the last is that of the event callback. */
#define __XENSCOPE_EVENT_STUB 256
extern trap_handler_t *__xenscope_trap_handlers[257];

#ifndef __XENSCOPE__
unsigned long __xenscope_trap_stub(int vector);
#endif

/* Installs handlers; the table ends with an address of 0, NULL removes all. At most 256 entries. */
__XENSCOPE_LIBRARY int HYPERVISOR_set_trap_table(const struct trap_info *table)
{
    static struct trap_info stubs[257];
    unsigned int i;

    if (table == NULL)
        return (int)__hypercall_1(__HYPERVISOR_set_trap_table, NULL);
    for (i = 0; i < 256 && table[i].address != 0; i++) {
        stubs[i] = table[i];
        /* What lies outside the kernel image is no handler: Xen gets the address as it is. */
        if (table[i].address - VIRT_BASE < start_info.mfn_list - VIRT_BASE) {
            __xenscope_trap_handlers[table[i].vector] = (trap_handler_t *)table[i].address;
            stubs[i].address = __xenscope_trap_stub(table[i].vector);
        }
    }
    stubs[i].address = 0;
    return (int)__hypercall_1(__HYPERVISOR_set_trap_table, stubs);
}

/* The address of the last page fault, where Xen puts it. */
__XENSCOPE_LIBRARY unsigned long read_cr2(void)
{
    return HYPERVISOR_shared_info->vcpu_info[0].arch.cr2;
}

#endif
