/* The conversation with one relay.
 *
 * Invariant: a latch or a minute is asked for in READY only, and READY means that on this very connection the header named
 * the relay of the genesis, and that every latch since then carried the BOOT_ID of that header.
 * Refuses: answers that do not decode, a SEQ that goes back, latches whose clock is off. */
#include "gateway/core/relay_minute.h"

#include <assert.h>

enum { LIVE_PAUSE_MIN_MS = 100, LIVE_PAUSE_MAX_MS = 1000, PROBE_MS = 250 };

static const bool allowed[GW_RELAY_STATE_COUNT][GW_RELAY_STATE_COUNT] = {
    [GW_RELAY_DOWN] = {[GW_RELAY_IDENTIFY] = true},
    [GW_RELAY_IDENTIFY] = {[GW_RELAY_READY] = true, [GW_RELAY_DOWN] = true, [GW_RELAY_FOREIGN] = true},
    [GW_RELAY_READY] = {[GW_RELAY_IDENTIFY] = true, [GW_RELAY_DOWN] = true},
    [GW_RELAY_FOREIGN] = {[GW_RELAY_IDENTIFY] = true},
};

static void move(struct gw_relay *r, enum gw_relay_state to)
{
    assert(allowed[r->state][to]);
    r->state = to;
}

enum lg_reason gw_reason_of_err(int err)
{
    switch (err) {
    case SG_ETIMEOUT:
        return LG_REASON_TIMEOUT;
    case SG_EEXCEPTION:
        return LG_REASON_EXCEPTION;
    case SG_EMALFORMED:
        return LG_REASON_MALFORMED;
    case SG_EIDENTITY:
        return LG_REASON_IDENTITY;
    case SG_ECLOCK:
        return LG_REASON_CLOCK;
    }
    return LG_REASON_REFUSED; /* SG_EREFUSED, SG_ECLOSED: it takes no request, or answers none */
}

void gw_relay_init(struct gw_relay *r, const struct gw_relay_setup *setup, struct gw_now now)
{
    assert(setup->latch_delay_ms >= 0 && setup->latch_delay_ms < SG_PERIOD_MS);
    *r = (struct gw_relay){
        .setup = *setup,
        .state = GW_RELAY_DOWN,
        .header_run_ms = now.run_ms - GW_HEADER_PAUSE_MS,
        .retry_run_ms = now.run_ms,
        .lost_run_ms = now.run_ms,
        .reported = 1,
        .slot = -1,
        .clock_bad_min = {-1, -1},
    };
    gw_window_init(&r->window);
    gw_minutes_init(&r->minutes, now.wall_ms, now.run_ms);
}

bool gw_relay_healthy(const struct gw_relay *r)
{
    return r->failures == 0 && r->state != GW_RELAY_FOREIGN;
}

/* Tell a change of state once. */
static void report(struct gw_relay *r, struct gw_step *step)
{
    int state = r->reported;

    if (r->state == GW_RELAY_FOREIGN)
        state = SG_EIDENTITY;
    else if (r->failures > 0)
        state = r->last_err;
    else if (r->state == GW_RELAY_READY)
        state = r->clock_bad ? SG_ECLOCK : 0;
    if (state == r->reported)
        return;
    r->reported = state;
    step->has_state = true;
    step->state = state;
}

/* ---- what comes next ---- */

/* Our clock stepped: what was noted by it says nothing about the relay's. */
static void forget_our_clock(struct gw_relay *r)
{
    r->has_last = r->ahead = false;
    for (size_t i = 0; i < SG_ARRAY_LEN(r->clock_bad_min); i++) {
        if (r->clock_bad_min[i] > r->minutes.now)
            r->clock_bad_min[i] = -1;
    }
}

