/*
 * One wrong bit makes another operation of a page-table update.
 *
 * What the guest wants: to map a page, with an address that an error elsewhere has made odd.
 *
 * What happens: the low bits of `ptr` are the command. With bit 0 set the request is no page-table update: it is
 * MMU_MACHPHYS_UPDATE, which enters a number into the M2P for the frame that ptr lies in. The frame is one of the guest's
 * own page tables, so Xen obliges and returns 0. The entry is not changed, and the M2P tells nonsense about the table
 * from now on: the next piece of code that looks the table up by its machine frame reads a wild address.
 *
 * What to watch: nothing is refused. The M2P of the table's frame, before and after.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    mfn_t table = table_of(page, 1);
    pfn_t before = mfn_to_pfn(table);
    int rc;

    (void)info;
    rc = set_entry(table, pt_slot(page, 1), 0);
    if (rc != 0)
        return 1;
    {
        struct mmu_update request = {
            .ptr = entry_maddr(table, pt_slot(page, 1)) + 1,
            .val = mfn_to_pte(virt_to_mfn(page), L1_PROT),
        };

        rc = HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
    }
    printk("update: %d\n", rc);
    printk("the M2P entry of the table is %s\n", mfn_to_pfn(table) == before ? "as it was" : "destroyed");
    return mfn_to_pfn(table) == before ? 0 : 1;
}
