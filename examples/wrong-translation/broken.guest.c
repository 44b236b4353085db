/*
 * The address of a page-table entry, translated the wrong way.
 *
 * What the guest wants: to clear the mapping of one of its pages with mmu_update. (Linux 2.6.27 took the address of a
 * temporary mapping for one of the linear mapping; it failed only on guests of some memory sizes.)
 *
 * What happens: mmu_update wants the MACHINE address of the entry. Here the pseudo-physical address is passed: its frame
 * number is the guest's own numbering. As a machine frame that number belongs to somebody else, and Xen answers -EINVAL.
 * It can be worse: when the number happens to be a frame of the guest's own that is no page table, Xen stores the value
 * there, returns 0, and eight bytes of somebody's data are gone.
 *
 * What to watch: the refusal's evidence shows whose frame ptr points into.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    mfn_t table = table_of(page, 1);
    struct mmu_update request = { .val = 0 };
    int rc;

    (void)info;
    request.ptr = to_phys(mfn_to_virt(table)) + pt_slot(page, 1) * sizeof(pteval_t);
    rc = HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
    printk("clearing the entry: %d\n", rc);
    return rc == 0 ? 0 : 1;
}
