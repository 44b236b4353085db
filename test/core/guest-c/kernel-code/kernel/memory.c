/*
 * The memory of a small kernel, written for the tests: it maps all of its memory linearly, hands out pages by a buddy
 * allocator, maps frames in a window and unmaps them by multicalls, publishes its P2M, gives memory back and takes it
 * again, and makes its text read-only. It uses what kernels' code uses: macros with and without arguments, bit-fields,
 * statement expressions, arrays of variable length, goto, labels of cases, designated values, packed structures, unions.
 */
#include <mini-os/types.h>
#include <mini-os/xmalloc.h>
#include <mini-os/errno.h>
#include <xen/memory.h>
#include <kernel/config.h>
#include <kernel/report.h>
#include <kernel/list.h>
#include <kernel/bits.h>
#include <kernel/paging.h>

#define MAX_PAGES (64UL * 1024 * 1024 / PAGE_SIZE)

/* ---- walking and building page tables ------------------------------------------------------------------------------ */

static struct statistics {
    unsigned tables : 12, pages : 20;
    unsigned long hypercalls;
} statistics;

static inline place_t place_in(unsigned long table_mfn, unsigned long va, int level)
{
    unsigned long slot = slot_of(va, level);

    return (place_t){
        .at = (pgentry_t *)mfn_to_virt(table_mfn) + slot,
        .machine = ((uint64_t)table_mfn << PAGE_SHIFT) + slot * sizeof(pgentry_t),
        .level = level,
    };
}

/* The entry of the lowest level that there is a table for. */
static place_t walk(unsigned long va)
{
    unsigned long table = virt_to_mfn(pt_base);
    int level = PAGETABLE_LEVELS;

    for ( ; ; )
    {
        place_t place = place_in(table, va, level);

        if ( level == 1 || !is_present(*place.at) )
            return place;
        table = pte_to_mfn(*place.at);
        level--;
    }
}

static void make_table(unsigned long pfn, place_t above)
{
    unsigned long va = (unsigned long)pfn_to_virt(pfn);
    mmu_update_t updates[2];

    debug("%s for slot %p", levels[above.level - 1].name, above.at);
    memset((void *)va, 0, PAGE_SIZE);
    /* Nobody may write to a table: first the page itself becomes read-only, then it is linked. */
    updates[0].ptr = walk(va).machine | MMU_NORMAL_PT_UPDATE;
    updates[0].val = ((pgentry_t)pfn_to_mfn(pfn) << PAGE_SHIFT) | (levels[0].flags & ~(pgentry_t)_PAGE_RW);
    updates[1].ptr = above.machine;
    updates[1].val = ((pgentry_t)pfn_to_mfn(pfn) << PAGE_SHIFT) | levels[above.level - 1].flags;
    for ( unsigned int i = 0; i < ARRAY_SIZE(updates); i++ )
        must(HYPERVISOR_mmu_update(&updates[i], 1, NULL, DOMID_SELF));
    statistics.tables++;
    statistics.hypercalls += ARRAY_SIZE(updates);
}

static void map_all(unsigned long *next_pfn, unsigned long end_pfn)
{
    static mmu_update_t batch[L1_PAGETABLE_ENTRIES];
    unsigned int count = 0;
    unsigned long pfn;

    for ( pfn = *next_pfn; pfn < end_pfn; pfn++ )
    {
        unsigned long va = (unsigned long)pfn_to_virt(pfn);
        place_t place;

        while ( (place = walk(va)).level > 1 )
            make_table((*next_pfn)++, place);
        if ( is_present(*place.at) )
            continue;
        batch[count++] = (mmu_update_t){
            .ptr = place.machine,
            .val = ((pgentry_t)pfn_to_mfn(pfn) << PAGE_SHIFT) | levels[0].flags,
        };
        statistics.pages++;
        if ( count < ARRAY_SIZE(batch) && pfn + 1 < end_pfn )
            continue;
        must(HYPERVISOR_mmu_update(batch, count, NULL, DOMID_SELF));
        statistics.hypercalls++;
        count = 0;
    }
    if ( count != 0 )
        must(HYPERVISOR_mmu_update(batch, count, NULL, DOMID_SELF));
}

