/**
 * The listing of Xen's memory management (xen/arch/x86/mm.c and what it calls), as pseudo-code in our own words: what
 * the model's functions do, in the order in which they do it. The format is that of listing.ts. Facts 3.
 */

/** Text that is the same for the tables of L2, L3 and L4. */
const upper = (level: 2 | 3 | 4): string => {
  const child = level - 1;
  const e = `l${level}e`;
  const closed = {
    2: '    @check l2e.xen-slot',
    3: '    if the table is a PAE root:\n        @check l3e.closed-slot',
    4: '    @check l4e.xen-slot',
  }[level];
  const isTopL2 = level === 3 ? ' (slot 3 of a PAE root: as the L2 that carries Xen)' : '';
  const topChecks = level === 3 ? '    @check l3e.plain-l2\n    @check l3e.top-l2\n' : '';
  const types = `PGT_l${child}_page_table`;
  return `
/* Changes one entry of an L${level} table in use. The new child is taken before the old one is let go. */
int mod_l${level}_entry(table, slot, entry)
{
${closed}
    oldEntry = table[slot];                                                  @did read
    if (!present(entry))
        table[slot] = entry;                                                 @did clear
    else {
        @check ${e}.flags
        add the flags that Xen wants in every entry;                         @did adjust
        if (oldEntry has the same frame and rights)
            table[slot] = entry;  return 0;                                  @did write-flags
        get_page_from_${e}(entry, table, slot);                              @call get_page_from_${e}
        table[slot] = entry;                                                 @did write
    }
    put_page_from_${e}(oldEntry, table);                                     @call put_page_from_${e}
    return 0;
}

/* Takes what a present L${level} entry needs: its child as an L${child} table${isTopL2}. */
int get_page_from_${e}(entry, table, slot)
{
    @check ${e}.flags
    get_page(frame, owner of the table)                                      @check ${e}.child-owner
    get_page_type(frame, ${types});                             @call get_page_type
${topChecks}    if the frame is in use as an L${level} table itself:
        return get_linear_pagetable(entry, table);                           @call get_linear_pagetable
    @check ${e}.child-type
    return 0;
}

/* Lets go of the child of an L${level} entry. An entry that names its own table holds nothing. */
void put_page_from_${e}(entry, table)
{
    if the child is an L${level} table too (a linear entry):
        linear uses of both tables - 1;                                      @did linear
    put_page_type(frame);                                                    @call put_page_type
    put_page(frame);                                                         @did put_page
}

/* The frame is to be an L${level} table: every present entry is checked and takes its child. */
int {promote|alloc}_l${level}_table(frame)
{
${
  level === 3
    ? '    if the ABI is PAE:\n        @check l3.above-4g\n    the L2 of slot 3 must be there:\n        @check l3.no-top-l2\n'
    : ''
}    for (slot = 0; slot < slots of the guest; slot++) {
        if (!present(table[slot])) continue;
        entry = table[slot];                                                 @did slot
        get_page_from_${e}(entry, table, slot);                              @call get_page_from_${e}
        table[slot] = entry with the flags that Xen wants;                   @did adjust
    }
    Xen's own slots are written;                                             @did xen-slots
${
  level === 3
    ? '    @check l3.shared-top-l2\n    the L2 tables are shown in the linear page table;                        @did link\n'
    : ''
}    return 0;
failed:                                                                      @did failed
    for (slots below) {
        entry = table[slot];                                                 @did drop
        put_page_from_${e}(entry, table);                                    @call put_page_from_${e}
    }
    return the error of the entry;
}

/* The last type reference has gone: the entries let go of what they hold, and stay as they are. */
void {demote|free}_l${level}_table(frame)
{
    for (slot = 0; slot < slots of the guest; slot++) {
        if (!present(table[slot])) continue;
        entry = table[slot];                                                 @did drop
        put_page_from_${e}(entry, table);                                    @call put_page_from_${e}
    }
}
`;
};

