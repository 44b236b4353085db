/* Mini-OS's names of integers. */
#ifndef MINIOS_TYPES_H
#define MINIOS_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef unsigned char u_char;
typedef unsigned int u_int;
typedef unsigned long u_long;
typedef int64_t quad_t;
typedef uint64_t u_quad_t;
typedef long ssize_t;
typedef int64_t off_t;

#endif
