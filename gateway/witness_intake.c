/* The witness: intake of outcomes.
 *
 * Invariant: an outcome is on disk before its memory is freed; a relay has reported a minute only when that minute is over.
 * Refuses: bodies that do not recompute (they become a gap `malformed` with an alarm): a statement with one could never be mined;
 * gaps of minutes that have yet to end. */
#include "gateway/witness_priv.h"
#include "sg_log.h"

static const char part[] = "witness";

/* 0 when the body is that relay's and minute's and recomputes; digest is set. */
static int check_body(const struct gw_witness *w, struct gw_outcome *o)
{
    const struct lg_relay *relay = &w->config.genesis->relays[w->genesis_index[o->relay]];
    struct lg_body *b = NULL;
    int err = lg_body_decode(&b, o->doc, o->doc_len);

    if (!err)
        err = lg_body_check(b, relay);
    if (!err && b->min != o->min)
        err = SG_EREAD_MISMATCH;
    if (!err)
        o->digest = b->digest;
    lg_body_free(b);
    return err;
}

static int store_pair(struct gw_witness *w, struct gw_outcome *o, sg_minute now_slot)
{
    struct gw_pair pair = {.relay = w->genesis_index[o->relay],
        .min = o->min,
        .live = o->live,
        .digest = o->digest,
        .doc = o->doc,
        .doc_len = o->doc_len};
    int err = gw_outbox_put_pair(w->outbox, &pair, now_slot);

    if (err == SG_ECONFLICT) {
        sg_log(SG_LOG_ERROR, part, "%s minute %lld: read twice with different content; the first counts",
            w->config.relays[o->relay].id, (long long)o->min);
        w->config.alarm(w->config.ctx, "malformed");
    }
    return err == SG_ECONFLICT || err == SG_EKNOWN ? 0 : err;
}

/* The newest minute of which a gap is believed: one that ends later was told by a clock that ran ahead, and will be told again. */
static sg_minute last_ended(const struct gw_witness *w, sg_ms now_ms)
{
    return (now_ms + w->config.genesis->policy.max_future_ms) / SG_MINUTE_MS - 1;
}

static int store(struct gw_witness *w, struct gw_outcome *o, sg_minute now_slot)
{
    int err = o->has_body ? check_body(w, o) : 0;

    if (err == SG_ENOMEM)
        return err;
    if (err) {
        sg_log(SG_LOG_ERROR, part, "%s minute %lld: the body is not valid (%s)",
            w->config.relays[o->relay].id, (long long)o->min, sg_err_code(err));
        w->config.alarm(w->config.ctx, "malformed");
        o->has_body = false;
        o->reason = LG_REASON_MALFORMED;
    }
    if (o->min < w->config.genesis->minute)
        return 0;
    if (o->has_body)
        return store_pair(w, o, now_slot);
    if (o->min > last_ended(w, gw_witness_wall(w)))
        return 0;
    err = gw_outbox_put_gap(w->outbox, w->genesis_index[o->relay], o->min, o->reason);
    return err == SG_EKNOWN ? 0 : err;
}

static void take_from_queue(struct gw_witness *w)
{
    sg_minute closed = gw_witness_wall(w) / SG_MINUTE_MS - 1;
    void *msg;

    while (w->nheld < GW_HELD_MAX && sg_queue_get(w->queue, &msg, 0) == 0) {
        struct gw_outcome *o = msg;

        if (o->min > w->reported[o->relay] && o->min <= closed)
            w->reported[o->relay] = o->min;
        if (o->alarm)
            w->config.alarm(
                w->config.ctx, !o->has_body && o->reason == LG_REASON_IDENTITY ? "identity" : "malformed");
        o->alarm = false;
        w->held[w->nheld++] = o;
    }
}

/* All that is held, in one transaction. */
void gw_witness_take_in(struct gw_witness *w)
{
    sg_minute now_slot = gw_witness_wall(w) / SG_MINUTE_MS - 1;
    int err;

    take_from_queue(w);
    if (w->nheld == 0)
        return;
    err = gw_outbox_begin(w->outbox);
    for (unsigned i = 0; i < w->nheld && !err; i++) {
        err = store(w, w->held[i], now_slot);
        if (err)
            gw_outbox_rollback(w->outbox);
    }
    if (!err)
        err = gw_outbox_commit(w->outbox);
    if (err) {
        gw_witness_outbox_err(w, err);
        return;
    }
    gw_witness_outbox_good(w);
    while (w->nheld > 0)
        gw_outcome_free(w->held[--w->nheld]);
}

void gw_witness_forget_fast_clock(struct gw_witness *w, sg_minute slot, sg_ms now_ms)
{
    int err = gw_outbox_forget_gaps(w->outbox, last_ended(w, now_ms));

    for (unsigned i = 0; i < w->config.nrelays; i++) {
        if (w->reported[i] > slot)
            w->reported[i] = -1;
    }
    if (err)
        gw_witness_outbox_err(w, err);
}
