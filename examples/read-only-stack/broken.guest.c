/*
 * Xen kills the guest while it delivers an exception.
 *
 * What the guest wants: to handle a page fault. (Users of a small unikernel saw only Xen's "Pagetable walk ...
 * create_bounce_frame" and a dead guest.)
 *
 * What happens: a kernel stack page has been made read-only, as if it were to become a page table. Reading it still works,
 * so nothing is noticed, until an exception comes: Xen has to push the exception frame onto the kernel stack and cannot.
 * There is no double fault for PV guests: the domain is crashed at once, and the handler never runs.
 *
 * What to watch: the crash shows the page walk of the stack address. Its last entry is present and lacks RW.
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
    unsigned long stack = (unsigned long)traps & PAGE_MASK;

    (void)info;
    if (HYPERVISOR_set_trap_table(traps) != 0)
        return 1;
    /* A wrong page is prepared to be a page table: the one that the kernel's stack is in. */
    map_readonly(stack);
    *(volatile int *)AREA = 1;
    return 1;
}
