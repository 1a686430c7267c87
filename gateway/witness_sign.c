/* The witness: when to begin an incarnation, when to sign, and the signing.
 *
 * Invariant: a statement is in the outbox, durably, before anyone is offered it. While anything about the clock is in doubt nothing
 * is signed; what was read waits in the outbox and is stated later. */
#include "gateway/witness_priv.h"
#include "sg_log.h"
#include "sg_time.h"

#include <stdlib.h>

#define RETRY_MS       500                /* real: a node that is not ready, a clock that is not good */
#define RELAY_SHOWS_MS (2 * SG_MINUTE_MS) /* so long a latch is a witness of the time */

static const char part[] = "witness";

sg_ms gw_witness_deadline(const struct gw_witness *w)
{
    return (w->slot + 1) * SG_MINUTE_MS + w->config.genesis->policy.collect_ms / 2;
}

/* The tip, for the clock; and what the statement names: the node's base for this very slot. A node that has not seen the minute end, or
 * does not say, has no block of this slot yet, so its tip is the base. Else, its clock being ahead, the last one stays: an
 * ancestor votes for every branch that holds it. */
static void adopt_tip(struct gw_witness *w)
{
    const struct gw_ledger *home = gw_ledgers_home(w->ledgers);
    enum gw_witness_names names;

    if (!home || !home->has_tip)
        return;
    w->tip = home->tip;
    w->has_tip = true;
    names = gw_witness_names(home->status.has_base, home->status.slot_for, home->tip.slot, w->slot);
    if (names != GW_NAMES_LAST)
        w->vote = names == GW_NAMES_BASE ? home->status.base : home->tip;
}

static bool relay_shows(const struct gw_witness *w, sg_ms run_ms)
{
    int64_t seen = atomic_load(&w->latch_run_ms);

    return seen != 0 && run_ms - seen < RELAY_SHOWS_MS;
}

static bool trusted(struct gw_witness *w, sg_ms now_ms)
{
    const struct sg_clock *clock = w->config.clock;
    struct gw_trust_view v = {.max_future_ms = w->config.genesis->policy.max_future_ms,
        .wall_ms = now_ms,
        .run_ms = clock->run_ms(clock),
        .start_wall_ms = w->start_wall_ms,
        .start_run_ms = w->start_run_ms,
        .tip_ms = w->tip.time};
    enum gw_trust trust;

    gw_ledgers_clocks(w->ledgers, &v);
    v.relay_agrees = relay_shows(w, v.run_ms);
    trust = gw_trust_judge(&v);
    if (trust != w->trust) {
        sg_log(trust ? SG_LOG_ERROR : SG_LOG_INFO, part, "%s%s", trust ? "not signing: " : "",
            gw_trust_text(trust));
        if (trust)
            w->config.alarm(w->config.ctx, "clock");
        else
            gw_witness_alarm_over(w, "clock");
    }
    w->trust = trust;
    if (trust)
        gw_witness_retry_in(w, RETRY_MS);
    return trust == GW_TRUST_GOOD;
}

/* ---- incarnations ---- */

void gw_witness_give_up(struct gw_witness *w, sg_ms inc, const char *why)
{
    int err = gw_outbox_give_up(w->outbox, inc);

    if (err) {
        gw_witness_outbox_err(w, err);
        return;
    }
    if (inc != w->core.inc || w->core.state == GW_WITNESS_IDLE || w->core.state == GW_WITNESS_STOPPED)
        return;
    sg_log(SG_LOG_WARN, part, "incarnation %lld ends: %s", (long long)inc, why);
    gw_witness_lost(&w->core);
    gw_witness_retry_in(w, 0);
}

static int gather_known(struct gw_witness *w, struct gw_witness_known *known, sg_ms now_ms)
{
    sg_ms max_future_ms = w->config.genesis->policy.max_future_ms;
    int err = gw_outbox_drop_uncounted(w->outbox, now_ms, max_future_ms);

    gw_witness_forget_fast_clock(w, w->slot, now_ms); /* of an earlier process */
    if (!err)
        err = gw_outbox_greatest(w->outbox, &known->own_inc, &known->own_slot, now_ms, max_future_ms);
    gw_ledgers_known(w->ledgers, known, now_ms);
    return err;
}

/* A ledger must be ready, and the clock good, before the first statement of an incarnation. */
static void begin(struct gw_witness *w, sg_ms now_ms)
{
    struct gw_witness_known known;
    const char *why = "";
    int err;

    if (!gw_ledgers_settled(w->ledgers))
        return;
    adopt_tip(w);
    if (w->has_tip &&
        !trusted(w, now_ms)) /* told with an alarm, before a node says in its words why it is not ready */
        return;
    if (!w->ledgers->want_ready || !gw_ledgers_ready(w->ledgers, &why)) {
        if (why[0] && !w->told_not_ready)
            sg_log(SG_LOG_INFO, part, "waiting to sign: %s", why);
        w->told_not_ready = why[0] != 0;
        gw_witness_retry_in(w, w->ledgers->want_ready ? RETRY_MS : 0);
        return;
    }
    if (!trusted(w, now_ms))
        return;
    err = gather_known(w, &known, now_ms);
    if (err) {
        gw_witness_outbox_err(w, err);
        return;
    }
    w->told_not_ready = false;
    gw_witness_plan_catchup(w);
    gw_witness_begin(&w->core, &known, now_ms);
    sg_log(SG_LOG_INFO, part, "incarnation %lld", (long long)w->core.inc);
}

/* ---- one statement ---- */

static bool all_reported(const struct gw_witness *w)
{
    for (unsigned i = 0; i < w->config.nrelays; i++) {
        if (w->reported[i] < w->slot)
            return false;
    }
    return true;
}

