/* What a gateway, a peer or an auditor asks of a ledger node, over HTTP: the client's side of the REST interface.
 *
 * Built on sg_http's client: one owner thread. Answers are parsed strictly; an answer that does not fit is SG_EMALFORMED. */
#ifndef LG_CLIENT_H
#define LG_CLIENT_H

#include "lg_record.h"
#include "sg_http.h"

struct lg_client_status { /* GET /v1/status */
    struct lg_hash chain;
    int64_t height;
    struct lg_hash tip; /* chain id when the chain is empty */
    sg_minute slot;
    sg_ms time; /* the node's clock */
};
SG_MUST_USE int lg_client_status(struct sg_http_client *c, const char *url, struct lg_client_status *out);

/* GET /readyz: 0 ready, SG_ENOT_READY with why[], or an error of the transfer. */
SG_MUST_USE int lg_client_ready(struct sg_http_client *c, const char *url, char why[static 160]);

/* GET /v1/genesis: canonical bytes into doc (caller inits and frees). */
SG_MUST_USE int lg_client_genesis(struct sg_http_client *c, const char *url, struct sg_buf *doc);

struct lg_client_last { /* last statement of a gateway; inc 0: none */
    sg_ms inc;
    int64_t seq;
    sg_minute slot;
    struct lg_hash leaf;
};
/* GET /v1/gateways/{kid}: the last one on the best branch, the last one in the pool, and the greatest inc and slot that
 * the node holds anywhere. SG_ENOT_FOUND: not in the genesis. */
struct lg_client_gateway {
    struct lg_client_last chain;
    struct lg_client_last pool;
    sg_ms greatest_inc;
    sg_minute greatest_slot;
};
SG_MUST_USE int lg_client_gateway(struct sg_http_client *c, const char *url, lg_kid kid, struct lg_client_gateway *out);

enum lg_place { LG_PLACE_POOLED, LG_PLACE_MINED, LG_PLACE_CONFIRMED, LG_PLACE_OVERTAKEN };
/* GET /v1/statements/{leaf}: where a statement stands. SG_ENOT_FOUND: the node does not have it. */
SG_MUST_USE int lg_client_statement(struct sg_http_client *c, const char *url, const struct lg_hash *leaf, enum lg_place *place,
    int64_t *height, struct lg_hash *block);

/* The answer to POST /v1/statements: codes by index. */
struct lg_client_offer {
    unsigned accepted, known, nrejected;
    struct {
        unsigned index;
        int err; /* SG_E… of the code */
    } rejected[16]; /* the first 16 */
};
/* Parse it from an answer of sg_http_client_start (many nodes at once). status != 200: the code of the problem document. */
SG_MUST_USE int lg_client_offer_parse(struct lg_client_offer *out, const struct sg_http_answer *answer);
/* {"bodies":[…],"statements":[…]} from canonical documents. */
void lg_client_offer_encode(struct sg_buf *out, const struct lg_slice *bodies, unsigned nbodies, const struct lg_slice *statements, unsigned nstatements);

#endif
