/* First reads and disputes (store_dispute.c) against the statements that they name, and putting one back.
 *
 * A row says of each read what its statement says: gateway, minute, digest, live. Damaged in one column, the others tell which statement
 * of the store, the named one or one of the best branch, says most of it: the row is written again from that. Where none does, the row goes:
 * of a first read the next one takes the place, a dispute is lost here and told by the nodes that have it.
 * Invariant: a row that is put back says what a stored statement says. A statement that cannot be read proves nothing against a row: its own row
 * tells. */
#include <sqlite3.h>
#include <string.h>

#include "ledger/store_db.h"
#include "ledger/store_scrub_priv.h"

#define GOOD    0
#define DAMAGED 1
#define AT_END  2

struct said {
    int64_t relay, min, gw, statement, live;
    struct lg_hash digest;
};

struct row {
    int64_t id; /* of a dispute */
    struct said side[2];
    unsigned n; /* sides: 1 of a first read, 2 of a dispute */
};

/* ---- what a statement says ---- */

/* The statement with this row number; *x NULL: none. *known: it is certain that there is none, or it was read. The caller frees. */
static int statement_of(struct lg_db *db, struct lg_statement **x, bool *known, int64_t id)
{
    sqlite3_stmt *st;
    struct lg_hash leaf;
    struct lg_doc_place place;
    struct lg_damage noted;
    struct sg_buf doc;
    *x = NULL;
    int err = lg_db_first(db, &st, LG_SQL_STATEMENT_LEAF_BY_ID, LG_ARGS(lg_arg_int(id)));
    *known = err == SG_ENOT_FOUND;
    if (err != 0)
        return *known ? 0 : err;
    err = lg_db_column_hash(&leaf, st, 0);
    lg_db_done(st);
    sg_buf_init(&doc, SIZE_MAX / 4);
    if (err == 0)
        err = lg_db_document(db, &doc, &place, false, &leaf);
    if (err == 0)
        err = lg_statement_decode(x, doc.p, doc.len);
    sg_buf_fini(&doc);
    (void)lg_db_take_damage(db, &noted);
    *known = err == 0;
    return err == SG_ENOMEM || err == SG_EIO ? err : 0;
}

static struct said said_by(const struct lg_db *db, const struct lg_statement *x, unsigned i, int64_t id)
{
    const struct lg_read *r = &x->reads[i];
    return (struct said){.relay = lg_db_relay_index(db, r->relay.p, r->relay.len),
        .min = r->min,
        .gw = lg_db_gateway_index(db, x->gw),
        .statement = id,
        .live = r->live,
        .digest = r->digest};
}

static bool same(const struct said *a, const struct said *b)
{
    return a->relay == b->relay && a->min == b->min && a->gw == b->gw && a->statement == b->statement &&
           a->live == b->live && lg_hash_eq(&a->digest, &b->digest);
}

/* How much of what is written is so. The number of a row is long, and its flipped value hardly that of another reader of the minute. */
static int likeness(const struct said *a, const struct said *b)
{
    return 3 * (a->statement == b->statement) + 2 * (a->gw == b->gw) +
           2 * lg_hash_eq(&a->digest, &b->digest) + (a->live == b->live) +
           2 * (a->relay == b->relay && a->min == b->min);
}

static int check_said(struct lg_db *db, bool *good, const struct said *s)
{
    struct lg_statement *x;
    bool known;
    const int err = statement_of(db, &x, &known, s->statement);
    *good = !known;
    for (unsigned i = 0; x != NULL && i < x->nreads && !*good; i++) {
        const struct said is = said_by(db, x, i, s->statement);
        *good = same(&is, s);
    }
    lg_statement_free(x);
    return err;
}

static int check_row(struct lg_db *db, const struct row *r)
{
    bool good = true;
    int err = 0;
    for (unsigned i = 0; i < r->n && good && err == 0; i++)
        err = check_said(db, &good, &r->side[i]);
    if (err == 0 && r->n == 2)
        good = good && !lg_hash_eq(&r->side[0].digest, &r->side[1].digest);
    return err != 0 ? err : good ? GOOD : DAMAGED;
}

/* ---- rows ---- */

/* A digest that is none is that of nothing. */
static void digest_of(struct lg_hash *out, sqlite3_stmt *st, int column)
{
    if (lg_db_column_hash(out, st, column) != 0)
        memset(out, 0, sizeof *out);
}

/* relay, min, gw, statement, live, digest */
static void first_read_of(struct row *r, sqlite3_stmt *st)
{
    struct said *s = &r->side[0];
    r->n = 1;
    s->relay = sqlite3_column_int64(st, 0);
    s->min = sqlite3_column_int64(st, 1);
    s->gw = sqlite3_column_int64(st, 2);
    s->statement = sqlite3_column_int64(st, 3);
    s->live = sqlite3_column_int64(st, 4);
    digest_of(&s->digest, st, 5);
}

/* id, relay, min, then gw, statement, live, digest of either */
static void dispute_of(struct row *r, sqlite3_stmt *st)
{
    r->n = 2;
    r->id = sqlite3_column_int64(st, 0);
    for (int i = 0; i < 2; i++) {
        struct said *s = &r->side[i];
        s->relay = sqlite3_column_int64(st, 1);
        s->min = sqlite3_column_int64(st, 2);
        s->gw = sqlite3_column_int64(st, 3 + 4 * i);
        s->statement = sqlite3_column_int64(st, 4 + 4 * i);
        s->live = sqlite3_column_int64(st, 5 + 4 * i);
        digest_of(&s->digest, st, 6 + 4 * i);
    }
}

