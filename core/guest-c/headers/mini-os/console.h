/* Printing. */
#ifndef MINIOS_CONSOLE_H
#define MINIOS_CONSOLE_H

#include <xenscope.h>

#endif
