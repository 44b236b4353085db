/*
 * A grant is taken back while the other side has the page mapped.
 *
 * What the guest wants: to use a page again that it had granted.
 *
 * What happens: writing 0 into the entry's flags ends nothing. Xen looked at the entry when the page was mapped, and what
 * is mapped stays mapped: the other side goes on reading and writing a page that its owner believes to be his alone. The
 * owner has lost the marks that could have told him. When the other side unmaps at last, Xen clears the marks in the
 * entry, whatever the entry is used for by then.
 *
 * The domain grants to itself here, so that one script tells the story.
 *
 * What to watch: the secret that is written after the grant was "taken back", and read through the old mapping.
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

    grant_table[ref].flags = 0;
    *page = 12345;
    printk("the other side reads %lu\n", *other);
    return *other == 12345 ? 1 : 0;
}
