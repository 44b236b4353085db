import { describe, expect, test } from 'vitest';
import { ran } from '../timeline/scripts.ts';

const HANDLER = `
static int faults;
static void map(unsigned long va)
{
    unsigned long table = virt_to_mfn(start_info.pt_base);
    int level;
    for (level = PAGETABLE_LEVELS; level > 1; level--) {
        pteval_t entry = read_entry(table, pt_slot(va, level));
        if (!(entry & _PAGE_PRESENT)) {
            unsigned long page = alloc_page();
            struct mmu_update link;
            memset((void *)page, 0, PAGE_SIZE);
            HYPERVISOR_update_va_mapping(page, mfn_to_pte(virt_to_mfn(page), L1_PROT_RO), UVMF_INVLPG);
            entry = mfn_to_pte(virt_to_mfn(page), PT_TABLE_FLAGS);
            link.ptr = entry_maddr(table, pt_slot(va, level));
            link.val = entry;
            if (HYPERVISOR_mmu_update(&link, 1, NULL, DOMID_SELF)) BUG();
        }
        table = pte_to_mfn(entry);
    }
    struct mmu_update set = { entry_maddr(table, pt_slot(va, 1)), mfn_to_pte(virt_to_mfn(alloc_page()), PT_PAGE_FLAGS) };
    if (HYPERVISOR_mmu_update(&set, 1, NULL, DOMID_SELF)) BUG();
}
static void on_fault(struct cpu_user_regs *regs)
{
    faults++;
    map(read_cr2() & PAGE_MASK);
}
static void install(void (*f)(struct cpu_user_regs *), int vector)
{
    struct trap_info traps[] = { { vector, 0, FLAT_KERNEL_CS, (unsigned long)f }, { 0 } };
    if (HYPERVISOR_set_trap_table(traps)) BUG();
}
`;

const ABIS = ['x86_64', 'x86_32'] as const;

