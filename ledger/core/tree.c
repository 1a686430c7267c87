/* The tree of valid blocks: lookups, comparison of branches, and the choice of an overlay for a side branch.
 *
 * Invariant: an overlay's fork is on the best branch. Extending the best branch keeps that; a reorganisation does not, so it
 * forgets all overlays (lg_tree_forget). The views themselves are in branch_view.c. */
#include "ledger/core/branch_view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int lg_tree_init(struct lg_tree *t, const struct lg_genesis *g, const struct lg_store *store, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->genesis = g;
    t->store = store;
    t->seed = seed;
    lg_block_info_genesis(&t->root, g);
    int err = store->tip(store->ctx, &t->tip);
    if (err == SG_ENOT_FOUND) {
        t->tip = t->root;
        err = 0;
    }
    return err;
}

void lg_tree_fini(struct lg_tree *t)
{
    lg_tree_forget(t);
}

void lg_tree_forget(struct lg_tree *t)
{
    for (unsigned i = 0; i < LG_TREE_OVERLAYS; i++) {
        lg_overlay_fini(&t->overlays[i]);
    }
}

int lg_tree_info(const struct lg_tree *t, struct lg_block_info *out, bool *best, const struct lg_hash *hash)
{
    if (lg_hash_eq(hash, &t->root.hash)) {
        *out = t->root;
        *best = true;
        return 0;
    }
    if (lg_hash_eq(hash, &t->tip.hash)) {
        *out = t->tip;
        *best = true;
        return 0;
    }
    return t->store->block_info(t->store->ctx, out, best, hash);
}

int lg_tree_block(const struct lg_tree *t, struct lg_block **out, const struct lg_hash *hash)
{
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX);
    int err = t->store->block_bytes(t->store->ctx, &doc, hash);
    if (err == 0) {
        err = sg_buf_err(&doc);
    }
    if (err == 0) {
        err = lg_block_decode(out, doc.p, doc.len);
        if (err == 0 && !lg_hash_eq(&(*out)->hash, hash)) {
            lg_block_free(*out);
            err = SG_ECORRUPT;
        }
        if (err == SG_ECANONICAL || err == SG_ESHAPE) {
            err = SG_ECORRUPT;
        }
    } else if (err == SG_ENOT_FOUND) {
        err = SG_ECORRUPT; /* its block_info was there */
    }
    sg_buf_fini(&doc);
    return err;
}

/* The overlay that ends in end or in its parent; else the one used longest ago. */
static struct lg_overlay *choose_overlay(struct lg_tree *t, const struct lg_block_info *end)
{
    struct lg_overlay *oldest = &t->overlays[0], *parent = NULL;
    for (unsigned i = 0; i < LG_TREE_OVERLAYS; i++) {
        struct lg_overlay *o = &t->overlays[i];
        if (o->used && lg_hash_eq(&o->tip.hash, &end->hash)) {
            return o;
        }
        if (o->used && lg_hash_eq(&o->tip.hash, &end->prev)) {
            parent = o;
        }
        if (o->stamp < oldest->stamp) {
            oldest = o;
        }
    }
    return parent != NULL ? parent : oldest;
}

/* Hashes of the side branch from end down to the block above the fork. Caller frees. */
static int walk_to_fork(const struct lg_tree *t, struct lg_hash **path, size_t *n, struct lg_block_info *fork,
    const struct lg_block_info *end)
{
    size_t cap = 16, len = 0;
    struct lg_hash *p = malloc(cap * sizeof *p);
    struct lg_block_info at = *end;
    bool best = false;
    int err = p == NULL ? SG_ENOMEM : 0;
    while (err == 0 && !best) {
        if (len == cap) {
            struct lg_hash *grown = realloc(p, cap * 2 * sizeof *p);
            if (grown == NULL) {
                err = SG_ENOMEM;
                break;
            }
            p = grown;
            cap *= 2;
        }
        p[len++] = at.hash;
        struct lg_hash prev = at.prev;
        err = lg_tree_info(t, &at, &best, &prev);
    }
    if (err != 0) {
        free(p);
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err; /* a valid block has its parents */
    }
    *path = p;
    *n = len;
    *fork = at;
    return 0;
}

static int rebuild_overlay(struct lg_tree *t, struct lg_overlay *o, const struct lg_block_info *end)
{
    struct lg_hash *path;
    size_t n;
    struct lg_block_info fork;
    int err = walk_to_fork(t, &path, &n, &fork, end);
    if (err != 0) {
        return err;
    }
    lg_overlay_fini(o);
    err = lg_overlay_init(o, t->genesis, &fork, t->seed);
    while (err == 0 && n > 0) {
        err = lg_overlay_append(o, t, &path[--n]);
    }
    free(path);
    return err;
}

int lg_tree_branch(struct lg_tree *t, struct lg_branch *out, const struct lg_block_info *end)
{
    struct lg_block_info found;
    bool best;
    int err = lg_tree_info(t, &found, &best, &end->hash);
    if (err != 0) {
        return err;
    }
    if (best) {
        lg_branch_init(out, t, NULL, end->height);
        return 0;
    }
    struct lg_overlay *o = choose_overlay(t, end);
    o->stamp = ++t->stamp;
    if (o->used && lg_hash_eq(&o->tip.hash, &end->hash)) {
        err = 0;
    } else if (o->used && lg_hash_eq(&o->tip.hash, &end->prev)) {
        err = lg_overlay_append(o, t, &end->hash);
    } else {
        err = rebuild_overlay(t, o, end);
    }
    if (err != 0) {
        lg_overlay_fini(o); /* half built: nothing may use it */
        return err;
    }
    lg_branch_init(out, t, o, o->fork.height);
    return 0;
}

/* Same height: step both back until they have one parent. */
static int walk_together(const struct lg_tree *t, struct lg_block_info *a, struct lg_block_info *b)
{
    assert(a->height == b->height);
    while (!lg_hash_eq(&a->prev, &b->prev)) {
        bool best;
        struct lg_hash pa = a->prev, pb = b->prev;
        int err = lg_tree_info(t, a, &best, &pa);
        if (err == 0) {
            err = lg_tree_info(t, b, &best, &pb);
        }
        if (err != 0) {
            return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
        }
    }
    return 0;
}

int lg_tree_cmp(
    const struct lg_tree *t, int *out, const struct lg_block_info *a, const struct lg_block_info *b)
{
    struct lg_block_info fa = *a, fb = *b;
    if (lg_hash_eq(&a->hash, &b->hash)) {
        *out = 0;
        return 0;
    }
    if (a->weight_sum == b->weight_sum && a->height == b->height) {
        int err = walk_together(t, &fa, &fb);
        if (err != 0) {
            return err;
        }
    }
    *out = lg_branch_cmp(a, &fa, b, &fb);
    return 0;
}
