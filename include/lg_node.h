/* A ledger node inside a process: store, consensus engine, peers, miner and REST, on threads of its own.
 *
 * Thread: start and stop from one thread; the others from any. */
#ifndef LG_NODE_H
#define LG_NODE_H

#include "lg_record.h"
#include "sg_clock.h"

#define LG_NODE_MAX_PEERS 64

struct lg_node;

struct lg_node_config {
    const char *name;     /* shown in /v1/status; NULL: the gateway's name of the genesis, or "observer" */
    const char *bind;     /* numeric address for REST */
    uint16_t port;        /* 0: any */
    const char *data_dir; /* made (0700) when missing; locked while the node runs */
    const struct lg_genesis *genesis; /* borrowed until stop */
    const struct sg_key *key;         /* borrowed; NULL: an observer that mines nothing */
    const char *const *peers;         /* base URLs, copied */
    unsigned npeers;
    sg_ms scrub_ms;               /* the whole store is read again in so long, real time; 0: a day */
    const struct sg_clock *clock; /* borrowed until stop */
    bool quiet_progress;          /* the owner shows lg_node_progress itself: no lines of log about it */
    void (*failed)(void *ctx, int err,
        const char *why); /* the node cannot go on (disk, clock): stop it and exit 1. Any thread. */
    void *failed_ctx;
};

/* SG_ELOCKED, SG_EADDRINUSE, SG_ECONFIG (another chain in data_dir), SG_ECORRUPT, SG_EIO; fault says what and where. */
SG_MUST_USE int lg_node_start(
    struct lg_node **out, const struct lg_node_config *config, struct sg_fault *fault);
/* Stops threads in order, closes the store. Acknowledged documents are on disk whether or not this is ever called. */
void lg_node_stop(struct lg_node *n);
uint16_t lg_node_port(const struct lg_node *n);

/* A node that is far behind its peers, and how far it has come. */
struct lg_node_progress {
    bool running;
    int64_t height, of;  /* of: a claim of a peer */
    int64_t per_s_milli; /* blocks in 1000 s of late; -1: not measured yet */
    int64_t eta_s;       /* at that rate; -1: unknown */
};
void lg_node_progress(struct lg_node *n, struct lg_node_progress *out);

/* What this process's acquisition part sees of a relay, for GET /v1/relays…: unsigned, in memory only. */
struct lg_node_relay_state {
    char id[33];
    char state[16]; /* "ok", or the reason of the last failure ("timeout", "identity", ...) */
    uint32_t last_seq;
    sg_ms last_sample_ms; /* 0: none yet */
    bool has_sample;
    struct lg_sample sample;
};
void lg_node_set_relay(struct lg_node *n, const struct lg_node_relay_state *state);
/* An alarm for /metrics, the stream and the log: counted by kind ("uncommitted", "malformed", "second_process", ...), static
 * string. */
void lg_node_alarm(struct lg_node *n, const char *kind);
/* The same alarm is over. One that nobody ends is over when it has not come again for five minutes; nothing happens when it is
 * not on. */
void lg_node_alarm_end(struct lg_node *n, const char *kind);

#endif
