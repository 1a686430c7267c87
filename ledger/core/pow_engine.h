/* Inside of the embedded engine: its state, shared by chain.c, pool_accept.c, pool_clean.c and mine.c. Not for others.
 *
 * Order of every operation: what the store must hold is written and committed first, then memory follows, then the host is told. An
 * error of the store before the commit leaves memory as it was; when memory cannot follow a commit (no memory, a read error), the pool is
 * marked stale and is loaded again from the store before the next operation looks at it. */
#ifndef LG_POW_ENGINE_H
#define LG_POW_ENGINE_H

#include "ledger/core/base.h"
#include "ledger/core/engine.h"
#include "ledger/core/pool.h"
#include "ledger/core/side.h"
#include "ledger/core/tree.h"
#include "ledger/core/waiting.h"

/* What a job would become: the canonical documents of the block, copied, in block order. */
struct lg_draft {
    struct sg_buf docs;
    struct lg_slice *parts; /* statements, then bodies; into docs */
    unsigned nstatements, nbodies;
};

struct lg_miner {
    bool able;      /* has a key that the genesis lets mine */
    bool forbidden; /* by the node, while it is behind */
    bool mined;     /* a block of its own was made: on this parent in this slot */
    struct lg_hash mined_parent;
    sg_minute mined_slot;
    bool working;
    struct lg_job job;
    struct lg_draft draft;
    uint64_t last_id;
    sg_ms wake; /* INT64_MAX: nothing to wait for */
    bool
        decided; /* what was decided at decided_at in decided_slot stands: nothing has changed since but the time */
    sg_ms decided_at;
    sg_minute decided_slot;
    /* Bytes of a block without documents, of this height and slot; 0: not known. */
    uint64_t empty_size;
    int64_t empty_height;
    sg_minute empty_slot;
};

/* A transaction of more blocks than these announces only its newest one: whoever follows a node that is catching up asks for the others. */
#define LG_BATCH_TELL 8

/* Blocks in a row that extend the best branch and share one transaction. Memory has followed them; the host has not been told, and
 * `before` is where memory goes back to when they cannot be committed. */
struct lg_batch {
    bool on;    /* an offer of several blocks is under way */
    unsigned n; /* blocks in the open transaction; 0: none is open */
    uint64_t bytes;
    struct lg_block_info before; /* the tip on disk */
    struct lg_batch_last {
        struct lg_hash hash;
        int from;
    } last[LG_BATCH_TELL]; /* a ring, by number modulo its length */
};

struct lg_engine {
    struct lg_engine_config config;
    const struct lg_genesis *genesis;
    const struct lg_store *store;
    const struct lg_host *host;
    struct lg_rules rules;
    struct lg_seen verified; /* leaves of statements whose signature is good */
    struct lg_seen
        invalid; /* headers of which no copy can be valid, with their code; until something was repaired */
    struct lg_seen
        held_since; /* leaves of statements in blocks -> minute: they count as held since then when they come back */
    struct lg_seen offered; /* SHA-256 of blocks, as offered, that stand in the tree */
    struct lg_tree tree;
    struct lg_pool pool;
    bool pool_stale;
    struct lg_waiting orphans, held;
    struct lg_batch batch;
    struct lg_bases base;
    struct lg_sides side;
    struct lg_miner mine;
    sg_ms now;
    uint64_t reorgs, deepest_reorg;
};

/* ---- pow_engine.c ---- */
/* Begin of an operation: the time, and a pool that mirrors the store. Errors of the store. */
SG_MUST_USE int lg_engine_enter(struct lg_engine *e, sg_ms now_ms);
/* Load the pool again; on failure it stays stale. */
SG_MUST_USE int lg_engine_reload(struct lg_engine *e);
/* Before b goes into the tree: its statements have been held since they were pooled, or else from now on. */
void lg_engine_note_held(struct lg_engine *e, const struct lg_block *b);
void lg_engine_alarm(struct lg_engine *e, const char *name);

/* ---- reorg.c ---- */
/* What a change of the best branch did. {0} to begin with. */
struct lg_move {
    int64_t depth, common;           /* blocks taken off; height of the last common one */
    struct lg_statement_name *names; /* of statements taken off, then of those that are pooled now */
    size_t n, cap;
    bool cut; /* there were more */
};
/* The best branch becomes the one that ends in b, which is stored with it. Inside the caller's transaction. Errors of the store. */
SG_MUST_USE int lg_move_tip(
    struct lg_engine *e, struct lg_move *m, const struct lg_block *b, const struct lg_block_info *info);
/* After the commit: keep the names of those that wait in the pool now. Errors of the store. */
SG_MUST_USE int lg_move_returned(struct lg_engine *e, struct lg_move *m);
void lg_move_fini(struct lg_move *m);

/* ---- chain.c ---- */
/* Judge a block and everything that waited for it. Takes b. Results as lg_engine_ops.offer_block. */
SG_MUST_USE int lg_chain_accept(
    struct lg_engine *e, enum lg_block_verdict *verdict, struct lg_block *b_take, int from);
/* Memory follows a block that has become the tip, depth blocks having been taken off. */
void lg_chain_follow(
    struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *info, int64_t depth);
/* Tell the host of the new tip, which is the tree's: b is its document, old the tip before the move. */
void lg_chain_tell(struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *old,
    const struct lg_move *move);

/* Judge the held ones whose time has come. Errors of the store. */
SG_MUST_USE int lg_chain_due(struct lg_engine *e);

/* ---- chain_batch.c ---- */
/* As lg_engine_ops.offer_blocks, without the decision about mining. */
SG_MUST_USE int lg_batch_offer(struct lg_engine *e, struct lg_block_offer *offers, unsigned n);
/* Write a block that extends the tip, while a batch is on; memory follows at once. Errors of the store: the batch is to be undone. */
SG_MUST_USE int lg_batch_write(
    struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *info, int from);
/* Commit what is open, and tell the host. Errors of the store: memory is as it was before the batch. */
SG_MUST_USE int lg_batch_flush(struct lg_engine *e);

/* ---- pool_accept.c ---- */
SG_MUST_USE int lg_pool_accept(
    struct lg_engine *e, struct lg_offer *offer, const uint8_t *doc, size_t len, int from);
/* Pass on the early ones whose time has come; the earliest that has not (INT64_MAX: none). */
SG_MUST_USE int lg_pool_due(struct lg_engine *e);
sg_ms lg_pool_next_due(const struct lg_engine *e);
/* Take out what was overtaken confirm_depth deep, with bodies that nothing pooled reads. Errors of the store. */
SG_MUST_USE int lg_pool_clean(struct lg_engine *e);

/* ---- mine.c ---- */
/* Decide again: work, go on, stop; and when to look next. Errors of the store. */
SG_MUST_USE int lg_mine_decide(struct lg_engine *e);
SG_MUST_USE int lg_mine_solved(struct lg_engine *e, uint64_t job_id, int64_t nonce);
void lg_mine_fini(struct lg_engine *e);

static inline bool lg_is_store_error(int err)
{
    return err == SG_EIO || err == SG_ECORRUPT || err == SG_ENOMEM || err == SG_ENOSPC;
}

#endif
