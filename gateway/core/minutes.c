/* Which minutes are owed an outcome.
 *
 * Invariant: settled spans are disjoint, not adjacent and increasing; a minute inside one is never pending again; skipped spans are
 * disjoint and increasing, and end before now; lost minutes lie before next, or are skipped ones.
 * Refuses nothing: any pair of clock values is a legal input. */
#include "gateway/core/minutes.h"

#include <assert.h>
#include <string.h>

void gw_minutes_init(struct gw_minutes *m, sg_ms wall_ms, sg_ms run_ms)
{
    *m = (struct gw_minutes){
        .first = wall_ms / SG_MINUTE_MS,
        .now = wall_ms / SG_MINUTE_MS,
        .next = wall_ms / SG_MINUTE_MS,
        .newest_read = -1,
        .last_wall_ms = wall_ms,
        .last_run_ms = run_ms,
    };
    for (size_t i = 0; i < SG_ARRAY_LEN(m->lost); i++)
        m->lost[i] = -1;
}

static bool in_span(const struct gw_span *s, sg_minute min)
{
    return s->from <= min && min <= s->to;
}

static const struct gw_span *find_span(const struct gw_span *spans, unsigned n, sg_minute min)
{
    for (unsigned i = 0; i < n; i++) {
        if (in_span(&spans[i], min))
            return &spans[i];
    }
    return NULL;
}

static bool is_skipped(const struct gw_minutes *m, sg_minute min)
{
    return find_span(m->skipped, m->nskipped, min) != NULL;
}

static bool is_settled(const struct gw_minutes *m, sg_minute min)
{
    return find_span(m->settled, m->nsettled, min) != NULL;
}

/* Move next past what is owed no outcome. Each step leaves one span for good, so it ends. */
static void pass_over(struct gw_minutes *m)
{
    const struct gw_span *s;

    while ((s = find_span(m->skipped, m->nskipped, m->next)) ||
           (s = find_span(m->settled, m->nsettled, m->next)))
        m->next = s->to + 1;
}

bool gw_minutes_in_ring(const struct gw_minutes *m, sg_minute min)
{
    return min < m->now && m->now - min <= SG_RING_MINUTES;
}

static void lose(struct gw_minutes *m, sg_minute min)
{
    m->lost[min % SG_RING_MINUTES] = min;
}

static void unlose(struct gw_minutes *m, sg_minute min)
{
    if (m->lost[min % SG_RING_MINUTES] == min)
        m->lost[min % SG_RING_MINUTES] = -1;
}

/* What next has passed is skipped in any case: a step back ends the span, and next, at now. */
static void drop_skipped(struct gw_minutes *m, unsigned n)
{
    m->nskipped -= n;
    memmove(m->skipped, m->skipped + n, m->nskipped * sizeof m->skipped[0]);
}

static void add_skipped(struct gw_minutes *m, struct gw_span span)
{
    while (m->nskipped > 0 && m->skipped[0].to < m->next)
        drop_skipped(m, 1);
    if (m->nskipped == GW_MINUTES_STEPS) {
        m->next = m->skipped[0].to + 1;
        drop_skipped(m, 1);
    }
    m->skipped[m->nskipped++] = span;
}

/* A step back: what was skipped and lies after now will run after all. */
static void unskip(struct gw_minutes *m)
{
    while (m->nskipped > 0 && m->skipped[m->nskipped - 1].from >= m->now)
        m->nskipped--;
    if (m->nskipped > 0 && m->skipped[m->nskipped - 1].to >= m->now)
        m->skipped[m->nskipped - 1].to = m->now - 1;
}

/* The wall clock went from minute `before` to now without running through what lies between. */
static void skip(struct gw_minutes *m, sg_minute before)
{
    sg_minute first = m->now - SG_RING_MINUTES > before ? m->now - SG_RING_MINUTES : before + 1;

    add_skipped(m, (struct gw_span){.from = before + 1, .to = m->now - 1});
    for (sg_minute min = first; min < m->now; min++) {
        if (min >= m->first && !is_settled(m, min))
            lose(m, min);
    }
}

/* The wall clock went back: what is settled of minutes that have yet to come, and was not read, was made by a clock that ran ahead. Those
 * that passed meanwhile are owed nothing, but the RING may have them. */
static void forget_fast_clock(struct gw_minutes *m)
{
    sg_minute last = m->newest_read >= m->now ? m->newest_read : m->now - 1;
    sg_minute first = m->now - SG_RING_MINUTES > m->first ? m->now - SG_RING_MINUTES : m->first;

    while (m->nsettled > 0 && m->settled[m->nsettled - 1].from > last)
        m->nsettled--;
    if (m->nsettled > 0 && m->settled[m->nsettled - 1].to > last)
        m->settled[m->nsettled - 1].to = last;
    for (sg_minute min = first; min < m->now && min < m->next; min++) {
        if (!is_settled(m, min))
            lose(m, min);
    }
}

