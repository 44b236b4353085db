/* The Xen Test Framework's one header for tests. */
#include <xenscope/xtf.h>
