/*
 * The handler of the 2006 wiki page, as it should have been written.
 *
 * A script that defines only page_fault_handler(virt_addr) is a handler script: Xenscope installs the handler, makes
 * an access to an unmapped address (attribute `fault`), and the run succeeds when the access at last completes.
 * The page's own text, followed to the letter, is in wiki-2006.guest.c.
 */

page_fault_handler(virt_addr)
{
    mfn_t table = virt_to_mfn(start_info.pt_base); /* pt_base is a virtual address */
    int level;

    for (level = PAGETABLE_LEVELS; level > 1; level--) {
        pteval_t entry = read_entry(table, pt_slot(virt_addr, level));

        if (!(entry & _PAGE_PRESENT)) {
            unsigned long page = alloc_page();
            mfn_t frame = pfn_to_mfn(virt_to_pfn(page)); /* the P2M: pseudo-physical to machine */
            struct mmu_update link;

            memset((void *)page, 0, PAGE_SIZE);
            /* no page table is writable by the guest: the kernel's own mapping becomes read-only first */
            HYPERVISOR_update_va_mapping(page, mfn_to_pte(frame, _PAGE_PRESENT | _PAGE_ACCESSED), UVMF_INVLPG);
            entry = mfn_to_pte(frame, pt_table_flags(level));
            link.ptr = ((uint64_t)table << PAGE_SHIFT) + pt_slot(virt_addr, level) * sizeof(pteval_t);
            link.val = entry;
            if (HYPERVISOR_mmu_update(&link, 1, NULL, DOMID_SELF) != 0)
                BUG();
        }
        table = pte_to_mfn(entry);
    }

    struct mmu_update map = {
        .ptr = ((uint64_t)table << PAGE_SHIFT) + pt_slot(virt_addr, 1) * sizeof(pteval_t),
        .val = mfn_to_pte(virt_to_mfn(alloc_page()), PT_PAGE_FLAGS),
    };
    if (HYPERVISOR_mmu_update(&map, 1, NULL, DOMID_SELF) != 0)
        BUG();
}