bool gw_minutes_roll(struct gw_minutes *m, sg_ms wall_ms, sg_ms run_ms, sg_ms tolerance_ms)
{
    sg_ms parted = (wall_ms - m->last_wall_ms) - (run_ms - m->last_run_ms);
    sg_minute before = m->now;

    m->now = wall_ms / SG_MINUTE_MS;
    m->last_wall_ms = wall_ms;
    m->last_run_ms = run_ms;
    if (parted > tolerance_ms && m->now > before + 1)
        skip(m, before);
    unskip(m);
    if (m->now < m->next)
        m->next = m->now;
    if (m->next < m->now - GW_MINUTES_KEEP)
        m->next = m->now - GW_MINUTES_KEEP;
    if (parted < -tolerance_ms)
        forget_fast_clock(m);
    if (m->next < m->now || m->now < before)
        pass_over(m);
    return parted > tolerance_ms || parted < -tolerance_ms;
}

bool gw_minutes_pending(const struct gw_minutes *m, sg_minute *min)
{
    if (m->next >= m->now)
        return false;
    *min = m->next;
    return true;
}

/* Join the two spans that lie closest together: room for one more at the price of minutes that stay unclaimed. */
static void join_closest(struct gw_minutes *m)
{
    unsigned best = 0;

    assert(m->nsettled >= 2);
    for (unsigned i = 1; i + 1 < m->nsettled; i++) {
        if (m->settled[i + 1].from - m->settled[i].to < m->settled[best + 1].from - m->settled[best].to)
            best = i;
    }
    m->settled[best].to = m->settled[best + 1].to;
    m->nsettled--;
    memmove(&m->settled[best + 1], &m->settled[best + 2], (m->nsettled - best - 1) * sizeof m->settled[0]);
}

static void insert_span(struct gw_minutes *m, sg_minute min)
{
    unsigned at = 0;

    if (m->nsettled == GW_MINUTES_SPANS)
        join_closest(m);
    while (at < m->nsettled && m->settled[at].to < min)
        at++;
    if (at < m->nsettled && in_span(&m->settled[at], min)) /* swallowed by the join */
        return;
    memmove(&m->settled[at + 1], &m->settled[at], (m->nsettled - at) * sizeof m->settled[0]);
    m->settled[at] = (struct gw_span){.from = min, .to = min};
    m->nsettled++;
}

/* Spans that touch become one. */
static void join_adjacent(struct gw_minutes *m)
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->nsettled; i++) {
        if (n > 0 && m->settled[n - 1].to + 1 == m->settled[i].from)
            m->settled[n - 1].to = m->settled[i].to;
        else
            m->settled[n++] = m->settled[i];
    }
    m->nsettled = n;
}

static void add_settled(struct gw_minutes *m, sg_minute min)
{
    for (unsigned i = 0; i < m->nsettled; i++) { /* the usual case: the newest span grows by one */
        assert(!in_span(&m->settled[i], min));
        if (m->settled[i].to + 1 == min) {
            m->settled[i].to = min;
            join_adjacent(m);
            return;
        }
    }
    insert_span(m, min);
    join_adjacent(m);
}

static void note_read(struct gw_minutes *m, sg_minute min)
{
    if (min > m->newest_read)
        m->newest_read = min;
}

void gw_minutes_settle(struct gw_minutes *m, sg_minute min, enum gw_settled how)
{
    assert(min == m->next && min < m->now);
    add_settled(m, min);
    if (how == GW_SETTLED_READ)
        note_read(m, min);
    if (how == GW_SETTLED_LOST)
        lose(m, min);
    else
        unlose(m, min);
    m->next = min + 1;
    pass_over(m);
}

bool gw_minutes_lost(const struct gw_minutes *m, sg_minute *min)
{
    bool found = false;

    for (size_t i = 0; i < SG_ARRAY_LEN(m->lost); i++) {
        if (m->lost[i] >= 0 && gw_minutes_in_ring(m, m->lost[i]) && (!found || m->lost[i] < *min)) {
            *min = m->lost[i];
            found = true;
        }
    }
    return found;
}

bool gw_minutes_want(struct gw_minutes *m, sg_minute min)
{
    if (min < 0 || !gw_minutes_in_ring(m, min) || (min >= m->next && !is_skipped(m, min)))
        return false;
    lose(m, min);
    return true;
}

void gw_minutes_asked(struct gw_minutes *m, sg_minute min, bool found)
{
    unlose(m, min);
    if (found)
        note_read(m, min);
    if (found && !is_settled(m, min)) /* a skipped one: a step back must not owe it again */
        add_settled(m, min);
}
