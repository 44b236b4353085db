/*
 * A new page-table page is mapped twice, and only one mapping is made read-only.
 *
 * What the guest wants: a new L1 table. Both steps are put into one multicall: remap the page read-only, link it. (A
 * kernel of 2010 stopped at this point under load and said nothing.)
 *
 * What happens: the kernel has the page mapped at a second address. The first call of the list succeeds, and the page
 * still has a writable mapping, so the second one is refused with -EINVAL. The multicall itself returns 0: each call has
 * a result of its own, and this script looks at none of them.
 *
 * What to watch: the refusal lists the writable mapping that is in the way.
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

    link.val = mfn_to_pte(virt_to_mfn(page), L2_PROT);
    call(&calls[0], __HYPERVISOR_update_va_mapping, page, mfn_to_pte(virt_to_mfn(page), L1_PROT_RO), UVMF_INVLPG, 0);
    call(&calls[1], __HYPERVISOR_mmu_update, (unsigned long)&link, 1, 0, DOMID_SELF);
    rc = HYPERVISOR_multicall(calls, 2);
    printk("multicall: %d\n", rc);

    printk("the L2 entry is %s\n", read_entry(table_of(AREA, 2), pt_slot(AREA, 2)) == 0 ? "still empty" : "there");
    return rc == 0 && (long)calls[1].result == 0 ? 0 : 1;
}