static void protect(const void *from, const void *to)
{
    unsigned long va;
    struct mmuext_op flush = { .cmd = MMUEXT_TLB_FLUSH_LOCAL };
    extern struct shared_info shared_info;

    for_each_page ( va, round_pgup((unsigned long)from), (unsigned long)to )
    {
        place_t place = walk(va);
        mmu_update_t update;

        if ( va == (unsigned long)&shared_info )
            continue;
        update.ptr = place.machine;
        update.val = *place.at & ~(pgentry_t)_PAGE_RW;
        must(HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF));
    }
    must(HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF));
}

/* ---- the allocator ------------------------------------------------------------------------------------------------- */

enum { ORDERS = 11 };

struct block {
    struct link link;
    union {
        struct __packed {
            uint8_t order;
            uint32_t magic;
        };
        char name[8];
    };
};

#define BLOCK_MAGIC 0x6b6c6f62u

static struct link free_blocks[ORDERS];
static declare_bits(taken, MAX_PAGES);
static unsigned long free_pages_left;

static void add_block(unsigned long va, int order)
{
    struct block *block = (struct block *)va;

    block->order = order;
    block->magic = BLOCK_MAGIC;
    link_behind(&free_blocks[order], &block->link);
}

static void init_allocator(unsigned long from_pfn, unsigned long end_pfn)
{
    for ( int order = 0; order < ORDERS; order++ )
        link_alone(&free_blocks[order]);
    bits_change(taken, 0, MAX_PAGES, 1);
    while ( from_pfn < end_pfn )
    {
        int order = 0;

        while ( order + 1 < ORDERS && !(from_pfn & (1UL << order)) && from_pfn + (2UL << order) <= end_pfn )
            order++;
        add_block((unsigned long)pfn_to_virt(from_pfn), order);
        bits_change(taken, from_pfn, 1UL << order, 0);
        free_pages_left += 1UL << order;
        from_pfn += 1UL << order;
    }
}

/* Takes the place of the library's. */
unsigned long alloc_pages(int order)
{
    struct block *block;
    int from = order;

    while ( link_is_alone(&free_blocks[from]) )
        if ( ++from == ORDERS )
            goto none;
    block = link_element(free_blocks[from].next, struct block, link);
    BUG_ON(block->magic != BLOCK_MAGIC || block->order != from);
    unlink(&block->link);
    while ( from-- > order )
        add_block((unsigned long)block + (PAGE_SIZE << from), from);
    bits_change(taken, virt_to_pfn(block), 1UL << order, 1);
    free_pages_left -= 1UL << order;
    return (unsigned long)block;

 none:
    say("no block of order %d is left", order);
    return 0;
}

void free_pages(void *pointer, int order)
{
    unsigned long va = (unsigned long)pointer;

    bits_change(taken, virt_to_pfn(va), 1UL << order, 0);
    free_pages_left += 1UL << order;
    for ( ; order + 1 < ORDERS; order++ )
    {
        unsigned long buddy = va ^ (PAGE_SIZE << order);
        struct block *other = (struct block *)buddy;

        if ( virt_to_pfn(buddy) >= MAX_PAGES || bit_is_set(taken, virt_to_pfn(buddy)) ||
             other->magic != BLOCK_MAGIC || other->order != order )
            break;
        unlink(&other->link);
        other->magic = 0;
        va = min(va, buddy);
    }
    add_block(va, order);
}

static unsigned long count_free(void)
{
    unsigned long pages = 0;
    struct block *block;

    for ( int order = 0; order < ORDERS; order++ )
        for_each_element ( block, &free_blocks[order], link )
            pages += 1UL << block->order;
    return pages;
}

/* ---- the window ---------------------------------------------------------------------------------------------------- */

static unsigned long window_next = VIRT_DEMAND_AREA;

static place_t page_place(unsigned long va)
{
    place_t place;

    while ( (place = walk(va)).level > 1 )
        make_table(virt_to_pfn(alloc_pages(0)), place);
    return place;
}

