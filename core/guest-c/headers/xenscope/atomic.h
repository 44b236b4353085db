/* Words changed in one step, as far as a guest can tell, and bits by their numbers. */
#ifndef XENSCOPE_ATOMIC_H
#define XENSCOPE_ATOMIC_H

#include <xenscope/hypercall.h>

#ifdef __XENSCOPE__
/* The model's processors change only between statements of the program. */
#define xchg(place, value) \
    ({ \
        __typeof__(*(place)) __new = (value), __old = *(place); \
        *(place) = __new; \
        __old; \
    })
#define cmpxchg(place, old, value) \
    ({ \
        __typeof__(*(place)) __found = *(place); \
        if (__found == (old)) \
            *(place) = (value); \
        __found; \
    })
#else
#define xchg(place, value) __atomic_exchange_n(place, value, __ATOMIC_SEQ_CST)
#define cmpxchg(place, old, value) __sync_val_compare_and_swap(place, old, value)
#endif
#define synch_cmpxchg cmpxchg

#define __BIT_WORD(bit) ((unsigned long)(bit) / (8 * sizeof(long)))
#define __BIT_MASK(bit) (1UL << ((unsigned long)(bit) % (8 * sizeof(long))))

__XENSCOPE_LIBRARY int test_bit(int bit, const volatile void *words)
{
    return (((const volatile unsigned long *)words)[__BIT_WORD(bit)] & __BIT_MASK(bit)) != 0;
}

__XENSCOPE_LIBRARY int __xenscope_change_bit(int bit, volatile void *words, int set)
{
    volatile unsigned long *word = (volatile unsigned long *)words + __BIT_WORD(bit);
    unsigned long old, changed;

    do {
        old = *word;
        changed = set ? old | __BIT_MASK(bit) : old & ~__BIT_MASK(bit);
    } while (cmpxchg(word, old, changed) != old);
    return (old & __BIT_MASK(bit)) != 0;
}

__XENSCOPE_LIBRARY void set_bit(int bit, volatile void *words)
{
    __xenscope_change_bit(bit, words, 1);
}

__XENSCOPE_LIBRARY void clear_bit(int bit, volatile void *words)
{
    __xenscope_change_bit(bit, words, 0);
}

__XENSCOPE_LIBRARY int test_and_set_bit(int bit, volatile void *words)
{
    return __xenscope_change_bit(bit, words, 1);
}

__XENSCOPE_LIBRARY int test_and_clear_bit(int bit, volatile void *words)
{
    return __xenscope_change_bit(bit, words, 0);
}

#define synch_test_bit test_bit
#define synch_set_bit set_bit
#define synch_clear_bit clear_bit
#define synch_test_and_set_bit test_and_set_bit
#define synch_test_and_clear_bit test_and_clear_bit

/* The lowest bit that is set; a word of 0 has none. */
__XENSCOPE_LIBRARY unsigned long __ffs(unsigned long word)
{
    unsigned long bit = 0;

    while (!(word & 1)) {
        word >>= 1;
        bit++;
    }
    return bit;
}

#endif
