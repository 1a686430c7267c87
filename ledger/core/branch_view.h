/* Overlays of side branches and the lg_view that reads through them; inside of the tree (tree.h). */
#ifndef LG_BRANCH_VIEW_H
#define LG_BRANCH_VIEW_H

#include "ledger/core/tree.h"

/* An empty overlay on fork. SG_ENOMEM. */
SG_MUST_USE int lg_overlay_init(
    struct lg_overlay *o, const struct lg_genesis *g, const struct lg_block_info *fork, uint64_t seed);
/* Frees what it holds; all zero is legal. */
void lg_overlay_fini(struct lg_overlay *o);
/* Grow by the stored block hash, whose parent is the overlay's tip. After an error the overlay is useless. */
SG_MUST_USE int lg_overlay_append(struct lg_overlay *o, const struct lg_tree *t, const struct lg_hash *hash);

void lg_branch_init(struct lg_branch *b, const struct lg_tree *t, const struct lg_overlay *o, int64_t height);

#endif
