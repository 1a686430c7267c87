/* The closing of minutes.
 *
 * Invariant: a pending minute ends in exactly one outcome, and before an incomplete or contradicted frame is judged the
 * header has been read after the minute ended, so that a restart is never taken for a contradiction.
 * Refuses: frames of other minutes, ring slots whose CRC does not fit. */
#include "gateway/core/relay_minute.h"

#include <assert.h>
#include <string.h>

enum {
    FRAME_PAUSE_MIN_MS = 25, /* FRAME changes at the boundary; our clock and the relay's are not the same */
    FRAME_PAUSE_MAX_MS = 1000,
    LOST_PAUSE_MS = 250,
    LOST_RETRY_MS = 5000, /* after a request for a lost minute that failed */
    LOST_LATE_MS = 1000,  /* after one that came too early for a relay whose clock is behind */
    LOST_SLACK_MS = 3000, /* so long after the policy's limit the slowest clock has written the minute */
    LATE_TRIES = 3, /* reads of a latch that is not there yet: then the relay lags, and does not hurry */
    LATE_CLOSE_MS = 1000, /* for minutes that ended long ago: the process was stopped */
    MIN_TRIES = 2,
    ALL_SAMPLES = (1 << SG_SAMPLES_A_MIN) - 1,
};

sg_ms gw_pause_ms(sg_ms first, sg_ms most, unsigned n)
{
    sg_ms pause = first;

    while (n-- > 0 && pause < most)
        pause *= 2;
    return pause < most ? pause : most;
}

static void begin(struct gw_relay *r, sg_minute min, struct gw_now now)
{
    sg_ms late = now.wall_ms - (min + 1) * SG_MINUTE_MS;
    sg_ms left = GW_CLOSE_MS - late;

    r->closing = true;
    r->closing_min = min;
    r->closing_known = r->failures > 0 && now.run_ms - r->down_since_run_ms >= GW_KNOWN_DOWN_MS;
    r->closing_ring = r->minutes.now - min > 1;
    r->closing_fresh = false;
    r->closing_until_run_ms = now.run_ms + (left > LATE_CLOSE_MS ? left : LATE_CLOSE_MS);
    r->closing_run_ms = now.run_ms;
    r->closing_tries = 0;
    r->closing_reason = LG_REASON_TIMEOUT;
    r->ring_open = false;
}

void gw_minute_follow(struct gw_relay *r, struct gw_now now)
{
    sg_minute min;

    if (!gw_minutes_pending(&r->minutes, &min))
        r->closing = false;
    else if (!r->closing || r->closing_min != min)
        begin(r, min, now);
}

/* Gaps that the RING may turn into a read: the relay was there, the way to it was not; or it does not have the minute, or
 * seems to have it no more, because our clock has run ahead. */
static enum gw_settled settled_how(const struct gw_outcome *o)
{
    static const bool recovers[LG_REASON_COUNT] = {[LG_REASON_TIMEOUT] = true,
        [LG_REASON_REFUSED] = true,
        [LG_REASON_EXCEPTION] = true,
        [LG_REASON_MALFORMED] = true,
        [LG_REASON_NOSAMPLE] = true,
        [LG_REASON_EXPIRED] = true};

    if (o->has_body)
        return GW_SETTLED_READ;
    return recovers[o->reason] && !o->alarm ? GW_SETTLED_LOST : GW_SETTLED_GAP;
}

static void settle(struct gw_relay *r, struct gw_step *step, const struct gw_outcome *o)
{
    assert(r->closing && o->min == r->closing_min);
    step->has_outcome = true;
    step->outcome = *o;
    gw_minutes_settle(&r->minutes, o->min, settled_how(o));
    r->closing = false;
    r->ring_open = false;
}

static void settle_gap(struct gw_relay *r, struct gw_step *step, enum lg_reason reason)
{
    struct gw_outcome o;

    gw_outcome_gap(&o, r->setup.index, r->closing_min, reason, reason == LG_REASON_IDENTITY);
    settle(r, step, &o);
}

bool gw_minute_give_up(struct gw_relay *r, struct gw_step *step, struct gw_now now)
{
    sg_minute min = r->closing_min;

    if (!r->closing)
        return false;
    if (!gw_minutes_in_ring(&r->minutes, min))
        settle_gap(r, step, LG_REASON_EXPIRED);
    else if (r->state == GW_RELAY_FOREIGN)
        settle_gap(r, step, LG_REASON_IDENTITY);
    else if (r->closing_known && r->failures > 0)
        settle_gap(r, step, gw_reason_of_err(r->last_err));
    else if (r->clock_bad || r->clock_bad_min[0] == min || r->clock_bad_min[1] == min)
        settle_gap(r, step, LG_REASON_CLOCK);
    else if (now.run_ms >= r->closing_until_run_ms &&
             (r->closing_tries >= MIN_TRIES || now.run_ms >= r->closing_until_run_ms + GW_CLOSE_MS))
        settle_gap(r, step, r->closing_reason);
    else
        return false;
    return true;
}

