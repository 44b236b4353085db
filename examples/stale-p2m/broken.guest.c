/*
 * A page comes back from the balloon, and the P2M is not told.
 *
 * What the guest wants: to give a page to Xen and to get one back later for the same place.
 *
 * What happens: populate_physmap gives the guest SOME frame, another one than it gave away, and writes its number into the
 * list of the call. Xen enters it into the M2P, which is Xen's; the P2M is the guest's own array, and Xen never touches
 * it. This script forgets to: its P2M still says the old frame, which may be anybody's now. Mapping it is refused.
 *
 * What to watch: the P2M Map shows the page with two opinions: what the guest's P2M says, and what the M2P says.
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

    extent = virt_to_pfn(page);
    if (HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation) != 1)
        return 1;
    rc = map_writable(page);
    printk("mapping the page that came back: %d\n", rc);
    return rc == 0 ? 0 : 1;
}
