/*
 * XTF's names: hypercalls, page tables, grants, and the report of a test. A test is `void test_main(void)`; what
 * xtf_success() and the others report is the run's result.
 */
#ifndef XENSCOPE_XTF_H
#define XENSCOPE_XTF_H

#include <xenscope.h>
#include <limits.h>
#include <inttypes.h>
#include <xen/callback.h>
#include <xen/elfnote.h>
#include <xen/physdev.h>

/* ---- the environment ---- */

#define CONFIG_PV 1
#ifdef __x86_64__
#define CONFIG_64BIT 1
#define ENVIRONMENT_DESCRIPTION "PV 64bit (Long mode 4 levels)"
#else
#define CONFIG_32BIT 1
#define ENVIRONMENT_DESCRIPTION "PV 32bit"
#endif
#define CONFIG_PAGING_LEVELS PAGETABLE_LEVELS

/* 1 for a macro that is defined as 1, else 0. */
#define __xtf_comma_if_1 0,
#define __xtf_second(first, second, ...) second
#define __xtf_defined(comma) __xtf_second(comma 1, 0, 0)
#define __xtf_defined_as(value) __xtf_defined(__xtf_comma_if_##value)
#define IS_DEFINED(macro) __xtf_defined_as(macro)

#define KB(n) (n##ULL << 10)
#define MB(n) (n##ULL << 20)
#define GB(n) (n##ULL << 30)
#define TB(n) (n##ULL << 40)
#define _p(value) ((void *)(unsigned long)(value))
#define _u(value) ((unsigned long)(value))
#define MASK_EXTR(value, mask) (((value) & (mask)) / ((mask) & -(mask)))
#define MASK_INSR(value, mask) (((value) * ((mask) & -(mask))) & (mask))
#define BITS_PER_LONG (8 * __SIZEOF_LONG__)
#define __xtf_string(text) #text
#define STR(text) __xtf_string(text)
#define unreachable() __builtin_unreachable()

#define __page_aligned_data __attribute__((aligned(4096)))
#define __page_aligned_bss __attribute__((aligned(4096)))
#define __user_page_aligned_bss __attribute__((aligned(4096)))
#define __user_text
#define __user_data

typedef start_info_t xen_pv_start_info_t;
typedef trap_info_t xen_trap_info_t;
typedef vcpu_guest_context_t xen_vcpu_guest_context_t;
typedef callback_register_t xen_callback_register_t;
#define xen_trap_info trap_info
#define xen_vcpu_guest_context vcpu_guest_context
#define VGCF_IN_KERNEL VGCF_in_kernel

#define pv_start_info (&start_info)
extern shared_info_t shared_info;

/* ---- registers and exceptions ---- */

#define cpu_regs cpu_user_regs

#define X86_EXC_DE 0
#define X86_EXC_DB 1
#define X86_EXC_NMI 2
#define X86_EXC_BP 3
#define X86_EXC_OF 4
#define X86_EXC_BR 5
#define X86_EXC_UD 6
#define X86_EXC_NM 7
#define X86_EXC_DF 8
#define X86_EXC_TS 10
#define X86_EXC_NP 11
#define X86_EXC_SS 12
#define X86_EXC_GP 13
#define X86_EXC_PF 14
#define X86_EXC_MF 16
#define X86_EXC_AC 17
#define X86_EXC_MC 18
#define X86_EXC_XM 19
#define X86_VEC_AVAIL 32

#define X86_PFEC_P (1U << 0)
#define X86_PFEC_W (1U << 1)
#define X86_PFEC_U (1U << 2)
#define X86_PFEC_R (1U << 3)
#define X86_PFEC_I (1U << 4)
#define X86_PFEC_PRESENT X86_PFEC_P
#define X86_PFEC_WRITE X86_PFEC_W
#define X86_PFEC_USER X86_PFEC_U
#define X86_PFEC_RSVD X86_PFEC_R
#define X86_PFEC_INSN X86_PFEC_I
#define X86_EC_EXT (1U << 0)
#define X86_EC_IDT (1U << 1)
#define X86_EC_TI (1U << 2)
#define X86_EFLAGS_IF 0x200
#define X86_EFLAGS_IOPL 0x3000
#define X86_EFLAGS_AC 0x40000

/* What was expected of an exception: its vector and error code in one number. */
typedef unsigned int exinfo_t;
#define EXINFO_EXPECTED (1U << 31)
#define EXINFO(vector, code) (EXINFO_EXPECTED | (((vector) & 0xff) << 16) | ((code) & 0xffff))
#define EXINFO_SYM(exception, code) EXINFO(X86_EXC_##exception, code)

