/* Blocks made for a test: signed by the keys of the vectors, mined, valid unless the test asks otherwise.
 * Faults end the test (cmocka asserts). */
#ifndef TEST_BLOCK_MAKER_H
#define TEST_BLOCK_MAKER_H

#include "ledger/core/validity.h"
#include "sg_key.h"
#include "tests/lib/mem_view.h"

#define MAKER_KEYS 5

struct maker {
    struct lg_genesis *g;
    struct sg_key *keys[MAKER_KEYS]; /* of keys.json: 0..3 may mine, 4 not; kids of 0..3 increase */
    lg_kid kids[MAKER_KEYS];
};

/* With the genesis of chain.json. */
void maker_init(struct maker *m);
void maker_fini(struct maker *m);

/* A body of one relay with 1..6 samples whose values follow from `seed`. Caller frees. */
struct lg_body *maker_body(const struct maker *m, const char *relay, sg_minute min, unsigned seed);

/* A statement of gateway `gw` that continues last (NULL: a first incarnation), names tip, and reads these bodies live. */
struct lg_statement *maker_statement(const struct maker *m, unsigned gw, const struct lg_statement *last,
    const struct lg_hash *tip, sg_minute slot, struct lg_body *const *bodies, unsigned nbodies);
/* Any parts at all, signed. */
struct lg_statement *maker_sign(const struct maker *m, unsigned gw, const struct lg_statement *parts);

/* What a block is made of; statements and bodies in the order in which they shall stand. */
struct maker_parts {
    const struct lg_block_info *parent;
    unsigned miner;
    sg_minute slot;
    int64_t weight;
    struct lg_statement *const *statements;
    unsigned nstatements;
    struct lg_body *const *bodies;
    unsigned nbodies;
};
struct lg_block *maker_block(const struct maker *m, const struct maker_parts *parts);

/* The verdict of a block on node tip of the tree, which must be the same when what needs no branch has been checked ahead. */
int maker_check(
    const struct lg_rules *r, const struct mem_tree *t, int tip, const struct lg_block *b, sg_ms now_ms);

#endif
