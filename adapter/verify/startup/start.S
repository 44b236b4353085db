/*
 * Entry, ELF notes, trap stubs, hypercalls and accesses of a guest script on real Xen: what the model's processor does
 * by itself. Facts 6.4 (notes), 6.5 (registers at start), 7.3 (what Xen pushes for a trap), 7.6 (iret), 8.1 (hypercalls).
 *
 * The recorder works on a stack of its own, so that it leaves no trace on the script's.
 */

#define RECORDER_STACK_SIZE 0x20000

#define HYPERVISOR_iret 23
#define FLAT_USER_CS 0xe033
#define FLAT_SS 0xe02b
#define RFLAGS_USER 0x202
#define TF 0x100

#define NOTE(type, payload...)                                                                                          \
    .pushsection .note.Xen, "a", @note;                                                                                \
    .balign 4;                                                                                                         \
    .long 4, 2f - 1f, type;                                                                                            \
    .asciz "Xen";                                                                                                      \
1:  payload;                                                                                                           \
2:  .balign 4;                                                                                                         \
    .popsection

NOTE(1, .quad _start)                /* ENTRY */
NOTE(3, .quad virt_base)             /* VIRT_BASE */
NOTE(4, .quad 0)                     /* PADDR_OFFSET */
NOTE(5, .asciz "xen-3.0")            /* XEN_VERSION */
NOTE(6, .asciz "xenscope-script")    /* GUEST_OS */
NOTE(7, .asciz "1")                  /* GUEST_VERSION */
NOTE(8, .asciz "generic")            /* LOADER */
NOTE(17, .long 1 << 11)              /* SUPPORTED_FEATURES: can be domain 0 */

    .text
    .globl _start
_start:
    movq $stack_top, %rsp
    movq %rsi, %rdi
    xorl %ebp, %ebp
    movq %rsi, %rbx
    call recorder_start
    movq %rbx, %rdi
    call script_start                /* made for the script: the library's start, then the entry function */
    movl %eax, %edi
    .globl __xenscope_exit
__xenscope_exit:
    call recorder_end
1:  pause
    jmp 1b

/* Leaves the recorder's stack pointer in rsp: goes on below what it holds already. Destroys rax. */
.macro TO_RECORDER_STACK
    movq %rsp, %rax
    subq $recorder_stack, %rax
    cmpq $RECORDER_STACK_SIZE, %rax
    jbe 7f
    movq recorder_top(%rip), %rsp
7:
.endm

/*
 * long __xenscope_hypercall(unsigned long number, ...), up to six arguments. struct call of recorder.c is made on the
 * recorder's stack; the hypercall itself is made on the caller's.
 */
    .globl __xenscope_hypercall
__xenscope_hypercall:
    movq %rsp, %r11
    movq 8(%rsp), %r10               /* the sixth argument, if there is one */
    TO_RECORDER_STACK
    pushq %r11
    pushq %rbx
    pushq %r12
    pushq recorder_top(%rip)
    pushq $0                         /* call.done */
    pushq (%r11)                     /* call.caller */
    pushq %rbp                       /* call.frame */
    pushq %r10
    pushq %r9
    pushq %r8
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi                       /* call.nr */
    movq %rsp, %rbx
    movq %rsp, recorder_top(%rip)
    movq %rsp, %rdi
    call recorder_call
    movq 0(%rbx), %rax
    movq 8(%rbx), %rdi
    movq 16(%rbx), %rsi
    movq 24(%rbx), %rdx
    movq 32(%rbx), %r10
    movq 40(%rbx), %r8
    movq 48(%rbx), %r9
    movq 104(%rbx), %rsp
    .globl recorded_syscall
recorded_syscall:
    syscall
    movq %rbx, %rsp
    movq %rax, %r12
    movq %rbx, %rdi
    movq %rax, %rsi
    call recorder_return
    movq %r12, %rax
    addq $80, %rsp
    popq recorder_top(%rip)
    popq %r12
    popq %rbx
    popq %rsp
    ret

/* long plain_hypercall(u64 number, u64 a, u64 b, u64 c): leaves no record. */
    .globl plain_hypercall
plain_hypercall:
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    movq %rcx, %rdx
    syscall
    ret

