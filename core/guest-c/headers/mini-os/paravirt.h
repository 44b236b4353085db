/* The P2M. */
#ifndef MINIOS_PARAVIRT_H
#define MINIOS_PARAVIRT_H

#include <xenscope/minios.h>

void p2m_chk_pfn(unsigned long pfn);
void arch_init_p2m(unsigned long max_pfn);

/* Pages of P2M for so many pages. */
__XENSCOPE_LIBRARY unsigned long p2m_pages(unsigned long pages)
{
    return DIV_ROUND_UP(pages, P2M_ENTRIES);
}

/* There is no ballooning beyond the memory at the start: the P2M stays where it is. */
__XENSCOPE_LIBRARY void arch_remap_p2m(unsigned long max_pfn)
{
    (void)max_pfn;
}

__XENSCOPE_LIBRARY int arch_expand_p2m(unsigned long max_pfn)
{
    (void)max_pfn;
    return 0;
}

#endif
