/*
 * The mapping of a grant is overwritten instead of unmapped.
 *
 * What the guest wants: to use an address for something else after it has finished with a granted page. (A graphics driver
 * did this; a debug build of Xen injects a general protection fault then, a release build says nothing.)
 *
 * What happens: clearing the page-table entry drops the reference on the page, as for any mapping. But Xen keeps a second
 * book on grants: the entry stays pinned and the granter's GTF_reading and GTF_writing stay set. The unmap that comes
 * later finds another entry than the grant made and is refused. From now on nobody can end the grant: the granter can
 * never use the page safely again.
 *
 * The domain grants to itself here, so that one script tells the story. 3.0.2 would have refused that.
 *
 * What to watch: the flags of the grant entry, printed at the end. Run it with --xen-build debug to meet the fault.
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

    unmap(va);
    printk("unmapping the grant: %d\n", gnttab_unmap(va, handle));
    printk("flags of the entry: 0x%x\n", grant_table[ref].flags);
    return gnttab_end_access(ref) ? 0 : 1;
}
