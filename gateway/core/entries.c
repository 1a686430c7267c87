/* The choice of what a statement says.
 *
 * Invariant: what is written obeys section "Statement" of the contract for every input: sorted, disjoint, within the window, at
 * most max_entries, at most max_bytes. Sizes are upper bounds, so a statement is never refused for its size by a byte.
 * Refuses: items outside the window; they stay where they are. */
#include "gateway/core/entries.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* {"gaps":[],"gw":"16","inc":15,"prev":"64","reads":[],"seq":16,"sig":"88","slot":10,"tip":"64","ts":15,"v":1}: 372 with the
 * longest numbers. */
#define FRAME_BYTES 384u
/* ["relay",9999999999,"64 digits",60], */
#define READ_BYTES (2u + 2u + 1u + 10u + 1u + 66u + 1u + 2u + 1u)
/* ["relay",9999999999,9999999999,"malformed"], */
#define GAP_BYTES (2u + 2u + 1u + 10u + 1u + 10u + 1u + 11u + 1u)

sg_minute gw_entries_first(const struct lg_genesis *g, sg_minute slot)
{
    sg_minute window = slot - (LG_KEEP_SLOTS - 1);

    return window > g->minute ? window : g->minute;
}

static size_t cost(const struct gw_item *item, const struct lg_genesis *g)
{
    size_t name = strlen(g->relays[item->relay].id);

    return name + (item->is_read ? READ_BYTES + item->body_len : GAP_BYTES);
}

/* By (relay, minute); a read before a gap of the same minute, which the outbox never holds together. */
static int by_relay(const void *a, const void *b)
{
    const struct gw_item *x = a, *y = b;

    if (x->relay != y->relay)
        return x->relay < y->relay ? -1 : 1;
    if (x->min != y->min)
        return x->min < y->min ? -1 : 1;
    return (int)y->is_read - (int)x->is_read;
}

static void swap(struct gw_item *a, struct gw_item *b)
{
    struct gw_item t = *a;

    *a = *b;
    *b = t;
}

/* Move the items that fit to the front, in their order. */
static void take(struct gw_entries *e, struct gw_item *items, unsigned n, const struct lg_genesis *g,
    const struct gw_entries_limits *limits)
{
    for (unsigned i = 0; i < n && e->taken < limits->max_entries; i++) {
        size_t bytes;

        assert(items[i].relay < g->nrelays);
        if (items[i].min < limits->first || items[i].min > limits->last)
            continue;
        bytes = cost(&items[i], g);
        if (FRAME_BYTES + bytes > limits->max_bytes) /* fits nowhere: it must not hold up the others */
            continue;
        if (e->bytes + bytes > limits->max_bytes)
            return;
        e->bytes += bytes;
        swap(&items[e->taken++], &items[i]);
    }
}

static bool joins(const struct lg_gap *gap, const struct gw_item *item, const struct lg_genesis *g)
{
    return gap->relay.p == g->relays[item->relay].id && gap->reason == item->reason &&
           gap->to + 1 == item->min;
}

static void add_gap(
    struct gw_entries *e, const struct gw_item *item, struct lg_name relay, const struct lg_genesis *g)
{
    if (e->ngaps > 0 && joins(&e->gaps[e->ngaps - 1], item, g))
        e->gaps[e->ngaps - 1].to = item->min;
    else
        e->gaps[e->ngaps++] =
            (struct lg_gap){.relay = relay, .from = item->min, .to = item->min, .reason = item->reason};
}

static void write_entries(struct gw_entries *e, const struct gw_item *items, const struct lg_genesis *g)
{
    for (unsigned i = 0; i < e->taken; i++) {
        const struct gw_item *item = &items[i];
        const char *id = g->relays[item->relay].id;
        struct lg_name relay = {.p = id, .len = strlen(id)};

        /* one item a relay and minute is the outbox's invariant */
        assert(i == 0 || items[i - 1].relay != item->relay || items[i - 1].min != item->min);
        if (item->is_read)
            e->reads[e->nreads++] = (struct lg_read){
                .relay = relay, .min = item->min, .digest = item->digest, .live = item->live};
        else
            add_gap(e, item, relay, g);
    }
}

int gw_entries_choose(struct gw_entries *out, struct gw_item *items, unsigned n, const struct lg_genesis *g,
    const struct gw_entries_limits *limits)
{
    struct gw_entries e = {.bytes = FRAME_BYTES};
    unsigned nreads = 0;

    assert(limits->max_entries <= LG_MAX_ENTRIES);
    take(&e, items, n, g, limits);
    if (e.taken > 1)
        qsort(items, e.taken, sizeof items[0], by_relay);
    for (unsigned i = 0; i < e.taken; i++)
        nreads += items[i].is_read;
    e.reads = calloc(nreads + 1u, sizeof e.reads[0]);
    e.gaps = calloc(e.taken - nreads + 1u, sizeof e.gaps[0]);
    if (!e.reads || !e.gaps) {
        gw_entries_fini(&e);
        return SG_ENOMEM;
    }
    write_entries(&e, items, g);
    *out = e;
    return 0;
}

void gw_entries_fini(struct gw_entries *e)
{
    free(e->reads);
    free(e->gaps);
    *e = (struct gw_entries){0};
}
