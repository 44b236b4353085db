/**
 * Address kinds: a number of one address space or shape where another is wanted is warned about at its place, with the
 * way from one to the other; code whose kinds are not known, or right, gets no word.
 */

import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Problem } from '../../../core/guest-c/tree.ts';
import type { AbiName } from '../../../core/guest-c/types.ts';
import { compileText, problemLine } from './front-support.ts';

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));
const read = (name: string): string => readFileSync(EXAMPLES + name, 'utf8');
const PAGING = read('paging.h');
const FILES = {
  'paging.h': PAGING,
  '../paging.h': PAGING,
  'protocol.h': read('grant-share/protocol.h'),
};

const START = `
static mmu_update_t req;
static mmuext_op_t op;
int kernel_main(start_info_t *si)
{
    unsigned long page = alloc_page(), pfn = virt_to_pfn(page), mfn = pfn_to_mfn(pfn);
    (void)si, (void)mfn;
`;
const END = '\n    return 0;\n}\n';

function warningsOf(text: string, abi: AbiName = 'x86_64'): readonly Problem[] {
  const { problems } = compileText(text, { prelude: true, abi, files: FILES });
  expect(problems.filter((problem) => problem.severity === 'error').map(problemLine)).toEqual([]);
  return problems.filter((problem) => problem.id.startsWith('kind.'));
}

const inMain = (statement: string): string => START + statement + END;

/** A statement, and what is said about it: what it is | what is wanted. */
const MISTAKES: Readonly<Record<string, string>> = {
  'req.ptr = pfn << PAGE_SHIFT;': "pseudo-physical address | mmu_update's ptr wants a machine address",
  'req.ptr = (uint64_t)pfn * PAGE_SIZE + 8;':
    "pseudo-physical address | mmu_update's ptr wants a machine address",
  'req.ptr = to_phys(page) + 3 * sizeof(pteval_t);': "pseudo-physical address | mmu_update's ptr",
  'req.ptr = (page - VIRT_BASE) | MMU_NORMAL_PT_UPDATE;': "pseudo-physical address | mmu_update's ptr",
  'req.ptr = si->pt_base;': "virtual address | mmu_update's ptr wants a machine address",
  'req.ptr = mfn;': "machine frame number (mfn) | mmu_update's ptr wants a machine address",
  'req.ptr = read_entry(mfn, 3);': "page-table entry | mmu_update's ptr wants a machine address",
  'req.val = (pfn << PAGE_SHIFT) | L1_PROT;':
    "pseudo-physical address with flags | mmu_update's val wants a page-table",
  'req.val = pfn | 7;':
    "pseudo-physical frame number (pfn) with flags | mmu_update's val wants a page-table entry",
  'req.val = mfn;': "machine frame number (mfn) | mmu_update's val wants a page-table entry",
  'req.val = page | 7;': "virtual address with flags | mmu_update's val wants a page-table entry",
  'op.arg1.mfn = pfn;':
    "pseudo-physical frame number (pfn) | mmuext_op's arg1.mfn wants a machine frame number",
  'op.arg1.mfn = (uint64_t)mfn << PAGE_SHIFT;':
    "machine address | mmuext_op's arg1.mfn wants a machine frame number",
  'op.arg1.mfn = mfn_to_pte(mfn, L1_PROT);':
    "page-table entry | mmuext_op's arg1.mfn wants a machine frame number",
  'op = (mmuext_op_t){ .arg1.mfn = pfn };': "pseudo-physical frame number (pfn) | mmuext_op's arg1.mfn",
  'op = (mmuext_op_t){ .arg1.linear_addr = mfn };':
    "machine frame number (mfn) | mmuext_op's arg1.linear_addr",
  'mmu_update_t r[] = { { pfn << PAGE_SHIFT, 0 } }; (void)r;': "pseudo-physical address | mmu_update's ptr",
  'mfn_to_pfn(pfn);':
    "pseudo-physical frame number (pfn) | argument 1 of 'mfn_to_pfn' wants a machine frame number",
  'pfn_to_mfn(page);': "virtual address | argument 1 of 'pfn_to_mfn' wants a pseudo-physical frame number",
  'pfn = machine_to_phys_mapping[pfn];':
    'pseudo-physical frame number (pfn) | the index of the M2P wants a machine',
  'mfn = phys_to_machine_mapping[mfn];':
    'machine frame number (mfn) | the index of the P2M wants a pseudo-physical',
  'phys_to_machine_mapping[pfn] = pfn;':
    'pseudo-physical frame number (pfn) | the P2M wants a machine frame number',
  'unsigned long *l = (unsigned long *)si->mfn_list; req.ptr = l[pfn];':
    "machine frame number (mfn) | mmu_update's ptr",
  'mfn_t m = virt_to_pfn(page); (void)m;':
    "pseudo-physical frame number (pfn) | 'm' wants a machine frame number",
  'HYPERVISOR_update_va_mapping(page, pfn, 0);':
    "pseudo-physical frame number (pfn) | argument 2 of 'HYPERVISOR_update",
  'HYPERVISOR_update_va_mapping(mfn, mfn_to_pte(mfn, 1), 0);':
    "machine frame number (mfn) | argument 1 of 'HYPER",
  '*(char *)((unsigned long)mfn << PAGE_SHIFT) = 1;': 'machine address | a pointer wants a virtual address',
  'unsigned long f[2]; f[1] = pfn; op.arg1.mfn = f[1];':
    "pseudo-physical frame number (pfn) | mmuext_op's arg1.mfn",
  'struct { unsigned long f; } own = { pfn }; op.arg1.mfn = own.f;':
    "pseudo-physical frame number (pfn) | mmuext_op's",
  'op.arg1.mfn = si ? pfn : 0;': "pseudo-physical frame number (pfn) | mmuext_op's arg1.mfn",
  'op.arg1.mfn = ({ unsigned long x = pfn; x; });':
    "pseudo-physical frame number (pfn) | mmuext_op's arg1.mfn",
};