static void follow_clocks(struct gw_relay *r, struct gw_now now)
{
    int64_t slot = now.wall_ms / SG_PERIOD_MS;

    if (gw_minutes_roll(&r->minutes, now.wall_ms, now.run_ms, r->setup.max_future_ms))
        forget_our_clock(r);
    gw_minute_follow(r, now);
    if (slot != r->slot) {
        sg_ms due = slot * SG_PERIOD_MS + r->setup.latch_delay_ms - now.wall_ms;

        r->slot = slot;
        r->slot_done = r->slot_probed = false;
        r->live_tries = 0;
        r->live_run_ms = now.run_ms + (due > 0 ? due : 0);
    }
}

static void wait_until(struct gw_relay *r, struct gw_job *job, struct gw_now now)
{
    sg_ms boundary = (r->slot + 1) * SG_PERIOD_MS;
    sg_ms due; /* of the running clock */

    if (now.run_ms < r->retry_run_ms) {
        due = r->retry_run_ms;
        if (r->closing && now.run_ms < r->closing_until_run_ms && r->closing_until_run_ms < due)
            due = r->closing_until_run_ms;
    } else {
        due = gw_minute_due(r, now);
        if (!r->slot_done && r->live_run_ms < due)
            due = r->live_run_ms;
    }
    *job = (struct gw_job){.wait = true, .until_ms = boundary};
    if (due != INT64_MAX && now.wall_ms + (due - now.run_ms) < boundary)
        job->until_ms = now.wall_ms + (due - now.run_ms);
}

static void ask(struct gw_job *job, enum gw_read_kind kind)
{
    *job = (struct gw_job){
        .kind = kind,
        .address = gw_readplan_address(kind, 0),
        .quantity = gw_readplan(kind)->quantity,
    };
}

static void fail(struct gw_relay *r, enum gw_read_kind kind, int err, struct gw_now now)
{
    sg_ms most = r->closing ? GW_BACKOFF_CLOSING_MS : GW_BACKOFF_MAX_MS;

    if (r->failures++ == 0)
        r->down_since_run_ms = now.run_ms;
    r->last_err = err;
    r->retry_run_ms = now.run_ms + gw_pause_ms(GW_BACKOFF_MIN_MS, most, r->failures - 1);
    if (kind != GW_READ_LIVE)
        gw_minute_failed(r, err, now);
    move(r, GW_RELAY_DOWN);
}

void gw_relay_cut_off(struct gw_relay *r)
{
    r->proven = true;
}

/* The connection on which the identity was checked is gone. One that the relay itself closes again and again behind the header
 * is a failure. */
static void follow_connection(struct gw_relay *r, struct gw_now now, unsigned generation)
{
    if (r->state != GW_RELAY_READY || generation == r->generation)
        return;
    if (!r->proven && generation == 0)
        fail(r, GW_READ_HEADER, SG_ECLOSED, now);
    else
        move(r, GW_RELAY_IDENTIFY);
}

static void identify(struct gw_relay *r, struct gw_job *job, struct gw_now now)
{
    if (now.run_ms < r->header_run_ms + GW_HEADER_PAUSE_MS) {
        r->retry_run_ms = r->header_run_ms + GW_HEADER_PAUSE_MS;
        wait_until(r, job, now);
        return;
    }
    if (r->state != GW_RELAY_IDENTIFY)
        move(r, GW_RELAY_IDENTIFY);
    ask(job, GW_READ_HEADER);
}

void gw_relay_next(
    struct gw_relay *r, struct gw_job *job, struct gw_step *step, struct gw_now now, unsigned generation)
{
    *step = (struct gw_step){0};
    follow_clocks(r, now);
    follow_connection(r, now, generation);
    if (gw_minute_give_up(r, step, now)) {
        *job = (struct gw_job){.wait = true, .until_ms = now.wall_ms};
    } else if (now.run_ms < r->retry_run_ms) {
        wait_until(r, job, now);
    } else if (r->state != GW_RELAY_READY) {
        identify(r, job, now);
    } else if (r->closing && gw_minute_job(r, job, now)) {
        /* a minute has ended: its frame comes before the next latch */
    } else if (!r->slot_done && now.run_ms >= r->live_run_ms) {
        ask(job, GW_READ_LIVE);
    } else {
        wait_until(r, job, now);
    }
    report(r, step);
}

