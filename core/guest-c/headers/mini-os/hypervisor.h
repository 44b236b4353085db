/* Hypercalls, and the masks of event channels. */
#ifndef MINIOS_HYPERVISOR_H
#define MINIOS_HYPERVISOR_H

#include <xenscope.h>
#include <xenscope/atomic.h>
#include <xen/callback.h>
#include <mini-os/traps.h>

__XENSCOPE_LIBRARY void mask_evtchn(uint32_t port)
{
    set_bit((int)port, HYPERVISOR_shared_info->evtchn_mask);
}

/* Xen delivers what has come meanwhile. */
__XENSCOPE_LIBRARY void unmask_evtchn(uint32_t port)
{
    struct evtchn_unmask op = { .port = port };

    HYPERVISOR_event_channel_op(EVTCHNOP_unmask, &op);
}

__XENSCOPE_LIBRARY void clear_evtchn(uint32_t port)
{
    clear_bit((int)port, HYPERVISOR_shared_info->evtchn_pending);
}

#endif
