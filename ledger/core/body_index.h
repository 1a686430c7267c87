/* The bodies of a block by digest. Internal to ledger/core.
 *
 * A sorted array, not a hash table: digests can be chosen to collide in any fixed table, but not to unsort a sort. */
#ifndef LG_BODY_INDEX_H
#define LG_BODY_INDEX_H

#include "ledger/core/validity.h"

struct lg_body_index {
    const struct lg_block *block;
    unsigned n;
    struct lg_body_entry {
        uint64_t head; /* first 8 bytes of the digest */
        unsigned at;
    } * entries; /* by digest */
    bool *read;  /* by position in the block: a statement reads it; for the caller */
};

SG_MUST_USE int lg_body_index_init(struct lg_body_index *x, const struct lg_block *b);
void lg_body_index_fini(struct lg_body_index *x);
/* Position in the block, -1 when it is not there. Of equal bodies, which no valid block has, one. */
int lg_body_index_find(const struct lg_body_index *x, const struct lg_hash *digest);

/* SG_ESIZE. Leaves `read` all false. */
SG_MUST_USE int lg_block_check_size(
    const struct lg_genesis *g, const struct lg_block *b, struct lg_body_index *x);

#endif
