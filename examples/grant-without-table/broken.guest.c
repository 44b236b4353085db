/*
 * A grant is mapped where no page table is yet.
 *
 * What the guest wants: to map a granted page into an area that it has just reserved. (In a driver domain the area's page
 * tables were made lazily, by the first page fault; the hypercall came before it.)
 *
 * What happens: Xen writes the L1 entry for a grant itself, but it makes no tables. There is no L1 table for the address,
 * so the operation fails with GNTST_general_error. The hypercall as a whole returns 0: only the status in the structure
 * tells.
 *
 * What to watch: the refusal says at which level the walk ends.
 */

#include <xenscope.h>

#include "../paging.h"

#define SELF (start_info.flags & SIF_INITDOMAIN ? 0 : 1)

int kernel_main(start_info_t *info)
{
    struct gnttab_map_grant_ref op = { .host_addr = AREA, .flags = GNTMAP_host_map, .dom = SELF };
    int rc;

    (void)info;
    if (init_gnttab() != 0)
        return 1;
    op.ref = gnttab_grant_access(SELF, virt_to_mfn(alloc_page()), false);
    rc = HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);
    printk("hypercall %d, status %d\n", rc, op.status);
    return op.status == GNTST_okay ? 0 : 1;
}
