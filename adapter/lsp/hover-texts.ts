/**
 * What there is to say about hypercalls, their constants and errors: a row each in our words (facts sections 3, 4, 7 to 9),
 * and the rules of the model that belong to it.
 */

import type { ErrnoName } from '../../core/hypervisor/errno.ts';
import { ERRNO } from '../../core/hypervisor/errno.ts';
import type { Rule, RuleId } from '../../core/hypervisor/rules.ts';
import { allRules } from '../../core/hypervisor/rules.ts';

interface Entry {
  readonly text: string;
  /** Beginnings of the ids of the rules that can refuse it. */
  readonly rules?: readonly string[];
}

const ENTRY_RULES = ['l1e.', 'l2e.', 'l3e.', 'l4e.', 'linear.', 'type.'] as const;
const FOREIGN = 'foreign.';

/** Hypercalls by name, without `HYPERVISOR_`. */
const HYPERCALLS: Readonly<Record<string, Entry>> = {
  mmu_update: {
    text:
      'Sets entries of page tables, or of the M2P. Each request is a machine address (its low bits are the command) and a value; ' +
      'they are done in order and visible to later ones. The first that is refused ends the batch, the earlier ones stay done, ' +
      'and `*done` counts them. Xen checks each entry and takes references on what it maps. It flushes the TLB for levels above 1 only.',
    rules: ['mmu_update.', FOREIGN, ...ENTRY_RULES],
  },
  mmuext_op: {
    text:
      'Operations around page tables: pin and unpin a table, load a root, flush the TLB, set the LDT. `arg1.mfn` is a machine **frame**, ' +
      'not an address. The first operation that is refused ends the batch.',
    rules: [
      'mmuext_op.',
      'pin.',
      'unpin.',
      'baseptr.',
      'user-baseptr.',
      'set_ldt.',
      'clear_page.',
      'copy_page.',
      FOREIGN,
    ],
  },
  update_va_mapping: {
    text:
      'Sets the L1 entry that maps a virtual address under the loaded root, and flushes as the flags say. The tables above it must exist. ' +
      'The usual way to make a page read-only before it becomes a page table.',
    rules: ['va_mapping.', ...ENTRY_RULES],
  },
  update_va_mapping_otherdomain: {
    text: 'As `update_va_mapping`, with an entry that maps a page of another domain.',
    rules: ['va_mapping.', FOREIGN, ...ENTRY_RULES],
  },
  set_trap_table: {
    text:
      'Installs trap handlers: an array of `trap_info` that ends with an address of 0; NULL removes all. A page fault without a handler ' +
      'crashes the domain. In the library the address is that of a C function taking `struct cpu_user_regs *`.',
    rules: ['set_trap_table.', 'trap.'],
  },
  set_gdt: {
    text: 'Installs the frames of the descriptor table. They must not be mapped writable anywhere.',
    rules: ['set_gdt.', 'descriptor.'],
  },
  memory_op: {
    text:
      'Gives pages back, takes new ones, exchanges them, and tells about memory. Populate, increase and decrease return **how many extents** ' +
      'were done, never an error number. Xen does not keep the P2M: the guest must.',
    rules: ['memory_op.'],
  },
  console_io: {
    text: "Writes to Xen's console or reads from it. Only for the hardware domain: others write into their console ring, as `printk` does.",
    rules: ['console_io.'],
  },
  sched_op: { text: 'Yields, blocks, or shuts the domain down with a reason.', rules: ['sched_op.'] },
  event_channel_op: { text: 'Event channels: bind, send, close, unmask.', rules: ['event_channel_op.'] },
  xen_version: { text: 'The version of Xen, its capabilities and features.', rules: ['xen_version.'] },
  vm_assist: {
    text: 'Turns a service on or off, such as the emulation of stores to L1 page tables.',
    rules: ['vm_assist.'],
  },
  multicall: {
    text: 'Runs a list of hypercalls. It returns 0 even when one of them fails: look at each `result`.',
    rules: ['multicall.'],
  },
  stack_switch: { text: 'Sets the stack on which Xen enters the kernel from user code.' },
  set_callbacks: { text: 'Sets the entry points for events, failing segment loads and system calls.' },
  iret: {
    text: "Returns from a trap by the frame on the kernel stack. The library's entry stubs end with it.",
    rules: ['iret.'],
  },
  grant_table_op: {
    text: 'Shares pages with other domains. The result of each operation is in its `status`.',
  },
  update_descriptor: { text: 'Sets one descriptor of the GDT or LDT.', rules: ['descriptor.'] },
  vcpu_op: { text: 'Starts, stops and asks about virtual CPUs.' },
  set_segment_base: { text: 'Sets the base of FS or GS on x86_64.' },
  fpu_taskswitch: { text: 'Sets or clears the virtual CR0.TS.' },
};

