/* The durable memory of a node, as its engine sees it: a vtable, so that the same engine runs on SQLite
 * (ledger/store.c), in tests and in the simulator.
 *
 * Reading calls see everything written before them, uncommitted writes of the running transaction included.
 * Writing calls are legal only between begin and commit/rollback. commit returns 0 only after the bytes are on disk
 * (fsync); after any other result the engine must take nothing for done. SG_EIO and SG_ECORRUPT from commit are final: the node
 * stops. SG_ENOSPC rolls back and may be tried again later.
 *
 * A statement or body is in exactly one state: pooled (mineable), on the best branch at a height, or overtaken (readable, never mined).
 * Documents of side-branch blocks are kept with their block and are in no state of their own until connected.
 * A side block is one that is not on the best branch. Its bytes are those of its header and of its documents; they are counted for its miner.
 * Thread: one owner (the chain thread). */
#ifndef LG_STORE_H
#define LG_STORE_H

#include "ledger/core/validity.h"

enum lg_doc_state { LG_DOC_NONE, LG_DOC_POOLED, LG_DOC_MINED, LG_DOC_OVERTAKEN, LG_DOC_SIDE };

struct lg_store {
    void *ctx;

    /* ---- the tree of valid blocks ---- */
    /* SG_ENOT_FOUND when no block has been adopted yet. */
    int (*tip)(void *ctx, struct lg_block_info *out);
    /* Any valid block, best branch or not; *best says which. */
    int (*block_info)(void *ctx, struct lg_block_info *out, bool *best, const struct lg_hash *hash);
    /* On the best branch. */
    int (*block_at)(void *ctx, struct lg_block_info *out, int64_t height);
    /* Canonical bytes of a whole block, appended to out. */
    int (*block_bytes)(void *ctx, struct sg_buf *out, const struct lg_hash *hash);
    /* Hashes of valid children of a block (or of the chain id), at most max of them, first that on the best branch; *n: how many these are. No more
     * are looked at, so it costs the same however many there are. */
    int (*children)(void *ctx, struct lg_hash *out, unsigned max, unsigned *n, const struct lg_hash *prev);

    /* ---- the best branch up to and including a height (as of an ancestor of a fork) ---- */
    int (*last_statement)(void *ctx, struct lg_statement_ref *out, lg_kid gw, int64_t max_height);
    int (*body_at)(void *ctx, struct lg_body_ref *out, const struct lg_hash *digest, int64_t max_height);

    /* ---- single documents ---- */
    int (*statement_state)(void *ctx, enum lg_doc_state *out, int64_t *height, const struct lg_hash *leaf);
    int (*statement_doc)(void *ctx, struct sg_buf *out, const struct lg_hash *leaf);
    int (*body_state)(void *ctx, enum lg_doc_state *out, int64_t *height, const struct lg_hash *digest);
    int (*body_doc)(void *ctx, struct sg_buf *out, const struct lg_hash *digest);
    /* A statement with this (gw, inc, seq) held in any state (evidence included): its leaf and its count of variants. */
    int (*statement_at)(
        void *ctx, struct lg_hash *leaf, unsigned *variants, lg_kid gw, sg_ms inc, int64_t seq);
    /* Every pooled document, for the start: bodies first, then statements by (gw, inc, seq). fn's non-zero result ends it. */
    int (*pool_each)(
        void *ctx, int (*fn)(void *arg, bool is_body, const uint8_t *doc, size_t len), void *arg);

    /* ---- side blocks ---- */
    /* Bytes of all of them; costs the same however many there are. */
    int (*side_bytes)(void *ctx, int64_t *bytes);
    /* The one to be given up first, of those without children that keep does not want: of the miner whose side blocks have most bytes (then
     * the next one's) the one with the smallest sum of weights, then the oldest. SG_ENOT_FOUND: none. keep must not call the store. */
    int (*side_next)(
        void *ctx, struct lg_hash *out, bool (*keep)(void *arg, const struct lg_hash *hash), void *arg);

    /* ---- writing ---- */
    int (*begin)(void *ctx);
    int (*commit)(void *ctx);
    void (*rollback)(void *ctx);
    /* A fully validated block with its documents. info as computed by lg_block_info_of. */
    int (*put_block)(void *ctx, const struct lg_block *b, const struct lg_block_info *info);
    /* Append a stored block to the best branch (its prev is the tip): its documents become mined, derived tables (reads, gaps, gateways'
     * last statements, the paper's view) follow. */
    int (*connect)(void *ctx, const struct lg_block *b, const struct lg_block_info *info);
    /* put_block and connect in one: for a block that extends the tip, which most do. */
    int (*append)(void *ctx, const struct lg_block *b, const struct lg_block_info *info);
    /* Take the tip off: its bodies go back to pooled, and its statements unless they were overtaken. */
    int (*disconnect)(void *ctx, const struct lg_block *b, const struct lg_block_info *info);
    /* Give up a side block without children, with those of its documents that nothing else here needs: not in another stored block, not pooled or
     * overtaken, in no pair of evidence, and named by nothing that the comparison of reads (below) remembers. As if it had never been put,
     * but for that. SG_EINVAL: on the best branch, with children, or not here. */
    int (*drop_block)(void *ctx, const struct lg_hash *hash);
    /* Into the pool; 0 also when it is there already in any state but NONE/SIDE/OVERTAKEN (nothing changes then). */
    int (*put_statement)(void *ctx, const struct lg_statement *s);
    int (*put_body)(void *ctx, const struct lg_body *b);
    /* put_block, append and put_statement also compare each read with the first one of its (relay, minute) in any statement put here before: the
     * first two statements that name a certain other digest stay on record, whatever becomes of either. At most 64 such pairs of
     * an ordered pair of gateways (then 0, not on record). */
    /* Out of the pool, readable for ever. */
    int (*overtake_statement)(void *ctx, const struct lg_hash *leaf);
    int (*overtake_body)(void *ctx, const struct lg_hash *digest);
    /* The second of two statements with one (gw, inc, seq): kept and served, never mined. At most 64 pairs a gateway (then 0, not kept). */
    int (*put_evidence)(void *ctx, const struct lg_statement *s);
};

#endif
