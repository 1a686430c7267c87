/* One stored block against itself: its bytes against its hash, its columns and the rows that follow from it against its documents.
 *
 * Invariant: a block that passes is served, mined on and counted exactly as it was on the day when it was judged. Nothing is judged
 * anew: validity was, once. Of several faults the first is told; when that has been put back, the next look finds the next. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store_db.h"
#include "ledger/store_scrub_priv.h"

#define GOOD    0
#define DAMAGED 1 /* *out says what */

static int damaged(struct lg_damage *out, enum lg_damage_kind kind, const struct lg_hash *hash)
{
    *out = (struct lg_damage){.kind = kind, .hash = *hash};
    return DAMAGED;
}

/* A result of the store where damage is no error but an answer. */
static int judged(struct lg_db *db, struct lg_damage *out, int err, const struct lg_hash *hash)
{
    if (err != SG_ECORRUPT && err != SG_ENOT_FOUND)
        return err;
    return lg_db_take_damage(db, out) ? DAMAGED : damaged(out, LG_DAMAGE_FILE, hash);
}

static bool is_int(sqlite3_stmt *st, int column, int64_t want)
{
    return sqlite3_column_type(st, column) == SQLITE_INTEGER && sqlite3_column_int64(st, column) == want;
}

/* ---- rows of documents ---- */

/* tip_height as it must be; *null: none. */
static int tip_height(struct lg_db *db, int64_t *height, bool *null, const struct lg_hash *tip)
{
    sqlite3_stmt *st;
    *height = 0;
    *null = false;
    if (lg_hash_eq(tip, &db->genesis->id))
        return 0;
    const int err = lg_db_first(db, &st, LG_SQL_BLOCK_BEST_HEIGHT, LG_ARGS(lg_arg_hash(tip)));
    *null = err == SG_ENOT_FOUND;
    if (err != 0)
        return *null ? 0 : err;
    *height = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return 0;
}

bool lg_scrub_statement_keys(
    const struct lg_db *db, sqlite3_stmt *st, int column, const struct lg_statement *x)
{
    return is_int(st, column, lg_db_gateway_index(db, x->gw)) && is_int(st, column + 1, x->inc) &&
           is_int(st, column + 2, x->seq) && is_int(st, column + 3, x->slot) && is_int(st, column + 4, x->ts);
}

bool lg_scrub_body_keys(const struct lg_db *db, sqlite3_stmt *st, int column, const struct lg_body *b)
{
    return is_int(st, column, lg_db_relay_index(db, b->relay.p, b->relay.len)) &&
           is_int(st, column + 1, b->min);
}

static int check_read(struct lg_db *db, bool *good, const struct lg_statement *x, const struct lg_read *r,
    int64_t height, unsigned idx)
{
    sqlite3_stmt *st;
    int64_t body = 0;
    int err = lg_db_first(db, &st, LG_SQL_BODY_ID, LG_ARGS(lg_arg_hash(&r->digest)));
    if (err != 0)
        return err;
    body = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    err = lg_db_first(db, &st, LG_SQL_READ_AT,
        LG_ARGS(lg_arg_int(lg_db_relay_index(db, r->relay.p, r->relay.len)), lg_arg_int(r->min),
            lg_arg_int(lg_db_gateway_index(db, x->gw)), lg_arg_int(height), lg_arg_int(idx)));
    if (err == SG_ENOT_FOUND) {
        *good = false;
        return 0;
    }
    if (err != 0)
        return err;
    *good = is_int(st, 0, body) && is_int(st, 1, r->live);
    lg_db_done(st);
    return 0;
}

static bool has_gap(const struct lg_db *db, const struct lg_statement *x, sqlite3_stmt *st)
{
    for (unsigned i = 0; i < x->ngaps; i++) {
        const struct lg_gap *g = &x->gaps[i];
        if (is_int(st, 0, lg_db_relay_index(db, g->relay.p, g->relay.len)) && is_int(st, 1, g->from) &&
            is_int(st, 2, g->to) && is_int(st, 3, g->reason))
            return true;
    }
    return false;
}

