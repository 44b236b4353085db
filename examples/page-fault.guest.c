/*
 * A page fault, from the access to the mapping.
 *
 * What the guest wants: to use an address that nothing is mapped at. Its page tables hold machine frames and Xen
 * checks every entry, so the guest cannot simply write one: it asks.
 *
 * What happens: the access finds no translation. Xen delivers the fault through the trap table that the guest
 * installed, with the address in the shared info page. The handler walks down from the root. Where a table is missing
 * it takes a page, clears it, gives up its own writable mapping of it (Xen lets no page be page table and writable at
 * once), translates it with the P2M, and links it with HYPERVISOR_mmu_update. At last it maps the page itself. The
 * handler returns by the iret hypercall, and the access runs again.
 *
 * What to watch: the frame's type in Machine Frames. It is `writable` while the kernel can write to it, has a type
 * count of 0 after update_va_mapping, and becomes l1 (l2, l3) when it is linked. Nothing else makes a page table.
 *
 * The same text runs on x86_64 (four levels), x86_32p (three) and x86_32 (two).
 */

#include <xenscope.h>

#define ADDRESS 0x400000UL

/* Sets one entry of a live page table. `table` is a machine frame: Xen knows no other. */
static int set_entry(mfn_t table, unsigned int slot, pteval_t value)
{
    struct mmu_update request = {
        .ptr = ((uint64_t)table << PAGE_SHIFT) + slot * sizeof(pteval_t) + MMU_NORMAL_PT_UPDATE,
        .val = value,
    };

    return HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
}

/* A page that may become a page table: empty, and mapped writable nowhere. */
static mfn_t new_table(void)
{
    unsigned long page = alloc_page();
    mfn_t mfn = virt_to_mfn(page);

    memset((void *)page, 0, PAGE_SIZE);
    if (HYPERVISOR_update_va_mapping(page, mfn_to_pte(mfn, _PAGE_PRESENT | _PAGE_ACCESSED), UVMF_INVLPG) != 0)
        BUG();
    return mfn;
}

/* Maps `mfn` at `va`, making the tables that are missing on the way. */
static int map_page(unsigned long va, mfn_t mfn)
{
    mfn_t table = virt_to_mfn(start_info.pt_base);
    int level, rc;

    for (level = PAGETABLE_LEVELS; level > 1; level--) {
        pteval_t entry = read_entry(table, pt_slot(va, level));

        if (!(entry & _PAGE_PRESENT)) {
            entry = mfn_to_pte(new_table(), pt_table_flags(level));
            rc = set_entry(table, pt_slot(va, level), entry);
            if (rc != 0)
                return rc;
        }
        table = pte_to_mfn(entry);
    }
    return set_entry(table, pt_slot(va, 1), mfn_to_pte(mfn, PT_PAGE_FLAGS));
}

static void page_fault(struct cpu_user_regs *regs)
{
    unsigned long va = read_cr2();
    int rc;

    printk("page fault at 0x%lx, error code %u\n", va, (unsigned int)regs->error_code);
    rc = map_page(va & PAGE_MASK, virt_to_mfn(alloc_page()));
    if (rc != 0) {
        printk("could not map it: %d\n", rc);
        BUG();
    }
}

int kernel_main(start_info_t *info)
{
    volatile unsigned long *word = (volatile unsigned long *)ADDRESS;
    struct trap_info traps[] = {
        { .vector = TRAP_page_fault, .cs = FLAT_KERNEL_CS, .address = (unsigned long)page_fault },
        { .address = 0 },
    };

    printk("%s, %lu pages\n", info->magic, info->nr_pages);
    if (HYPERVISOR_set_trap_table(traps) != 0)
        return 1;

    *word = 42; /* nothing is mapped here: step, and see the handler run */

    printk("the word at 0x%lx is %lu\n", (unsigned long)word, *word);
    return *word == 42 ? 0 : 1;
}
