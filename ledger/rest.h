/* The node's REST interface: the calls of section 7 of the contract.
 *
 * Reads run on the HTTP server's thread with a store connection of their own (lg_reader) and see the last commit. Offers
 * (POST) are handed to the chain thread through struct lg_rest_node and answered by it. Nothing here changes state.
 *
 * Order of stopping: the chain thread stops taking offers (offer_* return SG_ECLOSED) and answers those that it
 * keeps; then lg_rest_stop; then what struct lg_rest_node points at may go. */
#ifndef LG_REST_H
#define LG_REST_H

#include "ledger/alarms.h"
#include "ledger/core/engine.h"
#include "ledger/events.h"
#include "ledger/scrubber.h"
#include "lg_node.h"
#include "sg_clock.h"
#include "sg_http.h"

#define LG_REST_MAX_URL 200

struct lg_rest_peer {
    char url[LG_REST_MAX_URL + 1];
    char state[16];     /* as struct lg_peer_state */
    int64_t height;     /* that it named last; 0 before */
    uint64_t bans;      /* since the start */
    const char *reason; /* while it is banned: static; else NULL */
    sg_ms until_ms;     /* while it is banned */
};

/* What the node is at this moment: a copy. */
struct lg_rest_snapshot {
    struct lg_engine_state engine;
    const char *engine_name; /* static: "pow" */
    sg_ms start_ms;          /* wall clock at the start */
    bool ready;
    char not_ready[160]; /* one sentence when !ready */
    unsigned npeers;
    struct lg_rest_peer peers[LG_NODE_MAX_PEERS];
    struct lg_alarms alarms;
    struct lg_scrubber_summary scrub;
};

/* The node, as REST sees it. Called on the HTTP thread; none may block on the chain thread's work. */
struct lg_rest_node {
    void *ctx;
    /* Put the request into the chain thread's bounded queue. 0: it is the node's and will be answered exactly once with
     * lg_rest_answer_*; SG_EFULL, SG_EOVERLOADED (large, and another large one of its address is there), SG_ENOMEM or SG_ECLOSED: it stays
     * with the caller (answered with overloaded, not_ready). */
    int (*offer_statements)(void *ctx, struct sg_http_request *req);
    int (*offer_block)(void *ctx, struct sg_http_request *req);
    /* The same for a block that was built of a sketch; takes its memory on success. */
    int (*offer_built)(void *ctx, struct sg_http_request *req, uint8_t *doc, size_t len);
    /* missing[i] becomes false for each of these statements that the node knows by heart to be pooled or on the best branch; how many stay
     * true. NULL: it knows none. */
    unsigned (*holds)(void *ctx, bool *missing, const struct lg_hash *leaves, unsigned n);
    /* Copy of the node's state. */
    void (*snapshot)(void *ctx, struct lg_rest_snapshot *out);
    /* Copy of what this process's acquisition part told of genesis->relays[index]; false: nothing yet. */
    bool (*relay)(void *ctx, struct lg_node_relay_state *out, unsigned index);
    /* A read has met damage; NULL: nobody wants to know. */
    void (*damaged)(void *ctx, const struct lg_damage *d);
};

struct lg_rest_config {
    const char *data_dir;             /* copied; its store must exist already */
    const struct lg_genesis *genesis; /* borrowed until stop */
    const struct sg_clock *clock;     /* borrowed until stop */
    const char *bind;                 /* numeric address */
    uint16_t port;                    /* 0: any */
    const char *node_name;            /* copied */
    bool has_kid;                     /* false: an observer */
    lg_kid kid;
    const struct lg_rest_node *node; /* borrowed until stop */
    struct lg_events *events;        /* borrowed until stop, when nobody tells any more; NULL: no stream */
};

struct lg_rest;

/* SG_EADDRINUSE, SG_ECONFIG (address, another chain in data_dir), SG_ECORRUPT, SG_EIO, SG_ENOMEM; fault says what and where.
 * Thread: one, start and stop. */
SG_MUST_USE int lg_rest_start(
    struct lg_rest **out, const struct lg_rest_config *config, struct sg_fault *fault);
/* Every request that offer_* took must have been answered. */
void lg_rest_stop(struct lg_rest *r);
uint16_t lg_rest_port(const struct lg_rest *r);

/* Answers to offers, given by the chain thread, once a request. err: result of the engine's offer_* call; offer and verdict
 * count when it is 0. Codes of the contract become 4xx problem documents; errors of the store 503 (not_ready). */
void lg_rest_answer_offer(struct sg_http_request *req, const struct lg_offer *offer, int err);
void lg_rest_answer_block(struct sg_http_request *req, enum lg_block_verdict verdict, int err);

#endif
