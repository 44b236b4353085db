/** Rules of page-table entries, page types and linear tables: facts 2.3, 2.9, 3.6, 3.10, 3.11. */

import { CRASH, type Rule, both, onceEinval } from './rule.ts';

/** Rules that are the same at L2, L3 and L4; `{child}` is the level below. */
function upperEntryRules(level: 2 | 3 | 4): {
  readonly flags: Rule;
  readonly owner: Rule;
  readonly type: Rule;
} {
  const child = `L${level - 1}`;
  return {
    flags: {
      sentence: `The new L${level} entry {entry} has flags that Xen forbids at this level: {badFlags}.`,
      errno: both('EINVAL'),
      xenFunction: `get_page_from_l${level}e`,
      xenPrints: `Bad L${level} flags {xenFlags}`,
      printsInRelease: false,
      usualCause: 'A superpage (PSE), a global bit, or cache bits put into an upper-level entry.',
      remedy: `Use only P, RW, US, A, D and the software bits in L${level} entries; map large areas with 4 KiB pages.`,
    },
    owner: {
      sentence: `The L${level} entry {entry} points at mfn {frame}, which {ownership}; a table must belong to the domain itself.`,
      errno: both('EINVAL'),
      xenFunction: `get_page_from_l${level}e`,
      xenPrints: null,
      printsInRelease: false,
      usualCause:
        'The frame is not a machine frame of this domain: a PFN used without translating it through the P2M, or the M2P used in its place.',
      remedy: 'Take the machine frame from the P2M: mfn = mfn_list[pfn].',
    },
    type: {
      sentence: `The L${level} entry {entry} needs mfn {frame} as ${child} page table, but that frame is in use as {found} (type count {typeCount}).`,
      errno: both('EINVAL'),
      xenFunction: '_get_page_type',
      xenPrints: 'Bad type (saw {xenSaw} != exp {xenExpected}) for mfn {frame} (pfn {pfn})',
      printsInRelease: false,
      usualCause: `A page that should become a page table is still mapped writable somewhere, most often by the kernel's own linear mapping.`,
      remedy:
        'Make every mapping of the page read-only (update_va_mapping without RW, with a flush), then link it.',
    },
  };
}

const L2 = upperEntryRules(2);
const L3 = upperEntryRules(3);
const L4 = upperEntryRules(4);

