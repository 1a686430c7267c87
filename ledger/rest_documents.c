/* Single documents with their place, and the pool.
 *
 * A page of the pool is an offer as it stands: statements by (gw, inc, seq), and every pooled body that they read, so that a
 * node that pulls can hand it to its engine. Statements that are known from side branches only are not found: whoever asks may
 * offer them, and they become mineable. */
#include "ledger/rest_priv.h"

#include <stdlib.h>
#include <string.h>

/* Where a document stands: {"block":…,"confirmations":…,"height":…,"index":…, as far as it is mined. */
struct place {
    struct lg_doc_place at;
    int64_t confirmations;
    const char *state;
};

static int find_place(struct lg_rest_call *c, struct place *p)
{
    struct lg_block_info tip;
    p->confirmations = 0;
    switch (p->at.state) {
    case LG_DOC_POOLED:
        p->state = "pooled";
        return 0;
    case LG_DOC_OVERTAKEN:
        p->state = "overtaken";
        return 0;
    case LG_DOC_MINED:
        break;
    case LG_DOC_NONE:
    case LG_DOC_SIDE:
        return SG_ENOT_FOUND;
    }
    const int err = lg_reader_tip(c->reader, &tip);
    if (err != 0)
        return err;
    p->confirmations = tip.height - p->at.height + 1;
    p->state = lg_rest_state(c->genesis, p->confirmations);
    return 0;
}

static void put_block(struct sg_buf *b, const struct place *p)
{
    sg_buf_puts(b, "{");
    if (p->at.state == LG_DOC_MINED) {
        sg_buf_puts(b, "\"block\":");
        lg_rest_put_hash(b, &p->at.block);
        sg_buf_puts(b, ",");
    }
}

int lg_rest_get_statement(struct lg_rest_call *c)
{
    struct lg_hash leaf;
    struct place p;
    struct sg_buf doc;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = lg_rest_hash(c, &leaf, sg_http_segment(c->req, 0));
    if (err != 0)
        return err;
    sg_buf_init(&doc, LG_REST_MAX_ANSWER);
    err = lg_reader_statement(c->reader, &doc, &p.at, &leaf);
    if (err == 0)
        err = find_place(c, &p);
    if (err == 0) {
        put_block(&c->out, &p);
        if (p.at.state == LG_DOC_MINED) {
            lg_rest_put_int(&c->out, "\"confirmations\":", p.confirmations);
            lg_rest_put_int(&c->out, ",\"height\":", p.at.height);
            lg_rest_put_int(&c->out, ",\"index\":", p.at.index);
            sg_buf_puts(&c->out, ",");
        }
        sg_buf_puts(&c->out, "\"leaf\":");
        lg_rest_put_hash(&c->out, &leaf);
        sg_buf_puts(&c->out, ",\"state\":");
        lg_rest_put_string(&c->out, p.state);
        lg_rest_put_buf(&c->out, ",\"statement\":", &doc);
        sg_buf_puts(&c->out, "}");
    }
    sg_buf_fini(&doc);
    return err;
}

int lg_rest_get_body(struct lg_rest_call *c)
{
    struct lg_hash digest;
    struct place p;
    struct sg_buf doc;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = lg_rest_hash(c, &digest, sg_http_segment(c->req, 0));
    if (err != 0)
        return err;
    sg_buf_init(&doc, LG_REST_MAX_ANSWER);
    err = lg_reader_body(c->reader, &doc, &p.at, &digest);
    if (err == 0)
        err = find_place(c, &p);
    if (err == 0) {
        put_block(&c->out, &p);
        lg_rest_put_buf(&c->out, "\"body\":", &doc);
        if (p.at.state == LG_DOC_MINED)
            lg_rest_put_int(&c->out, ",\"confirmations\":", p.confirmations);
        sg_buf_puts(&c->out, ",\"digest\":");
        lg_rest_put_hash(&c->out, &digest);
        if (p.at.state == LG_DOC_MINED) {
            lg_rest_put_int(&c->out, ",\"height\":", p.at.height);
            lg_rest_put_int(&c->out, ",\"index\":", p.at.index);
        }
        sg_buf_puts(&c->out, ",\"state\":");
        lg_rest_put_string(&c->out, p.state);
        sg_buf_puts(&c->out, "}");
    }
    sg_buf_fini(&doc);
    return err;
}

/* ---- the pool ---- */

