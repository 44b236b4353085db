/*
 * Further vCPUs. Each has registers, a stack, a trap table and an event callback of its own; page tables may be shared,
 * translations never are: a change that must be seen at once has to flush the others' TLBs (UVMF_ALL, MMUEXT_..._ALL).
 */
#ifndef XENSCOPE_VCPUS_H
#define XENSCOPE_VCPUS_H

#include <xen/vcpu.h>
#include <xenscope/pages.h>
#include <xenscope/string.h>

/*
 * Starts a function on a vCPU, with the loaded page tables and `stack` (the end of it). `context` is room for the call;
 * the function must not return: it ends with stop_vcpu(). 0, or a negative error number.
 */
__XENSCOPE_LIBRARY int start_vcpu(unsigned int id, void (*function)(void), unsigned long stack,
                                  vcpu_guest_context_t *context)
{
    int rc;

    memset(context, 0, sizeof(*context));
    context->flags = VGCF_in_kernel;
#ifdef __x86_64__
    context->user_regs.rip = (unsigned long)function;
    context->user_regs.rsp = stack;
#else
    context->user_regs.eip = (unsigned long)function;
    context->user_regs.esp = stack;
#endif
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = stack;
    context->ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn(start_info.pt_base));
    rc = HYPERVISOR_vcpu_op(VCPUOP_initialise, id, context);
    return rc != 0 ? rc : HYPERVISOR_vcpu_op(VCPUOP_up, id, NULL);
}

/* Takes the calling vCPU down. */
__XENSCOPE_LIBRARY void stop_vcpu(unsigned int id)
{
    HYPERVISOR_vcpu_op(VCPUOP_down, id, NULL);
    for (;;)
        ;
}

#endif
