/* The outbox: pairs, gaps and own statements.
 *
 * Invariant: one pair a (relay, minute) for ever; a gap stands beside a pair only while a statement carries that gap; an item is
 * carried by at most one statement that is not dead.
 * Refuses: a second digest for a minute, a gap after a pair, a second statement for one (inc, seq). */
#include "gateway/outbox_db.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int gw_outbox_open(struct gw_outbox **out, const struct gw_outbox_config *config, struct sg_fault *fault)
{
    struct gw_outbox *o = calloc(1, sizeof *o);
    int err;

    if (!o) {
        fault->err = SG_ENOMEM;
        memcpy(fault->text, "out of memory", sizeof "out of memory");
        return SG_ENOMEM;
    }
    err = gw_outbox_db_open(o, config, fault);
    if (err) {
        gw_outbox_close(o);
        return err;
    }
    *out = o;
    return 0;
}

void gw_outbox_close(struct gw_outbox *o)
{
    if (!o)
        return;
    gw_outbox_db_close(o);
    free(o);
}

int gw_outbox_begin(struct gw_outbox *o)
{
    bool own;
    int err;

    assert(!o->nested);
    err = gw_sql_enter(o, &own);
    o->nested = !err;
    return err;
}

int gw_outbox_commit(struct gw_outbox *o)
{
    assert(o->nested);
    o->nested = false;
    return gw_sql_leave(o, true, 0);
}

void gw_outbox_rollback(struct gw_outbox *o)
{
    assert(o->nested);
    o->nested = false;
    if (gw_sql_leave(o, true, SG_EAGAIN) != SG_EAGAIN)
        assert(!"leaving returns the error that it was given");
}

/* ---- what was read ---- */

/* 0: there is none. SG_EKNOWN, SG_ECONFLICT as gw_outbox_put_pair. */
static int look_for_pair(struct gw_outbox *o, unsigned relay, sg_minute min, const struct lg_hash *digest)
{
    struct gw_sql_arg key[] = {GW_INT(relay), GW_INT(min)};
    struct sqlite3_stmt *st = gw_sql_bind(o, GW_SQL_PAIR_GET, key, 2);
    struct lg_hash there;
    int got = gw_sql_step(o, st);

    if (got <= 0)
        return got;
    got = gw_sql_hash(st, 0, &there);
    gw_sql_reset(st);
    if (got)
        return got;
    return digest && !lg_hash_eq(&there, digest) ? SG_ECONFLICT : SG_EKNOWN;
}

int gw_outbox_put_pair(struct gw_outbox *o, const struct gw_pair *pair, sg_minute now_slot)
{
    struct gw_sql_arg row[] = {GW_INT(pair->relay), GW_INT(pair->min), GW_HASH(&pair->digest),
        GW_INT(pair->live), GW_INT(now_slot), GW_INT((int64_t)pair->doc_len),
        GW_BLOB(pair->doc, pair->doc_len)};
    bool own;
    int err;

    assert(pair->relay < o->genesis->nrelays && pair->doc_len > 0);
    err = gw_sql_enter(o, &own);
    if (err)
        return err;
    err = look_for_pair(o, pair->relay, pair->min, &pair->digest);
    if (!err)
        err = gw_sql_run(o, GW_SQL_GAP_DROP, row, 2);
    if (!err)
        err = gw_sql_run(o, GW_SQL_PAIR_PUT, row, 7);
    return gw_sql_leave(o, own, err);
}

static int look_for_gap(struct gw_outbox *o, const struct gw_sql_arg *key)
{
    struct sqlite3_stmt *st = gw_sql_bind(o, GW_SQL_GAP_GET, key, 2);
    int got = gw_sql_step(o, st);

    if (got <= 0)
        return got;
    gw_sql_reset(st);
    return SG_EKNOWN;
}

int gw_outbox_put_gap(struct gw_outbox *o, unsigned relay, sg_minute min, enum lg_reason reason)
{
    struct gw_sql_arg row[] = {GW_INT(relay), GW_INT(min), GW_INT(reason)};
    bool own;
    int err;

    assert(relay < o->genesis->nrelays && reason < LG_REASON_COUNT);
    err = gw_sql_enter(o, &own);
    if (err)
        return err;
    err = look_for_pair(o, relay, min, NULL);
    if (!err)
        err = look_for_gap(o, row);
    if (!err)
        err = gw_sql_run(o, GW_SQL_GAP_PUT, row, 3);
    return gw_sql_leave(o, own, err);
}

int gw_outbox_forget_gaps(struct gw_outbox *o, sg_minute last)
{
    struct gw_sql_arg args[] = {GW_INT(last)};

    return gw_sql_run(o, GW_SQL_GAP_FORGET, args, 1);
}

