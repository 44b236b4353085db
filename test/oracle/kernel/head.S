/*
 * Entry, ELF notes, trap stubs and the two instructions that may fault. Facts 6.4 (notes), 6.5 (registers at start),
 * 7.3 (what Xen pushes for a trap), 8.1 (how a hypercall is made).
 */

#define STACK_SIZE 16384

#define NOTE(type, payload...)                                                                                          \
    .pushsection .note.Xen, "a", @note;                                                                                \
    .balign 4;                                                                                                         \
    .long 4, 2f - 1f, type;                                                                                            \
    .asciz "Xen";                                                                                                      \
1:  payload;                                                                                                           \
2:  .balign 4;                                                                                                         \
    .popsection

NOTE(1, .quad start)                 /* ENTRY */
NOTE(3, .quad 0)                     /* VIRT_BASE: linear mapping from address 0 */
NOTE(4, .quad 0)                     /* PADDR_OFFSET */
NOTE(5, .asciz "xen-3.0")            /* XEN_VERSION */
NOTE(6, .asciz "xenscope-oracle")    /* GUEST_OS */
NOTE(7, .asciz "1")                  /* GUEST_VERSION */
NOTE(8, .asciz "generic")            /* LOADER */
NOTE(9, .asciz "yes")                /* PAE_MODE */
NOTE(17, .long 1 << 11)              /* SUPPORTED_FEATURES: can be domain 0 */

    .text
    .globl start
start:
    leaq stack_end(%rip), %rsp
    movq %rsi, %rdi
    xorl %ebp, %ebp
    call kernel_main
1:  jmp 1b

/* long hypercall(u64 number, const u64 arg[5]) */
    .globl hypercall
hypercall:
    movq %rdi, %rax
    movq %rsi, %r9
    movq 0(%r9), %rdi
    movq 8(%r9), %rsi
    movq 16(%r9), %rdx
    movq 24(%r9), %r10
    movq 32(%r9), %r8
    syscall
    ret

/* u64 try_load(u64 address): a fault here ends the function with fault_vector set. */
    .globl try_load
try_load:
load_instruction:
    movq (%rdi), %rax
    ret

/* void try_fill(u64 address, u64 value, u64 words) */
    .globl try_fill
try_fill:
    testq %rdx, %rdx
    jz 2f
store_instruction:
    movq %rsi, (%rdi)
    addq $8, %rdi
    decq %rdx
    jmp try_fill
2:  ret

/*
 * Frames as Xen pushes them: rcx, r11, error code, rip, cs, rflags, rsp, ss; an access can only raise vectors that have
 * an error code. A fault at one of the two instructions
 * above is recorded, and the function that made the access returns to its caller.
 */
.macro STUB vector
    .globl trap_\vector
trap_\vector:
    movq $\vector, fault_vector(%rip)
    jmp trap_common
.endm

    STUB 12
    STUB 13
    STUB 14
    STUB 17

trap_common:
    movq 16(%rsp), %rax
    movq %rax, fault_code(%rip)
    movq %cr2, %rax                  /* Xen emulates this read */
    movq %rax, fault_address(%rip)
    movq 24(%rsp), %rax
    leaq load_instruction(%rip), %rcx
    cmpq %rcx, %rax
    je 1f
    leaq store_instruction(%rip), %rcx
    cmpq %rcx, %rax
    je 1f
    movq %rax, %rdi
    call unexpected_trap
1:  movq 48(%rsp), %rsp
    xorl %eax, %eax
    ret

    .bss
    .balign 16
    .skip STACK_SIZE
stack_end:

    .section .note.GNU-stack, "", @progbits
