/**
 * The shipped headers: without a complaint from this front end and from gcc, for every ABI, and with the layouts and numbers
 * of Xen's ABI (facts sections 4.1, 5.1, 5.2, 6.1, 6.6, 7.1, 9.9).
 */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { AbiName } from '../../../core/guest-c/types.ts';
import {
  GCC_MACHINE,
  HEADERS_FOLDER,
  SHIPPED,
  compileText,
  gccMessages,
  problemLine,
  withoutGcc,
} from './front-support.ts';

const ABIS: readonly AbiName[] = ['x86_64', 'x86_32p', 'x86_32'];
const headers = [...SHIPPED.files.keys()].filter(
  (name) => name.endsWith('.h') && !/xen-x86_\d+\.h$/.test(name),
);
/** Without those that only name another. */
const substantial = headers.filter(
  (name) => !/^(\/\*.*\*\/|#include .*|\n)*$/.test(SHIPPED.files.get(name) ?? ''),
);
const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));
const scripts = readdirSync(examples, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.guest.c'),
);
/** The headers that lie beside an example, by name. */
const headersBeside = (script: string): Record<string, string> => {
  const folder = dirname(examples + script);
  const at = (from: string, prefix: string) =>
    readdirSync(from)
      .filter((name) => name.endsWith('.h'))
      .map((name) => [prefix + name, readFileSync(join(from, name), 'utf8')]);
  return Object.fromEntries([...at(folder, ''), ...at(examples, '../')]);
};
/** The wiki handler is old C; examples of mistakes with address kinds make them (kinds.test.ts says which). */
const EXPECTED = /implicit-(int|type)|\[kind\./;

/** The public headers that the prelude does without. */
const BEHIND_PRELUDE = ['callback', 'elfnote', 'nmi', 'physdev', 'io/xs_wire']
  .map((name) => `#include <xen/${name}.h>\n`)
  .join('');

const SIZES_AND_OFFSETS: readonly (readonly [string, number, number])[] = [
  // expression, x86_64, x86_32
  ['sizeof(struct mmu_update)', 16, 16],
  ['sizeof(struct mmuext_op)', 24, 12],
  ['offsetof(struct mmuext_op, arg1)', 8, 4],
  ['offsetof(struct mmuext_op, arg2)', 16, 8],
  ['sizeof(struct xen_memory_reservation)', 32, 20],
  ['offsetof(struct xen_memory_reservation, nr_extents)', 8, 4],
  ['offsetof(struct xen_memory_reservation, extent_order)', 16, 8],
  ['offsetof(struct xen_memory_reservation, mem_flags)', 20, 12],
  ['offsetof(struct xen_memory_reservation, domid)', 24, 16],
  ['sizeof(struct xen_memory_exchange)', 72, 44],
  ['offsetof(struct xen_memory_exchange, out)', 32, 20],
  ['offsetof(struct xen_memory_exchange, nr_exchanged)', 64, 40],
  ['sizeof(struct xen_machphys_mapping)', 24, 12],
  ['sizeof(struct xen_machphys_mfn_list)', 24, 12],
  ['offsetof(struct xen_machphys_mfn_list, nr_extents)', 16, 8],
  ['sizeof(struct grant_entry_v1)', 8, 8],
  ['sizeof(struct gnttab_map_grant_ref)', 32, 32],
  ['offsetof(struct gnttab_map_grant_ref, ref)', 12, 12],
  ['offsetof(struct gnttab_map_grant_ref, dom)', 16, 16],
  ['offsetof(struct gnttab_map_grant_ref, status)', 18, 18],
  ['offsetof(struct gnttab_map_grant_ref, handle)', 20, 20],
  ['offsetof(struct gnttab_map_grant_ref, dev_bus_addr)', 24, 24],
  ['sizeof(struct gnttab_unmap_grant_ref)', 24, 24],
  ['offsetof(struct gnttab_unmap_grant_ref, status)', 20, 20],
  ['sizeof(struct gnttab_setup_table)', 24, 16],
  ['offsetof(struct gnttab_setup_table, frame_list)', 16, 12],
  ['sizeof(struct gnttab_transfer)', 24, 16],
  ['offsetof(struct gnttab_transfer, status)', 16, 12],
  ['sizeof(struct gnttab_copy)', 40, 24],
  ['offsetof(struct gnttab_copy, dest)', 16, 8],
  ['offsetof(struct gnttab_copy, len)', 32, 16],
  ['offsetof(struct gnttab_copy, status)', 36, 20],
  ['sizeof(struct gnttab_query_size)', 16, 16],
  ['sizeof(struct start_info)', 1168, 1112],
  ['offsetof(struct start_info, nr_pages)', 32, 32],
  ['offsetof(struct start_info, shared_info)', 40, 36],
  ['offsetof(struct start_info, flags)', 48, 40],
  ['offsetof(struct start_info, store_mfn)', 56, 44],
  ['offsetof(struct start_info, store_evtchn)', 64, 48],
  ['offsetof(struct start_info, console.domU.mfn)', 72, 52],
  ['offsetof(struct start_info, console.domU.evtchn)', 80, 56],
  ['offsetof(struct start_info, console.dom0.info_off)', 72, 52],
  ['offsetof(struct start_info, console.dom0.info_size)', 76, 56],
  ['offsetof(struct start_info, pt_base)', 88, 60],
  ['offsetof(struct start_info, nr_pt_frames)', 96, 64],
  ['offsetof(struct start_info, mfn_list)', 104, 68],
  ['offsetof(struct start_info, mod_start)', 112, 72],
  ['offsetof(struct start_info, mod_len)', 120, 76],
  ['offsetof(struct start_info, cmd_line)', 128, 80],
  ['offsetof(struct start_info, first_p2m_pfn)', 1152, 1104],
  ['offsetof(struct start_info, nr_p2m_frames)', 1160, 1108],
  ['sizeof(struct vcpu_info)', 64, 64],
  ['offsetof(struct vcpu_info, evtchn_upcall_mask)', 1, 1],
  ['offsetof(struct vcpu_info, evtchn_pending_sel)', 8, 4],
  ['offsetof(struct vcpu_info, arch.cr2)', 16, 8],
  ['offsetof(struct vcpu_info, time)', 32, 32],
  ['offsetof(struct shared_info, evtchn_pending)', 2048, 2048],
  ['offsetof(struct shared_info, evtchn_mask)', 2560, 2176],
  ['offsetof(struct shared_info, wc_version)', 3072, 2304],
  ['offsetof(struct shared_info, arch.max_pfn)', 3088, 2316],
  ['offsetof(struct shared_info, arch.pfn_to_mfn_frame_list_list)', 3096, 2320],
  ['offsetof(struct shared_info, arch.nmi_reason)', 3104, 2324],
  ['offsetof(struct shared_info, arch.p2m_cr3)', 3112, 2328],
  ['offsetof(struct shared_info, arch.p2m_generation)', 3128, 2336],
  ['sizeof(struct trap_info)', 16, 8],
  ['offsetof(struct trap_info, cs)', 2, 2],
  ['offsetof(struct trap_info, address)', 8, 4],
  ['sizeof(struct cpu_user_regs)', 200, 68],
  ['offsetof(struct cpu_user_regs, error_code)', 120, 28],
  ['offsetof(struct cpu_user_regs, entry_vector)', 124, 30],
  ['offsetof(struct cpu_user_regs, cs)', 136, 36],
  ['offsetof(struct cpu_user_regs, saved_upcall_mask)', 140, 38],
  ['offsetof(struct cpu_user_regs, ss)', 160, 48],
  ['offsetof(struct cpu_user_regs, gs)', 192, 64],
  ['sizeof(struct gnttab_unmap_and_replace)', 24, 24],
  ['sizeof(struct gnttab_get_version)', 8, 8],
  ['sizeof(struct gnttab_swap_grant_ref)', 12, 12],
  ['sizeof(struct evtchn_alloc_unbound)', 8, 8],
  ['sizeof(struct evtchn_bind_interdomain)', 12, 12],
  ['offsetof(struct evtchn_status, u)', 16, 16],
  ['offsetof(struct vcpu_guest_context, flags)', 512, 512],
  ['offsetof(struct vcpu_guest_context, user_regs)', 520, 516],
  ['offsetof(struct vcpu_guest_context, trap_ctxt)', 720, 584],
  ['offsetof(struct vcpu_guest_context, gdt_frames)', 4832, 2640],
  ['offsetof(struct vcpu_guest_context, kernel_sp)', 4976, 2712],
  ['offsetof(struct vcpu_guest_context, ctrlreg)', 4984, 2716],
  ['offsetof(struct vcpu_guest_context, event_callback_eip)', 5112, 2784],
  ['offsetof(struct vcpu_guest_context, vm_assist)', 5136, 2796],
  ['sizeof(struct vcpu_guest_context)', 5168, 2800],
  ['sizeof(struct multicall_entry)', 64, 32],
  ['sizeof(union grant_entry_v2)', 16, 16],
  ['offsetof(union grant_entry_v2, full_page.frame)', 8, 8],
  ['offsetof(union grant_entry_v2, sub_page.frame)', 8, 8],
  ['offsetof(union grant_entry_v2, transitive.gref)', 8, 8],
  ['sizeof(struct gnttab_get_status_frames)', 16, 12],
  ['offsetof(struct gnttab_get_status_frames, frame_list)', 8, 8],
  ['sizeof(struct gnttab_cache_flush)', 16, 16],
  ['offsetof(struct gnttab_cache_flush, op)', 12, 12],
  ['sizeof(struct xen_add_to_physmap)', 24, 16],
  ['offsetof(struct xen_add_to_physmap, gpfn)', 16, 12],
  ['sizeof(struct xen_remove_from_physmap)', 16, 8],
  ['sizeof(struct xen_pod_target)', 40, 36],
  ['offsetof(struct xen_pod_target, domid)', 32, 32],
  ['sizeof(struct xen_foreign_memory_map)', 24, 12],
  ['sizeof(struct vcpu_runstate_info)', 48, 44],
  ['offsetof(struct vcpu_runstate_info, time)', 16, 12],
  ['sizeof(struct vcpu_register_runstate_memory_area)', 8, 8],
  ['sizeof(struct vcpu_set_singleshot_timer)', 16, 12],
  ['sizeof(struct vcpu_register_vcpu_info)', 16, 16],
  ['sizeof(struct xen_compile_info)', 144, 144],
  ['sizeof(struct evtchn_op)', 28, 28],
  ['offsetof(struct evtchn_op, u)', 4, 4],
  ['sizeof(struct evtchn_bind_pirq)', 12, 12],
  ['sizeof(struct sched_poll)', 24, 16],
  ['offsetof(struct sched_poll, timeout)', 16, 8],
  ['sizeof(struct sched_remote_shutdown)', 8, 8],
  ['sizeof(struct callback_register)', 16, 12],
  ['offsetof(struct callback_register, address)', 8, 4],
  ['sizeof(struct xennmi_callback)', 16, 8],
  ['sizeof(struct physdev_set_iobitmap)', 16, 8],
  ['sizeof(struct xenstore_domain_interface)', 2080, 2080],
  ['EVTCHN_2L_NR_CHANNELS', 4096, 1024],
  ['sizeof(struct xencons_interface)', 3088, 3088],
  ['offsetof(struct xencons_interface, out_prod)', 3084, 3084],
];

const NUMBERS: readonly (readonly [string, number])[] = [
  ['__HYPERVISOR_set_trap_table', 0],
  ['__HYPERVISOR_mmu_update', 1],
  ['__HYPERVISOR_memory_op', 12],
  ['__HYPERVISOR_update_va_mapping', 14],
  ['__HYPERVISOR_console_io', 18],
  ['__HYPERVISOR_grant_table_op', 20],
  ['__HYPERVISOR_iret', 23],
  ['__HYPERVISOR_mmuext_op', 26],
  ['__HYPERVISOR_sched_op', 29],
  ['__HYPERVISOR_event_channel_op', 32],
  ['DOMID_SELF', 0x7ff0],
  ['DOMID_IO', 0x7ff1],
  ['DOMID_XEN', 0x7ff2],
  ['MMU_MACHPHYS_UPDATE', 1],
  ['MMU_PT_UPDATE_PRESERVE_AD', 2],
  ['MMUEXT_PIN_L1_TABLE', 0],
  ['MMUEXT_PIN_L4_TABLE', 3],
  ['MMUEXT_UNPIN_TABLE', 4],
  ['MMUEXT_NEW_BASEPTR', 5],
  ['MMUEXT_INVLPG_ALL', 11],
  ['MMUEXT_NEW_USER_BASEPTR', 15],
  ['MMUEXT_COPY_PAGE', 17],
  ['UVMF_INVLPG', 2],
  ['UVMF_ALL', 4],
  ['XENMEM_decrease_reservation', 1],
  ['XENMEM_populate_physmap', 6],
  ['XENMEM_exchange', 11],
  ['XENMEM_machphys_mapping', 12],
  ['SHUTDOWN_crash', 3],
  ['EVTCHNOP_send', 4],
  ['GNTTABOP_setup_table', 2],
  ['GNTST_general_error', -1],
  ['GNTST_bad_page', -9],
  ['GNTMAP_contains_pte', 16],
  ['VMASST_TYPE_writable_pagetables', 2],
  ['EINVAL', 22],
  ['EBUSY', 16],
  ['ENOSYS', 38],
];

/** One assertion for each size, offset and number. */
function factsOf(abi: AbiName): string {
  const facts = [
    ...SIZES_AND_OFFSETS.map(
      ([expression, on64, on32]) => `${expression} == ${abi === 'x86_64' ? on64 : on32}`,
    ),
    ...NUMBERS.map(([name, value]) => `${name} == ${value}`),
  ];
  return BEHIND_PRELUDE + facts.map((fact) => `_Static_assert(${fact}, "${fact}");\n`).join('');
}

describe.each(ABIS)('shipped headers for %s', (abi) => {
  const publicHeaders = substantial.filter((name) => !name.startsWith('xenscope/'));

  it.each(publicHeaders)('%s alone has no problems', (name) => {
    expect(compileText(`#include <${name}>\n`, { abi }).problems.map(problemLine)).toEqual([]);
  });

  it('all of them have no problems, in both orders', () => {
    for (const names of [headers, headers.toReversed()]) {
      const text = names.map((name) => `#include <${name}>\n`).join('');
      expect(compileText(text, { abi }).problems.map(problemLine)).toEqual([]);
      expect(compileText(text, { abi, prelude: true }).problems.map(problemLine)).toEqual([]);
    }
  });

  it('as a prelude they have no problems', () => {
    const { unit, problems } = compileText(
      'int kernel_main(start_info_t *info) { return (int)info->flags; }\n',
      {
        abi,
        prelude: true,
      },
    );
    expect(problems.map(problemLine)).toEqual([]);
    expect(unit.functions.find((f) => f.name === 'memset')?.used).toBe(false);
  });

  it.each(scripts)('the example %s has no problems', (name) => {
    const text = readFileSync(examples + name, 'utf8');
    const { problems } = compileText(text, { abi, prelude: true, files: headersBeside(name) });
    expect(problems.map(problemLine).filter((line) => !EXPECTED.test(line))).toEqual([]);
  });

  it('structures and numbers are those of the ABI', () => {
    expect(compileText(factsOf(abi), { abi, prelude: true }).problems.map(problemLine)).toEqual([]);
  });

  it('a wrong fact would be found', () => {
    const text = factsOf(abi).replace('sizeof(struct mmu_update) == 16', 'sizeof(struct mmu_update) == 15');
    expect(compileText(text, { abi, prelude: true }).problems).toHaveLength(1);
  });
});

describe.skipIf(withoutGcc).each(ABIS)('gcc for %s', (abi) => {
  const options = [
    '-std=gnu11',
    '-Wall',
    '-Wextra',
    GCC_MACHINE[abi],
    ...(abi === 'x86_32p' ? ['-DCONFIG_X86_PAE'] : []),
    '-ffreestanding',
    `-I${HEADERS_FOLDER}`,
  ];

  it.each(substantial)('has no complaint about %s alone', (name) => {
    expect(gccMessages(options, `#include <${name}>\nint used;\n`)).toBe('');
  });

  it.each([
    ['in one order', headers],
    ['in the other', headers.toReversed()],
    ['behind the prelude', ['xenscope.h', ...headers]],
  ])('has no complaint about all headers %s', (_, names) => {
    const text = names.map((name) => `#include <${name}>\n`).join('');
    expect(gccMessages(options, `${text}int used;\n`)).toBe('');
  });

  it('takes handles as structures from version 0x00030201 of the interface on', () => {
    const text = `#include <xen/grant_table.h>
unsigned long frame;
void fill(struct gnttab_setup_table *setup) { set_xen_guest_handle(setup->frame_list, &frame); }
_Static_assert(sizeof(struct gnttab_setup_table) == ${abi === 'x86_64' ? 24 : 16}, "");
`;
    const version = '-D__XEN_INTERFACE_VERSION__=0x00030205';
    expect(
      gccMessages(
        [...options, version],
        `${text}unsigned long *list(gnttab_setup_table_t *s) { return s->frame_list.p; }\n`,
      ),
    ).toBe('');
    expect(
      gccMessages(options, `${text}unsigned long *list(gnttab_setup_table_t *s) { return s->frame_list; }\n`),
    ).toBe('');
  });

  it('has no complaint about the examples', () => {
    for (const name of scripts) {
      const text = readFileSync(examples + name, 'utf8');
      const beside = `-I${dirname(examples + name)}`;
      const messages = gccMessages([...options, beside, '-include', 'xenscope.h', '-Wno-implicit-int'], text);
      expect(messages.replace(/.*In function.*\n/g, '')).toBe('');
    }
  });

  it('sees the same layouts and numbers', () => {
    expect(gccMessages(options, `#include <xenscope.h>\n${factsOf(abi)}`)).toBe('');
  });
});
