/* Single documents with their place.
 *
 * Statements and bodies that are known from side branches only are not found: whoever asks may offer them, and they become
 * mineable. */
#include "ledger/core/pool.h"
#include "ledger/rest_priv.h"

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

/* A pooled statement that can never be valid on the best branch as it is now is overtaken for whoever asks, though it stays in the pool
 * until that is confirm_depth deep: its gateway must begin a new incarnation. */
static int find_overtaken(struct lg_rest_call *c, struct place *p, const struct sg_buf *doc)
{
    struct lg_statement *s = NULL;
    struct lg_gateway_state gw;

    if (p->at.state != LG_DOC_POOLED)
        return 0;
    int err = lg_statement_decode(&s, doc->p, doc->len);
    if (err != 0)
        return err == SG_ENOMEM ? err : SG_ECORRUPT;
    err = lg_reader_gateway(c->reader, &gw, s->gw);
    if (err == 0 && gw.chain.seq > 0) {
        const int over = lg_statement_overtaken(s, &gw.chain, c->genesis);
        if (over != 0)
            p->state = "overtaken";
    }
    lg_statement_free(s);
    return err == SG_ENOT_FOUND ? 0 : err;
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
    if (err == 0)
        err = find_overtaken(c, &p, &doc);
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
