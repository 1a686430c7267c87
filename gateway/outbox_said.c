/* The outbox: own statements, where they were last seen, and the items that they carry.
 *
 * Invariant: a statement is written together with the marks of its items, before anyone can send it; a dead one carries nothing.
 * Refuses: a second statement for one (inc, seq). */
#include "gateway/outbox_db.h"

#include <assert.h>

/* id, inc, seq, slot, leaf, place, ack, height */
static int read_row(struct gw_said_row *out, struct sqlite3_stmt *st)
{
    struct gw_said_row row = {.id = gw_sql_i64(st, 0),
        .inc = gw_sql_i64(st, 1),
        .seq = gw_sql_i64(st, 2),
        .slot = gw_sql_i64(st, 3),
        .acknowledged = gw_sql_i64(st, 6) != 0,
        .height = gw_sql_i64(st, 7)};
    int64_t place = gw_sql_i64(st, 5);

    if (place < GW_SAID_MADE || place > GW_SAID_DEAD)
        return SG_ECORRUPT;
    row.said = (enum gw_said)place;
    *out = row;
    return gw_sql_hash(st, 4, &out->leaf);
}

/* The first row, SG_ENOT_FOUND when there is none. */
static int find_one(struct gw_outbox *o, struct gw_said_row *row, enum gw_outbox_sql which,
    const struct gw_sql_arg *args, int nargs)
{
    struct sqlite3_stmt *st = gw_sql_bind(o, which, args, nargs);
    int got = gw_sql_step(o, st);

    if (got <= 0)
        return got ? got : SG_ENOT_FOUND;
    got = read_row(row, st);
    gw_sql_reset(st);
    return got;
}

int gw_outbox_find(struct gw_outbox *o, struct gw_said_row *row, const struct lg_hash *leaf)
{
    struct gw_sql_arg args[] = {GW_HASH(leaf)};

    return find_one(o, row, GW_SQL_SAID_BY_LEAF, args, 1);
}

int gw_outbox_find_seq(struct gw_outbox *o, struct gw_said_row *row, sg_ms inc, int64_t seq)
{
    struct gw_sql_arg args[] = {GW_INT(inc), GW_INT(seq)};

    return find_one(o, row, GW_SQL_SAID_BY_SEQ, args, 2);
}

int gw_outbox_next(struct gw_outbox *o, struct gw_said_row *row, int64_t from, bool mined_too)
{
    struct gw_sql_arg args[] = {GW_INT(from), GW_INT(mined_too ? GW_SAID_DEAD : GW_SAID_MINED)};

    return find_one(o, row, GW_SQL_SAID_NEXT, args, 2);
}

int gw_outbox_oldest_unmined(struct gw_outbox *o, struct gw_said_row *row, sg_ms inc)
{
    struct gw_sql_arg args[] = {GW_INT(inc)};

    return find_one(o, row, GW_SQL_SAID_UNMINED, args, 1);
}

static int carry(struct gw_outbox *o, int64_t id, const struct gw_item *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct gw_sql_arg args[] = {GW_INT(id), GW_INT(items[i].id)};
        int err = gw_sql_run(o, items[i].is_read ? GW_SQL_PAIR_CARRY : GW_SQL_GAP_CARRY, args, 2);

        if (err)
            return err;
        assert(gw_sql_changes(o) == 1); /* the items were open a moment ago, and this is the only writer */
    }
    return 0;
}

static int insert(struct gw_outbox *o, struct gw_said_row *row, const uint8_t *doc, size_t doc_len)
{
    struct gw_sql_arg args[] = {GW_INT(row->inc), GW_INT(row->seq), GW_INT(row->slot), GW_HASH(&row->leaf),
        GW_INT((int64_t)doc_len), GW_BLOB(doc, doc_len)};
    struct gw_said_row there;
    int err = gw_outbox_find_seq(o, &there, row->inc, row->seq);

    if (err != SG_ENOT_FOUND)
        return err ? err : SG_ECONFLICT;
    err = gw_sql_run(o, GW_SQL_SAID_PUT, args, 6);
    return err ? err : gw_outbox_find_seq(o, row, row->inc, row->seq);
}