__XENSCOPE_LIBRARY unsigned int exinfo_vec(exinfo_t info)
{
    return (info >> 16) & 0xff;
}

__XENSCOPE_LIBRARY unsigned int exinfo_ec(exinfo_t info)
{
    return info & 0xffff;
}

/* Or'ed together: the macros that begin with the prefix. */
#define __xtf_1(prefix, a) prefix##a
#define __xtf_2(prefix, a, b) (prefix##a | prefix##b)
#define __xtf_3(prefix, a, b, c) (prefix##a | prefix##b | prefix##c)
#define __xtf_4(prefix, a, b, c, d) (prefix##a | prefix##b | prefix##c | prefix##d)
#define __xtf_5(prefix, a, b, c, d, e) (prefix##a | prefix##b | prefix##c | prefix##d | prefix##e)
#define __xtf_6(prefix, a, b, c, d, e, f) (prefix##a | prefix##b | prefix##c | prefix##d | prefix##e | prefix##f)
#define __xtf_choose(a, b, c, d, e, f, macro, ...) macro
#define PF_SYM(...) \
    ((uint64_t)__xtf_choose(__VA_ARGS__, __xtf_6, __xtf_5, __xtf_4, __xtf_3, __xtf_2, __xtf_1, )(_PAGE_, __VA_ARGS__))
#define PFEC_SYM(...) \
    (__xtf_choose(__VA_ARGS__, __xtf_6, __xtf_5, __xtf_4, __xtf_3, __xtf_2, __xtf_1, )(X86_PFEC_, __VA_ARGS__))

/* ---- page tables ---- */

typedef pteval_t intpte_t;
#ifdef CONFIG_64BIT
#define PRIpaddr "016lx"
#elif PAGETABLE_LEVELS == 3
#define PRIpaddr "016llx"
#else
#define PRIpaddr "08lx"
#endif
#ifndef PRIpte
#define PRIpte PRIpaddr
#endif

#define _PAGE_P _PAGE_PRESENT
#define _PAGE_U _PAGE_USER
#define _PAGE_A _PAGE_ACCESSED
#define _PAGE_D _PAGE_DIRTY
#define _PAGE_AD (_PAGE_ACCESSED | _PAGE_DIRTY)
#define _PAGE_AVAIL 0xe00UL

#define PTE_SIZE sizeof(intpte_t)
#define PT_ORDER __PT_INDEX_BITS
#define L1_PT_SHIFT PAGE_SHIFT
#define L2_PT_SHIFT (PAGE_SHIFT + PT_ORDER)
#define L3_PT_SHIFT (PAGE_SHIFT + 2 * PT_ORDER)
#define L4_PT_SHIFT (PAGE_SHIFT + 3 * PT_ORDER)
#define L1_PT_ENTRIES (PAGE_SIZE / PTE_SIZE)
#define L2_PT_ENTRIES (PAGE_SIZE / PTE_SIZE)
#define L3_PT_ENTRIES (PAGE_SIZE / PTE_SIZE)
#define L4_PT_ENTRIES (PAGE_SIZE / PTE_SIZE)
#define PAE_PTE_SIZE 8
#define PAE32_L3_ENTRIES 4
#define PAGE_ORDER_4K 0
#define PAGE_ORDER_2M 9
#define PAGE_ORDER_4M 10
#define PAGE_ORDER_1G 18

__XENSCOPE_LIBRARY maddr_t pte_to_paddr(intpte_t entry)
{
    return entry & PTE_FRAME_MASK;
}

__XENSCOPE_LIBRARY intpte_t pte_from_paddr(maddr_t address, uint64_t flags)
{
    return (intpte_t)((address & PTE_FRAME_MASK) | (flags & ~(uint64_t)PTE_FRAME_MASK));
}

__XENSCOPE_LIBRARY intpte_t pte_from_gfn(mfn_t frame, uint64_t flags)
{
    return pte_from_paddr(mfn_to_maddr(frame), flags);
}

__XENSCOPE_LIBRARY intpte_t pte_from_virt(const volatile void *place, uint64_t flags)
{
    return pte_from_gfn(virt_to_mfn(place), flags);
}

/* A PV guest's frame is the machine's. */
#define virt_to_gfn(place) virt_to_mfn(place)
#define gfn_to_virt(frame) mfn_to_virt(frame)

