/*
 * An exception on a kernel stack that can be written. The story is in broken.guest.c.
 *
 * What to watch: the same store faults, Xen pushes the frame, and the handler runs.
 */

#include <xenscope.h>

#include "../paging.h"

static void page_fault(struct cpu_user_regs *regs)
{
    (void)regs;
    printk("handled\n");
    exit_guest(0);
}

int kernel_main(start_info_t *info)
{
    struct trap_info traps[] = {
        { .vector = TRAP_page_fault, .cs = FLAT_KERNEL_CS, .address = (unsigned long)page_fault },
        { .address = 0 },
    };

    (void)info;
    if (HYPERVISOR_set_trap_table(traps) != 0)
        return 1;
    /* A page of its own is prepared, which nothing else uses. */
    new_table();
    *(volatile int *)AREA = 1;
    return 1;
}
