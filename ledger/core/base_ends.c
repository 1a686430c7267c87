/* Which blocks keep a place among the ends, and which of them is best.
 *
 * Invariants: a class holds no more than its room; votes of an open end that is counted are those at hand that count for it; no end is so light
 * that all votes of one slot could not lift it above the heaviest open one, for sums never fall. An end that others stand on needs no care: whoever
 * stands on it has its votes and is the better branch, and should that one lose its place, it is still here.
 * The best end keeps its place because more places than miners make the one who holds most hold two, of which it is not the worse.
 * Refuses nothing. An operation costs what the room allows, whatever a member shows: a new block looks at each vote, a new vote at each end, each of
 * them with a walk down to the best branch that is as long as slots have passed since the fork. */
#include "ledger/core/base_ends.h"

#include <assert.h>

#include "ledger/core/pow_engine.h"

static unsigned room(const struct lg_engine *e)
{
    unsigned n = LG_BASE_SHARE * e->genesis->ngateways;
    return n < LG_BASE_LEAST ? LG_BASE_LEAST : n;
}

static bool is_open(const struct lg_bases *m, const struct lg_block_info *x)
{
    return x->slot < m->slot || x->height == 0;
}

static bool has_end(const struct lg_bases *m, const struct lg_hash *hash)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (lg_hash_eq(&m->ends[i].info.hash, hash)) {
            return true;
        }
    }
    return false;
}

/* ---- votes ---- */

/* Is named x or an ancestor of it? */
static int stands_on(const struct lg_engine *e, bool *yes, const struct lg_block_info *x,
    const struct lg_block_info *named, bool named_best)
{
    struct lg_block_info at = *x;
    bool best = false;
    while (at.height > named->height && !best) {
        struct lg_hash prev = at.prev;
        int err = lg_tree_info(&e->tree, &at, &best, &prev);
        if (err != 0) {
            return err == SG_ENOT_FOUND ? SG_ECORRUPT : err; /* a valid block has its parents */
        }
    }
    *yes = at.height > named->height ? named_best : lg_hash_eq(&at.hash, &named->hash);
    return 0;
}

/* All votes at hand for an open end. */
static int count_votes(const struct lg_engine *e, struct lg_end *end)
{
    const struct lg_bases *m = &e->base;
    end->votes = 0;
    for (unsigned g = 0; g < e->genesis->ngateways && is_open(m, &end->info); g++) {
        struct lg_block_info named;
        bool named_best, yes;
        if (!m->votes[g].has || m->votes[g].slot != m->slot) {
            continue;
        }
        int err = lg_tree_info(&e->tree, &named, &named_best, &m->votes[g].tip);
        if (err == SG_ENOT_FOUND) {
            continue;
        }
        err = err == 0 ? stands_on(e, &yes, &end->info, &named, named_best) : err;
        if (err != 0) {
            return err;
        }
        end->votes += yes;
    }
    end->counted = true;
    return 0;
}

/* Before ends are compared, and not when they come: while a chain is fetched nearly all go again at once. */
static int count_all(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    int err = 0;
    for (unsigned i = 0; i < m->n && err == 0; i++) {
        err = m->ends[i].counted ? 0 : count_votes(e, &m->ends[i]);
    }
    return err;
}

int lg_ends_vote(struct lg_engine *e, const struct lg_hash *tip)
{
    struct lg_bases *m = &e->base;
    struct lg_block_info named;
    bool named_best;
    int err = lg_tree_info(&e->tree, &named, &named_best, tip);
    if (err != 0) {
        return err == SG_ENOT_FOUND ? 0 : err; /* it counts once the block is here */
    }
    for (unsigned i = 0; i < m->n; i++) {
        bool yes = false;
        if (m->ends[i].counted && is_open(m, &m->ends[i].info)) {
            err = stands_on(e, &yes, &m->ends[i].info, &named, named_best);
        }
        if (err != 0) {
            return err;
        }
        m->ends[i].votes += yes;
    }
    return is_open(m, &named) ? lg_ends_add(e, &named) : 0;
}

/* ---- order and room ---- */

