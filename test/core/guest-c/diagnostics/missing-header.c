/* Only the missing header is told, not what follows from it. */
#include <mini-os/os.h>
#include "also-missing.h"
pgentry_t entry = L1_PROT;
int f(void) { return nothing; }
