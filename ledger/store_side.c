/* Side blocks: those that are not on the best branch, what they weigh on the disk, and giving one up.
 *
 *   put_block, disconnect   a row in side, one in side_doc for each document, bytes of the miner, one child more of its parent
 *   connect, drop_block     the reverse
 * A block that is appended to the best branch, which is the rule, is never written here.
 *
 * Invariants: side has a row for every stored block with best = 0 and for no other; kids is the number of stored blocks on it, all of them side
 * blocks too; side_gateway.bytes is the sum over side. No row of block, statement or body is ever deleted but here: a document goes with the
 * last side block that holds it, when it is on no height, not pooled, not overtaken, no half of a pair of evidence, and neither first
 * read nor dispute names it. What a call costs depends on the block, not on how many there are.
 * Refuses to give up a block of the best branch, and one with children: SG_EINVAL. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store_db.h"

/* A stored block, as far as it matters here. */
struct source {
    int64_t id, miner, weight_sum, bytes, kids;
    struct lg_hash prev;
    bool best;
    struct lg_hash *leaves; /* owned */
    size_t n, nst;
};

static int is_some(struct lg_sqlite *s, bool *yes, enum lg_sql id, const struct lg_arg *args, size_t n)
{
    sqlite3_stmt *st;
    const int err = lg_db_first(&s->db, &st, id, args, n);
    *yes = err == 0;
    if (err == 0)
        lg_db_done(st);
    return err == SG_ENOT_FOUND ? 0 : err;
}

static int source_of_row(struct source *out, sqlite3_stmt *st)
{
    const void *leaves = sqlite3_column_blob(st, 5);
    const size_t bytes = (size_t)sqlite3_column_bytes(st, 5);
    out->id = sqlite3_column_int64(st, 0);
    out->miner = sqlite3_column_int64(st, 1);
    out->weight_sum = sqlite3_column_int64(st, 2);
    out->bytes = sqlite3_column_int64(st, 3);
    out->nst = (size_t)sqlite3_column_int64(st, 4);
    out->best = sqlite3_column_int64(st, 7) == 1;
    out->kids = sqlite3_column_int64(st, 8);
    out->n = bytes / SG_HASH_BYTES;
    if (leaves == NULL || bytes % SG_HASH_BYTES != 0 || lg_db_column_hash(&out->prev, st, 6) != 0)
        return SG_ECORRUPT;
    out->leaves = malloc(bytes);
    if (out->leaves == NULL)
        return SG_ENOMEM;
    memcpy(out->leaves, leaves, bytes);
    return 0;
}

/* The caller frees out->leaves after 0. */
static int find_source(struct lg_sqlite *s, struct source *out, const struct lg_hash *hash)
{
    sqlite3_stmt *st;
    memset(out, 0, sizeof *out);
    int err = lg_db_first(&s->db, &st, LG_SQL_SIDE_SOURCE, LG_ARGS(lg_arg_hash(hash)));
    if (err != 0)
        return err;
    err = source_of_row(out, st);
    lg_db_done(st);
    return err;
}

/* What a document counts: 0 when it is not there, for a damaged store must be able to give a block up too. */
static int length_of(struct lg_sqlite *s, int64_t *len, bool is_body, const struct lg_hash *leaf)
{
    sqlite3_stmt *st;
    *len = 0;
    const int err = lg_db_first(
        &s->db, &st, is_body ? LG_SQL_BODY_LENGTH : LG_SQL_STATEMENT_LENGTH, LG_ARGS(lg_arg_hash(leaf)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    *len = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return 0;
}

/* ---- in and out ---- */

static int enter_documents(struct lg_sqlite *s, struct source *x)
{
    int err = 0;
    for (size_t i = 0; i < x->n && err == 0; i++) {
        int64_t len;
        err = length_of(s, &len, i >= x->nst, &x->leaves[i]);
        if (err == 0)
            err = lg_db_run(
                &s->db, NULL, LG_SQL_SIDE_DOC_PUT, LG_ARGS(lg_arg_hash(&x->leaves[i]), lg_arg_int(x->id)));
        x->bytes += err == 0 ? len : 0;
    }
    return err;
}

static int put_own_row(struct lg_sqlite *s, const struct source *x)
{
    return lg_db_run(&s->db, NULL, LG_SQL_SIDE_PUT,
        LG_ARGS(lg_arg_int(x->id), lg_arg_int(x->miner), lg_arg_int(x->weight_sum), lg_arg_int(x->bytes),
            lg_arg_int(x->kids)));
}

int lg_sqlite_side_enter(struct lg_sqlite *s, const struct lg_hash *hash)
{
    struct source x;
    int err = find_source(s, &x, hash);
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    err = enter_documents(s, &x);
    if (err == 0)
        err = put_own_row(s, &x);
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_SIDE_COUNT, LG_ARGS(lg_arg_int(x.miner), lg_arg_int(x.bytes)));
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_SIDE_KIDS, LG_ARGS(lg_arg_hash(&x.prev), lg_arg_int(1)));
    free(x.leaves);
    return err;
}

