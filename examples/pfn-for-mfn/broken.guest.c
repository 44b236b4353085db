/*
 * A page is mapped by the guest's own number for it.
 *
 * What the guest wants: to map its page 300 at a second address.
 *
 * What happens: page-table entries hold MACHINE frames, for the processor walks them itself. Here the pseudo-physical
 * frame is put in as it is. What frame 300 of the machine is depends on the machine: memory of somebody else or of nobody
 * (-EBUSY), no memory at all (-EPERM), or, worst, another page of the guest's own, which is then mapped without a word.
 * 3.0.4 says -EINVAL to all of it.
 *
 * What to watch: the ownership of the frame in the refusal's evidence.
 */

#include <xenscope.h>

#include "../paging.h"

#define PFN 300

int kernel_main(start_info_t *info)
{
    unsigned long va = alloc_page();
    int rc;

    (void)info;
    rc = HYPERVISOR_update_va_mapping(va, mfn_to_pte(PFN, L1_PROT), UVMF_INVLPG);
    printk("mapping page %d: %d\n", PFN, rc);
    return rc == 0 ? 0 : 1;
}
