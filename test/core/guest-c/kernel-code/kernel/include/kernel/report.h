/* Printing with the place, and checks that end the run. */
#pragma once
#include <mini-os/lib.h>

#define KERNEL_NAME "kernel"

#ifdef KERNEL_DEBUG
# define debug(_format, _args...) printk("%s:%d: " _format "\n", __func__, __LINE__ , ##_args)
#else
# define debug(_format, _args...) ((void)0)
#endif

#define say(_format, ...) printk(KERNEL_NAME ": " _format "\n", ##__VA_ARGS__)

#define must(_call)                                                     \
    do {                                                                \
        int _must_rc = (_call);                                         \
        if ( _must_rc < 0 )                                             \
        {                                                               \
            say("%s at line %d: %d", #_call, __LINE__, _must_rc);       \
            do_exit();                                                  \
        }                                                               \
    } while ( 0 )
