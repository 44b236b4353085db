/*
 * Pages are exchanged while they are mapped.
 *
 * What the guest wants: a frame at another place of the machine, for a device that cannot reach all memory. XENMEM_exchange
 * takes frames and gives others for them.
 *
 * What happens: Xen takes a frame from its owner only when nothing but the allocation refers to it. The kernel's own
 * linear mapping is a reference, too: the call fails with -EINVAL, and nr_exchanged says how far it came.
 *
 * What to watch: the refusal says how many references are left.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    xen_pfn_t in = virt_to_mfn(page), out = virt_to_pfn(page);
    struct xen_memory_exchange exchange = {
        .in = { .nr_extents = 1, .domid = DOMID_SELF },
        .out = { .nr_extents = 1, .domid = DOMID_SELF },
    };
    int rc;

    (void)info;
    set_xen_guest_handle(exchange.in.extent_start, &in);
    set_xen_guest_handle(exchange.out.extent_start, &out);
    rc = HYPERVISOR_memory_op(XENMEM_exchange, &exchange);
    printk("exchange: %d, %lu exchanged\n", rc, (unsigned long)exchange.nr_exchanged);
    return rc == 0 ? 0 : 1;
}
