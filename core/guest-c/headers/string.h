/* C11: memory and strings, as far as kernels use them. */
#include <xenscope/string.h>
