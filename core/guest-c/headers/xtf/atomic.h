/* A part of <xtf.h>. */
#include <xenscope/xtf.h>
#include <xenscope/atomic.h>
