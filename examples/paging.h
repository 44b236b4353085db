/* Page-table work that the stories share. Every table is named by its machine frame, every entry by table and slot. */

/* An area of the kernel's half that has no L1 table after start of day; the tables above are there on every ABI. */
#define AREA (VIRT_BASE + 0x20000000UL)

/* Changes one entry of a live table: a hypercall. */
static inline int set_entry(mfn_t table, unsigned int slot, pteval_t value)
{
    struct mmu_update request = { .ptr = entry_maddr(table, slot) | MMU_NORMAL_PT_UPDATE, .val = value };

    return HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
}

/* The table of a level on the way from the root to an address; the tables above it must be there. */
static inline mfn_t table_of(unsigned long va, int level)
{
    mfn_t table = virt_to_mfn(start_info.pt_base);

    for (int above = PAGETABLE_LEVELS; above > level; above--)
        table = pte_to_mfn(read_entry(table, pt_slot(va, above)));
    return table;
}

/* Changes the kernel's own mapping of one of its pages. */
static inline int map_readonly(unsigned long page)
{
    return HYPERVISOR_update_va_mapping(page, mfn_to_pte(virt_to_mfn(page), L1_PROT_RO), UVMF_INVLPG);
}

static inline int map_writable(unsigned long page)
{
    return HYPERVISOR_update_va_mapping(page, mfn_to_pte(virt_to_mfn(page), L1_PROT), UVMF_INVLPG);
}

static inline int unmap(unsigned long page)
{
    return HYPERVISOR_update_va_mapping(page, 0, UVMF_INVLPG);
}

/* An empty page that nothing maps writable: what may become a page table. */
static inline unsigned long new_table(void)
{
    unsigned long page = alloc_page();

    memset((void *)page, 0, PAGE_SIZE);
    if (map_readonly(page) != 0)
        BUG();
    return page;
}

/* Links an L1 table for an address, or with entry 0 unlinks it. */
static inline int set_l2(unsigned long va, pteval_t entry)
{
    return set_entry(table_of(va, 2), pt_slot(va, 2), entry);
}
