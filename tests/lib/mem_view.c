#include "mem_view.h"

#include <assert.h>
#include <string.h>

void mem_tree_init(struct mem_tree *t, const struct lg_genesis *g)
{
    *t = (struct mem_tree){.genesis = g};
    lg_block_info_genesis(&t->root, g);
}

const struct lg_block_info *mem_tree_info(const struct mem_tree *t, int node)
{
    return node < 0 ? &t->root : &t->nodes[node].info;
}

int mem_tree_add(struct mem_tree *t, int parent, const struct lg_block *b)
{
    struct mem_node *n = &t->nodes[t->n];

    assert(t->n < MEM_MAX_BLOCKS);
    n->block = b;
    n->parent = parent;
    lg_block_info_of(&n->info, b, mem_tree_info(t, parent));
    return (int)t->n++;
}

static int last_statement(void *ctx, struct lg_statement_ref *out, lg_kid gw)
{
    const struct mem_branch *br = ctx;

    if (br->tree->fail)
        return br->tree->fail;
    for (int at = br->tip; at >= 0; at = br->tree->nodes[at].parent) {
        const struct lg_block *b = br->tree->nodes[at].block;

        for (unsigned i = b->nstatements; i-- > 0;) {
            if (b->statements[i]->gw == gw) {
                lg_statement_ref_of(out, b->statements[i], b->header.height);
                return 0;
            }
        }
    }
    return SG_ENOT_FOUND;
}

static int body(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest)
{
    const struct mem_branch *br = ctx;

    if (br->tree->fail)
        return br->tree->fail;
    for (int at = br->tip; at >= 0; at = br->tree->nodes[at].parent) {
        const struct lg_block *b = br->tree->nodes[at].block;

        for (unsigned i = 0; i < b->nbodies; i++) {
            if (!lg_hash_eq(&b->bodies[i]->digest, digest))
                continue;
            *out = (struct lg_body_ref){.min = b->bodies[i]->min, .height = b->header.height};
            assert(b->bodies[i]->relay.len < sizeof out->relay);
            memcpy(out->relay, b->bodies[i]->relay.p, b->bodies[i]->relay.len);
            return 0;
        }
    }
    return SG_ENOT_FOUND;
}

static int ancestor(void *ctx, const struct lg_hash *hash)
{
    const struct mem_branch *br = ctx;

    if (br->tree->fail)
        return br->tree->fail;
    for (int at = br->tip; at >= 0; at = br->tree->nodes[at].parent) {
        if (lg_hash_eq(&br->tree->nodes[at].info.hash, hash))
            return 0;
    }
    return lg_hash_eq(&br->tree->root.hash, hash) ? 0 : SG_ENOT_FOUND;
}

void mem_branch_view(struct lg_view *view, struct mem_branch *branch)
{
    *view = (struct lg_view){branch, last_statement, body, ancestor};
}

int mem_tree_cmp(const struct mem_tree *t, int a, int b)
{
    int fa = a, fb = b;

    while (mem_tree_info(t, fa)->height > mem_tree_info(t, fb)->height)
        fa = t->nodes[fa].parent;
    while (mem_tree_info(t, fb)->height > mem_tree_info(t, fa)->height)
        fb = t->nodes[fb].parent;
    while (fa >= 0 && fb >= 0 && fa != fb && t->nodes[fa].parent != t->nodes[fb].parent) {
        fa = t->nodes[fa].parent;
        fb = t->nodes[fb].parent;
    }
    return lg_branch_cmp(
        mem_tree_info(t, a), mem_tree_info(t, fa), mem_tree_info(t, b), mem_tree_info(t, fb));
}
