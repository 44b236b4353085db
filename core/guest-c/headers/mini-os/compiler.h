/* Attributes. */
#ifndef MINIOS_COMPILER_H
#define MINIOS_COMPILER_H

#include <xenscope/kernel.h>

#endif
