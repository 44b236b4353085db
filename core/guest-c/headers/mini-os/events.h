/* Event channels. */
#ifndef MINIOS_EVENTS_H
#define MINIOS_EVENTS_H

#include <xenscope.h>
#include <mini-os/traps.h>

#endif
