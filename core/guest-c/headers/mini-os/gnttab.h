/* Grants. */
#ifndef MINIOS_GNTTAB_H
#define MINIOS_GNTTAB_H

#include <xenscope.h>

#endif
