/* Hypercalls by name. Each returns what Xen returns: 0 or a count, or a negative error number. */
#ifndef XENSCOPE_HYPERCALL_H
#define XENSCOPE_HYPERCALL_H

#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/sched.h>
#include <xenscope/library.h>

#ifdef __XENSCOPE__
/* The hypercall instruction of the model's processor: __xenscope_hypercall(number, up to six arguments). */
#define barrier() __xenscope_barrier()
#else
long __xenscope_hypercall(unsigned long number, ...);
#define barrier() __asm__ __volatile__("" ::: "memory")
#endif

/* A PV guest's other processors see its stores in their order: the compiler is all that has to be held. */
#define mb() barrier()
#define rmb() barrier()
#define wmb() barrier()
#define smp_mb() barrier()
#define smp_rmb() barrier()
#define smp_wmb() barrier()
#define xen_mb() barrier()
#define xen_rmb() barrier()
#define xen_wmb() barrier()

#define __hypercall_0(number) __xenscope_hypercall(number)
#define __hypercall_1(number, a) __xenscope_hypercall(number, (unsigned long)(a))
#define __hypercall_2(number, a, b) __xenscope_hypercall(number, (unsigned long)(a), (unsigned long)(b))
#define __hypercall_3(number, a, b, c) \
    __xenscope_hypercall(number, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c))
#define __hypercall_4(number, a, b, c, d) \
    __xenscope_hypercall(number, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), (unsigned long)(d))
#define __hypercall_5(number, a, b, c, d, e) \
    __xenscope_hypercall(number, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), (unsigned long)(d), \
                         (unsigned long)(e))

__XENSCOPE_LIBRARY int HYPERVISOR_mmu_update(struct mmu_update *requests, unsigned int count, unsigned int *done,
                                             domid_t domain)
{
    return (int)__hypercall_4(__HYPERVISOR_mmu_update, requests, count, done, domain);
}

__XENSCOPE_LIBRARY int HYPERVISOR_mmuext_op(struct mmuext_op *ops, unsigned int count, unsigned int *done,
                                            domid_t domain)
{
    return (int)__hypercall_4(__HYPERVISOR_mmuext_op, ops, count, done, domain);
}

__XENSCOPE_LIBRARY int HYPERVISOR_update_va_mapping(unsigned long va, uint64_t entry, unsigned long flags)
{
#ifdef __i386__
    return (int)__hypercall_4(__HYPERVISOR_update_va_mapping, va, (uint32_t)entry, (uint32_t)(entry >> 32), flags);
#else
    return (int)__hypercall_3(__HYPERVISOR_update_va_mapping, va, entry, flags);
#endif
}

__XENSCOPE_LIBRARY int HYPERVISOR_update_va_mapping_otherdomain(unsigned long va, uint64_t entry,
                                                                unsigned long flags, domid_t domain)
{
#ifdef __i386__
    return (int)__hypercall_5(__HYPERVISOR_update_va_mapping_otherdomain, va, (uint32_t)entry,
                              (uint32_t)(entry >> 32), flags, domain);
#else
    return (int)__hypercall_4(__HYPERVISOR_update_va_mapping_otherdomain, va, entry, flags, domain);
#endif
}

__XENSCOPE_LIBRARY long HYPERVISOR_memory_op(unsigned int cmd, void *arg)
{
    return __hypercall_2(__HYPERVISOR_memory_op, cmd, arg);
}

__XENSCOPE_LIBRARY int HYPERVISOR_multicall(struct multicall_entry *calls, unsigned int count)
{
    return (int)__hypercall_2(__HYPERVISOR_multicall, calls, count);
}

__XENSCOPE_LIBRARY int HYPERVISOR_grant_table_op(unsigned int cmd, void *ops, unsigned int count)
{
    return (int)__hypercall_3(__HYPERVISOR_grant_table_op, cmd, ops, count);
}

__XENSCOPE_LIBRARY int HYPERVISOR_vm_assist(unsigned int cmd, unsigned int type)
{
    return (int)__hypercall_2(__HYPERVISOR_vm_assist, cmd, type);
}

__XENSCOPE_LIBRARY int HYPERVISOR_set_gdt(unsigned long *frames, unsigned int entries)
{
    return (int)__hypercall_2(__HYPERVISOR_set_gdt, frames, entries);
}

