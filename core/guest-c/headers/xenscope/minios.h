/*
 * Mini-OS's names: page-table geometry, translations, and its functions that map. A script that brings a function of
 * its own by one of these names has its own.
 */
#ifndef XENSCOPE_MINIOS_H
#define XENSCOPE_MINIOS_H

#include <xen/errno.h>
#include <xenscope/kernel.h>
#include <xenscope/pages.h>
#include <xenscope/string.h>

/* Tables by level. */
#define L1_FRAME 1
#define L2_FRAME 2
#define L3_FRAME 3

#define L1_PAGETABLE_SHIFT PAGE_SHIFT
#define L2_PAGETABLE_SHIFT (PAGE_SHIFT + __PT_INDEX_BITS)
#define L3_PAGETABLE_SHIFT (PAGE_SHIFT + 2 * __PT_INDEX_BITS)
#define L4_PAGETABLE_SHIFT (PAGE_SHIFT + 3 * __PT_INDEX_BITS)
#define L1_PAGETABLE_ENTRIES (1UL << __PT_INDEX_BITS)
#define L2_PAGETABLE_ENTRIES L1_PAGETABLE_ENTRIES
#if PAGETABLE_LEVELS == 3
#define L3_PAGETABLE_ENTRIES 4UL
#else
#define L3_PAGETABLE_ENTRIES L1_PAGETABLE_ENTRIES
#endif
#define L4_PAGETABLE_ENTRIES L1_PAGETABLE_ENTRIES

#define l1_table_offset(va) (((va) >> L1_PAGETABLE_SHIFT) & (L1_PAGETABLE_ENTRIES - 1))
#define l2_table_offset(va) (((va) >> L2_PAGETABLE_SHIFT) & (L2_PAGETABLE_ENTRIES - 1))
#if PAGETABLE_LEVELS > 2
#define l3_table_offset(va) (((va) >> L3_PAGETABLE_SHIFT) & (L3_PAGETABLE_ENTRIES - 1))
#endif
#if PAGETABLE_LEVELS > 3
#define l4_table_offset(va) (((va) >> L4_PAGETABLE_SHIFT) & (L4_PAGETABLE_ENTRIES - 1))
#endif

/* What one table of the level below covers, less one. */
#define L1_MASK ((1UL << L2_PAGETABLE_SHIFT) - 1)
#if PAGETABLE_LEVELS > 2
#define L2_MASK ((1UL << L3_PAGETABLE_SHIFT) - 1)
#endif
#if PAGETABLE_LEVELS > 3
#define L3_MASK ((1UL << L4_PAGETABLE_SHIFT) - 1)
#endif

/* Bootstrap tables that are no L1 tables, as the kernels of 2006 to 2015 count them. */
#if PAGETABLE_LEVELS > 2
#define NOT_L1_FRAMES 3
#else
#define NOT_L1_FRAMES 1
#endif

#ifdef __x86_64__
#define PADDR_BITS 52
#define PADDR_MASK ((1UL << PADDR_BITS) - 1)
#define VADDR_BITS 48
#define VADDR_MASK ((1UL << VADDR_BITS) - 1)
#define __PRIPTE "016lx"
#elif defined(CONFIG_X86_PAE)
#define PADDR_BITS 44
#define PADDR_MASK ((1ULL << PADDR_BITS) - 1)
#define __PRIPTE "016llx"
#else
#define PADDR_BITS 32
#define PADDR_MASK (~0UL)
#define __PRIPTE "08lx"
#endif
#ifndef PRIpte
#define PRIpte __PRIPTE
#endif

