/* nmi_op: the NMI handler of a kernel. */
#ifndef XEN_PUBLIC_NMI_H
#define XEN_PUBLIC_NMI_H

#include <xen/xen.h>

#define XENNMI_register_callback 0
#define XENNMI_unregister_callback 1

struct xennmi_callback {
    unsigned long handler_address;
    unsigned long pad;
};
typedef struct xennmi_callback xennmi_callback_t;
DEFINE_XEN_GUEST_HANDLE(xennmi_callback_t);

#endif
