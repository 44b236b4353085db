/* Bits by number in an array of words. */
#ifndef KERNEL_BITS_H
#define KERNEL_BITS_H

#include <limits.h>

#define WORD_BITS (sizeof(unsigned long) * CHAR_BIT)
#define WORDS_FOR(_bits) (((_bits) + WORD_BITS - 1) / WORD_BITS)
#define declare_bits(_name, _bits) unsigned long _name[WORDS_FOR(_bits)]

/* From first on, `count` bits, whole words at once where they are covered. */
static void bits_change(unsigned long *words, unsigned long first, unsigned long count, int set)
{
    unsigned long word = first / WORD_BITS, last = (first + count) / WORD_BITS;
    unsigned long from = ~0UL << (first % WORD_BITS), to = (1UL << ((first + count) % WORD_BITS)) - 1;

    for ( ; word <= last; word++, from = ~0UL )
    {
        unsigned long mask = word == last ? from & to : from;

        if ( mask == 0 )
            continue;
        words[word] = set ? words[word] | mask : words[word] & ~mask;
    }
}

static inline int bit_is_set(const unsigned long *words, unsigned long bit)
{
    return (words[bit / WORD_BITS] >> (bit % WORD_BITS)) & 1;
}

#endif
