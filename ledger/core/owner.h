/* A decoded document on the heap: its struct, and the arena with a copy of its bytes and all that the struct points to.
 * Every decoder begins with lg_owner_new, and what it gives its caller ends with lg_owner_free. Internal to ledger/core. */
#ifndef LG_OWNER_H
#define LG_OWNER_H

#include "ledger/core/arena.h"

/* Check that doc[0..len) is canonical and make room for what it becomes.
 *
 * Returns: `size` zeroed bytes, aligned for any type, for the document's struct; NULL with *err = the code of lg_c0_check, or SG_ENOMEM.
 * Out:     arena, copy (of doc)   written when there is one; valid until lg_owner_free of what is returned
 * In:      doc                    borrowed for the call */
void *lg_owner_new(
    int *err, struct lg_arena **arena, uint8_t **copy, size_t size, const uint8_t *doc, size_t len);

/* document: what lg_owner_new returned, or NULL. */
void lg_owner_free(void *document);

#endif
