/* A branch in the making: each block carries one statement of each of its gateways, all of which read one body of its own. */
#ifndef TESTS_BRANCH_MAKER_H
#define TESTS_BRANCH_MAKER_H

#include "tests/lib/chain_maker.h"

#define BRANCH_GATEWAYS 4
#define BRANCH_BLOCKS   4110

struct branch {
    struct lg_block_info at; /* its last block, or what it stands on */
    const struct lg_statement *last[BRANCH_GATEWAYS];
    const struct lg_block *blocks[BRANCH_BLOCKS];
    unsigned n;
};

/* The next block. */
struct branch_block {
    sg_minute slot;
    const unsigned *gws; /* n of them; NULL: first, first + 1, … */
    unsigned first, n, miner;
    int64_t variant; /* branches of different variants have other incarnations and bodies */
    unsigned ngaps;  /* in each statement */
};

/* Nothing on the genesis. */
void branch_init(struct branch *s, const struct lg_genesis *g);
/* Nothing yet on the last block of s. */
void branch_on(struct branch *s, const struct branch *below);
/* The maker keeps what is made. */
void branch_extend(struct maker *m, struct branch *s, const struct branch_block *block);

#endif
