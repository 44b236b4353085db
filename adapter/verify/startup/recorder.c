/*
 * The recorder: what the script asks of Xen and what becomes of it, written into the ring of log.h. It reads the
 * script's structures without faulting (try_copy), and hides its own traps from the script.
 */

#include "log.h"

#define HYPERVISOR_set_trap_table 0
#define HYPERVISOR_mmu_update 1
#define HYPERVISOR_set_gdt 2
#define HYPERVISOR_stack_switch 3
#define HYPERVISOR_memory_op 12
#define HYPERVISOR_multicall 13
#define HYPERVISOR_console_io 18
#define HYPERVISOR_grant_table_op 20
#define HYPERVISOR_mmuext_op 26
#define HYPERVISOR_sched_op 29
#define HYPERVISOR_callback_op 30
#define HYPERVISOR_event_channel_op 32

#define XENMEM_maximum_ram_page 2

#define FLAT_KERNEL_CS 0xe033
#define FLAT_KERNEL_SS 0xe02b
#define PAGE_SIZE 4096UL

#define VECTORS 256
#define EVENT_STUB 256
#define STUB_BYTES 16
#define DEBUG_EXCEPTION 1
#define PAGE_FAULT 14
#define CALLBACK_SYSCALL 2

/* Requests and extents of one call that are kept; core/timeline/hypercall-text.ts shows as many. */
#define MAX_LIST 64
#define MAX_TEXT 12288
#define MAX_RECORD 24576
#define MAX_FRAMES LOG_BACKTRACE

struct trap_info {
    u8 vector, flags;
    u16 cs;
    u64 address;
};

/* Made by __xenscope_hypercall. */
struct call {
    u64 nr, arg[6];
    u64 frame;  /* the caller's rbp */
    u64 caller; /* where it goes on */
    u64 done;   /* room for a count of requests when the script does not want it */
};

struct regs {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u32 error_code, vector;
    u64 rip, cs, rflags, rsp, ss;
};

/* A record on its way into the ring. */
struct record {
    u64 bytes;
    u8 data[MAX_RECORD];
};

extern u64 try_copy(void *to, const void *from, u64 bytes);
extern long plain_hypercall(u64 nr, u64 a, u64 b, u64 c);
extern u8 trap_stubs[], touch_returned[];
/* Of the linker script. */
extern u8 virt_base[];

/* The library's, when the script has it. */
extern void *__xenscope_trap_handlers[257] __attribute__((weak));
extern u8 *HYPERVISOR_shared_info __attribute__((weak));

volatile struct log_control control __attribute__((section(".xenscope"), aligned(4096)));
static u8 ring[LOG_BYTES] __attribute__((section(".xenscope"), aligned(4096)));
/* What the script has installed, by vector; address 0: nothing. */
static struct trap_info installed[VECTORS] __attribute__((section(".xenscope")));
static volatile u64 reserved __attribute__((section(".xenscope")));
static volatile u64 depth __attribute__((section(".xenscope")));

#define CR2_OFFSET 16

/* ---- reading the script's memory ---------------------------------------------------------------------------------- */

static u64 *cr2_word(void)
{
    if (&HYPERVISOR_shared_info == 0 || HYPERVISOR_shared_info == 0)
        return 0;
    return (u64 *)(HYPERVISOR_shared_info + CR2_OFFSET);
}

/* Bytes that could be read. The script must not see that a page fault came meanwhile. */
static u64 copy(void *to, u64 from, u64 bytes)
{
    u64 *cr2 = cr2_word();
    u64 kept = cr2 == 0 ? 0 : *cr2;
    u64 left;

    /* Between the halves of the address space a general protection fault would come. */
    if ((from >> 47) != 0 && (from >> 47) != 0x1ffff)
        return 0;
    left = try_copy(to, (const void *)from, bytes);
    if (left != 0 && cr2 != 0)
        *cr2 = kept;
    return bytes - left;
}