const pin = (level: number): Entry => ({
  text:
    `Pins a frame as an L${level} page table: checks it and all below it, and keeps it a page table while it is not linked. ` +
    'The frame must be mapped writable nowhere. One pin at a time; it counts one reference and one type reference.',
  rules: ['pin.', `l${level}e.`, 'type.'],
});

const local = (what: string): Entry => ({
  text: `Flushes ${what} on this vCPU.`,
  rules: ['mmuext_op.foreign'],
});

/** Constants of the interface by name. */
const CONSTANTS: Readonly<Record<string, Entry>> = {
  MMU_NORMAL_PT_UPDATE: {
    text: 'Command of `mmu_update`: set the entry at that machine address, checked as an entry of the level that its table has.',
    rules: ['mmu_update.table-owner', 'mmu_update.not-storable', ...ENTRY_RULES],
  },
  MMU_MACHPHYS_UPDATE: {
    text: 'Command of `mmu_update`: set the M2P entry of the frame of that machine address.',
    rules: ['mmu_update.m2p'],
  },
  MMU_PT_UPDATE_PRESERVE_AD: {
    text: 'As `MMU_NORMAL_PT_UPDATE`, but the accessed and dirty bits stay as they are.',
  },
  MMU_PT_UPDATE_NO_TRANSLATE: { text: 'As `MMU_NORMAL_PT_UPDATE`; for a PV domain there is no difference.' },
  MMUEXT_PIN_L1_TABLE: pin(1),
  MMUEXT_PIN_L2_TABLE: pin(2),
  MMUEXT_PIN_L3_TABLE: pin(3),
  MMUEXT_PIN_L4_TABLE: pin(4),
  MMUEXT_UNPIN_TABLE: {
    text: 'Takes the pin away. A table that nothing else holds becomes an ordinary page; its contents stay.',
    rules: ['unpin.'],
  },
  MMUEXT_NEW_BASEPTR: {
    text: 'Loads another root page table for the kernel. On x86_64 user code has a root of its own.',
    rules: ['baseptr.'],
  },
  MMUEXT_NEW_USER_BASEPTR: {
    text: 'Loads the root page table of user code (x86_64); 0 for none.',
    rules: ['user-baseptr.'],
  },
  MMUEXT_TLB_FLUSH_LOCAL: local('the TLB'),
  MMUEXT_INVLPG_LOCAL: local('the translation of one address'),
  MMUEXT_TLB_FLUSH_ALL: { text: 'Flushes the TLB on all vCPUs of the domain.', rules: ['mmuext_op.foreign'] },
  MMUEXT_INVLPG_ALL: {
    text: 'Flushes the translation of one address on all vCPUs.',
    rules: ['mmuext_op.foreign'],
  },
  MMUEXT_SET_LDT: { text: 'Sets address and length of the LDT.', rules: ['set_ldt.'] },
  MMUEXT_CLEAR_PAGE: { text: 'Clears a page, which must not be in use as a table.', rules: ['clear_page.'] },
  MMUEXT_COPY_PAGE: { text: 'Copies a page onto one that is not in use as a table.', rules: ['copy_page.'] },
  UVMF_NONE: { text: 'Flush nothing: right when the entry was not present before.' },
  UVMF_TLB_FLUSH: { text: 'Flush the TLB.' },
  UVMF_INVLPG: { text: 'Flush the translation of that address.' },
  UVMF_LOCAL: { text: 'Flush on this vCPU only.' },
  UVMF_ALL: { text: 'Flush on all vCPUs of the domain.' },
  DOMID_SELF: {
    text: 'The calling domain. MMU calls refuse its numeric id: use this.',
    rules: ['foreign.own-id'],
  },
  DOMID_IO: { text: 'The owner of I/O memory: for mapping devices.' },
  DOMID_XEN: { text: 'Xen itself, for pages it offers to privileged domains.' },
  XENMEM_increase_reservation: {
    text: 'Takes new frames; their M2P entries stay invalid. Returns how many extents.',
    rules: ['memory_op.'],
  },
  XENMEM_decrease_reservation: {
    text: 'Gives frames back. One that is still mapped, pinned or granted goes when the last reference does. Returns how many extents.',
    rules: ['memory_op.invalid-frame', 'memory_op.not-owned'],
  },
  XENMEM_populate_physmap: {
    text:
      "Takes new frames for the PFNs in the list: Xen sets the M2P and puts the MFN in the PFN's place. The guest must enter it in its P2M. " +
      'Returns how many extents.',
    rules: ['memory_op.no-memory', 'memory_op.order', 'memory_op.list'],
  },
  XENMEM_exchange: {
    text: 'Exchanges frames for others, such as contiguous ones. Each must have no reference besides being allocated.',
  },
  XENMEM_machphys_mapping: { text: 'Where the M2P is mapped and how far it goes.' },
  VMASST_TYPE_writable_pagetables: {
    text: 'Stores to L1 tables through a read-only mapping are emulated, with all checks.',
  },
  _PAGE_PRESENT: { text: 'The entry is in use. Xen checks present entries only.' },
  _PAGE_RW: {
    text: 'Writable. At level 1 it takes a writable type reference: no page table can be mapped so.',
    rules: ['l1e.writable-type'],
  },
};

