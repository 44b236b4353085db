/* The old name of <xen/arch-x86/xen.h>. */
#include <xen/arch-x86/xen.h>
