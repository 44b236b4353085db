/* Error numbers. */
#ifndef MINIOS_ERRNO_H
#define MINIOS_ERRNO_H

#include <xen/errno.h>

#endif
