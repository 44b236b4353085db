/* C: the old names of string functions. */
#include <xenscope/string.h>
