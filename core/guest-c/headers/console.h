/* As Mini-OS of Xen 3.0 names it. */
#include <mini-os/console.h>
