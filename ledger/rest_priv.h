/* Inside of the REST interface: what its files share. Everything here runs on the HTTP server's one thread.
 *
 * A call is a function that writes its answer into call->out and returns 0 or SG_E…; the runner (rest.c) gives it one
 * snapshot of the store, and turns the result into an HTTP answer. */
#ifndef LG_REST_PRIV_H
#define LG_REST_PRIV_H

#include "ledger/rest.h"
#include "ledger/store.h"

/* Lists: elements when no limit is given, most of them, and the size at which a page ends. */
#define LG_REST_LIMIT      100
#define LG_REST_MAX_LIMIT  1000
#define LG_REST_PAGE_BYTES ((size_t)8 << 20)
/* Largest answer: a page that ends with the largest block. */
#define LG_REST_MAX_ANSWER ((size_t)32 << 20)
#define LG_REST_MAX_HEIGHT LG_C0_MAX_INT

struct lg_rest {
    struct lg_rest_config config;
    char *data_dir, *node_name;
    struct lg_reader *reader; /* HTTP thread, after the start */
    struct sg_http_server *server;
    struct sg_http_route *routes;
    struct lg_rest_snapshot snapshot; /* scratch */
};

struct lg_rest_call {
    struct lg_rest *rest;
    struct lg_reader *reader;
    const struct lg_genesis *genesis;
    struct sg_http_request *req;
    struct sg_buf out;
    int status;       /* 200 unless changed */
    const char *type; /* application/json unless changed; static */
    char extra[96];   /* "" or more header lines */
    char why[160];    /* detail of a problem */
    bool is_damaged;  /* SG_ECORRUPT has a name, and is being looked after */
};

typedef int lg_rest_fn(struct lg_rest_call *c);

/* ---- rest_param.c ---- */

/* SG_EBAD_PARAMETER with why. */
SG_MUST_USE int lg_rest_bad(struct lg_rest_call *c, const char *why);
/* Only these keys (NULL-terminated), each at most once. */
SG_MUST_USE int lg_rest_keys(struct lg_rest_call *c, const char *const *names);
SG_MUST_USE int lg_rest_no_keys(struct lg_rest_call *c);
/* A decimal; *out keeps its value when the key is absent. */
SG_MUST_USE int lg_rest_int(struct lg_rest_call *c, int64_t *out, const char *key, int64_t min, int64_t max);
/* from, to and limit of a list that counts heights or indices from 1 (0 is taken for 1). */
struct lg_rest_range {
    int64_t from, to, limit;
};
SG_MUST_USE int lg_rest_range(struct lg_rest_call *c, struct lg_rest_range *out, int64_t limit);
/* The same for a call that takes other keys too. */
SG_MUST_USE int lg_rest_range_with(
    struct lg_rest_call *c, struct lg_rest_range *out, int64_t limit, const char *const *names);
/* A minute, as a number or as RFC 3339. SG_EBAD_PARAMETER; name is for the message. */
SG_MUST_USE int lg_rest_minute(struct lg_rest_call *c, sg_minute *out, const char *name, const char *text);
/* 64 hex digits. SG_EBAD_PARAMETER. */
SG_MUST_USE int lg_rest_hash(struct lg_rest_call *c, struct lg_hash *out, const char *text);

/* ---- rest_write.c ---- */

/* Largest bodies of the two POST calls. */
size_t lg_rest_max_block(const struct lg_genesis *g);
size_t lg_rest_max_statements(const struct lg_genesis *g);
sg_http_handler_fn lg_rest_post_block, lg_rest_post_statements, lg_rest_post_sketch, lg_rest_post_missing;
/* Answers an offer that was refused: a rule's code goes out as it is, all else is this node's trouble. */
void lg_rest_problem(struct sg_http_request *req, int err);

/* ---- pieces of answers ---- */

/* "hash" in quotes; a kid in quotes; a document as it is. */
void lg_rest_put_hash(struct sg_buf *b, const struct lg_hash *h);
void lg_rest_put_kid(struct sg_buf *b, lg_kid kid);
void lg_rest_put_string(struct sg_buf *b, const char *text);
void lg_rest_put_slice(struct sg_buf *b, struct lg_slice s);
/* ,"key":n and the like: key is written with what stands before it ("{\"a\":"). */
void lg_rest_put_int(struct sg_buf *b, const char *before, int64_t v);
/* {"hash":…,"header":…,"sig":…} of a stored block. */
SG_MUST_USE int lg_rest_put_header(struct lg_rest_call *c, const struct lg_hash *hash);
/* {"hash":…,"sketch":…} of one. */
SG_MUST_USE int lg_rest_put_sketch(struct lg_rest_call *c, const struct lg_hash *hash);
/* The tip, or the genesis while there is no block. */
SG_MUST_USE int lg_rest_tip(struct lg_rest_call *c, struct lg_block_info *tip);
/* Appends `before` and puts the buffer's content after it. */
void lg_rest_put_buf(struct sg_buf *b, const char *before, const struct sg_buf *from);

/* ---- minutes (rest_pooled.c, rest_minutes.c, rest_csv.c) ---- */

/* Pooled reads of one relay, gathered once a request. */
struct lg_rest_pooled {
    struct lg_rest_pooled_read *reads;
    size_t n, cap;
};
SG_MUST_USE int lg_rest_pooled_load(
    struct lg_rest_call *c, struct lg_rest_pooled *p, const char *relay, sg_minute from, sg_minute to);
void lg_rest_pooled_fini(struct lg_rest_pooled *p);
/* A minute as the pool has it: height 0. SG_ENOT_FOUND. */
SG_MUST_USE int lg_rest_pooled_minute(struct lg_rest_call *c, struct lg_minute *out,
    const struct lg_rest_pooled *p, const char *relay, sg_minute min);
/* The state that a minute or document at this depth is shown with. */
const char *lg_rest_state(const struct lg_genesis *g, int64_t confirmations);
/* Header line and one row of the CSV form. */
void lg_rest_csv_head(struct sg_buf *b, const struct lg_relay *relay);
SG_MUST_USE int lg_rest_csv_row(
    struct lg_rest_call *c, const struct lg_minute *m, const struct lg_relay *relay);

/* ---- the calls ---- */

lg_rest_fn lg_rest_get_status, lg_rest_get_healthz, lg_rest_get_readyz, lg_rest_get_metrics;
lg_rest_fn lg_rest_get_genesis, lg_rest_get_relays, lg_rest_get_latest, lg_rest_get_gateways,
    lg_rest_get_gateway;
lg_rest_fn lg_rest_get_headers, lg_rest_get_blocks, lg_rest_get_block;
lg_rest_fn lg_rest_get_sketches, lg_rest_get_block_documents;
lg_rest_fn lg_rest_get_pool, lg_rest_get_body, lg_rest_get_statement, lg_rest_get_evidence;
lg_rest_fn lg_rest_get_minutes, lg_rest_get_minute, lg_rest_get_proof;
lg_rest_fn lg_rest_get_is_valid, lg_rest_get_mine_block, lg_rest_get_replace_chain, lg_rest_get_connect_node;
/* Streams. */
sg_http_handler_fn lg_rest_get_chain, lg_rest_get_stream;
/* Something can be given: for the hub of events. Thread: any. */
void lg_rest_wake_streams(void *ctx);
/* Answers a failed call. */
void lg_rest_fail(struct lg_rest *r, struct sg_http_request *req, int err, const char *why);

#endif