/* Its row, its bytes, and what it was to its parent. The documents' rows are the caller's. */
static int take_row(struct lg_sqlite *s, const struct source *x)
{
    sqlite3_stmt *st;
    int64_t bytes, miner;
    int err = lg_db_first(&s->db, &st, LG_SQL_SIDE_ROW, LG_ARGS(lg_arg_int(x->id)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err; /* a damaged store: the walk puts it right */
    miner = sqlite3_column_int64(st, 0);
    bytes = sqlite3_column_int64(st, 2);
    lg_db_done(st);
    err = lg_db_run(&s->db, NULL, LG_SQL_SIDE_DELETE, LG_ARGS(lg_arg_int(x->id)));
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_SIDE_COUNT, LG_ARGS(lg_arg_int(miner), lg_arg_int(-bytes)));
    return err != 0
               ? err
               : lg_db_run(&s->db, NULL, LG_SQL_SIDE_KIDS, LG_ARGS(lg_arg_hash(&x->prev), lg_arg_int(-1)));
}

int lg_sqlite_side_leave(struct lg_sqlite *s, const struct lg_hash *hash)
{
    struct source x;
    int err = find_source(s, &x, hash);
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_EINVAL : err;
    err = take_row(s, &x);
    for (size_t i = 0; i < x.n && err == 0; i++)
        err = lg_db_run(
            &s->db, NULL, LG_SQL_SIDE_DOC_DELETE, LG_ARGS(lg_arg_hash(&x.leaves[i]), lg_arg_int(x.id)));
    free(x.leaves);
    return err;
}

int lg_sqlite_side_rewrite(struct lg_sqlite *s, const struct lg_hash *hash)
{
    struct source x;
    int err = find_source(s, &x, hash);
    if (err != 0)
        return err;
    err = lg_db_run(&s->db, NULL, LG_SQL_SIDE_DELETE, LG_ARGS(lg_arg_int(x.id)));
    if (err == 0 && !x.best)
        err = enter_documents(s, &x);
    for (size_t i = 0; i < x.n && x.best && err == 0; i++)
        err = lg_db_run(
            &s->db, NULL, LG_SQL_SIDE_DOC_DELETE, LG_ARGS(lg_arg_hash(&x.leaves[i]), lg_arg_int(x.id)));
    if (err == 0 && !x.best)
        err = put_own_row(s, &x);
    free(x.leaves);
    return err;
}

/* ---- giving up ---- */

/* Does first_read or dispute name this row? They are keyed by what the statement reads. */
static int is_remembered(struct lg_sqlite *s, bool *yes, const struct lg_statement *x, int64_t id)
{
    int err = 0;
    *yes = false;
    for (unsigned i = 0; i < x->nreads && err == 0 && !*yes; i++) {
        const struct lg_read *r = &x->reads[i];
        const struct lg_arg args[] = {lg_arg_int(lg_db_relay_index(&s->db, r->relay.p, r->relay.len)),
            lg_arg_int(r->min), lg_arg_int(id)};
        err = is_some(s, yes, LG_SQL_FIRST_READ_OF, args, SG_ARRAY_LEN(args));
        if (err == 0 && !*yes)
            err = is_some(s, yes, LG_SQL_DISPUTE_OF, args, SG_ARRAY_LEN(args));
    }
    return err;
}

/* One that cannot be read stays: what it reads cannot be known. */
static int statement_is_needed(struct lg_sqlite *s, bool *yes, const struct lg_hash *leaf, int64_t id)
{
    struct lg_doc_place place;
    struct lg_statement *x;
    struct sg_buf doc;
    sg_buf_init(&doc, SIZE_MAX / 4);
    *yes = true;
    int err = lg_db_document(&s->db, &doc, &place, false, leaf);
    if (err == 0)
        err = lg_statement_decode(&x, doc.p, doc.len);
    sg_buf_fini(&doc);
    if (err != 0)
        return err == SG_ECORRUPT || err == SG_ECANONICAL || err == SG_ESHAPE ? 0 : err;
    err = is_remembered(s, yes, x, id);
    lg_statement_free(x);
    return err;
}

static int forget_statement(struct lg_sqlite *s, const struct lg_hash *leaf)
{
    sqlite3_stmt *st;
    bool needed = false;
    int64_t v[5]; /* id, gw, inc, seq, slot */
    int err = lg_db_first(&s->db, &st, LG_SQL_STATEMENT_FREE, LG_ARGS(lg_arg_hash(leaf)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    for (int i = 0; i < 5; i++)
        v[i] = sqlite3_column_int64(st, i);
    lg_db_done(st);
    err = is_some(s, &needed, LG_SQL_EVIDENCE_OF,
        LG_ARGS(lg_arg_int(v[1]), lg_arg_int(v[2]), lg_arg_int(v[3]), lg_arg_int(v[0])));
    if (err == 0 && !needed)
        err = statement_is_needed(s, &needed, leaf, v[0]);
    if (err != 0 || needed)
        return err;
    err = lg_db_run(&s->db, NULL, LG_SQL_STATEMENT_DELETE, LG_ARGS(lg_arg_int(v[0])));
    return err != 0 ? err
                    : lg_db_run(&s->db, NULL, LG_SQL_SIDE_GONE,
                          LG_ARGS(lg_arg_int(v[1]), lg_arg_int(v[2]), lg_arg_int(v[4])));
}

static int forget_body(struct lg_sqlite *s, const struct lg_hash *digest)
{
    sqlite3_stmt *st;
    bool needed = false;
    int err = lg_db_first(&s->db, &st, LG_SQL_BODY_FREE, LG_ARGS(lg_arg_hash(digest)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    const struct lg_arg id = lg_arg_int(sqlite3_column_int64(st, 0)),
                        relay = lg_arg_int(sqlite3_column_int64(st, 1)),
                        min = lg_arg_int(sqlite3_column_int64(st, 2));
    lg_db_done(st);
    err = is_some(s, &needed, LG_SQL_BODY_REMEMBERED, LG_ARGS(relay, min, lg_arg_hash(digest)));
    return err != 0 || needed ? err : lg_db_run(&s->db, NULL, LG_SQL_BODY_DELETE, &id, 1);
}

static int forget_documents(struct lg_sqlite *s, const struct source *x)
{
    int err = 0;
    for (size_t i = 0; i < x->n && err == 0; i++) {
        const struct lg_arg args[] = {lg_arg_hash(&x->leaves[i]), lg_arg_int(x->id)};
        bool held = true;
        err = lg_db_run(&s->db, NULL, LG_SQL_SIDE_DOC_DELETE, args, 2);
        if (err == 0)
            err = is_some(s, &held, LG_SQL_SIDE_DOC_ANY, args, 1);
        if (err == 0 && !held)
            err = i < x->nst ? forget_statement(s, &x->leaves[i]) : forget_body(s, &x->leaves[i]);
    }
    return err;
}

static int drop(struct lg_sqlite *s, const struct lg_hash *hash)
{
    struct source x;
    int err = find_source(s, &x, hash);
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_EINVAL : err;
    err = x.best || x.kids > 0 ? SG_EINVAL : take_row(s, &x);
    if (err == 0)
        err = forget_documents(s, &x);
    if (err == 0)
        err = lg_db_run(&s->db, NULL, LG_SQL_BLOCK_DELETE, LG_ARGS(lg_arg_int(x.id)));
    free(x.leaves);
    return err;
}

static int drop_block(void *ctx, const struct lg_hash *hash)
{
    struct lg_sqlite *s = ctx;
    int err = lg_sqlite_writable(s);
    if (err == 0)
        err = drop(s, hash);
    return lg_sqlite_note(s, err);
}

/* ---- which ---- */

static int side_bytes(void *ctx, int64_t *bytes)
{
    struct lg_sqlite *s = ctx;
    sqlite3_stmt *st;
    const int err = lg_db_first(&s->db, &st, LG_SQL_SIDE_BYTES, NULL, 0);
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    *bytes = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return 0;
}

struct choice {
    struct lg_hash *out;
    bool (*keep)(void *arg, const struct lg_hash *hash);
    void *arg;
    int64_t miners[LG_MAX_GATEWAYS]; /* who holds most first */
    unsigned n;
};

static int take_miner(void *arg, sqlite3_stmt *st)
{
    struct choice *c = arg;
    if (c->n < SG_ARRAY_LEN(c->miners))
        c->miners[c->n++] = sqlite3_column_int64(st, 0);
    return 0;
}

/* SG_EKNOWN ends the walk: it is found. */
static int try_block(void *arg, sqlite3_stmt *st)
{
    struct choice *c = arg;
    struct lg_hash hash;
    const int err = lg_db_column_hash(&hash, st, 0);
    if (err != 0 || c->keep(c->arg, &hash))
        return err;
    *c->out = hash;
    return SG_EKNOWN;
}

static int side_next(
    void *ctx, struct lg_hash *out, bool (*keep)(void *arg, const struct lg_hash *hash), void *arg)
{
    struct lg_sqlite *s = ctx;
    struct choice c = {.out = out, .keep = keep, .arg = arg};
    int err = lg_db_each(&s->db, LG_SQL_SIDE_GREEDY, NULL, 0, take_miner, &c);
    for (unsigned i = 0; i < c.n && err == 0; i++)
        err = lg_db_each(&s->db, LG_SQL_SIDE_NEXT, LG_ARGS(lg_arg_int(c.miners[i])), try_block, &c);
    return err == 0 ? SG_ENOT_FOUND : err == SG_EKNOWN ? 0 : err;
}

void lg_sqlite_fill_side(struct lg_store *v)
{
    v->side_bytes = side_bytes;
    v->side_next = side_next;
    v->drop_block = drop_block;
}
