/* Up to four whole ledger nodes in this process: real threads, stores and HTTP on free ports, on one clock that the test moves.
 * Statements are made by the test, which holds all keys. Faults end the test. */
#ifndef TEST_NODES_FIXTURE_H
#define TEST_NODES_FIXTURE_H

#include "lg_node.h"
#include "sg_http.h"
#include "tests/lib/chain_maker.h"

#include <jansson.h>
#include <stdatomic.h>

#define NODES        4
#define NODES_NONE   99u /* ends a list of peers */
#define NODES_DOCS   64
#define NODES_WAIT_S 120 /* of real time, for anything */

struct nodes {
    struct maker maker;
    struct sg_clock clock;
    atomic_llong wall, run; /* what the clock shows */
    char dir[64];           /* data folders: dir/0 … */
    uint16_t ports[NODES];
    int held[NODES]; /* sockets that keep the ports */
    char urls[NODES][64];
    struct lg_node *node[NODES]; /* NULL: stopped */
    _Atomic int failed[NODES];   /* what config.failed was told */
    sg_ms scrub_ms;              /* of nodes that are started from now on; 0: a day */
    struct sg_http_client *http;
    bool relays; /* what is offered from now on a node says to have been given */
    /* what was said so far */
    const struct lg_statement *said[NODES_DOCS];
    unsigned nsaid;
    const struct lg_statement *last[NODES]; /* of each gateway */
};

int nodes_setup(void **state);
int nodes_teardown(void **state);
/* Start node i with these peers (their numbers, ended by NODES_NONE; others by URL). */
void nodes_start(struct nodes *w, unsigned i, const unsigned *peers, const char *url);
void nodes_start_all(struct nodes *w);
void nodes_stop(struct nodes *w, unsigned i);
/* Wall clock and monotonic clock go on together. */
void nodes_pass(struct nodes *w, sg_ms ms);
void nodes_set(struct nodes *w, sg_ms wall);

/* GET; the status; *json (unless NULL) the document, json_decref. */
int nodes_get(struct nodes *w, unsigned i, const char *path, json_t **json);
/* The status of a POST of this offer; *json as in nodes_get. */
int nodes_offer(
    struct nodes *w, unsigned i, const struct lg_statement *s, const struct lg_body *body, json_t **json);
/* What node i says that it lacks of these: the answer's document, json_decref. */
json_t *nodes_missing(struct nodes *w, unsigned i, const struct lg_hash *leaves, unsigned n);
int64_t nodes_height(struct nodes *w, unsigned i);
/* Gateway gw states that it read a minute's body; offered to node i, which must accept it. */
const struct lg_statement *nodes_say(struct nodes *w, unsigned i, unsigned gw, sg_minute slot);
/* "pooled", "mined", …; "" when node i does not have it. dst: 16 bytes. */
const char *nodes_place(struct nodes *w, unsigned i, const struct lg_statement *s, char *dst);
/* Look again until condition(w, a, b) holds, at most NODES_WAIT_S. */
void nodes_wait(struct nodes *w, bool (*condition)(struct nodes *w, int64_t a, int64_t b), int64_t a,
    int64_t b, const char *what);
/* All running nodes name one tip of at least this height. */
void nodes_wait_one_tip(struct nodes *w, int64_t height);
void nodes_wait_height(struct nodes *w, unsigned i, int64_t height);
/* /readyz of node i says 200 ("") or 503 with a detail that holds this text. */
void nodes_wait_ready(struct nodes *w, unsigned i, const char *why);
/* The clock goes to the end of a slot and then on, but not into the end of the next one, until node i has a block of at least this height. */
void nodes_mine(struct nodes *w, unsigned i, sg_minute slot, int64_t height);

#endif
