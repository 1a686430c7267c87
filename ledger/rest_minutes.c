/* Minutes of a relay: lists (JSON or CSV), one, and what is shown of each.
 *
 * A list joins what is on the best branch with what is still in the pool; next is where the following page begins: its from when
 * the order is asc, its to when it is desc. */
#include "ledger/rest_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one minute ---- */

static void put_attested(struct sg_buf *b, const struct lg_minute *m)
{
    sg_buf_puts(b, "{\"attested\":[");
    for (unsigned i = 0; i < m->attested; i++) {
        sg_buf_puts(b, i == 0 ? "{\"gw\":" : ",{\"gw\":");
        lg_rest_put_kid(b, m->by[i].gw);
        lg_rest_put_int(b, ",\"live\":", m->by[i].live);
        sg_buf_puts(b, "}");
    }
    sg_buf_puts(b, "]");
}

static int put_minute(struct lg_rest_call *c, const struct lg_minute *m)
{
    const bool mined = m->height > 0;
    struct lg_doc_place at;
    struct sg_buf *b = &c->out;
    put_attested(b, m);
    if (mined) {
        sg_buf_puts(b, ",\"block\":");
        lg_rest_put_hash(b, &m->block);
    }
    sg_buf_puts(b, ",\"body\":");
    const int err = lg_reader_body(c->reader, b, &at, &m->digest);
    lg_rest_put_int(b, ",\"confirmations\":", m->confirmations);
    sg_buf_puts(b, m->conflict ? ",\"conflict\":true" : ",\"conflict\":false");
    sg_buf_puts(b, ",\"digest\":");
    lg_rest_put_hash(b, &m->digest);
    if (mined)
        lg_rest_put_int(b, ",\"height\":", m->height);
    lg_rest_put_int(b, ",\"of\":", m->of);
    lg_rest_put_int(b, ",\"seen_by\":", m->seen_by);
    sg_buf_puts(b, ",\"state\":");
    lg_rest_put_string(b, mined ? lg_rest_state(c->genesis, m->confirmations) : "pooled");
    sg_buf_puts(b, "}");
    return err;
}

/* On the branch, or else in the pool. */
static int find_minute(struct lg_rest_call *c, struct lg_minute *m, const struct lg_rest_pooled *p,
    const char *relay, sg_minute min)
{
    const int err = lg_reader_minute(c->reader, m, relay, min);
    return err == SG_ENOT_FOUND ? lg_rest_pooled_minute(c, m, p, relay, min) : err;
}

int lg_rest_get_minute(struct lg_rest_call *c)
{
    const char *relay = sg_http_segment(c->req, 0);
    struct lg_rest_pooled pooled = {0};
    struct lg_minute m;
    sg_minute min;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = lg_rest_minute(c, &min, "minute", sg_http_segment(c->req, 1));
    if (err != 0)
        return err;
    err = lg_reader_minute(c->reader, &m, relay, min);
    if (err == SG_ENOT_FOUND) {
        err = lg_rest_pooled_load(c, &pooled, relay, min, min);
        if (err == 0)
            err = lg_rest_pooled_minute(c, &m, &pooled, relay, min);
    }
    if (err == 0)
        err = put_minute(c, &m);
    lg_rest_pooled_fini(&pooled);
    return err;
}

/* ---- lists ---- */

struct list {
    const struct lg_relay *relay;
    sg_minute from, to;
    int64_t limit;
    bool descending, csv;
    unsigned n;
    sg_minute minutes[2 * (LG_REST_MAX_LIMIT + 1)]; /* of the branch, then of the pool */
    bool any_pooled;
};

static int take_minute(void *arg, sg_minute min)
{
    struct list *l = arg;
    l->minutes[l->n++] = min;
    return 0;
}

static int up(const void *a, const void *b)
{
    const sg_minute x = *(const sg_minute *)a, y = *(const sg_minute *)b;
    return (x > y) - (x < y);
}

static int down(const void *a, const void *b)
{
    return up(b, a);
}

/* The first limit + 1 minutes of the range, of branch and pool together, each once. */
static int find_minutes(struct lg_rest_call *c, struct list *l)
{
    const unsigned limit = (unsigned)l->limit + 1;
    int err =
        lg_reader_minutes(c->reader, l->relay->id, l->from, l->to, l->descending, limit, take_minute, l);
    const unsigned mined = l->n;
    if (err == 0)
        err = lg_reader_pooled_minutes(
            c->reader, l->relay->id, l->from, l->to, l->descending, limit, take_minute, l);
    l->any_pooled = l->n > mined;
    if (err != 0 || l->n == 0)
        return err;
    qsort(l->minutes, l->n, sizeof l->minutes[0], l->descending ? down : up);
    unsigned n = 1;
    for (unsigned i = 1; i < l->n; i++)
        if (l->minutes[i] != l->minutes[n - 1])
            l->minutes[n++] = l->minutes[i];
    l->n = n < limit ? n : limit;
    return 0;
}

