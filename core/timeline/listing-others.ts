/**
 * The listings of the other hypercalls, and what is made from the rules alone: functions that have no text of their own
 * here get their checks in the order of the rules' rows. The format is that of listing.ts.
 */

export const MEMORY_LISTING = `
/* Takes frames from Xen and gives them back. Operations on reservations return how many extents were done. */
int do_memory_op(cmd, arg)
{
    @check memory_op.command
    @check memory_op.not-modelled
    switch (cmd) {
    case XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap:
        copy the struct xen_memory_reservation                               @check memory_op.argument
        @check memory_op.domain
        @check memory_op.privilege
        @check memory_op.order
        the list can be the guest's                                          @check memory_op.list
        increase_reservation(the reservation);                               @call increase_reservation
        decrease_reservation(the reservation);                               @call decrease_reservation
        populate_physmap(the reservation);                                   @call populate_physmap
        tables were given up: flush the TLBs of the domain;                  @did flush
        return the number of extents done;
    case XENMEM_current_reservation, XENMEM_maximum_reservation:
        copy the domid                                                       @check memory_op.argument
        @check memory_op.domain
        @check memory_op.privilege
        return the number of pages;
    case XENMEM_machphys_mapping:
        copy the answer to the guest                                         @check memory_op.argument
        return 0;
    case XENMEM_exchange:
        return memory_exchange(arg);                                         @call memory_exchange
    case others:
        arch_memory_op(cmd, arg);                                            @call arch_memory_op
    }
}

/* Gives the domain as many extents as it asks for; their M2P entries stay invalid. */
int increase_reservation(extents, order)
{
    for (extent = 0; extent < extents; extent++) {
        extent;                                                              @did extent
        allocate 2^order frames for the domain                               @check memory_op.no-memory
        list[extent] = frame                                                 @check memory_op.list
    }
}

/* Takes frames back. A frame that something still refers to stays the domain's until that is gone. */
int decrease_reservation(extents, order)
{
    for (extent = 0; extent < extents; extent++) {
        copy list[extent]                                                    @check memory_op.list
        for (each frame of the extent)
            guest_remove_page(frame);                                        @call guest_remove_page
    }
}

/* Gives the domain frames for its own frame numbers, and enters them into the M2P. */
int populate_physmap(extents, order)
{
    for (extent = 0; extent < extents; extent++) {
        copy the pfn in list[extent]                                         @check memory_op.list
        allocate 2^order frames for the domain                               @check memory_op.no-memory
        M2P[frame] = pfn, for each of them;                                  @did m2p
        list[extent] = frame                                                 @check memory_op.list
    }
}

int guest_remove_page(frame)
{
    @check memory_op.invalid-frame
    get_page(frame, the domain)                                              @check memory_op.not-owned
    if (pinned) pinned = no;                                                 @did unpin ?3.0.4
        put_page_type(frame);                                                @call put_page_type ?3.0.4
        put_page(frame);                                                     @did put_page ?3.0.4
    if (allocated) allocated = no;  put_page(frame);                         @did release
    put_page(frame): the last one frees it;                                  @did put
    return 0;
}

/* Frames for frames, in pieces of another size. Each chunk is exchanged as a whole or not at all. */
int memory_exchange(arg)
{
    copy the struct xen_memory_exchange                                      @check exchange.argument
    @check exchange.order
    @check exchange.sizes
    the lists can be the guest's                                             @check exchange.list ?4.17
    @check exchange.node ?4.17
    @check exchange.address-bits ?3.0.4
    @check exchange.domain
    @check exchange.privilege
    for (chunk = nr_exchanged; chunk < chunks; chunk++) {
        for (each input frame) {
            copy in.list[extent]                                             @check exchange.list
            steal_page(frame): nothing but its allocation may refer to it    @check exchange.frame
        }
        allocate the output frames                                           @check exchange.no-memory
        the input frames go back to Xen;                                     @did free
        for (each output frame) {
            it is given to the domain;                                       @did assign
            copy the pfn in out.list[extent]                                 @check exchange.list
            M2P[frame] = pfn;                                                @did m2p
            out.list[extent] = frame                                         @check exchange.list
        }
    }
    nr_exchanged = chunks done                                               @check exchange.argument
    return 0, or what the chunk that failed said;
}
`;

