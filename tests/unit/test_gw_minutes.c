/* Which minutes are owed an outcome, against clocks that stand, run and step. */
#include "gateway/core/minutes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define M0  INT64_C(29400000)
#define TOL 5000

static sg_ms at(sg_minute min, sg_ms ms)
{
    return min * SG_MINUTE_MS + ms;
}

/* A clock pair: both pass, or the wall clock steps. */
struct clocks {
    sg_ms wall, run;
};

static bool pass(struct gw_minutes *m, struct clocks *c, sg_ms ms)
{
    c->wall += ms;
    c->run += ms;
    return gw_minutes_roll(m, c->wall, c->run, TOL);
}

static bool step(struct gw_minutes *m, struct clocks *c, sg_ms ms)
{
    c->wall += ms;
    return gw_minutes_roll(m, c->wall, c->run, TOL);
}

/* Settle all that is pending; returns how many, the last in *last. */
static unsigned settle_all(struct gw_minutes *m, sg_minute *first, sg_minute *last)
{
    unsigned n = 0;
    sg_minute min;

    while (gw_minutes_pending(m, &min)) {
        if (n++ == 0)
            *first = min;
        *last = min;
        gw_minutes_settle(m, min, GW_SETTLED_READ);
    }
    return n;
}

static struct clocks begin(struct gw_minutes *m)
{
    struct clocks c = {at(M0, 30000), 777};

    gw_minutes_init(m, c.wall, c.run);
    return c;
}

/* Started in the middle of a minute, that minute is the first one owed, once it has ended; none before it is. */
static void minutes_start_owes_the_running_minute(void **state)
{
    struct gw_minutes m;
    struct clocks c = begin(&m);
    sg_minute first, last;

    (void)state;
    assert_false(pass(&m, &c, 29999));
    assert_int_equal(settle_all(&m, &first, &last), 0);
    assert_false(pass(&m, &c, 1));
    assert_int_equal(settle_all(&m, &first, &last), 1);
    assert_int_equal(first, M0);
    assert_int_equal(settle_all(&m, &first, &last), 0);
}

/* Time that passed unseen (T2, frozen 10 minutes) leaves every minute of it owed. */
static void minutes_frozen_owes_each(void **state)
{
    struct gw_minutes m;
    struct clocks c = begin(&m);
    sg_minute first, last;

    (void)state;
    assert_false(pass(&m, &c, 10 * SG_MINUTE_MS));
    assert_int_equal(settle_all(&m, &first, &last), 10);
    assert_int_equal(first, M0);
    assert_int_equal(last, M0 + 9);
}

/* No more minutes are owed than a statement may name. */
static void minutes_frozen_for_days_owes_a_day(void **state)
{
    struct gw_minutes m;
    struct clocks c = begin(&m);
    sg_minute first, last;

    (void)state;
    assert_false(pass(&m, &c, 5 * 1440 * SG_MINUTE_MS));
    assert_int_equal(settle_all(&m, &first, &last), GW_MINUTES_KEEP);
    assert_int_equal(last, M0 + 5 * 1440 - 1);
}

/* A step forward (T1) owes the minute that ran, nothing for those that never did, and remembers the newest hour of these
 * for the RING. */
static void minutes_step_forward_skips(void **state)
{
    static const sg_ms steps[] = {3600 * 1000, 86400 * INT64_C(1000), 3652 * 86400 * INT64_C(1000)};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(steps); i++) {
        struct gw_minutes m;
        struct clocks c = begin(&m);
        sg_minute first, last, lost;

        assert_true(step(&m, &c, steps[i]));
        /* days later no statement may name it any more */
        assert_int_equal(settle_all(&m, &first, &last), i < 2 ? 1 : 0);
        if (i < 2)
            assert_int_equal(first, M0);
        assert_true(gw_minutes_lost(&m, &lost));
        assert_int_equal(lost, m.now - (i == 0 ? 59 : 60));
        assert_false(pass(&m, &c, SG_MINUTE_MS));
        assert_int_equal(settle_all(&m, &first, &last), 1);
        assert_int_equal(first, steps[i] / SG_MINUTE_MS + M0);
    }
}

/* Two steps forward in a row, while the minute before the first is still owed: what lies between the first two never ran either, whether or not the
 * minute in between has ended; each minute that ran is owed once. */
