/* Words that kernels use: sizes, rounding, failing. */
#ifndef XENSCOPE_KERNEL_H
#define XENSCOPE_KERNEL_H

#include <xenscope/hypercall.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))
#define READ_ONCE(object) (*(const volatile __typeof__(object) *)&(object))
#define WRITE_ONCE(object, value) (*(volatile __typeof__(object) *)&(object) = (value))
#define ACCESS_ONCE(object) (*(volatile __typeof__(object) *)&(object))
#define DIV_ROUND_UP(value, by) (((value) + (by) - 1) / (by))
#define ROUNDUP(value, to) (((value) + (to) - 1) & ~((to) - 1))
#define IS_ALIGNED(value, to) (((value) & ((to) - 1)) == 0)
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#ifndef min
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#endif
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))

/* Attributes by their names in kernels. */
#define __packed __attribute__((packed))
#define __aligned(bytes) __attribute__((aligned(bytes)))
#define __maybe_unused __attribute__((unused))
#define __used __attribute__((used))
#define __noreturn __attribute__((noreturn))
#define __init
#define __initdata

int printk(const char *format, ...) __attribute__((format(printf, 1, 2)));

#ifndef __XENSCOPE__
void __xenscope_exit(int status) __attribute__((noreturn));
#endif

/* Ends the run: 0 for success, anything else for a failure of the guest. */
__XENSCOPE_LIBRARY __attribute__((noreturn)) void exit_guest(int status)
{
    __xenscope_exit(status);
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

/* Tells, and goes on; the condition's value. */
#define WARN_ON(condition) \
    ({ \
        int __warns = !!(condition); \
        if (__warns) \
            printk("WARNING at %s:%d: %s\n", __FILE__, __LINE__, #condition); \
        __warns; \
    })

#define BUILD_BUG_ON(condition) _Static_assert(!(condition), "BUILD_BUG_ON(" #condition ")")

#define assert(condition) \
    do { \
        if (!(condition)) { \
            printk("assertion failed at %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit_guest(1); \
        } \
    } while (0)
#define ASSERT(condition) assert(condition)

#endif
