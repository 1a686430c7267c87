/* The paper's view: what its four Flask nodes answered in Postman, of the best branch, read only.
 *
 * View blocks are served as they were stored, in Python's own spelling, so that their hashes can be checked on the text. The whole chain
 * is streamed block by block without a snapshot that would hold the log; each step checks that the block before it is still the
 * one that was sent, and breaks off when a reorganisation has changed it. */
#include "ledger/rest_priv.h"

#include <stdlib.h>
#include <string.h>

#define NEWEST 10 /* blocks in replace_chain */
/* is_valid hashes the newest blocks again: so many, or fewer when they are large, for the server's thread serves others too. */
#define CHECKED       100
#define CHECKED_BYTES ((size_t)8 << 20)

/* ---- /get_chain ---- */

struct stream {
    struct lg_reader *reader;
    int64_t next, last;    /* indices */
    struct lg_hash before; /* hash of the block sent last */
    bool has_before;
    bool closed; /* the closing brackets are in the buffer */
    struct sg_buf text;
    size_t sent; /* of text */
};

static void stream_free(void *state)
{
    struct stream *s = state;
    sg_buf_fini(&s->text);
    free(s);
}

/* The next view block, in one snapshot with the hash of the one before it. */
static int load(struct stream *s)
{
    struct lg_paper_state state, before;
    struct sg_buf *t = &s->text;
    int err = lg_reader_begin(s->reader);
    if (err != 0)
        return err;
    if (s->has_before)
        err = lg_reader_paper_state(s->reader, &before, s->next - 1);
    if (err == 0 && s->has_before && !lg_hash_eq(&before.hash, &s->before))
        err = SG_EAGAIN; /* a reorganisation: what was sent is no longer the chain */
    if (err == 0 && s->has_before)
        sg_buf_puts(t, ", ");
    if (err == 0)
        err = lg_reader_paper(s->reader, t, &state, s->next);
    lg_reader_end(s->reader);
    if (err == 0) {
        s->before = state.hash;
        s->has_before = true;
        s->next++;
    }
    return err != 0 ? err : sg_buf_err(t);
}

static long read_stream(void *arg, char *dst, size_t max)
{
    struct stream *s = arg;
    if (s->sent == s->text.len) {
        if (s->closed)
            return 0;
        s->sent = 0;
        sg_buf_reset(&s->text);
        if (s->next <= s->last) {
            if (load(s) != 0)
                return -1;
        } else {
            sg_buf_puts(&s->text, "]}");
            s->closed = true;
        }
    }
    const size_t left = s->text.len - s->sent, n = left < max ? left : max;
    memcpy(dst, s->text.p + s->sent, n);
    s->sent += n;
    return (long)n;
}

static int chain_length(struct lg_rest_call *c, int64_t *length)
{
    struct lg_block_info tip;
    const int err = lg_rest_tip(c, &tip);
    if (err == 0)
        *length = tip.height + 1;
    return err;
}

/* from and limit; without them the whole chain. */
static int chain_range(struct lg_rest_call *c, struct stream *s, int64_t length)
{
    static const char *const keys[] = {"from", "limit", NULL};
    int64_t from = 1, limit = length;
    int err = lg_rest_keys(c, keys);
    if (err == 0)
        err = lg_rest_int(c, &from, "from", 1, LG_REST_MAX_HEIGHT);
    if (err == 0)
        err = lg_rest_int(c, &limit, "limit", 1, LG_REST_MAX_HEIGHT);
    s->next = from;
    s->last = from > length || limit > length - from ? length : from + limit - 1;
    return err;
}

static int open_stream(struct lg_rest_call *c, struct stream *s)
{
    int64_t length;
    int err = chain_length(c, &length);
    if (err == 0)
        err = chain_range(c, s, length);
    if (err != 0)
        return err;
    lg_rest_put_int(&s->text, "{\"1_length\":", length);
    sg_buf_puts(&s->text, ",\"2_chain\":[");
    return sg_buf_err(&s->text);
}

