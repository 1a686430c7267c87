/* The outbox of a simulated gateway. Invariant: an item is open or carried by exactly one statement that is not DEAD; ids grow in the
 * order of signing. */
#include "tests/sim/sim_outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/core/witness.h"
#include "tests/sim/sim.h"

static void *grow(void *v, unsigned n, unsigned *cap, size_t size)
{
    if (n < *cap)
        return v;
    *cap = *cap == 0 ? 64 : *cap * 2;
    v = realloc(v, *cap * size);
    if (v == NULL)
        abort();
    return v;
}

void sim_outbox_fini(struct sim_outbox *o)
{
    for (unsigned i = 0; i < o->nsaid; i++) {
        sim_doc_drop(o->said[i].doc);
        free(o->said[i].items);
    }
    free(o->said);
    free(o->items);
    free(o->where);
    memset(o, 0, sizeof *o);
}

void sim_outbox_copy(struct sim_outbox *to, const struct sim_outbox *from)
{
    sim_outbox_fini(to);
    *to = *from;
    to->dead = false;
    to->tear_in = 0;
    to->items = malloc((from->cap_items + 1) * sizeof *to->items);
    to->said = malloc((from->cap_said + 1) * sizeof *to->said);
    to->where = malloc((from->nwhere + 1) * sizeof *to->where);
    if (to->items == NULL || to->said == NULL || to->where == NULL)
        abort();
    if (from->nwhere > 0)
        memcpy(to->where, from->where, from->nwhere * sizeof *to->where);
    if (from->nitems > 0)
        memcpy(to->items, from->items, from->nitems * sizeof *to->items);
    for (unsigned i = 0; i < from->nsaid; i++) {
        struct sim_said *said = &to->said[i];
        *said = from->said[i];
        sim_doc_ref(said->doc);
        said->items = malloc((said->nitems + 1) * sizeof *said->items);
        if (said->items == NULL)
            abort();
        if (said->nitems > 0)
            memcpy(said->items, from->said[i].items, said->nitems * sizeof *said->items);
    }
}

const struct sim_item *sim_outbox_item(const struct sim_outbox *o, unsigned relay, sg_minute min)
{
    size_t at = (size_t)(min - o->least_min) * SIM_OUTBOX_RELAYS + relay;
    return min < o->least_min || at >= o->nwhere || o->where[at] == 0 ? NULL : &o->items[o->where[at] - 1];
}

/* Minutes only grow but for what is caught up; the first one entered is at most an hour younger than any. */
static void note_where(struct sim_outbox *o, const struct sim_item *item)
{
    if (o->nwhere == 0)
        o->least_min = item->min - 120;
    size_t at = (size_t)(item->min - o->least_min) * SIM_OUTBOX_RELAYS + item->relay;
    assert(item->min >= o->least_min && item->relay < SIM_OUTBOX_RELAYS);
    if (at >= o->nwhere) {
        unsigned n = (unsigned)at * 2 + 64;
        o->where = realloc(o->where, n * sizeof *o->where);
        if (o->where == NULL)
            abort();
        memset(o->where + o->nwhere, 0, (n - o->nwhere) * sizeof *o->where);
        o->nwhere = n;
    }
    o->where[at] = o->nitems; /* it has just been appended */
}

/* A transaction begins: will it be on the disk? */
static bool lands(struct sim_outbox *o)
{
    if (o->dead)
        return false;
    if (o->tear_in == 0 || --o->tear_in > 0)
        return true;
    o->dead = true;
    return o->tear_keeps;
}

bool sim_outbox_put(struct sim_outbox *o, const struct sim_item *item)
{
    struct sim_item *old = (struct sim_item *)(uintptr_t)sim_outbox_item(o, item->relay, item->min);
    if (o->full || !lands(o))
        return false;
    if (old != NULL) {
        /* a pair takes the place of a gap that no statement has named yet */
        if (old->is_read || !item->is_read || old->carried != 0)
            return false;
        *old = *item;
        old->said = o->nsaid;
        return true;
    }
    o->items = grow(o->items, o->nitems, &o->cap_items, sizeof *o->items);
    o->items[o->nitems] = *item;
    o->items[o->nitems++].said = o->nsaid;
    note_where(o, item);
    return true;
}

static int by_minute(const void *a, const void *b)
{
    const struct gw_item *x = a, *y = b;
    if (x->min != y->min)
        return x->min < y->min ? -1 : 1;
    return x->relay < y->relay ? -1 : x->relay > y->relay;
}

