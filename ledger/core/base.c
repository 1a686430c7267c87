/* Choosing the base of a slot among the ends of the branches.
 *
 * A branch is worth looking at while the votes of one slot can lift it above the best; all others are forgotten, for sums never fall. With one
 * end left, which is the rule, nothing is counted.
 * Invariants: base is a valid block of a slot below `slot`, or the genesis; the first statement of a gateway for a slot is its vote,
 * whether it is pooled or came in a block. Refuses nothing: a vote for a block that is not known counts once the block is here. */
#include "ledger/core/pow_engine.h"

#include <string.h>

/* Blocks below the tip whose other children are looked at after a start. */
#define LOOK_BACK    8
#define MAX_CHILDREN 16

static int corrupt(int err)
{
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err; /* a valid block has its parents */
}

static bool has_end(const struct lg_bases *m, const struct lg_hash *hash)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (lg_hash_eq(&m->ends[i].hash, hash)) {
            return true;
        }
    }
    return false;
}

static bool is_lighter(const struct lg_block_info *a, const struct lg_block_info *b)
{
    return a->weight_sum != b->weight_sum ? a->weight_sum < b->weight_sum : a->height < b->height;
}

/* Full: the lightest makes room. */
static void add_end(struct lg_bases *m, const struct lg_block_info *info)
{
    unsigned at = m->n;
    if (has_end(m, &info->hash)) {
        return;
    }
    if (m->n == LG_BASE_ENDS) {
        at = 0;
        for (unsigned i = 1; i < m->n; i++) {
            at = is_lighter(&m->ends[i], &m->ends[at]) ? i : at;
        }
        if (is_lighter(info, &m->ends[at])) {
            return;
        }
    } else {
        m->n++;
    }
    m->ends[at] = *info;
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
        add_end(&e->base, info);
        add_end(&e->base, &at);
    }
    return err;
}

/* ---- after a start ---- */

static int add_children(struct lg_engine *e, const struct lg_hash *prev)
{
    struct lg_hash hashes[MAX_CHILDREN];
    unsigned n = 0;
    int err = e->store->children(e->store->ctx, hashes, MAX_CHILDREN, &n, prev);
    n = err != 0 ? 0 : n < MAX_CHILDREN ? n : MAX_CHILDREN;
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
    for (unsigned i = 0; i < e->base.n && e->base.n < LG_BASE_ENDS && err == 0; i++) {
        struct lg_hash hash = e->base.ends[i].hash;
        err = add_children(e, &hash);
    }
    return err;
}

/* ---- a new slot ---- */

static void forget_light(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    unsigned n = 0;
    for (unsigned i = 0; i < m->n; i++) {
        if (m->ends[i].weight_sum + e->genesis->ngateways >= m->base.weight_sum) {
            m->ends[n++] = m->ends[i];
        }
    }
    m->n = n;
}

int lg_base_enter(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    sg_minute slot = e->now / SG_MINUTE_MS - 1;
    if (m->entered && m->has && m->slot == slot) {
        return 0;
    }
    bool first = !m->entered;
    m->slot = slot;
    m->entered = true;
    m->base = e->tree.tip;
    int err = step_below(e, &m->base);
    m->has = err == 0 && e->tree.tip.slot <= slot && m->base.slot < slot;
    if (err == 0 && first) {
        err = find_ends(e);
    }
    if (err != 0) {
        m->entered = false;
        return err;
    }
    forget_light(e);
    add_end(m, &e->tree.tip);
    add_end(m, &m->base);
    return 0;
}

void lg_base_forget(struct lg_engine *e)
{
    e->base.entered = e->base.has = false;
    e->base.n = 0;
}

/* ---- votes ---- */

static void note_vote(struct lg_engine *e, const struct lg_statement *s)
{
    if (s->slot != e->base.slot || lg_genesis_gateway(e->genesis, s->gw) == NULL) {
        return;
    }
    struct lg_vote *v = &e->base.votes[lg_pool_gateway_index(e->genesis, s->gw)];
    if (!v->has || v->slot != s->slot) {
        *v = (struct lg_vote){.has = true, .slot = s->slot, .tip = s->tip};
    }
}

