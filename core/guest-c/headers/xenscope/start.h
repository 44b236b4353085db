/* The library's own objects, and what runs before the script's entry function. */
#ifndef XENSCOPE_START_H
#define XENSCOPE_START_H

#include <xen/io/console.h>
#include <xenscope/pages.h>
#include <xenscope/events.h>
#include <xenscope/grants.h>

start_info_t start_info;
unsigned long *phys_to_machine_mapping;
shared_info_t *HYPERVISOR_shared_info;
struct xencons_interface *xencons_ring;
trap_handler_t *__xenscope_trap_handlers[257];
event_handler_t *__xenscope_event_handlers[XENSCOPE_EVENT_PORTS];
grant_entry_t *grant_table;
grant_ref_t __xenscope_next_ref;
unsigned long __xenscope_next_page, __xenscope_mapped_end, __xenscope_free_list;
pgentry_t *pt_base;

/* Where shared_info is mapped: a page of the image whose own frame gives way to it. */
static char __xenscope_shared_info_page[4096] __attribute__((aligned(4096)));

/* Called by the start-up code on the image's own stack, with what Xen passes in the second argument register. */
__attribute__((used)) void __xenscope_start(start_info_t *info)
{
    unsigned long stack_end;

    start_info = *info;
    phys_to_machine_mapping = (unsigned long *)start_info.mfn_list;
    pt_base = (pgentry_t *)start_info.pt_base;
    HYPERVISOR_shared_info = (shared_info_t *)__xenscope_shared_info_page;
    if (!(start_info.flags & SIF_INITDOMAIN))
        xencons_ring = (struct xencons_interface *)mfn_to_virt(start_info.console.domU.mfn);
    /* Behind the page tables lies the bootstrap stack, one page. */
    stack_end = start_info.pt_base + (start_info.nr_pt_frames + 1) * PAGE_SIZE;
    __xenscope_next_page = stack_end;
    __xenscope_mapped_end = (stack_end + 0x80000 + 0x3fffff) & ~0x3fffffUL;
    if (virt_to_pfn(__xenscope_mapped_end) > start_info.nr_pages)
        __xenscope_mapped_end = (unsigned long)pfn_to_virt(start_info.nr_pages);
    HYPERVISOR_update_va_mapping((unsigned long)__xenscope_shared_info_page, start_info.shared_info | L1_PROT,
                                 UVMF_INVLPG);
}

#endif
