/* C11: printing, to the domain's console. */
#include <xenscope.h>
