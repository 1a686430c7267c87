/* The conversation with one relay when a clock is wrong, stands still or steps: nothing is invented, no minute told twice. */
#include "tests/lib/relay_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A relay whose clock is two seconds behind, or ahead, within the policy: all the same. */
static void relay_clock_off_within_policy_is_read(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        world_setup(NULL);
        world.relay_ahead = side ? 2000 : -2000;
        world_relay_boot(78); /* boots by its own clock, before it is read */
        world_gateway_start(5000);
        world_run_until(world_at(4, 30000));
        assert_int_equal(world.nkept, 4);
        world_body(1, 1, 6, 6);
        world_body(2, 2, 6, 6);
        world_body(3, 3, 6, 6);
        assert_in_range(world.kept[3].wall - world_at(4, 0), 0, side ? 300 : 3000);
    }
}

/* A relay that lags by more than the retries for FRAME last, but within the policy, is asked for its RING until the minute is there: first a gap
 * `nosample`, then the body, with as many live samples as were seen; no minute is left out, and none is asked for without end. */
static void relay_that_lags_within_policy_loses_no_minute(void **state)
{
    static const sg_ms lags[] = {9000, 15000, 45000, 58000, 75000, 110000};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(lags); i++) {
        unsigned bodies = 0;

        world_setup(NULL);
        world.relay_ahead = -lags[i];
        world_relay_boot(78);
        world_gateway_start(120000);
        world_run_until(world_at(12, 0));
        assert_int_equal(world.state, 0);
        for (unsigned n = 0; n < world.nkept; n++) {
            const struct world_kept *k = &world.kept[n];

            if (!k->has_body) {
                assert_int_equal(k->reason, LG_REASON_NOSAMPLE);
                continue;
            }
            bodies++;
            assert_int_equal(k->live, k->min == WORLD_M0 ? k->live : 6);
            assert_in_range(k->wall - (k->min + 1) * SG_MINUTE_MS, 0, lags[i] + 2500);
        }
        assert_int_equal(bodies, 12 - (lags[i] + SG_MINUTE_MS - 1) / SG_MINUTE_MS);
        assert_in_range(world.asked[GW_READ_RING_TAIL] + world.asked[GW_READ_RING], 0, 12 * 150);
    }
}

/* A clock off by more than the policy, or one that says so itself (b13, b12): gaps `clock`, until it is right again. */
static void relay_clock_off_is_a_gap(void **state)
{
    static const struct {
        sg_ms ahead;
        uint16_t time_q;
    } cases[] = {{-7000, 0}, {7000, 0}, {3600000, 0}, {-3600000, 0}, {0, SG_TIMEQ_NOT_SYNCHRONISED},
        {0, SG_TIMEQ_CLOCK_FAILURE}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        world_setup(NULL);
        world.relay_ahead = cases[i].ahead;
        world.time_q = cases[i].time_q;
        world_relay_boot(78);
        world_run_until(world_at(3, 30000));
        assert_int_equal(world.nkept, 3);
        world_gap(1, 1, LG_REASON_CLOCK);
        world_gap(2, 2, LG_REASON_CLOCK);
        assert_int_equal(world.state, SG_ECLOCK);
        world.relay_ahead = world.time_q = 0;
        world_relay_boot(79);
        world_run_until(world_at(6, 30000));
        assert_int_equal(world.nkept, 6);
        world_body(5, 5, 6, 6);
        assert_int_equal(world.state, 0);
    }
}

/* One latch that says its clock has failed spoils the minute in which it was read, and no other. */
static void relay_clock_failure_of_one_latch_spoils_one_minute(void **state)
{
    (void)state;
    world_run_until(world_at(1, 15000));
    world.time_q = SG_TIMEQ_CLOCK_FAILURE;
    world_run_until(world_at(1, 25000));
    world.time_q = 0;
    world_run_until(world_at(3, 1000));
    assert_int_equal(world.nkept, 3);
    world_gap(1, 1, LG_REASON_CLOCK);
    world_body(2, 2, 6, 6);
}

/* SEQ that goes back is refused, and a relay that stays there is judged by its clock. */
static void relay_seq_going_back_is_refused(void **state)
{
    (void)state;
    world_run_until(world_at(1, 31000));
    world.relay_ahead = -3600000;
    struct re_boot boot = {.seed = 9, .unit = 1, .boot_id = 77, .boot_ms = world.wall - 7200000};
    assert_int_equal(re_image_boot(&world.im, &boot), 0); /* the same BOOT_ID an hour back */
    world.im.last = (world.wall - 3600000) / SG_PERIOD_MS - 1;
    world_run_until(world_at(1, 40300));
    assert_int_equal(world.state, SG_EMALFORMED);
    world_run_until(world_at(2, 15000));
    assert_int_equal(world.nkept, 2);
    world_gap(1, 1, LG_REASON_CLOCK);
}

/* FRAME has moved on (the gateway was stopped, T2): the RING gives every minute, live 0 but for what was seen. */
static void gateway_frozen_reads_the_ring(void **state)
{
    (void)state;
    world_run_until(world_at(1, 35000));
    for (int i = 0; i < 6000; i++)
        world_pass(100); /* ten minutes without a step */
    world_run_until(world_at(12, 5000));
    assert_int_equal(world.nkept, 12);
    world_body(1, 1, 6, 4);
    for (unsigned i = 2; i < 11; i++)
        world_body(i, (int)i, 6, 0);
    world_body(11, 11, 6, 3);
}

