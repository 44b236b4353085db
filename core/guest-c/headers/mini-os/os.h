/* Mini-OS's processor: interrupts (events), barriers, bits. The kernel is paravirtual. */
#ifndef MINIOS_OS_H
#define MINIOS_OS_H

#ifndef CONFIG_PARAVIRT
#define CONFIG_PARAVIRT 1
#endif

#include <xenscope.h>
#include <xenscope/atomic.h>
#include <mini-os/types.h>
#include <mini-os/kernel.h>

#define smp_processor_id() 0

/* A PV kernel's interrupts are events; their mask is a byte that Xen reads. */
#define __cli() disable_events()
#define __sti() enable_events()
#define __save_flags(x) ((x) = HYPERVISOR_shared_info->vcpu_info[0].evtchn_upcall_mask)
#define __restore_flags(x) \
    do { \
        if (x) \
            disable_events(); \
        else \
            enable_events(); \
    } while (0)
#define __save_and_cli(x) \
    do { \
        __save_flags(x); \
        __cli(); \
    } while (0)
#define local_irq_save(x) __save_and_cli(x)
#define local_irq_restore(x) __restore_flags(x)
#define local_save_flags(x) __save_flags(x)
#define local_irq_disable() __cli()
#define local_irq_enable() __sti()
#define irqs_disabled() (HYPERVISOR_shared_info->vcpu_info[0].evtchn_upcall_mask)

#endif