const UPDATES = `
/* A list of { ptr, val }: the low bits of ptr are the command, the rest is the machine address of an entry (or, for
   MMU_MACHPHYS_UPDATE, of a frame). The first request that fails ends the list; those before it stay done. */
int do_mmu_update(ureqs, count, pdone, foreigndom)
{
    the list can be the guest's                                              @check mmu_update.requests ?4.17
    tableOwner = foreigndom >> 16, or the caller;                            @did pt_owner
    pageOwner = get_pg_owner(foreigndom & 0xffff);                           @call get_pg_owner
    the list can be the guest's                                              @check mmu_update.requests ?3.0.4
    for (i = 0; i < count; i++) {
        copy { ptr, val } of request i                                       @check mmu_update.requests
        command = low bits of ptr;                                           @did request
        @check mmu_update.command
        switch (command) {
        case MMU_MACHPHYS_UPDATE:
            @check mmu_update.m2p-table-owner
            @check foreign.unprivileged
            @check mmu_update.m2p-owner
            M2P[frame] = val;                                                @did m2p
            break;
        case MMU_NORMAL_PT_UPDATE, MMU_PT_UPDATE_PRESERVE_AD, MMU_PT_UPDATE_NO_TRANSLATE:
            @check foreign.unprivileged
            @check mmu_update.table-owner
            if the table has been used last as a page table, it is taken as that: ?3.0.4
                get_page_type(table, its type);                              @call get_page_type ?3.0.4
            switch (what the table is in use as) {
            case L1 table:
                mod_l1_entry(table, slot, val, pageOwner);                   @call mod_l1_entry
                break;
            case L2, L3 or L4 table:
                @check mmu_update.foreign-upper
                mod_l2_entry(table, slot, val);                              @call mod_l2_entry
                mod_l3_entry(table, slot, val);                              @call mod_l3_entry
                mod_l4_entry(table, slot, val);                              @call mod_l4_entry
                break;
            case not in use (type count 0): a plain store, if it can be made writable
                get_page_type(table, PGT_writable_page);                     @call get_page_type
            case writable page, or just made so:
                @check mmu_update.not-storable
                *ptr = val;                                                  @did store
            }
            put_page_type(table), if it was taken above;                     @call put_page_type
        }
    }
    an L2, L3 or L4 entry was changed: flush the TLBs of the tables' owner;  @did flush
    *pdone = requests done;                                                  @did done
    return 0, or what the request that failed said;
}

/* The domain that owns the frames in question. */
int get_pg_owner(foreign)
{
    if (foreign == DOMID_SELF) return the caller;                            @did self
    @check foreign.own-id
    @check foreign.unprivileged ?3.0.4
    @check foreign.unknown
    return the domain;
}

int do_update_va_mapping(va, val, flags)
{
    return __do_update_va_mapping(va, val, flags, the caller);               @call __do_update_va_mapping
}

int do_update_va_mapping_otherdomain(va, val, flags, domid)
{
    pageOwner = get_pg_owner(domid);                                         @call get_pg_owner
    @check foreign.unprivileged
    return __do_update_va_mapping(va, val, flags, pageOwner);                @call __do_update_va_mapping
}

/* Changes the L1 entry that maps an address in the root that is loaded, and flushes as asked. */
int __do_update_va_mapping(address, entry, flags, pageOwner)
{
    @check va_mapping.address
    walk from the root to the L1 table of the address                        @check va_mapping.no-l1
    table, slot = where the walk ended;                                      @did walk
    @check va_mapping.not-l1
    mod_l1_entry(table, slot, entry, pageOwner);                             @call mod_l1_entry
    if (UVMF_MULTI)
        @check va_mapping.flush-bitmap
    flush page or TLB, of this vCPU, of all or of those in the bitmap;       @did flush
    tables were given up: flush the TLBs of the domain;                      @did flush-all
    return 0;
}
`;

