/*
 * What the start-up file and the driver outside the machine share through guest RAM: a control page, and a ring of
 * records that the guest writes and the driver reads. All words are 64 bits wide.
 *
 * A record is { bytes | kind << 32, body }, its size a multiple of 8:
 *   CALL    nr, args[6], return addresses, blobs    a hypercall is about to be made
 *   RETURN  rc, done (or NOT_TOLD), blobs           ... and has returned; not there when it never did
 *   FAULT   vector, error code, cr2, rip, rsp, handler, return addresses
 *   END     status                                  the script has ended by itself
 * Return addresses are a count and that many words, innermost first. A blob is guest memory: address, length (less
 * than asked for where it could not be read), bytes padded to whole words.
 */
#ifndef XENSCOPE_VERIFY_LOG_H
#define XENSCOPE_VERIFY_LOG_H

#define LOG_MAGIC 0x676f6c6e65786373UL
#define LOG_PAGES 64
#define LOG_PAGE_BYTES 4096
#define LOG_BYTES (LOG_PAGES * LOG_PAGE_BYTES)

#define LOG_CALL 1
#define LOG_RETURN 2
#define LOG_FAULT 3
#define LOG_END 4

#define LOG_NOT_TOLD 0xffffffffUL
#define LOG_BACKTRACE 24

#ifndef __ASSEMBLER__

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

struct log_control {
    u64 magic;
    u64 go;        /* 8: the driver lets the script begin */
    u64 written;   /* 16: bytes of complete records, ever */
    u64 read;      /* 24: the driver's answer */
    u64 start_info; /* 32: virtual address */
    u64 root;      /* 40: machine frame of the boot root */
    u64 machine_frames; /* 48: XENMEM_maximum_ram_page */
    u64 frames[LOG_PAGES]; /* 56: machine frames of the ring */
};

#endif
#endif
