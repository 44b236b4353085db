/* Pages, page tables and mappings. */
#ifndef MINIOS_MM_H
#define MINIOS_MM_H

#include <mini-os/os.h>
#include <mini-os/paravirt.h>

/* Where the kernel's parts lie; its text is at the beginning of its linear mapping. */
extern char _text, _etext, _erodata, _edata, _end;

/* By way of alloc_pages, which a kernel may define. */
#define alloc_page() alloc_pages(0)
#define free_page(page) free_pages(page, 0)

#define map_zero(n, alignment) map_frames_ex(&mfn_zero, n, 0, 0, alignment, DOMID_SELF, NULL, L1_PROT_RO)
#define do_map_zero(va, n) do_map_frames(va, &mfn_zero, n, 0, 0, DOMID_SELF, NULL, L1_PROT_RO)

/* What a kernel's own memory management defines. */
extern unsigned long mfn_zero;
extern unsigned long nr_free_pages;
extern unsigned long *mm_alloc_bitmap;
extern unsigned long mm_alloc_bitmap_size;
void init_mm(void);
void fini_mm(void);
void arch_init_mm(unsigned long *start_pfn, unsigned long *max_pfn);
void arch_init_demand_mapping_area(void);
void arch_mm_preinit(void *info);
void arch_mm_pre_suspend(void);
void arch_mm_post_suspend(int canceled);
int free_physical_pages(xen_pfn_t *frames, int n);

#endif