static u64 word_at(u64 address)
{
    u64 word = 0;

    return copy(&word, address, sizeof(word)) == sizeof(word) ? word : 0;
}

/* ---- records ------------------------------------------------------------------------------------------------------ */

static void put(struct record *record, u64 word)
{
    *(u64 *)(record->data + record->bytes) = word;
    record->bytes += 8;
}

static void begin(struct record *record)
{
    record->bytes = 8;
}

/* Guest memory as it stands. */
static void put_blob(struct record *record, u64 address, u64 bytes)
{
    u64 room = MAX_RECORD - record->bytes;

    if (address == 0 || bytes == 0 || room < 64)
        return;
    if (bytes > room - 32)
        bytes = room - 32;
    put(record, address);
    bytes = copy(record->data + record->bytes + 8, address, bytes);
    put(record, bytes);
    record->bytes += (bytes + 7) & ~7UL;
}

/* Where the calls that led here go on, by the frame pointers. */
static void put_backtrace(struct record *record, u64 first, u64 frame)
{
    u64 at = record->bytes, count = 1;

    put(record, 0);
    put(record, first);
    while (count < MAX_FRAMES && frame > (u64)virt_base) {
        u64 above = word_at(frame), back = word_at(frame + 8);

        if (back == 0)
            break;
        put(record, back);
        count++;
        if (above <= frame)
            break;
        frame = above;
    }
    *(u64 *)(record->data + at) = count;
}

/* An event may come at any instruction, and its handler writes records too: those are complete before this one. */
static void finish(struct record *record, u64 kind)
{
    u64 at, bytes = record->bytes;

    *(u64 *)record->data = bytes | kind << 32;
    while (reserved + bytes - control.read > LOG_BYTES)
        __asm__ volatile("pause" ::: "memory");
    __atomic_add_fetch(&depth, 1, __ATOMIC_SEQ_CST);
    at = __atomic_fetch_add(&reserved, bytes, __ATOMIC_SEQ_CST);
    for (u64 i = 0; i < bytes; i += 8)
        *(u64 *)(ring + (at + i) % LOG_BYTES) = *(u64 *)(record->data + i);
    if (__atomic_sub_fetch(&depth, 1, __ATOMIC_SEQ_CST) == 0)
        control.written = reserved;
}

/* ---- the structures of a hypercall ---------------------------------------------------------------------------------- */

static u64 up_to(u64 count, u64 most)
{
    return count < most ? count : most;
}

/* struct xen_memory_reservation: the list, its length. */
static void put_extents(struct record *record, u64 reservation)
{
    put_blob(record, word_at(reservation), 8 * up_to(word_at(reservation + 8), MAX_LIST));
}

static void put_memory_op(struct record *record, u64 command, u64 argument)
{
    put_blob(record, argument, 96);
    switch (command & 0x3f) {
    case 0: /* increase_reservation */
    case 1: /* decrease_reservation */
    case 6: /* populate_physmap */
        put_extents(record, argument);
        break;
    case 11: /* exchange */
        put_extents(record, argument);
        put_extents(record, argument + 32);
        break;
    }
}

static void put_structures(struct record *record, const struct call *call, int after)
{
    const u64 *arg = call->arg;
    u64 count = (u32)arg[1] & 0x7fffffff;

    switch (call->nr) {
    case HYPERVISOR_mmu_update:
    case HYPERVISOR_mmuext_op:
        if (after)
            put_blob(record, arg[2], sizeof(u32));
        else
            put_blob(record, arg[0], (call->nr == HYPERVISOR_mmu_update ? 16 : 24) * up_to(count, MAX_LIST));
        break;
    case HYPERVISOR_set_gdt:
        if (!after)
            put_blob(record, arg[0], 8 * 16);
        break;
    case HYPERVISOR_memory_op:
        put_memory_op(record, arg[0], arg[1]);
        break;
    case HYPERVISOR_multicall:
        put_blob(record, arg[0], 64 * up_to((u32)arg[1], MAX_LIST));
        break;
    case HYPERVISOR_grant_table_op:
        put_blob(record, arg[1], 40 * up_to((u32)arg[2], MAX_LIST));
        break;
    case HYPERVISOR_event_channel_op:
        put_blob(record, arg[1], 32);
        break;
    case HYPERVISOR_sched_op:
        if (!after)
            put_blob(record, arg[1], 24);
        break;
    case HYPERVISOR_console_io:
        if (!after && arg[0] == 0)
            put_blob(record, arg[2], up_to((u32)arg[1], MAX_TEXT));
        break;
    }
}

