/*
 * The program around a handler script, which defines only page_fault_handler(virt_addr): it installs the handler,
 * makes the access that the run asks for, and succeeds when the access at last completes.
 *
 *   XENSCOPE_FAULT_VA    the address
 *   XENSCOPE_FAULT_KIND  0 read, 1 write, 2 execute
 *   XENSCOPE_FAULT_USER  1 for an access by user code
 */

static void __xenscope_page_fault(struct cpu_user_regs *regs)
{
    (void)regs;
    page_fault_handler(read_cr2());
}

int kernel_main(start_info_t *info)
{
    struct trap_info traps[] = {
        { .vector = TRAP_page_fault, .cs = FLAT_KERNEL_CS, .address = (unsigned long)__xenscope_page_fault },
        { .address = 0 },
    };

    (void)info;
    if (HYPERVISOR_set_trap_table(traps) != 0)
        return 1;
#if XENSCOPE_FAULT_USER && defined(__x86_64__)
    {
        /* User code has a root of its own on x86_64; here it is the kernel's, so that the handler's work shows in it. */
        struct mmuext_op root = { .cmd = MMUEXT_NEW_USER_BASEPTR };

        root.arg1.mfn = virt_to_mfn(start_info.pt_base);
        if (HYPERVISOR_mmuext_op(&root, 1, NULL, DOMID_SELF) != 0)
            return 1;
    }
#endif
    __xenscope_touch(XENSCOPE_FAULT_VA, XENSCOPE_FAULT_KIND, XENSCOPE_FAULT_USER);
    return 0;
}
