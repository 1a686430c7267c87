/* POST /v1/missing: which of these statements does this node lack? A node that has something to pass on asks before it sends documents.
 *
 * Held is what is pooled or on the best branch; one that is overtaken, or stands on a side branch alone, counts as missing: it may be mineable
 * again, and only the engine can tell. Nothing is changed and nothing kept: an answer commits nobody. The node knows the newest by heart; the
 * store is asked for the rest. */
#include "ledger/core/leaf_ask.h"
#include "ledger/rest_priv.h"

#include <stdlib.h>
#include <string.h>

struct question {
    unsigned n;
    bool missing[LG_ASK_MAX];
    struct lg_hash leaves[LG_ASK_MAX];
};

static int look_up(struct lg_rest *r, struct question *q)
{
    struct lg_doc_place place;
    int err = lg_reader_begin(r->reader);

    if (err != 0)
        return err;
    for (unsigned i = 0; i < q->n && err == 0; i++) {
        if (!q->missing[i])
            continue;
        err = lg_reader_statement(r->reader, NULL, &place, &q->leaves[i]);
        if (err == 0)
            q->missing[i] = place.state != LG_DOC_POOLED && place.state != LG_DOC_MINED;
        else if (err == SG_ENOT_FOUND)
            err = 0;
    }
    lg_reader_end(r->reader);
    return err;
}

static int find_missing(struct lg_rest *r, struct question *q, const uint8_t *doc, size_t len)
{
    int err = lg_ask_decode(q->leaves, &q->n, doc, len);

    if (err != 0)
        return err;
    memset(q->missing, true, q->n);
    unsigned left = q->n;
    if (r->config.node->holds)
        left = r->config.node->holds(r->config.node->ctx, q->missing, q->leaves, q->n);
    return left > 0 ? look_up(r, q) : 0;
}

void lg_rest_post_missing(void *ctx, struct sg_http_request *req)
{
    static const char *const none[] = {NULL};
    struct lg_rest *r = ctx;
    const char *which;
    size_t len = 0;
    const uint8_t *doc = sg_http_body(req, &len);
    struct sg_buf b;

    if (sg_http_query_check(req, none, &which) != 0) {
        sg_http_answer_problem(req, SG_EBAD_PARAMETER, "this call has no parameters");
        return;
    }
    struct question *q = malloc(sizeof(*q));
    int err = q ? find_missing(r, q, doc, len) : SG_ENOMEM;
    sg_buf_init(&b, LG_ASK_MAX_BYTES);
    if (err == 0) {
        lg_ask_answer_encode(&b, q->missing, q->n);
        err = sg_buf_err(&b);
    }
    if (err == 0)
        sg_http_answer_take(req, 200, "application/json", &b);
    else
        lg_rest_problem(req, err);
    sg_buf_fini(&b);
    free(q);
}
