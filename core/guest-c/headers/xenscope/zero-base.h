/* In front of the prelude for kernels that are linked from address 0 on, as Mini-OS and XTF are. */
#ifndef XENSCOPE_ZERO_BASE_H
#define XENSCOPE_ZERO_BASE_H

#ifndef VIRT_BASE
#define VIRT_BASE 0UL
#endif

#endif