static int put_one(struct lg_rest_call *c, const struct list *l, const struct lg_rest_pooled *p, unsigned i)
{
    struct lg_minute m;
    int err = find_minute(c, &m, p, l->relay->id, l->minutes[i]);
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    if (l->csv)
        return lg_rest_csv_row(c, &m, l->relay);
    sg_buf_puts(&c->out, i == 0 ? "" : ",");
    return put_minute(c, &m);
}

/* Elements up to the limit, or to the page's size: *n of them. */
static int put_elements(
    struct lg_rest_call *c, const struct list *l, const struct lg_rest_pooled *p, unsigned *n)
{
    for (*n = 0; *n < l->n && *n < l->limit; ++*n) {
        const size_t before = c->out.len;
        const int err = put_one(c, l, p, *n);
        if (err != 0)
            return err;
        if (*n > 0 && c->out.len > LG_REST_PAGE_BYTES) {
            c->out.len = before;
            return 0;
        }
    }
    return 0;
}

static int put_list(struct lg_rest_call *c, const struct list *l, const struct lg_rest_pooled *p)
{
    unsigned n = 0;
    if (l->csv) {
        lg_rest_csv_head(&c->out, l->relay);
        const int err = put_elements(c, l, p, &n);
        if (n < l->n)
            snprintf(c->extra, sizeof c->extra, "X-Next: %lld\r\nAccess-Control-Expose-Headers: X-Next\r\n",
                (long long)l->minutes[n]);
        return err;
    }
    sg_buf_puts(&c->out, "{\"minutes\":[");
    const int err = put_elements(c, l, p, &n);
    sg_buf_puts(&c->out, "]");
    if (n < l->n)
        lg_rest_put_int(&c->out, ",\"next\":", l->minutes[n]);
    sg_buf_puts(&c->out, "}");
    return err;
}

static int parse_times(struct lg_rest_call *c, struct list *l)
{
    const char *from = sg_http_query(c->req, "from"), *to = sg_http_query(c->req, "to");
    int err = from == NULL ? 0 : lg_rest_minute(c, &l->from, "from", from);
    if (err == 0 && to != NULL)
        err = lg_rest_minute(c, &l->to, "to", to);
    if (err == 0 && l->from > l->to)
        err = lg_rest_bad(c, "from lies behind to");
    return err;
}

static int parse_order(struct lg_rest_call *c, struct list *l)
{
    const char *order = sg_http_query(c->req, "order");
    if (order != NULL && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
        return lg_rest_bad(c, "order: asc or desc");
    l->descending = order != NULL && strcmp(order, "desc") == 0;
    return 0;
}

/* The first of the two types that the client names; JSON when it names neither. */
static bool wants_csv(struct lg_rest_call *c)
{
    const char *accept = sg_http_header(c->req, "Accept");
    const char *csv = accept == NULL ? NULL : strstr(accept, "text/csv");
    const char *json = accept == NULL ? NULL : strstr(accept, "application/json");
    return csv != NULL && (json == NULL || csv < json);
}

static int parse(struct lg_rest_call *c, struct list *l)
{
    static const char *const keys[] = {"relay", "from", "to", "limit", "order", NULL};
    int err = lg_rest_keys(c, keys);
    const char *relay = sg_http_query(c->req, "relay");
    l->to = SG_MINUTE_END - 1;
    l->limit = LG_REST_LIMIT;
    if (err == 0 && relay == NULL)
        err = lg_rest_bad(c, "relay: the id of a relay is needed");
    if (err == 0)
        err = parse_times(c, l);
    if (err == 0)
        err = lg_rest_int(c, &l->limit, "limit", 1, LG_REST_MAX_LIMIT);
    if (err == 0)
        err = parse_order(c, l);
    if (err != 0)
        return err;
    l->csv = wants_csv(c);
    l->relay = lg_genesis_relay(c->genesis, relay, strlen(relay));
    return l->relay == NULL ? SG_ENOT_FOUND : 0;
}

int lg_rest_get_minutes(struct lg_rest_call *c)
{
    struct lg_rest_pooled pooled = {0};
    struct list *l = calloc(1, sizeof *l);
    int err = l == NULL ? SG_ENOMEM : parse(c, l);
    if (err == 0)
        err = find_minutes(c, l);
    if (err == 0 && l->any_pooled)
        err = lg_rest_pooled_load(c, &pooled, l->relay->id, l->from, l->to);
    if (err == 0) {
        c->type = l->csv ? "text/csv; charset=utf-8" : c->type;
        err = put_list(c, l, &pooled);
    }
    lg_rest_pooled_fini(&pooled);
    free(l);
    return err;
}
