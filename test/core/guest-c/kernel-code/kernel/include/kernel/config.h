/* What the kernel of the tests is built with. */
#ifndef KERNEL_CONFIG_H
#define KERNEL_CONFIG_H

#define CONFIG_MAP_BATCH 48
#define CONFIG_UNMAP_BATCH 24
#define CONFIG_WINDOW_PAGES 1024UL
#define CONFIG_CHECKS 1

#if PAGETABLE_LEVELS == 4
# define KERNEL_ABI "x86_64"
#elif PAGETABLE_LEVELS == 3
# define KERNEL_ABI "x86_32p"
#else
# define KERNEL_ABI "x86_32"
#endif

#endif
