/* An engine on a store in memory with a host that writes down what it is told. Faults end the test. */
#ifndef TEST_ENGINE_RIG_H
#define TEST_ENGINE_RIG_H

#include "ledger/core/engine.h"
#include "tests/lib/chain_maker.h"
#include "tests/lib/mem_store.h"

#define RIG_LOG  4096
#define RIG_SEED UINT64_C(0x7c5a0f1e93b2d846) /* of the engine's hash tables */

/* Something that the engine told its host. */
struct rig_note {
    enum rig_kind { RIG_BLOCK, RIG_STATEMENTS, RIG_WANT, RIG_EVENT, RIG_WORK, RIG_STOP } kind;
    int from;
    struct lg_hash hash; /* of the block; of the first statement; wanted */
    unsigned n, nb;      /* statements, bodies */
    struct lg_event_msg event;
    uint8_t *doc; /* the block, or the offer, for passing on */
    size_t len;
};

struct rig {
    struct maker *maker;
    struct mem_store *store;
    const struct lg_store *vtable; /* the engine's: of store, unless rig_move was called */
    struct lg_engine *engine;
    unsigned gw;            /* whose node; UINT_MAX: an observer */
    int64_t max_side_bytes; /* of the next engine; 0: the default */
    struct lg_host host;
    bool working;
    struct lg_job job;
    struct rig_note notes[RIG_LOG];
    unsigned nnotes;
    bool in_call; /* the host was called inside a store transaction: never */
};

/* maker is borrowed. A gateway's node, or an observer. On the heap: it is large. */
struct rig *rig_new(struct maker *m, unsigned gw);
void rig_free(struct rig *r);
/* Another engine on the same store, as after a restart. */
void rig_reopen(struct rig *r);
/* Another engine on another store (borrowed). */
void rig_move(struct rig *r, const struct lg_store *vtable);

/* A maker and an observer's rig on it, and the end of both. */
void rig_begin(struct maker *m, struct rig **r, struct maker_config c);
void rig_end(struct maker *m, struct rig *r);
/* The first ms after a slot. */
sg_ms end_of(sg_minute slot);

/* The engine's operations; results as they come. */
int rig_offer_block(struct rig *r, enum lg_block_verdict *verdict, const struct lg_block *b, sg_ms now);
/* The code of the first rejection, 0 when none was rejected, or the error of the whole. */
int rig_offer(struct rig *r, struct lg_offer *offer, const struct lg_statement *const *s, unsigned ns,
    const struct lg_body *const *b, unsigned nb, sg_ms now);
/* One statement and its bodies: 0 accepted, SG_EKNOWN, or its code. */
int rig_say(
    struct rig *r, const struct lg_statement *s, const struct lg_body *const *b, unsigned nb, sg_ms now);
int rig_tick(struct rig *r, sg_ms now);
sg_ms rig_wake(const struct rig *r);
/* Find the nonce of the job and hand it in. */
int rig_solve(struct rig *r, sg_ms now);
struct lg_engine_state rig_state(const struct rig *r);
bool rig_tip_is(const struct rig *r, const struct lg_hash *hash);

void rig_forget(struct rig *r);
unsigned rig_count(const struct rig *r, enum rig_kind kind);
/* The last note of a kind; NULL: none. */
const struct rig_note *rig_last(const struct rig *r, enum rig_kind kind);
/* The block at a height of the best branch; lg_block_free. */
struct lg_block *rig_block_at(struct rig *r, int64_t height);
enum lg_doc_state rig_statement_state(struct rig *r, const struct lg_statement *s);
enum lg_doc_state rig_body_state(struct rig *r, const struct lg_body *b);
bool block_has(const struct lg_block *b, const struct lg_statement *s);

#endif
