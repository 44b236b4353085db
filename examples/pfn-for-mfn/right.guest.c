/*
 * A page is mapped by its machine frame, which the P2M gives. The story is in broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

#define PFN 300

int kernel_main(start_info_t *info)
{
    unsigned long va = alloc_page();
    int rc;

    (void)info;
    rc = HYPERVISOR_update_va_mapping(va, mfn_to_pte(pfn_to_mfn(PFN), L1_PROT), UVMF_INVLPG);
    printk("mapping page %d: %d\n", PFN, rc);
    return rc == 0 ? 0 : 1;
}
