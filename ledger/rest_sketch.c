/* Sketches: blocks by header and leaf hashes, single documents of a block, and a block that is told by its sketch.
 *
 * A sketch that is offered costs its sender a header with work and a signature before this node looks anything up for it. What it
 * becomes is a block like any other: the chain thread judges it. An offer whose leaves are not all here says `incomplete`, and nothing is
 * kept of it: the sender offers the whole block. */
#include "ledger/rest_priv.h"
#include "ledger/sketch_fill.h"

#include <stdlib.h>
#include <string.h>

#include "sg_key.h"
#include "sg_text.h"

/* ---- GET /v1/sketches ---- */

int lg_rest_put_sketch(struct lg_rest_call *c, const struct lg_hash *hash)
{
    struct sg_buf header;
    uint8_t sig[SG_SIGNATURE_BYTES];
    struct lg_hash *leaves = NULL;
    size_t n = 0;
    unsigned nstatements = 0;

    sg_buf_init(&header, 1u << 16);
    int err = lg_reader_header(c->reader, &header, sig, hash);
    if (err == 0)
        err = lg_reader_leaf_lists(c->reader, &leaves, &n, &nstatements, hash);
    if (err == 0) {
        sg_buf_puts(&c->out, "{\"hash\":");
        lg_rest_put_hash(&c->out, hash);
        sg_buf_puts(&c->out, ",\"sketch\":");
        lg_sketch_encode(&c->out, (struct lg_slice){header.p, header.len}, sig, leaves, nstatements,
            (unsigned)n - nstatements);
        sg_buf_puts(&c->out, "}");
    }
    free(leaves);
    sg_buf_fini(&header);
    return err;
}

/* ---- GET /v1/blocks/{hash}/documents?leaves=0,3,9 ---- */

/* Increasing indices below `end`, separated by commas. SG_EBAD_PARAMETER. */
static int read_indices(struct lg_rest_call *c, unsigned *out, unsigned *n, const char *text, size_t end)
{
    int64_t least = 0;

    for (*n = 0; text && *n < LG_SKETCH_MAX_ASK; text++) {
        const size_t len = strcspn(text, ",");
        int64_t v;
        if (sg_i64_parse(&v, text, len, least, (int64_t)end - 1) != 0)
            break;
        out[(*n)++] = (unsigned)v;
        least = v + 1;
        text += len;
        if (*text == '\0')
            return 0;
    }
    return lg_rest_bad(
        c, "leaves: increasing numbers of leaves of the block, separated by commas, at most 64");
}

static int put_documents(struct lg_rest_call *c, const struct lg_hash *leaves, const unsigned *index,
    unsigned n, unsigned nstatements, bool bodies)
{
    struct lg_doc_place place;
    bool first = true;
    int err = 0;

    for (unsigned i = 0; i < n && err == 0; i++) {
        if ((index[i] >= nstatements) != bodies)
            continue;
        sg_buf_puts(&c->out, first ? "" : ",");
        first = false;
        err = bodies ? lg_reader_body(c->reader, &c->out, &place, &leaves[index[i]])
                     : lg_reader_statement(c->reader, &c->out, &place, &leaves[index[i]]);
    }
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
}

int lg_rest_get_block_documents(struct lg_rest_call *c)
{
    static const char *const keys[] = {"leaves", NULL};
    unsigned index[LG_SKETCH_MAX_ASK], n = 0, nstatements = 0;
    struct lg_hash hash, *leaves = NULL;
    size_t total = 0;
    int err = lg_rest_keys(c, keys);

    if (err == 0)
        err = lg_rest_hash(c, &hash, sg_http_segment(c->req, 0));
    if (err == 0)
        err = lg_reader_leaf_lists(c->reader, &leaves, &total, &nstatements, &hash);
    if (err == 0)
        err = read_indices(c, index, &n, sg_http_query(c->req, "leaves"), total);
    if (err == 0) {
        sg_buf_puts(&c->out, "{\"bodies\":[");
        err = put_documents(c, leaves, index, n, nstatements, true);
    }
    if (err == 0) {
        sg_buf_puts(&c->out, "],\"statements\":[");
        err = put_documents(c, leaves, index, n, nstatements, false);
        sg_buf_puts(&c->out, "]}");
    }
    free(leaves);
    return err;
}

/* ---- POST /v1/sketches ---- */

/* The rules of the header that no parent decides, and that its root covers the leaves. */
static int check(const struct lg_rest *r, const struct lg_sketch *s)
{
    const struct lg_rules rules = {.genesis = r->config.genesis, .crypto = &sg_crypto_openssl};
    const struct lg_block_info parent = {.hash = s->header.prev,
        .height = s->header.height - 1,
        .slot = s->header.slot - 1,
        .time = s->header.time - 1};
    int err = lg_header_check(&rules, &s->header, &s->hash, s->header_doc, s->sig, &parent, -1);

    return err != 0 ? err : lg_sketch_check_root(s);
}

/* SG_EKNOWN, SG_ENOT_FOUND (something lacks), a rule's code, an error of the store; 0: *block is the whole block. */
static int build(const struct lg_rest *r, struct sg_buf *block, const struct lg_sketch *s)
{
    struct lg_sketch_given missing;
    struct lg_block_info info;
    bool best;
    int err = lg_reader_block_info(r->reader, &info, &best, &s->hash);

    if (err == 0)
        return SG_EKNOWN;
    err = err == SG_ENOT_FOUND ? check(r, s) : err;
    if (err == 0)
        err = lg_sketch_missing(&missing, r->reader, s);
    if (err == 0 && missing.n > 0)
        return SG_ENOT_FOUND;
    return err != 0 ? err : lg_sketch_fill(block, r->reader, s, NULL);
}

static int take(struct lg_rest *r, struct sg_buf *block, const uint8_t *doc, size_t len)
{
    struct lg_sketch *s = NULL;
    int err = lg_sketch_decode(&s, doc, len);

    if (err == 0)
        err = lg_reader_begin(r->reader);
    if (err == 0) {
        err = build(r, block, s);
        lg_reader_end(r->reader);
    }
    lg_sketch_free(s);
    return err;
}

void lg_rest_post_sketch(void *ctx, struct sg_http_request *req)
{
    static const char known[] = "{\"result\":\"known\"}", incomplete[] = "{\"result\":\"incomplete\"}";
    static const char *const none[] = {NULL};
    struct lg_rest *r = ctx;
    struct sg_buf block;
    const char *which;
    size_t len = 0;
    const uint8_t *doc = sg_http_body(req, &len);

    if (sg_http_query_check(req, none, &which) != 0) {
        sg_http_answer_problem(req, SG_EBAD_PARAMETER, "this call has no parameters");
        return;
    }
    sg_buf_init(&block, lg_rest_max_block(r->config.genesis));
    int err = take(r, &block, doc, len);
    uint8_t *whole = err == 0 ? sg_buf_take(&block, &len) : NULL;
    sg_buf_fini(&block);
    if (err == SG_EKNOWN)
        sg_http_answer(req, 200, "application/json", known, sizeof known - 1, NULL);
    else if (err == SG_ENOT_FOUND || err == SG_ETOO_LARGE)
        sg_http_answer(req, 200, "application/json", incomplete, sizeof incomplete - 1, NULL);
    else if (err != 0 || (err = r->config.node->offer_built(r->config.node->ctx, req, whole, len)) != 0) {
        free(whole);
        lg_rest_problem(req, err);
    }
}
