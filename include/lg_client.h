/* What a gateway, a peer or an auditor asks of a ledger node, over HTTP: the client's side of the REST interface.
 *
 * Built on sg_http's client: one owner thread. Answers are parsed strictly: the keys named here must be there, with the
 * types and ranges that the documents have, else the answer is SG_EMALFORMED and nothing of it is used; other keys are
 * passed over. An answer with another status is the code of its problem document; without one SG_EMALFORMED.
 *
 * Each call is a pair _url / _parse, for many nodes at once (sg_http_client_start with the URL, then _parse of the answer);
 * status has a form that blocks too. Hashes are 64 lower-case hex digits, a kid 16. */
#ifndef LG_CLIENT_H
#define LG_CLIENT_H

#include "lg_record.h"
#include "sg_http.h"

#define LG_CLIENT_URL_SIZE 512
/* Largest answers to take, bytes. */
#define LG_CLIENT_MAX_STATUS (2u << 20) /* LG_MAX_RELAYS relays of at most 160 bytes and the rest */
#define LG_CLIENT_MAX_SMALL  (64u << 10)

/* A block by what its header says. */
struct lg_client_header {
    struct lg_hash hash;
    int64_t height;
    sg_minute slot;
    sg_ms time;
};

/* GET /v1/status: {"base":{"hash":hash,"height":h,"slot":S,"slot_for":S,"time":ms},"chain":hash,"height":h,"slot":S,"time":ms,
 * "tip":hash,...}; base may be absent. */
struct lg_client_status {
    bool has_base;
    struct lg_client_header base; /* what statements of slot_for name; height 0: the genesis */
    sg_minute slot_for;
    struct lg_hash chain;
    int64_t height;
    struct lg_hash tip; /* chain id when the chain is empty */
    sg_minute slot;     /* of the tip; genesis minute - 1 when the chain is empty */
    sg_ms time;         /* the node's clock */
};
SG_MUST_USE int lg_client_status(struct sg_http_client *c, const char *url, struct lg_client_status *out);
/* For sg_http_client_start: the address, and what an answer says. */
SG_MUST_USE int lg_client_status_parse(struct lg_client_status *out, const struct sg_http_answer *answer);
SG_MUST_USE int lg_client_status_url(char dst[static LG_CLIENT_URL_SIZE], const char *url);

/* GET /readyz: 200, whatever it says, is 0; 503 with a problem document is SG_ENOT_READY and its "detail" is why;
 * why is "" otherwise, or the error of the transfer. */
SG_MUST_USE int lg_client_ready_url(char dst[static LG_CLIENT_URL_SIZE], const char *url);
SG_MUST_USE int lg_client_ready_parse(char why[static 160], const struct sg_http_answer *answer);

struct lg_client_last { /* last statement of a gateway; seq 0: none */
    sg_ms inc;
    int64_t seq;
    sg_minute slot;
    struct lg_hash leaf;
};
/* GET /v1/gateways/{kid}: {"chain":{"inc":ms,"leaf":hash,"seq":n,"slot":S},"greatest_inc":ms,"greatest_slot":S,
 * "pool":{"inc":…,"leaf":…,"seq":…,"slot":…},...}: the last one on the best branch, the last one in the pool (by (inc, seq);
 * each key is absent when there is none), and the greatest inc and slot of any statement of this gateway that
 * the node holds on the best branch or in its pool (0 when there is none). SG_ENOT_FOUND: not in the genesis. */
struct lg_client_gateway {
    struct lg_client_last chain;
    struct lg_client_last pool;
    sg_ms greatest_inc;
    sg_minute greatest_slot;
};
SG_MUST_USE int lg_client_gateway_url(char dst[static LG_CLIENT_URL_SIZE], const char *url, lg_kid kid);
SG_MUST_USE int lg_client_gateway_parse(struct lg_client_gateway *out, const struct sg_http_answer *answer);

/* Where a statement stands: "pooled" (mineable, or waiting for its predecessor), "mined" (on the best branch),
 * "confirmed" (and confirm_depth deep), "overtaken" (can never be mined on the best branch as it is). */
enum lg_place { LG_PLACE_POOLED, LG_PLACE_MINED, LG_PLACE_CONFIRMED, LG_PLACE_OVERTAKEN };
/* GET /v1/statements/{leaf}: {"block":hash,"confirmations":d,"height":h,"state":"mined","statement":{…},...}; block, confirmations
 * and height are there when the state is mined or confirmed (else *height is 0). SG_ENOT_FOUND: the node does not have it. */
SG_MUST_USE int lg_client_statement_url(
    char dst[static LG_CLIENT_URL_SIZE], const char *url, const struct lg_hash *leaf);
SG_MUST_USE int lg_client_statement_parse(
    enum lg_place *place, int64_t *height, struct lg_hash *block, const struct sg_http_answer *answer);
/* The canonical bytes of "statement" of the same answer, appended to doc; the caller judges them. */
SG_MUST_USE int lg_client_statement_doc(struct sg_buf *doc, const struct sg_http_answer *answer);

/* GET /v1/headers?from=H&limit=1: {"headers":[{"hash":hash,"header":{…},"sig":…}]}. SG_ENOT_FOUND: no such height (empty list);
 * SG_EMALFORMED also when the hash is not that of the header, or the header is of another height. */
SG_MUST_USE int lg_client_header_url(char dst[static LG_CLIENT_URL_SIZE], const char *url, int64_t height);
SG_MUST_USE int lg_client_header_parse(
    struct lg_client_header *out, const struct sg_http_answer *answer, int64_t height);

/* GET /v1/minutes?relay=ID&from=M&to=M: {"minutes":[{"attested":[{"gw":kid},…],"body":{"min":M,…},"digest":hash,
 * "state":"mined"},…],"next":M}. */
#define LG_CLIENT_MAX_MINUTES (16u << 20) /* a page of 8 MiB, and one element more */
struct lg_client_minute {
    sg_minute min;
    struct lg_hash digest;
    bool
        attested; /* a statement of the gateway that was asked for reads it, on the best branch or in the pool */
    bool confirmed; /* its state is */
};
typedef void lg_client_minute_fn(void *ctx, const struct lg_client_minute *m);
SG_MUST_USE int lg_client_minutes_url(
    char dst[static LG_CLIENT_URL_SIZE], const char *url, const char *relay, sg_minute from, sg_minute to);
/* Tells fn every minute of the page that is there, in growing order, or none at all. next: where the following page begins, to + 1
 * when this was the last one. SG_EMALFORMED also for minutes outside from..to or out of order. */
SG_MUST_USE int lg_client_minutes_parse(sg_minute *next, const struct sg_http_answer *answer, lg_kid kid,
    sg_minute from, sg_minute to, lg_client_minute_fn *fn, void *ctx);

/* The answer to POST /v1/statements: {"accepted":n,"known":n,"rejected":[{"code":c,"index":i}]}; index counts the statements of
 * the request, rejected is by increasing index. */
struct lg_client_offer {
    unsigned accepted, known, nrejected;
    struct {
        unsigned index;
        int err;    /* SG_E… of the code */
    } rejected[16]; /* the first 16 */
};
SG_MUST_USE int lg_client_offer_url(char dst[static LG_CLIENT_URL_SIZE], const char *url);
/* Parse it from an answer of sg_http_client_start (many nodes at once). status != 200: the code of the problem document.
 * offered: statements of the request; an answer whose counts do not add up to it is SG_EMALFORMED. */
SG_MUST_USE int lg_client_offer_parse(
    struct lg_client_offer *out, const struct sg_http_answer *answer, unsigned offered);

#endif
