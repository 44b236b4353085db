/*
 * A page is transferred to a domain that is not there.
 *
 * What the guest wants: to give one of its pages away for good, by grant transfer.
 *
 * What happens: Xen takes the page from its owner first and looks at the receiver then. There is no d9, so the operation
 * ends with GNTST_bad_domain, and the page is lost: it belongs to nobody now, and the guest has one page less. The same
 * happens when the receiver has made no entry ready, or has no room.
 *
 * What to watch: the number of pages that the domain has, before and after.
 */

#include <xenscope.h>

#include "../paging.h"

#define RECEIVER 9

static long pages(void)
{
    domid_t self = DOMID_SELF;

    return HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
}

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    struct gnttab_transfer op = { .mfn = virt_to_mfn(page), .domid = RECEIVER, .ref = 8 };
    long before = pages();

    (void)info;
    if (unmap(page) != 0)
        return 1;
    HYPERVISOR_grant_table_op(GNTTABOP_transfer, &op, 1);
    printk("transfer: status %d; pages before %ld, after %ld\n", op.status, before, pages());
    return op.status == GNTST_okay ? 0 : 1;
}
