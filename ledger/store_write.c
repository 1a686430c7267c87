/* Transactions and single documents of the writing connection.
 *
 * Invariant: between begin and commit the first error sticks; everything after it, the commit too, fails with it, so that half
 * a transaction can never be committed (SQLite itself rolls back on some errors and would then commit each later
 * statement alone). An input/output error or corruption is final for the process: an fsync that failed once may not be
 * tried again, for the kernel has dropped the pages.
 * Refuses writes outside a transaction (SG_EINVAL) and, on a disk without room for the ballast, transactions (SG_ENOSPC). */
#include <sqlite3.h>

#include "ledger/store_db.h"

/* Pairs of conflicting statements kept for one gateway. */
#define MAX_EVIDENCE 64

int lg_sqlite_writable(const struct lg_sqlite *s)
{
    if (s->failed != 0)
        return s->failed;
    if (!s->in_tx)
        return SG_EINVAL;
    return s->tx_err;
}

int lg_sqlite_note(struct lg_sqlite *s, int err)
{
    if (err == SG_EIO || err == SG_ECORRUPT)
        s->failed = err;
    if (err != 0 && s->in_tx && s->tx_err == 0)
        s->tx_err = err;
    return err;
}

/* A checkpoint writes and syncs the database: after an error of the disk nothing more may be written. 0, SG_ENOSPC, or s->failed is set. What was
 * committed stays committed. */
static int checkpoint(struct lg_sqlite *s, int mode)
{
    const int rc = sqlite3_wal_checkpoint_v2(s->db.h, NULL, mode, NULL, NULL);
    if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
        return 0;
    const int err = lg_db_error(rc);
    if (err == SG_EIO || err == SG_ECORRUPT)
        s->failed = err;
    return err;
}

/* Outside a transaction, after SQLITE_FULL: empty the log into the room of the ballast, then take the ballast back. */
static void relieve(struct lg_sqlite *s)
{
    lg_ballast_release(s->dir);
    (void)checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
    if (s->failed != 0)
        return;
    /* Without success the next begin tries again and refuses to write. */
    if (lg_ballast_hold(s->dir) != 0)
        return;
}

static int count_log(void *ctx, sqlite3 *h, const char *name, int pages)
{
    struct lg_sqlite *s = ctx;
    (void)h;
    (void)name;
    s->log_pages = pages;
    return SQLITE_OK;
}

void lg_sqlite_watch_log(struct lg_sqlite *s)
{
    sqlite3_wal_hook(s->db.h, count_log, s);
}

/* Move the log into the database, as far as no reader needs it. Not left to SQLite's own checkpoint, whose errors come out of
 * COMMIT as if the transaction, which is on disk, had failed. */
static void empty_log(struct lg_sqlite *s)
{
    if (s->log_pages < LG_LOG_PAGES)
        return;
    if (checkpoint(s, SQLITE_CHECKPOINT_PASSIVE) == SG_ENOSPC)
        relieve(s);
}

static void end_tx(struct lg_sqlite *s)
{
    const int err = s->tx_err;
    const int undone =
        lg_db_roll_back(&s->db); /* without memory it stays open, and the next begin tries again */
    if (undone != 0 && undone != SG_ENOMEM)
        s->failed = SG_EIO;
    s->in_tx = false;
    s->tx_err = 0;
    for (unsigned g = 0; g < s->db.genesis->ngateways; g++)
        s->gateways[g].held = false;
    if (err == SG_ENOSPC && s->failed == 0)
        relieve(s);
}

static int begin(void *ctx)
{
    struct lg_sqlite *s = ctx;
    if (s->failed != 0)
        return s->failed;
    if (s->in_tx)
        return SG_EINVAL;
    int err = lg_db_roll_back(&s->db);
    if (err == 0)
        err = lg_ballast_hold(s->dir);
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_BEGIN, NULL, 0);
    if (err != 0)
        return lg_sqlite_note(s, err);
    s->in_tx = true;
    s->tip_known = s->paper_known = s->noted.known = false;
    s->tx_err = 0;
    return 0;
}

static int commit(void *ctx)
{
    struct lg_sqlite *s = ctx;
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = lg_sqlite_note(s, lg_sqlite_write_held(s));
    if (err == 0)
        err = lg_sqlite_note(s, lg_db_run(&s->db, NULL, LG_SQL_COMMIT, NULL, 0));
    if (s->in_tx)
        end_tx(s);
    if (err == 0)
        empty_log(s);
    return err;
}

