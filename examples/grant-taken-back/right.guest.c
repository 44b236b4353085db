/*
 * A grant is taken back when nobody has the page mapped any more: the marks in the entry tell. The story is in
 * broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

#define SELF (start_info.flags & SIF_INITDOMAIN ? 0 : 1)

int kernel_main(start_info_t *info)
{
    volatile unsigned long *page = (volatile unsigned long *)alloc_page();
    volatile unsigned long *other = (volatile unsigned long *)alloc_page();
    grant_handle_t handle;
    grant_ref_t ref;

    (void)info;
    if (init_gnttab() != 0)
        return 1;
    ref = gnttab_grant_access(SELF, virt_to_mfn(page), false);
    if (gnttab_map((unsigned long)other, SELF, ref, 0, &handle) != GNTST_okay)
        return 1;

    printk("taken back at once: %s\n", gnttab_end_access(ref) ? "yes" : "no, it is in use");
    gnttab_unmap((unsigned long)other, handle);
    printk("after the unmap: %s\n", gnttab_end_access(ref) ? "yes" : "no, it is in use");
    *page = 12345;
    return 0;
}