/* CR3: XTF stays on the bootstrap root. */
__XENSCOPE_LIBRARY unsigned long read_cr3(void)
{
    return xen_pfn_to_cr3(virt_to_mfn(pt_base));
}

/* ---- hypercalls ---- */

__XENSCOPE_LIBRARY long hypercall_set_trap_table(const struct trap_info *table)
{
    return HYPERVISOR_set_trap_table(table);
}

__XENSCOPE_LIBRARY long hypercall_mmu_update(const mmu_update_t *requests, unsigned int count, unsigned int *done,
                                             unsigned int foreigndom)
{
    return __hypercall_4(__HYPERVISOR_mmu_update, requests, count, done, foreigndom);
}

__XENSCOPE_LIBRARY long hypercall_set_gdt(const unsigned long *mfns, unsigned int entries)
{
    return __hypercall_2(__HYPERVISOR_set_gdt, mfns, entries);
}

__XENSCOPE_LIBRARY long hypercall_stack_switch(unsigned int ss, const void *sp)
{
    return __hypercall_2(__HYPERVISOR_stack_switch, ss, sp);
}

__XENSCOPE_LIBRARY long hypercall_set_debugreg(unsigned int reg, unsigned long value)
{
    return __hypercall_2(__HYPERVISOR_set_debugreg, reg, value);
}

__XENSCOPE_LIBRARY long hypercall_get_debugreg(unsigned int reg)
{
    return __hypercall_1(__HYPERVISOR_get_debugreg, reg);
}

__XENSCOPE_LIBRARY long hypercall_memory_op(unsigned int cmd, void *arg)
{
    return __hypercall_2(__HYPERVISOR_memory_op, cmd, arg);
}

__XENSCOPE_LIBRARY long hypercall_multicall(struct multicall_entry *list, unsigned int count)
{
    return __hypercall_2(__HYPERVISOR_multicall, list, count);
}

__XENSCOPE_LIBRARY long hypercall_update_va_mapping(unsigned long linear, uint64_t entry, unsigned long flags)
{
    return HYPERVISOR_update_va_mapping(linear, entry, flags);
}

__XENSCOPE_LIBRARY long hypercall_xen_version(unsigned int cmd, void *arg)
{
    return __hypercall_2(__HYPERVISOR_xen_version, cmd, arg);
}

__XENSCOPE_LIBRARY long hypercall_grant_table_op(unsigned int cmd, void *args, unsigned int count)
{
    return __hypercall_3(__HYPERVISOR_grant_table_op, cmd, args, count);
}

__XENSCOPE_LIBRARY long hypercall_vm_assist(unsigned int cmd, unsigned int type)
{
    return __hypercall_2(__HYPERVISOR_vm_assist, cmd, type);
}

__XENSCOPE_LIBRARY long hypercall_vcpu_op(unsigned int cmd, unsigned int vcpu, void *extra)
{
    return __hypercall_3(__HYPERVISOR_vcpu_op, cmd, vcpu, extra);
}

__XENSCOPE_LIBRARY long hypercall_mmuext_op(const mmuext_op_t *ops, unsigned int count, unsigned int *done,
                                            unsigned int foreigndom)
{
    return __hypercall_4(__HYPERVISOR_mmuext_op, ops, count, done, foreigndom);
}

__XENSCOPE_LIBRARY long hypercall_sched_op(unsigned int cmd, void *arg)
{
    return __hypercall_2(__HYPERVISOR_sched_op, cmd, arg);
}

__XENSCOPE_LIBRARY long hypercall_callback_op(unsigned int cmd, const void *arg)
{
    return __hypercall_2(__HYPERVISOR_callback_op, cmd, arg);
}

__XENSCOPE_LIBRARY long hypercall_event_channel_op(unsigned int cmd, void *arg)
{
    return __hypercall_2(__HYPERVISOR_event_channel_op, cmd, arg);
}

__XENSCOPE_LIBRARY long hypercall_physdev_op(unsigned int cmd, void *arg)
{
    return __hypercall_2(__HYPERVISOR_physdev_op, cmd, arg);
}

__XENSCOPE_LIBRARY void hypercall_console_write(const char *text, unsigned long count)
{
    __hypercall_3(__HYPERVISOR_console_io, CONSOLEIO_write, count, text);
}

__XENSCOPE_LIBRARY long hypercall_shutdown(unsigned int reason)
{
    return hypercall_sched_op(SCHEDOP_shutdown, &reason);
}