/* Virtual addresses: the kernel's linear mapping begins at VIRT_START; behind lie areas for mappings made on demand. */
#define VIRT_START VIRT_BASE
#ifdef __x86_64__
#define MAX_MEM_SIZE (512UL << 30)
#define VIRT_KERNEL_AREA 0x0000008000000000UL
#define VIRT_DEMAND_AREA 0x0000100000000000UL
#define VIRT_HEAP_AREA 0x0000200000000000UL
#define DEMAND_MAP_PAGES 0x8000000UL
#else
#define MAX_MEM_SIZE 0x30000000UL
#define VIRT_KERNEL_AREA 0x3f000000UL
#define VIRT_DEMAND_AREA 0x40000000UL
#define VIRT_HEAP_AREA 0xb0000000UL
#define DEMAND_MAP_PAGES 0x6ffffUL
#endif
#define __PAGE_SHIFT PAGE_SHIFT
#define __PAGE_SIZE PAGE_SIZE
#define __STACK_SIZE_PAGE_ORDER 4
#define __STACK_SIZE (PAGE_SIZE << __STACK_SIZE_PAGE_ORDER)
#define STACK_SIZE_PAGE_ORDER __STACK_SIZE_PAGE_ORDER
#define STACK_SIZE __STACK_SIZE
#define PAGE_ALIGN(va) (((va) + PAGE_SIZE - 1) & PAGE_MASK)
#define PHYS_PFN(paddr) ((paddr) >> PAGE_SHIFT)
#define IO_PROT L1_PROT
#define IO_PROT_NOCACHE (L1_PROT | _PAGE_PCD)

/* The list of the P2M's frames that a guest publishes in shared_info. */
#ifdef __x86_64__
#define P2M_SHIFT 9
#else
#define P2M_SHIFT 10
#endif
#define P2M_ENTRIES (1UL << P2M_SHIFT)
#define P2M_MASK (P2M_ENTRIES - 1)
#define L1_P2M_SHIFT P2M_SHIFT
#define L2_P2M_SHIFT (2 * P2M_SHIFT)
#define L3_P2M_SHIFT (3 * P2M_SHIFT)
#define L1_P2M_IDX(pfn) ((pfn) & P2M_MASK)
#define L2_P2M_IDX(pfn) (((pfn) >> L1_P2M_SHIFT) & P2M_MASK)
#define L3_P2M_IDX(pfn) (((pfn) >> L2_P2M_SHIFT) & P2M_MASK)

/* Entries. A PAE entry is one word of 64 bits here, not two halves. */
typedef pteval_t pte_t;
#define __pte(value) ((pte_t)(value))
#define pte_val(entry) (entry)
#define pte_to_virt(entry) mfn_to_virt(pte_to_mfn(entry))

__XENSCOPE_LIBRARY maddr_t phys_to_machine(paddr_t paddr)
{
    return mfn_to_maddr(pfn_to_mfn((pfn_t)(paddr >> PAGE_SHIFT))) | ((unsigned long)paddr & ~PAGE_MASK);
}

__XENSCOPE_LIBRARY paddr_t machine_to_phys(maddr_t maddr)
{
    return PFN_PHYS(mfn_to_pfn((mfn_t)(maddr >> PAGE_SHIFT))) | ((unsigned long)maddr & ~PAGE_MASK);
}

#define virt_to_mach(va) virt_to_maddr((const void *)(unsigned long)(va))
#define mach_to_virt(maddr) maddr_to_virt(maddr)

__XENSCOPE_LIBRARY __attribute__((noreturn)) void do_exit(void)
{
    exit_guest(1);
}

/* Flags of the entry for a table of a level, by level; [0] for a page. */
static __attribute__((unused)) pgentry_t pt_prot[PAGETABLE_LEVELS] = {
    L1_PROT,
    L2_PROT,
#if PAGETABLE_LEVELS > 2
    L3_PROT,
#endif
#if PAGETABLE_LEVELS > 3
    L4_PROT,
#endif
};

/* The entry that maps an address, NULL where a table is missing. */
__XENSCOPE_LIBRARY pgentry_t *get_pgt(unsigned long va)
{
    mfn_t table = virt_to_mfn(pt_base);

    for (int level = PAGETABLE_LEVELS; level > 1; level--) {
        pgentry_t *entry = (pgentry_t *)mfn_to_virt(table) + pt_slot(va, level);

        if (!(*entry & _PAGE_PRESENT))
            return NULL;
        if (level == 2 && (*entry & _PAGE_PSE))
            return entry;
        table = pte_to_mfn(*entry);
    }
    return (pgentry_t *)mfn_to_virt(table) + pt_slot(va, 1);
}

/* Prints the entries on the way to an address. */
__XENSCOPE_LIBRARY void page_walk(unsigned long va)
{
    mfn_t table = virt_to_mfn(pt_base);

    printk("walk of %lx\n", va);
    for (int level = PAGETABLE_LEVELS; level > 0; level--) {
        pgentry_t entry = read_entry(table, pt_slot(va, level));

        printk("  L%d[%03x] = %" PRIpte "\n", level, pt_slot(va, level), entry);
        if (!(entry & _PAGE_PRESENT) || (level == 2 && (entry & _PAGE_PSE)))
            return;
        table = pte_to_mfn(entry);
    }
}

