/*
 * The mailbox: how the driver outside the machine talks to this kernel through shared guest RAM. One page of control
 * words, then argument pages that hypercalls read and write. The driver writes a command and its arguments, then
 * `request` with one aligned store; the kernel answers and then makes `response` equal to `request`.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#define PAGE_SIZE 4096
#define ARGUMENT_PAGES 4
#define MAX_P2M_PAGES 64

#define MAILBOX_MAGIC 0x786e63656e656c6cUL

/* Commands. */
#define CMD_HYPERCALL 1 /* arg[0] = number, arg[1..5] = arguments; result = what Xen returned */
#define CMD_LOAD      2 /* arg[0] = address; result = the word there */
#define CMD_STORE     3 /* arg[0] = address, arg[1] = value */
#define CMD_FILL      4 /* arg[0] = address, arg[1] = value, arg[2] = number of words */

#ifndef __ASSEMBLER__

typedef unsigned int u32;
typedef unsigned long u64;

struct mailbox {
    u64 magic;
    u32 request;             /* 8: written by the driver, last */
    u32 response;            /* 12: written by the kernel, last */
    u64 command;             /* 16 */
    u64 arg[6];              /* 24 */
    u64 result;              /* 72 */
    u64 fault_vector;        /* 80: -1 when the access did not fault */
    u64 fault_code;          /* 88 */
    u64 fault_address;       /* 96 */
    u64 nr_pages;            /* 104: pages the domain began with */
    u64 root_pfn;            /* 112: the boot root */
    u64 nr_pt_frames;        /* 120 */
    u64 arguments;           /* 128: virtual address of the argument pages */
    u64 image_end;           /* 136: first address that start of day did not use, below the stack's padding */
    u64 version;             /* 144: major << 16 | minor */
    u64 argument_mfn[ARGUMENT_PAGES]; /* 152 */
    u64 nr_p2m_pages;        /* 184 */
    u64 p2m_mfn[MAX_P2M_PAGES];       /* 192: machine frames of the P2M array */
    u64 shared_info;         /* 704: machine address */
};

#endif
#endif