/* u64 try_copy(void *to, const void *from, u64 bytes): the number of bytes that could not be read. */
    .globl try_copy
try_copy:
    movq %rdx, %rcx
    cld
copy_instruction:
    rep movsb
copy_end:
    movq %rcx, %rax
    ret

/*
 * Trap stubs, 16 bytes each, for 256 vectors and the event callback. Xen pushes rcx, r11, the error code if the vector has
 * one, rip, cs, rflags, rsp, ss. Each makes struct cpu_user_regs, calls the C handler with its address, and returns by
 * the iret hypercall with what the structure then holds.
 */
#define REGS_BYTES 208
#define R15 0
#define R14 8
#define R13 16
#define R12 24
#define RBP 32
#define RBX 40
#define R11 48
#define R10 56
#define R9 64
#define R8 72
#define RAX 80
#define RCX 88
#define RDX 96
#define RSI 104
#define RDI 112
#define ERROR_CODE 120
#define VECTOR 124
#define RIP 128
#define CS 136
#define RFLAGS 144
#define RSP 152
#define SS 160

    .balign 16
    .globl trap_stubs
trap_stubs:
vector = 0
.rept 257
    .balign 16
    pushq %rax
    movl $vector, %eax
    .if vector == 8 || vector == 10 || vector == 11 || vector == 12 || vector == 13 || vector == 14 || vector == 17
    jmp trap_with_code
    .else
    jmp trap_without_code
    .endif
    vector = vector + 1
.endr

trap_without_code:
    /* A word for the code, between r11 and rip: rax, rcx and r11 move down. */
    pushq 0(%rsp)
    pushq 16(%rsp)
    popq 8(%rsp)
    pushq 24(%rsp)
    popq 16(%rsp)
    movq $0, 24(%rsp)

trap_with_code:
    /* rax, rcx, r11, error code, rip, cs, rflags, rsp, ss */
    cmpq $copy_instruction, 32(%rsp)
    je copy_has_failed
    cmpq $0, touching(%rip)
    jne touch_trapped
make_regs:
    subq $(REGS_BYTES - 8), %rsp
    movl %eax, VECTOR(%rsp)
    movq %r15, R15(%rsp)
    movq %r14, R14(%rsp)
    movq %r13, R13(%rsp)
    movq %r12, R12(%rsp)
    movq %rbp, RBP(%rsp)
    movq %rbx, RBX(%rsp)
    movq %r10, R10(%rsp)
    movq %r9, R9(%rsp)
    movq %r8, R8(%rsp)
    movq %rdx, RDX(%rsp)
    movq %rsi, RSI(%rsp)
    movq %rdi, RDI(%rsp)
    movq REGS_BYTES-8(%rsp), %rcx
    movq %rcx, RAX(%rsp)
    movq REGS_BYTES(%rsp), %rcx
    movq %rcx, RCX(%rsp)
    movq REGS_BYTES+8(%rsp), %rcx
    movq %rcx, R11(%rsp)
    movl REGS_BYTES+16(%rsp), %ecx
    movl %ecx, ERROR_CODE(%rsp)
    movq REGS_BYTES+24(%rsp), %rcx
    movq %rcx, RIP(%rsp)
    movq REGS_BYTES+32(%rsp), %rcx
    movq %rcx, CS(%rsp)
    movq REGS_BYTES+40(%rsp), %rcx
    movq %rcx, RFLAGS(%rsp)
    movq REGS_BYTES+48(%rsp), %rcx
    movq %rcx, RSP(%rsp)
    movq REGS_BYTES+56(%rsp), %rcx
    movq %rcx, SS(%rsp)

    cld
    movq %rsp, %rbx
    TO_RECORDER_STACK
    movq %rbx, %rdi
    call recorder_trap               /* the C handler, or 0 */
    movq %rbx, %rsp
    testq %rax, %rax
    jz 1f
    movq %rbx, %rdi
    movq RIP(%rbx), %rcx
    pushq %rcx                       /* a frame below: backtraces go on to what was interrupted */
    pushq RBP(%rbx)
    movq %rsp, %rbp
    andq $~15, %rsp
    call *%rax
    cmpq $touch_store, RIP(%rbx)
    jne 2f
    movq R12(%rbx), %rdi
    call recorder_byte
    movq %rax, R15(%rbx)
