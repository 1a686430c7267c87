/* Blocks: what becomes of each one that is offered.
 *
 *   offered -> known | invalid | orphan (parent unknown) | held (early) | valid
 *   orphan  -> judged when its parent has become valid; refused when its parent is invalid
 *   held    -> judged when its time has come
 *   valid   -> stored; on the best branch when lg_branch_cmp says so, with a reorganisation if need be
 *
 * Invariants: nothing is stored, adopted or announced before lg_block_check has passed it in full on its own parent; a block and all that
 * its adoption moves (off and on the best branch, in and out of the pool) is one store transaction, which others that extend the best branch
 * may share (chain_batch.c); but for those, memory follows after the commit. Followers of a block are judged in a loop, one transaction each, never by recursion.
 * Refuses: a block whose own fault, or whose parent's, was found before (bounded memory, never for `future`). */
#include "ledger/core/pow_engine.h"

#include <assert.h>
#include <stdlib.h>

/* Faults that the header proves, or that the header commits to because the root has been checked before. The others
 * (size, signature, empty, order, root, shape) are of one copy: another one with the same header may be valid. */
static bool is_of_header(int err)
{
    switch (err) {
    case SG_ECHAIN:
    case SG_EHEIGHT:
    case SG_EPREV:
    case SG_EBITS:
    case SG_ESLOT:
    case SG_ETIME:
    case SG_EMINER:
    case SG_EWORK:
    case SG_EWEIGHT:
    case SG_EDUPLICATE_BODY:
    case SG_EUNKNOWN_GATEWAY:
    case SG_ESTATEMENT_SIGNATURE:
    case SG_ESTATEMENT_CHAIN:
    case SG_ESTATEMENT_SLOT:
    case SG_ERELAY:
    case SG_EREADER:
    case SG_EMINUTE:
    case SG_EMISSING_BODY:
    case SG_EREAD_MISMATCH:
    case SG_EUNREAD_BODY:
    case SG_EBODY:
    case SG_EAGGREGATE:
        return true;
    default:
        return false;
    }
}

static sg_ms slot_end(sg_minute slot)
{
    return (slot + 1) * SG_MINUTE_MS;
}

/* The first instant at which nothing in b is early. */
static sg_ms due_of(const struct lg_block *b)
{
    sg_ms due = b->header.time;
    if (slot_end(b->header.slot) > due) {
        due = slot_end(b->header.slot);
    }
    for (unsigned i = 0; i < b->nstatements; i++) {
        const struct lg_statement *s = b->statements[i];
        sg_ms t = s->ts > slot_end(s->slot) ? s->ts : slot_end(s->slot);
        due = t > due ? t : due;
    }
    return due;
}

/* Early: keep it until it is due, when that is near, there is room, and it has the documents that its header names: a copy without them
 * would stand in the way of the good one. Takes b on success only. */
static int hold(struct lg_engine *e, struct lg_block *b, int from)
{
    sg_ms due = due_of(b);
    assert(due > e->now);
    if (due - e->now > e->genesis->policy.max_future_ms || !lg_waiting_has_room(&e->held, b, from)) {
        return SG_EFUTURE;
    }
    int err = lg_block_check_lists(b);
    if (err != 0) {
        return err == SG_ENOMEM ? err : SG_EFUTURE;
    }
    lg_waiting_put(&e->held, b, from, due);
    return 0;
}

/* What no parent can change: checked on a parent that fits, so that nobody fills the memory of orphans for free, and no copy with other
 * documents than the header names stands in the way of the good one. */
static int check_orphan(struct lg_engine *e, const struct lg_block *b)
{
    struct lg_block_info parent;
    if (b->header.height <=
        1) { /* only the genesis lies below height 1, and it is known: prev, or what comes before it */
        lg_block_info_genesis(&parent, e->genesis);
        int err = lg_block_check_header(&e->rules, b, &parent, e->now);
        return err != 0 ? err : SG_EPREV;
    }
    parent = (struct lg_block_info){.hash = b->header.prev,
        .height = b->header.height - 1,
        .slot = b->header.slot - 1,
        .time = b->header.time - 1};
    int err = lg_block_check_header(&e->rules, b, &parent, e->now);
    if (err == SG_EFUTURE && due_of(b) - e->now <= e->genesis->policy.max_future_ms) {
        err = 0;
    }
    return err == 0 ? lg_block_check_lists(b) : err;
}

/* Ask for the first unknown ancestor of an orphan, unless it is here and only early. SG_EORPHAN, or an error of the store. */
static int want_missing(struct lg_engine *e, const struct lg_hash *orphan, int from)
{
    int err = lg_batch_flush(e); /* the host is called outside of transactions */
    if (err != 0) {
        return err;
    }
    struct lg_hash missing = lg_waiting_missing(&e->orphans, orphan);
    if (lg_waiting_find(&e->held, &missing) == NULL) {
        e->host->want_block(e->host->ctx, &missing, from);
    }
    return SG_EORPHAN;
}