static void fill_job(struct gw_job *job, enum gw_read_kind kind, sg_minute min)
{
    *job = (struct gw_job){
        .kind = kind,
        .min = min,
        .address = gw_readplan_address(kind, min),
        .quantity = gw_readplan(kind)->quantity,
    };
}

static void ring_job(struct gw_relay *r, struct gw_job *job, sg_minute min)
{
    fill_job(job, r->ring_open && r->ring_min == min ? GW_READ_RING : GW_READ_RING_TAIL, min);
}

/* A relay that lags is not asked before its own latch shows that the minute is over: until then its slot holds the minute of an hour
 * ago, which says nothing. */
static bool lost_allowed(const struct gw_relay *r, sg_minute min)
{
    bool over = r->has_last && r->last_seq >= (min + 1) * SG_SAMPLES_A_MIN;

    return !r->closing && over && (r->slot_done || r->live_tries >= LATE_TRIES) && !r->clock_bad;
}

bool gw_minute_job(struct gw_relay *r, struct gw_job *job, struct gw_now now)
{
    if (!r->closing || now.run_ms < r->closing_run_ms)
        return false;
    if (r->closing_ring)
        ring_job(r, job, r->closing_min);
    else
        fill_job(job, GW_READ_FRAME, r->closing_min);
    return true;
}

bool gw_minute_spare(struct gw_relay *r, struct gw_job *job, struct gw_now now)
{
    sg_minute min;

    if (now.run_ms < r->lost_run_ms)
        return false;
    while (gw_minutes_lost(&r->minutes, &min) && lost_allowed(r, min)) {
        if (!gw_minute_wiped(&r->id, min)) {
            ring_job(r, job, min);
            return true;
        }
        gw_minutes_asked(&r->minutes, min, false);
    }
    return false;
}

bool gw_minute_is_spare(const struct gw_relay *r, const struct gw_job *job)
{
    return (job->kind == GW_READ_RING_TAIL || job->kind == GW_READ_RING) &&
           !(r->closing && job->min == r->closing_min);
}

void gw_minute_spare_failed(struct gw_relay *r, const struct gw_job *job, int err, struct gw_now now)
{
    bool refused = err == SG_EEXCEPTION; /* it has no such registers: do not ask for that minute again */

    r->ring_open = false;
    r->lost_run_ms = now.run_ms + (refused ? LOST_PAUSE_MS : LOST_RETRY_MS);
    if (refused)
        gw_minutes_asked(&r->minutes, job->min, false);
}

/* The earlier one of two moments that lies after now. */
static sg_ms sooner(sg_ms a, sg_ms b, struct gw_now now)
{
    return b > now.run_ms && b < a ? b : a;
}

sg_ms gw_minute_due(const struct gw_relay *r, struct gw_now now)
{
    sg_ms due = INT64_MAX;
    sg_minute min;

    if (r->closing) {
        due = sooner(due, r->closing_run_ms, now);
        due = sooner(due, r->closing_until_run_ms, now);
    } else if (gw_minutes_lost(&r->minutes, &min) && lost_allowed(r, min)) {
        due = sooner(due, r->lost_run_ms, now);
    }
    return due;
}

/* Not there yet, or not whole: ask again after a pause. */
static void try_later(struct gw_relay *r, enum lg_reason reason, struct gw_now now)
{
    r->closing_run_ms = now.run_ms + gw_pause_ms(FRAME_PAUSE_MIN_MS, FRAME_PAUSE_MAX_MS, r->closing_tries);
    r->closing_tries++;
    r->closing_reason = reason;
}

void gw_minute_failed(struct gw_relay *r, int err, struct gw_now now)
{
    r->ring_open = false;
    if (r->closing)
        try_later(r, gw_reason_of_err(err), now);
}

/* The relay does not have the minute. */
static enum gw_minute_verdict absent(struct gw_relay *r, struct gw_step *step)
{
    if (!r->closing_fresh)
        return GW_MINUTE_RECHECK;
    settle_gap(r, step, gw_minute_wiped(&r->id, r->closing_min) ? LG_REASON_STOPPED : LG_REASON_NOSAMPLE);
    return GW_MINUTE_WAIT;
}

/* The relay's frame of the pending minute. */
static enum gw_minute_verdict conclude(
    struct gw_relay *r, struct gw_step *step, const struct gw_frame *f, struct gw_now now)
{
    struct gw_outcome o;
    struct gw_match m;

    gw_window_match(&m, &r->window, &r->id, f);
    if ((m.differs || m.taken != ALL_SAMPLES) && !r->closing_fresh)
        return GW_MINUTE_RECHECK;
    if (gw_window_outcome(&o, &r->window, r->setup.index, r->setup.relay, &r->id, f))
        r->closing_run_ms =
            now.run_ms + FRAME_PAUSE_MAX_MS; /* out of memory: the RING keeps it for an hour */
    else
        settle(r, step, &o);
    return GW_MINUTE_WAIT;
}