static void rollback(void *ctx)
{
    struct lg_sqlite *s = ctx;
    if (s->in_tx)
        end_tx(s);
}

static int evidence_count(struct lg_sqlite *s, int64_t *count, int g)
{
    sqlite3_stmt *st;
    const int err = lg_db_first(&s->db, &st, LG_SQL_GATEWAY, LG_ARGS(lg_arg_int(g)));
    *count = 0;
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    *count = sqlite3_column_int64(st, 4);
    lg_db_done(st);
    return 0;
}

/* Is there another statement with this (gw, inc, seq)? Then the two are a pair, unless this gateway has 64 already. */
static int pair_up(struct lg_sqlite *s, int g, const struct lg_statement *x)
{
    int64_t ids[2] = {0, 0};
    int n = 0, row;
    sqlite3_stmt *st;
    int err = lg_db_query(&s->db, &st, LG_SQL_STATEMENT_VARIANTS,
        LG_ARGS(lg_arg_int(g), lg_arg_int(x->inc), lg_arg_int(x->seq)));
    if (err != 0)
        return err;
    while ((row = lg_db_row(st)) > 0 && n < 2)
        ids[n++] = sqlite3_column_int64(st, 0);
    if (row != 0)
        lg_db_done(st);
    if (row < 0 || n < 2)
        return row < 0 ? row : 0;
    int64_t changed = 0, count = 0;
    err = evidence_count(s, &count, g);
    if (err != 0 || count >= MAX_EVIDENCE)
        return err;
    const int64_t first = ids[0] < ids[1] ? ids[0] : ids[1], second = ids[0] < ids[1] ? ids[1] : ids[0];
    err = lg_db_run(&s->db, &changed, LG_SQL_EVIDENCE_PUT,
        LG_ARGS(
            lg_arg_int(g), lg_arg_int(x->inc), lg_arg_int(x->seq), lg_arg_int(first), lg_arg_int(second)));
    if (err == 0 && changed == 1)
        err = lg_sqlite_write_held(s); /* its row must be there */
    if (err == 0 && changed == 1)
        err = lg_db_run(&s->db, NULL, LG_SQL_GATEWAY_EVIDENCE, LG_ARGS(lg_arg_int(g)));
    return err;
}

/* ---- what is remembered of a gateway ---- */

/* The greatest (inc, seq) of the store, asked for once. */
static int know_greatest(struct lg_sqlite *s, struct lg_gateway_memory *m, int g)
{
    sqlite3_stmt *st;
    if (m->known)
        return 0;
    const int err = lg_db_query(&s->db, &st, LG_SQL_STATEMENT_GREATEST, LG_ARGS(lg_arg_int(g)));
    const int row = err != 0 ? err : lg_db_row(st);
    if (row < 0)
        return row;
    m->inc = row > 0 ? sqlite3_column_int64(st, 0) : INT64_MIN;
    m->seq = row > 0 ? sqlite3_column_int64(st, 2) : INT64_MIN;
    m->known = true;
    if (row > 0)
        lg_db_done(st);
    return 0;
}

static void note_held(struct lg_gateway_memory *m, const struct lg_statement *x)
{
    m->held_inc = m->held && m->held_inc > x->inc ? m->held_inc : x->inc;
    m->held_slot = m->held && m->held_slot > x->slot ? m->held_slot : x->slot;
    m->held = true;
}

int lg_sqlite_write_held(struct lg_sqlite *s)
{
    int err = 0;
    for (unsigned g = 0; g < s->db.genesis->ngateways && err == 0; g++) {
        struct lg_gateway_memory *m = &s->gateways[g];
        if (!m->held)
            continue;
        m->held = false;
        err = lg_db_run(&s->db, NULL, LG_SQL_GATEWAY_HELD,
            LG_ARGS(lg_arg_int(g), lg_arg_int(m->held_inc), lg_arg_int(m->held_slot)));
    }
    return err;
}

/* A new row: the first of its (inc, seq), as a rule, because it is the greatest. */
static int note_statement(struct lg_sqlite *s, int g, const struct lg_statement *x)
{
    struct lg_gateway_memory *m = &s->gateways[g];
    note_held(m, x);
    if (x->inc < m->inc || (x->inc == m->inc && x->seq <= m->seq))
        return pair_up(s, g, x);
    m->inc = x->inc;
    m->seq = x->seq;
    return 0;
}

/* ---- single documents ---- */

