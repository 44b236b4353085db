/* The memory map. */
#ifndef MINIOS_E820_H
#define MINIOS_E820_H

#include <stdint.h>

#define E820_RAM 1
#define E820_RESERVED 2
#define E820_ACPI 3
#define E820_NVS 4
#define E820_UNUSABLE 5
#define E820_PMEM 7
#define E820_TYPES 8
#define E820_MAX 128

struct e820entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

extern struct e820entry e820_map[];
extern unsigned int e820_entries;

#endif
