/* What does not fit together, for everybody to see: pairs of statements that one gateway signed with one (inc, seq), and minutes
 * with more than one body on the best branch, with everyone who read which; then disputes, two reads of a minute that differ where not both
 * bodies are on the branch, with the two statements that made them.
 *
 * Pairs stand in the order in which this node found them, paged by id; the two of a pair by their leaves, so that every node shows a pair
 * alike. Minutes are newest first, paged by their own next as height and index; disputes follow, the one found last first, paged as height 0
 * and their id. Those of which both bodies are on the branch are passed over, for their minute is there already: a page looks at no more
 * of them than its limit, and may be empty with a next one. */
#include "ledger/rest_priv.h"

#include <stdio.h>
#include <string.h>

#include "sg_text.h"

#define PAGE_CONFLICTS 1000

struct pairs {
    struct lg_rest_call *c;
    int64_t limit, taken;
    int64_t next;      /* id that begins the next page; 0: none */
    struct sg_buf out; /* the elements: `next` stands before them */
};

/* The lesser leaf first. */
static void order(struct lg_slice *first, struct lg_slice *second)
{
    struct lg_hash a, b;
    lg_hash_leaf(&a, first->p, first->len);
    lg_hash_leaf(&b, second->p, second->len);
    if (memcmp(a.b, b.b, sizeof a.b) > 0) {
        const struct lg_slice swap = *first;
        *first = *second;
        *second = swap;
    }
}

static int put_pair(void *arg, int64_t id, lg_kid gw, struct lg_slice first, struct lg_slice second)
{
    struct pairs *p = arg;
    struct sg_buf *b = &p->out;
    if (p->taken == p->limit || (p->taken > 0 && b->len > LG_REST_PAGE_BYTES / 2)) {
        p->next = id;
        return SG_EFULL;
    }
    order(&first, &second);
    sg_buf_puts(b, p->taken++ == 0 ? "{\"first\":" : ",{\"first\":");
    lg_rest_put_slice(b, first);
    sg_buf_puts(b, ",\"gw\":");
    lg_rest_put_kid(b, gw);
    lg_rest_put_int(b, ",\"id\":", id);
    sg_buf_puts(b, ",\"second\":");
    lg_rest_put_slice(b, second);
    sg_buf_puts(b, "}");
    return sg_buf_err(b);
}

/* ,"next":n,"statements":[…]} */
static int put_pairs(struct lg_rest_call *c, const struct lg_rest_range *range)
{
    struct pairs p = {.limit = range->limit};
    sg_buf_init(&p.out, LG_REST_MAX_ANSWER);
    int err =
        lg_reader_evidence_page(c->reader, range->from, range->to, (unsigned)range->limit + 1, put_pair, &p);
    if (err == SG_EFULL && p.next > 0)
        err = 0;
    if (p.next > 0)
        lg_rest_put_int(&c->out, ",\"next\":", p.next);
    lg_rest_put_buf(&c->out, ",\"statements\":[", &p.out);
    sg_buf_puts(&c->out, "]}");
    sg_buf_fini(&p.out);
    return err;
}

/* ---- bodies ---- */

struct conflicts {
    unsigned n;
    struct lg_reader_conflict at[PAGE_CONFLICTS + 1];
};

static int take_conflict(void *arg, const struct lg_reader_conflict *conflict)
{
    struct conflicts *list = arg;
    list->at[list->n++] = *conflict;
    return 0;
}

struct bodies {
    struct lg_rest_call *c;
    bool first;
};

static int put_body(void *arg, const struct lg_hash *digest, int64_t height, unsigned index)
{
    struct bodies *p = arg;
    struct sg_buf *b = &p->c->out;
    sg_buf_puts(b, p->first ? "{\"digest\":" : ",{\"digest\":");
    lg_rest_put_hash(b, digest);
    lg_rest_put_int(b, ",\"height\":", height);
    lg_rest_put_int(b, ",\"index\":", index);
    sg_buf_puts(b, "}");
    p->first = false;
    return 0;
}

