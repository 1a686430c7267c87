/* The bound on side blocks: valid blocks that are not on the best branch, which anybody with a member's key can make without end.
 *
 * Up to a number of bytes in all they are kept. Beyond it ends of branches are given up, a few in each transaction, until it holds again: of
 * the miner whose side blocks take most, the lightest first (struct lg_store, side_next). So who floods loses what it floods, and the branch of an
 * honest minority goes last. What is never given up, though the bound be exceeded by it:
 *
 *   a block that can be the base of this slot or of one of the next      base.h
 *   the newest side block, and the newest that each peer gave, unless it is more than LG_SIDE_BEHIND votes behind the block
 *   of its height on the best branch; and what any of these stands on
 *
 * So a branch that is being fetched, and may prove the better one at its end, is not taken away under the fetch.
 * Invariant: which branch is best among the blocks at hand never depends on it. A block that is given up is unknown again, not invalid: it
 * is taken like any other when it comes again, as it does when a peer's tip stands on it.
 * Pure; one owner thread, the engine's. */
#ifndef LG_SIDE_H
#define LG_SIDE_H

#include "ledger/core/store.h"

#define LG_SIDE_MAX_BYTES (INT64_C(256) << 20)
#define LG_SIDE_BEHIND    256
#define LG_SIDE_PEERS     64

struct lg_engine;

struct lg_sides {
    bool more;     /* to be looked at with the next tick: the bound may be exceeded */
    bool stuck;    /* last time nothing could be given up: another minute may change that */
    int64_t bytes; /* when last looked at */
    uint64_t given_up;
    struct lg_hash
        grown[LG_SIDE_PEERS]; /* by peer: its newest side block that is not far behind; zeros: none */
};

/* A valid block was put into the tree: info, which has become the tip (of a reorganisation, or not) or is a side block; old is the tip
 * before. Errors of the store. */
SG_MUST_USE int lg_side_added(struct lg_engine *e, const struct lg_block_info *info,
    const struct lg_block_info *old, bool is_tip, int from);
/* Give up as much as one transaction may hold, when the bound is exceeded; newest is kept (NULL: none). Errors of the store. */
SG_MUST_USE int lg_side_trim(struct lg_engine *e, const struct lg_hash *newest);
/* Is the next tick to come at once, for there is more to give up? */
bool lg_side_is_over(const struct lg_engine *e);

#endif
