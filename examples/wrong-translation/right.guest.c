/*
 * The address of a page-table entry, translated by the P2M: its machine address. The story is in broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    mfn_t table = table_of(page, 1);
    struct mmu_update request = { .val = 0 };
    int rc;

    (void)info;
    request.ptr = mfn_to_maddr(table) + pt_slot(page, 1) * sizeof(pteval_t);
    rc = HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
    printk("clearing the entry: %d\n", rc);
    return rc == 0 ? 0 : 1;
}
