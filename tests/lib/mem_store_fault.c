/* Disks that fail, stores that are wrong on purpose, and a look inside: the parts of the store in memory that only the simulator
 * needs. None of it is in the way of a store that nobody has spoilt. */
#include "tests/lib/mem_store_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int mem_enter_write(struct mem_store *s)
{
    int err = mem_enter(s);
    if (err == 0 && s->full) {
        s->failures++;
        err = SG_ENOSPC;
    }
    return err;
}

void mem_store_full(struct mem_store *s, bool full)
{
    s->full = full;
}

void mem_store_keeps(struct mem_store *s, bool keeps)
{
    s->keeps = keeps;
}

void mem_store_lazy(struct mem_store *s, bool lazy)
{
    s->lazy = lazy;
}

void mem_store_sync(struct mem_store *s)
{
    assert(!s->writing);
    mem_forget_undo(s);
    s->facts_synced = s->facts;
}

/* ---- the power ---- */

uint64_t mem_fact(const struct lg_hash *of, uint64_t kind, uint64_t value)
{
    uint64_t z;
    memcpy(&z, of->b, sizeof z);
    z = (z ^ kind << 56 ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return z ^ z >> 29;
}

void mem_note_end(struct mem_store *s)
{
    if (!s->lazy) {
        mem_forget_undo(s);
        s->facts_synced = s->facts;
        return;
    }
    if (s->nends == s->cap_ends) {
        s->cap_ends = s->cap_ends == 0 ? 64 : s->cap_ends * 2;
        s->ends = mem_must(realloc(s->ends, s->cap_ends * sizeof *s->ends));
    }
    s->ends[s->nends++] = s->nundo;
}

void mem_store_tear(struct mem_store *s, uint64_t n, uint64_t lot)
{
    s->tear_in = n;
    s->lot = lot;
}

void mem_store_rips(struct mem_store *s, bool rips)
{
    s->rips = rips;
}

bool mem_store_is_torn(const struct mem_store *s)
{
    return s->torn;
}

bool mem_store_is_failing(const struct mem_store *s)
{
    return s->torn || (s->fail_at != 0 && s->fail_forever && s->calls >= s->fail_at);
}

bool mem_store_is_durable(const struct mem_store *s)
{
    return s->facts == s->facts_synced;
}

bool mem_tears(struct mem_store *s)
{
    if (s->tear_in == 0 || --s->tear_in > 0)
        return false;
    s->torn = true;
    s->failures++;
    s->facts_torn = s->facts;
    s->writing = false;
    return true;
}

/* Rips: of the first transaction that is not on the disk as a whole a part is. */
static size_t part(const struct mem_store *s, size_t from, size_t to)
{
    return s->rips && to > from + 1 ? from + 1 + (size_t)(s->lot >> 32) % (to - from - 1) : from;
}

size_t mem_survives(struct mem_store *s)
{
    size_t kept = 0;
    if (!s->torn)
        return 0;
    s->torn = false;
    s->tear_in = 0;
    size_t whole = (size_t)(s->lot % (s->nends + 2)); /* of nends and the torn one */
    if (whole > s->nends) {
        s->facts_synced = s->facts_torn;
        return s->nundo;
    }
    kept = whole == 0 ? 0 : s->ends[whole - 1];
    return part(s, kept, whole == s->nends ? s->nundo : s->ends[whole]);
}

void mem_store_retries(struct mem_store *s, bool retries)
{
    s->retries = retries;
}

void mem_store_forgetful(struct mem_store *s, int64_t confirmations)
{
    s->forgets = confirmations;
}

void mem_store_forgets_bodies(struct mem_store *s, bool forgets)
{
    s->forgets_bodies = forgets;
}

bool mem_store_is_synced(const struct mem_store *s)
{
    return s->nundo == 0;
}

void mem_store_lose_pool(struct mem_store *s)
{
    for (size_t i = 0; i < s->pooled.cap; i++) {
        struct mem_doc *d = s->pooled.slots[i].value;
        if (d != NULL)
            d->mark = LG_DOC_SIDE;
    }
    lg_map_fini(&s->pooled);
    for (unsigned i = 0; i < LG_MAX_GATEWAYS; i++)
        s->gw[i].most_known = false;
}

void mem_store_peek(struct mem_store *s, bool peek)
{
    s->peeking = peek;
}

size_t mem_store_pooled(const struct mem_store *s)
{
    return s->pooled.n;
}

static void find_most(const struct mem_store *s, struct mem_gateway *g, lg_kid gw)
{
    g->most_known = true;
    g->most_inc = 0;
    g->most_slot = -1;
    for (size_t i = 0; i < s->pooled.cap; i++) {
        const struct mem_doc *d = s->pooled.slots[i].value;
        if (d == NULL || d->t->is_body || d->t->st.gw != gw)
            continue;
        g->most_inc = d->t->st.inc > g->most_inc ? d->t->st.inc : g->most_inc;
        g->most_slot = d->t->st.slot > g->most_slot ? d->t->st.slot : g->most_slot;
    }
}

void mem_store_greatest(struct mem_store *s, sg_ms *inc, sg_minute *slot, lg_kid gw)
{
    struct mem_gateway *g = &s->gw[mem_gw_index(s, gw)];
    if (!g->most_known)
        find_most(s, g, gw);
    *inc = g->n > 0 ? g->mined[g->n - 1].inc : 0;
    *slot = g->n > 0 ? g->mined[g->n - 1].slot : -1;
    *inc = g->most_inc > *inc ? g->most_inc : *inc;
    *slot = g->most_slot > *slot ? g->most_slot : *slot;
}
