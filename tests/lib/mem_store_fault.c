/* Disks that fail, stores that are wrong on purpose, and a look inside: the parts of the store in memory that only the simulator
 * needs. None of it is in the way of a store that nobody has spoilt. */
#include "tests/lib/mem_store_priv.h"

#include <assert.h>

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
    s->nundo = 0;
    s->mark = 0;
}

void mem_store_retries(struct mem_store *s, bool retries)
{
    s->retries = retries;
}

void mem_store_forgetful(struct mem_store *s, int64_t confirmations)
{
    s->forgets = confirmations;
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
}

void mem_store_peek(struct mem_store *s, bool peek)
{
    s->peeking = peek;
}

size_t mem_store_pooled(const struct mem_store *s)
{
    return s->pooled.n;
}

void mem_store_greatest(const struct mem_store *s, sg_ms *inc, sg_minute *slot, lg_kid gw)
{
    const struct mem_gateway *g = &s->gw[mem_gw_index(s, gw)];
    *inc = g->n > 0 ? g->mined[g->n - 1].inc : 0;
    *slot = g->n > 0 ? g->mined[g->n - 1].slot : -1;
    for (size_t i = 0; i < s->pooled.cap; i++) {
        const struct mem_doc *d = s->pooled.slots[i].value;
        if (d == NULL || d->t->is_body || d->t->st.gw != gw)
            continue;
        *inc = d->t->st.inc > *inc ? d->t->st.inc : *inc;
        *slot = d->t->st.slot > *slot ? d->t->st.slot : *slot;
    }
}
