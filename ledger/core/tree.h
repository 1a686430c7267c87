/* The tree of valid blocks: any branch as a view, and which of two branches is better.
 *
 * The best branch is the store's. A side branch is the best branch up to the fork and an overlay of what its own blocks
 * hold; the overlays of the latest LG_TREE_OVERLAYS side tips are kept and grow by one block with each append, so that as many side
 * branches of depth d cost O(d) each in all. When more than that grow in turns each block costs O(d) again (docs/consensus.md, "Side
 * branches and room"). Pure; one owner thread. */
#ifndef LG_TREE_H
#define LG_TREE_H

#include "ledger/core/hash_map.h"
#include "ledger/core/store.h"

#define LG_TREE_OVERLAYS 2

struct lg_overlay {
    bool used;
    uint64_t stamp;            /* of the last use */
    struct lg_block_info fork; /* on the best branch, or the genesis */
    struct lg_block_info tip;
    struct lg_map blocks;          /* the side branch's own, hash -> any pointer */
    struct lg_map bodies;          /* digest -> struct lg_body_ref, owned */
    struct lg_statement_ref *last; /* by index of the gateway in the genesis; seq 0: none here */
};

struct lg_tree {
    const struct lg_genesis *genesis;
    const struct lg_store *store;
    struct lg_block_info root; /* the genesis as a parent */
    struct lg_block_info tip;  /* of the best branch; root while the chain is empty */
    struct lg_overlay overlays[LG_TREE_OVERLAYS];
    uint64_t stamp;
    uint64_t seed; /* of the overlays' maps */
};

/* Reads the tip. Errors of the store. */
SG_MUST_USE int lg_tree_init(
    struct lg_tree *t, const struct lg_genesis *g, const struct lg_store *store, uint64_t seed);
void lg_tree_fini(struct lg_tree *t);
/* After a reorganisation: what was the best branch is now a side branch and the reverse. */
void lg_tree_forget(struct lg_tree *t);

/* A valid block or the genesis. best: on the best branch. SG_ENOT_FOUND. */
SG_MUST_USE int lg_tree_info(
    const struct lg_tree *t, struct lg_block_info *out, bool *best, const struct lg_hash *hash);
/* A stored block, decoded; SG_ECORRUPT when it no longer decodes to this hash. Caller frees. */
SG_MUST_USE int lg_tree_block(const struct lg_tree *t, struct lg_block **out, const struct lg_hash *hash);

/* One branch. Valid until the tree, an overlay or the store changes. */
struct lg_branch {
    const struct lg_tree *tree;
    const struct lg_overlay *overlay; /* NULL: on the best branch */
    int64_t height;                   /* greatest height that counts on the best branch */
    struct lg_view view;              /* its ctx is this branch: do not copy */
};

/* The branch that ends in end (a valid block, or the root). Errors of the store. */
SG_MUST_USE int lg_tree_branch(struct lg_tree *t, struct lg_branch *out, const struct lg_block_info *end);

/* *out < 0: the branch of a is better; > 0: that of b; 0: the same block. Walks back to the fork only when weight and work are
 * equal. Errors of the store. */
SG_MUST_USE int lg_tree_cmp(
    const struct lg_tree *t, int *out, const struct lg_block_info *a, const struct lg_block_info *b);

#endif