/* Slots grow along a gateway's statements, so those of the newest one are at the end of each incarnation. */
static void note_pooled(struct lg_engine *e)
{
    for (unsigned g = 0; g < e->genesis->ngateways; g++) {
        const struct lg_pool_gateway *pg = &e->pool.gw[g];
        for (unsigned i = pg->n; i > 0 && pg->v[i - 1]->s->slot >= e->base.slot; i--) {
            if (pg->v[i - 1]->s->ts <= e->now) {
                note_vote(e, pg->v[i - 1]->s);
            }
        }
    }
}

int lg_base_added(struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *info)
{
    for (unsigned i = 0; i < b->nstatements && b->header.slot >= e->base.slot; i++) {
        note_vote(e, b->statements[i]);
    }
    return e->base.entered ? add_branch(e, info) : 0;
}

/* Is the block that a vote names x or an ancestor of it? */
static int stands_on(
    const struct lg_engine *e, bool *yes, const struct lg_block_info *x, const struct lg_hash *tip)
{
    struct lg_block_info named, at;
    bool named_best, best;
    int err = lg_tree_info(&e->tree, &named, &named_best, tip);
    *yes = false;
    if (err == 0) {
        err = corrupt(lg_tree_info(&e->tree, &at, &best, &x->hash));
    } else if (err == SG_ENOT_FOUND) {
        return 0;
    }
    while (err == 0 && at.height > named.height && !best) {
        struct lg_hash prev = at.prev;
        err = corrupt(lg_tree_info(&e->tree, &at, &best, &prev));
    }
    *yes = err == 0 && (at.height > named.height ? named_best : lg_hash_eq(&at.hash, &named.hash));
    return err;
}

static int sum_with_votes(const struct lg_engine *e, int64_t *sum, const struct lg_block_info *x)
{
    const struct lg_bases *m = &e->base;
    *sum = x->weight_sum;
    for (unsigned g = 0; g < e->genesis->ngateways; g++) {
        bool yes;
        if (!m->votes[g].has || m->votes[g].slot != m->slot) {
            continue;
        }
        int err = stands_on(e, &yes, x, &m->votes[g].tip);
        if (err != 0) {
            return err;
        }
        *sum += yes;
    }
    return 0;
}

/* ---- the choice ---- */

/* Of a smaller slot, with no child of a smaller slot that would do instead, and within reach of the best. */
static bool is_eligible(const struct lg_engine *e, unsigned i, int64_t most)
{
    const struct lg_bases *m = &e->base;
    const struct lg_block_info *x = &m->ends[i];
    if ((x->slot >= m->slot && x->height > 0) || x->weight_sum + e->genesis->ngateways < most) {
        return false;
    }
    for (unsigned k = 0; k < m->n; k++) {
        if (m->ends[k].slot < m->slot && lg_hash_eq(&m->ends[k].prev, &x->hash)) {
            return false;
        }
    }
    return true;
}

static unsigned eligible(const struct lg_engine *e, const struct lg_block_info *out[static LG_BASE_ENDS])
{
    const struct lg_bases *m = &e->base;
    int64_t most = 0;
    unsigned n = 0;
    for (unsigned i = 0; i < m->n; i++) {
        bool smaller = m->ends[i].slot < m->slot;
        most = smaller && m->ends[i].weight_sum > most ? m->ends[i].weight_sum : most;
    }
    for (unsigned i = 0; i < m->n; i++) {
        if (is_eligible(e, i, most)) {
            out[n++] = &m->ends[i];
        }
    }
    return n;
}

static int choose_among(struct lg_engine *e, const struct lg_block_info *const *v, unsigned n)
{
    const struct lg_block_info *best = v[0];
    int64_t most;
    note_pooled(e);
    int err = sum_with_votes(e, &most, best);
    for (unsigned i = 1; i < n && err == 0; i++) {
        int64_t sum;
        int cmp = 0;
        err = sum_with_votes(e, &sum, v[i]);
        if (err == 0 && sum == most) {
            err = lg_tree_cmp(&e->tree, &cmp, v[i], best);
        }
        if (err == 0 && (sum > most || (sum == most && cmp < 0))) {
            best = v[i];
            most = sum;
        }
    }
    if (err == 0) {
        e->base.base = *best;
    }
    return err;
}

int lg_base_choose(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    const struct lg_block_info *v[LG_BASE_ENDS];
    if (!m->entered || !m->has) {
        return 0;
    }
    unsigned n = eligible(e, v);
    if (n == 1) {
        note_pooled(e);
        m->base = *v[0];
        return 0;
    }
    return n == 0 ? 0 : choose_among(e, v, n);
}