int gw_outbox_add_statement(struct gw_outbox *o, struct gw_said_row *row, const uint8_t *doc, size_t doc_len,
    const struct gw_item *items, unsigned nitems)
{
    struct gw_said_row made = *row;
    bool own;
    int err;

    assert(!o->nested); /* it must be durable when this returns */
    err = gw_sql_enter(o, &own);
    if (err)
        return err;
    err = insert(o, &made, doc, doc_len);
    if (!err)
        err = carry(o, made.id, items, nitems);
    err = gw_sql_leave(o, own, err);
    if (!err)
        *row = made;
    return err;
}

/* The items of a dead statement are to be stated again; a gap whose minute has been read meanwhile is not. */
static int open_items(struct gw_outbox *o, int64_t id)
{
    static const enum gw_outbox_sql steps[] = {GW_SQL_PAIR_OPEN, GW_SQL_GAP_STALE, GW_SQL_GAP_OPEN};
    struct gw_sql_arg args[] = {GW_INT(id)};

    for (size_t i = 0; i < SG_ARRAY_LEN(steps); i++) {
        int err = gw_sql_run(o, steps[i], args, 1);

        if (err)
            return err;
    }
    return 0;
}

int gw_outbox_set_said(struct gw_outbox *o, int64_t id, enum gw_said said, bool acknowledged, int64_t height)
{
    struct gw_sql_arg args[] = {GW_INT(id), GW_INT(said), GW_INT(acknowledged), GW_INT(height)};
    bool own;
    int err = gw_sql_enter(o, &own);

    if (err)
        return err;
    err = gw_sql_run(o, GW_SQL_SAID_SET, args, 4);
    if (!err && gw_sql_changes(o) == 0)
        err = SG_ENOT_FOUND;
    if (!err && said == GW_SAID_DEAD)
        err = open_items(o, id);
    return gw_sql_leave(o, own, err);
}

int gw_outbox_acknowledge(struct gw_outbox *o, int64_t id)
{
    struct gw_sql_arg args[] = {GW_INT(id)};
    int err = gw_sql_run(o, GW_SQL_SAID_ACK, args, 1);

    return err ? err : gw_sql_changes(o) == 0 ? SG_ENOT_FOUND : 0;
}

static int give_up_all(struct gw_outbox *o, sg_ms inc)
{
    struct gw_said_row row;

    for (;;) {
        int err = gw_outbox_oldest_unmined(o, &row, inc);

        if (err == SG_ENOT_FOUND)
            return 0;
        if (!err)
            err = gw_outbox_set_said(o, row.id, GW_SAID_DEAD, false, 0);
        if (err)
            return err;
    }
}

int gw_outbox_give_up(struct gw_outbox *o, sg_ms inc)
{
    bool own;
    int err = gw_sql_enter(o, &own);

    if (err)
        return err;
    o->nested = true;
    err = give_up_all(o, inc);
    o->nested = !own;
    return gw_sql_leave(o, own, err);
}

static int first_id(struct gw_outbox *o, int64_t *id, enum gw_outbox_sql which, int64_t arg)
{
    struct gw_sql_arg args[] = {GW_INT(arg)};
    struct sqlite3_stmt *st = gw_sql_bind(o, which, args, 1);
    int got = gw_sql_step(o, st);

    if (got == 1) {
        *id = gw_sql_i64(st, 0);
        gw_sql_reset(st);
    }
    return got;
}

int gw_outbox_drop_uncounted(struct gw_outbox *o, sg_ms now_ms, sg_ms max_future_ms)
{
    int64_t id = 0;
    int got, err = 0;

    while (!err && (got = first_id(o, &id, GW_SQL_SAID_UNCOUNTED, now_ms + max_future_ms)) != 0)
        err = got < 0 ? got : gw_outbox_set_said(o, id, GW_SAID_DEAD, false, 0);
    return err;
}

