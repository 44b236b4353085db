/*
 * A mapping is changed, and the processor is not told.
 *
 * What the guest wants: to replace the page at an address by another one.
 *
 * What happens: the processor has the old translation in its TLB, for the page was used just now. mmu_update on an L1
 * entry does not flush: that is the guest's business. The next store goes to the OLD page, at an address that the page
 * tables no longer give it. Nothing is refused and nothing faults; the data is simply in the wrong place.
 *
 * What to watch: both pages' contents at the end. Xen itself flushes only where its own rules depend on it: when a frame
 * changes its type, and before it hands out a frame anew.
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

    if (set_entry(table_of(va, 1), pt_slot(va, 1), mfn_to_pte(virt_to_mfn(fresh), L1_PROT)) != 0)
        return 1;
    *(volatile int *)va = 2;

    printk("old page: %d, new page: %d\n", *(volatile int *)alias, *(volatile int *)fresh);
    return *(volatile int *)fresh == 2 ? 0 : 1;
}
