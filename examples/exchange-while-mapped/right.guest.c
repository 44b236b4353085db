/*
 * A page is unmapped, exchanged, entered into the P2M and mapped again. The story is in broken.guest.c.
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
    phys_to_machine_mapping[virt_to_pfn(page)] = INVALID_P2M_ENTRY;
    if (unmap(page) != 0)
        return 1;
    rc = HYPERVISOR_memory_op(XENMEM_exchange, &exchange);
    printk("exchange: %d, %lu exchanged\n", rc, (unsigned long)exchange.nr_exchanged);
    if (rc != 0)
        return 1;
    phys_to_machine_mapping[virt_to_pfn(page)] = out;
    return map_writable(page) == 0 ? 0 : 1;
}
