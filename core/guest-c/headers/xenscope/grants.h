/*
 * Grants: pages of one domain that another may map. The granter writes entries of its grant table, which it shares with
 * Xen; the mapper asks Xen for the mapping. The references below 8 are the toolstack's.
 */
#ifndef XENSCOPE_GRANTS_H
#define XENSCOPE_GRANTS_H

#include <xen/grant_table.h>
#include <xenscope/pages.h>
#include <xenscope/kernel.h>

#define XENSCOPE_GRANT_ENTRIES (PAGE_SIZE / sizeof(grant_entry_t))

extern grant_entry_t *grant_table;
extern grant_ref_t __xenscope_next_ref;

/* Sets up one page of grant table and maps it at grant_table. 0, or a negative number. */
__XENSCOPE_LIBRARY int init_gnttab(void)
{
    xen_pfn_t frame = 0;
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    unsigned long page = alloc_pages(0);
    int rc;

    set_xen_guest_handle(setup.frame_list, &frame);
    rc = HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1);
    if (rc != 0 || setup.status != GNTST_okay)
        return rc != 0 ? rc : setup.status;
    rc = HYPERVISOR_update_va_mapping(page, mfn_to_pte(frame, L1_PROT), UVMF_INVLPG);
    if (rc != 0)
        return rc;
    grant_table = (grant_entry_t *)page;
    __xenscope_next_ref = GNTTAB_NR_RESERVED_ENTRIES;
    return 0;
}

/* Fills an entry, the flags last: Xen may look at it as soon as they are there. */
__XENSCOPE_LIBRARY grant_ref_t __xenscope_fill_entry(domid_t domid, uint32_t frame, uint16_t flags)
{
    grant_ref_t ref = __xenscope_next_ref++;

    if (ref >= XENSCOPE_GRANT_ENTRIES)
        BUG();
    grant_table[ref].frame = frame;
    grant_table[ref].domid = domid;
    barrier();
    *(volatile uint16_t *)&grant_table[ref].flags = flags;
    return ref;
}

/* Lets a domain map a machine frame. */
__XENSCOPE_LIBRARY grant_ref_t gnttab_grant_access(domid_t domid, mfn_t frame, bool readonly)
{
    return __xenscope_fill_entry(domid, frame, GTF_permit_access | (readonly ? GTF_readonly : 0));
}

/* Offers to take a page from a domain; Xen enters it into the M2P at `pfn`. */
__XENSCOPE_LIBRARY grant_ref_t gnttab_grant_transfer(domid_t domid, pfn_t pfn)
{
    return __xenscope_fill_entry(domid, pfn, GTF_accept_transfer);
}

/* Takes a grant back. False while the other domain has the page mapped: that cannot be forced. */
__XENSCOPE_LIBRARY bool gnttab_end_access(grant_ref_t ref)
{
    volatile uint16_t *flags = &grant_table[ref].flags;

    if (*flags & (GTF_reading | GTF_writing))
        return false;
    *flags = 0;
    return true;
}

/* Maps another domain's page at an address that has an L1 table. GNTST_okay, another status, or an error number. */
__XENSCOPE_LIBRARY int gnttab_map(unsigned long va, domid_t domid, grant_ref_t ref, uint32_t flags,
                                  grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = { .host_addr = va, .flags = GNTMAP_host_map | flags, .ref = ref, .dom = domid };
    int rc = HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);

    *handle = op.handle;
    return rc != 0 ? rc : op.status;
}

__XENSCOPE_LIBRARY int gnttab_unmap(unsigned long va, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref op = { .host_addr = va, .handle = handle };
    int rc = HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1);

    return rc != 0 ? rc : op.status;
}

#endif
