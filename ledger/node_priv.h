/* Shared by node.c (start, stop, what others see) and node_chain.c (the chain thread). */
#ifndef LG_NODE_PRIV_H
#define LG_NODE_PRIV_H

#include "ledger/core/engine.h"
#include "ledger/core/hash_map.h"
#include "ledger/core/meter.h"
#include "ledger/large_offers.h"
#include "ledger/miner.h"
#include "ledger/peers.h"
#include "ledger/precheck.h"
#include "ledger/rest.h"
#include "ledger/scrubber.h"
#include "ledger/store.h"
#include "lg_node.h"
#include "sg_queue.h"

#include <pthread.h>

/* Offers and results that wait for the chain thread; half of it is room for two pages of a peer. A full queue refuses: REST answers "overloaded", peers come again. */
#define LG_CHAIN_QUEUE 1024
/* Blocks of a peer that are judged in one go, and the bytes from which on no further one is added to them. */
#define LG_CHAIN_BATCH       256
#define LG_CHAIN_BATCH_BYTES (4u << 20)

/* Offers of statements whose very bytes have been taken before: the same statement comes from its gateway and from every peer, and the
 * copies need no turn on the chain thread. */
#define LG_RECENT_OFFERS 256

/* Statements pooled lately that are known by heart: what comes to 128 gateways in a quarter of an hour. */
#define LG_HELD_SLOTS 2048

struct lg_recent_offer {
    struct lg_hash digest; /* SHA-256 of the request's body */
    unsigned nstatements;  /* 0: empty */
};

enum lg_chain_msg_kind { LG_MSG_STATEMENTS, LG_MSG_BLOCK, LG_MSG_SOLVED, LG_MSG_REPAIR };

/* One message to the chain thread, on the heap, owned by whoever holds it. */
struct lg_chain_msg {
    enum lg_chain_msg_kind kind;
    struct sg_http_request *req; /* from REST: its body is the document; answered by the chain thread */
    uint8_t *doc; /* from a peer, or built of a sketch: owned; else the request's body counts */
    size_t len;
    struct lg_precheck_job *job; /* BLOCK from a peer: owned, borrows doc */
    int peer;                    /* -1: REST */
    uint64_t ticket;
    uint64_t job_id; /* SOLVED */
    int64_t nonce;
    struct lg_hash digest;   /* STATEMENTS from REST: of the body */
    unsigned large;          /* the same: its place among the large ones */
    struct lg_damage damage; /* REPAIR: doc is what is put back, or NULL */
};

struct lg_node {
    /* constant after the start */
    struct lg_node_config config;
    char name[65];
    const struct lg_engine_ops *ops;
    struct lg_host host;
    struct lg_rest_node rest_node;
    struct lg_events *events; /* has a lock of its own */
    sg_ms start_ms, start_run_ms;

    /* owned by the chain thread while it runs */
    struct lg_sqlite *sqlite;
    struct lg_engine *engine;
    sg_ms tick_after_ms; /* mono: no tick before; one has failed */
    struct lg_meter meter;
    const char *no_mining; /* why mining is forbidden, static; NULL: it is not */

    struct sg_queue *queue;
    pthread_t chain;
    bool chain_started;
    struct lg_miner *miner;
    struct lg_precheck *precheck;
    struct lg_peers *peers;
    struct lg_scrubber *scrubber;
    struct lg_rest *rest;

    pthread_mutex_t lock; /* of all below */
    struct lg_engine_state state;
    struct lg_node_progress progress;
    bool full;  /* the last write found the disk full */
    int failed; /* the error that stopped the chain thread */
    struct lg_alarms alarms;
    struct lg_recent_offer recent[LG_RECENT_OFFERS]; /* a ring */
    unsigned recent_next;
    struct lg_large_offers large;
    struct lg_seen held;                /* statements that were pooled lately */
    struct lg_node_relay_state *relays; /* by index in the genesis; id "" until told */
};

/* node.c */
/* A copy of msg waits for the chain thread; what it points at goes with it on success only. SG_EFULL, SG_ECLOSED, SG_ENOMEM.
 * Any thread. */
SG_MUST_USE int lg_node_enqueue(struct lg_node *n, const struct lg_chain_msg *msg);
/* Every statement of these bytes is held now: durable, acknowledged. */
void lg_node_remember_offer(struct lg_node *n, const struct lg_hash *digest, unsigned nstatements);
/* A large offer has been judged; called before it is answered, so that its sender may go on with the next. */
void lg_node_offer_judged(struct lg_node *n, const struct lg_chain_msg *m);
/* These statements are pooled: durable. */
void lg_node_remember_held(struct lg_node *n, struct lg_statement *const *statements, unsigned count);
/* A reorganisation may make an overtaken statement mineable again: what was known of both must be judged anew. */
void lg_node_forget_offers(struct lg_node *n);

/* node_events.c */
SG_MUST_USE int lg_node_events_start(struct lg_node *n);
/* A new tip (BLOCK, REORG), and statements that are pooled now. Chain thread. */
void lg_node_tell_tip(struct lg_node *n, const struct lg_event_msg *e);
void lg_node_tell_pooled(struct lg_node *n, struct lg_statement *const *statements, unsigned count);
/* End the incidents that have not come again. Chain thread. */
void lg_node_quiet_alarms(struct lg_node *n);

/* node_chain.c */
void lg_node_host_init(struct lg_node *n);
void *lg_node_chain_run(void *arg);
/* Answer and free a message that will not be processed. */
void lg_chain_msg_refuse(struct lg_chain_msg *m, int err);

/* node_scrub.c */
SG_MUST_USE int lg_node_scrub_start(struct lg_node *n, struct sg_fault *fault);
/* Chain thread: put something back, and tell engine, peers and the scrub thread. SG_EIO, or what the engine says of the store then. */
SG_MUST_USE int lg_node_take_repair(struct lg_node *n, const struct lg_chain_msg *m, sg_ms now_ms);
/* Chain thread, after each operation of the engine: reports the damaged document that it met. SG_ECORRUPT for that reason alone becomes
 * SG_EAGAIN; other results stay. */
int lg_node_stumbled(struct lg_node *n, int err);

#endif
