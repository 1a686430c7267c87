/* Peers: other ledger nodes, by URL from the configuration. One thread tells them what is new and asks them for what
 * is missing; an unreachable one never delays anything.
 *
 *   telling  new blocks and statements are POSTed to every peer that answers; what a peer missed it finds by asking.
 *   asking   GET /v1/status now and then (at once when something is wanted). A tip that is not known here starts a
 *            search for the newest common block; headers that follow it are checked, then their blocks are fetched and offered
 *            to the chain thread in order. Pools are exchanged when a peer (re)appears and at intervals, so that a
 *            node that nobody can reach works by pulling alone. Evidence goes the same two ways.
 *
 * Nothing that a peer says is believed: every document goes through the engine, weights of headers count for nothing. A peer that gives
 * what no node that keeps the contract gives is banned for a while, with a reason. Thread: see each call. */
#ifndef LG_PEERS_H
#define LG_PEERS_H

#include "ledger/core/engine.h"
#include "ledger/precheck.h"
#include "lg_node.h"
#include "sg_clock.h"

struct lg_peers;

/* The line of a request's header by which a node says that it passes on what it was given. A claim: it only decides how soon what is new is told to
 * others. */
#define LG_RELAYED "Gridwitness-Relayed"

/* What the peers' thread asks of the node; both take the document's memory on success and report the result later
 * through lg_peers_result with the same peer and ticket. SG_EFULL: not now. */
struct lg_peers_host {
    void *ctx;
    /* sealed: the block's header and signature are ones that lg_header_check has taken. */
    int (*offer_block)(void *ctx, uint8_t *doc, size_t len, bool sealed, int peer, uint64_t ticket);
    int (*offer_statements)(void *ctx, uint8_t *doc, size_t len, int peer, uint64_t ticket);
    void (*evidence)(void *ctx, unsigned pairs); /* so many pairs are new in the store; NULL: nobody asks */
};

struct lg_peers_config {
    const char *const *urls; /* copied */
    unsigned n;              /* <= LG_NODE_MAX_PEERS */
    const char *data_dir;
    const struct lg_genesis *genesis; /* borrowed */
    const struct sg_crypto *crypto;
    struct lg_precheck *precheck; /* borrowed; NULL: seals are verified on the peers' thread */
    const struct sg_clock *clock; /* borrowed */
    sg_ms
        call_ms; /* deadline of a status and of what is told, real; 0: the HTTP client's own. Pages of headers, blocks, pools and evidence may always take LG_PAGE_MS */
    struct lg_peers_host host;
};

SG_MUST_USE int lg_peers_start(
    struct lg_peers **out, const struct lg_peers_config *config, struct sg_fault *fault);
/* Joins the thread. NULL is legal. */
void lg_peers_stop(struct lg_peers *p);

/* From the chain thread; copied, never block. What does not fit into a peer's bounded queue is dropped: the peer asks later. */
void lg_peers_announce_block(struct lg_peers *p, const struct lg_block *b, int from);
/* from: the peer that gave them when it was asked, LG_FROM_OUTSIDE or LG_FROM_NODE. */
void lg_peers_announce_statements(struct lg_peers *p, struct lg_statement *const *s, unsigned n,
    struct lg_body *const *bodies, unsigned nbodies, int from);
/* Ask all peers at once where they stand: a block's parent is not known here. */
void lg_peers_want(struct lg_peers *p);
/* What was damaged in this node's store has been put right: results that were given before accuse nobody, and every ban ends at once. Who
 * gives what no node gives is banned again, for as long as if it had not been let off. */
void lg_peers_repaired(struct lg_peers *p);
void lg_peers_result(struct lg_peers *p, int peer, uint64_t ticket, int err);
/* The same for n documents that were judged together: the thread is woken once. */
struct lg_peers_result {
    int peer;
    uint64_t ticket;
    int err;
};
void lg_peers_results(struct lg_peers *p, const struct lg_peers_result *results, unsigned n);

struct lg_peer_state {
    char url[256];
    const char *state;  /* "new", "ok", "syncing", "unreachable", "other_chain", "bad"; static */
    int64_t height;     /* as the peer said last; 0 before */
    bool resting;       /* nothing is being asked of it until its next turn */
    uint64_t bans;      /* since the start */
    const char *reason; /* "bad": why it is banned, static; else NULL */
    sg_ms until_ms;     /* "bad": until when, wall clock */
};

struct lg_peers_summary {
    unsigned n;
    unsigned answering;   /* "ok" or "syncing" */
    unsigned unknown_tip; /* answering, and its tip is not known here, nor held because it is early */
    unsigned clock_off;   /* answering, and its clock differs from ours by more than max_future_ms */
    unsigned other_chain; /* answers, of another chain: none of the answering */
    bool all_tried;       /* every peer has answered or failed at least once */
    struct lg_peer_state peers[LG_NODE_MAX_PEERS];
};
/* The greatest height that an answering peer names: a claim, for people. Thread: any. */
int64_t lg_peers_height(struct lg_peers *p);
/* Most answering peers have shown checked headers of LG_FAR_BEHIND blocks and more above this node's tip. Thread: any. */
bool lg_peers_far_behind(struct lg_peers *p);
/* This node's clock is not to be built on: those of most answering peers differ from it by more than max_future_ms, or none answers and not all
 * have been asked yet. Thread: any. */
bool lg_peers_clock_in_doubt(struct lg_peers *p);
/* A copy. Thread: any. */
void lg_peers_summary(struct lg_peers *p, struct lg_peers_summary *out);

#endif
