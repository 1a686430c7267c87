/* What the hostile gateway can show: any branch of new blocks on any block, with any honest statements that it has seen, in their order, left
 * out or copied, with or without its own vote.
 *
 * Only branches that become the best one, or what honest miners extend, are of use: others change nothing that honest nodes do, and can as
 * well be shown later.
 * The blocks of one release are dated as late as they can be, so that they may carry as much as possible; the last one is of the newest slot or of
 * the one before, for the miners of the newest slot extend only the latter. A vote is left out of the last block only: what
 * counts is the sum. */
#include "tests/model/explore.h"

struct release {
    const struct bounds *b;
    release_fn fn;
    void *arg;
    unsigned last_slot;
};

static void grow(struct release *e, const struct world *w, unsigned parent, unsigned slot);

static void put_block(
    struct release *e, const struct world *w, unsigned parent, unsigned slot, const struct content *c)
{
    bool last = slot == e->last_slot;
    for (unsigned vote = last ? 0 : 1; vote < 2; vote++) {
        struct world next = *w;
        unsigned n = world_add(&next, parent, slot, RANK_HOSTILE, vote, c, 1);
        if (!last) {
            grow(e, &next, n, slot + 1);
        } else if (world_best(&next, &e->b->rules, 0, 255) == n || honest_base(&next, &e->b->rules, 0) == n) {
            e->fn(e->arg, &next);
        }
    }
}

/* Every choice for gateways gw and up. */
static void fill(
    struct release *e, const struct world *w, unsigned parent, unsigned slot, unsigned gw, struct content c)
{
    if (gw == w->honest) {
        put_block(e, w, parent, slot, &c);
        return;
    }
    unsigned known = world_signed_by(w, gw);
    known = known < slot ? known : slot;
    for (unsigned cnt = c.cnt[gw]; cnt <= known; cnt++) {
        struct content next = c;
        next.cnt[gw] = (uint8_t)cnt;
        if (gw != 0 || cnt <= w->restart || c.cnt[0] > w->restart) {
            next.whole = gw == 0 && cnt <= w->restart ? (uint8_t)cnt : c.whole;
            fill(e, w, parent, slot, gw + 1, next);
            continue;
        }
        for (unsigned whole = c.cnt[0]; whole <= w->restart;
             whole++) { /* the second incarnation overtakes the first */
            next.whole = (uint8_t)whole;
            fill(e, w, parent, slot, gw + 1, next);
        }
    }
}

/* All statements from gateway `first` on. */
static void fill_from(
    struct release *e, const struct world *w, unsigned parent, unsigned slot, unsigned first)
{
    struct content c = w->b[parent].has;
    for (unsigned i = first; i < w->honest; i++) {
        unsigned known = world_signed_by(w, i);
        known = known < slot ? known : slot;
        c.cnt[i] = (uint8_t)(known > c.cnt[i] ? known : c.cnt[i]);
    }
    c.whole = c.cnt[0];
    put_block(e, w, parent, slot, &c);
}

static void fill_coarse(struct release *e, const struct world *w, unsigned parent, unsigned slot)
{
    if (e->b->plan != PLAN_CENSOR) {
        fill_from(e, w, parent, slot, 0);
    }
    if (e->b->plan != PLAN_SEESAW) {
        fill_from(e, w, parent, slot, 1);
    }
    if (e->b->plan == PLAN_ANY) {
        fill_from(e, w, parent, slot, w->honest);
    }
}

static bool is_leaf(const struct world *w, unsigned n)
{
    for (unsigned i = n + 1; i < w->nblocks; i++) {
        if (w->b[i].parent == n) {
            return false;
        }
    }
    return true;
}

static void grow(struct release *e, const struct world *w, unsigned parent, unsigned slot)
{
    if (e->b->coarse && !e->b->restart) {
        fill_coarse(e, w, parent, slot);
        return;
    }
    fill(e, w, parent, slot, 0, w->b[parent].has);
}

void hostile_releases(const struct world *w, const struct bounds *b, release_fn fn, void *arg)
{
    unsigned most = w->honest + 1u;
    for (unsigned last = w->slot > 1 ? w->slot - 1u : 1; last <= w->slot; last++) {
        struct release e = {.b = b, .fn = fn, .arg = arg, .last_slot = last};
        for (unsigned parent = 0; parent < w->nblocks; parent++) {
            for (unsigned m = 1; m <= b->branch && m <= last; m++) {
                bool hopeless =
                    !(b->rules.weakened & NO_WEIGHT) && w->b[parent].wsum + m * most < w->b[w->tip[0]].wsum;
                if (b->plan == PLAN_SEESAW && w->slot > 2 && !is_leaf(w, parent)) {
                    continue;
                }
                if (!hopeless && w->b[parent].slot < last - m + 1) {
                    grow(&e, w, parent, last - m + 1);
                }
            }
        }
    }
}
