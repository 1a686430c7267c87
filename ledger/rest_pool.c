/* A page of the pool: statements by (gw, inc, seq), and every pooled body that they read.
 *
 * A page is an offer as it stands, so that a node that pulls can hand it to its engine: it ends before the statement that would,
 * with its bodies, make it larger than 8 MiB (only a single one may). from, to and next count statements from 0. */
#include "ledger/rest_priv.h"

#include <stdlib.h>

/* A digest that a statement of the page reads. */
struct wanted {
    struct lg_hash digest;
    size_t order; /* among all of the page */
    bool again;   /* an earlier one is the same */
};

struct taken {
    size_t end;     /* of the statement's text in statements */
    size_t nwanted; /* up to and including this statement */
};

struct pool {
    struct sg_buf bodies, statements;
    struct taken *taken;
    struct wanted *wanted;
    size_t nwanted, cap;
    int64_t ntaken, limit;
    bool full; /* the page ended before the pool */
};

static int want(struct pool *p, const struct lg_hash *digest)
{
    if (p->nwanted == p->cap) {
        const size_t cap = p->cap == 0 ? 256 : 2 * p->cap;
        struct wanted *grown = realloc(p->wanted, cap * sizeof *grown);
        if (grown == NULL)
            return SG_ENOMEM;
        p->wanted = grown;
        p->cap = cap;
    }
    p->wanted[p->nwanted] = (struct wanted){*digest, p->nwanted, false};
    p->nwanted++;
    return 0;
}

static int take_statement(void *arg, bool is_body, const struct lg_hash *leaf, const uint8_t *doc, size_t len)
{
    struct pool *p = arg;
    struct lg_statement *s = NULL;
    (void)is_body;
    (void)leaf;
    if (p->ntaken == p->limit || (p->ntaken > 0 && p->statements.len + len > LG_REST_PAGE_BYTES)) {
        p->full = true;
        return SG_EFULL;
    }
    int err = lg_statement_decode(&s, doc, len);
    if (err != 0)
        return err == SG_ENOMEM ? err : SG_ECORRUPT;
    for (unsigned i = 0; i < s->nreads && err == 0; i++)
        err = want(p, &s->reads[i].digest);
    lg_statement_free(s);
    sg_buf_puts(&p->statements, p->ntaken == 0 ? "" : ",");
    sg_buf_put(&p->statements, doc, len);
    p->taken[p->ntaken++] = (struct taken){p->statements.len, p->nwanted};
    return err != 0 ? err : sg_buf_err(&p->statements);
}

static int by_digest(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    const int order = lg_hash_cmp(&x->digest, &y->digest);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

/* Bodies are in a page once, with the first statement that reads them. */
static void mark_repeated(struct pool *p)
{
    if (p->nwanted == 0)
        return;
    qsort(p->wanted, p->nwanted, sizeof *p->wanted, by_digest);
    for (size_t i = 1; i < p->nwanted; i++)
        p->wanted[i].again = lg_hash_eq(&p->wanted[i].digest, &p->wanted[i - 1].digest);
    qsort(p->wanted, p->nwanted, sizeof *p->wanted, by_order);
}

/* The body, when it is in the pool: a reader of the page may lack it. */
static int take_body(struct lg_rest_call *c, struct pool *p, const struct lg_hash *digest)
{
    struct sg_buf doc;
    struct lg_doc_place at;
    sg_buf_init(&doc, LG_REST_MAX_ANSWER);
    const int err = lg_reader_body(c->reader, &doc, &at, digest);
    if (err == 0 && at.state == LG_DOC_POOLED)
        lg_rest_put_buf(&p->bodies, p->bodies.len == 0 ? "" : ",", &doc);
    sg_buf_fini(&doc);
    return err == SG_ENOT_FOUND ? 0 : err;
}

/* Bodies, statement by statement, until the page is large enough; then the statements behind are left out. */
static int take_bodies(struct lg_rest_call *c, struct pool *p)
{
    size_t w = 0;
    mark_repeated(p);
    for (int64_t i = 0; i < p->ntaken; i++) {
        const size_t before = p->bodies.len;
        for (; w < p->taken[i].nwanted; w++) {
            const int err = p->wanted[w].again ? 0 : take_body(c, p, &p->wanted[w].digest);
            if (err != 0)
                return err;
        }
        if (i > 0 && p->taken[i].end + p->bodies.len > LG_REST_PAGE_BYTES) {
            p->bodies.len = before;
            p->statements.len = p->taken[i - 1].end;
            p->ntaken = i;
            p->full = true;
        }
    }
    return sg_buf_err(&p->bodies);
}

static int fill(struct lg_rest_call *c, struct pool *p, int64_t from)
{
    p->taken = calloc((size_t)p->limit, sizeof *p->taken);
    if (p->taken == NULL)
        return SG_ENOMEM;
    const int err = lg_reader_pool_statements(c->reader, from, p->limit + 1, take_statement, p);
    return err != 0 && !(err == SG_EFULL && p->full) ? err : take_bodies(c, p);
}

static int pool_range(struct lg_rest_call *c, int64_t *from, int64_t *to, int64_t *limit)
{
    static const char *const keys[] = {"from", "to", "limit", NULL};
    int err = lg_rest_keys(c, keys);
    if (err == 0)
        err = lg_rest_int(c, from, "from", 0, LG_REST_MAX_HEIGHT);
    if (err == 0)
        err = lg_rest_int(c, to, "to", 0, LG_REST_MAX_HEIGHT);
    if (err == 0)
        err = lg_rest_int(c, limit, "limit", 1, LG_REST_MAX_LIMIT);
    return err == 0 && *from > *to ? lg_rest_bad(c, "from lies behind to") : err;
}

int lg_rest_get_pool(struct lg_rest_call *c)
{
    struct pool p = {.limit = LG_REST_LIMIT};
    int64_t from = 0, to = LG_REST_MAX_HEIGHT;
    int err = pool_range(c, &from, &to, &p.limit);
    if (err != 0)
        return err;
    if (p.limit > to - from)
        p.limit = to - from + 1;
    sg_buf_init(&p.bodies, LG_REST_MAX_ANSWER);
    sg_buf_init(&p.statements, LG_REST_MAX_ANSWER);
    err = fill(c, &p, from);
    if (err == 0) {
        const bool more = p.full && from + p.ntaken <= to;
        lg_rest_put_buf(&c->out, "{\"bodies\":[", &p.bodies);
        if (more)
            lg_rest_put_int(&c->out, "],\"next\":", from + p.ntaken);
        lg_rest_put_buf(&c->out, more ? ",\"statements\":[" : "],\"statements\":[", &p.statements);
        sg_buf_puts(&c->out, "]}");
    }
    sg_buf_fini(&p.bodies);
    sg_buf_fini(&p.statements);
    free(p.taken);
    free(p.wanted);
    return err;
}
