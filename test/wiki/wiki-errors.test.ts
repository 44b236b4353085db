/**
 * The errors of the 2006 wiki page, W1 to W18 of facts section 10.1: what literal execution of each does, in the
 * guest's own language, on both ABIs where it is the same.
 */

import { describe, expect, it } from 'vitest';
import { type GuestRun, runGuest } from '../support/guest.ts';

const ABIS = ['x86_64', 'x86_32p', 'x86_32'] as const;

/** What every script of this file has in front: one update, a table page, the kernel's own page directory. */
const COMMON = `
static int update(uint64_t ptr, uint64_t val)
{
    struct mmu_update request = { .ptr = ptr, .val = val };
    return HYPERVISOR_mmu_update(&request, 1, NULL, DOMID_SELF);
}
static int make_readonly(unsigned long page)
{
    return HYPERVISOR_update_va_mapping(page, mfn_to_pte(virt_to_mfn(page), L1_PROT_RO), UVMF_INVLPG);
}
/* The L2 table above an address of the kernel's part. */
static mfn_t directory(unsigned long va)
{
    mfn_t table = virt_to_mfn(start_info.pt_base);
    for (int level = PAGETABLE_LEVELS; level > 2; level--)
        table = pte_to_mfn(read_entry(table, pt_slot(va, level)));
    return table;
}
/* An address of the kernel's part that has a directory but no page table. */
#define VA (VIRT_BASE + 0x8000000UL)
static unsigned long clean_page(void)
{
    unsigned long page = alloc_page();
    memset((void *)page, 0, PAGE_SIZE);
    return page;
}
static mfn_t new_table(void)
{
    unsigned long page = clean_page();
    assert(make_readonly(page) == 0);
    return virt_to_mfn(page);
}
static mfn_t link_table(void)
{
    mfn_t table = new_table();
    assert(update(entry_maddr(directory(VA), pt_slot(VA, 2)), mfn_to_pte(table, PT_TABLE_FLAGS)) == 0);
    return table;
}
`;

const rules = (run: GuestRun): (string | undefined)[] => run.refused.map((call) => call.refusal?.rule);
const codes = (run: GuestRun): (number | string)[] => run.refused.map((call) => call.rc);