/* The row of a query for one; SG_ENOT_FOUND. */
static int load(struct lg_db *db, struct row *r, bool is_first, bool after, const int64_t *key)
{
    static const enum lg_sql ids[2][2] = {
        {LG_SQL_DISPUTE_ROW, LG_SQL_SCRUB_DISPUTE}, {LG_SQL_FIRST_READ_ROW, LG_SQL_SCRUB_FIRST_READ}};
    sqlite3_stmt *st;
    const struct lg_arg args[] = {lg_arg_int(key[0]), lg_arg_int(key[1])};
    memset(r, 0, sizeof *r);
    const int err = lg_db_first(db, &st, ids[is_first][after], args, is_first ? 2 : 1);
    if (err != 0)
        return err;
    if (is_first)
        first_read_of(r, st);
    else
        dispute_of(r, st);
    lg_db_done(st);
    return 0;
}

int lg_scrub_said(struct lg_db *db, struct lg_damage *at, bool next)
{
    const bool is_first = at->kind == LG_DAMAGE_FIRST_READ;
    struct row r;
    const int err = load(db, &r, is_first, next, at->key);
    if (err != 0)
        return err != SG_ENOT_FOUND ? err : next ? AT_END : GOOD;
    at->key[0] = is_first ? r.side[0].relay : r.id;
    at->key[1] = is_first ? r.side[0].min : 0;
    return check_row(db, &r);
}

/* ---- putting back ---- */

struct search {
    struct lg_db *db;
    const struct said *written;
    struct said best;
    int likeness; /* 0: nothing was found */
};

static void consider(struct search *s, const struct said *x)
{
    const int like = likeness(x, s->written);
    if (like > s->likeness) {
        s->best = *x;
        s->likeness = like;
    }
}

/* gw, statement, live, digest of a read of the best branch */
static int consider_row(void *arg, sqlite3_stmt *st)
{
    struct search *s = arg;
    struct said x = *s->written;
    x.gw = sqlite3_column_int64(st, 0);
    x.statement = sqlite3_column_int64(st, 1);
    x.live = sqlite3_column_int64(st, 2);
    digest_of(&x.digest, st, 3);
    consider(s, &x);
    return 0;
}

/* What the named statement says of any minute, and what the best branch says of this one. At least half of it must be so. */
static int restore(struct lg_db *db, struct said *s, bool *found)
{
    struct search search = {.db = db, .written = s};
    struct lg_statement *x;
    bool known;
    int err = statement_of(db, &x, &known, s->statement);
    for (unsigned i = 0; x != NULL && i < x->nreads; i++) {
        const struct said is = said_by(db, x, i, s->statement);
        consider(&search, &is);
    }
    lg_statement_free(x);
    if (err == 0)
        err = lg_db_each(
            db, LG_SQL_READS_SAID, LG_ARGS(lg_arg_int(s->relay), lg_arg_int(s->min)), consider_row, &search);
    *found = err == 0 && search.likeness >= 5;
    if (*found)
        *s = search.best;
    return err;
}

static int write_first_read(struct lg_db *db, const struct said *s)
{
    return lg_db_run(db, NULL, LG_SQL_FIRST_READ_RESTORE,
        LG_ARGS(lg_arg_int(s->relay), lg_arg_int(s->min), lg_arg_int(s->gw), lg_arg_int(s->statement),
            lg_arg_int(s->live), lg_arg_hash(&s->digest)));
}

static int write_dispute(struct lg_db *db, const struct row *r)
{
    const struct said *a = &r->side[0], *b = &r->side[1];
    return lg_db_run(db, NULL, LG_SQL_DISPUTE_RESTORE,
        LG_ARGS(lg_arg_int(a->relay), lg_arg_int(a->min), lg_arg_int(a->gw), lg_arg_int(b->gw),
            lg_arg_int(a->statement), lg_arg_int(b->statement), lg_arg_int(a->live), lg_arg_int(b->live),
            lg_arg_hash(&a->digest), lg_arg_hash(&b->digest), lg_arg_int(r->id)));
}

/* A flipped minute is wrong for both sides: what one of them says holds for the other. */
static int restore_both(struct lg_db *db, struct row *r, bool *found)
{
    int err = restore(db, &r->side[0], found);
    if (err == 0 && *found && r->n == 2) {
        r->side[1].relay = r->side[0].relay;
        r->side[1].min = r->side[0].min;
        err = restore(db, &r->side[1], found);
        *found = *found && r->side[1].relay == r->side[0].relay && r->side[1].min == r->side[0].min &&
                 !lg_hash_eq(&r->side[0].digest, &r->side[1].digest);
    }
    return err;
}

int lg_scrub_restore_said(struct lg_db *db, const struct lg_damage *d)
{
    const bool is_first = d->kind == LG_DAMAGE_FIRST_READ;
    const struct lg_arg key[] = {lg_arg_int(d->key[0]), lg_arg_int(d->key[1])};
    struct row r;
    bool found = false;
    int err = load(db, &r, is_first, false, d->key);
    if (err == 0)
        err = check_row(db, &r);
    if (err == GOOD || err == SG_ENOT_FOUND)
        return 0;
    if (err == DAMAGED)
        err = restore_both(db, &r, &found);
    if (err == 0)
        err = is_first ? lg_db_run(db, NULL, LG_SQL_FIRST_READ_DELETE, key, 2)
                       : lg_db_run(db, NULL, LG_SQL_DISPUTE_DELETE, key, 1);
    if (err != 0 || !found)
        return err;
    return is_first ? write_first_read(db, &r.side[0]) : write_dispute(db, &r);
}
