/*
 * A page comes back from the balloon, and the P2M says which frame it is now. The story is in broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    xen_pfn_t extent = virt_to_mfn(page);
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };
    int rc;

    (void)info;
    set_xen_guest_handle(reservation.extent_start, &extent);
    if (unmap(page) != 0 || HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation) != 1)
        return 1;
    phys_to_machine_mapping[virt_to_pfn(page)] = INVALID_P2M_ENTRY;

    extent = virt_to_pfn(page);
    if (HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation) != 1)
        return 1;
    phys_to_machine_mapping[virt_to_pfn(page)] = extent;
    rc = map_writable(page);
    printk("mapping the page that came back: %d\n", rc);
    return rc == 0 && mfn_to_pfn(virt_to_mfn(page)) == virt_to_pfn(page) ? 0 : 1;
}
