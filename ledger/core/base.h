/* The base of a slot: the block that this node's miner extends for it, and that statements of the slot name as their tip.
 *
 * Of all valid blocks of a smaller slot it is the one whose sum of weights, with the votes of this very slot that are at hand and count for
 * it, is greatest; between equal ones the better branch. So votes and work of a minute go to one block, and what is shown after the first votes
 * has to outweigh them. docs/consensus.md says what that is good for; docs/decisions/006.
 * Pure; one owner thread, the engine's. */
#ifndef LG_BASE_H
#define LG_BASE_H

#include "ledger/core/tree.h"

/* Places among the ends for each gateway of the genesis, in each of the two classes of base_ends.h; of few gateways, for all together. */
#define LG_BASE_SHARE 4
#define LG_BASE_LEAST 16
#define LG_BASE_ROOM  (LG_BASE_SHARE * LG_MAX_GATEWAYS)

struct lg_engine;

struct lg_vote { /* of a gateway: what its first statement of a slot that was seen names */
    bool has;
    sg_minute slot;
    struct lg_hash tip;
};

struct lg_end { /* a block that can be the base of this slot or a later one (base_ends.h) */
    struct lg_block_info info;
    bool counted;   /* votes is known; while it is of this slot itself that is 0 */
    unsigned votes; /* of this slot, at hand, that count for it */
};

struct lg_bases {
    bool entered;   /* slot is known */
    bool looked;    /* ends are known */
    bool has;       /* there is a base: the clock is not behind the chain */
    sg_minute slot; /* the newest closed minute */
    struct lg_block_info base;
    struct lg_end ends[2 * LG_BASE_ROOM + 1];
    unsigned n;
    int64_t most;                          /* greatest sum of weights among the ends of smaller slots */
    struct lg_vote votes[LG_MAX_GATEWAYS]; /* by index in the genesis */
};

/* Begin of an operation: another minute may be over. Errors of the store. */
SG_MUST_USE int lg_base_enter(struct lg_engine *e);
/* A valid block was put into the tree. Errors of the store. */
SG_MUST_USE int lg_base_added(
    struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *info);
/* Blocks of the tree are gone again (a transaction was undone): the next operation looks anew. */
void lg_base_forget(struct lg_engine *e);
/* End of an operation: the base by all that is at hand now. Errors of the store. */
SG_MUST_USE int lg_base_choose(struct lg_engine *e);

#endif