static void minutes_steps_forward_close_together_skip_both(void **state)
{
    (void)state;
    for (int between = 0; between < 3; between++) {
        struct gw_minutes m;
        struct clocks c = begin(&m);
        sg_minute first, last;

        assert_true(step(&m, &c, 3600 * 1000)); /* M0 is pending, M0+60 runs */
        assert_false(pass(&m, &c, 5000 + between * SG_MINUTE_MS));
        assert_true(step(&m, &c, 3600 * 1000));
        assert_int_equal(settle_all(&m, &first, &last), 2 + between);
        assert_int_equal(first, M0);
        assert_int_equal(last, M0 + 60 + between);
        assert_false(pass(&m, &c, SG_MINUTE_MS));
        assert_int_equal(settle_all(&m, &first, &last), 1);
        assert_int_equal(first, M0 + 120 + between);
    }
}

/* A step back runs minutes again: those that have their outcome owe nothing, those that were skipped do. */
static void minutes_step_back_settles_nothing_twice(void **state)
{
    struct gw_minutes m;
    struct clocks c = begin(&m);
    sg_minute first, last;

    (void)state;
    (void)pass(&m, &c, 3 * SG_MINUTE_MS); /* M0 .. M0+2 */
    assert_int_equal(settle_all(&m, &first, &last), 3);
    assert_true(step(&m, &c, 3600 * 1000)); /* M0+3, then far ahead */
    assert_int_equal(settle_all(&m, &first, &last), 1);
    assert_int_equal(first, M0 + 3);
    (void)pass(&m, &c, 2 * SG_MINUTE_MS); /* M0+63, M0+64 */
    assert_int_equal(settle_all(&m, &first, &last), 2);
    assert_int_equal(first, M0 + 63);
    assert_true(step(&m, &c, -3600 * 1000 - 4 * SG_MINUTE_MS)); /* in M0+1 */
    assert_int_equal(settle_all(&m, &first, &last), 0);
    for (int i = 0; i < 4 * 70; i++) { /* every minute up to M0+70 */
        (void)pass(&m, &c, SG_MINUTE_MS / 4);
        while (gw_minutes_pending(&m, &first)) {
            assert_in_range(first, M0 + 4, M0 + 71);
            assert_int_not_equal(first, M0 + 63);
            assert_int_not_equal(first, M0 + 64);
            gw_minutes_settle(&m, first, GW_SETTLED_READ);
        }
    }
    assert_int_equal(m.nsettled, 1);
    assert_int_equal(m.settled[0].from, M0);
}

/* A step back undoes what a clock that ran ahead has settled without reading it: such a minute is owed when it really ends, the running one too. What
 * was read stays settled, and so do the gaps of minutes that are over. */
static void minutes_step_back_owes_the_gaps_of_a_fast_clock(void **state)
{
    static const struct {
        sg_minute ahead;     /* of the step forward; two minutes later back again */
        enum gw_settled how; /* what the minutes in between became */
        bool owed_again;
    } rows[] = {{6, GW_SETTLED_GAP, true}, {6, GW_SETTLED_LOST, true}, {6, GW_SETTLED_READ, false},
        {60, GW_SETTLED_GAP, true}, {1440, GW_SETTLED_GAP, true}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        struct gw_minutes m;
        struct clocks c = begin(&m);
        sg_minute min, owed = 0;

        (void)pass(&m, &c, SG_MINUTE_MS);
        gw_minutes_settle(&m, M0, GW_SETTLED_GAP);
        assert_true(step(&m, &c, rows[i].ahead * SG_MINUTE_MS));
        for (int k = 0; k < 2; k++) {
            (void)pass(&m, &c, SG_MINUTE_MS);
            while (gw_minutes_pending(&m, &min))
                gw_minutes_settle(&m, min, rows[i].how);
        }
        assert_true(step(&m, &c, -rows[i].ahead * SG_MINUTE_MS));
        for (int k = 0; k < rows[i].ahead + 3; k++) {
            (void)pass(&m, &c, SG_MINUTE_MS);
            while (gw_minutes_pending(&m, &min)) {
                assert_int_not_equal(min, M0);
                owed += min == M0 + rows[i].ahead + 1 || min == M0 + rows[i].ahead + 2;
                gw_minutes_settle(&m, min, GW_SETTLED_READ);
            }
        }
        assert_int_equal(owed, rows[i].owed_again ? 2 : 0);
    }
}

