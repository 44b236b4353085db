/* The heap. */
#ifndef MINIOS_XMALLOC_H
#define MINIOS_XMALLOC_H

#include <limits.h>
#include <xenscope/heap.h>

#define DEFAULT_ALIGN (sizeof(unsigned long))

#endif