bool gw_relay_spare(struct gw_relay *r, struct gw_job *job, struct gw_now now, unsigned generation)
{
    return r->state == GW_RELAY_READY && generation == r->generation && now.run_ms >= r->retry_run_ms &&
           gw_minute_spare(r, job, now);
}

void gw_relay_want(struct gw_relay *r, sg_minute min, sg_ms retry_ms, struct gw_now now)
{
    if (gw_minutes_want(&r->minutes, min) && now.run_ms + retry_ms > r->lost_run_ms)
        r->lost_run_ms = now.run_ms + retry_ms;
}

/* ---- what an answer means ---- */

static void header_answer(struct gw_relay *r, const struct gw_answer *a, struct gw_now now)
{
    struct gw_header h;

    r->difference = "MAGIC, version or shape of the map";
    if (gw_header_decode(&h, a->regs) == 0)
        r->difference = gw_header_difference(&h, r->setup.relay);
    if (r->difference) {
        move(r, GW_RELAY_FOREIGN);
        r->retry_run_ms = now.run_ms + GW_BACKOFF_MAX_MS;
        return;
    }
    if (h.boot_id != r->id.boot_id || h.boot_utc != r->id.boot_utc) {
        r->has_last = false;
        r->clock_bad = r->ahead = false;
    }
    r->id = h;
    r->generation = a->generation;
    r->proven = false;
    r->closing_fresh = r->closing;
    move(r, GW_RELAY_READY);
}

static void note_bad_clock(struct gw_relay *r, struct gw_now now)
{
    sg_minute min = now.wall_ms / SG_MINUTE_MS;

    r->clock_bad = true;
    if (r->clock_bad_min[0] != min) {
        r->clock_bad_min[1] = r->clock_bad_min[0];
        r->clock_bad_min[0] = min;
    }
}

/* A latch lies between the last moment at which the one before was still the newest and now; is its own time so too? */
static bool clock_fits(const struct gw_relay *r, const struct gw_latch *l, struct gw_now now)
{
    sg_ms t = (sg_ms)l->utc_s * 1000;

    if (l->time_q & (SG_TIMEQ_NOT_SYNCHRONISED | SG_TIMEQ_CLOCK_FAILURE))
        return false;
    if (l->seq == 0) /* before the first latch after a boot */
        return true;
    if (t > now.wall_ms + r->setup.max_future_ms)
        return false;
    return !r->has_last || l->seq == r->last_seq || t >= r->last_sent_ms - r->setup.max_future_ms;
}

/* True when the latch was read while it was current: not one that a stopped relay left standing. */
static bool is_current(const struct gw_relay *r, const struct gw_latch *l, const struct gw_answer *a)
{
    return a->sent_wall_ms <= (sg_ms)l->utc_s * 1000 + SG_PERIOD_MS + r->setup.max_future_ms;
}

static void take_latch(struct gw_relay *r, struct gw_step *step, const struct gw_latch *l)
{
    if (!l->has_sample || gw_window_add(&r->window, l) != 0)
        return; /* known, or contradicted: that is remembered in the window */
    step->has_live = true;
    step->live = (struct gw_live){.relay = r->setup.index, .seq = l->seq, .t_ms = (sg_ms)l->utc_s * 1000};
    gw_sample_of_record(&step->live.sample, l->rec, r->setup.relay->profile);
}

/* The latch of this slot is not there yet. */
static void live_later(struct gw_relay *r, struct gw_now now)
{
    r->live_run_ms = now.run_ms + gw_pause_ms(LIVE_PAUSE_MIN_MS, LIVE_PAUSE_MAX_MS, r->live_tries);
    r->live_tries++;
}

