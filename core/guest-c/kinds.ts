/**
 * Address kinds: what number a value is. Xen's guests juggle three address spaces (facts 1.1) and write every number of them
 * as an `unsigned long`; the names of the interface tell them apart. This file says which names carry which kind, and
 * how to get from one kind to another; `checker-kinds.ts` follows the kinds through a script.
 */

/**
 * pfn, paddr: frame and address of the guest's own numbering. mfn, maddr: of the machine. vaddr: a virtual address.
 * pte: a page-table entry. p2m, m2p: the tables that lead from one numbering to the other, by their address.
 */
export type Kind = 'pfn' | 'mfn' | 'paddr' | 'maddr' | 'vaddr' | 'pte' | 'p2m' | 'm2p';

type Space = 'pseudo-physical' | 'machine' | 'virtual';
type Shape = 'frame' | 'address' | 'entry' | 'table';

interface KindRow {
  readonly space: Space;
  readonly shape: Shape;
  /** With its article, for messages. */
  readonly name: string;
}

export const KINDS: { readonly [kind in Kind]: KindRow } = {
  pfn: { space: 'pseudo-physical', shape: 'frame', name: 'a pseudo-physical frame number (pfn)' },
  mfn: { space: 'machine', shape: 'frame', name: 'a machine frame number (mfn)' },
  paddr: { space: 'pseudo-physical', shape: 'address', name: 'a pseudo-physical address' },
  maddr: { space: 'machine', shape: 'address', name: 'a machine address' },
  vaddr: { space: 'virtual', shape: 'address', name: 'a virtual address' },
  pte: { space: 'machine', shape: 'entry', name: 'a page-table entry' },
  p2m: { space: 'virtual', shape: 'table', name: 'the address of the P2M' },
  m2p: { space: 'virtual', shape: 'table', name: 'the address of the M2P' },
};

/** What the two lookup tables are indexed by and hold. */
export const TABLES = {
  p2m: { name: 'the P2M', index: 'pfn', holds: 'mfn' },
  m2p: { name: 'the M2P', index: 'mfn', holds: 'pfn' },
} as const;

/** Types whose name says the kind, whoever declares them. */
export const KIND_OF_TYPEDEF: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['pfn_t', 'pfn'],
  ['mfn_t', 'mfn'],
  ['maddr_t', 'maddr'],
  ['vaddr_t', 'vaddr'],
  ['pteval_t', 'pte'],
  ['pgentry_t', 'pte'],
  ['intpte_t', 'pte'],
]);

/** Types that have the kind in the shipped headers; elsewhere a `paddr_t` may be an address of the machine. */
export const KIND_OF_SHIPPED_TYPEDEF: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['paddr_t', 'paddr'],
]);

/** `tag.member` or `typedef.member`, through nested members, of Xen's interface and of kernels' usual wrappers. */
export const KIND_OF_MEMBER: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['mmu_update.ptr', 'maddr'],
  ['mmu_update.val', 'pte'],
  ['mmuext_op.arg1.mfn', 'mfn'],
  ['mmuext_op.arg1.linear_addr', 'vaddr'],
  ['mmuext_op.arg2.src_mfn', 'mfn'],
  ['start_info.shared_info', 'maddr'],
  ['start_info.store_mfn', 'mfn'],
  ['start_info.console.domU.mfn', 'mfn'],
  ['start_info.pt_base', 'vaddr'],
  ['start_info.mfn_list', 'p2m'],
  ['start_info.first_p2m_pfn', 'pfn'],
  ['grant_entry_v1.frame', 'mfn'],
  ['grant_entry.frame', 'mfn'],
  ['gnttab_transfer.mfn', 'mfn'],
  ['vcpu_register_vcpu_info.mfn', 'mfn'],
  ['arch_vcpu_info.cr2', 'vaddr'],
  ['arch_shared_info.pfn_to_mfn_frame_list_list', 'mfn'],
  ['pte_t.pte', 'pte'],
  ['pte_t.pte_low', 'pte'],
]);

export interface FunctionKinds {
  /** Null where a parameter is no address. */
  readonly parameters: readonly (Kind | null)[];
  readonly returns: Kind | null;
}

const f = (parameters: readonly (Kind | null)[], returns: Kind | null = null): FunctionKinds => ({
  parameters,
  returns,
});

