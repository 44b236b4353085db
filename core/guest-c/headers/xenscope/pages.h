/*
 * Pages and page tables, with each kind of number under its own name:
 *
 *   pfn_t    pseudo-physical frame: the guest's own numbering, 0 .. start_info.nr_pages - 1
 *   mfn_t    machine frame: what page tables and Xen hold
 *   paddr_t  pseudo-physical address      maddr_t  machine address
 */
#ifndef XENSCOPE_PAGES_H
#define XENSCOPE_PAGES_H

#include <stdbool.h>
#include <xenscope/hypercall.h>

typedef unsigned long pfn_t;
typedef unsigned long mfn_t;
typedef unsigned long vaddr_t;
typedef uint64_t maddr_t;
#if defined(__i386__) && !defined(CONFIG_X86_PAE)
typedef unsigned long paddr_t;
#else
typedef uint64_t paddr_t;
#endif
/* A page-table entry: with PAE it is wider than a word of the guest. */
#if defined(__i386__) && defined(CONFIG_X86_PAE)
typedef uint64_t pteval_t;
#else
typedef unsigned long pteval_t;
#endif
typedef pteval_t pgentry_t;

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

#define _PAGE_PRESENT 0x001UL
#define _PAGE_RW 0x002UL
#define _PAGE_USER 0x004UL
#define _PAGE_PWT 0x008UL
#define _PAGE_PCD 0x010UL
#define _PAGE_ACCESSED 0x020UL
#define _PAGE_DIRTY 0x040UL
#define _PAGE_PAT 0x080UL
#define _PAGE_PSE 0x080UL
#define _PAGE_GLOBAL 0x100UL

#ifndef VIRT_BASE
#ifdef __x86_64__
#define VIRT_BASE 0xffffffff80000000UL
#else
#define VIRT_BASE 0xc0000000UL
#endif
#endif

#ifdef __x86_64__
#define PAGETABLE_LEVELS 4
#define __PT_INDEX_BITS 9
#define _PAGE_NX (1UL << 63)
#define PTE_FRAME_MASK 0x000ffffffffff000UL
#elif defined(CONFIG_X86_PAE)
#define PAGETABLE_LEVELS 3
#define __PT_INDEX_BITS 9
#define _PAGE_NX (1ULL << 63)
#define PTE_FRAME_MASK 0x000ffffffffff000ULL
#else
#define PAGETABLE_LEVELS 2
#define __PT_INDEX_BITS 10
#define _PAGE_NX 0UL
#define PTE_FRAME_MASK 0xfffff000UL
#endif
#define PT_SLOTS (1U << __PT_INDEX_BITS)

/* Flags of entries that point to tables, and of entries that map pages for kernel and user. */
#define PT_TABLE_FLAGS (_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)
#define PT_PAGE_FLAGS (_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)
#define L1_PROT (_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED)
#define L1_PROT_RO (_PAGE_PRESENT | _PAGE_ACCESSED)
#define L2_PROT PT_TABLE_FLAGS
#if PAGETABLE_LEVELS == 3
/* A PAE root has four slots, whose entries a 32-bit Xen takes with P alone. */
#define L3_PROT _PAGE_PRESENT
#else
#define L3_PROT PT_TABLE_FLAGS
#endif
#define L4_PROT PT_TABLE_FLAGS
#define pt_table_flags(level) ((level) == 3 ? L3_PROT : PT_TABLE_FLAGS)

/* The P2M, indexed by pseudo-physical frame; the guest keeps it, Xen never looks at it. */
extern unsigned long *phys_to_machine_mapping;
extern start_info_t start_info;
/* The root of the bootstrap page tables. */
extern pgentry_t *pt_base;
extern shared_info_t *HYPERVISOR_shared_info;

#define INVALID_P2M_ENTRY (~0UL)

__XENSCOPE_LIBRARY pfn_t virt_to_pfn(unsigned long va)
{
    return (va - VIRT_BASE) >> PAGE_SHIFT;
}

