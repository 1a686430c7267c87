/* Disputes: two statements held here read one (relay, minute) and name different digests.
 *
 * The first read of every (relay, minute) is remembered with its statement, on whatever branch that is or will be. A read that names
 * another digest makes a pair with it, once for each other digest. Invariant: what is written here is never taken back but
 * with its transaction, and no row of statement or body that it names ever is (store_side.c), so a pair outlasts reorganisation, restart and
 * overtaking. A read costs
 * one lookup, the first of its minute three calls, whatever the height.
 *
 * Bounded: MAX_DISPUTES pairs for one ordered pair of gateways, so that one liar fills no list but those it shares with each other. What is
 * beyond is not written; /v1/evidence has it from the best branch as long as both bodies stand there. */
#include <sqlite3.h>

#include "ledger/store_db.h"

#define MAX_DISPUTES 64

struct one_read {
    int64_t gw, statement, live;
    struct lg_hash digest;
};

/* The first row of a query for (gw, statement, live, digest). */
static int read_of(struct lg_sqlite *s, struct one_read *out, enum lg_sql id, int relay, sg_minute min)
{
    sqlite3_stmt *st;
    int err = lg_db_first(&s->db, &st, id, LG_ARGS(lg_arg_int(relay), lg_arg_int(min)));
    if (err != 0)
        return err;
    out->gw = sqlite3_column_int64(st, 0);
    out->statement = sqlite3_column_int64(st, 1);
    out->live = sqlite3_column_int64(st, 2);
    err = lg_db_column_hash(&out->digest, st, 3);
    lg_db_done(st);
    return err;
}

/* A database that an older program began has minutes of the best branch that were never noted. */
static int first_read(struct lg_sqlite *s, struct one_read *first, int relay, sg_minute min)
{
    const int err = read_of(s, first, LG_SQL_FIRST_READ, relay, min);
    return err == SG_ENOT_FOUND ? read_of(s, first, LG_SQL_FIRST_READ_MINED, relay, min) : err;
}

static int put_first(struct lg_sqlite *s, const struct one_read *x, int relay, sg_minute min)
{
    return lg_db_run(&s->db, NULL, LG_SQL_FIRST_READ_PUT,
        LG_ARGS(lg_arg_int(relay), lg_arg_int(min), lg_arg_int(x->gw), lg_arg_int(x->statement),
            lg_arg_int(x->live), lg_arg_hash(&x->digest)));
}

static int put_dispute(
    struct lg_sqlite *s, const struct one_read *a, const struct one_read *b, int relay, sg_minute min)
{
    sqlite3_stmt *st;
    int err = lg_db_first(&s->db, &st, LG_SQL_DISPUTE_COUNT, LG_ARGS(lg_arg_int(a->gw), lg_arg_int(b->gw)));
    if (err != 0)
        return err;
    const int64_t count = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    if (count >= MAX_DISPUTES)
        return 0;
    return lg_db_run(&s->db, NULL, LG_SQL_DISPUTE_PUT,
        LG_ARGS(lg_arg_int(relay), lg_arg_int(min), lg_arg_int(a->gw), lg_arg_int(b->gw),
            lg_arg_int(a->statement), lg_arg_int(b->statement), lg_arg_int(a->live), lg_arg_int(b->live),
            lg_arg_hash(&a->digest), lg_arg_hash(&b->digest)));
}

static int note(struct lg_sqlite *s, const struct lg_statement *x, const struct lg_read *r, int64_t id)
{
    const int relay = lg_db_relay_index(&s->db, r->relay.p, r->relay.len);
    const struct one_read mine = {lg_db_gateway_index(&s->db, x->gw), id, r->live, r->digest};
    struct one_read first;
    struct lg_noted_read *noted = &s->noted;
    if (relay < 0 || mine.gw < 0)
        return relay < 0 ? SG_ERELAY : SG_EUNKNOWN_GATEWAY;
    if (noted->known && noted->relay == relay && noted->min == r->min &&
        lg_hash_eq(&noted->digest, &r->digest))
        return 0;
    int err = first_read(s, &first, relay, r->min);
    if (err == SG_ENOT_FOUND) {
        err = put_first(s, &mine, relay, r->min);
        *noted = (struct lg_noted_read){err == 0, relay, r->min, r->digest};
        return err;
    }
    return err != 0 || lg_hash_eq(&first.digest, &r->digest) ? err
                                                             : put_dispute(s, &first, &mine, relay, r->min);
}

static int find_row(struct lg_sqlite *s, int64_t *id, const struct lg_hash *leaf)
{
    sqlite3_stmt *st;
    const int err = lg_db_first(&s->db, &st, LG_SQL_STATEMENT_ROW, LG_ARGS(lg_arg_hash(leaf)));
    if (err != 0)
        return err == SG_ENOT_FOUND ? SG_ECORRUPT : err;
    *id = sqlite3_column_int64(st, 0);
    lg_db_done(st);
    return 0;
}

int lg_sqlite_note_reads(struct lg_sqlite *s, const struct lg_statement *x, int64_t id)
{
    int err = id != 0 || x->nreads == 0 ? 0 : find_row(s, &id, &x->leaf);
    for (unsigned i = 0; i < x->nreads && err == 0; i++)
        err = note(s, x, &x->reads[i], id);
    return err;
}