export const GRANT_LISTING = `
/* A list of operations, each with a status of its own; the hypercall returns 0 although some of them fail. */
int do_grant_table_op(cmd, ops, count)
{
    @check grant_table_op.count
    @check grant_table_op.command
    the list can be the guest's                                              @check grant_table_op.argument
    for (i = 0; i < count; i++) {
        ops[i];                                                              @did element
        gnttab_map_grant_ref: map_grant_ref(op);                             @call map_grant_ref
        gnttab_unmap_grant_ref: unmap_common(op);                            @call unmap_common
        unmap_common_complete(op), after the TLBs were flushed;              @call unmap_common_complete
        gnttab_transfer(op);                                                 @call gnttab_transfer
        gnttab_copy_one(op);                                                 @call gnttab_copy_one
        swap_grant_ref(op);                                                  @call swap_grant_ref
        gnttab_setup_table(op);                                              @call gnttab_setup_table
        gnttab_query_size(op);                                               @call gnttab_query_size
        gnttab_set_version(op);                                              @call gnttab_set_version
        gnttab_get_version(op);                                              @call gnttab_get_version
        op.status = what it said                                             @check grant_table_op.argument
    }
    return 0;
}

/* Maps a page that another domain has granted. */
int map_grant_ref(host, flags, ref, domid)
{
    @check grant.map-flags
    @check grant.reference ?3.0.4
    @check grant.domain
    handle = a free entry of the maptrack                                    @check grant.no-handle
    acquire_grant(ref, flags);                                               @call acquire_grant
    for (each half of the mapping, device and host) {
        get_page(frame, granter)                                             @check grant.frame-gone
        if (not GNTMAP_readonly) {
            get_page_type(frame, PGT_writable_page);                         @call get_page_type
            @check grant.writable-type
        }
    }
    if (GNTMAP_host_map)
        create_grant_pv_mapping(host, frame, flags);                         @call create_grant_pv_mapping
    maptrack[handle] = { domid, ref, flags };                                @did track
    return GNTST_okay;
failed:
    put_page_type(frame);                                                    @call put_page_type
    put_page(frame);                                                         @did put_page
    unpin the entry;  the handle is free again;                              @did release
}

/* Pins an entry of a grant table: what it permits is checked, and the granter sees that it is in use. */
int acquire_grant(ref, flags)
{
    @check grant.reference
    @check grant.pinned-by-other
    @check grant.pin-overflow
    the first pin, or the first that writes:
        @check grant.entry-type
        @check grant.entry-domain
        @check grant.entry-readonly
        entry.flags |= GTF_reading, and GTF_writing if it may write;         @did mark
        frame = entry.frame, at the first pin                                @check grant.frame
    pin + 1;                                                                 @did pin
    return GNTST_okay;
}

/* Writes the L1 entry of a host mapping: named by the address that it maps or, with GNTMAP_contains_pte, by its own. */
int create_grant_pv_mapping(host, frame, flags)
{
    if (GNTMAP_contains_pte) {
        @check grant.pte-aligned
        @check grant.pte-owner
        @check grant.pte-type
    } else {
        @check grant.address
        @check grant.no-l1
        @check grant.pte-type
    }
    table[slot] = frame with P, A, D, NX, and RW if it may write;            @did write
    put_page_from_l1e(oldEntry);                                             @call put_page_from_l1e
    return GNTST_okay;
}

/* Takes a mapping out of the caller's tables; its references go after the TLBs were flushed. */
int unmap_common(host, device, handle)
{
    @check grant.handle
    @check grant.device-address
    if (host)
        replace_grant_pv_mapping(host, frame, flags, replacement);           @call replace_grant_pv_mapping
    maptrack[handle] loses the halves that are unmapped;                     @did track
    return GNTST_okay;
}

int replace_grant_pv_mapping(host, frame, flags, replacement)
{
    if (replacement) {
        @check grant.replace-pte
        the entry that maps the replacement is found as that of host is:
        @check grant.address
        @check grant.no-l1
        @check grant.pte-type
        newEntry = that entry, which becomes empty;                          @did steal
    }
    if (GNTMAP_contains_pte) {
        @check grant.pte-aligned
        @check grant.pte-owner
        @check grant.pte-type
    } else {
        @check grant.address
        @check grant.no-l1
        @check grant.pte-type
    }
    @check grant.pte-mismatch
    table[slot] = newEntry, or empty;                                        @did write
    return GNTST_okay;
}

void unmap_common_complete(frame, ref)
{
    put_page_type(frame);                                                    @call put_page_type
    put_page(frame);                                                         @did put_page
    pin - 1;  GTF_writing and GTF_reading go when nothing needs them;        @did unpin
}

/* Gives a page to a domain that offers an entry for it. Once it is stolen, its owner has lost it. */
int gnttab_transfer(frame, receiver, ref)
{
    steal_page(frame): nothing but its allocation may refer to it            @check transfer.page
    @check transfer.domain
    @check transfer.headroom
    @check transfer.entry
    the page is the receiver's;  M2P[frame] = entry.frame;                   @did assign
    entry.frame = frame;  entry.flags |= committed, completed;               @did complete
    return GNTST_okay;
}

/* Copies bytes between two pages, each named by a grant or, for the caller's own, by its frame. */
int gnttab_copy_one(source, dest, length)
{
    @check copy.bounds ?3.0.4
    @check copy.by-frame
    @check copy.domain
    for (source and destination) {
        acquire_grant(ref, flags), if it is named by a grant;                @call acquire_grant
        get_page(frame, owner)                                               @check copy.frame
        get_page_type(frame, PGT_writable_page), of the destination;         @call get_page_type
        @check copy.dest-type
    }
    @check copy.bounds ?4.17
    copy the bytes;                                                          @did copy
    put_page_type(frame) of the destination;                                 @call put_page_type
    put_page(frame), unpin;                                                  @did release
    return GNTST_okay;
}

int gnttab_setup_table(domid, frames, list)
{
    @check grant_table_op.single
    @check grant_table_op.argument
    @check grant.domain
    @check grant.privilege
    @check grant.setup-frames
    the table grows to as many pages                                         @check grant.table-memory
    the frames are listed for the guest                                      @check grant.frame-list
    return 0;
}

/* Exchanges two entries of one's own table. */
int swap_grant_ref(a, b)
{
    @check grant.reference
    @check grant.swap-pinned
    @check grant.table-memory
    return GNTST_okay;
}

int gnttab_query_size(domid)
{
    @check grant_table_op.single
    @check grant.domain
    @check grant.privilege
    return 0;
}
`;

