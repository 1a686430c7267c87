/* Progress of a chain that is being fetched.
 *
 * Invariant: while running, mark_ms <= the last mono_ms, and rate_milli is -1 or of a span of at least LG_METER_SPAN_MS. */
#include "ledger/core/meter.h"

static void begin(struct lg_meter *m, sg_ms mono_ms)
{
    m->running = true;
    m->rate_milli = -1;
    m->begun_ms = m->mark_ms = m->said_ms = mono_ms;
    m->begun_height = m->mark_height = m->height;
}

static void measure(struct lg_meter *m, sg_ms mono_ms)
{
    if (mono_ms - m->mark_ms < LG_METER_SPAN_MS)
        return;
    m->rate_milli = (m->height - m->mark_height) * 1000000 / (mono_ms - m->mark_ms);
    if (m->rate_milli < 0) /* a reorganisation to a shorter branch */
        m->rate_milli = 0;
    m->mark_ms = mono_ms;
    m->mark_height = m->height;
}

enum lg_meter_says lg_meter_step(
    struct lg_meter *m, int64_t height, int64_t of, sg_ms mono_ms, sg_ms every_ms)
{
    m->height = height;
    m->of = of > height ? of : height;
    if (!m->running && m->of - height >= LG_METER_BEHIND) {
        begin(m, mono_ms);
        return LG_METER_NOTHING;
    }
    if (!m->running)
        return LG_METER_NOTHING;
    measure(m, mono_ms);
    if (m->of == height) {
        m->running = false;
        return LG_METER_DONE;
    }
    if (mono_ms - m->said_ms < every_ms)
        return LG_METER_NOTHING;
    m->said_ms = mono_ms;
    return LG_METER_PROGRESS;
}

int64_t lg_meter_eta_s(const struct lg_meter *m)
{
    if (m->rate_milli <= 0)
        return -1;
    /* a claim may be as large as 2^53: divide first */
    return (m->of - m->height) / m->rate_milli * 1000 +
           (m->of - m->height) % m->rate_milli * 1000 / m->rate_milli;
}
