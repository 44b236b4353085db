/**
 * Kernel code as large as Mini-OS's mm.c, run from its start to the built page tables and through an allocator on top.
 *
 * The kernel in kernel/ is written for this test. The real ones are run where their sources are, unchanged:
 *
 *   XENSCOPE_MINIOS=<folder of mini-os>  XENSCOPE_XTF=<folder of xtf>  npx vitest run test/core/guest-c/kernel-code
 *
 * For Mini-OS with its own headers `make links` has to have been run in that folder.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Session } from '../../../../core/timeline/session.ts';
import { NO_FILTERS } from '../../../../core/timeline/types.ts';
import type { AbiName } from '../../../../core/guest-c/types.ts';
import { recordingHost } from '../../../../adapter/host/files.ts';

const KERNEL = join(import.meta.dirname, 'kernel');
const ABIS: readonly AbiName[] = ['x86_64', 'x86_32p', 'x86_32'];

interface Outcome {
  readonly status: number;
  readonly reason: string;
  readonly console: readonly string[];
  readonly refused: readonly string[];
}

interface RunOptions {
  readonly abi: AbiName;
  readonly includePaths?: readonly string[];
  readonly prelude?: boolean;
}

/** Runs a file to its end; the audit afterwards must be empty. */
function run(path: string, options: RunOptions): Outcome {
  const created = Session.create({
    ...options,
    programs: [{ path, text: readFileSync(path, 'utf8') }],
    host: recordingHost(),
    maxStatements: 50_000_000,
    journal: false,
  });
  if (created.kind !== 'session') throw new Error(JSON.stringify(created, null, 1));
  const { session } = created;
  session.setFilters(NO_FILTERS);
  while (session.exit === null) session.run({ kind: 'continue' }, 1_000_000);
  expect(session.audit()).toEqual([]);
  const refused = session.hypercallLog.flatMap(({ refusal }) => (refusal === null ? [] : [refusal.rule]));
  return { status: session.exit.status, reason: session.exit.reason, console: session.console, refused };
}

