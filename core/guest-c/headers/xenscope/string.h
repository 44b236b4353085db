/* Memory and strings. */
#ifndef XENSCOPE_STRING_H
#define XENSCOPE_STRING_H

#include <stddef.h>
#include <xenscope/library.h>

__XENSCOPE_LIBRARY void *memset(void *to, int value, size_t bytes)
{
    unsigned char *at = to;
    unsigned char byte = (unsigned char)value;
    unsigned long word = byte * (~0UL / 0xff);

    for (; bytes > 0 && ((unsigned long)at & (sizeof(long) - 1)) != 0; bytes--)
        *at++ = byte;
    for (; bytes >= sizeof(long); bytes -= sizeof(long), at += sizeof(long))
        *(unsigned long *)at = word;
    for (; bytes > 0; bytes--)
        *at++ = byte;
    return to;
}

__XENSCOPE_LIBRARY void *memcpy(void *to, const void *from, size_t bytes)
{
    unsigned char *at = to;
    const unsigned char *source = from;

    if ((((unsigned long)at | (unsigned long)source) & (sizeof(long) - 1)) == 0) {
        for (; bytes >= sizeof(long); bytes -= sizeof(long), at += sizeof(long), source += sizeof(long))
            *(unsigned long *)at = *(const unsigned long *)source;
    }
    for (; bytes > 0; bytes--)
        *at++ = *source++;
    return to;
}

__XENSCOPE_LIBRARY void *memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *at = to;
    const unsigned char *source = from;

    if (at <= source || at >= source + bytes)
        return memcpy(to, from, bytes);
    while (bytes > 0) {
        bytes--;
        at[bytes] = source[bytes];
    }
    return to;
}

__XENSCOPE_LIBRARY int memcmp(const void *left, const void *right, size_t bytes)
{
    const unsigned char *a = left, *b = right;

    for (; bytes > 0; bytes--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

__XENSCOPE_LIBRARY size_t strlen(const char *text)
{
    const char *end = text;

    while (*end != '\0')
        end++;
    return (size_t)(end - text);
}

__XENSCOPE_LIBRARY size_t strnlen(const char *text, size_t most)
{
    size_t length = 0;

    while (length < most && text[length] != '\0')
        length++;
    return length;
}

__XENSCOPE_LIBRARY int strcmp(const char *left, const char *right)
{
    while (*left != '\0' && *left == *right) {
        left++;
        right++;
    }
    return (unsigned char)*left - (unsigned char)*right;
}

__XENSCOPE_LIBRARY int strncmp(const char *left, const char *right, size_t bytes)
{
    for (; bytes > 0; bytes--, left++, right++) {
        if (*left != *right)
            return (unsigned char)*left - (unsigned char)*right;
        if (*left == '\0')
            return 0;
    }
    return 0;
}

__XENSCOPE_LIBRARY char *strncpy(char *to, const char *from, size_t bytes)
{
    size_t i = 0;

    for (; i < bytes && from[i] != '\0'; i++)
        to[i] = from[i];
    for (; i < bytes; i++)
        to[i] = '\0';
    return to;
}

__XENSCOPE_LIBRARY char *strcpy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
    return to;
}

__XENSCOPE_LIBRARY char *strcat(char *to, const char *from)
{
    strcpy(to + strlen(to), from);
    return to;
}

__XENSCOPE_LIBRARY char *strchr(const char *text, int c)
{
    for (; *text != (char)c; text++)
        if (*text == '\0')
            return NULL;
    return (char *)text;
}

__XENSCOPE_LIBRARY char *strrchr(const char *text, int c)
{
    const char *found = NULL;

    do {
        if (*text == (char)c)
            found = text;
    } while (*text++ != '\0');
    return (char *)found;
}

__XENSCOPE_LIBRARY char *strstr(const char *text, const char *part)
{
    size_t length = strlen(part);

    for (; strncmp(text, part, length) != 0; text++)
        if (*text == '\0')
            return NULL;
    return (char *)text;
}

#endif