int gw_outbox_greatest(struct gw_outbox *o, sg_ms *inc, sg_minute *slot, sg_ms now_ms, sg_ms max_future_ms)
{
    struct gw_sql_arg args[] = {GW_INT(now_ms + max_future_ms)};
    struct sqlite3_stmt *st = gw_sql_bind(o, GW_SQL_SAID_GREATEST, args, 1);
    int got = gw_sql_step(o, st);

    if (got != 1)
        return got ? got : SG_ECORRUPT;
    *inc = gw_sql_i64(st, 0); /* NULL, without any, reads as 0 */
    *slot = *inc > 0 ? gw_sql_i64(st, 1) : -1;
    gw_sql_reset(st);
    return 0;
}

static int read_rows(
    struct gw_outbox *o, struct gw_said_row *rows, unsigned *n, enum gw_outbox_sql which, unsigned max)
{
    struct gw_sql_arg args[] = {GW_INT(max)};
    struct sqlite3_stmt *st = gw_sql_bind(o, which, args, 1);
    int got;

    while ((got = gw_sql_step(o, st)) == 1) {
        got = read_row(&rows[*n], st);
        if (got) {
            gw_sql_reset(st);
            return got;
        }
        (*n)++;
    }
    return got;
}

int gw_outbox_to_follow(struct gw_outbox *o, struct gw_said_row *rows, unsigned max, unsigned nconfirmed,
    unsigned *n, sg_minute slot)
{
    unsigned count = 0;
    bool own;
    int err = gw_sql_enter(o, &own);

    if (err)
        return err;
    err = read_rows(o, rows, &count, GW_SQL_SAID_FOLLOW, max);
    if (!err)
        err = read_rows(
            o, rows, &count, GW_SQL_SAID_FOLLOW_DEEP, nconfirmed < max - count ? nconfirmed : max - count);
    for (unsigned i = 0; i < count && !err; i++) {
        struct gw_sql_arg args[] = {GW_INT(rows[i].id), GW_INT(slot)};

        err = gw_sql_run(o, GW_SQL_SAID_ASKED, args, 2);
    }
    err = gw_sql_leave(o, own, err);
    if (!err)
        *n = count;
    return err;
}

int gw_outbox_doc(struct gw_outbox *o, struct sg_buf *doc, int64_t id)
{
    struct gw_sql_arg args[] = {GW_INT(id)};
    struct sqlite3_stmt *st = gw_sql_bind(o, GW_SQL_SAID_DOC, args, 1);
    int got = gw_sql_step(o, st);
    const uint8_t *p;
    size_t len;

    if (got != 1)
        return got ? got : SG_ENOT_FOUND;
    p = gw_sql_blob(st, 0, &len);
    if (p)
        sg_buf_put(doc, p, len);
    gw_sql_reset(st);
    return p ? sg_buf_err(doc) : SG_ENOMEM;
}

int gw_outbox_bodies(struct gw_outbox *o, int64_t id, gw_outbox_body_fn *fn, void *ctx)
{
    struct gw_sql_arg args[] = {GW_INT(id)};
    struct sqlite3_stmt *st = gw_sql_bind(o, GW_SQL_SAID_BODIES, args, 1);
    int got, err = 0;

    while (!err && (got = gw_sql_step(o, st)) != 0) {
        size_t len;
        const uint8_t *p;

        if (got < 0)
            return got;
        p = gw_sql_blob(st, 0, &len);
        err = p ? fn(ctx, p, len) : SG_ENOMEM;
    }
    if (err)
        gw_sql_reset(st);
    return err;
}

int gw_outbox_size(struct gw_outbox *o, int64_t id, size_t *bytes)
{
    struct gw_sql_arg args[] = {GW_INT(id)};
    struct sqlite3_stmt *st = gw_sql_bind(o, GW_SQL_SAID_SIZE, args, 1);
    int got = gw_sql_step(o, st);

    if (got != 1)
        return got ? got : SG_ENOT_FOUND;
    *bytes = (size_t)gw_sql_i64(st, 0);
    gw_sql_reset(st);
    return 0;
}