static enum gw_minute_verdict frame_answer(
    struct gw_relay *r, struct gw_step *step, const uint16_t *regs, struct gw_now now)
{
    struct gw_frame f;

    if (gw_frame_decode(&f, regs))
        return GW_MINUTE_BAD;
    if (f.min == r->closing_min)
        return conclude(r, step, &f, now);
    if (f.min > r->closing_min) {
        r->closing_ring = true;
        r->closing_run_ms = now.run_ms;
        return GW_MINUTE_WAIT;
    }
    if (gw_minute_wiped(&r->id, r->closing_min))
        return absent(r, step);
    try_later(r, LG_REASON_NOSAMPLE, now);
    return GW_MINUTE_WAIT;
}

static enum gw_minute_verdict ring_answer(struct gw_relay *r, struct gw_step *step, const struct gw_job *job,
    const uint16_t *regs, struct gw_now now)
{
    struct gw_frame f;

    if (job->kind == GW_READ_RING_TAIL) {
        int err = gw_ring_status(regs);

        if (err)
            return err == SG_ENOT_FOUND ? absent(r, step) : GW_MINUTE_BAD;
        r->ring_open = true;
        r->ring_min = job->min;
        memcpy(r->tail, regs, sizeof r->tail);
        return GW_MINUTE_WAIT;
    }
    r->ring_open = false;
    if (gw_ring_check(regs, r->tail)) {
        try_later(r, LG_REASON_MALFORMED, now);
        return GW_MINUTE_WAIT;
    }
    if (gw_frame_decode(&f, regs))
        return GW_MINUTE_BAD;
    return f.min == job->min ? conclude(r, step, &f, now) : absent(r, step);
}

/* A relay that lags as far as the policy lets it may not have written the minute yet. */
static bool may_still_come(const struct gw_relay *r, sg_minute min, struct gw_now now)
{
    return now.wall_ms < (min + 1) * SG_MINUTE_MS + r->setup.max_future_ms + LOST_SLACK_MS;
}

/* 0: the body of a lost minute is in o. SG_EAGAIN: it may be had later. SG_ENOT_FOUND: the RING does not give one. */
static int lost_body(struct gw_relay *r, struct gw_outcome *o, const struct gw_job *job, const uint16_t *regs,
    struct gw_now now)
{
    struct gw_frame f;

    if (job->kind != GW_READ_RING || gw_ring_check(regs, r->tail) || gw_frame_decode(&f, regs) ||
        f.min < job->min)
        return may_still_come(r, job->min, now) ? SG_EAGAIN : SG_ENOT_FOUND;
    if (f.min > job->min)
        return SG_ENOT_FOUND;
    if (gw_window_outcome(o, &r->window, r->setup.index, r->setup.relay, &r->id, &f))
        return SG_EAGAIN; /* out of memory: the RING keeps it for an hour */
    return o->has_body ? 0 : SG_ENOT_FOUND;
}

/* A lost minute: a body when the RING has it whole, otherwise nothing: its gap is out already. */
static enum gw_minute_verdict lost_answer(struct gw_relay *r, struct gw_step *step, const struct gw_job *job,
    const uint16_t *regs, struct gw_now now)
{
    struct gw_outcome o;
    sg_minute min;
    int err;

    if (!gw_minutes_lost(&r->minutes, &min) || min != job->min)
        return GW_MINUTE_WAIT;
    if (job->kind == GW_READ_RING_TAIL && gw_ring_status(regs) == 0) {
        r->ring_open = true;
        r->ring_min = min;
        memcpy(r->tail, regs, sizeof r->tail);
        return GW_MINUTE_WAIT;
    }
    r->ring_open = false;
    err = lost_body(r, &o, job, regs, now);
    r->lost_run_ms = now.run_ms + (err == SG_EAGAIN ? LOST_LATE_MS : LOST_PAUSE_MS);
    if (err == SG_EAGAIN)
        return GW_MINUTE_WAIT;
    gw_minutes_asked(&r->minutes, min, !err);
    step->has_outcome = !err;
    if (!err)
        step->outcome = o;
    return GW_MINUTE_WAIT;
}

enum gw_minute_verdict gw_minute_answer(struct gw_relay *r, struct gw_step *step, const struct gw_job *job,
    const uint16_t *regs, struct gw_now now)
{
    if (!r->closing || job->min != r->closing_min)
        return job->kind == GW_READ_FRAME ? GW_MINUTE_WAIT : lost_answer(r, step, job, regs, now);
    return job->kind == GW_READ_FRAME ? frame_answer(r, step, regs, now)
                                      : ring_answer(r, step, job, regs, now);
}
