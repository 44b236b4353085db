/*
 * A grant is unmapped by unmap_grant_ref, before its address is used for anything else. The story is in broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

#define SELF (start_info.flags & SIF_INITDOMAIN ? 0 : 1)

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    unsigned long va = alloc_page();
    grant_handle_t handle;
    grant_ref_t ref;

    (void)info;
    if (init_gnttab() != 0)
        return 1;
    ref = gnttab_grant_access(SELF, virt_to_mfn(page), false);
    if (gnttab_map(va, SELF, ref, 0, &handle) != GNTST_okay)
        return 1;

    printk("unmapping the grant: %d\n", gnttab_unmap(va, handle));
    printk("flags of the entry: 0x%x\n", grant_table[ref].flags);
    return gnttab_end_access(ref) && map_writable(va) == 0 ? 0 : 1;
}
