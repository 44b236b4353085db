/* Words that kernels use: sizes, rounding, failing. */
#ifndef XENSCOPE_KERNEL_H
#define XENSCOPE_KERNEL_H

#include <xenscope/hypercall.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#ifndef min
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#endif

int printk(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the run: 0 for success, anything else for a failure of the guest. */
__XENSCOPE_LIBRARY void exit_guest(int status)
{
#ifdef __XENSCOPE__
    __xenscope_exit(status);
#else
    HYPERVISOR_shutdown(status == 0 ? SHUTDOWN_poweroff : SHUTDOWN_crash);
    for (;;)
        ;
#endif
}

#define BUG() \
    do { \
        printk("BUG at %s:%d\n", __FILE__, __LINE__); \
        exit_guest(1); \
    } while (0)

#define BUG_ON(condition) \
    do { \
        if (condition) { \
            printk("BUG at %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit_guest(1); \
        } \
    } while (0)

#define assert(condition) \
    do { \
        if (!(condition)) { \
            printk("assertion failed at %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit_guest(1); \
        } \
    } while (0)
#define ASSERT(condition) assert(condition)

#endif