static int check_gaps(
    struct lg_db *db, bool *good, const struct lg_statement *x, int64_t height, unsigned idx)
{
    sqlite3_stmt *st;
    unsigned n = 0;
    int row;
    const int err = lg_db_query(db, &st, LG_SQL_GAPS_AT,
        LG_ARGS(lg_arg_int(lg_db_gateway_index(db, x->gw)), lg_arg_int(height), lg_arg_int(idx)));
    if (err != 0)
        return err;
    while ((row = lg_db_row(st)) > 0) {
        n++;
        *good = *good && has_gap(db, x, st);
    }
    *good = *good && n == x->ngaps;
    return row;
}

/* Row of a mined statement, then what follows from it. */
static int check_statement(struct lg_db *db, struct lg_damage *out, const struct lg_block *b, unsigned idx)
{
    const struct lg_statement *x = b->statements[idx];
    sqlite3_stmt *st;
    int64_t tip = 0;
    bool null = false, good = true;
    int err = tip_height(db, &tip, &null, &x->tip);
    if (err == 0)
        err = lg_db_first(db, &st, LG_SQL_STATEMENT_ROW, LG_ARGS(lg_arg_hash(&x->leaf)));
    if (err != 0)
        return judged(db, out, err, &b->hash);
    const bool keys = lg_scrub_statement_keys(db, st, 1, x);
    good = is_int(st, 6, b->header.height) && is_int(st, 7, idx) &&
           (null ? sqlite3_column_type(st, 8) == SQLITE_NULL : is_int(st, 8, tip));
    lg_db_done(st);
    if (!keys)
        return damaged(out, LG_DAMAGE_STATEMENT, &x->leaf);
    for (unsigned i = 0; i < x->nreads && good && err == 0; i++)
        err = check_read(db, &good, x, &x->reads[i], b->header.height, idx);
    if (err == 0 && good)
        err = check_gaps(db, &good, x, b->header.height, idx);
    if (err != 0)
        return judged(db, out, err, &b->hash);
    return good ? GOOD : damaged(out, LG_DAMAGE_ROWS, &b->hash);
}

/* *conflict: it is not the first of its (relay, minute) on the branch. */
static int check_body(
    struct lg_db *db, struct lg_damage *out, bool *conflict, const struct lg_block *b, unsigned i)
{
    const struct lg_body *x = b->bodies[i];
    sqlite3_stmt *st;
    struct lg_hash first;
    int err = lg_db_first(db, &st, LG_SQL_BODY_ROW, LG_ARGS(lg_arg_hash(&x->digest)));
    if (err != 0)
        return judged(db, out, err, &b->hash);
    const bool keys = lg_scrub_body_keys(db, st, 1, x);
    const bool place = is_int(st, 3, b->header.height) && is_int(st, 4, b->nstatements + i);
    lg_db_done(st);
    if (!keys)
        return damaged(out, LG_DAMAGE_BODY, &x->digest);
    if (!place)
        return damaged(out, LG_DAMAGE_ROWS, &b->hash);
    err = lg_db_first(db, &st, LG_SQL_BODY_FIRST,
        LG_ARGS(lg_arg_int(lg_db_relay_index(db, x->relay.p, x->relay.len)), lg_arg_int(x->min)));
    if (err == 0) {
        err = lg_db_column_hash(&first, st, 0);
        lg_db_done(st);
    }
    if (err != 0)
        return judged(db, out, err, &b->hash);
    *conflict = !lg_hash_eq(&first, &x->digest);
    return GOOD;
}