export const TRAP_LISTING = `
/* A page fault of the guest. A store of the kernel to one of its L1 tables, mapped read-only, is carried out as an update
   of the entry if the domain has the assist writable_pagetables (and always for the hardware domain). */
void do_page_fault(address, errorCode)
{
    if the store is to an L1 table in use, that the kernel maps read-only:
        done = {pv_ro_page_fault|ptwr_do_page_fault}(address);                @call pv_ro_page_fault
        if (done) return;
    cr2 of the guest = address;                                              @did cr2
    create_bounce_frame(#PF);                                                @call create_bounce_frame
}

/* Carries out the store to the L1 table; false when it cannot: then it is a fault as any other. */
bool {pv_ro_page_fault|ptwr_do_page_fault}(address, table, slot)
{
    entry = the old one with the bytes of the store;                         @did merge
    if (present(entry)) {
        @check l1tf.entry
        get_page_from_l1e(entry, the domain);                                @call get_page_from_l1e
        refused, and it is the upper half of a new entry: P is taken away;   @did upper-half
        refused: return false;                                               @did refused
    }
    a cmpxchg finds another value: nothing is stored;                        @did mismatch
    table[slot] = entry;                                                     @did write
    put_page_from_l1e(oldEntry);                                             @call put_page_from_l1e
    return true;
}

/* Makes the guest kernel run its handler: a frame on its stack says where it was. There is no double fault. */
void create_bounce_frame(trap)
{
    @check trap.no-handler
    @check trap.no-event-callback
    @check trap.stack-in-xen
    push the frame on the kernel stack                                       @check trap.bad-stack
    rip = the handler, rsp = the frame;                                      @did enter
}
`;

