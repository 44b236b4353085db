/* Page tables of every depth, by level; level 1 maps pages. */
#ifndef KERNEL_PAGING_H
#define KERNEL_PAGING_H

#include <mini-os/os.h>
#include <mini-os/hypervisor.h>
#include <mini-os/mm.h>
#include <mini-os/paravirt.h>

struct level {
    const char *name;
    unsigned int shift;
    pgentry_t flags;        /* of the entry that points to such a table, or of a page */
};

static const struct level levels[PAGETABLE_LEVELS + 1] = {
    [0] = { .name = "page", .flags = L1_PROT },
    [1] = { "L1", L1_PAGETABLE_SHIFT, L2_PROT },
    [2] = { "L2", L2_PAGETABLE_SHIFT, .flags = L3_PROT },
#if PAGETABLE_LEVELS > 2
    [3] = { "L3", L3_PAGETABLE_SHIFT, L4_PROT },
#endif
#if PAGETABLE_LEVELS > 3
    [4] = { "L4", L4_PAGETABLE_SHIFT, 0 },
#endif
};

#define slot_of(_va, _level) (((_va) >> levels[_level].shift) & (L1_PAGETABLE_ENTRIES - 1))
#define is_present(_entry) ({ pgentry_t _e = (_entry); (_e & _PAGE_PRESENT) != 0; })

/* An entry and where it lies. */
typedef struct {
    pgentry_t *at;
    uint64_t machine;
    int level;
} place_t;

#define for_each_page(_va, _from, _to) for ( (_va) = (_from); (_va) + PAGE_SIZE <= (_to); (_va) += PAGE_SIZE )

#endif
