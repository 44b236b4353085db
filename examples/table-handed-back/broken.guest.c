/*
 * A page table goes back to the allocator while it is still in use.
 *
 * What the guest wants: to give up an address range and to use its page table's page for data again. (A Linux kernel did
 * this in 2012: it freed the pages of its initial page tables, and the next user of them died.)
 *
 * What happens: the page is still linked from an L2 entry, so its type is l1 with a count of 1. The kernel's mapping of it
 * is read-only and has to stay so: the request to map it writable is refused with -EBUSY (-EINVAL in 3.0.4). Whoever got
 * the page from the allocator faults at his first store.
 *
 * What to watch: the refusal names the type that stands in the way. Machine Frames shows the frame as l1. The right
 * version is beside this one.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    unsigned long table = new_table();
    int rc;

    (void)info;
    if (set_l2(AREA, mfn_to_pte(virt_to_mfn(table), L2_PROT)) != 0)
        return 1;
    printk("table linked: mfn %05lx\n", virt_to_mfn(table));

    /* The area is no longer needed; its table is handed back as it is. */
    rc = map_writable(table);
    printk("making it writable: %d\n", rc);
    if (rc != 0)
        return 1;
    free_page((void *)table);
    return 0;
}