static int keep_orphan(struct lg_engine *e, bool *kept, struct lg_block *b, int from)
{
    struct lg_hash hash = b->hash;
    int err = check_orphan(e, b);
    if (err != 0) {
        return err;
    }
    lg_waiting_put(&e->orphans, b, from, 0);
    *kept = true;
    return want_missing(e, &hash, from);
}

/* ---- adoption ---- */

/* move: the best branch follows; NULL: it stays. */
static int write_block(
    struct lg_engine *e, struct lg_move *move, const struct lg_block *b, const struct lg_block_info *info)
{
    const struct lg_store *store = e->store;
    int err = store->begin(store->ctx);
    if (err != 0) {
        return err;
    }
    err = move == NULL ? store->put_block(store->ctx, b, info) : lg_move_tip(e, move, b, info);
    if (err == 0) {
        return store->commit(store->ctx);
    }
    store->rollback(store->ctx);
    return err;
}

/* The commit has been made: memory follows. */
void lg_chain_follow(
    struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *info, int64_t depth)
{
    e->tree.tip = *info;
    if (depth > 0) {
        e->reorgs++;
        e->deepest_reorg = (uint64_t)depth > e->deepest_reorg ? (uint64_t)depth : e->deepest_reorg;
        lg_tree_forget(&e->tree);
        e->pool_stale = true;
        return;
    }
    for (unsigned i = 0; i < b->nstatements; i++) {
        lg_pool_drop_statement(&e->pool, &b->statements[i]->leaf);
    }
    for (unsigned i = 0; i < b->nbodies; i++) {
        lg_pool_drop_body(&e->pool, &b->bodies[i]->digest);
    }
    e->pool_stale = e->pool_stale || (e->pool.spilled && e->pool.cost < e->pool.max_cost / 2);
}

void lg_chain_tell(struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *old,
    const struct lg_move *move)
{
    struct lg_event_msg msg = {.kind = move->depth > 0 ? LG_EVENT_REORG : LG_EVENT_BLOCK,
        .tip = e->tree.tip,
        .block = b,
        .old = *old,
        .added = e->tree.tip.height - old->height + move->depth,
        .depth = move->depth,
        .common = move->common,
        .returned = move->names,
        .nreturned = move->n,
        .returned_cut = move->cut};
    e->host->event(e->host->ctx, &msg);
    if (move->depth >= e->genesis->policy.confirm_depth) {
        lg_engine_alarm(e, "deep_reorg");
    }
}

/* On the best branch. *later: what went wrong after the commit; 0 all the same, for the move is on disk. */
static int adopt_best(struct lg_engine *e, int *later, const struct lg_block *b,
    const struct lg_block_info *info, const struct lg_block_info *old, int from)
{
    struct lg_move move = {0};
    int err = write_block(e, &move, b, info);
    if (err == 0) {
        lg_chain_follow(e, b, info, move.depth);
        e->host->announce_block(e->host->ctx, b, from);
        *later = lg_move_returned(e, &move);
        lg_chain_tell(e, b, old, &move);
    }
    lg_move_fini(&move);
    return err;
}

/* A valid block goes into the tree, and on the best branch when it is better. Told to the peers when it is the tip, or a
 * rival that weighs as much: a lighter one changes nothing anywhere. */
static int adopt(struct lg_engine *e, const struct lg_block *b, const struct lg_block_info *parent, int from)
{
    struct lg_block_info info, old = e->tree.tip;
    int cmp = -1, later = 0;
    lg_block_info_of(&info, b, parent);
    lg_engine_note_held(e, b);
    if (e->batch.on && lg_hash_eq(&info.prev, &old.hash)) {
        return lg_batch_write(e, b, &info, from);
    }
    int err = lg_batch_flush(e);
    if (err == 0 && !lg_hash_eq(&info.prev, &old.hash)) {
        err = lg_tree_cmp(&e->tree, &cmp, &info, &old);
    }
    if (err == 0) {
        err = cmp < 0 ? adopt_best(e, &later, b, &info, &old, from) : write_block(e, NULL, b, &info);
    }
    if (err != 0) {
        return err;
    }
    if (cmp >= 0 && info.weight_sum >= old.weight_sum) {
        e->host->announce_block(e->host->ctx, b, from);
    }
    err = lg_base_added(e, b, &info);
    if (err == 0) {
        err = lg_side_added(e, &info, &old, cmp < 0, from);
    }
    err = err == 0 ? later : err;
    if (err == 0 && e->pool_stale) {
        err = lg_engine_reload(e);
    }
    return err == 0 && cmp < 0 ? lg_pool_clean(e) : err;
}

