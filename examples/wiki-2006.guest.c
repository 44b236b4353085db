/*
 * The recipe of the 2006 wiki page, followed to the letter.
 *
 * XenMemoryManagement told guest authors how to map a page from a page-fault handler, and asked its readers to find its
 * mistakes. This guest follows it word for word. Each attempt is refused; each refusal names the mistake; the next
 * attempt mends that one mistake and no other, until the page is mapped. Since the page checks no return value (its
 * seventeenth mistake), every failed attempt simply faults again, which is what brings the handler back.
 *
 * The page assumes that the page directory exists but lacks a page table for the address. So does this guest: the
 * address lies in the kernel's own part of the address space, beyond the bootstrap mapping.
 *
 * What to watch: run it, and the debugger stops at each refused hypercall. Read the explanation before you go on.
 */

#include <xenscope.h>

/* Where the recipe's "application" faults: the directory exists here, the page table does not. */
#define FAULT_ADDRESS (VIRT_BASE + 0x4000000UL)

#define PGTAB_PROTECTION (_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)

/* The mistakes in the order in which this guest mends them. */
enum lesson {
    TO_THE_LETTER,      /* two scalars where the call takes an array */
    REQUEST_ARRAY,      /* the entry's virtual address where a machine address belongs */
    MACHINE_ADDRESS,    /* the M2P used for the page table page: the wrong direction */
    RIGHT_DIRECTION,    /* the page table page is still mapped writable */
    READ_ONLY,          /* the page holds what its last user left in it */
    CLEARED,            /* linked at last; but pinned by its address, not its frame */
    PIN_FRAME,          /* pinned as an L2, and it is an L1 */
    NO_PIN,             /* the pin was never needed; but the data page goes through the M2P again */
    DATA_FRAME,         /* everything right */
};

static enum lesson lesson = TO_THE_LETTER;
static unsigned long pgtab; /* the new page table page, where the kernel sees it */
static unsigned long phys_page; /* the page that is to be mapped */

/* "get_page()": whoever had the page before has left something in it. */
static unsigned long get_used_page(void)
{
    unsigned long page = alloc_page();

    memset((void *)page, 0x6b, PAGE_SIZE);
    return page;
}

/* The page directory (L2) that covers `va`. */
static mfn_t directory_of(unsigned long va)
{
    mfn_t table = virt_to_mfn(start_info.pt_base);
    int level;

    for (level = PAGETABLE_LEVELS; level > 2; level--)
        table = pte_to_mfn(read_entry(table, pt_slot(va, level)));
    return table;
}

/* "virt_to_pgdir": where the kernel sees the directory's entry for `va`. */
static pteval_t *virt_to_pgdir(unsigned long va)
{
    return (pteval_t *)mfn_to_virt(directory_of(va)) + pt_slot(va, 2);
}

/* The entry's machine address, which the page should have named. */
static uint64_t pgdir_machine(unsigned long va)
{
    return ((uint64_t)directory_of(va) << PAGE_SHIFT) + pt_slot(va, 2) * sizeof(pteval_t);
}

/* "machine_to_physical": the M2P, which is indexed by machine frame, looked up with a page of the guest's. */
static uint64_t machine_to_physical(unsigned long page)
{
    return (uint64_t)mfn_to_pfn(virt_to_pfn(page)) << PAGE_SHIFT;
}

/* What was meant: the P2M. */
static uint64_t physical_to_machine(unsigned long page)
{
    return (uint64_t)pfn_to_mfn(virt_to_pfn(page)) << PAGE_SHIFT;
}

static void update(uint64_t ptr, uint64_t val)
{
    struct mmu_update request = { .ptr = ptr, .val = val };

    HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
}

/* "4. The guest inserts the machine address of the page table page into the page directory" */
static void insert_page_table(unsigned long virt_addr)
{
    pteval_t *pgdir_entry = virt_to_pgdir(virt_addr);

    if (lesson == TO_THE_LETTER) {
        HYPERVISOR_mmu_update((struct mmu_update *)((unsigned long)pgdir_entry | MMU_NORMAL_PT_UPDATE),
                              (unsigned int)(machine_to_physical(pgtab) | PGTAB_PROTECTION), NULL, DOMID_SELF);
        return;
    }
    if (lesson == REQUEST_ARRAY) {
        update((unsigned long)pgdir_entry | MMU_NORMAL_PT_UPDATE, machine_to_physical(pgtab) | PGTAB_PROTECTION);
        return;
    }
    if (lesson == MACHINE_ADDRESS) {
        update(pgdir_machine(virt_addr), machine_to_physical(pgtab) | PGTAB_PROTECTION);
        return;
    }
    if (lesson == CLEARED)
        memset((void *)pgtab, 0, PAGE_SIZE);
    if (lesson == READ_ONLY || lesson == CLEARED)
        HYPERVISOR_update_va_mapping(pgtab, mfn_to_pte(virt_to_mfn(pgtab), _PAGE_PRESENT | _PAGE_ACCESSED),
                                     UVMF_INVLPG);
    update(pgdir_machine(virt_addr), physical_to_machine(pgtab) | PGTAB_PROTECTION);
    if (lesson == READ_ONLY) /* refused: the kernel may write to its page again, and clear it */
        HYPERVISOR_update_va_mapping(pgtab, mfn_to_pte(virt_to_mfn(pgtab), PT_PAGE_FLAGS), UVMF_INVLPG);
}

/* "5. The guest must then instruct Xen to pin this page as a page table page" */
static void pin_page_table(void)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L2_TABLE };

    if (lesson > PIN_FRAME)
        return;
    pin.arg1.mfn = physical_to_machine(pgtab) >> (lesson == PIN_FRAME ? PAGE_SHIFT : 0);
    HYPERVISOR_mmuext_op(&pin, 1, NULL, DOMID_SELF);
}

/* "6. Finally the guest will map the physical page into the page table" */
static void map_physical_page(unsigned long virt_addr)
{
    uint64_t pgtab_entry = physical_to_machine(pgtab) + pt_slot(virt_addr, 1) * sizeof(pteval_t);

    if (lesson < NO_PIN)
        return; /* one mistake at a time */
    if (lesson == NO_PIN)
        update(pgtab_entry, machine_to_physical(phys_page) | PT_PAGE_FLAGS);
    else
        update(pgtab_entry, physical_to_machine(phys_page) | PT_PAGE_FLAGS);
}

static void page_fault(struct cpu_user_regs *regs)
{
    unsigned long virt_addr = read_cr2();

    (void)regs;
    printk("attempt %d\n", lesson);
    if (lesson > DATA_FRAME)
        BUG();
    if (lesson <= CLEARED)
        insert_page_table(virt_addr);
    if (lesson >= CLEARED)
        pin_page_table();
    map_physical_page(virt_addr);
    lesson++;
}

int kernel_main(start_info_t *info)
{
    struct trap_info traps[] = {
        { .vector = TRAP_page_fault, .cs = FLAT_KERNEL_CS, .address = (unsigned long)page_fault },
        { .address = 0 },
    };

    (void)info;
    HYPERVISOR_set_trap_table(traps);
    pgtab = get_used_page();
    phys_page = alloc_page();

    *(volatile unsigned char *)FAULT_ADDRESS = 1;

    printk("mapped at the last attempt\n");
    return 0;
}
