/* Offers that gateways and nodes put together: {"bodies":[...],"statements":[...]} out of documents that are at hand.
 *
 * Who puts an offer together knows its parts and their hashes; the product would only find them again. Every SPLIT_EVERY-th one is left
 * to the product all the same. Between begin and end only one offer is built at a time in the simulation. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define SPLIT_EVERY 16

void sim_offer_init(struct sim_offer *o)
{
    memset(o, 0, sizeof *o);
}

void sim_offer_fini(struct sim_offer *o)
{
    for (unsigned i = 0; i < 2; i++) {
        free(o->list[i].v);
        free(o->list[i].bytes);
    }
    sim_offer_init(o);
}

void sim_offer_add(
    struct sim_offer *o, bool is_body, const uint8_t *doc, size_t len, const struct lg_hash *leaf)
{
    struct sim_offer_list *l = &o->list[is_body ? 0 : 1];
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 8 : l->cap * 2;
        l->v = realloc(l->v, l->cap * sizeof *l->v);
    }
    if (l->len + len + 1 > l->room) {
        l->room = 2 * (l->len + len + 1);
        l->bytes = realloc(l->bytes, l->room);
    }
    if (l->v == NULL || l->bytes == NULL)
        abort();
    if (l->n > 0)
        l->bytes[l->len++] = ',';
    memcpy(l->bytes + l->len, doc, len);
    l->v[l->n] = (struct lg_offer_part){.leaf = *leaf};
    l->v[l->n].doc.len = len;
    l->n++;
    l->len += len;
}

bool sim_offer_is_empty(const struct sim_offer *o)
{
    return o->list[1].n == 0;
}

static uint8_t *put(uint8_t *p, const void *bytes, size_t n)
{
    if (n > 0)
        memcpy(p, bytes, n);
    return p + n;
}

/* Where each part of a list stands, now that the list stands at p. */
static struct lg_offer_part *parts_at(struct sim_offer_list *l, const uint8_t *p)
{
    struct lg_offer_part *v = l->v;
    for (size_t i = 0; i < l->n; i++) {
        v[i].doc.p = p;
        p += v[i].doc.len + 1;
    }
    l->v = NULL;
    return v;
}

struct sim_doc *sim_offer_end(struct sim *s, struct sim_offer *o)
{
    static const char head[] = "{\"bodies\":[", middle[] = "],\"statements\":[", tail[] = "]}";
    struct sim_offer_list *bodies = &o->list[0], *said = &o->list[1];
    size_t len = sizeof head + sizeof middle + sizeof tail - 3 + bodies->len + said->len;
    struct sim_doc *d = sim_doc_make(len);
    uint8_t *p = put(d->b, head, sizeof head - 1), *at_bodies = p;
    p = put(p, bodies->bytes, bodies->len);
    p = put(p, middle, sizeof middle - 1);
    uint8_t *at_said = p;
    p = put(p, said->bytes, said->len);
    (void)put(p, tail, sizeof tail - 1);
    if (sim_share_is_on() && ++s->offers % SPLIT_EVERY != 0) {
        const struct lg_offer_parts parts = {.nbodies = bodies->n,
            .nstatements = said->n,
            .bodies = parts_at(bodies, at_bodies),
            .statements = parts_at(said, at_said)};
        d->known = sim_known_offer(d->b, d->len, &parts);
    }
    sim_offer_fini(o);
    return d;
}