/* ---- judging ---- */

static int remember_invalid(struct lg_engine *e, const struct lg_block *b, int err)
{
    if (is_of_header(err)) {
        lg_seen_put(&e->invalid, &b->hash, err);
    }
    return err;
}

/* Judge b on a known parent. Keeps *b (sets it to NULL) when it is held. 0: valid and in the tree. */
static int judge(struct lg_engine *e, struct lg_block **b, const struct lg_block_info *parent, int from)
{
    struct lg_branch branch;
    int err = lg_tree_branch(&e->tree, &branch, parent);
    if (err != 0) {
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    }
    err = lg_block_check(&e->rules, *b, parent, &branch.view, e->now);
    if (err == SG_EFUTURE) {
        err = hold(e, *b, from);
        if (err == 0) {
            *b = NULL;
            return SG_EAGAIN;
        }
        return err;
    }
    return err == 0 ? adopt(e, *b, parent, from) : remember_invalid(e, *b, err);
}

/* One block. 0 valid; SG_EKNOWN, SG_EORPHAN, SG_EAGAIN (held); else a rule's code or an error of the store. Takes b. */
static int take(struct lg_engine *e, struct lg_block *b, int from)
{
    struct lg_block_info info;
    bool best;
    int err = lg_tree_info(&e->tree, &info, &best, &b->hash);
    if (err == 0 || lg_waiting_find(&e->held, &b->hash) != NULL) {
        lg_block_free(b);
        return SG_EKNOWN;
    }
    if (err != SG_ENOT_FOUND) {
        lg_block_free(b);
        return err;
    }
    if (lg_waiting_find(&e->orphans, &b->hash) != NULL) {
        err = want_missing(e, &b->hash, from);
        lg_block_free(b);
        return err;
    }
    err = lg_seen_get(&e->invalid, &b->hash);
    if (err == 0 && lg_seen_get(&e->invalid, &b->header.prev) != 0) {
        err = remember_invalid(e, b, SG_EPREV);
    }
    if (err == 0) {
        err = lg_tree_info(&e->tree, &info, &best, &b->header.prev);
        if (err == 0) {
            err = judge(e, &b, &info, from);
        } else if (err == SG_ENOT_FOUND) {
            bool kept = false;
            err = keep_orphan(e, &kept, b, from);
            b = kept ? NULL : b;
        }
    }
    lg_block_free(b);
    return err;
}

/* Whether blocks that wait for a parent of this result can now be judged: it is valid, or known to be invalid. */
static bool settles(const struct lg_engine *e, int err, const struct lg_hash *hash)
{
    return err == 0 || lg_seen_get(&e->invalid, hash) != 0;
}

/* Judge what waited for hash, then what waited for that. Only errors of the store end it. */
static int take_followers(struct lg_engine *e, const struct lg_hash *hash)
{
    struct lg_hash queue[LG_WAITING_MAX + 1];
    size_t head = 0, tail = 0;
    queue[tail++] = *hash;
    while (head < tail) {
        struct lg_waiting_item item;
        if (!lg_waiting_take_child(&e->orphans, &item, &queue[head])) {
            head++;
            continue;
        }
        struct lg_hash child = item.b->hash;
        int err = take(e, item.b, item.from);
        if (lg_is_store_error(err)) {
            return err;
        }
        if (err == SG_EORPHAN) { /* its parent has been given up meanwhile (side.c): it waits again */
            head++;
            continue;
        }
        /* Each other leaves the orphans for good, so there are never more than were in there. */
        if (settles(e, err, &child) && tail < SG_ARRAY_LEN(queue)) {
            queue[tail++] = child;
        }
    }
    return 0;
}

int lg_chain_accept(struct lg_engine *e, enum lg_block_verdict *verdict, struct lg_block *b_take, int from)
{
    struct lg_hash hash = b_take->hash;
    int err = take(e, b_take, from);
    if (settles(e, err, &hash)) {
        int after = take_followers(e, &hash);
        if (after != 0) {
            return after;
        }
    }
    switch (err) {
    case SG_EKNOWN:
        *verdict = LG_BLOCK_KNOWN;
        return 0;
    case SG_EORPHAN:
        *verdict = LG_BLOCK_ORPHAN;
        return 0;
    case 0:
    case SG_EAGAIN:
        *verdict = LG_BLOCK_ACCEPTED;
        return 0;
    default:
        return err;
    }
}

int lg_chain_due(struct lg_engine *e)
{
    struct lg_waiting_item item;
    while (lg_waiting_take_due(&e->held, &item, e->now)) {
        enum lg_block_verdict verdict;
        int err = lg_chain_accept(e, &verdict, item.b, item.from);
        if (lg_is_store_error(err)) {
            return err;
        }
    }
    return 0;
}
