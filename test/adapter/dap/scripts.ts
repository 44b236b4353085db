/** The scripts that the transcripts debug. */

import { markedScript } from '../../support/marked-script.ts';

/** Calls, locals, a structure, an array, a pointer; prints and ends with 0. */
export const CALLS = markedScript(`
struct point { int x; int y; };

static struct point corner = { 3, 4 };
static int table[300];

static int twice(int n)
{
    int result = n * 2; /* @in twice */
    return result; /* @twice returns */
}

/* nothing here */ /* @empty */

int kernel_main(start_info_t *info)
{
    int sum = 0; /* @first */
    struct point *where = &corner;

    for (int i = 0; i < 5; i++)
        sum += twice(i); /* @call */
    table[299] = sum; /* @after loop */
    where->x = sum; /* @store */
    printk("sum %d of %lu pages\\n", sum, info->nr_pages); /* @print */
    return 0; /* @last */
}
`);

/** A page of its own is unmapped, touched, and mapped again by the fault handler. */
export const FAULT = markedScript(`
static char page[PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t entry;

static void on_fault(struct cpu_user_regs *regs)
{
    unsigned long va = read_cr2(); /* @handler */
    int rc = HYPERVISOR_update_va_mapping(va & PAGE_MASK, entry, UVMF_INVLPG); /* @repair */
    if (rc != 0)
        BUG();
} /* @handler end */

int kernel_main(start_info_t *info)
{
    struct trap_info traps[] = { /* @first */
        { .vector = TRAP_page_fault, .cs = FLAT_KERNEL_CS, .address = (unsigned long)on_fault },
        { .address = 0 },
    };

    HYPERVISOR_set_trap_table(traps);
    entry = mfn_to_pte(virt_to_mfn((unsigned long)page), PT_PAGE_FLAGS);
    HYPERVISOR_update_va_mapping((unsigned long)page, 0, UVMF_INVLPG); /* @unmap */
    page[7] = 9; /* @touch */
    return page[7] == 9 ? 0 : 1; /* @last */
}
`);

/** Xen refuses the first request, and the script goes on. */
export const REFUSED = markedScript(`
int kernel_main(start_info_t *info)
{
    struct mmu_update request = { .ptr = 0, .val = 0 }; /* @first */
    unsigned int done = 77;
    int rc;

    request.ptr = (uint64_t)info->pt_base; /* a virtual address where a machine address is wanted */
    rc = HYPERVISOR_mmu_update(&request, 1, &done, DOMID_SELF); /* @refused */
    printk("rc %d, done %u\\n", rc, done); /* @after */
    return 0; /* @last */
}
`);

export const LOOP = markedScript(`
int kernel_main(start_info_t *info)
{
    unsigned long turns = 0; /* @first */

    for (;;)
        turns++; /* @loop */
}
`);

/** A fault without a handler: Xen crashes the domain. */
export const CRASH = markedScript(`
int kernel_main(start_info_t *info)
{
    volatile int *nowhere = (volatile int *)0x400000; /* @first */

    *nowhere = 1; /* @crash */
    return 0;
}
`);
