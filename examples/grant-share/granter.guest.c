/*
 * Two domains share a page: this one owns it. Run both scripts together:
 *
 *   xenscope run examples/grant-share/granter.guest.c examples/grant-share/mapper.guest.c
 *
 * What the guest wants: to lend one page to another domain, and to hear when the other has written into it.
 *
 * What happens: a domain cannot map a page of another one by its frame number, Xen refuses that. The owner has to allow
 * it: it writes the frame, the other domain's number and GTF_permit_access into an entry of its grant table. The other
 * asks Xen to map entry 8 of d1, and Xen marks the entry as being read and written, and holds a reference on the page.
 * Both tell each other through an event channel: this domain offers a port, the other one binds it.
 *
 * What to watch: the frame's counts in Machine Frames. They are those of a second writable mapping while d2 has the page
 * mapped, and the page cannot become a page table then, nor can the grant be taken back: GTF_reading and GTF_writing are
 * set, and gnttab_end_access() finds them.
 */

#include <xenscope.h>

#include "protocol.h"

static volatile unsigned int events;

static void on_event(evtchn_port_t port, struct cpu_user_regs *regs)
{
    (void)regs;
    events++;
    printk("event on port %u\n", (unsigned int)port);
}

int kernel_main(start_info_t *info)
{
    struct mailbox *box = (struct mailbox *)alloc_page();
    grant_ref_t ref;
    int port;

    (void)info;
    memset(box, 0, PAGE_SIZE);
    if (init_gnttab() != 0)
        return 1;
    init_events();

    ref = gnttab_grant_access(MAPPER, virt_to_mfn(box), false);
    port = evtchn_alloc_unbound(MAPPER);
    printk("page %p granted to d%d: reference %u, port %d\n", (void *)box, MAPPER, (unsigned int)ref, port);
    if (ref != PAGE_REF || port != GRANTER_PORT)
        return 1;
    bind_evtchn(port, on_event);

    wait_event(box->request != 0);
    printk("d%d says: %s\n", MAPPER, box->text);
    if (gnttab_end_access(ref))
        return 1;
    printk("the grant cannot be taken back: flags 0x%x\n", grant_table[ref].flags);

    strcpy(box->text, "hello, mapper");
    box->reply = 1;
    notify_remote_via_evtchn(port);

    wait_event(!(grant_table[ref].flags & (GTF_reading | GTF_writing)));
    if (!gnttab_end_access(ref))
        return 1;
    printk("the page is unmapped, the grant is taken back\n");
    return 0;
}
