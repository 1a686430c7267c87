/* Giving up side blocks beyond the bound.
 *
 * Invariants: nothing is given up inside of a transaction of anything else, and nothing that a part of the engine holds on to: base and ends
 * of base.c with all below them. What only remembers (offered bytes, overlays) is told, or does not mind: an overlay is looked up by a
 * block of the tree, and says the same of it whenever that comes. Refuses nothing. */
#include "ledger/core/side.h"

#include <string.h>

#include "ledger/core/pow_engine.h"

/* One transaction: so many blocks, or as many as hold so many bytes. */
#define TRIM_BLOCKS 64
#define TRIM_BYTES  (INT64_C(4) << 20)

struct keeping {
    const struct lg_engine *e;
    const struct lg_hash *newest;
};

static bool keep(void *arg, const struct lg_hash *hash)
{
    const struct keeping *k = arg;
    const struct lg_bases *bases = &k->e->base;
    bool wanted = (k->newest != NULL && lg_hash_eq(hash, k->newest)) || lg_hash_eq(hash, &bases->base.hash);
    for (unsigned i = 0; i < bases->n && !wanted; i++) {
        wanted = lg_hash_eq(hash, &bases->ends[i].info.hash);
    }
    for (unsigned i = 0; i < LG_SIDE_PEERS && !wanted; i++) {
        wanted = lg_hash_eq(hash, &k->e->side.grown[i]);
    }
    return wanted;
}

static int64_t bound(const struct lg_engine *e)
{
    return e->config.max_side_bytes > 0 ? e->config.max_side_bytes : LG_SIDE_MAX_BYTES;
}

bool lg_side_is_over(const struct lg_engine *e)
{
    return e->side.more && !e->side.stuck && e->side.bytes > bound(e);
}

/* In one transaction. *n: blocks given up; 0: none may be. */
static int give_up(struct lg_engine *e, struct keeping *k, unsigned *n)
{
    const struct lg_store *store = e->store;
    const int64_t before = e->side.bytes;
    int err = store->begin(store->ctx);
    if (err != 0) {
        return err;
    }
    int64_t left = before;
    for (*n = 0; *n < TRIM_BLOCKS && left > bound(e) && before - left < TRIM_BYTES && err == 0;) {
        struct lg_hash hash;
        err = store->side_next(store->ctx, &hash, keep, k);
        if (err == SG_ENOT_FOUND) {
            break;
        }
        if (err == 0) {
            err = store->drop_block(store->ctx, &hash);
        }
        if (err == 0) {
            err = store->side_bytes(store->ctx, &left);
        }
        *n += err == 0;
    }
    if (*n == 0 || (err != 0 && err != SG_ENOT_FOUND)) {
        store->rollback(store->ctx);
        return err == SG_ENOT_FOUND ? 0 : err;
    }
    err = store->commit(store->ctx);
    e->side.bytes = err == 0 ? left : before;
    return err;
}

int lg_side_trim(struct lg_engine *e, const struct lg_hash *newest)
{
    struct keeping k = {e, newest};
    unsigned n = 0;
    if (!e->side.more) {
        return 0;
    }
    int err = e->store->side_bytes(e->store->ctx, &e->side.bytes);
    if (err == 0 && e->side.bytes > bound(e)) {
        err = give_up(e, &k, &n);
    }
    if (err != 0) {
        return err;
    }
    e->side.more = e->side.bytes > bound(e);
    e->side.stuck = n == 0;
    e->side.given_up += n;
    if (n > 0) {
        lg_seen_clear(&e->offered);
    }
    return 0;
}

/* Not more than LG_SIDE_BEHIND votes behind the best branch, as high as both are? */
static int is_near(const struct lg_engine *e, bool *near, const struct lg_block_info *info)
{
    struct lg_block_info at = e->tree.tip;
    int err = 0;
    if (info->height < at.height) {
        err = e->store->block_at(e->store->ctx, &at, info->height);
    }
    *near = err == 0 && info->weight_sum + LG_SIDE_BEHIND >= at.weight_sum;
    return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
}

int lg_side_added(struct lg_engine *e, const struct lg_block_info *info, const struct lg_block_info *old,
    bool is_tip, int from)
{
    bool near = false;
    int err = 0;
    if (is_tip && lg_hash_eq(&info->prev, &old->hash)) {
        return 0; /* the rule: no block has become a side block */
    }
    if (!is_tip) {
        err = is_near(e, &near, info);
    }
    if (err != 0) {
        return err;
    }
    if (near && from >= 0 && from < LG_SIDE_PEERS) {
        e->side.grown[from] = info->hash;
    }
    e->side.more = true;
    return lg_side_trim(e, near ? &info->hash : NULL);
}