/** Runs a text that stands in a folder of its own. */
function runText(text: string, options: RunOptions): Outcome {
  const folder = mkdtempSync(join(tmpdir(), 'xenscope-kernel-'));
  try {
    const path = join(folder, 'kernel.guest.c');
    writeFileSync(path, text);
    return run(path, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.each(ABIS)('a kernel of the size of mm.c on %s', (abi) => {
  it('maps its memory, hands out pages, maps frames, balloons, and protects its text', () => {
    const { status, console, refused } = run(join(KERNEL, 'memory.c'), {
      abi,
      includePaths: [join(KERNEL, 'include')],
    });
    expect(refused).toEqual([]);
    expect(console.slice(0, -1)).toEqual([
      `kernel: ${abi}, 4096 pages`,
      'kernel: translations holds (0)',
      'kernel: allocator    holds (0)',
      'kernel: window       holds (0)',
      'kernel: balloon      holds (0)',
      'kernel: protection   holds (0)',
      'kernel: heap         holds (0)',
    ]);
    // Of 16 MiB the builder maps the first 4; three quarters take six tables with 512 entries, or three with 1024.
    const tables = { x86_64: 6 + 3, x86_32p: 6 + 1, x86_32: 3 + 1 }[abi];
    expect(console.at(-1)).toBe(`kernel: ${tables} tables made, 3072 pages mapped`);
    expect(status).toBe(0);
  });

  it('is at address 0 with its text first, and goes on with what it has made its own', () => {
    const { status, console } = runText(
      `#include <mini-os/mm.h>
       extern char stack[];
       extern char shared_info[];
       unsigned long alloc_pages(int order) { return 0x1234000UL << order; }
       int kernel_main(start_info_t *si) {
         (void)si;
         printk("%d %d %d", (unsigned long)&_text == VIRT_BASE, VIRT_BASE == 0, virt_to_pfn(&_text) == 0);
         printk(" %d", (unsigned long)&_erodata <= (unsigned long)stack && (unsigned long)stack < (unsigned long)&_edata);
         printk(" %d", (shared_info_t *)shared_info == HYPERVISOR_shared_info);
         printk(" %lx", alloc_page());
         return 0;
       }`,
      { abi },
    );
    expect(console).toEqual(['1 1 1 1 1 1234000']);
    expect(status).toBe(0);
  });
});

/** Names that pasted code uses without an #include, and a statement of a function that uses them. */
const PASTED: Readonly<Record<string, string>> = {
  'new_pt_frame of Mini-OS': `unsigned long pfn = virt_to_pfn(alloc_page());
    new_pt_frame(&pfn, virt_to_mfn(pt_base), l2_table_offset(VIRT_DEMAND_AREA), L1_FRAME);`,
  'need_pgt and a mapping of Mini-OS': `pgentry_t *pgt = need_pgt(VIRT_DEMAND_AREA);
    mmu_update_t update = { virt_to_mach(pgt), ((pgentry_t)virt_to_mfn(pt_base) << PAGE_SHIFT) | L1_PROT_RO };
    if (HYPERVISOR_mmu_update(&update, 1, NULL, DOMID_SELF) < 0) do_exit();
    ASSERT(*(pgentry_t *)VIRT_DEMAND_AREA == *pt_base);`,
  'map_frames of Mini-OS': `unsigned long frame = virt_to_mfn(alloc_page());
    void *page = map_frames(&frame, 1);
    BUG_ON(page == NULL);
    BUG_ON(unmap_frames((unsigned long)page, 1) != 0);`,
  'an unmap with pte_t': `pte_t nullpte = { };
    unsigned long page = alloc_page();
    BUG_ON(HYPERVISOR_update_va_mapping(page, nullpte, UVMF_INVLPG));
    BUG_ON(HYPERVISOR_update_va_mapping(page, __pte(((pgentry_t)virt_to_mfn(page) << PAGE_SHIFT) | L1_PROT), UVMF_INVLPG));`,
  'a reservation with plain handles': `xen_pfn_t frame = virt_to_mfn(alloc_page());
    struct xen_memory_reservation reservation = { .extent_start = &frame, .nr_extents = 1, .domid = DOMID_SELF };
    WARN_ON(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &reservation) != 1);`,
  'hypercalls of XTF': `static intpte_t table[L1_PT_ENTRIES] __page_aligned_bss;
    mmuext_op_t op = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = virt_to_mfn(table) };
    if (hypercall_update_va_mapping(_u(table), pte_from_virt(table, PF_SYM(AD, P)), UVMF_INVLPG)) BUG();
    if (hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF)) BUG();`,
};

describe.each(ABIS)('pasted code without an #include on %s', (abi) => {
  it.each(Object.entries(PASTED))('%s finds its names', (_, statements) => {
    const { status, refused } = runText(`int kernel_main(void)\n{\n${statements}\n return 0;\n}\n`, { abi });
    expect({ status, refused }).toEqual({ status: 0, refused: [] });
  });
});

// ---- tests in XTF's style ---------------------------------------------------------------------------------------------

const test = (body: string): string => `#include <xtf.h>
const char test_title[] = "A test of the tests";
${body}`;

/** Body, status of the run, and the last line. */
const XTF_STYLE: readonly (readonly [string, string, number, string])[] = [
  [
    'a page that is mapped writable cannot be a table',
    `static uint8_t page[PAGE_SIZE] __page_aligned_bss;
     void test_main(void)
     {
         mmuext_op_t op = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = virt_to_mfn(page) };
         int rc = hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);

         switch ( rc )
         {
         case 0:
             return xtf_failure("Fail: pinned a writable page\\n");
         case -EINVAL:
             return xtf_success("Success: refused\\n");
         default:
             return xtf_error("Error: %d\\n", rc);
         }
     }`,
    0,
    'Test result: SUCCESS',
  ],
  [
    'a failure is not made good by a success',
    `void test_main(void)
     {
         xtf_failure("Fail: on purpose\\n");
         xtf_success(NULL);
     }`,
    1,
    'Test result: FAILURE',
  ],
  ['an error fails', 'void test_main(void) { xtf_error("Error\\n"); }', 1, 'Test result: ERROR'],
  ['a skip does not', 'void test_main(void) { return xtf_skip("Skip\\n"); }', 0, 'Test result: SKIP'],
  [
    'low addresses are mapped, page by page, and can be mapped anew',
    `void test_main(void)
     {
         const unsigned int *low = _p(KB(4));
         unsigned int before = *low;
         static unsigned int page[PAGE_SIZE / sizeof(unsigned int)] __page_aligned_data = { 0xfeed };

         if ( virt_to_mfn(low) != pfn_to_mfn(1) )
             return xtf_error("Error: not linear\\n");
         if ( hypercall_update_va_mapping(_u(low), pte_from_virt(page, PF_SYM(AD, U, P)), UVMF_INVLPG) )
             return xtf_error("Error: cannot map\\n");
         if ( before != 0 || *(volatile const unsigned int *)low != 0xfeed )
             return xtf_failure("Fail: %#x, then %#x\\n", before, *low);
         xtf_success("Success\\n");
     }`,
    0,
    'Test result: SUCCESS',
  ],
  [
    'a domain grants a page to itself',
    `static uint8_t frame[PAGE_SIZE] __page_aligned_bss;
     void test_main(void)
     {
         int rc = xtf_init_grant_table(1), domid = xtf_get_domid();

         if ( rc || domid < 0 )
             return xtf_error("Error: %d, %d\\n", rc, domid);
         gnttab_v1[8].domid = domid;
         gnttab_v1[8].frame = virt_to_gfn(frame);
         smp_wmb();
         gnttab_v1[8].flags = GTF_permit_access;
         struct gnttab_map_grant_ref map = {
             .host_addr = KB(8), .flags = GNTMAP_host_map, .ref = 8, .dom = domid,
         };
         rc = hypercall_grant_table_op(GNTTABOP_map_grant_ref, &map, 1);
         if ( rc || map.status )
             return xtf_error("Error: map %d, %d\\n", rc, map.status);
         *(volatile uint8_t *)KB(8) = 0x47;
         if ( frame[0] != 0x47 )
             return xtf_failure("Fail: another page\\n");
         struct gnttab_unmap_grant_ref unmap = { .host_addr = KB(8), .handle = map.handle };
         rc = hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1);
         if ( rc || unmap.status )
             return xtf_error("Error: unmap %d, %d\\n", rc, unmap.status);
         xtf_success("Success\\n");
     }`,
    0,
    'Test result: SUCCESS',
  ],
  [
    'the verdict knows the depth of the tables',
    `void test_main(void)
     {
         if ( IS_DEFINED(CONFIG_64BIT) != (sizeof(long) == 8) || IS_DEFINED(CONFIG_HVM) )
             return xtf_failure("Fail\\n");
         if ( CONFIG_PAGING_LEVELS == 2 && IS_DEFINED(CONFIG_64BIT) )
             return xtf_failure("Fail\\n");
         if ( EXINFO_SYM(PF, PFEC_SYM(R, P)) != (0x80000000u | 14 << 16 | 9) )
             return xtf_failure("Fail\\n");
         xtf_success("Success\\n");
     }`,
    0,
    'Test result: SUCCESS',
  ],
];

describe.each(ABIS)("tests in XTF's style on %s", (abi) => {
  it.each(XTF_STYLE)('%s', (_, body, status, verdict) => {
    const outcome = runText(test(body), { abi });
    expect(outcome.console.at(-1)).toBe(verdict);
    expect(outcome.status).toBe(status);
  });

  it('a test that reports nothing just ends', () => {
    const { status, console } = runText(test('void test_main(void) { printk("done\\n"); }'), { abi });
    expect({ status, console }).toEqual({ status: 0, console: ['done'] });
  });
});

// ---- the real ones, where they are ----------------------------------------------------------------------------------

const MINIOS = process.env['XENSCOPE_MINIOS'] ?? '';
const XTF = process.env['XENSCOPE_XTF'] ?? '';

const USE_OF_MM = `
  unsigned long page = alloc_page(), frame = virt_to_mfn(page);
  unsigned long *mapped = map_frames(&frame, 1);
  if (mapped == NULL) return 1;
  *mapped = 4711;
  if (unmap_frames((unsigned long)mapped, 1) != 0) return 2;
  sanity_check();
  return *(unsigned long *)page == 4711 ? 0 : 3;
`;

describe.skipIf(MINIOS === '').each(['x86_64', 'x86_32p'] as const)("Mini-OS's mm.c on %s", (abi) => {
  const sources = `#include "${MINIOS}/arch/x86/mm.c"\n#include "${MINIOS}/mm.c"\n`;

  it('runs unchanged with the shipped headers', () => {
    const main = `int kernel_main(start_info_t *si) { arch_mm_preinit(si); init_mm(); ${USE_OF_MM} }`;
    const { status, refused } = runText(sources + main, { abi });
    expect({ status, refused }).toEqual({ status: 0, refused: [] });
  });

  it('runs unchanged with its own headers, hypercalls and printf', () => {
    const { status, refused } = runText(
      `#define CONFIG_PARAVIRT 1
       #define __MINIOS__ 1
       #define __XEN_INTERFACE_VERSION__ 0x00030205
       #include <string.h>
       ${sources}
       #include "${MINIOS}/lib/ctype.c"
       #include "${MINIOS}/lib/printf.c"
       shared_info_t *HYPERVISOR_shared_info;
       void do_exit(void) { for (;;) HYPERVISOR_shutdown(SHUTDOWN_crash); }
       void printk(const char *format, ...) {
         static char text[1024];
         va_list args;
         va_start(args, format);
         vsnprintf(text, sizeof(text), format, args);
         va_end(args);
       }
       int kernel_main(start_info_t *si) {
         pte_t entry;
         memset(&entry, 0, sizeof(entry));
         *(unsigned long *)&entry = si->shared_info | 7;
         arch_mm_preinit(si);
         if (HYPERVISOR_update_va_mapping((unsigned long)&shared_info, entry, UVMF_INVLPG)) return 4;
         HYPERVISOR_shared_info = &shared_info;
         init_mm();
         ${USE_OF_MM}
       }`,
      {
        abi,
        prelude: false,
        includePaths: ['', '/x86', abi === 'x86_64' ? '/x86/x86_64' : '/x86/x86_32'].map(
          (folder) => `${MINIOS}/include${folder}`,
        ),
      },
    );
    expect({ status, refused }).toEqual({ status: 0, refused: [] });
  });
});

/** The tests of XTF whose subject is in the model, with XTF's verdict on a Xen without the flaw. */
const XTF_VERDICTS: readonly (readonly [string, AbiName, string])[] = [
  ['xsa-167', 'x86_64', 'SKIP'],
  ['xsa-182', 'x86_64', 'SUCCESS'],
  ['xsa-185', 'x86_32p', 'SUCCESS'],
  ['xsa-221', 'x86_64', 'SUCCESS'],
  ['xsa-224', 'x86_64', 'SUCCESS'],
  ['xsa-231', 'x86_64', 'SUCCESS'],
  ['xsa-232', 'x86_64', 'SUCCESS'],
  ['xsa-234', 'x86_64', 'SUCCESS'],
  ['xsa-255', 'x86_64', 'SKIP'],
  ['xsa-279', 'x86_64', 'SUCCESS'],
  ['xsa-286', 'x86_64', 'SUCCESS'],
  ['xsa-286', 'x86_32p', 'SUCCESS'],
];

describe.skipIf(XTF === '')("XTF's tests", () => {
  it.each(XTF_VERDICTS)('%s on %s: %s', (name, abi, verdict) => {
    const path = join(XTF, 'tests', name, 'main.c');
    expect(existsSync(path)).toBe(true);
    expect(run(path, { abi }).console.at(-1)).toBe(`Test result: ${verdict}`);
  });
});
