/* Error numbers: Xen's, which are those of Linux. There is no errno: hypercalls return it, negative. */
#include <xen/errno.h>
