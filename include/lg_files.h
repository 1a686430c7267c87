/* Files of the ledger that every program opens the same way. */
#ifndef LG_FILES_H
#define LG_FILES_H

#include "lg_record.h"

/* Read a whole regular file of at most max bytes, appended to out; SG_EIO, SG_ETOO_LARGE with a fault that names it. */
SG_MUST_USE int lg_file_read(struct sg_buf *out, const char *path, size_t max, struct sg_fault *fault);
/* Read and check a genesis file; one newline at its end is tolerated (editors add it), anything else is not. SG_ECONFIG with a fault
 * that names the file and the code of the rule. Caller frees. */
SG_MUST_USE int lg_genesis_load(struct lg_genesis **out, const char *path, struct sg_fault *fault);
/* Write a new file (never over an existing one), mode 0644, synced with its folder. SG_EIO with a fault. */
SG_MUST_USE int lg_file_create(const char *path, const void *bytes, size_t len, struct sg_fault *fault);

#endif
