/*
 * The command is put into the low bits of `ptr` on purpose, and the address is checked before. The story is in
 * broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

static int map_entry(maddr_t entry, pteval_t value)
{
    struct mmu_update request = { .ptr = entry | MMU_NORMAL_PT_UPDATE, .val = value };

    if (entry % sizeof(pteval_t) != 0)
        return -1;
    return HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
}

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    mfn_t table = table_of(page, 1);
    maddr_t entry = entry_maddr(table, pt_slot(page, 1));
    pfn_t before = mfn_to_pfn(table);

    (void)info;
    if (map_entry(entry, 0) != 0)
        return 1;
    printk("with the wrong address: %d\n", map_entry(entry + 1, mfn_to_pte(virt_to_mfn(page), L1_PROT)));
    printk("with the right one: %d\n", map_entry(entry, mfn_to_pte(virt_to_mfn(page), L1_PROT)));
    *(volatile int *)page = 1;
    return mfn_to_pfn(table) == before ? 0 : 1;
}