struct pool {
    struct sg_buf bodies, statements;
    struct lg_hash *wanted; /* digests that the page's statements read */
    size_t nwanted, cap;
    int64_t taken, limit;
    bool full; /* the page ended before the pool */
};

static int want(struct pool *p, const struct lg_hash *digest)
{
    if (p->nwanted == p->cap) {
        const size_t cap = p->cap == 0 ? 256 : 2 * p->cap;
        struct lg_hash *grown = realloc(p->wanted, cap * sizeof *grown);
        if (grown == NULL)
            return SG_ENOMEM;
        p->wanted = grown;
        p->cap = cap;
    }
    p->wanted[p->nwanted++] = *digest;
    return 0;
}

static int take_statement(void *arg, bool is_body, const struct lg_hash *leaf, const uint8_t *doc, size_t len)
{
    struct pool *p = arg;
    struct lg_statement *s = NULL;
    (void)is_body;
    (void)leaf;
    if (p->taken == p->limit || (p->taken > 0 && p->statements.len + len > LG_REST_PAGE_BYTES / 2)) {
        p->full = true;
        return SG_EFULL;
    }
    if (lg_statement_decode(&s, doc, len) != 0)
        return SG_ECORRUPT;
    int err = 0;
    for (unsigned i = 0; i < s->nreads && err == 0; i++)
        err = want(p, &s->reads[i].digest);
    lg_statement_free(s);
    sg_buf_puts(&p->statements, p->taken++ == 0 ? "" : ",");
    sg_buf_put(&p->statements, doc, len);
    return err != 0 ? err : sg_buf_err(&p->statements);
}

static int compare(const void *a, const void *b)
{
    return lg_hash_cmp(a, b);
}

/* The wanted bodies that are pooled, each once. */
static int take_bodies(struct lg_rest_call *c, struct pool *p)
{
    struct sg_buf doc;
    int err = 0;
    sg_buf_init(&doc, LG_REST_MAX_ANSWER);
    if (p->nwanted > 0)
        qsort(p->wanted, p->nwanted, sizeof *p->wanted, compare);
    for (size_t i = 0; i < p->nwanted && err == 0; i++) {
        struct lg_doc_place at;
        if (i > 0 && lg_hash_eq(&p->wanted[i], &p->wanted[i - 1]))
            continue;
        sg_buf_reset(&doc);
        err = lg_reader_body(c->reader, &doc, &at, &p->wanted[i]);
        if (err == SG_ENOT_FOUND || (err == 0 && at.state != LG_DOC_POOLED)) {
            err = 0;
            continue;
        }
        lg_rest_put_buf(&p->bodies, p->bodies.len == 0 ? "" : ",", &doc);
    }
    sg_buf_fini(&doc);
    return err != 0 ? err : sg_buf_err(&p->bodies);
}

static int pool_page(struct lg_rest_call *c, struct pool *p, int64_t from)
{
    int err = lg_reader_pool_statements(c->reader, from, p->limit + 1, take_statement, p);
    if (err == SG_EFULL && p->full)
        err = 0;
    return err != 0 ? err : take_bodies(c, p);
}

int lg_rest_get_pool(struct lg_rest_call *c)
{
    static const char *const keys[] = {"from", "limit", NULL};
    struct pool p = {.limit = LG_REST_MAX_LIMIT};
    int64_t from = 0;
    int err = lg_rest_keys(c, keys);
    if (err == 0)
        err = lg_rest_int(c, &from, "from", 0, LG_REST_MAX_HEIGHT);
    if (err == 0)
        err = lg_rest_int(c, &p.limit, "limit", 1, LG_REST_MAX_LIMIT);
    if (err != 0)
        return err;
    sg_buf_init(&p.bodies, LG_REST_MAX_ANSWER);
    sg_buf_init(&p.statements, LG_REST_MAX_ANSWER);
    err = pool_page(c, &p, from);
    if (err == 0) {
        lg_rest_put_buf(&c->out, "{\"bodies\":[", &p.bodies);
        if (p.full)
            lg_rest_put_int(&c->out, "],\"next\":", from + p.taken);
        lg_rest_put_buf(&c->out, p.full ? ",\"statements\":[" : "],\"statements\":[", &p.statements);
        sg_buf_puts(&c->out, "]}");
    }
    sg_buf_fini(&p.bodies);
    sg_buf_fini(&p.statements);
    free(p.wanted);
    return err;
}
