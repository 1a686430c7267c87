/* The checks of the model that are no search over an adversary's moves. */
#ifndef TESTS_MODEL_CHECKS_H
#define TESTS_MODEL_CHECKS_H

#include <stddef.h>

#include "tests/model/world.h"

struct order_findings {
    size_t trees, orders;
    size_t disagreements; /* orders of arrival that ended on another tip than the first */
};
/* All trees of so many blocks with weights 0..weights-1 and two miners, in all orders of arrival. */
void check_order(struct order_findings *out, unsigned blocks, unsigned weights, bool arrival_breaks_ties);

struct split_findings {
    size_t states;
    size_t lost;            /* ways to part and heal after which a pair was not on the chain in time */
    size_t apart;           /* ways after which the sides stayed on two tips */
    unsigned depth;         /* blocks taken off when it heals */
    unsigned slots_to_rest; /* after the healing, until all is on the chain */
};
/* A partition 2:2 of up to so many slots. */
void check_split(struct split_findings *out, const struct rules *r, unsigned slots);

/* One miner is first in every slot and leaves out all others' statements, or those of gateway 0 alone, for so many slots. The most
 * ends of slots in a row at which an honest statement was not on the chain. */
unsigned script_leaves_out(const struct rules *r, unsigned slots, bool only_one);

#endif