/** Right, or of no known kind. */
const RIGHT: readonly string[] = [
  'req.ptr = ((uint64_t)mfn << PAGE_SHIFT) + 8 * pt_slot(page, 1);',
  'req.ptr = mfn_to_maddr(mfn) | MMU_MACHPHYS_UPDATE; req.val = pfn;',
  'req.ptr = entry_maddr(mfn, 3) | MMU_PT_UPDATE_PRESERVE_AD; req.val = mfn_to_pte(mfn, 1) & ~_PAGE_RW;',
  'req.ptr = (read_entry(mfn, 1) & PTE_FRAME_MASK) + 8; req.val = 0;',
  'req.val = (maddr_t)mfn << PAGE_SHIFT | _PAGE_PRESENT | _PAGE_NX;',
  'op.arg1.mfn = pte_to_mfn(read_entry(mfn, 1)); op.arg1.mfn = read_entry(mfn, 1) >> PAGE_SHIFT;',
  'maddr_t machine = pfn_to_mfn(pfn); machine = (machine << PAGE_SHIFT) | 8; req.ptr = machine;',
  'op.arg1.mfn = (mfn_t)pfn;',
  'unsigned long frame = pfn; frame = pfn_to_mfn(frame); op.arg1.mfn = frame;',
  'unsigned long frame = pfn, *p = &frame; *p = mfn; op.arg1.mfn = frame;',
  'unsigned long frame = 0; frame = mfn; op.arg1.mfn = frame;',
  'unsigned long va = VIRT_BASE + (pfn << PAGE_SHIFT); op.arg1.mfn = virt_to_mfn(va);',
  'req.ptr = si->flags; req.val = si->nr_pages; op.arg1.mfn = page % 7;',
  'unsigned long count = mfn - pfn_to_mfn(0); op.arg1.mfn = count;',
  'op.arg1.mfn = start_info.console.domU.mfn; op.arg1.mfn = start_info.store_mfn;',
  'unsigned long *table = pfn_to_virt(pfn) ? (unsigned long *)page : 0; req.val = table[3];',
];

