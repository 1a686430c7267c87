/* Choosing the base of a slot among the ends of the branches.
 *
 * Which blocks are looked at, however many a member shows, is the matter of base_ends.c; here is what becomes one, and whose vote counts.
 * Invariants: base is a valid block of a slot below `slot`, or the genesis; the first statement of a gateway for a slot is its vote,
 * whether it is pooled or came in a block. Refuses nothing: a vote for a block that is not known counts once the block is here. */
#include "ledger/core/base_ends.h"
#include "ledger/core/pow_engine.h"

/* Blocks below the tip whose other children are looked at after a start. */
#define LOOK_BACK    8
#define MAX_CHILDREN 256

static int corrupt(int err)
{
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err; /* a valid block has its parents */
}

/* The newest ancestor of a slot below this one. */
static int step_below(const struct lg_engine *e, struct lg_block_info *at)
{
    while (at->slot >= e->base.slot && at->height > 0) {
        bool best;
        struct lg_hash prev = at->prev;
        int err = corrupt(lg_tree_info(&e->tree, at, &best, &prev));
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* This block, and where its branch stands below the slot. */
static int add_branch(struct lg_engine *e, const struct lg_block_info *info)
{
    struct lg_block_info at = *info;
    int err = step_below(e, &at);
    if (err == 0) {
        err = lg_ends_add(e, &at);
    }
    return err == 0 ? lg_ends_add(e, info) : err;
}

/* ---- after a start ---- */

static int add_children(struct lg_engine *e, const struct lg_hash *prev)
{
    struct lg_hash hashes[MAX_CHILDREN];
    unsigned n = 0;
    int err = e->store->children(e->store->ctx, hashes, MAX_CHILDREN, &n, prev);
    n = err != 0 ? 0 : n;
    err = err == SG_ENOT_FOUND ? 0 : err;
    for (unsigned i = 0; i < n && err == 0; i++) {
        struct lg_block_info child;
        bool best;
        err = corrupt(lg_tree_info(&e->tree, &child, &best, &hashes[i]));
        if (err == 0 && !best) {
            err = add_branch(e, &child);
        }
    }
    return err;
}

/* The side branches that leave the best one near its tip, and their blocks as far as there is room. */
static int find_ends(struct lg_engine *e)
{
    struct lg_block_info at = e->tree.tip;
    int err = 0;
    for (unsigned i = 0; i < LOOK_BACK && err == 0 && at.height > 0; i++) {
        bool best;
        struct lg_hash prev = at.prev;
        err = add_children(e, &prev);
        if (err == 0) {
            err = corrupt(lg_tree_info(&e->tree, &at, &best, &prev));
        }
    }
    for (unsigned i = 0; i < e->base.n && err == 0; i++) {
        struct lg_hash hash = e->base.ends[i].info.hash;
        err = add_children(e, &hash);
    }
    return err;
}

static int add_named(struct lg_engine *e, const struct lg_hash *tip)
{
    struct lg_block_info named;
    bool best;
    int err = lg_tree_info(&e->tree, &named, &best, tip);
    if (err != 0) {
        return err == SG_ENOT_FOUND ? 0 : err;
    }
    return named.slot < e->base.slot ? lg_ends_add(e, &named) : 0;
}

/* The ends are not known: after a start, or when blocks are gone again. */
static int look(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    int err = find_ends(e);
    for (unsigned g = 0; g < e->genesis->ngateways && err == 0; g++) {
        if (m->votes[g].has && m->votes[g].slot == m->slot) {
            err = add_named(e, &m->votes[g].tip);
        }
    }
    m->looked = err == 0;
    return err;
}

/* ---- a new slot ---- */

static int enter_slot(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    int err = step_below(e, &m->base);
    m->has = err == 0 && m->base.slot < m->slot;
    if (err == 0) {
        err = lg_ends_turn(e);
    }
    if (err == 0) {
        err = add_branch(e, &e->tree.tip);
    }
    return err == 0 && !m->looked ? look(e) : err;
}

int lg_base_enter(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    sg_minute slot = e->now / SG_MINUTE_MS - 1;
    bool behind = e->tree.tip.slot > slot;
    if (m->entered && m->slot == slot && m->has && !behind) {
        return 0;
    }
    m->slot = slot;
    m->entered = true;
    m->base = e->tree.tip;
    if (behind) { /* there is none, and no walk for it: so many slots may lie between */
        m->has = false;
        return 0;
    }
    int err = enter_slot(e);
    if (err != 0) {
        lg_base_forget(e);
    }
    return err;
}

void lg_base_forget(struct lg_engine *e)
{
    e->base.entered = e->base.looked = e->base.has = false;
    e->base.n = 0;
}

/* ---- votes ---- */

static int note_vote(struct lg_engine *e, const struct lg_statement *s)
{
    if (s->slot != e->base.slot || lg_genesis_gateway(e->genesis, s->gw) == NULL) {
        return 0;
    }
    struct lg_vote *v = &e->base.votes[lg_pool_gateway_index(e->genesis, s->gw)];
    if (v->has && v->slot == s->slot) {
        return 0;
    }
    *v = (struct lg_vote){.has = true, .slot = s->slot, .tip = s->tip};
    return e->base.looked ? lg_ends_vote(e, &v->tip) : 0;
}

/* Slots grow along a gateway's statements, so those of the newest one are at the end of each incarnation. */
static int note_pooled(struct lg_engine *e)
{
    int err = 0;
    for (unsigned g = 0; g < e->genesis->ngateways; g++) {
        const struct lg_pool_gateway *pg = &e->pool.gw[g];
        for (unsigned i = pg->n; i > 0 && pg->v[i - 1]->s->slot >= e->base.slot && err == 0; i--) {
            if (pg->v[i - 1]->s->ts <= e->now) {
                err = note_vote(e, pg->v[i - 1]->s);
            }
        }
    }
    return err;
}

int lg_base_added(struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *info)
{
    int err = 0;
    for (unsigned i = 0; i < b->nstatements && b->header.slot >= e->base.slot && err == 0; i++) {
        err = note_vote(e, b->statements[i]);
    }
    if (err == 0 && e->base.looked) {
        err = add_branch(e, info);
    }
    if (err != 0) {
        lg_base_forget(e);
    }
    return err;
}

/* ---- the choice ---- */

int lg_base_choose(struct lg_engine *e)
{
    const struct lg_end *best = NULL;
    if (!e->base.entered || !e->base.has) {
        return 0;
    }
    int err = note_pooled(e);
    if (err == 0) {
        err = lg_ends_best(e, &best);
    }
    if (err != 0) {
        lg_base_forget(e);
    } else if (best != NULL) {
        e->base.base = best->info;
    }
    return err;
}