/* A step of a second back across a minute's edge (T6): the minute is owed once, whether it was settled before or not. */
static void minutes_step_across_the_edge_owes_once(void **state)
{
    struct gw_minutes m;
    struct clocks c = begin(&m);
    sg_minute first, last;

    (void)state;
    (void)pass(&m, &c, 30200);
    assert_true(gw_minutes_pending(&m, &first)); /* not settled yet */
    assert_false(step(&m, &c, -1000));
    assert_false(gw_minutes_pending(&m, &first));
    (void)pass(&m, &c, 1000);
    assert_int_equal(settle_all(&m, &first, &last), 1);
    assert_false(step(&m, &c, -1000));
    (void)pass(&m, &c, 1000);
    assert_int_equal(settle_all(&m, &first, &last), 0);
    (void)pass(&m, &c, SG_MINUTE_MS);
    assert_int_equal(settle_all(&m, &first, &last), 1);
    assert_int_equal(first, M0 + 1);
}

/* A lost minute is offered while the RING can hold it, until it has been asked for. */
static void minutes_lost_is_offered_for_an_hour(void **state)
{
    struct gw_minutes m;
    struct clocks c = begin(&m);
    sg_minute min;

    (void)state;
    (void)pass(&m, &c, 2 * SG_MINUTE_MS);
    gw_minutes_settle(&m, M0, GW_SETTLED_LOST);
    gw_minutes_settle(&m, M0 + 1, GW_SETTLED_LOST);
    assert_true(gw_minutes_lost(&m, &min));
    assert_int_equal(min, M0);
    gw_minutes_asked(&m, M0, true);
    assert_true(gw_minutes_lost(&m, &min));
    assert_int_equal(min, M0 + 1);
    (void)pass(&m, &c, 59 * SG_MINUTE_MS); /* M0+61 runs: the slot is still M0+1's */
    assert_true(gw_minutes_lost(&m, &min));
    (void)pass(&m, &c, SG_MINUTE_MS);
    assert_false(gw_minutes_lost(&m, &min));
}

/* A skipped minute for which the RING gave a body is not owed when a step back runs it. */
static void minutes_recovered_is_not_owed(void **state)
{
    struct gw_minutes m;
    struct clocks c = begin(&m);
    sg_minute first, last, min;

    (void)state;
    assert_true(step(&m, &c, 3 * SG_MINUTE_MS));
    assert_int_equal(settle_all(&m, &first, &last), 1);
    assert_true(gw_minutes_lost(&m, &min));
    assert_int_equal(min, M0 + 1);
    gw_minutes_asked(&m, min, true);
    assert_true(step(&m, &c, -3 * SG_MINUTE_MS));
    (void)pass(&m, &c, 3 * SG_MINUTE_MS);
    assert_int_equal(settle_all(&m, &first, &last), 1);
    assert_int_equal(first, M0 + 2);
}

/* Many steps make many runs of settled minutes; their number is bounded, and no minute is ever owed twice. */
static void minutes_many_steps_stay_bounded(void **state)
{
    struct gw_minutes m;
    struct clocks c = begin(&m);
    static uint8_t times[100000];
    uint32_t seed = 1;

    (void)state;
    memset(times, 0, sizeof times);
    for (int i = 0; i < 20000; i++) {
        sg_minute min;

        seed = seed * 1664525u + 1013904223u;
        if (seed >> 28 == 0) /* a step of up to a day in either direction, inside the table */
            (void)step(&m, &c, at(M0 + (seed >> 8) % 90000 + 1000, 0) - c.wall);
        else
            (void)pass(&m, &c, (seed >> 10) % 100000);
        while (gw_minutes_pending(&m, &min)) {
            assert_in_range(min - M0, 0, 99999);
            assert_int_equal(times[min - M0]++, 0);
            gw_minutes_settle(&m, min, (seed >> 9) & 1);
        }
        assert_in_range(m.nsettled, 0, GW_MINUTES_SPANS);
        for (unsigned s = 1; s < m.nsettled; s++)
            assert_true(m.settled[s - 1].to + 1 < m.settled[s].from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minutes_start_owes_the_running_minute),
        cmocka_unit_test(minutes_frozen_owes_each),
        cmocka_unit_test(minutes_frozen_for_days_owes_a_day),
        cmocka_unit_test(minutes_step_forward_skips),
        cmocka_unit_test(minutes_steps_forward_close_together_skip_both),
        cmocka_unit_test(minutes_step_back_settles_nothing_twice),
        cmocka_unit_test(minutes_step_back_owes_the_gaps_of_a_fast_clock),
        cmocka_unit_test(minutes_step_across_the_edge_owes_once),
        cmocka_unit_test(minutes_lost_is_offered_for_an_hour),
        cmocka_unit_test(minutes_recovered_is_not_owed),
        cmocka_unit_test(minutes_many_steps_stay_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