static int put_read(void *arg, const struct lg_attestation *read)
{
    struct bodies *p = arg;
    struct sg_buf *b = &p->c->out;
    sg_buf_puts(b, p->first ? "{\"digest\":" : ",{\"digest\":");
    lg_rest_put_hash(b, &read->digest);
    sg_buf_puts(b, ",\"gw\":");
    lg_rest_put_kid(b, read->gw);
    lg_rest_put_int(b, ",\"height\":", read->height);
    lg_rest_put_int(b, ",\"live\":", read->live);
    sg_buf_puts(b, ",\"statement\":");
    lg_rest_put_hash(b, &read->statement);
    sg_buf_puts(b, "}");
    p->first = false;
    return 0;
}

static int put_conflict(struct lg_rest_call *c, const struct lg_reader_conflict *at)
{
    struct bodies p = {c, true};
    sg_buf_puts(&c->out, "{\"bodies\":[");
    int err = lg_reader_bodies_of(c->reader, at->relay, at->min, put_body, &p);
    lg_rest_put_int(&c->out, "],\"minute\":", at->min);
    sg_buf_puts(&c->out, ",\"reads\":[");
    p.first = true;
    if (err == 0)
        err = lg_reader_reads_of(c->reader, at->relay, at->min, put_read, &p);
    sg_buf_puts(&c->out, "],\"relay\":");
    lg_rest_put_string(&c->out, at->relay);
    sg_buf_puts(&c->out, "}");
    return err;
}

static void put_side_body(struct sg_buf *b, const struct lg_reader_dispute_side *side)
{
    sg_buf_puts(b, "{\"digest\":");
    lg_rest_put_hash(b, &side->read.digest);
    if (side->body_height > 0) {
        lg_rest_put_int(b, ",\"height\":", side->body_height);
        lg_rest_put_int(b, ",\"index\":", side->body_index);
    }
    sg_buf_puts(b, "}");
}

static void put_side_read(struct sg_buf *b, const struct lg_attestation *read)
{
    sg_buf_puts(b, "{\"digest\":");
    lg_rest_put_hash(b, &read->digest);
    sg_buf_puts(b, ",\"gw\":");
    lg_rest_put_kid(b, read->gw);
    if (read->height > 0)
        lg_rest_put_int(b, ",\"height\":", read->height);
    lg_rest_put_int(b, ",\"live\":", read->live);
    sg_buf_puts(b, ",\"statement\":");
    lg_rest_put_hash(b, &read->statement);
    sg_buf_puts(b, "}");
}

struct disputes {
    struct sg_buf *out;
    bool first;
    int64_t limit, taken;
    size_t begin;
    int64_t next; /* id that begins the next page; 0: none */
};

static int put_dispute(void *arg, const struct lg_reader_dispute *d)
{
    struct disputes *p = arg;
    struct sg_buf *b = p->out;
    if (p->taken++ == p->limit || b->len - p->begin >= LG_REST_PAGE_BYTES / 2) {
        p->next = d->id;
        return SG_EFULL;
    }
    if (d->side[0].body_height > 0 && d->side[1].body_height > 0)
        return 0;
    sg_buf_puts(b, p->first ? "{\"bodies\":[" : ",{\"bodies\":[");
    put_side_body(b, &d->side[0]);
    sg_buf_puts(b, ",");
    put_side_body(b, &d->side[1]);
    lg_rest_put_int(b, "],\"minute\":", d->min);
    sg_buf_puts(b, ",\"reads\":[");
    put_side_read(b, &d->side[0].read);
    sg_buf_puts(b, ",");
    put_side_read(b, &d->side[1].read);
    sg_buf_puts(b, "],\"relay\":");
    lg_rest_put_string(b, d->relay);
    sg_buf_puts(b, "}");
    p->first = false;
    return sg_buf_err(b);
}

