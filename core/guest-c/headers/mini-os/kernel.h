/* The kernel's beginning and end. */
#ifndef MINIOS_KERNEL_H
#define MINIOS_KERNEL_H

#include <xenscope/minios.h>

#define MAX_CMDLINE_SIZE 1024

#endif