export const DESCRIPTOR_LISTING = `
int do_set_gdt(frames, entries)
{
    @check set_gdt.entries
    for (each page of the table)
        copy frames[i]                                                       @check set_gdt.list
    return pv_set_gdt(frames, entries);                                      @call pv_set_gdt
}

/* Makes the frames the vCPU's GDT, or keeps the old one. */
int pv_set_gdt(frames, entries)
{
    for (each page of the new table) {
        get_page(frame, the caller);
        get_page_type(frame, PGT_seg_desc);                                  @call get_page_type
        @check set_gdt.frame
    }
    for (each page of the old table, or of the new one when it fails) {
        put_page_type(frame);                                                @call put_page_type
        put_page(frame);                                                     @did put_page
    }
    GDT = the new pages;  the TLB of this vCPU is flushed;                   @did load
    return 0;
}

int do_update_descriptor(ma, desc)
{
    @check update_descriptor.address
    @check update_descriptor.owner
    @check descriptor.bad
    get_page_type(frame, PGT_seg_desc, or PGT_writable_page);                @call get_page_type
    @check update_descriptor.frame
    *ma = desc as Xen stores it;                                             @did write
    put_page_type(frame);                                                    @call put_page_type
    return 0;
}
`;

/** Functions that have no text: their checks come from the rules' rows. */
export const GENERATED: readonly {
  readonly file: string;
  readonly functions: Readonly<Record<string, string>>;
}[] = [
  {
    file: 'hypercall.c',
    functions: {
      pv_hypercall: 'nr, arguments',
      do_multicall: 'calls, count',
      do_xen_version: 'cmd, arg',
      do_vm_assist: 'cmd, type',
      vm_assist: 'cmd, type',
      do_console_io: 'cmd, count, buffer',
    },
  },
  {
    file: 'traps.c',
    functions: {
      do_set_trap_table: 'table',
      do_set_callbacks: 'event, failsafe, syscall',
      do_callback_op: 'cmd, arg',
      register_guest_callback: 'callback',
      unregister_guest_callback: 'callback',
      do_iret: '',
      do_stack_switch: 'ss, sp',
      do_fpu_taskswitch: 'set',
      pv_l1tf_check_pte: 'level, entry',
    },
  },
  {
    file: 'descriptor-tables.c',
    functions: {
      check_descriptor: 'descriptor',
      do_set_segment_base: 'which, base',
    },
  },
  {
    file: 'event_channel.c',
    functions: {
      do_event_channel_op: 'cmd, arg',
      do_event_channel_op_compat: 'op',
      evtchn_send: 'port',
      get_free_port: '',
      evtchn_bind_interdomain: 'remote_dom, remote_port',
      evtchn_bind_virq: 'virq, vcpu',
      evtchn_bind_ipi: 'vcpu',
    },
  },
  {
    file: 'schedule.c',
    functions: {
      do_sched_op: 'cmd, arg',
      do_sched_op_compat: 'cmd, arg',
      do_poll: 'poll',
      do_vcpu_op: 'cmd, vcpu, arg',
      arch_initialise_vcpu: 'vcpu, arg',
      arch_set_info_guest: 'vcpu, context',
    },
  },
  {
    file: 'memory.c',
    functions: {
      arch_memory_op: 'cmd, arg',
      xenmem_add_to_physmap: 'domain, arg',
      xenmem_add_to_physmap_one: 'domain, arg',
      xenmem_add_to_physmap_batch: 'domain, arg',
    },
  },
  {
    file: 'grant_table.c',
    functions: { gnttab_set_version: 'op', gnttab_get_version: 'op' },
  },
];

/** Where functions of rules go that no table above names. */
export const OTHER_FILE = 'others.c';
