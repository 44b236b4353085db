/* The library: strings, printing, checks. */
#ifndef MINIOS_LIB_H
#define MINIOS_LIB_H

#include <limits.h>
#include <xenscope.h>
#include <mini-os/types.h>

#endif
