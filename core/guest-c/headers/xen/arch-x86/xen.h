/* What x86 adds to the interface. */
#ifndef XEN_PUBLIC_ARCH_X86_XEN_H
#define XEN_PUBLIC_ARCH_X86_XEN_H

#include <stdint.h>

typedef unsigned long xen_pfn_t;
typedef unsigned long xen_ulong_t;
#define PRI_xen_pfn "lx"
#define PRIu_xen_pfn "lu"
#define PRI_xen_ulong "lx"

/*
 * Handles are pointers of the guest: plain ones for a guest that names no version of the interface, as for Xen 3.0 and
 * XTF, inside a structure from version 0x00030201 on. set_xen_guest_handle() fits both.
 */
#if defined(__XEN_INTERFACE_VERSION__) && __XEN_INTERFACE_VERSION__ >= 0x00030201
#define ___DEFINE_XEN_GUEST_HANDLE(name, type) \
    typedef struct { type *p; } __guest_handle_ ## name
#define set_xen_guest_handle_raw(hnd, val) do { (hnd).p = (val); } while (0)
#define get_xen_guest_handle(val, hnd) do { (val) = (hnd).p; } while (0)
#else
#define ___DEFINE_XEN_GUEST_HANDLE(name, type) \
    typedef type *__guest_handle_ ## name
#define set_xen_guest_handle_raw(hnd, val) do { (hnd) = (val); } while (0)
#define get_xen_guest_handle(val, hnd) do { (val) = (hnd); } while (0)
#endif
#define __DEFINE_XEN_GUEST_HANDLE(name, type) ___DEFINE_XEN_GUEST_HANDLE(name, type)
#define DEFINE_XEN_GUEST_HANDLE(name) __DEFINE_XEN_GUEST_HANDLE(name, name)
#define __XEN_GUEST_HANDLE(name) __guest_handle_ ## name
#define XEN_GUEST_HANDLE(name) __XEN_GUEST_HANDLE(name)
#define XEN_GUEST_HANDLE_PARAM(name) XEN_GUEST_HANDLE(name)
#define set_xen_guest_handle(hnd, val) set_xen_guest_handle_raw(hnd, val)

__DEFINE_XEN_GUEST_HANDLE(void, void);
__DEFINE_XEN_GUEST_HANDLE(const_void, const void);
DEFINE_XEN_GUEST_HANDLE(char);
__DEFINE_XEN_GUEST_HANDLE(uint, unsigned int);
__DEFINE_XEN_GUEST_HANDLE(uchar, unsigned char);
__DEFINE_XEN_GUEST_HANDLE(int, int);
__DEFINE_XEN_GUEST_HANDLE(long, long);
__DEFINE_XEN_GUEST_HANDLE(ulong, unsigned long);
__DEFINE_XEN_GUEST_HANDLE(uint8, uint8_t);
DEFINE_XEN_GUEST_HANDLE(uint64_t);
DEFINE_XEN_GUEST_HANDLE(xen_pfn_t);
DEFINE_XEN_GUEST_HANDLE(xen_ulong_t);

#if defined(__i386__)
#include <xen/arch-x86/xen-x86_32.h>
#elif defined(__x86_64__)
#include <xen/arch-x86/xen-x86_64.h>
#else
#error "Xen's PV interface here is for x86_64 and x86_32"
#endif

#define HYPERVISOR_VIRT_START __HYPERVISOR_VIRT_START
#ifdef __HYPERVISOR_VIRT_END
#define HYPERVISOR_VIRT_END __HYPERVISOR_VIRT_END
#endif
#define MACH2PHYS_VIRT_START __MACH2PHYS_VIRT_START
#define MACH2PHYS_VIRT_END __MACH2PHYS_VIRT_END
#define MACH2PHYS_NR_ENTRIES ((MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START) / sizeof(unsigned long))
#define machine_to_phys_mapping ((unsigned long *)MACH2PHYS_VIRT_START)