for (const abi of ABIS) {
  const run = (body: string): GuestRun =>
    runGuest(`${COMMON}\nint kernel_main(start_info_t *si)\n{\n(void)si;\n${body}\n}\n`, { abi });
  /** x86_32 ended with the era in which every failed operation was -EINVAL. */
  const modern = abi !== 'x86_32';
  const EBUSY_OR_EINVAL = modern ? -16 : -22;

  describe(`the wiki page's errors on ${abi}`, () => {
    it('W1: pt_base is a virtual address; as the machine address of the directory it is refused', () => {
      const wrong = run('return update(start_info.pt_base, 0) == -EINVAL ? 0 : 1;');
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(rules(wrong)).toEqual(['mmu_update.table-owner']);
      const right = run('return update(entry_maddr(virt_to_mfn(start_info.pt_base), 0), 0);');
      expect(right.exit).toMatchObject({ status: 0 });
      expect(rules(right)).toEqual([]);
    });

    it('W2: mfn_list is the address of the P2M array, which the M2P inverts', () => {
      const done = run(`
        unsigned long *p2m = (unsigned long *)start_info.mfn_list;
        for (pfn_t pfn = 0; pfn < start_info.nr_pages; pfn++)
            if (machine_to_phys_mapping[p2m[pfn]] != pfn)
                return 1;
        return 0;`);
      expect(done.exit).toMatchObject({ status: 0 });
    });

    it('W3: the M2P looked up with a PFN gives no machine frame of ours', () => {
      const wrong = run(`
        unsigned long page = clean_page();
        assert(make_readonly(page) == 0);
        return update(entry_maddr(directory(VA), pt_slot(VA, 2)),
                      mfn_to_pte(mfn_to_pfn(virt_to_pfn(page)), PT_TABLE_FLAGS)) == -EINVAL ? 0 : 1;`);
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(rules(wrong)).toEqual(['l2e.child-owner']);
    });

    it('W4: a table page with stale contents is refused for its first bad entry', () => {
      const wrong = run(`
        unsigned long page = alloc_page();
        memset((void *)page, 0, PAGE_SIZE);
        ((pteval_t *)page)[3] = mfn_to_pte(start_info.nr_pages * 8 < 0x100 ? 0 : 1, L1_PROT);
        assert(make_readonly(page) == 0);
        return update(entry_maddr(directory(VA), pt_slot(VA, 2)), mfn_to_pte(virt_to_mfn(page), PT_TABLE_FLAGS)) < 0 ? 0 : 1;`);
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(rules(wrong)).toEqual(['l1e.mmio']);
      expect(codes(wrong)).toEqual([modern ? -1 : -22]);
      expect(wrong.refused[0]?.refusal?.message).toContain('slot 3');
    });

    it('W5: a table page that is still mapped writable is refused, and the mapping is named', () => {
      const wrong = run(`
        unsigned long page = clean_page();
        return update(entry_maddr(directory(VA), pt_slot(VA, 2)), mfn_to_pte(virt_to_mfn(page), PT_TABLE_FLAGS)) == -EINVAL ? 0 : 1;`);
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(rules(wrong)).toEqual(['l2e.child-type']);
      expect(wrong.refused[0]?.refusal?.message).toMatch(/mapped writable at 0x[0-9a-f]+/);
    });

    it("W6: a request that names the entry by its virtual address is refused, or overwrites one's own data", () => {
      const refused = run('return update((unsigned long)mfn_to_virt(directory(VA)), 0) == -EINVAL ? 0 : 1;');
      expect(rules(refused)).toEqual(['mmu_update.table-owner']);
      const silent = run(`
        unsigned long page = clean_page();
        /* an address that by accident is the machine address of a data page */
        assert(update(mfn_to_maddr(virt_to_mfn(page)), 0x1234) == 0);
        return *(pteval_t *)page == 0x1234 ? 0 : 1;`);
      expect(silent.exit).toMatchObject({ status: 0 });
      expect(rules(silent)).toEqual([]);
    });

    it('W7: two scalars where an array belongs are an unreadable pointer; the own number is no DOMID_SELF', () => {
      const wrong = run(`
        unsigned int done = 7;
        assert(HYPERVISOR_mmu_update((struct mmu_update *)0x10, 1, &done, DOMID_SELF) == -EFAULT);
        struct mmu_update request = { .ptr = 0, .val = 0 };
        return HYPERVISOR_mmu_update(&request, 1, NULL, 1) == -ESRCH ? 0 : 1;`);
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(rules(wrong)).toEqual(['mmu_update.requests', 'foreign.own-id']);
    });

    it('W9: the page table page is an L1; pinning it as an L2 is refused once it is linked', () => {
      const wrong = run(`
        struct mmuext_op pin = { .cmd = MMUEXT_PIN_L2_TABLE };
        pin.arg1.mfn = link_table();
        return HYPERVISOR_mmuext_op(&pin, 1, NULL, DOMID_SELF) == -EINVAL ? 0 : 1;`);
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(rules(wrong)).toHaveLength(1);
    });

    it('W9: pinned as an L2 before it is linked, it becomes a directory; linked with RW it is refused, without RW recursive', () => {
      const wrong = run(`
        struct mmuext_op pin = { .cmd = MMUEXT_PIN_L2_TABLE };
        mfn_t table = new_table();
        pin.arg1.mfn = table;
        assert(HYPERVISOR_mmuext_op(&pin, 1, NULL, DOMID_SELF) == 0);
        maddr_t entry = entry_maddr(directory(VA), pt_slot(VA, 2));
        assert(update(entry, mfn_to_pte(table, PT_TABLE_FLAGS)) == -EINVAL);
        return update(entry, mfn_to_pte(table, PT_TABLE_FLAGS & ~_PAGE_RW));`);
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(rules(wrong)).toEqual(['linear.writable']);
    });

    it('W10: the pin argument is a frame; a machine address is a frame beyond the machine', () => {
      const wrong = run(`
        struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE };
        pin.arg1.mfn = new_table() << PAGE_SHIFT;
        return HYPERVISOR_mmuext_op(&pin, 1, NULL, DOMID_SELF) == -EINVAL ? 0 : 1;`);
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(rules(wrong)).toHaveLength(1);
    });

    it('W11: a table filled while it is ordinary memory is validated once, when it is linked', () => {
      const done = run(`
        unsigned long page = clean_page(), data = alloc_page();
        *(unsigned long *)data = 77;
        ((pteval_t *)page)[pt_slot(VA, 1)] = mfn_to_pte(virt_to_mfn(data), PT_PAGE_FLAGS);
        assert(make_readonly(page) == 0);
        assert(update(entry_maddr(directory(VA), pt_slot(VA, 2)), mfn_to_pte(virt_to_mfn(page), PT_TABLE_FLAGS)) == 0);
        return *(unsigned long *)VA == 77 ? 0 : 1;`);
      expect(done.exit).toMatchObject({ status: 0 });
      expect(rules(done)).toEqual([]);
    });

    it('W12: an entry with a PFN for its frame is refused', () => {
      const wrong = run(`
        mfn_t table = link_table();
        pfn_t pfn = virt_to_pfn(alloc_page());
        return update(entry_maddr(table, pt_slot(VA, 1)), mfn_to_pte(pfn, PT_PAGE_FLAGS)) < 0 ? 0 : 1;`);
      expect(wrong.exit).toMatchObject({ status: 0 });
      expect(['l1e.owner', 'l1e.mmio']).toContain(rules(wrong)[0]);
      expect([EBUSY_OR_EINVAL, modern ? -1 : -22]).toContain(codes(wrong)[0]);
    });

    it('W13: the faulting address has no pseudo-physical page: the P2M is not asked for one', () => {
      const wrong = run('return virt_to_pfn(VA + 0x40000000UL) < start_info.nr_pages;');
      expect(wrong.exit).toMatchObject({ status: 0 });
    });

    it('W14: Xen passes the error code on the stack and the address in the shared info page', () => {
      const done = runGuest(
        `static unsigned long seen; static unsigned int code;
         static void handler(struct cpu_user_regs *regs) { seen = read_cr2(); code = regs->error_code; regs->${abi === 'x86_64' ? 'rip' : 'eip'} = 0; exit_guest(seen == 0x400123 && code == 2 ? 0 : 1); }
         int kernel_main(void) {
           struct trap_info t[] = { { .vector = 14, .cs = FLAT_KERNEL_CS, .address = (unsigned long)handler }, { .address = 0 } };
           assert(HYPERVISOR_set_trap_table(t) == 0);
           *(volatile char *)0x400123 = 1;
           return 1; }`,
        { abi },
      );
      expect(done.exit).toMatchObject({ status: 0 });
      expect(done.faults[0]).toMatchObject({ cr2: '0x400123', errorCode: 2, deliveredTo: 'handler' });
    });

    it('W15: what was present must be flushed: a stale translation works until then', () => {
      const done = run(`
        mfn_t table = link_table();
        unsigned long first = clean_page(), second = clean_page();
        volatile unsigned long *word = (volatile unsigned long *)VA;
        *(unsigned long *)second = 2;
        /* not present to present: no flush needed */
        assert(update(entry_maddr(table, pt_slot(VA, 1)), mfn_to_pte(virt_to_mfn(first), PT_PAGE_FLAGS)) == 0);
        *word = 1;
        assert(update(entry_maddr(table, pt_slot(VA, 1)), mfn_to_pte(virt_to_mfn(second), PT_PAGE_FLAGS)) == 0);
        assert(*word == 1);
        struct mmuext_op flush = { .cmd = MMUEXT_INVLPG_LOCAL };
        flush.arg1.linear_addr = VA;
        assert(HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF) == 0);
        return *word == 2 ? 0 : 1;`);
      expect(done.exit).toMatchObject({ status: 0 });
      expect(rules(done)).toEqual([]);
    });

    it('W17: a handler that checks nothing faults again and again; every refusal is in the log', () => {
      const loop = runGuest(
        `page_fault_handler(virt_addr) {
           struct mmu_update r = { .ptr = virt_addr, .val = 0 };
           HYPERVISOR_mmu_update(&r, 1, NULL, DOMID_SELF);
         }`,
        { abi, maxStatements: 2000 },
      );
      expect(loop.exit).toMatchObject({ status: 1, kind: 'failed' });
      expect(loop.refused.length).toBeGreaterThan(1);
    });

    it("W18: pages are given back and taken with memory_op; the M2P follows, the P2M is the guest's to keep", () => {
      const done = run(`
        unsigned long page = alloc_page();
        pfn_t pfn = virt_to_pfn(page);
        xen_pfn_t frame = pfn_to_mfn(pfn);
        struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
        set_xen_guest_handle(r.extent_start, &frame);
        assert(HYPERVISOR_update_va_mapping(page, 0, UVMF_INVLPG) == 0);
        assert(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r) == 1);
        frame = pfn;
        assert(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r) == 1);
        assert(mfn_to_pfn(frame) == pfn);
        phys_to_machine_mapping[pfn] = frame;
        assert(HYPERVISOR_update_va_mapping(page, mfn_to_pte(frame, L1_PROT), UVMF_NONE) == 0);
        *(unsigned long *)page = 5;
        return *(unsigned long *)page == 5 ? 0 : 1;`);
      expect(done.exit).toMatchObject({ status: 0 });
      expect(rules(done)).toEqual([]);
    });
  });
}

