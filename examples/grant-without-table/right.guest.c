/*
 * The L1 table is made before a grant is mapped there. The story is in broken.guest.c.
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
    if (set_l2(AREA, mfn_to_pte(virt_to_mfn(new_table()), L2_PROT)) != 0)
        return 1;
    rc = HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);
    printk("hypercall %d, status %d\n", rc, op.status);
    *(volatile int *)AREA = 1;
    return op.status == GNTST_okay ? 0 : 1;
}