#define XEN_HAVE_PV_GUEST_ENTRY 1
#define XEN_HAVE_PV_UPCALL_MASK 1

#define FIRST_RESERVED_GDT_PAGE 14
#define FIRST_RESERVED_GDT_BYTE (FIRST_RESERVED_GDT_PAGE * 4096)
#define FIRST_RESERVED_GDT_ENTRY (FIRST_RESERVED_GDT_BYTE / 8)
#define XEN_LEGACY_MAX_VCPUS 32

/* An entry of the virtual IDT. */
#define TI_GET_DPL(ti) ((ti)->flags & 3)
#define TI_GET_IF(ti) ((ti)->flags & 4)
#define TI_SET_DPL(ti, dpl) ((ti)->flags |= (dpl))
#define TI_SET_IF(ti, mask) ((ti)->flags |= ((!!(mask)) << 2))

struct trap_info {
    uint8_t vector;
    uint8_t flags;         /* bits 0-1: privilege needed for INT; bit 2: mask event delivery on entry */
    uint16_t cs;
    unsigned long address; /* 0 ends a table */
};
typedef struct trap_info trap_info_t;
DEFINE_XEN_GUEST_HANDLE(trap_info_t);

typedef uint64_t tsc_timestamp_t;

struct arch_shared_info {
    unsigned long max_pfn;
    xen_pfn_t pfn_to_mfn_frame_list_list;
    unsigned long nmi_reason;
    unsigned long p2m_cr3;
    unsigned long p2m_vaddr;
    unsigned long p2m_generation;
};
typedef struct arch_shared_info arch_shared_info_t;

#define _VGCF_i387_valid 0
#define VGCF_i387_valid (1 << _VGCF_i387_valid)
#define _VGCF_in_kernel 2
#define VGCF_in_kernel (1 << _VGCF_in_kernel)
#define _VGCF_failsafe_disables_events 3
#define VGCF_failsafe_disables_events (1 << _VGCF_failsafe_disables_events)
#define _VGCF_syscall_disables_events 4
#define VGCF_syscall_disables_events (1 << _VGCF_syscall_disables_events)
#define _VGCF_online 5
#define VGCF_online (1 << _VGCF_online)

/* The whole state of a vCPU, for VCPUOP_initialise. ctrlreg[3] is cr3, of the form xen_pfn_to_cr3() gives. */
struct vcpu_guest_context {
    struct { char x[512]; } fpu_ctxt __attribute__((aligned(16)));
    unsigned long flags;                    /* VGCF_* */
    struct cpu_user_regs user_regs;
    struct trap_info trap_ctxt[256];
    unsigned long ldt_base, ldt_ents;
    unsigned long gdt_frames[16], gdt_ents; /* machine frames */
    unsigned long kernel_ss, kernel_sp;
    unsigned long ctrlreg[8];
    unsigned long debugreg[8];
#ifdef __i386__
    unsigned long event_callback_cs;
    unsigned long event_callback_eip;
    unsigned long failsafe_callback_cs;
    unsigned long failsafe_callback_eip;
#else
    unsigned long event_callback_eip;
    unsigned long failsafe_callback_eip;
    unsigned long syscall_callback_eip;
#endif
    unsigned long vm_assist;
#ifdef __x86_64__
    uint64_t fs_base;
    uint64_t gs_base_kernel;
    uint64_t gs_base_user;
#endif
};
typedef struct vcpu_guest_context vcpu_guest_context_t;
DEFINE_XEN_GUEST_HANDLE(vcpu_guest_context_t);

#ifdef __x86_64__
#define xen_pfn_to_cr3(pfn) ((unsigned long)(pfn) << 12)
#define xen_cr3_to_pfn(cr3) ((unsigned long)(cr3) >> 12)
#else
#define xen_pfn_to_cr3(pfn) (((unsigned long)(pfn) << 12) | ((unsigned long)(pfn) >> 20))
#define xen_cr3_to_pfn(cr3) (((unsigned long)(cr3) >> 12) | ((unsigned long)(cr3) << 20))
#endif

#endif
