/* A branch as validity sees it: what its own side blocks hold, then the best branch as of the fork.
 *
 * Invariant: an overlay holds exactly the blocks fork+1 .. tip of one side branch. It keeps of them what a check can ask: hashes,
 * digests with relay and minute, each gateway's last statement. Only valid blocks come here, so a gateway is known. */
#include "ledger/core/branch_view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int lg_overlay_init(
    struct lg_overlay *o, const struct lg_genesis *g, const struct lg_block_info *fork, uint64_t seed)
{
    *o = (struct lg_overlay){.stamp = o->stamp, .blocks = {.seed = seed}, .bodies = {.seed = seed}};
    o->last = calloc(g->ngateways, sizeof *o->last);
    if (o->last == NULL) {
        return SG_ENOMEM;
    }
    o->fork = *fork;
    o->tip = *fork;
    o->used = true;
    return 0;
}

void lg_overlay_fini(struct lg_overlay *o)
{
    for (size_t i = 0; i < o->bodies.cap; i++) {
        free(o->bodies.slots[i].value);
    }
    lg_map_fini(&o->bodies);
    lg_map_fini(&o->blocks);
    free(o->last);
    o->last = NULL;
    o->used = false;
}

static size_t gateway_index(const struct lg_genesis *g, lg_kid gw)
{
    const struct lg_gateway *p = lg_genesis_gateway(g, gw);
    assert(p != NULL);
    return (size_t)(p - g->gateways);
}

static int append_body(struct lg_overlay *o, const struct lg_body *b, int64_t height)
{
    struct lg_body_ref *ref = calloc(1, sizeof *ref);
    if (ref == NULL) {
        return SG_ENOMEM;
    }
    assert(b->relay.len < sizeof ref->relay); /* a valid body's relay is one of the genesis */
    memcpy(ref->relay, b->relay.p, b->relay.len);
    ref->min = b->min;
    ref->height = height;
    int err = lg_map_put(&o->bodies, &b->digest, ref);
    if (err != 0) {
        free(ref);
    }
    return err;
}

static int append_block(struct lg_overlay *o, const struct lg_genesis *g, const struct lg_block *b)
{
    struct lg_block_info info;
    lg_block_info_of(&info, b, &o->tip);
    for (unsigned i = 0; i < b->nstatements; i++) {
        const struct lg_statement *s = b->statements[i];
        lg_statement_ref_of(&o->last[gateway_index(g, s->gw)], s, info.height);
    }
    int err = lg_map_put(&o->blocks, &info.hash, o);
    for (unsigned i = 0; err == 0 && i < b->nbodies; i++) {
        err = append_body(o, b->bodies[i], info.height);
    }
    o->tip = info;
    return err;
}

int lg_overlay_append(struct lg_overlay *o, const struct lg_tree *t, const struct lg_hash *hash)
{
    struct lg_block *b;
    int err = lg_tree_block(t, &b, hash);
    if (err != 0) {
        return err;
    }
    assert(lg_hash_eq(&b->header.prev, &o->tip.hash));
    err = append_block(o, t->genesis, b);
    lg_block_free(b);
    return err;
}

static int view_last_statement(void *ctx, struct lg_statement_ref *out, lg_kid gw)
{
    const struct lg_branch *b = ctx;
    const struct lg_gateway *p = lg_genesis_gateway(b->tree->genesis, gw);
    if (p == NULL) {
        return SG_ENOT_FOUND;
    }
    if (b->overlay != NULL) {
        const struct lg_statement_ref *last = &b->overlay->last[p - b->tree->genesis->gateways];
        if (last->seq > 0) {
            *out = *last;
            return 0;
        }
    }
    const struct lg_store *s = b->tree->store;
    return b->height < 1 ? SG_ENOT_FOUND : s->last_statement(s->ctx, out, gw, b->height);
}

static int view_body(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest)
{
    const struct lg_branch *b = ctx;
    if (b->overlay != NULL) {
        const struct lg_body_ref *ref = lg_map_get(&b->overlay->bodies, digest);
        if (ref != NULL) {
            *out = *ref;
            return 0;
        }
    }
    const struct lg_store *s = b->tree->store;
    return b->height < 1 ? SG_ENOT_FOUND : s->body_at(s->ctx, out, digest, b->height);
}

static int view_ancestor(void *ctx, const struct lg_hash *hash)
{
    const struct lg_branch *b = ctx;
    if (b->overlay != NULL && lg_map_get(&b->overlay->blocks, hash) != NULL) {
        return 0;
    }
    struct lg_block_info info;
    bool best;
    int err = lg_tree_info(b->tree, &info, &best, hash);
    if (err != 0) {
        return err;
    }
    return best && info.height <= b->height ? 0 : SG_ENOT_FOUND;
}

void lg_branch_init(struct lg_branch *b, const struct lg_tree *t, const struct lg_overlay *o, int64_t height)
{
    b->tree = t;
    b->overlay = o;
    b->height = height;
    b->view = (struct lg_view){
        .ctx = b, .last_statement = view_last_statement, .body = view_body, .ancestor = view_ancestor};
}