/* ---- traps ---------------------------------------------------------------------------------------------------------- */

static u64 stub_of(u64 vector)
{
    return (u64)trap_stubs + vector * STUB_BYTES;
}

unsigned long __xenscope_trap_stub(int vector)
{
    return stub_of((u64)vector);
}

static void install(u8 vector, u8 flags, u16 cs, u64 address)
{
    struct trap_info table[2] = { { vector, flags, cs, address }, { 0, 0, 0, 0 } };

    plain_hypercall(HYPERVISOR_set_trap_table, (u64)table, 0, 0);
}

/* The page fault's entry is the recorder's too, which reads memory that may not be there. */
static void guard(void)
{
    if (installed[PAGE_FAULT].address == 0)
        install(PAGE_FAULT, 0, FLAT_KERNEL_CS, stub_of(PAGE_FAULT));
}

/* As Xen would have it without the recorder: the next page fault is unhandled. */
static void unguard(void)
{
    plain_hypercall(HYPERVISOR_set_trap_table, 0, 0, 0);
    for (u64 vector = 0; vector < VECTORS; vector++)
        if (installed[vector].address != 0)
            install(vector, installed[vector].flags, installed[vector].cs, installed[vector].address);
}

static void note_trap_table(u64 table)
{
    if (table == 0) {
        for (u64 vector = 0; vector < VECTORS; vector++)
            installed[vector].address = 0;
    }
    for (u64 i = 0; table != 0 && i < VECTORS; i++) {
        struct trap_info row;

        if (copy(&row, table + i * sizeof(row), sizeof(row)) != sizeof(row) || row.address == 0)
            break;
        installed[row.vector] = row;
    }
    guard();
}

/* ---- called by start.S ---------------------------------------------------------------------------------------------- */

void recorder_call(struct call *call)
{
    struct record record;

    begin(&record);
    put(&record, call->nr);
    for (int i = 0; i < 6; i++)
        put(&record, call->arg[i]);
    put_backtrace(&record, call->caller, call->frame);
    put_structures(&record, call, 0);
    finish(&record, LOG_CALL);
    /* Xen tells how many requests it has carried out, also when the script does not ask. */
    call->done = LOG_NOT_TOLD;
    if ((call->nr == HYPERVISOR_mmu_update || call->nr == HYPERVISOR_mmuext_op) && call->arg[2] == 0)
        call->arg[2] = (u64)&call->done;
}

void recorder_return(struct call *call, u64 rc)
{
    struct record record;

    if (call->nr == HYPERVISOR_set_trap_table && rc == 0)
        note_trap_table(call->arg[0]);
    begin(&record);
    put(&record, rc);
    put(&record, call->done & 0xffffffff);
    put_structures(&record, call, 1);
    finish(&record, LOG_RETURN);
}

/* The C handler of a trap; 0 where the script has none: the instruction then runs again, without the recorder. */
void *recorder_trap(struct regs *regs)
{
    void *handler = &__xenscope_trap_handlers == 0 ? 0 : __xenscope_trap_handlers[regs->vector];
    struct record record;

    if (regs->vector == EVENT_STUB)
        return handler;
    if (installed[regs->vector].address == 0)
        handler = 0;
    if (handler == 0) {
        unguard();
        return 0;
    }
    begin(&record);
    put(&record, regs->vector);
    put(&record, regs->error_code);
    put(&record, cr2_word() == 0 ? 0 : *cr2_word());
    put(&record, regs->rip);
    put(&record, regs->rsp);
    put(&record, (u64)handler);
    put_backtrace(&record, regs->rip, regs->rbp);
    finish(&record, LOG_FAULT);
    return handler;
}