/* Every relay has said what became of the minute, and every node what it knows; after the deadline whatever is there, but
 * not without having heard of any node that answers at all. */
static bool due(const struct gw_witness *w, sg_ms now_ms)
{
    if (now_ms < gw_witness_sign_at(w->config.genesis, w->config.kid, w->slot))
        return false;
    if (now_ms < gw_witness_deadline(w))
        return gw_ledgers_settled(w->ledgers) && all_reported(w);
    return gw_ledgers_settled(w->ledgers) || gw_ledgers_home(w->ledgers);
}

/* What to name is asked for as late as can be: the votes of others that have come meanwhile count. Once a slot; true: wait for it. */
static bool ask_again(struct gw_witness *w, sg_ms now_ms)
{
    const struct gw_ledger *home = gw_ledgers_home(w->ledgers);

    if (w->again_slot == w->slot || !home || now_ms >= gw_witness_deadline(w))
        return false;
    w->again_slot = w->slot;
    gw_ledgers_ask_again(w->ledgers, home);
    return true;
}

static int open_items(struct gw_witness *w, struct gw_item **items, unsigned *n, sg_minute first)
{
    *items = calloc(LG_MAX_ENTRIES, sizeof **items);
    if (!*items)
        return SG_ENOMEM;
    return gw_outbox_open_items(w->outbox, *items, LG_MAX_ENTRIES, n, first, w->slot);
}

/* Encode, sign, and keep. row gets what the outbox knows of it. */
static int make(struct gw_witness *w, struct gw_said_row *row, const struct gw_entries *e,
    const struct gw_item *items, sg_ms now_ms)
{
    struct lg_statement s = {.gw = w->config.kid,
        .ts = now_ms,
        .tip = w->vote.hash,
        .reads = e->reads,
        .nreads = e->nreads,
        .gaps = e->gaps,
        .ngaps = e->ngaps};
    struct sg_buf doc;
    int err;

    gw_witness_fill(&w->core, &s, w->slot);
    sg_buf_init(&doc, (size_t)w->config.genesis->policy.max_block_bytes / 2);
    err = lg_statement_encode(&doc, &s, w->config.key);
    if (!err) {
        *row = (struct gw_said_row){.inc = s.inc, .seq = s.seq, .slot = s.slot};
        lg_hash_leaf(&row->leaf, doc.p, doc.len);
        err = gw_outbox_add_statement(w->outbox, row, doc.p, doc.len, items, e->taken);
    }
    sg_buf_fini(&doc);
    return err;
}

static int say(struct gw_witness *w, sg_ms now_ms)
{
    sg_minute first = gw_witness_first(w);
    struct gw_entries_limits limits = {
        .first = first, .last = w->slot, .max_entries = LG_MAX_ENTRIES, .max_bytes = w->budget};
    struct gw_entries e = {0};
    struct gw_said_row row;
    struct gw_item *items = NULL;
    unsigned n = 0;
    int err = open_items(w, &items, &n, first);

    if (!err)
        err = gw_entries_choose(&e, items, n, w->config.genesis, &limits);
    if (!err)
        err = make(w, &row, &e, items, now_ms);
    if (!err) {
        gw_witness_signed(&w->core, &row.leaf, row.slot);
        sg_log(SG_LOG_INFO, part, "slot %lld: statement %lld with %u reads and %u gaps, tip at height %lld",
            (long long)row.slot, (long long)row.seq, e.nreads, e.ngaps, (long long)w->vote.height);
    }
    gw_entries_fini(&e);
    free(items);
    return err;
}

/* With a good clock only: under a wrong one the window would be another. */
static void prune(struct gw_witness *w)
{
    int64_t lost = 0;
    int err = gw_outbox_prune(w->outbox, w->slot, &lost);

    if (err)
        gw_witness_outbox_err(w, err);
    if (lost > 0) {
        sg_log(SG_LOG_ERROR, part, "%lld pairs were never mined and are too old now", (long long)lost);
        w->config.alarm(w->config.ctx, "expired");
    }
}

static bool second_process(struct gw_witness *w)
{
    char began[SG_RFC3339_SIZE];

    if (!gw_witness_saw(&w->core, w->ledgers->proven_inc))
        return false;
    sg_rfc3339_of_ms(began, w->ledgers->proven_inc); /* an incarnation is the time of its begin */
    sg_log(SG_LOG_ERROR, part,
        "another process signs with this key: incarnation %lld, begun at %s: end one of the two",
        (long long)w->ledgers->proven_inc, began);
    w->config.alarm(w->config.ctx, "second_process");
    gw_witness_fail(w, SG_ECONFLICT, "another process signs with this key");
    return true;
}

void gw_witness_try_sign(struct gw_witness *w, sg_ms now_ms)
{
    int err;

    if (w->failed || second_process(w))
        return;
    if (w->core.state == GW_WITNESS_IDLE)
        begin(w, now_ms);
    if (gw_witness_may_sign(&w->core, w->slot, now_ms) || w->late || !due(w, now_ms))
        return;
    adopt_tip(w);
    if (ask_again(w, now_ms) || !trusted(w, now_ms))
        return;
    err = say(w, now_ms);
    if (err ==
        SG_ECONFLICT) { /* this (inc, seq) is in the store: whoever wrote it, it is never signed again */
        gw_witness_give_up(w, w->core.inc, "its next statement exists");
        return;
    }
    if (err) {
        gw_witness_outbox_err(w, err);
        gw_witness_retry_in(w, RETRY_MS);
        return;
    }
    gw_witness_outbox_good(w);
    prune(w);
    gw_commit_kick(w->commit);
}
