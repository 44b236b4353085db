/*
 * A new address space: build, pin, switch, destroy.
 *
 * What the guest wants: a second set of page tables, as a kernel needs one for each process. It shall share the kernel's
 * part with the first, and have a page of its own at a low address.
 *
 * What happens: while a table is not in use it is ordinary memory and can be filled by plain stores. The new root gets a
 * copy of the old root's entries, and one entry of its own that leads to new tables. Then every page of it is made
 * read-only, and MMUEXT_PIN_L<n>_TABLE makes Xen check the whole tree and keep it checked. NEW_BASEPTR switches. To give
 * the tree up again: switch away, unpin (which releases every table that nothing else refers to), make the pages writable.
 *
 * What to watch: the types of the new tables' frames at each step, and the root's counts: pinned 1, loaded 1 more.
 */

#include <xenscope.h>

#include "paging.h"

#define ADDRESS 0x400000UL

static unsigned long tables[8];
static int used;

/* A page that can be filled by stores: it is no page table yet. */
static pteval_t *plain_table(void)
{
    unsigned long page = alloc_page();

    memset((void *)page, 0, PAGE_SIZE);
    tables[used++] = page;
    return (pteval_t *)page;
}

static int mmuext(unsigned int cmd, mfn_t mfn)
{
    struct mmuext_op op = { .cmd = cmd };

    op.arg1.mfn = mfn;
    return HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

int kernel_main(start_info_t *info)
{
    const mfn_t old_root = virt_to_mfn(start_info.pt_base);
    pteval_t *root = plain_table();
    pteval_t *table = root;
    unsigned long data = alloc_page();
    int rc;

    (void)info;
    *(volatile unsigned long *)data = 4711;

    /* The kernel's part is shared: the same entries. Slots of Xen's own are filled by Xen when the root is checked. */
    for (unsigned int slot = 0; slot < PT_SLOTS; slot++)
        root[slot] = read_entry(old_root, slot);
#if PAGETABLE_LEVELS == 3
    /* Xen's own mappings go into the L2 of the last slot, so each root has one of its own there. */
    {
        mfn_t shared = pte_to_mfn(root[3]);
        pteval_t *top = plain_table();

        for (unsigned int slot = 0; slot < 428; slot++)
            top[slot] = read_entry(shared, slot);
        root[3] = mfn_to_pte(virt_to_mfn(top), L3_PROT);
    }
#endif

    /* Down to the L1, which maps the data page. */
    for (int level = PAGETABLE_LEVELS; level > 1; level--) {
        pteval_t *next = plain_table();

        table[pt_slot(ADDRESS, level)] = mfn_to_pte(virt_to_mfn(next), pt_table_flags(level));
        table = next;
    }
    table[pt_slot(ADDRESS, 1)] = mfn_to_pte(virt_to_mfn(data), PT_PAGE_FLAGS);

    for (int i = 0; i < used; i++)
        if (map_readonly(tables[i]) != 0)
            return 1;
    rc = mmuext(MMUEXT_PIN_L1_TABLE + PAGETABLE_LEVELS - 1, virt_to_mfn(root));
    printk("pinned: %d\n", rc);
    if (rc != 0)
        return 1;

    if (mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(root)) != 0)
        return 1;
    printk("in the new address space: %lu\n", *(volatile unsigned long *)ADDRESS);

    if (mmuext(MMUEXT_NEW_BASEPTR, old_root) != 0 || mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(root)) != 0)
        return 1;
    for (int i = 0; i < used; i++) {
        if (map_writable(tables[i]) != 0)
            return 1;
        free_page((void *)tables[i]);
    }
    printk("destroyed\n");
    return 0;
}
