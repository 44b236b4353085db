/*
 * A batch of page-table updates fails in the middle.
 *
 * What the guest wants: to unmap three pages with one hypercall.
 *
 * What happens: Xen carries out the requests in order and stops at the first that it refuses. What it did before stays
 * done; there is no rollback, and what comes after is not looked at. Here the second request has a wrong address. The
 * script sees the error and believes that nothing has happened: it goes on using the first page, which is not mapped any
 * more.
 *
 * What to watch: `done` tells how many requests were carried out. This script passes NULL for it.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    struct mmu_update requests[3];
    unsigned long pages[3];
    int rc;

    (void)info;
    for (int i = 0; i < 3; i++) {
        pages[i] = alloc_page();
        requests[i].ptr = entry_maddr(table_of(pages[i], 1), pt_slot(pages[i], 1));
        requests[i].val = 0;
    }
    requests[1].ptr = pages[1]; /* a virtual address */

    rc = HYPERVISOR_mmu_update(requests, 3, NULL, DOMID_SELF);
    printk("batch: %d\n", rc);
    *(volatile int *)pages[2] = 3;
    *(volatile int *)pages[1] = 2;
    *(volatile int *)pages[0] = 1;
    return 0;
}
