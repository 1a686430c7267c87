/* Bounded lists of blocks that wait for their parent or their time.
 *
 * At most LG_WAITING_MAX entries, so every search is a short walk. Invariant: n, bytes and the items agree; no hash twice. */
#include "ledger/core/waiting.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t weight_of(const struct lg_block *b)
{
    return (uint64_t)b->doc_len * 2 + sizeof *b; /* bytes and what the decoder made of them */
}

static struct lg_waiting_item take_at(struct lg_waiting *w, unsigned i)
{
    assert(i < w->n);
    struct lg_waiting_item item = w->items[i];
    w->bytes -= weight_of(item.b);
    w->n--;
    w->items[i] = w->items[w->n];
    return item;
}

static void drop_at(struct lg_waiting *w, unsigned i)
{
    struct lg_waiting_item item = take_at(w, i);
    lg_block_free(item.b);
}

void lg_waiting_fini(struct lg_waiting *w)
{
    while (w->n > 0) {
        drop_at(w, w->n - 1);
    }
}

const struct lg_waiting_item *lg_waiting_find(const struct lg_waiting *w, const struct lg_hash *hash)
{
    for (unsigned i = 0; i < w->n; i++) {
        if (lg_hash_eq(&w->items[i].b->hash, hash)) {
            return &w->items[i];
        }
    }
    return NULL;
}

static unsigned count_of(const struct lg_waiting *w, int from)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->n; i++) {
        n += w->items[i].from == from;
    }
    return n;
}

static uint64_t bytes_of(const struct lg_waiting *w, int from)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < w->n; i++) {
        n += w->items[i].from == from ? weight_of(w->items[i].b) : 0;
    }
    return n;
}

static bool origin_has_room(const struct lg_waiting *w, uint64_t size, int from)
{
    return count_of(w, from) < LG_WAITING_MAX_ORIGIN && bytes_of(w, from) + size <= LG_WAITING_MAX_BYTES / 2;
}

static bool all_has_room(const struct lg_waiting *w, uint64_t size)
{
    return w->n < LG_WAITING_MAX && w->bytes + size <= LG_WAITING_MAX_BYTES;
}

bool lg_waiting_has_room(const struct lg_waiting *w, const struct lg_block *b, int from)
{
    return origin_has_room(w, weight_of(b), from) && all_has_room(w, weight_of(b));
}

static void drop_oldest_of(struct lg_waiting *w, int from)
{
    unsigned best = w->n;
    for (unsigned i = 0; i < w->n; i++) {
        if (w->items[i].from == from && (best == w->n || w->items[i].order < w->items[best].order)) {
            best = i;
        }
    }
    drop_at(w, best);
}

/* Who holds most of what is short. */
static int greatest_origin(const struct lg_waiting *w, bool by_bytes)
{
    int from = w->items[0].from;
    uint64_t most = 0;
    for (unsigned i = 0; i < w->n; i++) {
        uint64_t n = by_bytes ? bytes_of(w, w->items[i].from) : count_of(w, w->items[i].from);
        if (n > most) {
            most = n;
            from = w->items[i].from;
        }
    }
    return from;
}

void lg_waiting_put(struct lg_waiting *w, struct lg_block *b_take, int from, sg_ms due)
{
    uint64_t size = weight_of(b_take);
    while (count_of(w, from) > 0 && !origin_has_room(w, size, from)) {
        drop_oldest_of(w, from);
    }
    while (w->n > 0 && !all_has_room(w, size)) {
        drop_oldest_of(w, greatest_origin(w, w->n < LG_WAITING_MAX));
    }
    w->items[w->n++] =
        (struct lg_waiting_item){.b = b_take, .from = from, .due = due, .order = w->next_order++};
    w->bytes += size;
}

bool lg_waiting_take_child(struct lg_waiting *w, struct lg_waiting_item *out, const struct lg_hash *prev)
{
    unsigned best = w->n;
    for (unsigned i = 0; i < w->n; i++) {
        if (lg_hash_eq(&w->items[i].b->header.prev, prev) &&
            (best == w->n || w->items[i].order < w->items[best].order)) {
            best = i;
        }
    }
    if (best == w->n) {
        return false;
    }
    *out = take_at(w, best);
    return true;
}

static unsigned first_due(const struct lg_waiting *w)
{
    unsigned best = 0;
    for (unsigned i = 1; i < w->n; i++) {
        const struct lg_waiting_item *a = &w->items[i], *b = &w->items[best];
        if (a->due < b->due || (a->due == b->due && a->order < b->order)) {
            best = i;
        }
    }
    return best;
}

bool lg_waiting_take_due(struct lg_waiting *w, struct lg_waiting_item *out, sg_ms now_ms)
{
    if (w->n == 0 || w->items[first_due(w)].due > now_ms) {
        return false;
    }
    *out = take_at(w, first_due(w));
    return true;
}

sg_ms lg_waiting_due(const struct lg_waiting *w)
{
    return w->n == 0 ? INT64_MAX : w->items[first_due(w)].due;
}

struct lg_hash lg_waiting_missing(const struct lg_waiting *w, const struct lg_hash *hash)
{
    const struct lg_waiting_item *item = lg_waiting_find(w, hash);
    assert(item != NULL);
    struct lg_hash prev = item->b->header.prev;
    /* A hash names its parent's hash, so there is no circle; the bound only says how long the walk can be. */
    for (unsigned i = 0; i < w->n; i++) {
        item = lg_waiting_find(w, &prev);
        if (item == NULL) {
            break;
        }
        prev = item->b->header.prev;
    }
    return prev;
}
