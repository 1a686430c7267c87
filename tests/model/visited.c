/* The set of states that have been seen: 64-bit fingerprints in an open table. */
#include "tests/model/explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct visited {
    uint64_t *slots; /* 0: free */
    size_t n, cap;
};

static void *must(void *p)
{
    if (p == NULL) {
        fputs("model: out of memory\n", stderr);
        exit(2);
    }
    return p;
}

struct visited *visited_new(void)
{
    struct visited *v = must(calloc(1, sizeof *v));
    v->cap = (size_t)1 << 16;
    v->slots = must(calloc(v->cap, sizeof *v->slots));
    return v;
}

void visited_free(struct visited *v)
{
    free(v->slots);
    free(v);
}

size_t visited_count(const struct visited *v)
{
    return v->n;
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    return h ^ (h >> 29);
}

/* All that the world knows of one honest gateway. */
static uint64_t column(const struct world *w, unsigned gw)
{
    uint64_t h = (w->gw_signed >> gw) & 1;
    for (unsigned j = 0; j < w->slot; j++) {
        h = mix(
            h, (uint64_t)w->stmt_tip[gw][j] << 16 | (uint64_t)w->since[0][gw][j] << 8 | w->since[1][gw][j]);
    }
    for (unsigned i = 0; i < w->nblocks; i++) {
        h = mix(h, w->b[i].has.cnt[gw]);
    }
    return h;
}

static uint64_t fingerprint(const struct world *w, bool sort_all)
{
    uint64_t col[MODEL_GATEWAYS],
        h = mix(w->slot, (uint64_t)w->phase << 32 | (uint64_t)w->heard << 40 | (uint64_t)w->releases << 24 |
                             (uint64_t)w->batches << 16 | w->vote);
    for (unsigned i = 0; i < w->honest; i++) {
        col[i] = column(w, i);
        for (unsigned k = i; sort_all && k > 0 && col[k] < col[k - 1]; k--) {
            uint64_t t = col[k];
            col[k] = col[k - 1];
            col[k - 1] = t;
        }
    }
    for (unsigned i = 0; i < w->honest; i++) {
        h = mix(h, col[i]);
    }
    h = mix(
        h, (uint64_t)w->tip[0] << 24 | (uint64_t)w->tip[1] << 16 | (uint64_t)w->restart << 8 | w->nblocks);
    for (unsigned i = 1; i < w->nblocks; i++) {
        const struct mblock *b = &w->b[i];
        h = mix(h, (uint64_t)b->parent << 40 | (uint64_t)b->slot << 32 | (uint64_t)b->weight << 24 |
                       (uint64_t)b->rank << 16 | (uint64_t)b->vote << 8 | b->sides |
                       (uint64_t)(w->restart != NOT_HERE ? b->has.whole : 0) << 48);
    }
    for (unsigned j = 0; j < w->slot && !sort_all; j++) {
        h = mix(h, w->pairs[j]);
    }
    return h == 0 ? 1 : h;
}

static bool insert(struct visited *v, uint64_t h)
{
    size_t at = (size_t)h & (v->cap - 1);
    while (v->slots[at] != 0) {
        if (v->slots[at] == h) {
            return false;
        }
        at = (at + 1) & (v->cap - 1);
    }
    v->slots[at] = h;
    v->n++;
    return true;
}

bool visited_put(struct visited *v, const struct world *w, bool sort_all)
{
    if (v->n >= v->cap / 2) {
        struct visited old = *v;
        v->cap *= 2;
        v->n = 0;
        v->slots = must(calloc(v->cap, sizeof *v->slots));
        for (size_t i = 0; i < old.cap; i++) {
            if (old.slots[i] != 0) {
                (void)insert(v, old.slots[i]);
            }
        }
        free(old.slots);
    }
    return insert(v, fingerprint(w, sort_all));
}