static int compare(const struct lg_engine *e, int *cmp, const struct lg_end *a, const struct lg_end *b)
{
    int64_t sa = a->info.weight_sum + a->votes, sb = b->info.weight_sum + b->votes;
    if (sa != sb) {
        *cmp = sa > sb ? -1 : 1;
        return 0;
    }
    return lg_tree_cmp(&e->tree, cmp, &a->info, &b->info);
}

int lg_ends_best(struct lg_engine *e, const struct lg_end **best)
{
    const struct lg_bases *m = &e->base;
    *best = NULL;
    int err = count_all(e);
    for (unsigned i = 0; i < m->n && err == 0; i++) {
        int cmp = -1;
        if (!is_open(m, &m->ends[i].info)) {
            continue;
        }
        err = *best == NULL ? 0 : compare(e, &cmp, &m->ends[i], *best);
        *best = err == 0 && cmp < 0 ? &m->ends[i] : *best;
    }
    return err;
}

/* By position in the genesis; the genesis as a block has no miner of it. */
static unsigned holder(const struct lg_engine *e, const struct lg_block_info *x)
{
    return x->height == 0 ? e->genesis->ngateways : lg_pool_gateway_index(e->genesis, x->miner);
}

/* The class has more than its room: the worst end of the miner who holds most of it. */
static int find_worst(const struct lg_engine *e, unsigned *out, bool open)
{
    const struct lg_bases *m = &e->base;
    unsigned held[LG_MAX_GATEWAYS + 1] = {0}, most = 0;
    const struct lg_end *worst = NULL;
    for (unsigned i = 0; i < m->n; i++) {
        if (is_open(m, &m->ends[i].info) == open) {
            unsigned h = ++held[holder(e, &m->ends[i].info)];
            most = h > most ? h : most;
        }
    }
    for (unsigned i = 0; i < m->n; i++) {
        int cmp = 1;
        const struct lg_end *x = &m->ends[i];
        if (is_open(m, &x->info) != open || held[holder(e, &x->info)] != most) {
            continue;
        }
        int err = worst == NULL ? 0 : compare(e, &cmp, x, worst);
        if (err != 0) {
            return err;
        }
        worst = cmp > 0 ? x : worst;
    }
    assert(worst != NULL && most > 1);
    *out = (unsigned)(worst - m->ends);
    return 0;
}

static int make_room(struct lg_engine *e, bool open)
{
    struct lg_bases *m = &e->base;
    unsigned n = 0;
    for (unsigned i = 0; i < m->n; i++) {
        n += is_open(m, &m->ends[i].info) == open;
    }
    for (; n > room(e); n--) {
        unsigned worst = 0;
        int err = count_all(e);
        if (err == 0) {
            err = find_worst(e, &worst, open);
        }
        if (err != 0) {
            return err;
        }
        m->ends[worst] = m->ends[--m->n];
    }
    return 0;
}

/* Both: with the slot ends go from one class to the other, back as well when a clock is set back. */
static int make_rooms(struct lg_engine *e)
{
    int err = make_room(e, true);
    return err == 0 ? make_room(e, false) : err;
}

static bool is_light(const struct lg_engine *e, const struct lg_block_info *x)
{
    return x->weight_sum + e->genesis->ngateways < e->base.most;
}

static void forget_light(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    unsigned n = 0;
    for (unsigned i = 0; i < m->n; i++) {
        if (!is_light(e, &m->ends[i].info)) {
            m->ends[n++] = m->ends[i];
        }
    }
    m->n = n;
}

int lg_ends_add(struct lg_engine *e, const struct lg_block_info *info)
{
    struct lg_bases *m = &e->base;
    bool open = is_open(m, info);
    if (has_end(m, &info->hash) || is_light(e, info)) {
        return 0;
    }
    m->ends[m->n++] = (struct lg_end){.info = *info};
    if (open && info->weight_sum > m->most) {
        m->most = info->weight_sum;
        forget_light(e);
    }
    return make_rooms(e);
}

int lg_ends_turn(struct lg_engine *e)
{
    struct lg_bases *m = &e->base;
    m->most = 0;
    for (unsigned i = 0; i < m->n; i++) {
        const struct lg_block_info *x = &m->ends[i].info;
        m->ends[i].counted = false;
        m->most = is_open(m, x) && x->weight_sum > m->most ? x->weight_sum : m->most;
    }
    forget_light(e);
    return make_rooms(e);
}