/* A ring slot of another hour, or one whose CRC does not fit, is never taken. */
static void gateway_frozen_spoilt_ring_is_malformed(void **state)
{
    (void)state;
    world_run_until(world_at(1, 35000));
    for (int i = 0; i < 1000; i++)
        world_pass(100);
    world.spoil[124] = 1;
    world.spoil_kind = GW_READ_RING;
    world.spoil_times = 1000;
    world_run_until(world_at(3, 30000));
    world_gap(1, 1, LG_REASON_MALFORMED);
}

/* T1: the gateway's clock steps and after four minutes steps back. A second more or less changes nothing. Otherwise every minute that ends by the wrong
 * clock is a gap `clock`; the minutes that passed meanwhile are read when the clock is right, from the RING with live 0, and the minutes that the fast
 * clock had already named are read live when they come. No minute has two bodies, none a gap behind its body. */
static void gateway_clock_steps_never_invent(void **state)
{
    static const struct {
        sg_ms by;
        unsigned clock_gaps;
        int first, last; /* of the minutes that are bodies in the end */
    } rows[] = {{1000, 0, 0, 18}, {-1000, 0, 0, 18}, {4900, 0, 0, 18}, {-4900, 0, 0, 18}, {360000, 4, 0, 18},
        {-360000, 4, 0, 18}, {3600000, 4, 0, 18}, {-3600000, 4, 0, 18}, {86400000, 4, 0, 18},
        {-86400000, 4, 0, 18}, {INT64_C(315532800000), 4, 0, 18}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        unsigned bodies[20] = {0}, gaps = 0;

        world_setup(NULL);
        world_run_until(world_at(1, 35000));
        world.wall += rows[i].by;
        world.relay_ahead -= rows[i].by;
        world_run_until(world.wall + 4 * SG_MINUTE_MS);
        world.wall -= rows[i].by;
        world.relay_ahead += rows[i].by;
        world_run_until(world_at(19, 10000));
        for (unsigned k = 0; k < world.nkept; k++) {
            sg_minute min = world.kept[k].min - WORLD_M0;

            gaps += !world.kept[k].has_body && world.kept[k].reason == LG_REASON_CLOCK;
            if (min < 0 || min > 18) {
                assert_false(world.kept[k].has_body);
                continue;
            }
            if (bodies[min] > 0)
                fail_msg("step %lld: minute %d again", (long long)rows[i].by, (int)min);
            bodies[min] += world.kept[k].has_body;
        }
        if (gaps < rows[i].clock_gaps)
            fail_msg("step %lld: %u gaps `clock`", (long long)rows[i].by, gaps);
        for (int min = rows[i].first; min <= rows[i].last; min++)
            if (bodies[min] != 1)
                fail_msg("step %lld: minute %d has no body", (long long)rows[i].by, min);
    }
}

/* T3: a relay whose clock drifts by 500 ppm is read for as long as it is off by less than max_future_ms, and is noticed within a second more:
 * gaps `clock` from then on, for good. */
static void relay_clock_that_drifts_is_noticed_at_the_limit(void **state)
{
    (void)state;
    for (int side = -1; side <= 1; side += 2) {
        unsigned bodies = 0;

        world_setup(NULL);
        world.relay_ahead = side * 4700;
        world_relay_boot(78);
        world_gateway_start(5000);
        for (int i = 0; i < 60 * 6; i++) { /* 5 ms in each 10 s: past the limit after ten minutes */
            world_run_until(world.wall + 10000);
            world.relay_ahead += side * 5;
        }
        for (unsigned k = 1; k < world.nkept; k++) {
            bodies += world.kept[k].has_body;
            if (world.kept[k].has_body)
                assert_int_equal(bodies, k); /* never again after the first gap */
            else
                assert_int_equal(world.kept[k].reason, LG_REASON_CLOCK);
        }
        assert_int_equal(world.nkept, 60);
        assert_in_range(bodies, 11, 42); /* off by more than 5 s, and by less than 6 */
        assert_int_equal(world.state, SG_ECLOCK);
    }
}

/* T6, T4: steps of up to the tolerance across the minute's edge, at each moment around it, while samples are taken; a leap second is one of a second back.
 * One outcome per minute, in order, and every sample one that the relay had. */
static void gateway_clock_steps_across_the_edge(void **state)
{
    static const sg_ms steps[] = {-1000, 1000, -4000, 4000};

    (void)state;
    for (size_t s = 0; s < SG_ARRAY_LEN(steps); s++) {
        for (sg_ms offset = -500 - 4000; offset <= 1500 + 4000; offset += 50) {
            world_setup(NULL);
            world_run_until(world_at(2, offset));
            world.wall += steps[s];
            world.relay_ahead -= steps[s];
            world_run_until(world_at(4, 30000));
            assert_int_equal(world.nkept, 4);
            for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(world.kept[i].min, WORLD_M0 + (int)i);
                assert_true(world.kept[i].has_body);
            }
            world_body(3, 3, 6, 6);
        }
    }
}

#define T(f) cmocka_unit_test_setup(f, world_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(relay_clock_off_within_policy_is_read),
        T(relay_that_lags_within_policy_loses_no_minute),
        T(relay_clock_off_is_a_gap),
        T(relay_clock_that_drifts_is_noticed_at_the_limit),
        T(relay_clock_failure_of_one_latch_spoils_one_minute),
        T(relay_seq_going_back_is_refused),
        T(gateway_frozen_reads_the_ring),
        T(gateway_frozen_spoilt_ring_is_malformed),
        T(gateway_clock_steps_never_invent),
        T(gateway_clock_steps_across_the_edge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
