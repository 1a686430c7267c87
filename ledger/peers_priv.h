/* Shared by peers.c (thread, queues, telling) and peer_sync.c (asking). Everything here belongs to the peers' thread. */
#ifndef LG_PEERS_PRIV_H
#define LG_PEERS_PRIV_H

#include "ledger/peers.h"
#include "ledger/store.h"
#include "sg_http.h"
#include "sg_queue.h"

#include <pthread.h>

/* Bound of one peer's queue of announcements; what does not fit is dropped. */
#define LG_PUSH_MAX       64
#define LG_PUSH_MAX_BYTES (16u << 20)
/* Statements, and bodies, of the pool in one offer: together with brackets and keys below the 16 MiB that a node takes. */
#define LG_PUSH_POOL_BYTES ((8u << 20) - 1024)
/* Blocks asked for in one page; the answer is at most 8 MiB by the contract, or one block. */
#define LG_PAGE_BLOCKS    64
#define LG_PAGE_MAX_BYTES ((8u << 20) + (17u << 20))
/* Statements that are passed on wait this long for others, at most so many bytes together. */
#define LG_GATHER_MS        20
#define LG_GATHER_MAX_BYTES (1u << 20)
/* Real milliseconds. */
#define LG_POLL_MS     2000
#define LG_POLL_MIN_MS 250
#define LG_POLL_MAX_MS 15000
#define LG_POLL_BAD_MS 60000
#define LG_POOL_POLLS  10 /* a pool is asked for at every tenth poll */
/* Pages and pools may be large and the line slow; a peer that drips is ended by the client's lowest speed. */
#define LG_PAGE_MS 60000
/* Longest wait for the judgement of a page: results are lost when the inbox is full. */
#define LG_JUDGE_MS 60000
/* Rounds in a row that do not bring the tip which the peer names, before it is called bad. */
#define LG_FRUITLESS_MAX 3
/* Pages in a row without a block that is new here (after a deep fork the search overshoots by as much as its depth). */
#define LG_KNOWN_PAGES_MAX 256
/* Pages of one pool that are asked for in one go. */
#define LG_POOL_PAGES_MAX 64

enum lg_peer_phase {
    LG_PEER_IDLE,   /* waiting for next_ms */
    LG_PEER_STATUS, /* GET /v1/status under way */
    LG_PEER_FIND,   /* GET /v1/headers: looking for the newest common block */
    LG_PEER_FETCH,  /* GET /v1/blocks under way */
    LG_PEER_JUDGE,  /* a page is with the chain thread */
    LG_PEER_POOL,   /* GET /v1/pool under way, or with the chain thread */
};

struct lg_push {
    struct lg_push *next;
    const char *path; /* static */
    size_t len;
    uint8_t doc[];
};

struct lg_peer {
    struct lg_peers *owner;
    int number;
    char url[256];
    const char *state;
    bool tried;
    int64_t height;
    struct lg_hash tip;
    bool tip_known;
    bool clock_off;      /* its clock and ours differ by more than max_future_ms */
    sg_ms asked_wall_ms; /* wall clock when its status was asked for */

    enum lg_peer_phase phase;
    sg_ms next_ms; /* mono: IDLE: when to ask again; JUDGE, POOL with results to come: when to give them up */
    sg_ms asked_ms; /* mono: when it was asked last where it stands */
    sg_ms backoff_ms;
    unsigned polls;
    bool wants_pool;
    int64_t probe, step;  /* FIND */
    int64_t from;         /* FETCH: next height; POOL: next place */
    bool more;            /* FETCH, POOL: the peer has another page */
    bool brought;         /* FETCH: a block called by the announced tip's hash was among the pages */
    unsigned known_pages; /* FETCH: pages in a row with nothing new */
    unsigned pool_pages;  /* POOL: pages taken in this go */
    unsigned fruitless;   /* rounds in a row after which the announced tip was not known */
    uint64_t ticket;      /* of the page that is judged */
    unsigned waiting;     /* results to come */
    int judged;           /* first error among them */

    struct lg_push *push_head, *push_tail;
    unsigned push_count;
    size_t push_bytes;
    bool pushing;
};

struct lg_peers {
    struct lg_peers_config config;
    pthread_t thread;
    struct sg_queue *inbox;
    struct sg_http_client *http;
    struct lg_reader *reader;
    uint64_t next_ticket;
    unsigned n;
    struct lg_peer peers[LG_NODE_MAX_PEERS];
    struct sg_buf gathered_bodies, gathered_statements; /* joined by commas */
    int gathered_from;                                  /* the peer that they came from; -1 */
    sg_ms flush_ms;                                     /* mono: when they go on */

    pthread_mutex_t lock; /* of summary */
    struct lg_peers_summary summary;
};

/* peers.c */
/* {"bodies":[…],"statements":[…]} of documents joined by commas, appended to out. */
void lg_peers_offer(struct sg_buf *out, const struct sg_buf *bodies, const struct sg_buf *statements);
void lg_peers_publish(struct lg_peers *p);
/* Queue one POST; copies. Dropped when the queue is full. */
void lg_peer_push(struct lg_peer *peer, const char *path, const void *doc, size_t len);
/* The peer did not answer: backoff, forget its queue. */
void lg_peer_failed(struct lg_peer *peer, const char *state);

/* peer_sync.c */
/* Start whatever is due now. */
void lg_peer_ask(struct lg_peer *peer, sg_ms now_mono_ms);
/* One document of the page or pool has been judged. */
void lg_peer_judged(struct lg_peer *peer, uint64_t ticket, int err);

#endif
