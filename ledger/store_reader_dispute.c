/* Read-only connections: disputes, two reads of one (relay, minute) that differ, with where statements and bodies stand now.
 *
 * Invariant: what leaves here is what the statements say, whose bytes are hashed on the way; a row that says otherwise is left out.
 * Refuses rows that name no gateway or relay of the genesis (SG_ECORRUPT). */
#include <sqlite3.h>
#include <string.h>

#include "ledger/store_reader.h"

/* Where the body of one side stands. A body that is nowhere is no error: it is its digest that was signed. */
static int place_body(struct lg_reader *r, struct lg_reader_dispute_side *side)
{
    struct lg_doc_place place;
    const int err = lg_db_document(&r->db, NULL, &place, true, &side->read.digest);
    if (err != 0)
        return err == SG_ENOT_FOUND ? 0 : err;
    side->body_height = place.height;
    side->body_index = place.index;
    return 0;
}

/* Side i of a row: its columns stand in pairs. */
static int side_of_row(struct lg_reader *r, struct lg_reader_dispute_side *side, sqlite3_stmt *st, int i)
{
    const int64_t gw = sqlite3_column_int64(st, 3 + i);
    if (gw < 0 || gw >= (int64_t)r->db.genesis->ngateways)
        return SG_ECORRUPT;
    side->read.gw = r->db.genesis->gateways[gw].id;
    side->read.live = (uint8_t)sqlite3_column_int(st, 5 + i);
    side->read.height = sqlite3_column_int64(st, 11 + i);
    side->read.index = (unsigned)sqlite3_column_int64(st, 13 + i);
    int err = lg_db_column_hash(&side->read.digest, st, 7 + i);
    if (err == 0)
        err = lg_db_column_hash(&side->read.statement, st, 9 + i);
    return err != 0 ? err : place_body(r, side);
}

/* Does the statement of this side say that? */
static int said(
    struct lg_reader *r, bool *out, const struct lg_reader_dispute *d, const struct lg_attestation *read)
{
    struct lg_doc_place place;
    struct lg_statement *s = NULL;
    struct sg_buf doc;
    sg_buf_init(&doc, (size_t)16 << 20);
    int err = lg_db_document(&r->db, &doc, &place, false, &read->statement);
    if (err == 0)
        err = lg_statement_decode(&s, doc.p, doc.len);
    sg_buf_fini(&doc);
    for (unsigned i = 0; err == 0 && i < s->nreads && !*out; i++) {
        const struct lg_read *x = &s->reads[i];
        *out = s->gw == read->gw && x->min == d->min && x->live == read->live &&
               lg_hash_eq(&x->digest, &read->digest) && x->relay.len == strlen(d->relay) &&
               memcmp(x->relay.p, d->relay, x->relay.len) == 0;
    }
    lg_statement_free(s);
    return err == SG_ENOMEM || err == SG_EIO ? err
                                             : 0; /* damage is noted, and no reason to hide the others */
}

struct disputes {
    struct lg_reader *r;
    lg_reader_dispute_fn *fn;
    void *arg;
};

static int dispute_of_row(void *arg, sqlite3_stmt *st)
{
    const struct disputes *all = arg;
    const struct lg_genesis *g = all->r->db.genesis;
    const int64_t relay = sqlite3_column_int64(st, 1);
    if (relay < 0 || relay >= (int64_t)g->nrelays)
        return SG_ECORRUPT;
    struct lg_reader_dispute d = {
        .id = sqlite3_column_int64(st, 0), .relay = g->relays[relay].id, .min = sqlite3_column_int64(st, 2)};
    bool is[2] = {false, false};
    int err = side_of_row(all->r, &d.side[0], st, 0);
    if (err == 0)
        err = side_of_row(all->r, &d.side[1], st, 1);
    for (unsigned i = 0; i < 2 && err == 0; i++)
        err = said(all->r, &is[i], &d, &d.side[i].read);
    return err != 0 || !is[0] || !is[1] ? err : all->fn(all->arg, &d);
}

int lg_reader_disputes(struct lg_reader *r, int64_t to, unsigned limit, lg_reader_dispute_fn *fn, void *arg)
{
    struct disputes all = {r, fn, arg};
    return lg_db_each(
        &r->db, LG_SQL_DISPUTES, LG_ARGS(lg_arg_int(to), lg_arg_int(limit)), dispute_of_row, &all);
}