describe.each(ABIS)('on %s', (abi) => {
  test('a statement that faults in its middle has its side effects once', () => {
    const session = ran(
      `${HANDLER}
      static int calls;
      static int value(void) { return ++calls; }
      int kernel_main(void)
      {
          int *p = (int *)0x400ff8UL, i;
          struct { long long a; int b[40]; } *big = (void *)0x600ff0UL, local = { 5, { [39] = 7 } };
          install(on_fault, TRAP_page_fault);
          for (i = 0; i < 4; i++) *p++ = value();
          *(long long *)0x402ffcUL = 0x1122334455667788LL;
          *big = local;
          printk("%d %d %lx %d %d\\n", calls, faults, (unsigned long)p, ((int *)0x400ff8UL)[3], big->b[39]);
          printk("%llx\\n", *(long long *)0x402ffcUL);
          return 0;
      }`,
      { abi },
    );
    expect(session.exit?.reason).toBe('kernel_main has finished');
    expect(session.console).toEqual(['4 6 401008 4 7', '1122334455667788']);
    expect(session.faultLog.map(({ cr2 }) => cr2)).toEqual([
      '0x400ff8',
      '0x401000',
      '0x402ffc',
      '0x403000',
      '0x600ff0',
      '0x601000',
    ]);
    expect(session.audit()).toEqual([]);
  });

  test('a fault without a handler crashes the domain, with the walk', () => {
    const session = ran('int kernel_main(void) { *(volatile int *)0x400000UL = 1; return 0; }', { abi });
    expect(session.exit).toMatchObject({ status: 3, kind: 'crashed' });
    expect(session.exit?.reason).toMatch(/#PF at 0x400000/);
    expect(session.exit?.reason).toMatch(/\nL[42]\[/);
    expect(session.faultLog).toMatchObject([{ cr2: '0x400000', errorCode: 2, line: 1, deliveredTo: null }]);
  });

  test('recursion without end runs out of stack and crashes the domain', () => {
    const session = ran(
      `${HANDLER}
      static int deep(int n) { volatile char pad[64]; pad[0] = n; return deep(n + 1) + pad[0]; }
      static void any(struct cpu_user_regs *regs) { printk("not reached"); }
      int kernel_main(void) { install(any, TRAP_page_fault); return deep(0); }`,
      { abi },
    );
    expect(session.exit).toMatchObject({ status: 3, kind: 'crashed' });
    expect(session.exit?.reason).toMatch(/cannot be written to the kernel stack/);
    expect(session.console).toEqual([]);
  });

  test('a division by zero raises #DE, and the handler may skip it: each instruction takes four bytes', () => {
    const session = ran(
      `${HANDLER}
      static volatile int zero;
      static void divide(struct cpu_user_regs *regs)
      {
          zero = 4;
          printk("vector %d\\n", regs->entry_vector);
      #ifdef __x86_64__
          regs->rip += 4;
      #else
          regs->eip += 4;
      #endif
      }
      int kernel_main(void)
      {
          int r;
          install(divide, TRAP_divide_error);
          r = 20 / zero;
          r = 20 / zero;
          printk("%d\\n", r);
          return 0;
      }`,
      { abi },
    );
    expect(session.exit?.kind).toBe('finished');
    expect(session.console).toEqual(['vector 0', '5']);
  });

  test('a call through NULL is a page fault on the fetch', () => {
    const session = ran('int kernel_main(void) { void (*f)(void) = 0; f(); return 0; }', { abi });
    expect(session.exit?.kind).toBe('crashed');
    expect(session.faultLog).toMatchObject([{ vector: 14, cr2: '0x0', errorCode: 0x10, line: 1 }]);
  });

  test('a jump into data that may be executed meets no code: #UD', () => {
    const session = ran(
      'static int data = 5; int kernel_main(void) { ((void (*)(void))&data)(); return 0; }',
      { abi },
    );
    expect(session.exit?.kind).toBe('crashed');
    expect(session.faultLog).toMatchObject([{ vector: 6 }]);
  });

  test('a return address overwritten on the stack is where the return goes', () => {
    const session = ran(
      `static void smash(unsigned long value)
      {
          unsigned long words[4];
          int i;
          for (i = 0; i < 16; i++) words[i] = value;
      }
      int kernel_main(void) { smash(0x666000UL); return 0; }`,
      { abi },
    );
    expect(session.exit?.kind).toBe('crashed');
    expect(session.faultLog).toMatchObject([{ vector: 14, cr2: '0x666000', errorCode: 0x10 }]);
  });

  test('a frame pointer overwritten on the stack raises #GP at the return', () => {
    const session = ran(
      `static void corrupt(void)
      {
          volatile unsigned long mark = 0;
          int i;
          for (i = 1; i < 4; i++)
              if ((&mark)[i] > 0 && (&mark)[i] < 0x1000) (&mark)[i] = 0x12345;
      }
      int kernel_main(void) { corrupt(); return 0; }`,
      { abi },
    );
    expect(session.exit?.kind).toBe('crashed');
    expect(session.faultLog).toMatchObject([{ vector: 13 }]);
  });

  test('a handler may send the interrupted code elsewhere', () => {
    const session = ran(
      `${HANDLER}
      static void rescue(void) { printk("rescued\\n"); exit_guest(0); }
      static void divert(struct cpu_user_regs *regs) {
      #ifdef __x86_64__
          regs->rip = (unsigned long)rescue;
      #else
          regs->eip = (unsigned long)rescue;
      #endif
      }
      int kernel_main(void) { install(divert, TRAP_page_fault); *(int *)8 = 1; return 5; }`,
      { abi },
    );
    expect(session.console).toEqual(['rescued']);
    expect(session.exit).toMatchObject({ status: 0, kind: 'finished' });
  });

  test('a fault inside the handler nests until the stack is full, and crashes the domain', () => {
    const session = ran(
      `${HANDLER}
      static void bad(struct cpu_user_regs *regs) { *(int *)16 = 1; }
      int kernel_main(void) { install(bad, TRAP_page_fault); *(int *)8 = 1; return 5; }`,
      { abi, maxStatements: 100_000 },
    );
    expect(session.exit?.kind).toBe('crashed');
    expect(session.faultLog.length).toBeGreaterThan(10);
  });

  test('a handler script makes its access as user or kernel, and succeeds when it completes', () => {
    const text = `${HANDLER.replaceAll('BUG()', 'exit_guest(9)')}
      void page_fault_handler(unsigned long va) { map(va & PAGE_MASK); }`;
    for (const fault of ['0x400000,write', '0x400000,read,user', '0x400000,exec']) {
      const session = ran(text, { abi, fault });
      expect(session.exit).toMatchObject({ status: 0, kind: 'finished' });
      expect(session.faultLog[0]).toMatchObject({ cr2: '0x400000', deliveredTo: 'page_fault_handler' });
    }
  });

  test('stores to a page table are carried out by Xen for the hardware domain', () => {
    const session = ran(
      `static char page[4096] __attribute__((aligned(4096)));
      int kernel_main(void)
      {
          unsigned long va = (unsigned long)page, table = virt_to_mfn(start_info.pt_base);
          int level;
          for (level = PAGETABLE_LEVELS; level > 1; level--) table = pte_to_mfn(read_entry(table, pt_slot(va, level)));
          volatile pteval_t *entry = (pteval_t *)mfn_to_virt(table) + pt_slot(va, 1);
          page[0] = 1;
          *entry &= ~_PAGE_RW;
          HYPERVISOR_update_va_mapping(va, *entry, UVMF_INVLPG);
          printk("%d\\n", (int)(*entry & _PAGE_RW));
          return 0;
      }`,
      { abi, role: 'hardware' },
    );
    expect(session.console).toEqual(['0']);
    expect(session.exit?.kind).toBe('finished');
    expect(session.audit()).toEqual([]);
  });
});
