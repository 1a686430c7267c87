/* The tree of the model: ancestry, the order of branches, and what a change of tip does to the pool. Block 0 is the genesis. */
#include "tests/model/world.h"

#include <assert.h>
#include <string.h>

void world_init(struct world *w, unsigned honest, unsigned sides)
{
    memset(w, 0, sizeof *w);
    w->honest = (uint8_t)honest;
    w->sides = (uint8_t)sides;
    w->restart = NOT_HERE;
    w->vote = w->heard = NO_VOTE;
    w->nblocks = 1;
    w->b[0].sides = (uint8_t)((1u << sides) - 1);
    memset(w->since, NOT_HERE, sizeof w->since);
}

bool world_is_ancestor(const struct world *w, unsigned a, unsigned b)
{
    if (a == TIP_NOWHERE) {
        return false;
    }
    while (w->b[b].height > w->b[a].height) {
        b = w->b[b].parent;
    }
    return a == b;
}

/* The first blocks that differ; equal when one is an ancestor of the other. */
static void first_apart(const struct world *w, unsigned *a, unsigned *b)
{
    unsigned x = *a, y = *b;
    while (x != y) {
        if (w->b[x].height >= w->b[y].height) {
            *a = x;
            x = w->b[x].parent;
        } else {
            *b = y;
            y = w->b[y].parent;
        }
        if (w->b[x].height == w->b[y].height && x != y && w->b[x].parent == w->b[y].parent) {
            *a = x;
            *b = y;
            return;
        }
    }
    *a = *b = x;
}

unsigned world_fork(const struct world *w, unsigned a, unsigned b)
{
    while (a != b) {
        if (w->b[a].height >= w->b[b].height) {
            a = w->b[a].parent;
        } else {
            b = w->b[b].parent;
        }
    }
    return a;
}

int world_cmp(const struct world *w, const struct rules *r, unsigned a, unsigned b)
{
    unsigned fa = a, fb = b;
    if (a == b) {
        return 0;
    }
    if (!(r->weakened & NO_WEIGHT) && w->b[a].wsum != w->b[b].wsum) {
        return w->b[a].wsum > w->b[b].wsum ? -1 : 1;
    }
    if (w->b[a].height != w->b[b].height) {
        return w->b[a].height > w->b[b].height ? -1 : 1;
    }
    first_apart(w, &fa, &fb);
    if (w->b[fa].rank != w->b[fb].rank) {
        return w->b[fa].rank < w->b[fb].rank ? -1 : 1;
    }
    /* the hash: later hostile blocks were ground to win */
    return fa > fb ? -1 : 1;
}

unsigned world_best(const struct world *w, const struct rules *r, unsigned s, unsigned below)
{
    unsigned best = 0;
    for (unsigned i = 1; i < w->nblocks; i++) {
        if (((w->b[i].sides >> s) & 1) && w->b[i].slot < below && world_cmp(w, r, i, best) < 0) {
            best = i;
        }
    }
    return best;
}

bool world_has_child(const struct world *w, unsigned s, unsigned parent, unsigned below)
{
    for (unsigned i = parent + 1; i < w->nblocks; i++) {
        if (w->b[i].parent == parent && ((w->b[i].sides >> s) & 1) && w->b[i].slot < below) {
            return true;
        }
    }
    return false;
}

bool world_included(const struct world *w, const struct content *c, unsigned gw, unsigned j)
{
    if (j >= c->cnt[gw] || w->stmt_tip[gw][j] == TIP_SILENT) {
        return false;
    }
    return !(gw == 0 && j < w->restart && j >= c->whole);
}

unsigned world_signed_by(const struct world *w, unsigned gw)
{
    return w->slot - 1u + ((w->gw_signed >> gw) & 1u);
}

unsigned world_weigh(const struct world *w, unsigned parent, const struct content *c, bool vote)
{
    unsigned weight = vote;
    for (unsigned i = 0; i < w->honest; i++) {
        bool counts = false;
        for (unsigned j = w->b[parent].has.cnt[i]; j < c->cnt[i] && !counts; j++) {
            counts = world_included(w, c, i, j) && world_is_ancestor(w, w->stmt_tip[i][j], parent);
        }
        weight += counts;
    }
    return weight;
}

unsigned world_add(struct world *w, unsigned parent, unsigned slot, unsigned rank, bool vote,
    const struct content *c, unsigned sides)
{
    assert(w->nblocks < MODEL_BLOCKS);
    unsigned n = w->nblocks++;
    struct mblock *b = &w->b[n];
    const struct mblock *p = &w->b[parent];
    *b = (struct mblock){.parent = (uint8_t)parent,
        .slot = (uint8_t)slot,
        .height = (uint8_t)(p->height + 1),
        .id = ++w->next_id,
        .rank = (uint8_t)rank,
        .vote = vote,
        .sides = (uint8_t)sides};
    b->has = *c;
    if (vote && rank == RANK_HOSTILE && slot == w->slot && w->heard == NO_VOTE) {
        w->heard = (uint8_t)parent;
    }
    b->weight = (uint8_t)world_weigh(w, parent, c, vote);
    b->wsum = (uint8_t)(p->wsum + b->weight);
    return n;
}

/* Pool of side s after its tip moved: what came off is pooled anew, what was new in a block is known. */
static void pool_follows(struct world *w, const struct rules *r, unsigned s, unsigned from, unsigned to)
{
    for (unsigned i = 0; i < w->honest; i++) {
        for (unsigned j = 0; j < w->slot; j++) {
            bool was = world_included(w, &w->b[from].has, i, j), is = world_included(w, &w->b[to].has, i, j);
            uint8_t *since = &w->since[s][i][j];
            if (is && *since == NOT_HERE) {
                *since = w->slot;
            }
            if (was && !is && (r->weakened & POOL_FORGETS)) {
                *since = FORGOTTEN;
            }
        }
    }
}

struct moved world_adopt(struct world *w, const struct rules *r, unsigned s)
{
    unsigned old = w->tip[s], best = world_best(w, r, s, 255);
    struct moved moved = {0, 0};
    if (best == old) {
        return moved;
    }
    w->tip[s] = (uint8_t)best;
    pool_follows(w, r, s, old, best);
    for (unsigned fork = world_fork(w, old, best); old != fork; old = w->b[old].parent) {
        moved.depth++;
        moved.honest += w->b[old].rank != RANK_HOSTILE;
    }
    return moved;
}