/* min, relay, is_read, id, live or reason, len, digest */
static int read_item(const struct gw_outbox *o, struct gw_item *out, struct sqlite3_stmt *st)
{
    struct gw_item item = {.min = gw_sql_i64(st, 0),
        .relay = (unsigned)gw_sql_i64(st, 1),
        .is_read = gw_sql_i64(st, 2) == 1,
        .id = gw_sql_i64(st, 3),
        .body_len = (uint32_t)gw_sql_i64(st, 5)};
    int64_t value = gw_sql_i64(st, 4);

    if (item.relay >= o->genesis->nrelays || value < 0 ||
        value > (item.is_read ? LG_MAX_SAMPLES : LG_REASON_COUNT - 1))
        return SG_ECORRUPT;
    if (item.is_read)
        item.live = (uint8_t)value;
    else
        item.reason = (enum lg_reason)value;
    *out = item;
    return item.is_read ? gw_sql_hash(st, 6, &out->digest) : 0;
}

int gw_outbox_open_items(
    struct gw_outbox *o, struct gw_item *items, unsigned max, unsigned *n, sg_minute first, sg_minute last)
{
    struct gw_sql_arg args[] = {GW_INT(first), GW_INT(last), GW_INT(max)};
    struct sqlite3_stmt *st = gw_sql_bind(o, GW_SQL_OPEN_ITEMS, args, 3);
    unsigned count = 0;
    int got;

    while ((got = gw_sql_step(o, st)) == 1) {
        assert(count < max);
        got = read_item(o, &items[count++], st);
        if (got) {
            gw_sql_reset(st);
            return got;
        }
    }
    if (!got)
        *n = count;
    return got;
}

/* ---- what this outbox does not know ---- */

/* May a read follow this gap? Only where the way to the relay was at fault: what the relay itself showed stands. */
static bool may_be_read(int64_t reason)
{
    return reason == LG_REASON_TIMEOUT || reason == LG_REASON_REFUSED || reason == LG_REASON_EXCEPTION;
}

/* Clear the bits of the minutes that a query gives. */
static int clear_bits(
    struct gw_outbox *o, uint64_t *bits, enum gw_outbox_sql which, const struct gw_sql_arg *args)
{
    struct sqlite3_stmt *st = gw_sql_bind(o, which, args, 3);
    int got;

    while ((got = gw_sql_step(o, st)) == 1) {
        if (which == GW_SQL_PAIR_MINUTES || !may_be_read(gw_sql_i64(st, 1)))
            *bits &= ~(UINT64_C(1) << (args[2].n - gw_sql_i64(st, 0)));
    }
    return got;
}

int gw_outbox_unread(struct gw_outbox *o, uint64_t *bits, unsigned relay, sg_minute newest, unsigned n)
{
    struct gw_sql_arg args[] = {GW_INT(relay), GW_INT(newest - n + 1), GW_INT(newest)};
    uint64_t unread = n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
    int err;

    assert(n >= 1 && n <= GW_OUTBOX_UNREAD_MAX);
    err = clear_bits(o, &unread, GW_SQL_PAIR_MINUTES, args);
    if (!err)
        err = clear_bits(o, &unread, GW_SQL_GAP_MINUTES, args);
    if (!err)
        *bits = unread;
    return err;
}

static int oldest(struct gw_outbox *o, sg_minute *min, enum gw_outbox_sql which, unsigned relay)
{
    struct gw_sql_arg args[] = {GW_INT(relay)};
    struct sqlite3_stmt *st = gw_sql_bind(o, which, args, 1);
    int got = gw_sql_step(o, st);
    bool none;

    if (got != 1)
        return got ? got : SG_ECORRUPT; /* an aggregate always gives a row */
    none = gw_sql_is_null(st, 0);
    if (!none)
        *min = gw_sql_i64(st, 0);
    gw_sql_reset(st);
    return none ? SG_ENOT_FOUND : 0;
}

int gw_outbox_oldest_open(struct gw_outbox *o, sg_minute *min, unsigned relay)
{
    return oldest(o, min, GW_SQL_OPEN_OLDEST, relay);
}

int gw_outbox_oldest_elsewhere(struct gw_outbox *o, sg_minute *min, unsigned relay)
{
    return oldest(o, min, GW_SQL_ELSEWHERE_OLDEST, relay);
}

int gw_outbox_read_elsewhere(
    struct gw_outbox *o, unsigned relay, sg_minute min, const struct lg_hash *digest, bool confirmed)
{
    struct gw_sql_arg args[] = {GW_INT(relay), GW_INT(min), GW_HASH(digest), GW_INT(confirmed ? -1 : -3)};
    int err;