/** Hypercalls and the helpers of kernels, by the names that Xen's guests share. */
export const KINDS_OF_FUNCTION: ReadonlyMap<string, FunctionKinds> = new Map([
  ['HYPERVISOR_update_va_mapping', f(['vaddr', 'pte'])],
  ['HYPERVISOR_update_va_mapping_otherdomain', f(['vaddr', 'pte'])],
  ['hypercall_update_va_mapping', f(['vaddr', 'pte'])],
  ['HYPERVISOR_update_descriptor', f(['maddr'])],
  ['hypercall_update_descriptor', f(['maddr'])],
  ['virt_to_pfn', f(['vaddr'], 'pfn')],
  ['virt_to_mfn', f(['vaddr'], 'mfn')],
  ['virt_to_gfn', f(['vaddr'], 'mfn')],
  ['virt_to_maddr', f(['vaddr'], 'maddr')],
  ['virt_to_machine', f(['vaddr'], 'maddr')],
  ['virt_to_mach', f(['vaddr'], 'maddr')],
  ['arbitrary_virt_to_machine', f(['vaddr'], 'maddr')],
  ['pfn_to_mfn', f(['pfn'], 'mfn')],
  ['pfn_to_virt', f(['pfn'], 'vaddr')],
  ['mfn_to_pfn', f(['mfn'], 'pfn')],
  ['mfn_to_virt', f(['mfn'], 'vaddr')],
  ['mfn_to_maddr', f(['mfn'], 'maddr')],
  ['maddr_to_virt', f(['maddr'], 'vaddr')],
  ['phys_to_machine', f(['paddr'], 'maddr')],
  ['machine_to_phys', f(['maddr'], 'paddr')],
  ['mfn_to_pte', f(['mfn'], 'pte')],
  ['pte_to_mfn', f(['pte'], 'mfn')],
  ['pte_from_gfn', f(['mfn'], 'pte')],
  ['pte_from_paddr', f(['maddr'], 'pte')],
  ['pte_from_virt', f(['vaddr'], 'pte')],
  ['entry_maddr', f(['mfn'], 'maddr')],
  ['read_entry', f(['mfn'], 'pte')],
  ['read_cr2', f([], 'vaddr')],
  ['alloc_page', f([], 'vaddr')],
]);

/** Objects that are lookup tables. */
export const KIND_OF_OBJECT: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['phys_to_machine_mapping', 'p2m'],
  ['machine_to_phys_mapping', 'm2p'],
]);

/** Whether a value of one kind may go where another is wanted. */
export function isAcceptable(have: Kind, want: Kind): boolean {
  if (have === want || KINDS[want].shape === 'table') return true;
  // A machine address with flags in its low bits is an entry.
  if (want === 'pte') return have === 'maddr';
  // Kernels that map their memory one to one use these as each other; so they may.
  if (want === 'vaddr') return have === 'paddr' || KINDS[have].shape === 'table';
  return false;
}

export const isOtherSpace = (have: Kind, want: Kind): boolean => KINDS[have].space !== KINDS[want].space;

/** Text in front of and behind a value that makes another kind of it. */
export type Wrapping = readonly [before: string, after: string];

const wrapped = (inner: Wrapping, outer: Wrapping): Wrapping => [outer[0] + inner[0], inner[1] + outer[1]];

/** The shortest ways, then by way of the machine frame. */
const DIRECT: ReadonlyMap<string, Wrapping> = new Map<string, Wrapping>([
  ['vaddr pfn', ['virt_to_pfn(', ')']],
  ['vaddr paddr', ['to_phys(', ')']],
  ['pfn vaddr', ['pfn_to_virt(', ')']],
  ['pfn paddr', ['((paddr_t)(', ') << PAGE_SHIFT)']],
  ['paddr pfn', ['((', ') >> PAGE_SHIFT)']],
  ['paddr vaddr', ['to_virt(', ')']],
  ['pte maddr', ['((', ') & PTE_FRAME_MASK)']],
]);

const TO_MFN: ReadonlyMap<Kind, Wrapping> = new Map<Kind, Wrapping>([
  ['pfn', ['pfn_to_mfn(', ')']],
  ['mfn', ['', '']],
  ['paddr', ['pfn_to_mfn((', ') >> PAGE_SHIFT)']],
  ['maddr', ['((', ') >> PAGE_SHIFT)']],
  ['vaddr', ['virt_to_mfn(', ')']],
  ['pte', ['pte_to_mfn(', ')']],
]);

const FROM_MFN: ReadonlyMap<Kind, Wrapping> = new Map<Kind, Wrapping>([
  ['pfn', ['mfn_to_pfn(', ')']],
  ['mfn', ['', '']],
  ['paddr', ['((paddr_t)mfn_to_pfn(', ') << PAGE_SHIFT)']],
  ['maddr', ['mfn_to_maddr(', ')']],
  ['vaddr', ['(unsigned long)mfn_to_virt(', ')']],
]);

/** What makes one kind of the other; null when more than an expression is needed (an entry needs its flags). */
export function conversion(have: Kind, want: Kind): Wrapping | null {
  const direct = DIRECT.get(`${have} ${want}`);
  if (direct !== undefined) return direct;
  const toFrame = TO_MFN.get(have);
  const fromFrame = FROM_MFN.get(want);
  return toFrame === undefined || fromFrame === undefined ? null : wrapped(toFrame, fromFrame);
}

/** "Use pfn_to_mfn(...)." and its like. */
export function remedy(have: Kind, want: Kind): string {
  const toFrame = TO_MFN.get(have);
  if (want === 'pte' && toFrame !== undefined) return `Use mfn_to_pte(${toFrame.join('...')}, flags).`;
  const way = conversion(have, want);
  return way === null ? '' : `Use ${way.join('...')}.`;
}