__XENSCOPE_LIBRARY void hypercall_yield(void)
{
    hypercall_sched_op(SCHEDOP_yield, NULL);
}

__XENSCOPE_LIBRARY long hypercall_poll(evtchn_port_t port)
{
    struct sched_poll poll = { .nr_ports = 1 };

    set_xen_guest_handle(poll.ports, &port);
    return hypercall_sched_op(SCHEDOP_poll, &poll);
}

__XENSCOPE_LIBRARY int hypercall_evtchn_close(evtchn_port_t port)
{
    return (int)hypercall_event_channel_op(EVTCHNOP_close, &port);
}

__XENSCOPE_LIBRARY int hypercall_evtchn_send(evtchn_port_t port)
{
    return (int)hypercall_event_channel_op(EVTCHNOP_send, &port);
}

__XENSCOPE_LIBRARY int hypercall_evtchn_status(struct evtchn_status *status)
{
    return (int)hypercall_event_channel_op(EVTCHNOP_status, status);
}

__XENSCOPE_LIBRARY int hypercall_evtchn_alloc_unbound(struct evtchn_alloc_unbound *op)
{
    return (int)hypercall_event_channel_op(EVTCHNOP_alloc_unbound, op);
}

/* ---- grants ---- */

#define gnttab_v1 grant_table
#define gnttab_raw ((uint8_t *)grant_table)

/* 0, -ENOENT where Xen has not that version, or another error number. */
__XENSCOPE_LIBRARY int xtf_init_grant_table(unsigned int version)
{
    struct gnttab_set_version op = { .version = version };

    if (version != 1 && hypercall_grant_table_op(GNTTABOP_set_version, &op, 1) != 0)
        return -ENOENT;
    return init_gnttab();
}

/* The domain's own number, which Xen puts into a port that the domain offers to itself; -1 where it does not tell. */
__XENSCOPE_LIBRARY int xtf_get_domid(void)
{
    struct evtchn_alloc_unbound offer = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_status status = { .dom = DOMID_SELF };
    int rc = hypercall_evtchn_alloc_unbound(&offer);

    if (rc != 0)
        return -1;
    status.port = offer.port;
    rc = hypercall_evtchn_status(&status);
    hypercall_evtchn_close(offer.port);
    return rc != 0 || status.status != EVTCHNSTAT_unbound ? -1 : (int)status.u.unbound.dom;
}

/* ---- the report ---- */

enum __xtf_status { XTF_RUNNING, XTF_SUCCESS, XTF_WARNING, XTF_SKIP, XTF_ERROR, XTF_FAILURE };

/* The gravest that was reported. */
static enum __xtf_status __xtf_status;

__XENSCOPE_LIBRARY void __xtf_report(enum __xtf_status status, const char *format, va_list args)
{
    if (status > __xtf_status)
        __xtf_status = status;
    if (format != NULL)
        vprintk(format, args);
}

#define __XTF_REPORTER(name, status) \
    __XENSCOPE_LIBRARY __attribute__((format(printf, 1, 2))) void name(const char *format, ...) \
    { \
        va_list args; \
        va_start(args, format); \
        __xtf_report(status, format, args); \
        va_end(args); \
    }

__XTF_REPORTER(xtf_success, XTF_SUCCESS)
__XTF_REPORTER(xtf_warning, XTF_WARNING)
__XTF_REPORTER(xtf_skip, XTF_SKIP)
__XTF_REPORTER(xtf_error, XTF_ERROR)
__XTF_REPORTER(xtf_failure, XTF_FAILURE)

__XENSCOPE_LIBRARY bool xtf_status_reported(void)
{
    return __xtf_status != XTF_RUNNING;
}

/* Prints the verdict, if there was a report: the status of the run. */
__XENSCOPE_LIBRARY int __xtf_verdict(void)
{
    static const char *const words[] = { "", "SUCCESS", "WARNING", "SKIP", "ERROR", "FAILURE" };

    if (xtf_status_reported())
        printk("Test result: %s\n", words[__xtf_status]);
    return __xtf_status >= XTF_ERROR;
}

__XENSCOPE_LIBRARY __attribute__((noreturn)) void xtf_exit(void)
{
    exit_guest(__xtf_verdict());
}

void test_main(void);

#define xtf_has_fep 0
#define vendor_is_amd 0
#define _ASM_EXTABLE_HANDLER(fault, fixup, handler) ""
#define _ASM_EXTABLE(fault, fixup) ""
#define _ASM_TRAP_OK(place) ""

#endif