const MOST_RULES = 12;

/** Text about a hypercall by its name (`HYPERVISOR_mmu_update`, `__HYPERVISOR_mmu_update`), null for other names. */
export function hypercallText(name: string): string | null {
  const bare = /^(?:__)?HYPERVISOR_(\w+)$/.exec(name)?.[1];
  const entry = bare === undefined ? undefined : HYPERCALLS[bare];
  return entry === undefined ? null : withRules(`**Hypercall \`${bare ?? ''}\`.** ${entry.text}`, entry);
}

/** Text about a constant of the interface, null for other names. */
export function constantText(name: string): string | null {
  const entry = Object.hasOwn(CONSTANTS, name) ? CONSTANTS[name] : undefined;
  return entry === undefined ? null : withRules(entry.text, entry);
}

/** Text about an error number by its name: when Xen answers it. */
export function errnoText(name: string): string | null {
  if (!isErrno(name)) return null;
  const rows = allRules().filter(({ rule }) => rule.errno['4.17'] === name || rule.errno['3.0.4'] === name);
  const title = `\`-${name}\` is ${-ERRNO[name]}.`;
  if (rows.length === 0) return title;
  const listed = rows.slice(0, MOST_RULES).map(({ id, rule }) => `- ${sentenceOf(rule)} (\`${id}\`)`);
  return [`${title} Xen answers it when:`, '', ...listed, ...more(rows.length)].join('\n');
}

const isErrno = (name: string): name is ErrnoName => Object.hasOwn(ERRNO, name);

function withRules(text: string, entry: Entry): string {
  const beginnings = entry.rules ?? [];
  const rows = allRules().filter(({ id }) => beginnings.some((beginning) => id.startsWith(beginning)));
  if (rows.length === 0) return text;
  const listed = rows.slice(0, MOST_RULES).map(ruleLine);
  return [text, '', 'Xen refuses:', '', ...listed, ...more(rows.length)].join('\n');
}

const more = (count: number): string[] => (count > MOST_RULES ? [`- and ${count - MOST_RULES} more`] : []);

function ruleLine({ id, rule }: { readonly id: RuleId; readonly rule: Rule }): string {
  const errno = rule.errno['4.17'];
  return `- \`${errno === null ? 'domain crash' : `-${errno}`}\` ${sentenceOf(rule)} ${rule.remedy} (\`${id}\`)`;
}

/** The rule's sentence with the names of its evidence in italics. */
const sentenceOf = (rule: Rule): string =>
  rule.sentence.replace(
    /\b0x\{(\w+?)(?:Hex)?\}|\{(\w+)\}/g,
    (_, hex: string | undefined, plain: string) => `*${hex ?? plain}*`,
  );

/** Every name that has a text, for tests. */
export const textedNames = (): {
  readonly hypercalls: readonly string[];
  readonly constants: readonly string[];
} => ({
  hypercalls: Object.keys(HYPERCALLS),
  constants: Object.keys(CONSTANTS),
});

/** Beginnings of rule ids that rows name, for tests: none may be without a rule. */
export const namedRules = (): readonly string[] => [
  ...new Set(
    [...Object.values(HYPERCALLS), ...Object.values(CONSTANTS)].flatMap((entry) => entry.rules ?? []),
  ),
];