describe('a value of the wrong kind is warned about', () => {
  it.each(Object.entries(MISTAKES))('%s', (statement, expected) => {
    const [is = '', wants = ''] = expected.split(' | ');
    const messages = warningsOf(inMain(statement)).map((problem) => problem.message);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toContain(`${is}`);
    expect(messages[0]).toContain(wants);
  });

  it('on every ABI', () => {
    for (const abi of ['x86_64', 'x86_32p', 'x86_32'] as const) {
      expect(warningsOf(inMain('pfn = machine_to_phys_mapping[pfn];'), abi)).toHaveLength(1);
    }
  });

  it('where it came through arguments, results and variables, with the place where it got its kind', () => {
    const [warning, ...others] = warningsOf(`
static unsigned long address(unsigned long frame) { return frame << PAGE_SHIFT; }
static int update(uint64_t ptr) { mmu_update_t r = { .ptr = ptr }; return HYPERVISOR_mmu_update(&r, 1, NULL, DOMID_SELF); }
int kernel_main(void) { unsigned long at = address(virt_to_pfn(alloc_page())); return update(at); }
`);
    expect(others).toEqual([]);
    expect(warning).toMatchObject({ id: 'kind.wrong-space', line: 3, column: 61 });
    expect(warning?.related).toMatchObject([{ range: { line: 4 } }]);
  });

  it('with the edit that mends it', () => {
    const [warning] = warningsOf(inMain('op.arg1.mfn = pfn;'));
    expect(warning?.fix?.edits.map((edit) => edit.text)).toEqual(['pfn_to_mfn(', ')']);
    expect(warning?.message).toContain('Use pfn_to_mfn(...).');
  });

  it('the mistakes that the examples make on purpose', () => {
    const said = ['wrong-translation/broken.guest.c', 'half-done-batch/right.guest.c'].map((name) =>
      warningsOf(read(name)).map((problem) => problem.message),
    );
    expect(said).toEqual([
      [expect.stringMatching(/^This is a pseudo-physical address, but mmu_update's ptr wants/)],
      [expect.stringMatching(/^This is a virtual address, but mmu_update's ptr wants/)],
    ]);
  });

  it("the wiki page's first mistake: the M2P looked up with a page of the guest's own", () => {
    const text = read('wiki-2006.guest.c');
    const [warning, ...others] = warningsOf(text);
    expect(others).toEqual([]);
    expect(text.split('\n')[(warning?.line ?? 0) - 1]).toContain('mfn_to_pfn(virt_to_pfn(page))');
  });
});

describe('nothing is said', () => {
  it.each(RIGHT)('%s', (statement) => {
    expect(warningsOf(inMain(statement)).map(problemLine)).toEqual([]);
  });

  it('about macros as Mini-OS has them, with the kernel counting from its own text', () => {
    expect(
      warningsOf(`
#undef to_phys
#undef to_virt
#undef virt_to_pfn
#undef virt_to_mfn
#define BASE ((unsigned long)&_text)
extern char _text;
#define to_phys(x) ((unsigned long)(x) - BASE)
#define to_virt(x) ((void *)((unsigned long)(x) + BASE))
#define virt_to_pfn(v) (to_phys(v) >> PAGE_SHIFT)
#define virt_to_mfn(v) (phys_to_machine_mapping[virt_to_pfn(v)])
#define own_mfn_to_virt(m) (to_virt(machine_to_phys_mapping[m] << PAGE_SHIFT))
#define own_pte_to_mfn(p) (((p) & (0xffffffffffUL & PAGE_MASK)) >> PAGE_SHIFT)
int kernel_main(start_info_t *si)
{
    pgentry_t *tab = (pgentry_t *)si->pt_base, page = tab[3];
    unsigned long mfn = own_pte_to_mfn(page), prev = virt_to_mfn(tab);
    mmu_update_t u[2];
    tab = own_mfn_to_virt(mfn);
    u[0].ptr = (tab[1] & PAGE_MASK) + sizeof(pgentry_t) * 5;
    u[0].val = (pgentry_t)phys_to_machine_mapping[virt_to_pfn(tab)] << PAGE_SHIFT | (L1_PROT & ~_PAGE_RW);
    u[1].ptr = ((pgentry_t)prev << PAGE_SHIFT) + sizeof(pgentry_t) * 7;
    u[1].val = tab[2] | _PAGE_RW;
    return HYPERVISOR_mmu_update(u, 2, NULL, DOMID_SELF);
}`).map(problemLine),
    ).toEqual([]);
  });

  const correct = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.guest.c') && !/broken|wiki-2006|half-done-batch/.test(name),
  );
  it.each(correct)('about the correct example %s', (name) => {
    expect(warningsOf(readFileSync(EXAMPLES + name, 'utf8')).map(problemLine)).toEqual([]);
  });
});
