/* C11: assert, which ends the run with a failure. */
#include <xenscope/kernel.h>