/* Makes the page *pt_pfn a table of a level, links it into a slot of the table above, and counts *pt_pfn up. */
__XENSCOPE_LIBRARY void new_pt_frame(unsigned long *pt_pfn, unsigned long prev_l_mfn, unsigned long offset,
                                     unsigned long level)
{
    void *page = pfn_to_virt(*pt_pfn);
    mfn_t table = pfn_to_mfn(*pt_pfn);
    struct mmu_update link = { .ptr = mfn_to_maddr(prev_l_mfn) + offset * sizeof(pgentry_t) };
    int rc;

    memset(page, 0, PAGE_SIZE);
    rc = HYPERVISOR_update_va_mapping((unsigned long)page, mfn_to_pte(table, pt_prot[0] & ~_PAGE_RW), UVMF_INVLPG);
    if (rc < 0) {
        printk("the page of a new table cannot be made read-only: %d\n", rc);
        do_exit();
    }
    link.val = mfn_to_pte(table, pt_prot[level]);
    rc = HYPERVISOR_mmu_update(&link, 1, NULL, DOMID_SELF);
    if (rc < 0) {
        printk("a new table of level %lu cannot be linked: %d\n", level, rc);
        do_exit();
    }
    *pt_pfn += 1;
}

/* The entry for an address, with tables where they were missing; NULL when there is no page for one. */
__XENSCOPE_LIBRARY pgentry_t *need_pgt(unsigned long va)
{
    mfn_t table = virt_to_mfn(pt_base);

    for (int level = PAGETABLE_LEVELS; level > 1; level--) {
        pgentry_t *entry = (pgentry_t *)mfn_to_virt(table) + pt_slot(va, level);

        if (!(*entry & _PAGE_PRESENT)) {
            unsigned long page = alloc_pages(0), pfn = virt_to_pfn(page);

            if (page == 0)
                return NULL;
            new_pt_frame(&pfn, table, pt_slot(va, level), level - 1);
        }
        if (level == 2 && (*entry & _PAGE_PSE))
            return entry;
        table = pte_to_mfn(*entry);
    }
    return (pgentry_t *)mfn_to_virt(table) + pt_slot(va, 1);
}

/* Maps all of the memory from *start_pfn to *max_pfn linearly, with tables out of the pages from *start_pfn on. */
__XENSCOPE_LIBRARY void build_pagetable(unsigned long *start_pfn, unsigned long *max_pfn)
{
    unsigned long next = *start_pfn;

    for (pfn_t pfn = *start_pfn; pfn < *max_pfn; pfn++) {
        unsigned long va = (unsigned long)pfn_to_virt(pfn);
        mfn_t table = virt_to_mfn(pt_base);

        for (int level = PAGETABLE_LEVELS; level > 1; level--) {
            if (!(read_entry(table, pt_slot(va, level)) & _PAGE_PRESENT))
                new_pt_frame(&next, table, pt_slot(va, level), level - 1);
            table = pte_to_mfn(read_entry(table, pt_slot(va, level)));
        }
        if (!(read_entry(table, pt_slot(va, 1)) & _PAGE_PRESENT) &&
            HYPERVISOR_update_va_mapping(va, mfn_to_pte(pfn_to_mfn(pfn), L1_PROT), UVMF_NONE) < 0)
            do_exit();
    }
    *start_pfn = next;
}

/* Takes the right to write from the whole pages between two addresses, the shared info page apart. */
__XENSCOPE_LIBRARY void set_readonly(void *text, void *etext)
{
    unsigned long va = PAGE_ALIGN((unsigned long)text), end = (unsigned long)etext;
    struct mmuext_op flush = { .cmd = MMUEXT_TLB_FLUSH_ALL };

    for (; va + PAGE_SIZE <= end; va += PAGE_SIZE) {
        pgentry_t *entry = get_pgt(va);
        struct mmu_update update = { .ptr = virt_to_mach(entry), .val = *entry & ~_PAGE_RW };

        if (va == (unsigned long)HYPERVISOR_shared_info)
            continue;
        if (HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF) < 0)
            do_exit();
    }
    HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF);
}

