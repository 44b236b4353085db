/* A script with one mistake, for the tests of the editor: the page's address is misspelt. */

#include <xenscope.h>

int kernel_main(start_info_t *info)
{
    unsigned long page = alloc_page();

    memset((void *)pgae, 0, PAGE_SIZE);
    printk("%lu pages\n", info->nr_pages);
    return page == 0;
}