const ENTRIES = `
/* Changes one entry of an L1 table in use. What the new entry needs is taken before what the old one held is let go. */
int mod_l1_entry(table, slot, entry, pageOwner)
{
    oldEntry = table[slot];                                                  @did read
    if (!present(entry)) {
        @check l1tf.entry
        table[slot] = entry;                                                 @did clear
    } else {
        @check l1e.flags
        entry = entry as Xen stores it (x86_64: US, and a mark for kernel);  @did adjust
        if (oldEntry has the same frame, RW and cache bits)
            table[slot] = entry;  return 0;                                  @did write-flags
        get_page_from_l1e(entry, pageOwner);                                 @call get_page_from_l1e
        table[slot] = entry;                                                 @did write
    }
    put_page_from_l1e(oldEntry);                                             @call put_page_from_l1e
    return 0;
}

/* Takes what a present L1 entry needs: a reference on its frame, and the type writable if it has RW. */
int get_page_from_l1e(entry, frame, pageOwner)
{
    @check l1e.flags
    if the frame is no RAM of this machine (it takes no references):
        @check l1e.invalid-frame
        @check l1e.mmio
        return 0;
    get_page(frame, pageOwner)                                               @check l1e.owner
    if (entry has RW) {
        get_page_type(frame, PGT_writable_page);                             @call get_page_type
        @check l1e.writable-type
    }
    @check l1e.cache-attributes
    return 0;
}

/* Lets go of what an L1 entry held. */
void put_page_from_l1e(entry, frame)
{
    @check grant.implicit-unmap
    if (entry has RW)
        put_page_type(frame);                                                @call put_page_type
    put_page(frame);                                                         @did put_page
}

/* The frame is to be an L1 table: every present entry is checked and takes its frame. */
int {promote|alloc}_l1_table(frame)
{
    for (slot = 0; slot < slots; slot++) {
        @check l1tf.entry
        if (!present(table[slot])) continue;
        entry = table[slot];                                                 @did slot
        get_page_from_l1e(entry, owner of the table);                        @call get_page_from_l1e
        table[slot] = entry as Xen stores it;                                @did adjust
    }
    return 0;
failed:                                                                      @did failed
    for (slots below) {
        entry = table[slot];                                                 @did drop
        put_page_from_l1e(entry);                                            @call put_page_from_l1e
    }
    return the error of the entry;
}

/* The last type reference has gone: the entries let go of what they hold, and stay as they are. */
void {demote|free}_l1_table(frame)
{
    for (slot = 0; slot < slots; slot++) {
        if (!present(table[slot])) continue;
        entry = table[slot];                                                 @did drop
        put_page_from_l1e(entry);                                            @call put_page_from_l1e
    }
}
`;

const TYPES = `
/* A frame has one type at a time, and a count of those who rely on it. The type may change only while the count is 0;
   a frame that becomes a page table or descriptor page is checked first. */
int get_page_type(frame, wantedType)
{
    if (type count != 0) {
        if (type != wantedType) return -EINVAL (the caller says what it means);  @did mismatch
        @check type.count-overflow
        type count + 1;  return 0;                                           @did count
    }
    if (type == wantedType)
        type count = 1;                                                      @did first
    else
        type = wantedType;  type count = 1;  validated = no;
            stale translations are flushed;                                  @did change
    if (wantedType is writable)
        validated = yes;  return 0;                                          @did valid
    if it is not validated:
        {promote|alloc}_l1_table(frame);                                     @call promote_l1_table
        {promote|alloc}_l2_table(frame);                                     @call promote_l2_table
        {promote|alloc}_l3_table(frame);                                     @call promote_l3_table
        {promote|alloc}_l4_table(frame);                                     @call promote_l4_table
        {validate|alloc}_segdesc_page(frame);                                @call validate_segdesc_page
    validated = yes;  return 0;                                              @did validated
failed:
    type count = 0;  type = none, but for L2 to L4 that failed after slot 0; @did invalid
    return the error;
}

void put_page_type(frame)
{
    if (type count != 1)
        type count - 1;  return;                                             @did count
    if (type is a page table) {
        validated = no;                                                      @did invalidate
        {demote|free}_l1_table(frame);                                       @call demote_l1_table
        {demote|free}_l2_table(frame);                                       @call demote_l2_table
        {demote|free}_l3_table(frame);                                       @call demote_l3_table
        {demote|free}_l4_table(frame);                                       @call demote_l4_table
    }
    type count = 0;                                                          @did last
}

/* An entry may name a table of its own level (a recursive map), read-only and one level deep. */
int get_linear_pagetable(entry, table, frame)
{
    @check linear.disabled
    @check linear.writable
    if (frame == table) return 0: nothing is counted;                        @did self
    the other table is validated, and this ABI has such tables: else
        @check l2e.child-type
        @check l3e.child-type
        @check l4e.child-type
    @check linear.nested
    type count + 1;  reference count + 1;  linear uses + 1;                  @did count
    return 0;
}

int {validate|alloc}_segdesc_page(frame)
{
    every descriptor of the page is checked, and changed to what Xen accepts @check descriptor.bad
    return 0;
}
`;

