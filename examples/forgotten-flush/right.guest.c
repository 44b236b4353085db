/*
 * A mapping is changed and its translation flushed. The story is in broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    unsigned long va = alloc_page();
    unsigned long fresh = alloc_page();
    unsigned long alias = alloc_page();
    mfn_t old = virt_to_mfn(va);

    (void)info;
    HYPERVISOR_update_va_mapping(alias, mfn_to_pte(old, L1_PROT), UVMF_INVLPG);
    *(volatile int *)va = 1;
    *(volatile int *)fresh = 0;

    /* Changes the same entry, and drops the translation of this one page from the TLB. */
    if (HYPERVISOR_update_va_mapping(va, mfn_to_pte(virt_to_mfn(fresh), L1_PROT), UVMF_INVLPG) != 0)
        return 1;
    *(volatile int *)va = 2;

    printk("old page: %d, new page: %d\n", *(volatile int *)alias, *(volatile int *)fresh);
    return *(volatile int *)fresh == 2 ? 0 : 1;
}