__XENSCOPE_LIBRARY int HYPERVISOR_update_descriptor(uint64_t machine_address, uint64_t descriptor)
{
#ifdef __i386__
    return (int)__hypercall_4(__HYPERVISOR_update_descriptor, (uint32_t)machine_address,
                              (uint32_t)(machine_address >> 32), (uint32_t)descriptor, (uint32_t)(descriptor >> 32));
#else
    return (int)__hypercall_2(__HYPERVISOR_update_descriptor, machine_address, descriptor);
#endif
}

__XENSCOPE_LIBRARY int HYPERVISOR_stack_switch(unsigned long ss, unsigned long sp)
{
    return (int)__hypercall_2(__HYPERVISOR_stack_switch, ss, sp);
}

__XENSCOPE_LIBRARY int HYPERVISOR_fpu_taskswitch(int set)
{
    return (int)__hypercall_1(__HYPERVISOR_fpu_taskswitch, set);
}

__XENSCOPE_LIBRARY int HYPERVISOR_set_segment_base(int which, unsigned long base)
{
    return (int)__hypercall_2(__HYPERVISOR_set_segment_base, which, base);
}

__XENSCOPE_LIBRARY int HYPERVISOR_console_io(int cmd, int count, char *buffer)
{
    return (int)__hypercall_3(__HYPERVISOR_console_io, cmd, count, buffer);
}

__XENSCOPE_LIBRARY int HYPERVISOR_sched_op(int cmd, void *arg)
{
    return (int)__hypercall_2(__HYPERVISOR_sched_op, cmd, arg);
}

__XENSCOPE_LIBRARY int HYPERVISOR_event_channel_op(int cmd, void *arg)
{
    return (int)__hypercall_2(__HYPERVISOR_event_channel_op, cmd, arg);
}

__XENSCOPE_LIBRARY int HYPERVISOR_xen_version(int cmd, void *arg)
{
    return (int)__hypercall_2(__HYPERVISOR_xen_version, cmd, arg);
}

__XENSCOPE_LIBRARY int HYPERVISOR_vcpu_op(int cmd, int vcpu, void *arg)
{
    return (int)__hypercall_3(__HYPERVISOR_vcpu_op, cmd, vcpu, arg);
}

__XENSCOPE_LIBRARY int HYPERVISOR_callback_op(int cmd, const void *arg)
{
    return (int)__hypercall_2(__HYPERVISOR_callback_op, cmd, arg);
}

__XENSCOPE_LIBRARY int HYPERVISOR_physdev_op(int cmd, void *arg)
{
    return (int)__hypercall_2(__HYPERVISOR_physdev_op, cmd, arg);
}

__XENSCOPE_LIBRARY int HYPERVISOR_nmi_op(unsigned long cmd, void *arg)
{
    return (int)__hypercall_2(__HYPERVISOR_nmi_op, cmd, arg);
}

__XENSCOPE_LIBRARY long HYPERVISOR_set_timer_op(uint64_t timeout)
{
#ifdef __i386__
    return __hypercall_2(__HYPERVISOR_set_timer_op, (uint32_t)timeout, (uint32_t)(timeout >> 32));
#else
    return __hypercall_1(__HYPERVISOR_set_timer_op, timeout);
#endif
}

__XENSCOPE_LIBRARY int HYPERVISOR_set_debugreg(int reg, unsigned long value)
{
    return (int)__hypercall_2(__HYPERVISOR_set_debugreg, reg, value);
}

__XENSCOPE_LIBRARY unsigned long HYPERVISOR_get_debugreg(int reg)
{
    return (unsigned long)__hypercall_1(__HYPERVISOR_get_debugreg, reg);
}

__XENSCOPE_LIBRARY int HYPERVISOR_yield(void)
{
    return HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
}

__XENSCOPE_LIBRARY int HYPERVISOR_block(void)
{
    return HYPERVISOR_sched_op(SCHEDOP_block, NULL);
}

__XENSCOPE_LIBRARY int HYPERVISOR_shutdown(unsigned int reason)
{
    struct sched_shutdown arg = { .reason = reason };

    return HYPERVISOR_sched_op(SCHEDOP_shutdown, &arg);
}

#endif
