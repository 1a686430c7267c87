/* One consensus engine behind function pointers: the node, its store, REST and tools run on any.
 *
 * An engine is a pure state machine on the chain thread: documents, blocks, found nonces and the time come in; store
 * transactions and calls to its host go out. It keeps no clock; it says when it wants to be woken. The embedded engine is
 * lg_engine_pow (ledger/core/pow_engine.c, rules: section "Consensus" of docs/wire-format.md).
 *
 * Host calls are made after the store transaction that justifies them has been committed, never inside one, and
 * must not call back into the engine. */
#ifndef LG_ENGINE_H
#define LG_ENGINE_H

#include "ledger/core/store.h"

struct lg_engine;

/* A proof-of-work job: find nonce so that the header meets bits. */
struct lg_job {
    uint64_t id;
    struct lg_header header; /* all but nonce; miner unset, miner_kid set */
};

enum lg_event_kind { LG_EVENT_BLOCK, LG_EVENT_REORG, LG_EVENT_ALARM };

struct lg_statement_name {
    lg_kid gw;
    sg_ms inc;
    int64_t seq;
    struct lg_hash leaf;
};

/* Borrowed for the call. */
struct lg_event_msg {
    enum lg_event_kind kind;
    struct lg_block_info tip;     /* the new best block (BLOCK, REORG) */
    const struct lg_block *block; /* its document (BLOCK, REORG); NULL: it cannot be read now */
    struct lg_block_info old;     /* the best block before (BLOCK, REORG) */
    int64_t added;  /* blocks put on, this one the last: several when a node catches up (BLOCK, REORG) */
    int64_t depth;  /* REORG: blocks taken off */
    int64_t common; /* height of the newest block of both branches; 0: the genesis (BLOCK, REORG) */
    const struct lg_statement_name *returned; /* REORG: taken off, and in the pool now */
    size_t nreturned;
    bool returned_cut; /* more came back than are named */
    const char *alarm; /* static name of the alarm */
};

/* Whom an offer is from that no peer gave when it was asked: a gateway, or anybody else who says nothing; some node that passes it on. */
#define LG_FROM_OUTSIDE (-1)
#define LG_FROM_NODE    (-2)

struct lg_host {
    void *ctx;
    /* Work on this job instead of any other; the result comes back through solved(). */
    void (*work)(void *ctx, const struct lg_job *job);
    void (*work_stop)(void *ctx);
    /* A newly valid block that became the tip, or a rival whose branch weighs as much as the best one: tell the peers, except
     * `from`. Lighter ones change no decision anywhere and are not told. */
    void (*announce_block)(void *ctx, const struct lg_block *b, int from);
    /* Statements newly pooled, with the bodies that came with them: pass on to the peers, except `from` (as of offer_statements). Early ones follow when they are
     * due. Borrowed for the call. */
    void (*announce_statements)(void *ctx, struct lg_statement *const *s, unsigned n,
        struct lg_body *const *bodies, unsigned nb, int from);
    /* A block is wanted, the first unknown ancestor of an orphan, that peer `from` (-1: nobody in particular) should have. */
    void (*want_block)(void *ctx, const struct lg_hash *hash, int from);
    void (*event)(void *ctx, const struct lg_event_msg *e);
    /* Sign as the node's gateway (mining). */
    int (*sign)(void *ctx, uint8_t sig[static SG_SIGNATURE_BYTES], const void *msg, size_t len);
};

struct lg_engine_config {
    const struct lg_genesis *genesis; /* borrowed */
    const struct sg_crypto *crypto;
    const struct lg_store *store; /* borrowed */
    const struct lg_host *host;   /* borrowed */
    bool has_key;
    lg_kid kid; /* of the node; mines when the genesis lets it */
    /* 0: 64 MiB. Half of it is shared, half is reserved in equal parts for the gateways; beyond it new statements are rejected with
     * SG_EOVERLOADED. What a restart or a reorganisation brings back beyond it stays on disk until there is room. */
    uint64_t max_pool_bytes;
    /* Of each of four tables of what was found out about a hash: a power of two; 0: 8192. Fewer forget more: it is found out again, and what was held longest counts as held from now on. */
    size_t seen_slots;
    /* Of the hash tables: random and secret, new at each start, or who offers documents can choose them so that they share a slot. What the engine does
     * does not depend on it. */
    uint64_t seed;
    /* 0: 256 MiB. Side blocks beyond it are given up again: ledger/core/side.h. */
    int64_t max_side_bytes;
};