void lg_rest_get_chain(void *ctx, struct sg_http_request *req)
{
    struct lg_rest *r = ctx;
    struct lg_rest_call c = {.rest = r, .reader = r->reader, .genesis = r->config.genesis, .req = req};
    struct stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        lg_rest_fail(r, req, SG_ENOMEM, "");
        return;
    }
    s->reader = r->reader;
    sg_buf_init(&s->text, LG_PAPER_MAX_BYTES);
    const int err = open_stream(&c, s);
    if (err == 0) {
        sg_http_answer_stream(req, 200, "application/json", NULL, read_stream, s, stream_free);
        return;
    }
    stream_free(s);
    lg_rest_fail(r, req, err, c.why);
}

/* ---- the short calls ---- */

/* Does view block index hash as stored, and name the one before it? *bytes grows by its length. */
static int link_holds(struct lg_rest_call *c, bool *valid, size_t *bytes, int64_t index)
{
    struct lg_paper_state state, before;
    struct lg_hash hash;
    struct sg_buf text, named;
    sg_buf_init(&text, LG_PAPER_MAX_BYTES);
    sg_buf_init(&named, 2 * SG_HASH_BYTES + 2);
    int err = lg_reader_paper_state(c->reader, &before, index - 1);
    if (err == 0)
        err = lg_reader_paper(c->reader, &text, &state, index);
    if (err == 0) {
        lg_rest_put_hash(&named, &before.hash);
        err = sg_buf_err(&named);
    }
    if (err == 0) {
        sg_sha256(hash.b, text.p, text.len);
        *valid = lg_hash_eq(&hash, &state.hash) && memmem(text.p, text.len, named.p, named.len) != NULL;
        *bytes += text.len;
    }
    sg_buf_fini(&text);
    sg_buf_fini(&named);
    return err;
}

int lg_rest_get_is_valid(struct lg_rest_call *c)
{
    int64_t length = 0;
    size_t bytes = 0;
    bool valid = true;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = chain_length(c, &length);
    const int64_t oldest = length > CHECKED ? length - CHECKED + 1 : 2;
    for (int64_t i = length; i >= oldest && err == 0 && valid && bytes < CHECKED_BYTES; i--)
        err = link_holds(c, &valid, &bytes, i);
    if (valid)
        sg_buf_puts(&c->out,
            "{\"message\":\"The blockchain is valid: every block was verified before it was adopted.\","
            "\"valid\":true}");
    else
        sg_buf_puts(&c->out, "{\"message\":\"The blockchain is not valid.\",\"valid\":false}");
    return err;
}

int lg_rest_get_mine_block(struct lg_rest_call *c)
{
    struct lg_paper_state state;
    int64_t length = 0;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = chain_length(c, &length);
    c->status = 202;
    sg_buf_puts(&c->out, "{\"block\":");
    if (err == 0)
        err = lg_reader_paper(c->reader, &c->out, &state, length);
    sg_buf_puts(&c->out, ",\"message\":\"Mining is automatic, once a minute; this is the newest block.\"}");
    return err;
}

int lg_rest_get_replace_chain(struct lg_rest_call *c)
{
    struct lg_paper_state state;
    int64_t length = 0;
    int err = lg_rest_no_keys(c);
    if (err == 0)
        err = chain_length(c, &length);
    sg_buf_puts(&c->out, "{\"actual_chain\":[");
    const int64_t first = length > NEWEST ? length - NEWEST + 1 : 1;
    for (int64_t i = first; i <= length && err == 0; i++) {
        sg_buf_puts(&c->out, i == first ? "" : ", ");
        err = lg_reader_paper(c->reader, &c->out, &state, i);
    }
    sg_buf_puts(&c->out, "],\"message\":\"The chain is the best one: nodes replace it by themselves.\"}");
    return err;
}

int lg_rest_get_connect_node(struct lg_rest_call *c)
{
    struct lg_rest *r = c->rest;
    const int err = lg_rest_no_keys(c);
    r->config.node->snapshot(r->config.node->ctx, &r->snapshot);
    sg_buf_puts(&c->out, "{\"message\":\"Nodes are connected by their configuration.\",\"total_nodes\":[");
    for (unsigned i = 0; i < r->snapshot.npeers; i++) {
        sg_buf_puts(&c->out, i == 0 ? "" : ",");
        lg_rest_put_string(&c->out, r->snapshot.peers[i].url);
    }
    sg_buf_puts(&c->out, "]}");
    return err;
}
