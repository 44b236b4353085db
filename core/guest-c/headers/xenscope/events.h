/*
 * Event channels. Xen tells a vCPU of events by entering its event callback, as an exception without error code; the
 * callback here looks through the pending ports and calls the handler of each.
 *
 *   init_events();  bind_evtchn(port, handler);  notify_remote_via_evtchn(port);  wait_event(condition);
 */
#ifndef XENSCOPE_EVENTS_H
#define XENSCOPE_EVENTS_H

#include <xen/event_channel.h>
#include <xenscope/traps.h>

/* Handlers can be bound to ports below this number. */
#define XENSCOPE_EVENT_PORTS 64

typedef void event_handler_t(evtchn_port_t port, struct cpu_user_regs *regs);

extern event_handler_t *__xenscope_event_handlers[XENSCOPE_EVENT_PORTS];

/* Takes a word that Xen sets bits in, and leaves 0. */
__XENSCOPE_LIBRARY xen_ulong_t __xenscope_take(volatile xen_ulong_t *word)
{
#ifdef __XENSCOPE__
    xen_ulong_t value = *word;

    *word = 0;
    return value;
#else
    return __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST);
#endif
}

__XENSCOPE_LIBRARY void __xenscope_clear(volatile xen_ulong_t *word, xen_ulong_t bits)
{
#ifdef __XENSCOPE__
    *word &= ~bits;
#else
    __atomic_and_fetch(word, ~bits, __ATOMIC_SEQ_CST);
#endif
}

/* What the entry stub of the event callback calls; events are masked meanwhile. */
__XENSCOPE_LIBRARY void __xenscope_upcall(struct cpu_user_regs *regs)
{
    shared_info_t *shared = HYPERVISOR_shared_info;
    vcpu_info_t *vcpu = &shared->vcpu_info[0];
    const unsigned int bits = sizeof(xen_ulong_t) * 8;

    *(volatile uint8_t *)&vcpu->evtchn_upcall_pending = 0;
    for (xen_ulong_t words = __xenscope_take(&vcpu->evtchn_pending_sel), w = 0; words != 0; words >>= 1, w++) {
        xen_ulong_t ports;

        if (!(words & 1))
            continue;
        ports = *(volatile xen_ulong_t *)&shared->evtchn_pending[w] & ~shared->evtchn_mask[w];
        __xenscope_clear(&shared->evtchn_pending[w], ports);
        for (evtchn_port_t port = w * bits; ports != 0; ports >>= 1, port++) {
            if ((ports & 1) && port < XENSCOPE_EVENT_PORTS && __xenscope_event_handlers[port] != NULL)
                __xenscope_event_handlers[port](port, regs);
        }
    }
}

/* A C function gets the entry stub in its place; any other address goes to Xen as it is. */
__XENSCOPE_LIBRARY unsigned long __xenscope_event_entry(unsigned long callback)
{
    if (callback - VIRT_BASE >= start_info.mfn_list - VIRT_BASE)
        return callback;
    __xenscope_trap_handlers[__XENSCOPE_EVENT_STUB] = (trap_handler_t *)callback;
    return __xenscope_trap_stub(__XENSCOPE_EVENT_STUB);
}

#ifdef __i386__
__XENSCOPE_LIBRARY int HYPERVISOR_set_callbacks(unsigned long event_selector, unsigned long event_address,
                                                unsigned long failsafe_selector, unsigned long failsafe_address)
{
    return (int)__hypercall_4(__HYPERVISOR_set_callbacks, event_selector, __xenscope_event_entry(event_address),
                              failsafe_selector, failsafe_address);
}
#else
__XENSCOPE_LIBRARY int HYPERVISOR_set_callbacks(unsigned long event_address, unsigned long failsafe_address,
                                                unsigned long syscall_address)
{
    return (int)__hypercall_3(__HYPERVISOR_set_callbacks, __xenscope_event_entry(event_address), failsafe_address,
                              syscall_address);
}
#endif

/* Lets events in. One that came meanwhile is delivered by Xen at the next hypercall: this makes one. */
__XENSCOPE_LIBRARY void enable_events(void)
{
    vcpu_info_t *vcpu = &HYPERVISOR_shared_info->vcpu_info[0];

    *(volatile uint8_t *)&vcpu->evtchn_upcall_mask = 0;
    if (*(volatile uint8_t *)&vcpu->evtchn_upcall_pending)
        __hypercall_2(__HYPERVISOR_xen_version, 0, NULL);
}

__XENSCOPE_LIBRARY void disable_events(void)
{
    *(volatile uint8_t *)&HYPERVISOR_shared_info->vcpu_info[0].evtchn_upcall_mask = 1;
}

/* Masks every port, installs the callback and lets events in. */
__XENSCOPE_LIBRARY void init_events(void)
{
    for (unsigned int i = 0; i < sizeof(xen_ulong_t) * 8; i++)
        HYPERVISOR_shared_info->evtchn_mask[i] = ~(xen_ulong_t)0;
#ifdef __i386__
    HYPERVISOR_set_callbacks(FLAT_KERNEL_CS, (unsigned long)__xenscope_upcall, FLAT_KERNEL_CS, 0);
#else
    HYPERVISOR_set_callbacks((unsigned long)__xenscope_upcall, 0, 0);
#endif
    enable_events();
}

/* Sets the handler of a port and unmasks it. 0, or a negative error number. */
__XENSCOPE_LIBRARY int bind_evtchn(evtchn_port_t port, event_handler_t *handler)
{
    struct evtchn_unmask unmask = { .port = port };

    if (port >= XENSCOPE_EVENT_PORTS)
        return -22;
    __xenscope_event_handlers[port] = handler;
    return HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &unmask);
}

/* A port that `remote` may connect to; negative: the error number. */
__XENSCOPE_LIBRARY int evtchn_alloc_unbound(domid_t remote)
{
    struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = remote };
    int rc = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &op);

    return rc != 0 ? rc : (int)op.port;
}

/* Connects to a port that another domain has offered; the own port, or the negative error number. */
__XENSCOPE_LIBRARY int evtchn_bind_interdomain(domid_t remote, evtchn_port_t remote_port)
{
    struct evtchn_bind_interdomain op = { .remote_dom = remote, .remote_port = remote_port };
    int rc = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &op);

    return rc != 0 ? rc : (int)op.local_port;
}

__XENSCOPE_LIBRARY int notify_remote_via_evtchn(evtchn_port_t port)
{
    struct evtchn_send op = { .port = port };

    return HYPERVISOR_event_channel_op(EVTCHNOP_send, &op);
}

/* Sleeps until an event has come; lets events in. */
__XENSCOPE_LIBRARY void block_for_events(void)
{
    HYPERVISOR_sched_op(SCHEDOP_block, NULL);
}

/*
 * Sleeps until a condition that event handlers bring about holds. Events are masked while it is looked at, so that none
 * can come between the look and the sleep.
 */
#define wait_event(condition) \
    do { \
        disable_events(); \
        while (!(condition)) { \
            block_for_events(); \
            disable_events(); \
        } \
        enable_events(); \
    } while (0)

#endif
