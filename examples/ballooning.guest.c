/*
 * Ballooning: a guest gives memory to Xen and gets some back.
 *
 * What the guest wants: to have less memory for a while, so that other domains can have it.
 *
 * What happens: for each page the kernel first removes its own mapping, notes in the P2M that there is no frame, and then
 * gives the MACHINE frame to Xen with decrease_reservation. A frame that something still refers to does not leave the
 * domain, although the call says that it is done: here the last page stays mapped on purpose. Getting memory back is
 * populate_physmap: the list holds pseudo-physical frames going in and machine frames coming out. Xen updates the M2P; the
 * P2M and the mapping are up to the guest.
 *
 * What to watch: the number of pages of the domain (tot_pages), and the P2M Map with its holes.
 */

#include <xenscope.h>

#include "paging.h"

#define PAGES 8

static long current_pages(void)
{
    domid_t self = DOMID_SELF;

    return HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
}

int kernel_main(start_info_t *info)
{
    xen_pfn_t list[PAGES];
    unsigned long pages[PAGES];
    struct xen_memory_reservation reservation = { .nr_extents = PAGES, .domid = DOMID_SELF };
    long rc;

    (void)info;
    printk("%ld pages at first\n", current_pages());
    set_xen_guest_handle(reservation.extent_start, list);

    for (int i = 0; i < PAGES; i++) {
        pages[i] = alloc_page();
        list[i] = virt_to_mfn(pages[i]);
        if (i < PAGES - 1 && unmap(pages[i]) != 0)
            return 1;
    }
    rc = HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation);
    printk("gave back %ld; %ld pages are left\n", rc, current_pages());
    unmap(pages[PAGES - 1]);
    printk("the last one unmapped: %ld pages\n", current_pages());

    for (int i = 0; i < PAGES; i++) {
        phys_to_machine_mapping[virt_to_pfn(pages[i])] = INVALID_P2M_ENTRY;
        list[i] = virt_to_pfn(pages[i]);
    }
    rc = HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation);
    printk("got %ld; %ld pages\n", rc, current_pages());
    for (int i = 0; i < rc; i++) {
        phys_to_machine_mapping[virt_to_pfn(pages[i])] = list[i];
        if (map_writable(pages[i]) != 0)
            return 1;
        *(volatile unsigned long *)pages[i] = i;
    }
    return rc == PAGES ? 0 : 1;
}