__XENSCOPE_LIBRARY void *pfn_to_virt(pfn_t pfn)
{
    return (void *)(VIRT_BASE + (pfn << PAGE_SHIFT));
}

__XENSCOPE_LIBRARY mfn_t pfn_to_mfn(pfn_t pfn)
{
    return phys_to_machine_mapping[pfn];
}

/* The M2P, indexed by machine frame; Xen keeps it. */
__XENSCOPE_LIBRARY pfn_t mfn_to_pfn(mfn_t mfn)
{
    return machine_to_phys_mapping[mfn];
}

__XENSCOPE_LIBRARY mfn_t virt_to_mfn(unsigned long va)
{
    return pfn_to_mfn(virt_to_pfn(va));
}

__XENSCOPE_LIBRARY void *mfn_to_virt(mfn_t mfn)
{
    return pfn_to_virt(mfn_to_pfn(mfn));
}

#define virt_to_mfn(va) virt_to_mfn((unsigned long)(va))
#define virt_to_pfn(va) virt_to_pfn((unsigned long)(va))
#define to_phys(va) ((paddr_t)((unsigned long)(va) - VIRT_BASE))
#define to_virt(paddr) ((void *)((unsigned long)(paddr) + VIRT_BASE))
#define PFN_UP(x) (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x) ((x) >> PAGE_SHIFT)
#define PFN_PHYS(x) ((paddr_t)(x) << PAGE_SHIFT)
#define round_pgup(x) (((x) + PAGE_SIZE - 1) & PAGE_MASK)
#define round_pgdown(x) ((x) & PAGE_MASK)

__XENSCOPE_LIBRARY maddr_t mfn_to_maddr(mfn_t mfn)
{
    return (maddr_t)mfn << PAGE_SHIFT;
}

__XENSCOPE_LIBRARY pteval_t mfn_to_pte(mfn_t mfn, pteval_t flags)
{
    return ((pteval_t)mfn << PAGE_SHIFT) | flags;
}

__XENSCOPE_LIBRARY mfn_t pte_to_mfn(pteval_t entry)
{
    return (mfn_t)((entry & PTE_FRAME_MASK) >> PAGE_SHIFT);
}

/* The slot that an address selects in a table of a level; 1 is the level that maps pages. */
__XENSCOPE_LIBRARY unsigned int pt_slot(unsigned long va, int level)
{
    return (va >> (PAGE_SHIFT + (level - 1) * __PT_INDEX_BITS)) & (PT_SLOTS - 1);
}

/* An entry of a table that the kernel's linear mapping shows. */
__XENSCOPE_LIBRARY pteval_t read_entry(mfn_t table, unsigned int slot)
{
    return ((volatile pteval_t *)mfn_to_virt(table))[slot];
}

/* The machine address of a place in the kernel's linear mapping, and back. */
__XENSCOPE_LIBRARY maddr_t virt_to_maddr(const volatile void *place)
{
    return mfn_to_maddr(virt_to_mfn(place)) | ((unsigned long)place & ~PAGE_MASK);
}

__XENSCOPE_LIBRARY void *maddr_to_virt(maddr_t maddr)
{
    return (char *)mfn_to_virt((mfn_t)(maddr >> PAGE_SHIFT)) + ((unsigned long)maddr & ~PAGE_MASK);
}

/* The machine address of an entry: what mmu_update wants. */
__XENSCOPE_LIBRARY maddr_t entry_maddr(mfn_t table, unsigned int slot)
{
    return mfn_to_maddr(table) + slot * sizeof(pteval_t);
}

/*
 * Free pages: those behind the bootstrap page tables and stack up to the end of the bootstrap mapping, which reaches
 * at least 512 KiB behind the stack and to a multiple of 4 MiB; then further pages, mapped as they are needed.
 */
extern unsigned long __xenscope_next_page, __xenscope_mapped_end, __xenscope_free_list;

__XENSCOPE_LIBRARY unsigned long __xenscope_take_mapped(void)
{
    unsigned long page = __xenscope_next_page;

    __xenscope_next_page += PAGE_SIZE;
    return page;
}

