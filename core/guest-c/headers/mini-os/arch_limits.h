/* Sizes of pages and stacks. */
#ifndef MINIOS_ARCH_LIMITS_H
#define MINIOS_ARCH_LIMITS_H

#include <xenscope/minios.h>

#endif