int lg_sqlite_add_statement(struct lg_sqlite *s, int64_t *id, const struct lg_statement *x,
    enum lg_pool_mark mark, const struct lg_place *at)
{
    const int g = lg_db_gateway_index(&s->db, x->gw);
    if (g < 0)
        return SG_EUNKNOWN_GATEWAY;
    int64_t changed = 0;
    int err = know_greatest(s, &s->gateways[g], g);
    if (err == 0)
        err = lg_db_run(&s->db, &changed, LG_SQL_STATEMENT_PUT,
            LG_ARGS(lg_arg_int(g), lg_arg_int(x->inc), lg_arg_int(x->seq), lg_arg_int(x->slot),
                lg_arg_int(x->ts), lg_arg_int(mark), lg_arg_hash(&x->leaf), lg_arg_blob(x->doc, x->doc_len),
                at != NULL ? lg_arg_int(at->height) : lg_arg_null(),
                at != NULL ? lg_arg_int(at->idx) : lg_arg_null(),
                at != NULL ? at->tip_height : lg_arg_null()));
    *id = err == 0 && changed == 1 ? sqlite3_last_insert_rowid(s->db.h) : 0;
    return *id == 0 ? err : note_statement(s, g, x);
}

int lg_sqlite_add_body(struct lg_sqlite *s, int64_t *id, const struct lg_body *b, enum lg_pool_mark mark,
    const struct lg_place *at)
{
    const int relay = lg_db_relay_index(&s->db, b->relay.p, b->relay.len);
    if (relay < 0)
        return SG_ERELAY;
    int64_t changed = 0;
    const int err = lg_db_run(&s->db, &changed, LG_SQL_BODY_PUT,
        LG_ARGS(lg_arg_int(relay), lg_arg_int(b->min), lg_arg_int(mark), lg_arg_hash(&b->digest),
            lg_arg_blob(b->doc, b->doc_len), at != NULL ? lg_arg_int(at->height) : lg_arg_null(),
            at != NULL ? lg_arg_int(at->idx) : lg_arg_null()));
    *id = err == 0 && changed == 1 ? sqlite3_last_insert_rowid(s->db.h) : 0;
    return err;
}

static int put_statement(void *ctx, const struct lg_statement *x)
{
    struct lg_sqlite *s = ctx;
    int64_t id = 0;
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = lg_sqlite_add_statement(s, &id, x, LG_MARK_POOLED, NULL);
    if (err == 0 && id == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_STATEMENT_TO_POOL, LG_ARGS(lg_arg_hash(&x->leaf)));
    if (err == 0)
        err = lg_sqlite_note_reads(s, x, id);
    return lg_sqlite_note(s, err);
}

static int put_body(void *ctx, const struct lg_body *b)
{
    struct lg_sqlite *s = ctx;
    int64_t id = 0;
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = lg_sqlite_add_body(s, &id, b, LG_MARK_POOLED, NULL);
    if (err == 0 && id == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_BODY_TO_POOL, LG_ARGS(lg_arg_hash(&b->digest)));
    return lg_sqlite_note(s, err);
}

static int overtake(struct lg_sqlite *s, enum lg_sql id, const struct lg_hash *leaf)
{
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = lg_db_run(&s->db, NULL, id, LG_ARGS(lg_arg_hash(leaf)));
    return lg_sqlite_note(s, err);
}

static int overtake_statement(void *ctx, const struct lg_hash *leaf)
{
    return overtake(ctx, LG_SQL_STATEMENT_OVERTAKE, leaf);
}

static int overtake_body(void *ctx, const struct lg_hash *digest)
{
    return overtake(ctx, LG_SQL_BODY_OVERTAKE, digest);
}

static int put_evidence(void *ctx, const struct lg_statement *x)
{
    struct lg_sqlite *s = ctx;
    int64_t count = 0, id;
    int err = lg_sqlite_writable(s);
    const int g = lg_db_gateway_index(&s->db, x->gw);
    if (err == 0)
        err = g < 0 ? SG_EUNKNOWN_GATEWAY : evidence_count(s, &count, g);
    if (err == 0 && count < MAX_EVIDENCE)
        err = lg_sqlite_add_statement(s, &id, x, LG_MARK_OVERTAKEN, NULL);
    return lg_sqlite_note(s, err);
}

void lg_sqlite_fill_write(struct lg_store *v)
{
    v->begin = begin;
    v->commit = commit;
    v->rollback = rollback;
    v->put_statement = put_statement;
    v->put_body = put_body;
    v->overtake_statement = overtake_statement;
    v->overtake_body = overtake_body;
    v->put_evidence = put_evidence;
}