describe("the wiki page's errors on x86_64 alone", () => {
  const run = (body: string): GuestRun =>
    runGuest(`${COMMON}\nint kernel_main(start_info_t *si)\n{\n(void)si;\n${body}\n}\n`, { abi: 'x86_64' });

  it('W8: a zero page put into an L4 entry becomes an L3, and then is no L1', () => {
    const wrong = run(`
      mfn_t table = new_table();
      assert(update(entry_maddr(virt_to_mfn(start_info.pt_base), 0), mfn_to_pte(table, PT_TABLE_FLAGS)) == 0);
      return update(entry_maddr(directory(VA), pt_slot(VA, 2)), mfn_to_pte(table, PT_TABLE_FLAGS)) == -EINVAL ? 0 : 1;`);
    expect(wrong.exit).toMatchObject({ status: 0 });
    expect(rules(wrong)).toEqual(['l2e.child-type']);
  });

  it('W16: what the kernel root maps, user code does not see in a root of its own: it faults for ever', () => {
    const loop = runGuest(
      `${COMMON}
       static int faults;
       static void handler(struct cpu_user_regs *regs) {
         (void)regs;
         if (++faults == 3) exit_guest(0);
         if (faults > 1) return;
         mfn_t table = virt_to_mfn(start_info.pt_base);
         for (int level = 4; level > 1; level--) {
           mfn_t next = new_table();
           assert(update(entry_maddr(table, pt_slot(read_cr2(), level)), mfn_to_pte(next, PT_TABLE_FLAGS)) == 0);
           table = next;
         }
         assert(update(entry_maddr(table, pt_slot(read_cr2(), 1)), mfn_to_pte(virt_to_mfn(alloc_page()), PT_PAGE_FLAGS)) == 0);
       }
       int kernel_main(void) {
         struct trap_info t[] = { { .vector = 14, .cs = FLAT_KERNEL_CS, .address = (unsigned long)handler }, { .address = 0 } };
         assert(HYPERVISOR_set_trap_table(t) == 0);
         /* a user root that shares the kernel's own mappings, as kernels make it, and nothing else */
         unsigned long root = clean_page();
         mfn_t frame = virt_to_mfn(root);
         ((pteval_t *)root)[511] = read_entry(virt_to_mfn(start_info.pt_base), 511);
         assert(make_readonly(root) == 0);
         struct mmuext_op op = { .cmd = MMUEXT_NEW_USER_BASEPTR };
         op.arg1.mfn = frame;
         assert(HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF) == 0);
         __xenscope_touch(0x400000, 0, 1);
         return 1;
       }`,
      { abi: 'x86_64' },
    );
    expect(loop.exit).toMatchObject({ status: 0 });
    expect(loop.faults.map((fault) => fault.errorCode)).toEqual([4, 4, 4]);
  });
});