/* Maps frames side by side; what Xen refused is told by the negative number. */
static void *window_map(const unsigned long *frames, unsigned long n, pgentry_t flags)
{
    unsigned long start = window_next, va = start, done = 0;

    BUG_ON(start + n * PAGE_SIZE > VIRT_DEMAND_AREA + CONFIG_WINDOW_PAGES * PAGE_SIZE);
    while ( done < n )
    {
        unsigned long todo = min(n - done, (unsigned long)CONFIG_MAP_BATCH);
        mmu_update_t updates[todo];
        unsigned int succeeded = 0;

        for ( unsigned long i = 0; i < todo; i++, va += PAGE_SIZE )
        {
            updates[i].ptr = page_place(va).machine;
            updates[i].val = ((pgentry_t)frames[done + i] << PAGE_SHIFT) | flags;
        }
        must(HYPERVISOR_mmu_update(updates, todo, &succeeded, DOMID_SELF));
        ASSERT(succeeded == todo && sizeof(updates) == todo * sizeof(updates[0]));
        done += todo;
    }
    window_next = va;
    return (void *)start;
}

static int window_unmap(unsigned long va, unsigned long n)
{
    unsigned int batch = CONFIG_UNMAP_BATCH;
    multicall_entry_t calls[batch];

    while ( n != 0 )
    {
        unsigned int todo = n < batch ? n : batch, i;

        for ( i = 0; i < todo; i++, va += PAGE_SIZE )
        {
            int arg = 0;

            calls[i].op = __HYPERVISOR_update_va_mapping;
            calls[i].args[arg++] = va;
            calls[i].args[arg++] = 0;
#ifdef __i386__
            calls[i].args[arg++] = 0;
#endif
            calls[i].args[arg] = UVMF_INVLPG;
        }
        must(HYPERVISOR_multicall(calls, todo));
        for ( i = 0; i < todo; i++ )
            if ( calls[i].result != 0 )
                return -(int)calls[i].result;
        n -= todo;
    }
    return 0;
}

/* ---- the P2M, and memory that comes and goes ------------------------------------------------------------------------ */

static void publish_p2m(unsigned long pages)
{
    unsigned long *middle = NULL, *top = (unsigned long *)alloc_page();

    for ( unsigned long pfn = 0; pfn < pages; pfn += P2M_ENTRIES )
    {
        if ( pfn % (P2M_ENTRIES * P2M_ENTRIES) == 0 )
        {
            middle = (unsigned long *)alloc_page();
            top[L3_P2M_IDX(pfn)] = virt_to_mfn(middle);
        }
        middle[L2_P2M_IDX(pfn)] = virt_to_mfn(phys_to_machine_mapping + pfn);
    }
    HYPERVISOR_shared_info->arch.max_pfn = pages;
    HYPERVISOR_shared_info->arch.pfn_to_mfn_frame_list_list = virt_to_mfn(top);
}

static int give_back(unsigned long va)
{
    xen_pfn_t frame = virt_to_mfn(va);
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(reservation.extent_start, &frame);
    must(HYPERVISOR_update_va_mapping(va, (pte_t){ 0 }, UVMF_INVLPG));
    phys_to_machine_mapping[virt_to_pfn(va)] = INVALID_P2M_ENTRY;
    return HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation);
}

static int take_again(unsigned long va)
{
    xen_pfn_t frame = virt_to_pfn(va);
    struct xen_memory_reservation reservation = { .nr_extents = 1, .domid = DOMID_SELF };
    int rc;

    set_xen_guest_handle(reservation.extent_start, &frame);
    rc = HYPERVISOR_memory_op(XENMEM_populate_physmap, &reservation);
    if ( rc != 1 )
        return rc;
    phys_to_machine_mapping[virt_to_pfn(va)] = frame;
    must(HYPERVISOR_update_va_mapping(va, __pte(((pgentry_t)frame << PAGE_SHIFT) | L1_PROT), UVMF_INVLPG));
    return rc;
}

/* ---- checks ---------------------------------------------------------------------------------------------------------- */

typedef int check_t(void);