struct gw_item *sim_outbox_open(const struct sim_outbox *o, unsigned *n, sg_minute first, sg_minute last)
{
    struct gw_item *v = malloc((o->nitems - o->first_open + 1) * sizeof *v);
    if (v == NULL)
        abort();
    *n = 0;
    for (unsigned i = o->first_open; i < o->nitems; i++) {
        const struct sim_item *it = &o->items[i];
        if (it->carried != 0 || it->min < first || it->min > last)
            continue;
        v[(*n)++] = (struct gw_item){.id = i,
            .relay = it->relay,
            .min = it->min,
            .is_read = it->is_read,
            .reason = it->reason,
            .live = it->live,
            .body_len = it->body_len,
            .digest = it->digest};
    }
    qsort(v, *n, sizeof *v, by_minute);
    return v;
}

struct sim_said *sim_outbox_find(struct sim_outbox *o, sg_ms inc, int64_t seq)
{
    for (unsigned i = o->nsaid; i-- > 0;) {
        if (o->said[i].inc != inc)
            continue;
        if (o->said[i].seq == seq)
            return &o->said[i];
        if (o->said[i].seq < seq)
            return NULL; /* within an incarnation numbers grow with ids */
    }
    return NULL;
}

struct sim_said *sim_outbox_say(struct sim_outbox *o, const struct sim_said *said, struct sim_doc *doc,
    const struct gw_item *items, unsigned n)
{
    if (o->full || sim_outbox_find(o, said->inc, said->seq) != NULL)
        return NULL;
    if (!lands(o)) {
        for (unsigned i = 0; i < n && o->rips; i++)
            o->items[items[i].id].carried = o->nsaid + 1;
        return NULL;
    }
    o->said = grow(o->said, o->nsaid, &o->cap_said, sizeof *o->said);
    struct sim_said *row = &o->said[o->nsaid++];
    *row = *said;
    row->id = o->nsaid;
    row->doc = sim_doc_ref(doc);
    row->items = malloc((n + 1) * sizeof *row->items);
    if (row->items == NULL)
        abort();
    row->nitems = n;
    for (unsigned i = 0; i < n; i++) {
        row->items[i] = (unsigned)items[i].id;
        assert(o->items[items[i].id].carried == 0);
        o->items[items[i].id].carried = row->id;
    }
    while (o->first_open < o->nitems && o->items[o->first_open].carried != 0)
        o->first_open++;
    return row;
}

static void open_items(struct sim_outbox *o, const struct sim_said *said)
{
    for (unsigned i = 0; i < said->nitems; i++) {
        struct sim_item *it = &o->items[said->items[i]];
        if (it->carried == said->id)
            it->carried = 0;
        if (said->items[i] < o->first_open)
            o->first_open = said->items[i];
    }
}

static void move(struct sim_outbox *o, struct sim_said *said, enum sim_place place, int64_t height)
{
    if (said->place == SIM_DEAD)
        return;
    said->place = place;
    said->height = height;
    if (place == SIM_DEAD)
        open_items(o, said);
}

void sim_outbox_place(struct sim_outbox *o, struct sim_said *said, enum sim_place place, int64_t height)
{
    if (said->place != SIM_DEAD && lands(o))
        move(o, said, place, height);
}

void sim_outbox_acked(struct sim_outbox *o, struct sim_said *said)
{
    if (!lands(o))
        return;
    said->acked = true;
    if (said->place == SIM_MADE)
        said->place = SIM_POOLED;
    for (unsigned i = 0; i < said->nitems; i++)
        o->items[said->items[i]].acked = true;
}

void sim_outbox_give_up(struct sim_outbox *o, sg_ms inc)
{
    if (!lands(o))
        return;
    for (unsigned i = 0; i < o->nsaid; i++)
        if (o->said[i].inc == inc && (o->said[i].place == SIM_MADE || o->said[i].place == SIM_POOLED))
            move(o, &o->said[i], SIM_DEAD, 0);
}

void sim_outbox_greatest(struct sim_outbox *o, sg_ms *inc, sg_minute *slot, sg_ms now, sg_ms max_future_ms)
{
    *inc = 0;
    *slot = -1;
    for (unsigned i = 0; i < o->nsaid; i++) {
        struct sim_said *r = &o->said[i];
        if (!gw_witness_counts(r->inc, r->acked, now, max_future_ms)) {
            move(o, r, SIM_DEAD, 0);
            continue;
        }
        *inc = r->inc > *inc ? r->inc : *inc;
        *slot = r->slot > *slot ? r->slot : *slot;
    }
}

struct sim_said *sim_outbox_next(struct sim_outbox *o, int64_t from, bool mined_too)
{
    unsigned first = from > 1 ? (unsigned)from - 1 : 0;
    if (!mined_too && first < o->first_live)
        first = o->first_live;
    for (unsigned i = first; i < o->nsaid; i++) {
        enum sim_place p = o->said[i].place;
        if (p == SIM_MADE || p == SIM_POOLED || (mined_too && p != SIM_DEAD))
            return &o->said[i];
    }
    return NULL;
}
