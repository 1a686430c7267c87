/* Making a block of its sketch and of documents that this node holds. */
#ifndef LG_SKETCH_FILL_H
#define LG_SKETCH_FILL_H

#include "ledger/core/sketch.h"
#include "ledger/store.h"

/* Documents that are asked for one by one; a block that lacks more is fetched whole. */
#define LG_SKETCH_MAX_ASK 64

/* Documents of leaves that the store lacks; their hashes have been checked. */
struct lg_sketch_given {
    unsigned n;
    unsigned index[LG_SKETCH_MAX_ASK]; /* of the leaf, increasing */
    struct lg_slice doc[LG_SKETCH_MAX_ASK];
};

/* Which leaves does the store lack? missing->n may be greater than LG_SKETCH_MAX_ASK: then only so many indices are written. Errors of the
 * store. Thread: the reader's. */
SG_MUST_USE int lg_sketch_missing(
    struct lg_sketch_given *missing, struct lg_reader *r, const struct lg_sketch *s);
/* The whole block, appended to out. given: NULL or what the store lacks. SG_ENOT_FOUND: something lacks still; errors of the store. */
SG_MUST_USE int lg_sketch_fill(
    struct sg_buf *out, struct lg_reader *r, const struct lg_sketch *s, const struct lg_sketch_given *given);

#endif
