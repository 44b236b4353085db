/* A kernel whose memory does not grow. */
#ifndef MINIOS_BALLOON_H
#define MINIOS_BALLOON_H

#include <mini-os/mm.h>

__XENSCOPE_LIBRARY void get_max_pages(void)
{
}

__XENSCOPE_LIBRARY void mm_alloc_bitmap_remap(void)
{
}

__XENSCOPE_LIBRARY int chk_free_pages(unsigned long needed)
{
    return needed <= nr_free_pages;
}

#endif
