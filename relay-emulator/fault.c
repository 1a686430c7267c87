/* Start-up faults: one place decides how they read. A text that does not fit is cut. */
#include "relay-emulator/fault.h"

#include <stdio.h>

int re_fail(struct sg_fault *fault, int err, const char *where, const char *what)
{
    fault->err = err;
    (void)snprintf(fault->text, sizeof fault->text, "%s: %s", where, what);
    return err;
}
