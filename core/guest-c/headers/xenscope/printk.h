/*
 * Printing. A domU writes into its console ring and notifies the backend by an event channel, as real ones do; the
 * hardware domain has the console_io hypercall.
 */
#ifndef XENSCOPE_PRINTK_H
#define XENSCOPE_PRINTK_H

#include <stdarg.h>
#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xenscope/pages.h>
#include <xenscope/kernel.h>

extern struct xencons_interface *xencons_ring;

struct __xenscope_text {
    char *at, *end;
    int length; /* what would have been written, had there been room */
};

__XENSCOPE_LIBRARY void __xenscope_put(struct __xenscope_text *text, char c)
{
    if (text->at < text->end)
        *text->at++ = c;
    text->length++;
}

__XENSCOPE_LIBRARY void __xenscope_pad(struct __xenscope_text *text, char c, int count)
{
    for (; count > 0; count--)
        __xenscope_put(text, c);
}

#define __XENSCOPE_LEFT 1
#define __XENSCOPE_ZERO 2
#define __XENSCOPE_PLUS 4
#define __XENSCOPE_SPACE 8
#define __XENSCOPE_HASH 16
#define __XENSCOPE_UPPER 32

__XENSCOPE_LIBRARY void __xenscope_put_number(struct __xenscope_text *text, unsigned long long value, int negative,
                                              unsigned int base, int width, int precision, int flags)
{
    char digits[24];
    const char *set = (flags & __XENSCOPE_UPPER) ? "0123456789ABCDEF" : "0123456789abcdef";
    int count = 0, zeros, signs = 0;
    char sign = negative ? '-' : (flags & __XENSCOPE_PLUS) ? '+' : (flags & __XENSCOPE_SPACE) ? ' ' : '\0';
    int prefix = (flags & __XENSCOPE_HASH) && base == 16 && value != 0;

    do {
        digits[count++] = set[value % base];
        value /= base;
    } while (value != 0);
    if (sign != '\0')
        signs++;
    if (prefix)
        signs += 2;
    zeros = precision > count ? precision - count : 0;
    if ((flags & __XENSCOPE_HASH) && base == 8 && zeros == 0 && digits[count - 1] != '0')
        digits[count++] = '0';
    if (precision < 0 && (flags & __XENSCOPE_ZERO) && !(flags & __XENSCOPE_LEFT) && width > count + signs)
        zeros = width - count - signs;
    if (!(flags & __XENSCOPE_LEFT))
        __xenscope_pad(text, ' ', width - count - signs - zeros);
    if (sign != '\0')
        __xenscope_put(text, sign);
    if (prefix) {
        __xenscope_put(text, '0');
        __xenscope_put(text, (flags & __XENSCOPE_UPPER) ? 'X' : 'x');
    }
    __xenscope_pad(text, '0', zeros);
    for (width -= count + signs + zeros; count > 0;)
        __xenscope_put(text, digits[--count]);
    if (flags & __XENSCOPE_LEFT)
        __xenscope_pad(text, ' ', width);
}

__XENSCOPE_LIBRARY void __xenscope_put_string(struct __xenscope_text *text, const char *string, int width,
                                              int precision, int flags)
{
    int length = 0;

    if (string == NULL)
        string = "(null)";
    while ((precision < 0 || length < precision) && string[length] != '\0')
        length++;
    if (!(flags & __XENSCOPE_LEFT))
        __xenscope_pad(text, ' ', width - length);
    for (int i = 0; i < length; i++)
        __xenscope_put(text, string[i]);
    if (flags & __XENSCOPE_LEFT)
        __xenscope_pad(text, ' ', width - length);
}

