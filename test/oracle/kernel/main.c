/*
 * A PV kernel that does as it is told: it carries out hypercalls and memory accesses which a driver outside the machine
 * puts into the mailbox, and reports results and faults. It has no opinion of its own about page tables, so that a list
 * of operations is carried out by the same driver code here and on the model.
 */

#include "mailbox.h"

#define HYPERVISOR_set_trap_table 0
#define HYPERVISOR_xen_version 17
#define HYPERVISOR_console_io 18
#define HYPERVISOR_sched_op 29
#define SCHEDOP_shutdown 2
#define SHUTDOWN_reboot 1

/* Facts 6.1: the fields of start_info that are read here, by offset. */
struct start_info {
    char magic[32];
    u64 nr_pages;
    u64 shared_info;  /* 40: machine address */
    u64 other[5];
    u64 pt_base;      /* 88 */
    u64 nr_pt_frames; /* 96 */
    u64 mfn_list;     /* 104 */
};

struct trap_info {
    unsigned char vector;
    unsigned char flags;
    unsigned short cs;
    u64 address;
};

extern long hypercall(u64 number, const u64 *arg);
extern u64 try_load(u64 address);
extern void try_fill(u64 address, u64 value, u64 words);
extern void trap_12(void), trap_13(void), trap_14(void), trap_17(void);

#define NO_FAULT ~0UL
#define FLAT_KERNEL_CS 0xe033

u64 fault_vector, fault_code, fault_address;

static volatile struct mailbox box __attribute__((aligned(PAGE_SIZE)));
static unsigned char arguments[ARGUMENT_PAGES * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static long call(u64 number, u64 a, u64 b, u64 c)
{
    u64 arg[5] = { a, b, c, 0, 0 };
    return hypercall(number, arg);
}

static void print(const char *text)
{
    u64 length = 0;
    while (text[length])
        length++;
    call(HYPERVISOR_console_io, 0, length, (u64)text);
}

static void print_number(const char *name, u64 value)
{
    char digits[17];
    for (int i = 0; i < 16; i++)
        digits[i] = "0123456789abcdef"[(value >> (60 - 4 * i)) & 15];
    digits[16] = 0;
    print(name);
    print(digits);
    print("\n");
}

static void stop(void)
{
    u32 reason = SHUTDOWN_reboot;
    call(HYPERVISOR_sched_op, SCHEDOP_shutdown, (u64)&reason, 0);
    for (;;)
        ;
}

void unexpected_trap(u64 rip)
{
    print_number("oracle: unexpected trap ", fault_vector);
    print_number("oracle: at ", rip);
    print_number("oracle: error code ", fault_code);
    print_number("oracle: address ", fault_address);
    stop();
}

static void set_traps(void)
{
    static struct trap_info traps[] = {
        { 12, 0, FLAT_KERNEL_CS, (u64)trap_12 },
        { 13, 0, FLAT_KERNEL_CS, (u64)trap_13 },
        { 14, 0, FLAT_KERNEL_CS, (u64)trap_14 },
        { 17, 0, FLAT_KERNEL_CS, (u64)trap_17 },
        { 0, 0, 0, 0 },
    };
    call(HYPERVISOR_set_trap_table, (u64)traps, 0, 0);
}

static void fill_mailbox(const struct start_info *info)
{
    const u64 *p2m = (const u64 *)info->mfn_list;
    u64 p2m_pages = (info->nr_pages * sizeof(u64) + PAGE_SIZE - 1) / PAGE_SIZE;

    box.magic = MAILBOX_MAGIC;
    box.nr_pages = info->nr_pages;
    box.root_pfn = info->pt_base / PAGE_SIZE;
    box.nr_pt_frames = info->nr_pt_frames;
    box.arguments = (u64)arguments;
    box.image_end = info->pt_base + (info->nr_pt_frames + 1) * PAGE_SIZE;
    box.version = call(HYPERVISOR_xen_version, 0, 0, 0);
    for (u64 i = 0; i < ARGUMENT_PAGES; i++)
        box.argument_mfn[i] = p2m[(u64)arguments / PAGE_SIZE + i];
    box.shared_info = info->shared_info;
    box.nr_p2m_pages = p2m_pages;
    for (u64 i = 0; i < p2m_pages && i < MAX_P2M_PAGES; i++)
        box.p2m_mfn[i] = p2m[info->mfn_list / PAGE_SIZE + i];
}

static void carry_out(void)
{
    u64 arg[6];
    for (int i = 0; i < 6; i++)
        arg[i] = box.arg[i];
    fault_vector = NO_FAULT;
    switch (box.command) {
    case CMD_HYPERCALL:
        box.result = hypercall(arg[0], arg + 1);
        break;
    case CMD_LOAD:
        box.result = try_load(arg[0]);
        break;
    case CMD_STORE:
        try_fill(arg[0], arg[1], 1);
        break;
    case CMD_FILL:
        try_fill(arg[0], arg[1], arg[2]);
        break;
    }
    box.fault_vector = fault_vector;
    box.fault_code = fault_code;
    box.fault_address = fault_address;
}

/*
 * Without a request for minutes the driver is gone: end the machine, so that nothing is left running. Counted in polls,
 * because a snapshot that is restored brings the counter back, but not the processor's time.
 */
#define IDLE_POLLS 1000000000UL

void kernel_main(const struct start_info *info)
{
    const u64 *p2m = (const u64 *)info->mfn_list;

    set_traps();
    fill_mailbox(info);
    print_number("oracle: mailbox ", p2m[(u64)&box / PAGE_SIZE]);
    for (;;) {
        u32 request;
        u64 polls = 0;
        while ((request = box.request) == box.response) {
            __asm__ volatile("pause" ::: "memory");
            if (++polls > IDLE_POLLS)
                stop();
        }
        carry_out();
        __asm__ volatile("" ::: "memory");
        box.response = request;
    }
}