static int check_allocator(void)
{
    unsigned long before = free_pages_left, pages[ORDERS];

    for ( int order = 0; order < ORDERS; order++ )
    {
        pages[order] = order < 8 ? alloc_pages(order) : 0;
        if ( pages[order] & ((PAGE_SIZE << order) - 1) )
            return -1;
    }
    for ( int order = ORDERS - 1; order >= 0; order-- )
        switch ( order )
        {
        case 0 ... 7:
            free_pages((void *)pages[order], order);
            break;
        default:
            if ( pages[order] != 0 )
                return -2;
        }
    return free_pages_left == before && count_free() == before ? 0 : -3;
}

static int check_window(void)
{
    unsigned long frames[100];
    unsigned long block = alloc_pages(7);
    volatile unsigned long *window;

    /* The block backwards, so that neighbours in the window are none in memory. */
    for ( unsigned int i = 0; i < ARRAY_SIZE(frames); i++ )
        frames[i] = virt_to_mfn(block + (ARRAY_SIZE(frames) - 1 - i) * PAGE_SIZE);
    window = window_map(frames, ARRAY_SIZE(frames), L1_PROT);
    for ( unsigned int i = 0; i < ARRAY_SIZE(frames); i++ )
        window[i * PAGE_SIZE / sizeof(*window)] = i;
    for ( unsigned int i = 0; i < ARRAY_SIZE(frames); i++ )
        if ( *(unsigned long *)(block + (ARRAY_SIZE(frames) - 1 - i) * PAGE_SIZE) != i )
            return -1;
    if ( window_unmap((unsigned long)window, ARRAY_SIZE(frames)) != 0 )
        return -2;
    free_pages((void *)block, 7);
    return is_present(*walk((unsigned long)window).at) ? -3 : 0;
}

static int check_translations(void)
{
    for ( unsigned long va = (unsigned long)&_text; va < (unsigned long)&_end; va += PAGE_SIZE )
        if ( pte_to_mfn(*walk(va).at) != (va == (unsigned long)HYPERVISOR_shared_info
                                              ? start_info.shared_info >> PAGE_SHIFT : virt_to_mfn(va)) )
            return -1;
    return mach_to_virt(virt_to_mach(pt_base)) == (void *)pt_base ? 0 : -2;
}

static int check_balloon(void)
{
    unsigned long page = alloc_page();

    if ( give_back(page) != 1 || is_present(*walk(page).at) )
        return -1;
    if ( take_again(page) != 1 || mfn_to_pfn(virt_to_mfn(page)) != virt_to_pfn(page) )
        return -2;
    *(unsigned long *)page = 1;
    free_page((void *)page);
    return 0;
}

static int check_protection(void)
{
    return *walk(round_pgup((unsigned long)&_text)).at & _PAGE_RW ? -1 : 0;
}

static int check_heap(void)
{
    struct statistics *copy = xmalloc(struct statistics);
    int rc;

    *copy = statistics;
    rc = memcmp(copy, &statistics, sizeof(*copy));
    xfree(copy);
    return rc;
}

#define CHECK(_name) { #_name, check_ ## _name }
static const struct {
    const char *name;
    check_t *run;
} checks[] = {
    CHECK(translations),
    CHECK(allocator),
    CHECK(window),
    CHECK(balloon),
    CHECK(protection),
    CHECK(heap),
};

int kernel_main(start_info_t *si)
{
    unsigned long next_pfn = PFN_UP(to_phys(si->pt_base)) + si->nr_pt_frames, end_pfn = si->nr_pages;
    unsigned int failures = 0;

    BUILD_BUG_ON(sizeof(struct block) > 4 * sizeof(void *));
    say("%s, %lu pages", KERNEL_ABI, end_pfn);
    map_all(&next_pfn, end_pfn);
    init_allocator(next_pfn, end_pfn);
    publish_p2m(end_pfn);
    protect(&_text, &_erodata);
    for ( unsigned int i = 0; i < ARRAY_SIZE(checks); i++ )
    {
        int rc = checks[i].run();

        say("%-12s %s (%d)", checks[i].name, rc == 0 ? "holds" : "FAILS", rc);
        failures += rc != 0;
    }
    say("%u tables made, %u pages mapped", (unsigned)statistics.tables, (unsigned)statistics.pages);
    return failures;
}