/* What lies at an address; 0 where nothing does. */
u64 recorder_byte(u64 address)
{
    u8 byte = 0;

    copy(&byte, address, 1);
    return byte;
}

/* Prepares an access of __xenscope_touch; what lies at the address. */
u64 recorder_touch(int user, u64 address)
{
    struct {
        u16 type, flags;
        u64 address;
    } callback = { CALLBACK_SYSCALL, 0, (u64)touch_returned };

    if (installed[DEBUG_EXCEPTION].address == 0)
        install(DEBUG_EXCEPTION, 0, FLAT_KERNEL_CS, stub_of(DEBUG_EXCEPTION));
    if (user)
        plain_hypercall(HYPERVISOR_callback_op, 0, (u64)&callback, 0);
    return recorder_byte(address);
}

void recorder_end(int status)
{
    struct record record;

    begin(&record);
    put(&record, (u64)status);
    finish(&record, LOG_END);
}

/* Facts 6.1: the fields of start_info that are read here, by offset. */
static u64 start_word(u64 start_info, u64 offset)
{
    return *(const u64 *)(start_info + offset);
}

#define PT_BASE 88
#define NR_PT_FRAMES 96
#define MFN_LIST 104

static void say(const char *text, u64 number)
{
    char line[64];
    u64 length = 0;

    while (*text)
        line[length++] = *text++;
    for (int shift = 60; shift >= 0; shift -= 4)
        line[length++] = "0123456789abcdef"[(number >> shift) & 15];
    line[length++] = '\n';
    plain_hypercall(HYPERVISOR_console_io, 0, length, (u64)line);
}

static u64 frame_of(const u64 *p2m, const volatile void *address)
{
    return p2m[((u64)address - (u64)virt_base) / PAGE_SIZE];
}

/* Tells the driver where the log is, and waits until it has looked at the domain as it begins. */
void recorder_start(u64 start_info)
{
    const u64 *p2m = (const u64 *)start_word(start_info, MFN_LIST);
    u64 pt_base = start_word(start_info, PT_BASE);
    u64 boot_stack = pt_base + (start_word(start_info, NR_PT_FRAMES) + 1) * PAGE_SIZE;

    guard();
    /* The stack for traps from user code: domain 0 begins without one. */
    plain_hypercall(HYPERVISOR_stack_switch, FLAT_KERNEL_SS, boot_stack, 0);
    control.magic = LOG_MAGIC;
    control.start_info = start_info;
    control.machine_frames = plain_hypercall(HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0, 0);
    control.root = frame_of(p2m, (void *)pt_base);
    for (u64 i = 0; i < LOG_PAGES; i++)
        control.frames[i] = frame_of(p2m, ring + i * LOG_PAGE_BYTES);
    say("xenscope: control ", frame_of(p2m, &control));
    while (control.go == 0)
        __asm__ volatile("pause" ::: "memory");
}

/* gcc calls these by itself, as for the assignment of structures. */
void *memcpy(void *to, const void *from, u64 bytes)
{
    for (u64 i = 0; i < bytes; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

void *memmove(void *to, const void *from, u64 bytes)
{
    if (to <= from)
        return memcpy(to, from, bytes);
    while (bytes-- > 0)
        ((u8 *)to)[bytes] = ((const u8 *)from)[bytes];
    return to;
}

void *memset(void *to, int value, u64 bytes)
{
    for (u64 i = 0; i < bytes; i++)
        ((u8 *)to)[i] = (u8)value;
    return to;
}

int memcmp(const void *left, const void *right, u64 bytes)
{
    for (u64 i = 0; i < bytes; i++)
        if (((const u8 *)left)[i] != ((const u8 *)right)[i])
            return ((const u8 *)left)[i] - ((const u8 *)right)[i];
    return 0;
}
