/* What this process saw live, and what it makes of a minute.
 *
 * Invariant: `live` counts only samples that are in the body, were read from the live block of the same boot, and are the
 * same in all 20 registers; a body never holds a sample from before the boot.
 * Refuses: a frame that contradicts what was seen (gap malformed, alarm). */
#include "gateway/core/window.h"

#include <assert.h>
#include <string.h>

/* 60 samples of 48 points of at most 14 characters, 256 events of 60 and the aggregates stay below it. */
#define BODY_MAX_BYTES (256u << 10)

void gw_window_init(struct gw_window *w)
{
    memset(w, 0, sizeof *w);
}

int gw_window_add(struct gw_window *w, const struct gw_latch *l)
{
    struct gw_seen *s = &w->seen[l->seq % GW_WINDOW_LATCHES];

    assert(l->has_sample);
    if (s->used && s->seq == l->seq && s->boot_id == l->boot_id) {
        if (memcmp(s->rec, l->rec, sizeof s->rec) == 0)
            return SG_EKNOWN;
        s->contradicted = true;
        return SG_ECONFLICT;
    }
    *s = (struct gw_seen){.used = true, .seq = l->seq, .boot_id = l->boot_id};
    memcpy(s->rec, l->rec, sizeof s->rec);
    return 0;
}

/* NULL when the latch was not seen in this boot. */
static const struct gw_seen *find_seen(const struct gw_window *w, int64_t seq, uint32_t boot_id)
{
    const struct gw_seen *s = &w->seen[seq % GW_WINDOW_LATCHES];

    return s->used && s->seq == seq && s->boot_id == boot_id ? s : NULL;
}

void gw_window_match(
    struct gw_match *out, const struct gw_window *w, const struct gw_header *h, const struct gw_frame *f)
{
    *out = (struct gw_match){0};
    for (unsigned i = 0; i < SG_SAMPLES_A_MIN; i++) {
        int64_t seq = f->min * SG_SAMPLES_A_MIN + i;
        const struct gw_seen *s = find_seen(w, seq, h->boot_id);
        bool before_boot = seq * SG_PERIOD_MS / 1000 < h->boot_utc;
        bool taken = (f->valid >> i & 1) && !before_boot;

        if (taken)
            out->taken = (uint8_t)(out->taken | 1u << i);
        if (!s)
            continue;
        if (taken && !s->contradicted && memcmp(s->rec, f->rec[i], sizeof s->rec) == 0)
            out->live++;
        else
            out->differs = true;
    }
}

bool gw_minute_wiped(const struct gw_header *h, sg_minute min)
{
    sg_ms last_latch = min * SG_MINUTE_MS + SG_MINUTE_MS - SG_PERIOD_MS;

    return last_latch / 1000 < h->boot_utc;
}

void gw_outcome_gap(
    struct gw_outcome *out, unsigned relay_index, sg_minute min, enum lg_reason reason, bool alarm)
{
    *out = (struct gw_outcome){.relay = relay_index, .min = min, .reason = reason, .alarm = alarm};
}

/* The samples that are taken, by the columns of the profile. */
static unsigned collect(
    struct lg_sample *out, const struct gw_frame *f, uint8_t taken, const struct lg_relay *relay)
{
    unsigned n = 0;

    for (unsigned i = 0; i < SG_SAMPLES_A_MIN; i++) {
        if (taken >> i & 1)
            gw_sample_of_record(&out[n++], f->rec[i], relay->profile);
    }
    return n;
}

/* 0, SG_ENOMEM, or SG_EINVAL when the samples break a rule of the document. */
static int make_body(
    struct gw_outcome *out, const struct lg_relay *relay, const struct gw_frame *f, uint8_t taken)
{
    struct lg_sample samples[SG_SAMPLES_A_MIN];
    unsigned n = collect(samples, f, taken, relay);
    struct sg_buf buf;
    int err;

    sg_buf_init(&buf, BODY_MAX_BYTES);
    /* no events: FRAME holds none, and gateways that read the same FRAME make the same bytes */
    err = lg_body_encode(&buf, relay, f->min, f->openings, samples, n, NULL, 0);
    if (!err)
        err = sg_buf_err(&buf);
    if (err) {
        sg_buf_fini(&buf);
        return err;
    }
    out->doc = sg_buf_take(&buf, &out->doc_len);
    lg_hash_leaf(&out->digest, out->doc, out->doc_len);
    return 0;
}

int gw_window_outcome(struct gw_outcome *out, const struct gw_window *w, unsigned relay_index,
    const struct lg_relay *relay, const struct gw_header *h, const struct gw_frame *f)
{
    struct gw_outcome o = {.relay = relay_index, .min = f->min, .has_body = true};
    struct gw_match m;
    int err = 0;

    gw_window_match(&m, w, h, f);
    if (m.differs) {
        gw_outcome_gap(&o, relay_index, f->min, LG_REASON_MALFORMED, true);
    } else if (m.taken == 0) {
        gw_outcome_gap(&o, relay_index, f->min,
            gw_minute_wiped(h, f->min) ? LG_REASON_STOPPED : LG_REASON_NOSAMPLE, false);
    } else {
        o.live = m.live;
        err = make_body(&o, relay, f, m.taken);
        if (err && err != SG_ENOMEM) {
            gw_outcome_gap(&o, relay_index, f->min, LG_REASON_MALFORMED, true);
            err = 0;
        }
    }
    if (!err)
        *out = o;
    return err;
}