/* The pages that alloc_page gives lie between two pseudo-physical addresses from now on; all are mapped. */
__XENSCOPE_LIBRARY void init_page_allocator(unsigned long from, unsigned long to)
{
    __xenscope_free_list = 0;
    __xenscope_next_page = (unsigned long)to_virt(round_pgup(from));
    __xenscope_mapped_end = (unsigned long)to_virt(round_pgdown(to));
}

static unsigned long __xenscope_kernel_area = VIRT_KERNEL_AREA, __xenscope_demand_area = VIRT_DEMAND_AREA;

/* Addresses without tables. */
__XENSCOPE_LIBRARY unsigned long alloc_virt_kernel(unsigned int pages)
{
    unsigned long va = __xenscope_kernel_area;

    __xenscope_kernel_area += pages * PAGE_SIZE;
    ASSERT(__xenscope_kernel_area <= VIRT_DEMAND_AREA);
    return va;
}

/* Addresses for n pages in the area for mappings on demand, at a multiple of so many pages; 0 when it is full. */
__XENSCOPE_LIBRARY unsigned long allocate_ondemand(unsigned long n, unsigned long alignment)
{
    unsigned long va = ROUNDUP(__xenscope_demand_area, alignment * PAGE_SIZE);

    if (va + n * PAGE_SIZE > VIRT_DEMAND_AREA + DEMAND_MAP_PAGES * PAGE_SIZE)
        return 0;
    __xenscope_demand_area = va + n * PAGE_SIZE;
    return va;
}

/*
 * Maps machine frames from an address on: frames[i * stride] + i * incr for i in 0 .. n - 1. With `err` each has its own
 * result there, without it a failure ends the run.
 */
__XENSCOPE_LIBRARY int do_map_frames(unsigned long va, const unsigned long *frames, unsigned long n,
                                     unsigned long stride, unsigned long incr, domid_t id, int *err,
                                     unsigned long prot)
{
    if (frames == NULL)
        return -EINVAL;
    for (unsigned long i = 0; i < n; i++, va += PAGE_SIZE) {
        pgentry_t *entry = need_pgt(va);
        struct mmu_update map;
        int rc;

        if (entry == NULL)
            return -ENOMEM;
        map.ptr = virt_to_mach(entry) | MMU_NORMAL_PT_UPDATE;
        map.val = mfn_to_pte(frames[i * stride] + i * incr, prot);
        rc = HYPERVISOR_mmu_update(&map, 1, NULL, id);
        if (err != NULL)
            err[i * stride] = rc < 0 ? rc : 0;
        else if (rc < 0) {
            printk("mfn %lx cannot be mapped at %lx: %d\n", frames[i * stride] + i * incr, va, rc);
            do_exit();
        }
    }
    return 0;
}

__XENSCOPE_LIBRARY void *map_frames_ex(const unsigned long *frames, unsigned long n, unsigned long stride,
                                       unsigned long incr, unsigned long alignment, domid_t id, int *err,
                                       unsigned long prot)
{
    unsigned long va = allocate_ondemand(n, alignment);

    return va == 0 || do_map_frames(va, frames, n, stride, incr, id, err, prot) != 0 ? NULL : (void *)va;
}

__XENSCOPE_LIBRARY void *map_frames(const unsigned long *frames, unsigned long n)
{
    return map_frames_ex(frames, n, 1, 0, 1, DOMID_SELF, NULL, L1_PROT);
}

__XENSCOPE_LIBRARY int map_frame_rw(unsigned long va, unsigned long mfn)
{
    return do_map_frames(va, &mfn, 1, 1, 1, DOMID_SELF, NULL, L1_PROT);
}

/* A new address at which a frame is mapped, 0 when that fails. */
__XENSCOPE_LIBRARY unsigned long map_frame_virt(unsigned long mfn)
{
    unsigned long va = alloc_virt_kernel(1);

    return map_frame_rw(va, mfn) != 0 ? 0 : va;
}

/* 0, or the error number of the first page that cannot be unmapped. */
__XENSCOPE_LIBRARY int unmap_frames(unsigned long va, unsigned long n)
{
    for (; n > 0; n--, va += PAGE_SIZE) {
        int rc = HYPERVISOR_update_va_mapping(va, 0, UVMF_INVLPG);

        if (rc != 0)
            return -rc;
    }
    return 0;
}

#endif
