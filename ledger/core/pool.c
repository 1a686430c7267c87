/* Containers of the pool.
 *
 * Invariants: every pooled statement stands once in its gateway's array and once in the map; a digest has an entry exactly
 * while a pooled statement reads it (refs) or its body is here; cost is the sum of the parts. The pool knows no rule of acceptance
 * (pool_accept.c) but when a statement is overtaken for good. */
#include "ledger/core/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int lg_seq_cmp(sg_ms inc_a, int64_t seq_a, sg_ms inc_b, int64_t seq_b)
{
    if (inc_a != inc_b) {
        return inc_a < inc_b ? -1 : 1;
    }
    return seq_a < seq_b ? -1 : seq_a > seq_b;
}

int lg_statement_overtaken(
    const struct lg_statement *s, const struct lg_statement_ref *last, const struct lg_genesis *g)
{
    if (s->seq == 1 && !lg_hash_eq(&s->prev, &g->id)) {
        return SG_ESTATEMENT_CHAIN;
    }
    if (last == NULL) {
        return 0;
    }
    if (lg_seq_cmp(s->inc, s->seq, last->inc, last->seq) <= 0) {
        return SG_ESTATEMENT_CHAIN;
    }
    if (s->inc == last->inc && s->seq == last->seq + 1 && !lg_hash_eq(&s->prev, &last->leaf)) {
        return SG_ESTATEMENT_CHAIN;
    }
    return s->slot <= last->slot ? SG_ESTATEMENT_SLOT : 0;
}

unsigned lg_pool_gateway_index(const struct lg_genesis *g, lg_kid gw)
{
    const struct lg_gateway *p = lg_genesis_gateway(g, gw);
    assert(p != NULL);
    return (unsigned)(p - g->gateways);
}

uint64_t lg_pool_statement_cost(const struct lg_statement *s)
{
    return s->doc_len + sizeof *s + s->nreads * (sizeof(struct lg_read) + sizeof(struct lg_pool_body)) +
           s->ngaps * sizeof(struct lg_gap);
}

uint64_t lg_pool_body_cost(const struct lg_body *b)
{
    return b->doc_len + sizeof *b + b->nevents * sizeof(struct lg_event);
}

int lg_pool_init(struct lg_pool *p, const struct lg_genesis *g, uint64_t max_cost, uint64_t seed)
{
    *p = (struct lg_pool){.genesis = g, .statements = {.seed = seed}, .bodies = {.seed = seed}};
    p->max_cost = max_cost == 0 ? LG_POOL_DEFAULT_BYTES : max_cost;
    p->gw = calloc(g->ngateways, sizeof *p->gw);
    return p->gw == NULL ? SG_ENOMEM : 0;
}

static void free_statement(struct lg_pool_statement *ps)
{
    lg_statement_free(ps->s);
    free(ps);
}

void lg_pool_fini(struct lg_pool *p)
{
    for (unsigned g = 0; p->gw != NULL && g < p->genesis->ngateways; g++) {
        for (unsigned i = 0; i < p->gw[g].n; i++) {
            free_statement(p->gw[g].v[i]);
        }
        free(p->gw[g].v);
    }
    free(p->gw);
    for (size_t i = 0; i < p->bodies.cap; i++) {
        struct lg_pool_body *pb = p->bodies.slots[i].value;
        if (pb != NULL) {
            lg_body_free(pb->b);
            free(pb);
        }
    }
    lg_map_fini(&p->statements);
    lg_map_fini(&p->bodies);
    memset(p, 0, sizeof *p);
}

struct lg_pool_statement *lg_pool_statement(const struct lg_pool *p, const struct lg_hash *leaf)
{
    return lg_map_get(&p->statements, leaf);
}

const struct lg_body *lg_pool_body(const struct lg_pool *p, const struct lg_hash *digest)
{
    const struct lg_pool_body *pb = lg_map_get(&p->bodies, digest);
    return pb == NULL ? NULL : pb->b;
}

/* Each gateway has an equal part of one half for itself; the other half is for whoever comes. */
bool lg_pool_has_room(const struct lg_pool *p, unsigned gw, uint64_t cost)
{
    uint64_t own = p->max_cost / 2 / p->genesis->ngateways;
    if (p->gw[gw].cost + cost <= own) {
        return true;
    }
    uint64_t shared = 0;
    for (unsigned i = 0; i < p->genesis->ngateways; i++) {
        uint64_t c = p->gw[i].cost + (i == gw ? cost : 0);
        shared += c > own ? c - own : 0;
    }
    return shared <= p->max_cost / 2;
}

/* The entry of a digest, made when missing. NULL: no memory. */
static struct lg_pool_body *entry_of(struct lg_pool *p, const struct lg_hash *digest)
{
    struct lg_pool_body *pb = lg_map_get(&p->bodies, digest);
    if (pb != NULL) {
        return pb;
    }
    pb = calloc(1, sizeof *pb);
    if (pb == NULL) {
        return NULL;
    }
    pb->digest = *digest;
    if (lg_map_put(&p->bodies, digest, pb) != 0) {
        free(pb);
        return NULL;
    }
    return pb;
}