__XENSCOPE_LIBRARY int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
    struct __xenscope_text text = { buffer, size > 0 ? buffer + size - 1 : buffer, 0 };

    for (; *format != '\0'; format++) {
        int flags = 0, width = 0, precision = -1, longs = 0;
        unsigned long long value;
        long long number;

        if (*format != '%') {
            __xenscope_put(&text, *format);
            continue;
        }
        for (format++;; format++) {
            if (*format == '-')
                flags |= __XENSCOPE_LEFT;
            else if (*format == '0')
                flags |= __XENSCOPE_ZERO;
            else if (*format == '+')
                flags |= __XENSCOPE_PLUS;
            else if (*format == ' ')
                flags |= __XENSCOPE_SPACE;
            else if (*format == '#')
                flags |= __XENSCOPE_HASH;
            else
                break;
        }
        if (*format == '*') {
            width = va_arg(args, int);
            if (width < 0) {
                flags |= __XENSCOPE_LEFT;
                width = -width;
            }
            format++;
        } else {
            for (; *format >= '0' && *format <= '9'; format++)
                width = width * 10 + (*format - '0');
        }
        if (*format == '.') {
            precision = 0;
            format++;
            if (*format == '*') {
                precision = va_arg(args, int);
                format++;
            } else {
                for (; *format >= '0' && *format <= '9'; format++)
                    precision = precision * 10 + (*format - '0');
            }
        }
        for (;; format++) {
            if (*format == 'l')
                longs++;
            else if (*format == 'z' || *format == 't')
                longs = 1;
            else if (*format == 'j')
                longs = 2;
            else if (*format == 'h')
                longs--;
            else
                break;
        }
        switch (*format) {
        case 'd':
        case 'i':
            number = longs >= 2 ? va_arg(args, long long) : longs == 1 ? va_arg(args, long) : va_arg(args, int);
            if (longs == -1)
                number = (short)number;
            else if (longs <= -2)
                number = (signed char)number;
            __xenscope_put_number(&text, number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number,
                                  number < 0, 10, width, precision, flags);
            break;
        case 'u':
        case 'x':
        case 'X':
        case 'o':
            value = longs >= 2   ? va_arg(args, unsigned long long)
                    : longs == 1 ? va_arg(args, unsigned long)
                                 : va_arg(args, unsigned int);
            if (longs == -1)
                value = (unsigned short)value;
            else if (longs <= -2)
                value = (unsigned char)value;
            if (*format == 'X')
                flags |= __XENSCOPE_UPPER;
            flags &= ~(__XENSCOPE_PLUS | __XENSCOPE_SPACE);
            __xenscope_put_number(&text, value, 0, *format == 'u' ? 10 : *format == 'o' ? 8 : 16, width, precision,
                                  flags);
            break;
        case 'p':
            value = (unsigned long)va_arg(args, void *);
            __xenscope_put_number(&text, value, 0, 16, width, (int)(2 * sizeof(void *)), flags);
            break;
        case 's':
            __xenscope_put_string(&text, va_arg(args, const char *), width, precision, flags);
            break;
        case 'c':
            if (!(flags & __XENSCOPE_LEFT))
                __xenscope_pad(&text, ' ', width - 1);
            __xenscope_put(&text, (char)va_arg(args, int));
            if (flags & __XENSCOPE_LEFT)
                __xenscope_pad(&text, ' ', width - 1);
            break;
        case '%':
            __xenscope_put(&text, '%');
            break;
        case '\0':
            format--;
            break;
        default:
            __xenscope_put(&text, '%');
            __xenscope_put(&text, *format);
            break;
        }
    }
    if (size > 0)
        *text.at = '\0';
    return text.length;
}

__XENSCOPE_LIBRARY __attribute__((format(printf, 3, 4))) int snprintf(char *buffer, size_t size, const char *format,
                                                                      ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(buffer, size, format, args);
    va_end(args);
    return length;
}

__XENSCOPE_LIBRARY __attribute__((format(printf, 2, 3))) int sprintf(char *buffer, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(buffer, 0x7fffffff, format, args);
    va_end(args);
    return length;
}

/* Writes to the domain's console by the way that Xen gives it. */
__XENSCOPE_LIBRARY void console_write(char *text, int length)
{
    struct evtchn_send notify = { .port = start_info.console.domU.evtchn };

    if (start_info.flags & SIF_INITDOMAIN) {
        HYPERVISOR_console_io(CONSOLEIO_write, length, text);
        return;
    }
    while (length > 0) {
        XENCONS_RING_IDX prod = xencons_ring->out_prod;

        for (; length > 0 && prod - xencons_ring->out_cons < sizeof(xencons_ring->out); length--, prod++)
            xencons_ring->out[MASK_XENCONS_IDX(prod, xencons_ring->out)] = *text++;
        barrier();
        xencons_ring->out_prod = prod;
        HYPERVISOR_event_channel_op(EVTCHNOP_send, &notify);
        if (length > 0)
            HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
    }
}

__XENSCOPE_LIBRARY int vprintk(const char *format, va_list args)
{
    static char buffer[1024];
    int length = vsnprintf(buffer, sizeof(buffer), format, args);

    if (length >= (int)sizeof(buffer))
        length = sizeof(buffer) - 1;
    console_write(buffer, length);
    return length;
}

__attribute__((format(printf, 1, 2))) int printk(const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vprintk(format, args);
    va_end(args);
    return length;
}

/* What is wrong, and the end of the run. */
__XENSCOPE_LIBRARY __attribute__((noreturn, format(printf, 1, 2))) void panic(const char *format, ...)
{
    va_list args;

    printk("panic: ");
    va_start(args, format);
    vprintk(format, args);
    va_end(args);
    exit_guest(1);
}

/* C's and Mini-OS's names of it. */
__XENSCOPE_LIBRARY __attribute__((format(printf, 1, 2))) int printf(const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vprintk(format, args);
    va_end(args);
    return length;
}

__XENSCOPE_LIBRARY __attribute__((format(printf, 1, 2))) void xprintk(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintk(format, args);
    va_end(args);
}

#endif
