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

/* The wall clock steps an hour ahead: the relay's latches are off, gaps `clock` and no body; after the step back the true
 * minutes are committed; no minute has two bodies, none a gap after its body. */
static void gateway_clock_steps_never_invent(void **state)
{
    static const sg_ms steps[] = {1000, -1000, 3600000, -3600000, 86400000, -86400000, INT64_C(315532800000)};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(steps); i++) {
        world_setup(NULL);
        world_run_until(world_at(1, 35000));
        world.wall += steps[i];
        world.relay_ahead -= steps[i];
        world_run_until(world.wall + 4 * SG_MINUTE_MS);
        world.wall -= steps[i];
        world.relay_ahead += steps[i];
        world_run_until(world.wall + 4 * SG_MINUTE_MS);
        world_body(world.nkept - 1, 8, 6, 6);
        for (unsigned a = 0; a < world.nkept; a++) {
            for (unsigned b = a + 1; b < world.nkept; b++) {
                if (world.kept[a].min == world.kept[b].min)
                    fail_msg("step %lld: minute %lld twice", (long long)steps[i],
                        (long long)world.kept[a].min - WORLD_M0);
            }
            if (steps[i] > 5000 && world.kept[a].min > WORLD_M0 + 30)
                assert_int_equal(world.kept[a].reason, LG_REASON_CLOCK);
            if (world.kept[a].has_body)
                assert_in_range(world.kept[a].min - WORLD_M0, 0, 8);
        }
    }
}

/* A second back across the minute's edge, at each moment around it (T6): one outcome per minute. */
static void gateway_clock_steps_across_the_edge(void **state)
{
    (void)state;
    for (sg_ms offset = -500; offset <= 1500; offset += 50) {
        world_setup(NULL);
        world_run_until(world_at(2, offset));
        world.wall -= 1000;
        world.relay_ahead += 1000;
        world_run_until(world_at(4, 30000));
        assert_int_equal(world.nkept, 4);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(world.kept[i].min, WORLD_M0 + (int)i);
        world_body(3, 3, 6, 6);
    }
}

#define T(f) cmocka_unit_test_setup(f, world_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(relay_clock_off_within_policy_is_read),
        T(relay_clock_off_is_a_gap),
        T(relay_clock_failure_of_one_latch_spoils_one_minute),
        T(relay_seq_going_back_is_refused),
        T(gateway_frozen_reads_the_ring),
        T(gateway_frozen_spoilt_ring_is_malformed),
        T(gateway_clock_steps_never_invent),
        T(gateway_clock_steps_across_the_edge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
