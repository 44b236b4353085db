/*
 * A page is transferred to a domain that waits for it. The story is in broken.guest.c; here the domain gives the page to
 * itself, so that one script shows both sides.
 *
 * What to watch: the receiver has room for the page (it has given one back before), and has written GTF_accept_transfer,
 * the sender's number and the place where it wants the page. Afterwards the entry holds the machine frame and says that
 * the transfer is completed.
 */

#include <xenscope.h>

#include "../paging.h"

#define SELF (start_info.flags & SIF_INITDOMAIN ? 0 : 1)

static long pages(void)
{
    domid_t self = DOMID_SELF;

    return HYPERVISOR_memory_op(XENMEM_current_reservation, &self);
}

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    pfn_t pfn = virt_to_pfn(page);
    struct gnttab_transfer op = { .mfn = virt_to_mfn(page), .domid = SELF };
    long before = pages();

    (void)info;
    if (init_gnttab() != 0 || unmap(page) != 0)
        return 1;
    op.ref = gnttab_grant_transfer(SELF, pfn);
    HYPERVISOR_grant_table_op(GNTTABOP_transfer, &op, 1);
    printk("transfer: status %d; pages before %ld, after %ld\n", op.status, before, pages());
    printk("flags of the entry: 0x%x\n", grant_table[op.ref].flags);
    phys_to_machine_mapping[pfn] = grant_table[op.ref].frame;
    return op.status == GNTST_okay && map_writable(page) == 0 ? 0 : 1;
}
