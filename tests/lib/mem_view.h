/* A tree of blocks in memory, and the views of its branches: what validity asks, without a store. Linear searches: for
 * tests of a few dozen blocks. Blocks are borrowed. */
#ifndef TEST_MEM_VIEW_H
#define TEST_MEM_VIEW_H

#include "ledger/core/validity.h"

#define MEM_MAX_BLOCKS 64

struct mem_tree {
    const struct lg_genesis *genesis;
    struct lg_block_info root;
    unsigned n;
    struct mem_node {
        const struct lg_block *block;
        struct lg_block_info info;
        int parent; /* -1: the genesis */
    } nodes[MEM_MAX_BLOCKS];
    int fail; /* when not 0, every question of a view gets this answer */
};

/* The branch that ends in node `tip` (-1: the genesis). */
struct mem_branch {
    const struct mem_tree *tree;
    int tip;
};

void mem_tree_init(struct mem_tree *t, const struct lg_genesis *g);
/* Put a block on a parent without judging it; returns its node. */
int mem_tree_add(struct mem_tree *t, int parent, const struct lg_block *b);
const struct lg_block_info *mem_tree_info(const struct mem_tree *t, int node);
/* view borrows branch. */
void mem_branch_view(struct lg_view *view, struct mem_branch *branch);
/* lg_branch_cmp with the fork found by walking back. */
int mem_tree_cmp(const struct mem_tree *t, int a, int b);

#endif
