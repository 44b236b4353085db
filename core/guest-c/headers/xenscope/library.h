/* What marks a function of the library: a script that does not use it is compiled without it. */
#ifndef XENSCOPE_LIBRARY_H
#define XENSCOPE_LIBRARY_H

#define __XENSCOPE_LIBRARY static inline __attribute__((unused))

#endif