    assert(o->nested);
    err = gw_sql_run(o, GW_SQL_ELSEWHERE, args, 4);
    return err ? err : gw_sql_run(o, GW_SQL_GAP_DROP, args, 2);
}

int gw_outbox_gone_elsewhere(struct gw_outbox *o, unsigned relay, sg_minute from, sg_minute to)
{
    struct gw_sql_arg args[] = {GW_INT(relay), GW_INT(from), GW_INT(to)};
    int err;

    assert(o->nested);
    err = gw_sql_run(o, GW_SQL_ELSEWHERE_GONE, args, 3);
    return err ? err : gw_sql_run(o, GW_SQL_ELSEWHERE_STAYS, NULL, 0);
}

/* ---- upkeep ---- */

/* A row of numbers; NULL reads as 0. */
static int read_numbers(struct gw_outbox *o, struct sqlite3_stmt *st, int64_t *values, int n)
{
    int got = gw_sql_step(o, st);

    if (got != 1)
        return got ? got : SG_ECORRUPT; /* an aggregate always gives a row */
    for (int i = 0; i < n; i++)
        values[i] = gw_sql_i64(st, i);
    gw_sql_reset(st);
    return 0;
}

int gw_outbox_uncommitted(struct gw_outbox *o, sg_minute entered_slot, int64_t *count, sg_minute *oldest)
{
    struct gw_sql_arg args[] = {GW_INT(entered_slot)};
    int64_t values[2];
    int err = read_numbers(o, gw_sql_bind(o, GW_SQL_UNCOMMITTED, args, 1), values, 2);

    if (!err) {
        *count = values[0];
        *oldest = values[1];
    }
    return err;
}

int gw_outbox_prune(struct gw_outbox *o, sg_minute slot, int64_t *lost)
{
    sg_minute first = slot - (LG_KEEP_SLOTS - 1);
    struct gw_sql_arg args[] = {GW_INT(first)};
    /* a statement older than the window carries only items older than it */
    static const enum gw_outbox_sql steps[] = {GW_SQL_PRUNE_PAIRS, GW_SQL_PRUNE_GAPS, GW_SQL_PRUNE_SAID};
    int64_t count = 0;
    bool own;
    int err = gw_sql_enter(o, &own);

    if (err)
        return err;
    err = read_numbers(o, gw_sql_bind(o, GW_SQL_PRUNE_COUNT, args, 1), &count, 1);
    for (size_t i = 0; i < SG_ARRAY_LEN(steps) && !err; i++)
        err = gw_sql_run(o, steps[i], args, 1);
    err = gw_sql_leave(o, own, err);
    if (err)
        return err;
    *lost = count;
    gw_outbox_restore_ballast(o);
    return 0;
}

/* Has anything been signed that is not older than the window, by the clock of then and of now? */
static int signs(struct gw_outbox *o, bool *yes, sg_minute slot)
{
    struct sqlite3_stmt *st = gw_sql_bind(o, GW_SQL_BOUND_SLOT, NULL, 0);
    int got = gw_sql_step(o, st);
    sg_minute passed;

    if (got != 1)
        return got ? got : SG_ECORRUPT; /* an aggregate always gives a row */
    passed = slot - gw_sql_i64(st, 0);
    *yes = !gw_sql_is_null(st, 0) && passed <= LG_KEEP_SLOTS && passed >= -LG_KEEP_SLOTS;
    gw_sql_reset(st);
    return 0;
}

static int drop_oldest(struct gw_outbox *o, int64_t keep, int64_t *lost)
{
    struct gw_sql_arg pairs[] = {GW_INT(keep)};
    struct gw_sql_arg gaps[] = {GW_INT(2 * keep)}; /* a gap that a read replaced has left a hole */
    int64_t count = 0;
    bool own;
    int err = gw_sql_enter(o, &own);

    if (err)
        return err;
    err = gw_sql_run(o, GW_SQL_BOUND_PAIRS, pairs, 1);
    if (!err)
        count = gw_sql_changes(o);
    if (!err)
        err = gw_sql_run(o, GW_SQL_BOUND_GAPS, gaps, 1);
    err = gw_sql_leave(o, own, err);
    if (!err)
        *lost = count;
    return err;
}

int gw_outbox_bound(struct gw_outbox *o, sg_minute slot, int64_t keep, int64_t *lost)
{
    bool yes = false;
    int err = signs(o, &yes, slot);

    *lost = 0;
    return err || yes ? err : drop_oldest(o, keep, lost);
}
