/* C11: bool. */
#ifndef XENSCOPE_STDBOOL_H
#define XENSCOPE_STDBOOL_H

#define bool _Bool
#define true 1
#define false 0

#endif
