/* A part of XTF's <xtf.h>. */
#include <xenscope/xtf.h>
