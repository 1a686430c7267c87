/* A chain of one block in which every gateway has spoken, and a node that stands at a given position for the next slot: the stage of the
 * miner's tests. Faults end the test. */
#ifndef TEST_MINE_STAGE_H
#define TEST_MINE_STAGE_H

#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define S0      (MAKER_MINUTE + 1500)
#define COLLECT 1000
#define STAGGER 1500

struct mine {
    struct maker m;
    struct rig *r;
    struct lg_block_info at; /* the tip before S0 */
    const struct lg_statement *last[4];
    unsigned order[4]; /* gateways by rank for (at, S0) */
};

/* The order of the gateways' ranks for a parent and slot. */
void rank_order(struct mine *x, const struct lg_hash *prev, sg_minute slot);
/* The block before is of this slot; mine_init: of S0 - 1. */
void mine_init_at(struct mine *x, unsigned position, struct maker_config c, sg_minute slot);
void mine_init(struct mine *x, unsigned position, struct maker_config c);
void mine_fini(struct mine *x);
/* The next statement of a gateway, of this slot, that names the tip before S0. */
const struct lg_statement *say(struct mine *x, unsigned gw, sg_minute slot);
/* Offer a statement without bodies; it must be accepted. */
void give(struct mine *x, const struct lg_statement *s, sg_ms now);
/* Another gateway's block of slot S0 on the tip before it. */
const struct lg_block *rival(struct mine *x, unsigned miner, const struct lg_statement *const *s, unsigned n);
/* Offer a block; it must be accepted. */
void take(struct mine *x, const struct lg_block *b, sg_ms now);

#endif