/* The bodies of the block, and its rows of conflict, which must be those that the bodies ask for, in their order. */
static int check_bodies(struct lg_db *db, struct lg_damage *out, const struct lg_block *b)
{
    sqlite3_stmt *st;
    int row, result = GOOD;
    int err = lg_db_query(db, &st, LG_SQL_CONFLICTS_AT, LG_ARGS(lg_arg_int(b->header.height)));
    if (err != 0)
        return judged(db, out, err, &b->hash);
    for (unsigned i = 0; i < b->nbodies && result == GOOD; i++) {
        const struct lg_body *x = b->bodies[i];
        bool conflict = false;
        result = check_body(db, out, &conflict, b, i);
        if (result != GOOD || !conflict)
            continue;
        row = lg_db_row(st);
        if (row < 0)
            return judged(db, out, row, &b->hash);
        if (row == 0 || !is_int(st, 0, b->nstatements + i) ||
            !is_int(st, 1, lg_db_relay_index(db, x->relay.p, x->relay.len)) || !is_int(st, 2, x->min))
            result = damaged(out, LG_DAMAGE_ROWS, &b->hash);
    }
    row = result == GOOD ? lg_db_row(st) : 0;
    lg_db_done(st);
    if (row < 0)
        return judged(db, out, row, &b->hash);
    return row > 0 ? damaged(out, LG_DAMAGE_ROWS, &b->hash) : result;
}

/* ---- the paper's view ---- */

static int paper_fits(struct lg_db *db, bool *good, const struct lg_block *b)
{
    struct lg_paper_state prev, state;
    struct lg_hash hash;
    struct sg_buf text;
    sqlite3_stmt *st;
    *good = false;
    sg_buf_init(&text, LG_PAPER_MAX_BYTES);
    int err = lg_db_paper_state(db, &prev, b->header.height);
    if (err == 0)
        err = lg_paper_block(&text, &state, &prev, db->genesis, b);
    if (err == 0)
        err = sg_buf_err(&text);
    if (err == 0)
        err = lg_db_first(db, &st, LG_SQL_PAPER, LG_ARGS(lg_arg_int(b->header.height + 1)));
    if (err == 0) {
        *good = is_int(st, 0, state.proof) && lg_db_column_hash(&hash, st, 1) == 0 &&
                lg_hash_eq(&hash, &state.hash) && sqlite3_column_bytes(st, 2) == (int)text.len &&
                memcmp(sqlite3_column_blob(st, 2), text.p, text.len) == 0;
        lg_db_done(st);
    }
    sg_buf_fini(&text);
    return err == SG_ENOT_FOUND ? 0 : err;
}

/* A view block follows from the one before it: when the two do not fit, that one is looked at first, for it may be the damaged one. */
static int check_paper(struct lg_db *db, struct lg_damage *out, const struct lg_block *b)
{
    struct lg_block *before = NULL;
    bool good;
    int err = paper_fits(db, &good, b);
    if (err != 0)
        return judged(db, out, err, &b->hash);
    if (good || b->header.height == 1)
        return good ? GOOD : damaged(out, LG_DAMAGE_ROWS, &b->hash);
    err = lg_scrub_load(db, &before, out, &b->header.prev);
    if (err == 0)
        err = paper_fits(db, &good, before);
    lg_block_free(before);
    if (err != 0)
        return err == DAMAGED ? err : judged(db, out, err, &b->hash);
    return damaged(out, LG_DAMAGE_ROWS, good ? &b->hash : &b->header.prev);
}

/* ---- the block ---- */

static bool same_info(const struct lg_block_info *a, const struct lg_block_info *b)
{
    return lg_hash_eq(&a->hash, &b->hash) && lg_hash_eq(&a->prev, &b->prev) && a->height == b->height &&
           a->slot == b->slot && a->time == b->time && a->miner == b->miner && a->weight == b->weight &&
           a->weight_sum == b->weight_sum;
}

static int check_root(struct lg_damage *out, const struct lg_block *b)
{
    const size_t n = (size_t)b->nstatements + b->nbodies;
    struct lg_hash *leaves = calloc(n, sizeof *leaves);
    struct lg_hash root;
    if (leaves == NULL)
        return SG_ENOMEM;
    lg_block_leaves(leaves, b);
    const int err = lg_merkle_root(&root, leaves, n);
    free(leaves);
    if (err != 0)
        return err;
    const bool good = lg_hash_eq(&root, &b->header.root) && b->header.leaves == (int64_t)n;
    return good ? GOOD : damaged(out, LG_DAMAGE_BLOCK, &b->hash);
}

