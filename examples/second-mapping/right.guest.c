/*
 * A new page-table page has no writable mapping left when it is linked, and each result of the multicall is looked at.
 * The story is in broken.guest.c.
 */

#include <xenscope.h>

#include "../paging.h"

static void call(struct multicall_entry *entry, unsigned long op, unsigned long a, uint64_t b, unsigned long c,
                 unsigned long d)
{
    memset(entry, 0, sizeof(*entry));
    entry->op = op;
    entry->args[0] = a;
    entry->args[1] = b;
#ifdef __i386__
    if (op == __HYPERVISOR_update_va_mapping) {
        entry->args[2] = b >> 32;
        entry->args[3] = c;
        return;
    }
#endif
    entry->args[2] = c;
    entry->args[3] = d;
}

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();
    unsigned long second = alloc_page();
    struct mmu_update link = { .ptr = entry_maddr(table_of(AREA, 2), pt_slot(AREA, 2)) };
    struct multicall_entry calls[2];
    int rc;

    (void)info;
    memset((void *)page, 0, PAGE_SIZE);
    HYPERVISOR_update_va_mapping(second, mfn_to_pte(virt_to_mfn(page), L1_PROT), UVMF_INVLPG);

    /* The other mapping first: a page that is to become a page table must be writable nowhere. */
    if (unmap(second) != 0)
        return 1;
    link.val = mfn_to_pte(virt_to_mfn(page), L2_PROT);
    call(&calls[0], __HYPERVISOR_update_va_mapping, page, mfn_to_pte(virt_to_mfn(page), L1_PROT_RO), UVMF_INVLPG, 0);
    call(&calls[1], __HYPERVISOR_mmu_update, (unsigned long)&link, 1, 0, DOMID_SELF);
    rc = HYPERVISOR_multicall(calls, 2);
    printk("multicall: %d, its calls %ld and %ld\n", rc, (long)calls[0].result, (long)calls[1].result);

    printk("the L2 entry is %s\n", read_entry(table_of(AREA, 2), pt_slot(AREA, 2)) == 0 ? "still empty" : "there");
    return rc == 0 && (long)calls[1].result == 0 ? 0 : 1;
}