const EXTENDED = `
/* A list of { cmd, arg1, arg2 }. The first operation that fails ends the list; those before it stay done. */
int do_mmuext_op(uops, count, pdone, foreigndom)
{
    pageOwner = get_pg_owner(foreigndom);                                    @call get_pg_owner
    @check foreign.unprivileged
    the list can be the guest's                                              @check mmuext_op.operations
    for (i = 0; i < count; i++) {
        copy operation i                                                     @check mmuext_op.operations
        command = op.cmd;                                                    @did operation
        @check mmuext_op.command
        @check mmuext_op.user-root
        commands about the caller's own state:
            @check mmuext_op.foreign
        switch (command) {
        case MMUEXT_PIN_L1_TABLE to MMUEXT_PIN_L4_TABLE:
            get_page(frame, pageOwner)                                       @check pin.owner
            get_page_type(frame, L1 to L4 table);                            @call get_page_type
            @check pin.type
            @check pin.twice
            pinned = yes;                                                    @did pin
            break;
        case MMUEXT_UNPIN_TABLE:
            get_page(frame, pageOwner)                                       @check unpin.owner
            @check unpin.not-pinned
            pinned = no;                                                     @did unpin
            put_page_type(frame);                                            @call put_page_type
            put_page(frame), of the pin;                                     @did put_page
            put_page(frame), of this operation;                              @did release
            break;
        case MMUEXT_NEW_BASEPTR:
            new_guest_cr3(frame);                                            @call new_guest_cr3
            break;
        case MMUEXT_NEW_USER_BASEPTR:
            get_page(frame, the caller)                                      @check user-baseptr.owner
            get_page_type(frame, root table);                                @call get_page_type
            @check user-baseptr.type
            user root = frame;                                               @did user-root
            put_page_type(old user root);                                    @call put_page_type
            put_page(old user root);                                         @did put_page
            break;
        case MMUEXT_TLB_FLUSH_MULTI, MMUEXT_INVLPG_MULTI:
            @check mmuext_op.flush-bitmap
        case MMUEXT_TLB_FLUSH_*, MMUEXT_INVLPG_*:
            flush TLB or page;                                               @did flush-tlb
            break;
        case MMUEXT_FLUSH_CACHE:
            @check mmuext_op.flush-cache
            break;
        case MMUEXT_FLUSH_CACHE_GLOBAL:
            @check mmuext_op.flush-cache-global
            break;
        case MMUEXT_SET_LDT:
            @check set_ldt.arguments
            LDT = { arg1, arg2 };                                            @did ldt
            break;
        case MMUEXT_CLEAR_PAGE:
            get_page_type(frame, PGT_writable_page);                         @call get_page_type
            @check clear_page.frame
            fill the page with zeros;                                        @did clear
            put_page_type(frame);                                            @call put_page_type
            put_page(frame);                                                 @did put_page
            break;
        case MMUEXT_COPY_PAGE:
            @check copy_page.source
            get_page_type(frame, PGT_writable_page);                         @call get_page_type
            @check copy_page.destination
            copy the page arg2;                                              @did copy
            put_page_type(frame);                                            @call put_page_type
            put_page(frame);                                                 @did put_page
            break;
        case MMUEXT_MARK_SUPER, MMUEXT_UNMARK_SUPER:
            @check mmuext_op.super
        }
    }
    tables were given up: flush the TLBs of the domain;                      @did flush
    *pdone = operations done;                                                @did done
    return 0, or what the operation that failed said;
}

/* Makes a frame the root of the kernel's address space. */
int new_guest_cr3(frame, old)
{
    if (frame == old) reload CR3;  return 0;                                 @did same
    get_page(frame, the caller)                                              @check baseptr.owner
    get_page_type(frame, root table);                                        @call get_page_type
    put_page_type(old): the type may be free now, so try once more;          @call put_page_type ?3.0.4
    put_page(old);                                                           @did put_page ?3.0.4
    get_page_type(frame, root table);                                        @did retry ?3.0.4
    @check baseptr.type
    @check baseptr.fatal ?3.0.4
    CR3 = frame;  the TLB of this vCPU is flushed;                           @did load
    put_page_type(old);                                                      @call put_page_type
    put_page(old);                                                           @did put_page
    return 0;
}
`;

export const MM_LISTING = [UPDATES, ENTRIES, upper(2), upper(3), upper(4), TYPES, EXTENDED].join('\n');
