/* Minutes that are not mined yet: what the statements in the pool say of a relay.
 *
 * The same rule as on the branch: a gateway's first read counts (its statements come in the order of (inc, seq)); the answer is the
 * digest with most gateways that saw samples live, then most gateways. Nothing of it is final: the pool is one node's. */
#include "ledger/rest_priv.h"

#include <stdlib.h>
#include <string.h>

struct lg_rest_pooled_read {
    lg_kid gw;
    sg_minute min;
    struct lg_hash digest, leaf;
    uint8_t live;
};

struct gather {
    struct lg_rest_pooled *p;
    const char *relay;
    size_t relay_len;
    sg_minute from, to;
};

static int add(struct lg_rest_pooled *p, const struct lg_rest_pooled_read *read)
{
    for (size_t i = p->n; i-- > 0 && p->reads[i].gw == read->gw;)
        if (p->reads[i].min == read->min)
            return 0; /* not its first read */
    if (p->n == p->cap) {
        const size_t cap = p->cap == 0 ? 64 : 2 * p->cap;
        struct lg_rest_pooled_read *grown = realloc(p->reads, cap * sizeof *grown);
        if (grown == NULL)
            return SG_ENOMEM;
        p->reads = grown;
        p->cap = cap;
    }
    p->reads[p->n++] = *read;
    return 0;
}

static int gather(void *arg, bool is_body, const struct lg_hash *leaf, const uint8_t *doc, size_t len)
{
    const struct gather *g = arg;
    struct lg_statement *s = NULL;
    int err = 0;
    (void)is_body;
    /* Most statements of a large pool do not name the relay: no need to take them apart. */
    if (memmem(doc, len, g->relay, g->relay_len) == NULL)
        return 0;
    if (lg_statement_decode(&s, doc, len) != 0)
        return SG_ECORRUPT;
    for (unsigned i = 0; i < s->nreads && err == 0; i++) {
        const struct lg_read *r = &s->reads[i];
        if (r->relay.len != g->relay_len || memcmp(r->relay.p, g->relay, g->relay_len) != 0 ||
            r->min < g->from || r->min > g->to)
            continue;
        const struct lg_rest_pooled_read read = {s->gw, r->min, r->digest, *leaf, r->live};
        err = add(g->p, &read);
    }
    lg_statement_free(s);
    return err;
}

int lg_rest_pooled_load(
    struct lg_rest_call *c, struct lg_rest_pooled *p, const char *relay, sg_minute from, sg_minute to)
{
    struct gather g = {p, relay, strlen(relay), from, to};
    return lg_reader_pool_statements(c->reader, 0, INT64_MAX, gather, &g);
}

void lg_rest_pooled_fini(struct lg_rest_pooled *p)
{
    free(p->reads);
    memset(p, 0, sizeof *p);
}

/* Which of the pooled bodies of a minute answers. */
struct choice {
    const struct lg_rest_pooled *p;
    sg_minute min;
    bool any, conflict;
    struct lg_hash best;
    unsigned live, all;
};

static int consider(void *arg, const struct lg_hash *digest)
{
    struct choice *ch = arg;
    unsigned live = 0, all = 0;
    for (size_t i = 0; i < ch->p->n; i++) {
        const struct lg_rest_pooled_read *r = &ch->p->reads[i];
        if (r->min != ch->min || !lg_hash_eq(&r->digest, digest))
            continue;
        all++;
        live += r->live > 0;
    }
    ch->conflict = ch->any;
    if (!ch->any || live > ch->live || (live == ch->live && all > ch->all)) {
        ch->best = *digest;
        ch->live = live;
        ch->all = all;
    }
    ch->any = true;
    return 0;
}

int lg_rest_pooled_minute(struct lg_rest_call *c, struct lg_minute *out, const struct lg_rest_pooled *p,
    const char *relay, sg_minute min)
{
    const struct lg_relay *r = lg_genesis_relay(c->genesis, relay, strlen(relay));
    struct choice ch = {.p = p, .min = min};
    const int err = r == NULL ? SG_ENOT_FOUND : lg_reader_pooled_bodies(c->reader, relay, min, consider, &ch);
    if (err != 0 || !ch.any)
        return err != 0 ? err : SG_ENOT_FOUND;
    memset(out, 0, sizeof *out);
    memcpy(out->relay, r->id, sizeof out->relay);
    out->min = min;
    out->digest = ch.best;
    out->conflict = ch.conflict;
    out->of = lg_relay_reader_count(c->genesis, r);
    for (size_t i = 0; i < p->n && out->attested < LG_MAX_GATEWAYS; i++) {
        if (p->reads[i].min != min || !lg_hash_eq(&p->reads[i].digest, &ch.best))
            continue;
        out->by[out->attested++] = (struct lg_attestation){.gw = p->reads[i].gw,
            .live = p->reads[i].live,
            .digest = p->reads[i].digest,
            .statement = p->reads[i].leaf};
    }
    out->witnesses = out->attested;
    return 0;
}