/* A third body of a minute is a conflict of its own; the minute is shown once, where it came last on this page. */
static bool shown(const struct conflicts *list, unsigned i)
{
    for (unsigned k = 0; k < i; k++)
        if (list->at[k].min == list->at[i].min && list->at[k].relay == list->at[i].relay)
            return true;
    return false;
}

/* Where the next page of bodies begins; height < 0: there is none. */
struct place {
    int64_t height, index;
};

/* The conflicts of the branch after a place. *examined: how many were looked at. */
static int put_conflicts(
    struct lg_rest_call *c, struct place *next, int64_t *examined, struct place at, int64_t limit)
{
    struct conflicts list = {.n = 0};
    int err = lg_reader_conflicts(
        c->reader, at.height, (unsigned)at.index, (unsigned)limit + 1, take_conflict, &list);
    const size_t begin = c->out.len;
    unsigned i = 0;
    bool first = true;
    for (; i < list.n && i < limit && err == 0 && c->out.len - begin < LG_REST_PAGE_BYTES / 2; i++) {
        if (shown(&list, i))
            continue;
        sg_buf_puts(&c->out, first ? "" : ",");
        err = put_conflict(c, &list.at[i]);
        first = false;
    }
    *next = (struct place){.height = -1};
    if (i > 0 && i < list.n)
        *next = (struct place){list.at[i - 1].height, list.at[i - 1].index};
    *examined = i;
    return err;
}

/* "bodies":[…],"bodies_next":"height-index": conflicts of the branch, then, at height 0, disputes by their ids. */
static int put_bodies(struct lg_rest_call *c, struct place at, int64_t limit)
{
    struct place next = {.height = -1};
    int64_t examined = 0;
    int err = 0;
    sg_buf_puts(&c->out, "{\"bodies\":[");
    if (at.height > 0)
        err = put_conflicts(c, &next, &examined, at, limit);
    if (err == 0 && next.height < 0) {
        struct disputes p = {
            .out = &c->out, .first = examined == 0, .limit = limit - examined, .begin = c->out.len};
        err = lg_reader_disputes(
            c->reader, at.height > 0 ? INT64_MAX : at.index, (unsigned)p.limit + 1, put_dispute, &p);
        err = err == SG_EFULL && p.next > 0 ? 0 : err;
        if (p.next > 0)
            next = (struct place){0, p.next};
    }
    sg_buf_puts(&c->out, "]");
    if (next.height >= 0) {
        lg_rest_put_int(&c->out, ",\"bodies_next\":\"", next.height);
        lg_rest_put_int(&c->out, "-", next.index);
        sg_buf_puts(&c->out, "\"");
    }
    return err;
}

/* "height-index": of the last conflict that was shown; "0-id": of the next dispute. */
static int parse_place(struct lg_rest_call *c, struct place *at)
{
    const char *text = sg_http_query(c->req, "bodies_from");
    *at = (struct place){INT64_MAX, 0};
    if (text == NULL)
        return 0;
    const char *dash = strchr(text, '-');
    if (dash != NULL && sg_i64_parse(&at->height, text, (size_t)(dash - text), 0, LG_REST_MAX_HEIGHT) == 0 &&
        sg_i64_parse(&at->index, dash + 1, strlen(dash + 1), 0, at->height > 0 ? LG_MAX_LEAVES : INT64_MAX) ==
            0)
        return 0;
    return lg_rest_bad(c, "bodies_from: the bodies_next of a page");
}

int lg_rest_get_evidence(struct lg_rest_call *c)
{
    static const char *const keys[] = {"from", "to", "limit", "bodies_from", NULL};
    struct lg_rest_range range;
    struct place at;
    int err = lg_rest_range_with(c, &range, LG_REST_LIMIT, keys);
    if (err == 0)
        err = parse_place(c, &at);
    if (err == 0)
        err = put_bodies(c, at, range.limit);
    return err != 0 ? err : put_pairs(c, &range);
}
