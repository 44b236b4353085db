/* Page tables and translations. */
#ifndef MINIOS_ARCH_MM_H
#define MINIOS_ARCH_MM_H

#include <mini-os/mm.h>

#endif
