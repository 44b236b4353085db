/* Only the missing header is told, not what follows from it. */
#include <mini-os/absent.h>
#include "also-missing.h"
pgentry_t entry = L1_PROT;
int f(void) { return nothing; }
