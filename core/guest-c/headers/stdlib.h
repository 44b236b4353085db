/* C11: memory from the kernel's heap, and the end of the run. */
#include <xenscope.h>
#include <xenscope/heap.h>