/* Maps the page behind the mapped ones, with a new L1 table where it needs one; false when memory is at its end. */
__XENSCOPE_LIBRARY bool __xenscope_map_next(void)
{
    unsigned long va = __xenscope_mapped_end;
    mfn_t table = virt_to_mfn(start_info.pt_base);
    int level;

    if (virt_to_pfn(va) >= start_info.nr_pages)
        return false;
    for (level = PAGETABLE_LEVELS; level > 1; level--) {
        pteval_t entry = read_entry(table, pt_slot(va, level));

        if (!(entry & _PAGE_PRESENT)) {
            unsigned long page;
            struct mmu_update link;

            if (__xenscope_next_page >= __xenscope_mapped_end)
                return false;
            page = __xenscope_take_mapped();
            for (unsigned int i = 0; i < PT_SLOTS; i++)
                ((pteval_t *)page)[i] = 0;
            if (HYPERVISOR_update_va_mapping(page, mfn_to_pte(virt_to_mfn(page), L1_PROT_RO), UVMF_INVLPG) != 0)
                return false;
            entry = mfn_to_pte(virt_to_mfn(page), pt_table_flags(level));
            link.ptr = entry_maddr(table, pt_slot(va, level));
            link.val = entry;
            if (HYPERVISOR_mmu_update(&link, 1, NULL, DOMID_SELF) != 0)
                return false;
        }
        table = pte_to_mfn(entry);
    }
    if (HYPERVISOR_update_va_mapping(va, mfn_to_pte(virt_to_mfn(va), L1_PROT), UVMF_NONE) != 0)
        return false;
    __xenscope_mapped_end += PAGE_SIZE;
    return true;
}

/* A page of the kernel's linear mapping, its contents as they were left; 0 when there is none. */
__XENSCOPE_LIBRARY unsigned long alloc_page(void)
{
    unsigned long page = __xenscope_free_list;

    if (page != 0) {
        __xenscope_free_list = *(unsigned long *)page;
        return page;
    }
    /* The last mapped pages are kept for the tables that mapping more of them takes. */
    while (__xenscope_next_page + PAGETABLE_LEVELS * PAGE_SIZE > __xenscope_mapped_end && __xenscope_map_next())
        ;
    return __xenscope_next_page < __xenscope_mapped_end ? __xenscope_take_mapped() : 0;
}

/* Gives a page back; it must be mapped writable again. */
__XENSCOPE_LIBRARY void free_page(void *page)
{
    *(unsigned long *)page = __xenscope_free_list;
    __xenscope_free_list = (unsigned long)page;
}

/* The least order whose 2^order pages hold so many bytes. */
__XENSCOPE_LIBRARY int get_order(unsigned long bytes)
{
    int order = 0;

    while ((PAGE_SIZE << order) < bytes)
        order++;
    return order;
}

/*
 * 2^order pages side by side, at a multiple of their size; 0 when there are none. Their frames are not side by side. The
 * rest of the library takes its pages here, so that a kernel with an allocator of its own by this name is asked.
 */
__XENSCOPE_LIBRARY unsigned long alloc_pages(int order)
{
    unsigned long bytes = PAGE_SIZE << order, pages;

    if (order == 0)
        return alloc_page();
    while (__xenscope_next_page & (bytes - 1))
        free_page((void *)__xenscope_take_mapped());
    pages = __xenscope_next_page;
    while (pages + bytes + PAGETABLE_LEVELS * PAGE_SIZE > __xenscope_mapped_end && __xenscope_map_next())
        ;
    if (__xenscope_next_page != pages || pages + bytes > __xenscope_mapped_end)
        return 0;
    __xenscope_next_page += bytes;
    return pages;
}

__XENSCOPE_LIBRARY void free_pages(void *pages, int order)
{
    for (unsigned long i = 0; i < (1UL << order); i++)
        free_page((char *)pages + i * PAGE_SIZE);
}

__XENSCOPE_LIBRARY void *get_page(void)
{
    return (void *)alloc_page();
}

#endif