export const entryRules = {
  'l1e.flags': {
    sentence: 'The new L1 entry {entry} has flags that this domain may not set: {badFlags}.',
    errno: both('EINVAL'),
    xenFunction: 'get_page_from_l1e',
    xenPrints: 'Bad L1 flags {xenFlags}',
    printsInRelease: false,
    usualCause: 'Cache bits (PWT, PCD, PAT) in a domain without I/O rights; bit 62 on a debug hypervisor.',
    remedy: 'Leave the cache bits clear; use only the software bits that Xen leaves to guests.',
  },
  'l1e.invalid-frame': {
    sentence: 'The L1 entry {entry} holds the invalid frame number (all ones).',
    errno: both('EINVAL'),
    xenFunction: 'get_page_from_l1e',
    xenPrints: null,
    printsInRelease: false,
    usualCause: 'An entry of the P2M or M2P that means "no page" was used as a frame.',
    remedy: 'Check the P2M entry for all ones before mapping it; populate the page first.',
  },
  'l1e.mmio': {
    sentence:
      'The L1 entry {entry} maps mfn {frame}, which is no RAM of this machine; d{domain} has no I/O right to it.',
    errno: onceEinval('EPERM'),
    xenFunction: 'get_page_from_l1e',
    xenPrints: 'd{domain} non-privileged attempt to map MMIO space {frame}',
    printsInRelease: false,
    usualCause:
      'A wrong frame number: a machine address used as a frame, a PFN beyond the machine, or the first MiB.',
    remedy: 'Take the machine frame from the P2M: mfn = mfn_list[pfn].',
  },
  'l1e.owner': {
    sentence:
      'The L1 entry {entry} maps mfn {frame}, which {ownership}; d{domain} may map only its own frames.',
    errno: onceEinval('EBUSY'),
    xenFunction: 'get_page_from_l1e',
    xenPrints: 'pg_owner d{domain} l1e_owner d{domain}, but real_pg_owner d{owner}',
    printsInRelease: false,
    usualCause:
      'A PFN used as a machine frame, or a frame that was given back to Xen and is still in the P2M.',
    remedy: 'Take the machine frame from the P2M: mfn = mfn_list[pfn]; keep the P2M in step with memory_op.',
  },
  'l1e.writable-type': {
    sentence:
      'The L1 entry {entry} maps mfn {frame} writable, but that frame is in use as {found} (type count {typeCount}).',
    errno: onceEinval('EBUSY'),
    xenFunction: 'get_page_from_l1e',
    xenPrints: 'Could not get page type PGT_writable_page',
    printsInRelease: false,
    usualCause:
      'A writable mapping of a live page table: guests may map page tables read-only and nothing more.',
    remedy: 'Map it without RW, or first unlink and unpin the table so that its type count falls to 0.',
  },
  'l1e.cache-attributes': {
    sentence:
      'The L1 entry {entry} maps mfn {frame}, a page of Xen, with cache attributes other than write-back.',
    errno: both('EACCES'),
    xenFunction: 'get_page_from_l1e',
    xenPrints: null,
    printsInRelease: false,
    usualCause: 'PCD, PWT or PAT on shared_info or a grant frame.',
    remedy: 'Map pages shared with Xen write-back: clear PWT, PCD and PAT.',
  },
  'l2e.flags': L2.flags,
  'l2e.child-owner': L2.owner,
  'l2e.child-type': L2.type,
  'l3e.flags': L3.flags,
  'l3e.child-owner': L3.owner,
  'l3e.child-type': L3.type,
  'l4e.flags': L4.flags,
  'l4e.child-owner': L4.owner,
  'l4e.child-type': L4.type,
  'l2e.xen-slot': {
    sentence: 'Slot {slot} of the L2 table mfn {table} belongs to Xen.',
    errno: onceEinval('EPERM'),
    xenFunction: 'mod_l2_entry',
    xenPrints: 'L2 update in Xen-private area, slot {slot}',
    printsInRelease: false,
    usualCause: 'An address inside the hole that Xen reserves for itself.',
    remedy: 'Choose an address outside the hole of this ABI.',
  },
  'l4e.xen-slot': {
    sentence: 'Slot {slot} of the L4 table mfn {table} belongs to Xen.',
    errno: both('EINVAL'),
    xenFunction: 'mod_l4_entry',
    xenPrints: 'L4 update in Xen-private area, slot {slot}',
    printsInRelease: false,
    usualCause: 'An address from 0xffff800000000000 to 0xffff87ffffffffff, which Xen reserves for itself.',
    remedy: 'Use slots 0 to 255 or 272 to 511.',
  },
  'l3e.closed-slot': {
    sentence:
      'Slot {slot} of the PAE root mfn {table} cannot be changed while the root is in use: the L2 table of slot 3 carries Xen.',
    errno: both('EINVAL'),
    xenFunction: 'mod_l3_entry',
    xenPrints: null,
    printsInRelease: false,
    usualCause:
      'A change of the top gigabyte by its L3 entry; or a slot above 3, which a PAE root does not have.',
    remedy:
      'Change entries of the L2 table in slot 3 instead, or build a new root with another one and load that.',
  },
  'l3e.plain-l2': {
    sentence:
      'Slot 3 of the PAE root mfn {table} needs mfn {frame} as the L2 that carries Xen, but it is in use as a plain L2 (type count {typeCount}).',
    errno: both('EINVAL'),
    xenFunction: '_get_page_type',
    xenPrints: 'Bad type (saw {xenSaw} != exp {xenExpected}) for mfn {frame} (pfn {pfn})',
    printsInRelease: false,
    usualCause: 'The L2 of slot 3 was pinned as L2 before it was linked, or is also linked in slots 0 to 2.',
    remedy: 'Do not pin the L2 of slot 3; the root holds it. Link it in slot 3 of one root and nowhere else.',
  },
  'l3e.top-l2': {
    sentence:
      'Slot {slot} of the PAE root mfn {table} needs mfn {frame} as a plain L2, but it carries Xen in slot 3 of a root.',
    errno: both('EINVAL'),
    xenFunction: '_get_page_type',
    xenPrints: 'Bad type (saw {xenSaw} != exp {xenExpected}) for mfn {frame} (pfn {pfn})',
    printsInRelease: false,
    usualCause: 'The same L2 table linked in slot 3 and in a lower slot.',
    remedy: 'Give the lower slot an L2 table of its own; L1 tables may be shared between the two.',
  },
  'l3.no-top-l2': {
    sentence: 'Slot 3 of the PAE root mfn {table} is empty, but its L2 table must be there to carry Xen.',
    errno: both('EINVAL'),
    xenFunction: 'promote_l3_table',
    xenPrints: 'PAE L3 3rd slot is empty',
    printsInRelease: false,
    usualCause: 'A new root that was filled only for the addresses that its process uses.',
    remedy: 'Link an L2 table, empty or with the kernel in it, in slot 3 before pinning or loading the root.',
  },
  'l3.shared-top-l2': {
    sentence:
      'Slot 3 of the PAE root mfn {table} names mfn {frame}, which another root has in its slot 3 already (type count {typeCount}).',
    errno: both('EINVAL'),
    xenFunction: 'create_pae_xen_mappings',
    xenPrints: 'PAE L3 3rd slot is shared',
    printsInRelease: false,
    usualCause: "Two address spaces made from one kernel's root by copying its four entries.",
    remedy: 'Copy the L2 table of slot 3 into a page of its own for each root; they may share its L1 tables.',
  },
  'l3.above-4g': {
    sentence: 'The PAE root mfn {table} lies at or above 4 GiB, where CR3 of a PAE guest cannot point.',
    errno: onceEinval('ERANGE'),
    xenFunction: 'promote_l3_table',
    xenPrints: 'PAE pgd must be below 4GB ({frame} >= 0x100000)',
    printsInRelease: false,
    usualCause: 'A root in any free frame on a machine with more than 4 GiB.',
    remedy:
      'Enable the assist VMASST_TYPE_pae_extended_cr3, or exchange the page for one below 4 GiB (XENMEM_exchange, address_bits 32).',
  },
  'l1tf.entry': {
    sentence:
      'The L{level} entry {entry} of d{domain} has no P, but names a frame that a processor with the L1TF flaw may read; this Xen has no shadow tables to hide it.',
    errno: CRASH,
    xenFunction: 'pv_l1tf_check_pte',
    xenPrints: 'd{domain} L1TF-vulnerable L{level}e {entry} - Crashing',
    printsInRelease: true,
    usualCause:
      'A guest kernel without the mitigation, which keeps a swap entry or a stale frame in an entry without P.',
    remedy: 'Clear the frame of entries without P, or invert its bits as mitigated kernels do.',
  },
  'linear.disabled': {
    sentence:
      'The entry {entry} makes a linear page table, and this hypervisor was started with pv-linear-pt=0.',
    errno: both('EINVAL'),
    xenFunction: 'get_linear_pagetable',
    xenPrints: 'Attempt to create linear p.t. (feature disabled)',
    printsInRelease: false,
    usualCause: 'A recursive map of the page directory on a hypervisor without them.',
    remedy: 'Reach page tables through their read-only kernel mappings.',
  },
  'linear.writable': {
    sentence:
      'The L{level} entry {entry} points at mfn {frame}, itself an L{level} table: such a linear entry must not have RW.',
    errno: both('EINVAL'),
    xenFunction: 'get_linear_pagetable',
    xenPrints: 'Attempt to create linear p.t. with write perms',
    printsInRelease: false,
    usualCause:
      'The page was pinned or linked as a table of the same level as the one that it is now linked into (PIN_L2 where PIN_L1 was meant).',
    remedy: 'For a recursive map clear RW; to link a page table, give it the type of the level below.',
  },
  'linear.nested': {
    sentence:
      'The linear entry {entry} would nest linear tables: mfn {table} is used by {uses} linear entries and mfn {frame} has {own} of its own.',
    errno: both('EINVAL'),
    xenFunction: 'get_linear_pagetable',
    xenPrints: null,
    printsInRelease: false,
    usualCause:
      'Two tables that name each other, or a chain of linear entries; Xen allows one level (XSA-240).',
    remedy: 'Remove the linear entries of one of the two tables.',
  },
  'type.count-overflow': {
    sentence: 'The type count of mfn {frame} is at its maximum.',
    errno: both('EINVAL'),
    xenFunction: '_get_page_type',
    xenPrints: 'Type count overflow on pfn {frame}',
    printsInRelease: false,
    usualCause: 'Tens of thousands of mappings of one frame on a hypervisor with 16-bit counts.',
    remedy: 'Remove some of the mappings.',
  },
} as const satisfies Record<string, Rule>;