2:  movq %rbx, %rsp
1:
    .globl return_from_trap
return_from_trap:
    pushq SS(%rbx)
    pushq RSP(%rbx)
    pushq RFLAGS(%rbx)
    pushq CS(%rbx)
    pushq RIP(%rbx)
    pushq $0                         /* flags */
    pushq RCX(%rbx)
    pushq R11(%rbx)
    pushq RAX(%rbx)
    movq R15(%rbx), %r15
    movq R14(%rbx), %r14
    movq R13(%rbx), %r13
    movq R12(%rbx), %r12
    movq RBP(%rbx), %rbp
    movq R10(%rbx), %r10
    movq R9(%rbx), %r9
    movq R8(%rbx), %r8
    movq RDX(%rbx), %rdx
    movq RSI(%rbx), %rsi
    movq RDI(%rbx), %rdi
    movq RBX(%rbx), %rbx
    movl $HYPERVISOR_iret, %eax
    syscall
    ud2

/* rax, rcx, r11, error code, rip, ... -> the frame of iret, which goes on at rip as it then stands. */
copy_has_failed:
    movq $copy_end, 32(%rsp)
resume:
    popq %rax
    popq %rcx
    popq %r11
    addq $8, %rsp
    pushq $0
    pushq %rcx
    pushq %r11
    pushq %rax
    movl $HYPERVISOR_iret, %eax
    syscall
    ud2

/*
 * void __xenscope_touch(unsigned long va, int kind, int user): an access without data; kind 0 reads, 1 writes, 2
 * executes. What lies at an address that is executed runs for one instruction, with rax pointing to a word to spare;
 * user code comes back by a system call. recorder_touch has told Xen where to.
 */
    .globl __xenscope_touch
__xenscope_touch:
    pushq %rbp
    movq %rsp, %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rdi, %r12
    movl %esi, %r13d
    movl %edx, %r14d
    movl %edx, %edi
    movq %r12, %rsi
    call recorder_touch
    movq %rax, %r15
    movq %rsp, touch_stack(%rip)
    movq %rbp, touch_frame(%rip)
    testl %r14d, %r14d
    jnz touch_as_user
    cmpl $2, %r13d
    je touch_execute
    call touch_data
    jmp touch_done

/* A store of what is there: the byte is looked up again after each fault. */
touch_data:
    cmpl $1, %r13d
    je touch_store
    movb (%r12), %al
    ret
touch_store:
    movb %r15b, (%r12)
    ret

touch_execute:
    pushq $FLAT_SS
    leaq -8(%rsp), %rax
    pushq %rax
    pushq $(RFLAGS_USER | TF)
    pushq $(FLAT_USER_CS & ~3)
    jmp 1f
touch_as_user:
    pushq $FLAT_SS
    pushq $touch_user_stack
    cmpl $2, %r13d
    je 2f
    pushq $RFLAGS_USER
    pushq $FLAT_USER_CS
    leaq touch_user_code(%rip), %rax
    pushq %rax
    jmp 3f
2:  pushq $(RFLAGS_USER | TF)
    pushq $FLAT_USER_CS
1:  pushq %r12
    movq $1, touching(%rip)
3:  pushq $0
    pushq $0
    pushq $0
    pushq $touch_spare
    movl $HYPERVISOR_iret, %eax
    syscall
    ud2

touch_user_code:
    call touch_data
    syscall
    ud2

/* The system call of the user code. */
    .globl touch_returned
touch_returned:
    movq touch_stack(%rip), %rsp
    movq touch_frame(%rip), %rbp
touch_done:
    movq $0, touching(%rip)
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* A debug exception during an access that executes: its instruction has run. Any other trap is the script's. */
touch_trapped:
    cmpl $1, %eax
    jne make_regs
    jmp touch_returned

    .data
    .balign 8
    .globl recorder_top
recorder_top:
    .quad recorder_stack_end

    .section .xenscope, "aw", @nobits
    .balign 4096
recorder_stack:
    .skip RECORDER_STACK_SIZE
recorder_stack_end:
    .skip 4096
touch_user_stack:
    .balign 8
touching:
    .quad 0
touch_stack:
    .quad 0
touch_frame:
    .quad 0
touch_spare:
    .skip 256

    .section .note.GNU-stack, "", @progbits
