/* Chance, the heap of events, and shared bytes. The order of events is (time, order of being pushed): a total one. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

uint64_t sim_rand(uint64_t *rng)
{
    uint64_t z = (*rng += UINT64_C(0x9E3779B97F4A7C15)); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t sim_below(uint64_t *rng, uint64_t n)
{
    return sim_rand(rng) % n;
}

int64_t sim_between(uint64_t *rng, int64_t lo, int64_t hi)
{
    return lo + (int64_t)sim_below(rng, (uint64_t)(hi - lo) + 1);
}

bool sim_chance(uint64_t *rng, unsigned permille)
{
    return sim_below(rng, 1000) < permille;
}

/* ---- heap ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->t != b->t ? a->t < b->t : a->order < b->order;
}

void sim_heap_push(struct sim_heap *h, const struct sim_event *e)
{
    if (h->n == h->cap) {
        h->cap = h->cap == 0 ? 256 : h->cap * 2;
        h->v = realloc(h->v, h->cap * sizeof *h->v);
        if (h->v == NULL)
            abort();
    }
    struct sim_event x = *e;
    x.order = h->next_order++;
    size_t i = h->n++;
    while (i > 0 && before(&x, &h->v[(i - 1) / 2])) {
        h->v[i] = h->v[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->v[i] = x;
}

bool sim_heap_pop(struct sim_heap *h, struct sim_event *out)
{
    if (h->n == 0)
        return false;
    *out = h->v[0];
    struct sim_event x = h->v[--h->n];
    size_t i = 0;
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= h->n)
            break;
        if (c + 1 < h->n && before(&h->v[c + 1], &h->v[c]))
            c++;
        if (!before(&h->v[c], &x))
            break;
        h->v[i] = h->v[c];
        i = c;
    }
    if (h->n > 0)
        h->v[i] = x;
    return true;
}

/* ---- documents and messages ---- */

struct sim_doc *sim_doc_make(size_t len)
{
    struct sim_doc *d = malloc(sizeof *d + len);
    if (d == NULL)
        abort();
    *d = (struct sim_doc){.refs = 1, .len = len};
    return d;
}

struct sim_doc *sim_doc_new(const void *bytes, size_t len)
{
    struct sim_doc *d = sim_doc_make(len);
    if (len > 0)
        memcpy(d->b, bytes, len);
    return d;
}

struct sim_doc *sim_doc_ref(struct sim_doc *d)
{
    d->refs++;
    return d;
}

void sim_doc_drop(struct sim_doc *d)
{
    if (d == NULL || --d->refs > 0)
        return;
    sim_known_free(d->known);
    free(d);
}

static const size_t msg_sizes[MSG_KINDS] = {
    [MSG_BLOCK] = offsetof(struct sim_msg, codes),
    [MSG_STATEMENTS] = offsetof(struct sim_msg, codes),
    [MSG_STATUS] = offsetof(struct sim_msg, docs),
    [MSG_STATUS_IS] = offsetof(struct sim_msg, docs),
    [MSG_FETCH] = offsetof(struct sim_msg, heights),
    [MSG_PAGE] = offsetof(struct sim_msg, codes),
    [MSG_POOL] = offsetof(struct sim_msg, docs),
    [MSG_POOL_IS] = offsetof(struct sim_msg, codes),
    [MSG_OFFER] = offsetof(struct sim_msg, heights),
    [MSG_OFFER_IS] = offsetof(struct sim_msg, hashes),
    [MSG_ASK] = offsetof(struct sim_msg, docs),
    [MSG_ASK_IS] = offsetof(struct sim_msg, docs),
    [MSG_WHERE] = sizeof(struct sim_msg),
    [MSG_WHERE_IS] = offsetof(struct sim_msg, refs_of),
};

struct sim_msg *sim_msg_new(enum sim_msg_kind kind, unsigned from, unsigned to)
{
    struct sim_msg *m = malloc(msg_sizes[kind]);
    if (m == NULL)
        abort();
    memset(m, 0, offsetof(struct sim_msg, docs)); /* the arrays count up to n */
    m->kind = kind;
    m->from = from;
    m->to = to;
    m->refs = 1;
    return m;
}

void sim_msg_drop(struct sim_msg *m)
{
    if (--m->refs > 0)
        return;
    bool has_docs = m->kind == MSG_BLOCK || m->kind == MSG_STATEMENTS || m->kind == MSG_PAGE ||
                    m->kind == MSG_POOL_IS || m->kind == MSG_OFFER;
    for (unsigned i = 0; has_docs && i < m->n; i++)
        sim_doc_drop(m->docs[i]);
    free(m);
}
