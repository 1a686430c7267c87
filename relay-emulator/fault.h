/* Start-up faults of this program. Thread: any. */
#ifndef RE_FAULT_H
#define RE_FAULT_H

#include "sg_err.h"
#include "sg_types.h"

/* Fill fault with err and "where: what" and return err: `return re_fail(fault, SG_EIO, path, strerror(errno));` */
int re_fail(struct sg_fault *fault, int err, const char *where, const char *what);

#endif