int lg_scrub_parent(struct lg_db *db, struct lg_block_info *parent, const struct lg_block *b)
{
    if (!lg_hash_eq(&b->header.prev, &db->genesis->id))
        return lg_db_block_info(db, parent, NULL, &b->header.prev);
    lg_block_info_genesis(parent, db->genesis);
    return 0;
}

/* Bytes, seal and columns. */
static int check_self(struct lg_db *db, struct lg_damage *out, bool *best, const struct sg_crypto *crypto,
    const struct lg_block *b)
{
    const struct lg_rules rules = {.genesis = db->genesis, .crypto = crypto};
    struct lg_block_info parent, info, want;
    int err = check_root(out, b);
    if (err != GOOD)
        return err;
    err = lg_scrub_parent(db, &parent, b);
    if (err == 0)
        err = lg_db_block_info(db, &info, best, &b->hash);
    if (err != 0)
        return judged(db, out, err, &b->hash);
    err = lg_header_check(&rules, &b->header, &b->hash, b->header_doc, b->sig, &parent, -1);
    if (err == SG_ENOMEM)
        return err;
    if (err == SG_ESIGNATURE)
        return damaged(out, LG_DAMAGE_BLOCK, &b->hash);
    if (err != 0) /* the header is what was judged: the parent's columns are not */
        return damaged(out, LG_DAMAGE_ROWS, &b->header.prev);
    lg_block_info_of(&want, b, &parent);
    return same_info(&info, &want) ? GOOD : damaged(out, LG_DAMAGE_ROWS, &b->hash);
}

/* A block is on the best branch exactly when the index of heights says so too. */
static int check_best(struct lg_db *db, struct lg_damage *out, const struct lg_block *b, bool best)
{
    struct lg_hash at;
    const int err = lg_db_hash_at(db, &at, b->header.height);
    if (err != 0 && err != SG_ENOT_FOUND)
        return judged(db, out, err, &b->hash);
    const bool there = err == 0 && lg_hash_eq(&at, &b->hash);
    return there == best ? GOOD : damaged(out, LG_DAMAGE_FILE, &b->hash);
}

static int check_rows(struct lg_db *db, struct lg_damage *out, const struct lg_block *b)
{
    int result = check_bodies(db, out, b);
    for (unsigned i = 0; i < b->nstatements && result == GOOD; i++)
        result = check_statement(db, out, b, i);
    return result != GOOD ? result : check_paper(db, out, b);
}

static int check_side(struct lg_db *db, struct lg_damage *out, const struct lg_block *b, bool best)
{
    bool good = false;
    const int err = lg_scrub_side_of(db, &good, b, best);
    if (err != 0)
        return judged(db, out, err, &b->hash);
    return good ? GOOD : damaged(out, LG_DAMAGE_ROWS, &b->hash);
}

int lg_scrub_load(struct lg_db *db, struct lg_block **b, struct lg_damage *out, const struct lg_hash *hash)
{
    struct sg_buf bytes;
    struct lg_damage stale;
    (void)lg_db_take_damage(db, &stale);
    sg_buf_init(&bytes, SIZE_MAX / 4);
    int err = lg_db_block_bytes(db, &bytes, hash);
    if (err == 0) {
        err = lg_block_decode(b, bytes.p, bytes.len);
        if (err != 0 && err != SG_ENOMEM)
            err = damaged(out, LG_DAMAGE_BLOCK, hash);
    } else {
        err = judged(db, out, err, hash);
    }
    sg_buf_fini(&bytes);
    return err;
}

int lg_scrub_block(struct lg_db *db, struct lg_damage *out, unsigned *documents,
    const struct sg_crypto *crypto, const struct lg_hash *hash)
{
    struct lg_block *b = NULL;
    bool best = false;
    int result = lg_scrub_load(db, &b, out, hash);
    if (result != GOOD)
        return result;
    *documents += b->nstatements + b->nbodies;
    result = check_self(db, out, &best, crypto, b);
    if (result == GOOD)
        result = check_best(db, out, b, best);
    if (result == GOOD && best)
        result = check_rows(db, out, b);
    if (result == GOOD)
        result = check_side(db, out, b, best);
    lg_block_free(b);
    return result;
}