static void drop_if_unused(struct lg_pool *p, struct lg_pool_body *pb)
{
    if (pb->refs == 0 && pb->b == NULL) {
        (void)lg_map_remove(&p->bodies, &pb->digest);
        free(pb);
    }
}

static void unref_reads(struct lg_pool *p, const struct lg_statement *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct lg_pool_body *pb = lg_map_get(&p->bodies, &s->reads[i].digest);
        assert(pb != NULL && pb->refs > 0);
        pb->refs--;
        drop_if_unused(p, pb);
    }
}

static int ref_reads(struct lg_pool *p, const struct lg_statement *s, unsigned gw)
{
    for (unsigned i = 0; i < s->nreads; i++) {
        struct lg_pool_body *pb = entry_of(p, &s->reads[i].digest);
        if (pb == NULL) {
            unref_reads(p, s, i);
            return SG_ENOMEM;
        }
        if (pb->refs++ == 0 && pb->b == NULL) {
            pb->gw = gw; /* who brought it up is charged, should the body be loaded later */
        }
    }
    return 0;
}

/* First place whose (inc, seq) is not below s's. */
static unsigned lower_bound(const struct lg_pool_gateway *g, const struct lg_statement *s)
{
    unsigned lo = 0, hi = g->n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        const struct lg_statement *m = g->v[mid]->s;
        if (lg_seq_cmp(m->inc, m->seq, s->inc, s->seq) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static int grow(struct lg_pool_gateway *g)
{
    if (g->n < g->cap) {
        return 0;
    }
    unsigned cap = g->cap == 0 ? 8 : g->cap * 2;
    struct lg_pool_statement **v = realloc(g->v, cap * sizeof(*v));
    if (v == NULL) {
        return SG_ENOMEM;
    }
    g->v = v;
    g->cap = cap;
    return 0;
}

int lg_pool_add_statement(struct lg_pool *p, struct lg_statement *s_take, sg_ms since, bool early)
{
    assert(lg_pool_statement(p, &s_take->leaf) == NULL);
    unsigned gw = lg_pool_gateway_index(p->genesis, s_take->gw);
    struct lg_pool_gateway *g = &p->gw[gw];
    struct lg_pool_statement *ps = calloc(1, sizeof *ps);
    if (ps == NULL || grow(g) != 0 || lg_map_reserve(&p->statements, 1) != 0 ||
        ref_reads(p, s_take, gw) != 0) {
        free(ps);
        return SG_ENOMEM;
    }
    *ps = (struct lg_pool_statement){
        .s = s_take, .gw = gw, .cost = lg_pool_statement_cost(s_take), .since = since, .early = early};
    int err = lg_map_put(&p->statements, &s_take->leaf, ps);
    assert(err == 0);
    unsigned at = lower_bound(g, s_take);
    memmove(&g->v[at + 1], &g->v[at], (g->n - at) * sizeof(*g->v));
    g->v[at] = ps;
    g->n++;
    g->cost += ps->cost;
    p->cost += ps->cost;
    p->nearly += early;
    p->unclocked = p->unclocked || since < 0;
    return 0;
}

int lg_pool_add_body(struct lg_pool *p, struct lg_body *b_take, unsigned gw)
{
    struct lg_pool_body *pb = entry_of(p, &b_take->digest);
    if (pb == NULL) {
        return SG_ENOMEM;
    }
    assert(pb->b == NULL);
    pb->b = b_take;
    pb->gw = gw;
    pb->cost = lg_pool_body_cost(b_take);
    p->gw[gw].cost += pb->cost;
    p->cost += pb->cost;
    p->nbodies++;
    return 0;
}

void lg_pool_drop_statement(struct lg_pool *p, const struct lg_hash *leaf)
{
    struct lg_pool_statement *ps = lg_map_remove(&p->statements, leaf);
    if (ps == NULL) {
        return;
    }
    struct lg_pool_gateway *g = &p->gw[ps->gw];
    unsigned at = lower_bound(g, ps->s);
    while (g->v[at] != ps) {
        at++;
        assert(at < g->n);
    }
    memmove(&g->v[at], &g->v[at + 1], (g->n - at - 1) * sizeof(*g->v));
    g->n--;
    g->cost -= ps->cost;
    p->cost -= ps->cost;
    p->nearly -= ps->early;
    unref_reads(p, ps->s, ps->s->nreads);
    free_statement(ps);
}

void lg_pool_drop_body(struct lg_pool *p, const struct lg_hash *digest)
{
    struct lg_pool_body *pb = lg_map_get(&p->bodies, digest);
    if (pb == NULL || pb->b == NULL) {
        return;
    }
    p->gw[pb->gw].cost -= pb->cost;
    p->cost -= pb->cost;
    p->nbodies--;
    lg_body_free(pb->b);
    pb->b = NULL;
    pb->cost = 0;
    drop_if_unused(p, pb);
}