/* Answer to an offer of statements, by index. */
struct lg_offer {
    unsigned accepted, known, nrejected, nstatements;
    struct lg_offer_reject {
        unsigned
            index; /* of the statement; bodies that fail make the statements that read them fail with their code */
        int err;
    } * rejected; /* lg_offer_fini frees */
};
void lg_offer_fini(struct lg_offer *o);

enum lg_block_verdict { LG_BLOCK_ACCEPTED, LG_BLOCK_KNOWN, LG_BLOCK_ORPHAN };

/* One of several blocks that are offered in one go. */
struct lg_block_offer {
    /* Decoded by the caller, who may have checked what needs no branch (lg_block_precheck, with the engine's genesis). The engine's from
     * the call on, which sets it to NULL. NULL before the call: err is left as it is. */
    struct lg_block *b;
    int from;                      /* peer number, -1 for others */
    int err;                       /* as of offer_block */
    enum lg_block_verdict verdict; /* when err is 0 */
};

struct lg_engine_state {
    struct lg_block_info tip; /* genesis info when the chain is empty */
    /* When has_base: what is extended for slot, the newest closed minute at the last operation, and what its statements name. */
    bool has_base;
    sg_minute slot;
    struct lg_block_info base;
    unsigned pool_statements, pool_bodies;
    size_t pool_bytes;
    unsigned orphans, held; /* held: early blocks that wait for their time */
    bool mining;
    uint64_t reorgs, deepest_reorg;
    int64_t side_bytes;     /* of blocks that are not on the best branch, when that was last looked at */
    uint64_t side_given_up; /* such blocks, since the start */
};

struct lg_engine_ops {
    const char *name; /* "pow" in /v1/status */
    /* Loads the pool and the tip from the store; costs the same at any height. Errors of the store. */
    int (*open)(struct lg_engine **out, const struct lg_engine_config *config);
    void (*close)(struct lg_engine *e);
    /* A statement early by at most max_future_ms is accepted, that is on disk, but neither mined nor passed on before it is due.
     * {"bodies":[…],"statements":[…]}: 0 with *offer filled (every accepted document is on disk), or SG_ECANONICAL/SG_ESHAPE for the
     * whole, or an error of the store. from: peer number, LG_FROM_OUTSIDE, LG_FROM_NODE. */
    int (*offer_statements)(
        struct lg_engine *e, struct lg_offer *offer, const uint8_t *doc, size_t len, sg_ms now_ms, int from);
    /* 0 with a verdict, or the rule's code (see lg_block_check), SG_EFUTURE (more than max_future_ms early; offer it again), or a store error.
     * A block early by less is held and judged when due (verdict ACCEPTED means: kept). */
    int (*offer_block)(struct lg_engine *e, enum lg_block_verdict *verdict, const uint8_t *doc, size_t len,
        sg_ms now_ms, int from);
    /* The same for blocks in order. Those in a row that extend the best branch share one transaction, a few MiB at most; of many the
     * host is told of the newest one only, and peers ask for what lies below. Every result is written after what it says is on disk. 0, or the error of the store
     * that ended it, which then is the result of all that are not known to be on disk: what memory had taken of them is undone. */
    int (*offer_blocks)(struct lg_engine *e, struct lg_block_offer *offers, unsigned n, sg_ms now_ms);
    /* A nonce for job id; ignored when the job is no longer wanted. */
    int (*solved)(struct lg_engine *e, uint64_t job_id, int64_t nonce, sg_ms now_ms);
    /* The next instant at which tick has something to do; INT64_MAX for none; 0 after open: tick tells the engine the time. */
    sg_ms (*wake_at)(const struct lg_engine *e);
    int (*tick)(struct lg_engine *e, sg_ms now_ms);
    void (*state)(const struct lg_engine *e, struct lg_engine_state *out);
    /* Mining is allowed after open. A node that knows itself to be behind its peers may forbid it, so that it does not mine on a stale tip;
     * takes effect with the next operation (call tick). */
    void (*allow_mining)(struct lg_engine *e, bool allowed);
    /* What was damaged in the store has been put right. Verdicts may have come of it: blocks that were found to be invalid are judged again
     * when they are offered again, and nothing is kept that was read before. Errors of the store. */
    int (*repaired)(struct lg_engine *e, sg_ms now_ms);
};

extern const struct lg_engine_ops lg_engine_pow;

#endif
