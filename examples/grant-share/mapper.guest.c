/*
 * Two domains share a page: this one maps it. The story is in granter.guest.c; this script is the second of the run.
 *
 * What to watch: the address at which the page appears belongs to a page of this domain. Xen writes the page-table entry
 * itself, with NX and the flags of the grant; the domain's own page is not lost, only no longer mapped there.
 */

#include <xenscope.h>

#include "protocol.h"

static void on_event(evtchn_port_t port, struct cpu_user_regs *regs)
{
    (void)regs;
    printk("event on port %u\n", (unsigned int)port);
}

int kernel_main(start_info_t *info)
{
    unsigned long va = alloc_page();
    struct mailbox *box = (struct mailbox *)va;
    grant_handle_t handle;
    int port, status;

    (void)info;
    init_events();
    while ((status = gnttab_map(va, GRANTER, PAGE_REF, 0, &handle)) != GNTST_okay)
        HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
    port = evtchn_bind_interdomain(GRANTER, GRANTER_PORT);
    printk("mapped at 0x%lx with handle %u, port %d\n", va, (unsigned int)handle, port);
    if (port < 0)
        return 1;
    bind_evtchn(port, on_event);

    strcpy(box->text, "hello, granter");
    box->request = 1;
    notify_remote_via_evtchn(port);

    wait_event(box->reply != 0);
    printk("d%d says: %s\n", GRANTER, box->text);

    status = gnttab_unmap(va, handle);
    printk("unmapped: status %d\n", status);
    notify_remote_via_evtchn(port);
    return status == GNTST_okay ? 0 : 1;
}
