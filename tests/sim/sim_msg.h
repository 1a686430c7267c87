/* Chance, events, and what machines send each other. Part of sim.h. */
#ifndef SIM_MSG_H
#define SIM_MSG_H

#include "ledger/core/offer_parts.h"
#include "ledger/core/validity.h"
#include "sg_time.h"

/* ---- chance ---- */
uint64_t sim_rand(uint64_t *rng);
/* 0..n-1; n > 0. */
uint64_t sim_below(uint64_t *rng, uint64_t n);
/* lo..hi */
int64_t sim_between(uint64_t *rng, int64_t lo, int64_t hi);
bool sim_chance(uint64_t *rng, unsigned permille);

/* ---- events ---- */
enum sim_event_kind {
    EV_MSG,       /* p = struct sim_msg */
    EV_NODE,      /* the engine wants to be woken; a = generation */
    EV_SOLVED,    /* a = job, b = process */
    EV_POLL,      /* a = process */
    EV_GATHER,    /* a = process */
    EV_GW,        /* a = generation */
    EV_OUTCOME,   /* a = relays as bits, b = minute */
    EV_START,     /* a machine starts again */
    EV_FAULT,     /* a = enum sim_fault: an episode begins */
    EV_FAULT_END, /* a = enum sim_fault, b = detail */
    EV_HOSTILE,   /* a = slot */
    EV_KEYLESS,   /* a = slot */
    EV_RELEASE,   /* the hostile member lets go of what it withheld */
    EV_MINUTE,    /* the relays close a minute */
    EV_SEVER,     /* the links of the options are cut */
    EV_HEAL,
    EV_PROBE, /* look at everything */
    EV_KINDS
};
struct sim_event {
    sg_ms t;
    uint64_t order;
    enum sim_event_kind kind;
    unsigned m;
    uint64_t a, b;
    void *p;
};
struct sim_heap {
    struct sim_event *v;
    size_t n, cap;
    uint64_t next_order;
};
void sim_heap_push(struct sim_heap *h, const struct sim_event *e);
bool sim_heap_pop(struct sim_heap *h, struct sim_event *out);

/* ---- documents and messages ---- */

struct sim;

/* Bytes that many share; ordinary documents are freed with their last user, blocks with the simulation. */
struct sim_doc {
    unsigned refs;
    size_t len;
    struct sim_block *block; /* when it is a block that was judged */
    struct sim_known *known;
    uint8_t b[];
};
struct sim_doc *sim_doc_new(const void *bytes, size_t len);
/* The same, to be filled by the caller. */
struct sim_doc *sim_doc_make(size_t len);
struct sim_doc *sim_doc_ref(struct sim_doc *d);
void sim_doc_drop(struct sim_doc *d);

/* An offer that is being put together (sim_offer.c): bodies, and statements. */
struct sim_offer {
    struct sim_offer_list {
        struct lg_offer_part *v;
        size_t n, cap;
        uint8_t *bytes; /* the documents with commas between them */
        size_t len, room;
    } list[2];
};
void sim_offer_init(struct sim_offer *o);
void sim_offer_fini(struct sim_offer *o);
void sim_offer_add(
    struct sim_offer *o, bool is_body, const uint8_t *doc, size_t len, const struct lg_hash *leaf);
bool sim_offer_is_empty(const struct sim_offer *o);
/* The document; the offer is empty again. */
struct sim_doc *sim_offer_end(struct sim *s, struct sim_offer *o);

enum sim_msg_kind {
    MSG_BLOCK,      /* docs[0] */
    MSG_STATEMENTS, /* docs[0]: an offer passed on by a node */
    MSG_STATUS,     /* where do you stand? */
    MSG_STATUS_IS,  /* hash, height */
    MSG_FETCH,      /* hashes: what I have, newest first */
    MSG_PAGE,       /* docs: blocks; more */
    MSG_POOL,
    MSG_POOL_IS,  /* docs[0] or none */
    MSG_OFFER,    /* docs[0]: statements of a gateway; id */
    MSG_OFFER_IS, /* id, codes */
    MSG_ASK,      /* a gateway asks a node; id */
    MSG_ASK_IS,   /* id and what lg_client_gateway, status, readyz say */
    MSG_WHERE,    /* hashes: leaves, refs: what they are; id */
    MSG_WHERE_IS, /* id, codes: enum sim_place or -1 */
    MSG_KINDS
};
#define SIM_BATCH 16
struct sim_named { /* a block that a statement may name */
    struct lg_hash hash;
    sg_minute slot;
};
struct sim_msg {
    enum sim_msg_kind kind;
    unsigned from, to; /* machines */
    bool to_gateway;   /* else to the node there */
    unsigned refs;
    sg_ms slow; /* so much later than the line would have it */
    uint64_t id;
    struct lg_hash hash;
    int64_t height;
    sg_ms clock, time, inc;
    sg_minute slot;
    struct sim_named base; /* ASK_IS: for base_for */
    sg_minute base_for, tip_slot;
    bool ready, more;
    unsigned n;
    /* n of each; a message has as many of these arrays as its kind needs, from the first on */
    struct sim_doc *docs[SIM_BATCH];
    int codes[SIM_BATCH];
    struct lg_hash hashes[SIM_BATCH];
    int64_t heights[SIM_BATCH];
    struct lg_statement_ref refs_of[SIM_BATCH];
};
struct sim_msg *sim_msg_new(enum sim_msg_kind kind, unsigned from, unsigned to);
void sim_msg_drop(struct sim_msg *m);

#endif
