/*
 * A batch of page-table updates fails in the middle, and the guest goes on from there. The story is in broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    struct mmu_update requests[3];
    unsigned long pages[3];
    unsigned int done = 0, all = 0;

    (void)info;
    for (int i = 0; i < 3; i++) {
        pages[i] = alloc_page();
        requests[i].ptr = entry_maddr(table_of(pages[i], 1), pt_slot(pages[i], 1));
        requests[i].val = 0;
    }
    requests[1].ptr = pages[1]; /* a virtual address */

    while (all < 3) {
        int rc = HYPERVISOR_mmu_update(requests + all, 3 - all, &done, DOMID_SELF);

        all += done;
        printk("batch: %d, %u of 3 done\n", rc, all);
        if (rc == 0)
            break;
        /* The request that failed is corrected; those before it must not be repeated. */
        requests[all].ptr = entry_maddr(table_of(pages[all], 1), pt_slot(pages[all], 1));
    }
    return all == 3 ? 0 : 1;
}
