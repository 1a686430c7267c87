/* Several blocks in one go, as a page of a peer brings them: those in a row that extend the best branch share a transaction, for a
 * sync to the disk costs as much as judging several of them.
 *
 *   open  -> open:      a block that extends the tip is written, memory follows
 *   open  -> committed: the transaction is full, the offer ends, or a block comes that does not extend the tip
 *   open  -> undone:    an error of the store: memory is what the disk is
 *
 * Invariants: the host is told, and a result given, only of what has been committed; a block that does not extend the tip never shares a
 * transaction, so a reorganisation is one of its own.
 * Undoing needs no reading: the tip is remembered, the pool is loaded again before the next operation looks at it, and what was only
 * remembered for speed is forgotten. Verdicts on invalid blocks stay: they follow from the block and its ancestors' hashes (unless these were
 * damaged here: lg_engine_ops.repaired). */
#include "ledger/core/pow_engine.h"

#include <assert.h>

/* A transaction of so much is closed: the store keeps its changed pages in memory. */
#define MAX_BYTES (UINT64_C(4) << 20)

static void undo(struct lg_engine *e)
{
    e->batch.n = 0;
    e->tree.tip = e->batch.before;
    lg_tree_forget(&e->tree);
    lg_seen_clear(&e->offered);
    e->pool_stale = true;
    lg_base_forget(e); /* it may have been one of them */
}

int lg_batch_write(struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *info, int from)
{
    struct lg_batch *batch = &e->batch;
    const struct lg_store *store = e->store;
    int err = batch->n == 0 ? store->begin(store->ctx) : 0;
    if (err != 0) {
        return err;
    }
    if (batch->n == 0) {
        batch->before = e->tree.tip;
        batch->bytes = 0;
    }
    batch->last[batch->n % LG_BATCH_TELL] = (struct lg_batch_last){info->hash, from};
    batch->n++; /* open from here on, whatever comes */
    err = store->append(store->ctx, b, info);
    if (err != 0) {
        return err;
    }
    batch->bytes += b->doc_len;
    lg_chain_follow(e, b, info, 0);
    return lg_base_added(e, b, info);
}

/* The n blocks, in order, or of many only the newest. They were decoded once and freed; they are few. */
static int announce(struct lg_engine *e, unsigned n)
{
    unsigned first = n > LG_BATCH_TELL ? n - 1 : 0;
    int err = 0;
    for (unsigned i = first; i < n && err == 0; i++) {
        const struct lg_batch_last *last = &e->batch.last[i % LG_BATCH_TELL];
        struct lg_block *b;
        err = lg_tree_block(&e->tree, &b, &last->hash);
        if (err == 0) {
            e->host->announce_block(e->host->ctx, b, last->from);
            lg_block_free(b);
        }
    }
    return err;
}

/* One event for all of them: it says how many they are. */
static int tell(struct lg_engine *e)
{
    struct lg_block *b;
    const struct lg_move move = {.common = e->batch.before.height};
    int err = lg_tree_block(&e->tree, &b, &e->tree.tip.hash);
    b = err == 0 ? b : NULL; /* a tip that cannot be read now is told all the same */
    lg_chain_tell(e, b, &e->batch.before, &move);
    lg_block_free(b);
    return err;
}

int lg_batch_flush(struct lg_engine *e)
{
    const struct lg_store *store = e->store;
    unsigned n = e->batch.n;
    if (n == 0) {
        return 0;
    }
    e->batch.n = 0;
    int err = store->commit(store->ctx);
    if (err != 0) {
        undo(e);
        return err;
    }
    err = announce(e, n);
    int told = tell(e);
    err = err == 0 ? told : err;
    if (err == 0 && e->pool_stale) {
        err = lg_engine_reload(e);
    }
    return err == 0 ? lg_pool_clean(e) : err;
}

static void give_up(struct lg_engine *e)
{
    if (e->batch.n > 0) {
        e->store->rollback(e->store->ctx);
        undo(e);
    }
}

static bool is_full(const struct lg_batch *batch)
{
    return batch->bytes >= MAX_BYTES;
}

int lg_batch_offer(struct lg_engine *e, struct lg_block_offer *offers, unsigned n)
{
    unsigned safe = 0; /* offers before this one are on disk, or have nothing to be there */
    int err = 0;
    assert(!e->batch.on && e->batch.n == 0);
    e->batch.on = true;
    for (unsigned i = 0; i < n && err == 0; i++) {
        struct lg_block *b = offers[i].b;
        if (b == NULL) {
            continue;
        }
        offers[i].b = NULL;
        offers[i].err = lg_chain_accept(e, &offers[i].verdict, b, offers[i].from);
        err = lg_is_store_error(offers[i].err) ? offers[i].err : is_full(&e->batch) ? lg_batch_flush(e) : 0;
        safe = err == 0 && e->batch.n == 0 ? i + 1 : safe;
    }
    if (err == 0) {
        err = lg_batch_flush(e);
    }
    give_up(e);
    e->batch.on = false;
    for (unsigned i = safe; err != 0 && i < n; i++) {
        offers[i].err = offers[i].b != NULL || !offers[i].err ? err : offers[i].err;
    }
    return err;
}
