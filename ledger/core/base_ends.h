/* The ends: the blocks that can be the base of this slot or a later one, as far as they are worth a place.
 *
 * Two classes: *open* ends are of a smaller slot and can be the base now; the others are of this slot and can be from the next one on. Each class
 * has LG_BASE_SHARE places for each gateway (at least LG_BASE_LEAST). When one is full, of the miner who holds most of it the worst end goes:
 * the smallest sum of weights with the votes at hand, then the worse branch. So a miner's blocks push out only blocks of that miner while nobody holds
 * more, however many they are, and never the best end; and what was pushed out comes back when a vote of this slot names it.
 * Pure; one owner thread, the engine's. */
#ifndef LG_BASE_ENDS_H
#define LG_BASE_ENDS_H

#include "ledger/core/base.h"

/* A valid block that is not known here yet, or is; one that all votes of a slot could not lift above the best gets no place. Errors of the store. */
SG_MUST_USE int lg_ends_add(struct lg_engine *e, const struct lg_block_info *info);
/* A vote of this slot, just noted in votes, names tip: it is counted, and tip gets a place when it is a known block of a smaller slot. Errors of the
 * store. */
SG_MUST_USE int lg_ends_vote(struct lg_engine *e, const struct lg_hash *tip);
/* slot has changed: which ends are open, what is counted, and who has a place. Errors of the store. */
SG_MUST_USE int lg_ends_turn(struct lg_engine *e);
/* The best open end; NULL: none. Errors of the store. */
SG_MUST_USE int lg_ends_best(struct lg_engine *e, const struct lg_end **best);

#endif
