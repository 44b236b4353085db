/* A part of <xtf.h>. */
#include <xenscope/xtf.h>