/* A relay that is ahead shows the latch of this slot like any other. Once a minute it is read again just before the
 * moment from which the next latch would lie within the policy: one that shows it then is ahead by more. */
static void plan_probe(struct gw_relay *r, struct gw_now now)
{
    sg_ms probe = (r->slot + 1) * SG_PERIOD_MS - r->setup.max_future_ms % SG_PERIOD_MS - PROBE_MS;

    if (r->slot % SG_SAMPLES_A_MIN != SG_SAMPLES_A_MIN - 1 || r->slot_probed || now.wall_ms >= probe)
        return;
    r->slot_probed = true;
    r->slot_done = false;
    r->live_run_ms = now.run_ms + (probe - now.wall_ms);
}

static void live_answer(struct gw_relay *r, struct gw_step *step, const struct gw_job *job,
    const struct gw_answer *a, struct gw_now now)
{
    struct gw_latch l;

    if (gw_latch_decode(&l, a->regs) || (l.boot_id == r->id.boot_id && r->has_last && l.seq < r->last_seq)) {
        r->has_last = false; /* a SEQ that stays back is judged by the clock after the next header */
        fail(r, job->kind, SG_EMALFORMED, now);
        return;
    }
    if (l.boot_id !=
        r->id.boot_id) { /* restarted behind an open connection; a second time in a row it is nonsense */
        if (r->other_boot)
            fail(r, job->kind, SG_EMALFORMED, now);
        else
            move(r, GW_RELAY_IDENTIFY);
        r->other_boot = !r->other_boot;
        return;
    }
    r->other_boot = false;
    r->failures = 0;
    if (!clock_fits(r, &l, now)) {
        r->ahead = (sg_ms)l.utc_s * 1000 > now.wall_ms;
        note_bad_clock(r, now);
    } else if (l.seq != 0 && is_current(r, &l, a)) {
        if (r->slot_probed)
            r->ahead = false;
        if (!r->has_last || l.seq != r->last_seq)
            r->clock_bad = r->ahead;
        if (!r->clock_bad)
            take_latch(r, step, &l);
    }
    r->has_last = true;
    r->last_seq = l.seq;
    r->last_sent_ms = a->sent_wall_ms;
    r->slot_done = l.seq >= r->slot;
    if (!r->slot_done)
        live_later(r, now);
    else
        plan_probe(r, now);
}

static void minute_answer(struct gw_relay *r, struct gw_step *step, const struct gw_job *job,
    const struct gw_answer *a, struct gw_now now)
{
    switch (gw_minute_answer(r, step, job, a->regs, now)) {
    case GW_MINUTE_WAIT:
        r->failures = 0;
        return;
    case GW_MINUTE_RECHECK:
        move(r, GW_RELAY_IDENTIFY);
        return;
    case GW_MINUTE_BAD:
        fail(r, job->kind, SG_EMALFORMED, now);
        return;
    }
}

void gw_relay_answer(struct gw_relay *r, struct gw_step *step, const struct gw_job *job,
    const struct gw_answer *a, struct gw_now now)
{
    *step = (struct gw_step){0};
    assert(!job->wait);
    if (job->kind == GW_READ_HEADER)
        r->header_run_ms = now.run_ms;
    else
        r->proven = true;
    assert(r->state == (job->kind == GW_READ_HEADER ? GW_RELAY_IDENTIFY : GW_RELAY_READY));
    if (a->err && gw_minute_is_spare(r, job))
        gw_minute_spare_failed(r, job, a->err, now);
    else if (a->err)
        fail(r, job->kind, a->err, now);
    else if (job->kind == GW_READ_HEADER)
        header_answer(r, a, now);
    else if (job->kind == GW_READ_LIVE)
        live_answer(r, step, job, a, now);
    else
        minute_answer(r, step, job, a, now);
    report(r, step);
}
