/*
 * A page table goes back to the allocator, after it was taken out of use. The story is in broken.guest.c.
 *
 * What to watch: clearing the L2 entry drops the last type reference: the frame is still called l1, but with a count of 0,
 * and a frame without type references may be mapped writable.
 */

#include <xenscope.h>

#include "../paging.h"

int kernel_main(start_info_t *info)
{
    unsigned long table = new_table();

    (void)info;
    if (set_l2(AREA, mfn_to_pte(virt_to_mfn(table), L2_PROT)) != 0)
        return 1;

    if (set_l2(AREA, 0) != 0 || map_writable(table) != 0)
        return 1;
    free_page((void *)table);
    printk("the page is ordinary memory again\n");
    return 0;
}
