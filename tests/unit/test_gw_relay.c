/* The conversation with one relay, played against the emulator's register image on fake clocks: no socket, no thread, the
 * millisecond is asserted. Clocks that are wrong or step: test_gw_relay_clock.c. */
#include "tests/lib/relay_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Started at 25 s the running minute counts with the latches of 20, 30, 40, 50; the next ones with six of six; each
 * outcome is out within 300 ms of its minute's end, with few requests. */
static void relay_whole_minutes_are_bodies_with_six_live(void **state)
{
    (void)state;
    world_run_until(world_at(10, 30000));
    assert_int_equal(world.nkept, 10);
    world_body(0, 0, 6, 4);
    for (unsigned i = 1; i < 10; i++) {
        world_body(i, (int)i, 6, 6);
        assert_in_range(world.kept[i].wall - world_at((int)i + 1, 0), 0, 300);
    }
    assert_int_equal(world.state, 0);
    assert_int_equal(world.asked[GW_READ_HEADER], 1);
    assert_int_equal(world.asked[GW_READ_LIVE], 61 + 10); /* one more a minute: is it ahead? */
    assert_int_equal(world.nlive, 61);
    assert_in_range(world.asked[GW_READ_FRAME], 10, 30);
    assert_int_equal(world.asked[GW_READ_RING], 0);
}

/* Refused since before the minute's end: the gap is out at once; when the relay is back the RING gives the body. */
static void relay_known_down_is_a_gap_at_once_and_recovered(void **state)
{
    (void)state;
    world_run_until(world_at(1, 15000));
    world.err = SG_EREFUSED;
    world.connection = 0;
    world_run_until(world_at(3, 5000));
    assert_int_equal(world.nkept, 3);
    world_gap(1, 1, LG_REASON_REFUSED);
    world_gap(2, 2, LG_REASON_REFUSED);
    assert_in_range(world.kept[1].wall - world_at(2, 0), 0, 10);
    assert_int_equal(world.state, SG_EREFUSED);
    world.err = 0;
    world_run_until(world_at(4, 5000));
    assert_int_equal(world.nkept, 6);
    world_body(3, 1, 6, 2);
    world_body(4, 2, 6, 0);
    world_body(5, 3, 6, 6);
    assert_int_equal(world.state, 0);
}

/* Lost only at the minute's end: the retries of ten seconds are waited for, and a relay that comes back gives its body. */
static void relay_lost_at_the_end_is_retried(void **state)
{
    (void)state;
    world_run_until(world_at(1, 59000));
    world.err = SG_ETIMEOUT;
    world.connection = 0;
    world_run_until(world_at(2, 6000));
    assert_int_equal(world.nkept, 1);
    world.err = 0;
    world_run_until(world_at(2, 15000));
    assert_int_equal(world.nkept, 2);
    world_body(1, 1, 6, 6);
}

/* The same, but it does not come back: the gap carries the reason of the retries. */
static void relay_lost_at_the_end_and_gone_is_a_gap(void **state)
{
    static const struct {
        int err;
        enum lg_reason reason;
    } cases[] = {{SG_ETIMEOUT, LG_REASON_TIMEOUT}, {SG_EREFUSED, LG_REASON_REFUSED},
        {SG_ECLOSED, LG_REASON_REFUSED}, {SG_EEXCEPTION, LG_REASON_EXCEPTION},
        {SG_EMALFORMED, LG_REASON_MALFORMED}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(cases); i++) {
        world_setup(NULL);
        world_run_until(world_at(1, 59000));
        world.err = cases[i].err;
        world_run_until(world_at(2, 20000));
        assert_int_equal(world.nkept, 2);
        world_gap(1, 1, cases[i].reason);
        assert_in_range(world.kept[1].wall - world_at(2, 0), 9000, 12000);
        assert_int_equal(world.state, cases[i].err);
    }
}

/* FRAME alone answered with exceptions while latches are read: the reason is exception, and the relay is still read. */
static void relay_frame_refused_is_exception(void **state)
{
    (void)state;
    world.err_of[GW_READ_FRAME] = SG_EEXCEPTION;
    world_run_until(world_at(2, 20000));
    assert_int_equal(world.nkept, 4); /* and the RING has them */
    world_gap(0, 0, LG_REASON_EXCEPTION);
    world_body(1, 0, 6, 4);
    world_gap(2, 1, LG_REASON_EXCEPTION);
    assert_in_range(world.asked[GW_READ_FRAME], 2, 60);
}

/* A restart in the middle: the minute of the boot is committed as it is, with the latches since the boot. */
static void relay_restart_in_a_minute_is_committed_as_it_is(void **state)
{
    (void)state;
    world_run_until(world_at(1, 33000));
    world_relay_boot(78);
    world_run_until(world_at(3, 5000));
    assert_int_equal(world.nkept, 3);
    world_body(0, 0, 6, 4);
    world_body(1, 1, 2, 2);
    world_body(2, 2, 6, 6);
}

/* A restart behind a connection that stays open (a TCP gateway in between) is noticed by BOOT_ID. */
static void relay_restart_behind_a_connection_is_noticed(void **state)
{
    unsigned connection;

    (void)state;
    world_run_until(world_at(1, 33000));
    connection = world.connection;
    world_relay_boot(78);
    world.connection = connection;
    world_run_until(world_at(2, 5000));
    assert_int_equal(
        world.asked[GW_READ_HEADER], 3); /* start, new BOOT_ID, before an incomplete frame is judged */
    assert_int_equal(world.r.id.boot_id, 78);
    world_body(1, 1, 2, 2);
}

/* A restart right after the minute's end has wiped FRAME and RING: a gap `stopped`, no contradiction. */
static void relay_restart_after_the_end_is_stopped(void **state)
{
    (void)state;
    world_run_until(world_at(1, 58000));
    world.err = SG_EREFUSED;
    world_run_until(world_at(2, 1500));
    world_relay_boot(78);
    world.err = 0;
    world_run_until(world_at(3, 5000));
    assert_int_equal(world.nkept, 3);
    world_gap(1, 1, LG_REASON_STOPPED);
    assert_false(world.kept[1].alarm);
    world_body(2, 2, 5, 5);
}

/* The same behind an open connection, between the last latch and the frame: still `stopped`. */
static void relay_restart_between_latch_and_frame_is_stopped(void **state)
{
    unsigned connection;

    (void)state;
    world_run_until(world_at(1, 55000));
    connection = world.connection;
    world_relay_boot(78);
    world.connection = connection;
    world_run_until(world_at(2, 15000));
    assert_int_equal(world.nkept, 2);
    world_gap(1, 1, LG_REASON_STOPPED);
    assert_false(world.kept[1].alarm);
}

/* A relay that was stopped for half a minute and lost latches: the minute is incomplete, not a fault of its clock. */
static void relay_stopped_for_a_while_is_incomplete(void **state)
{
    (void)state;
    world_run_until(world_at(1, 12000));
    world.relay_frozen = true;
    world_run_until(world_at(1, 37000));
    world.relay_frozen = false;
    world_run_until(world_at(2, 5000));
    assert_int_equal(world.nkept, 2);
    world_body(1, 1, 4, 4); /* 0 10 . . 40 50: the ones of 20 and 30 passed unseen */
}

/* A relay that answers but has latched nothing in the minute: nosample, and no alarm of its clock. */
static void relay_without_latches_is_nosample(void **state)
{
    (void)state;
    world_run_until(world_at(0, 58000));
    world.relay_deaf = true;
    world_run_until(world_at(1, 59000)); /* the latch of 50 s is too late by now */
    world.relay_deaf = false;
    world_run_until(world_at(3, 500));
    assert_int_equal(world.nkept, 4);
    world_gap(0, 0, LG_REASON_NOSAMPLE); /* its FRAME did not come in time */
    world_gap(1, 1, LG_REASON_NOSAMPLE);
    assert_false(world.kept[1].alarm);
    world_body(2, 0, 6, 4); /* it came late */
    world_body(3, 2, 6, 6);
}

/* Another device behind the address: gaps `identity` with an alarm, at once, and nothing but headers is asked. */
static void relay_of_another_device_is_identity(void **state)
{
    unsigned live;

    (void)state;
    world_run_until(world_at(1, 15000));
    strcpy(world.relay.device, "Relay 2");
    live = world.nlive;
    world.connection = 0;
    world_run_until(world_at(3, 5000));
    assert_int_equal(world.nkept, 3);
    world_gap(1, 1, LG_REASON_IDENTITY);
    world_gap(2, 2, LG_REASON_IDENTITY);
    assert_true(world.kept[2].alarm);
    assert_int_equal(world.nlive, live);
    assert_int_equal(world.state, SG_EIDENTITY);
    assert_string_equal(world.r.difference, "DEVICE");
    strcpy(world.relay.device, "Relay 1");
    world_run_until(world_at(5, 5000));
    world_body(4, 4, 6, 6);
    assert_int_equal(world.state, 0);
}

/* Torn or senseless answers are asked for again; the minute loses nothing. */
static void relay_malformed_once_is_retried(void **state)
{
    static const enum gw_read_kind kinds[] = {GW_READ_LIVE, GW_READ_FRAME};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(kinds); i++) {
        world_setup(NULL);
        world_run_until(world_at(1, 55000));
        world.spoil[0] = 0x8000; /* SEQ is not SEQ2; MINUTE is not UTC_S / 60 */
        world.spoil_kind = (int)kinds[i];
        world.spoil_times = 2;
        world_run_until(world_at(2, 30000));
        assert_int_equal(world.spoil_times, 0);
        world_body(1, 1, 6, 6);
        world_run_until(world_at(3, 5000));
        world_body(2, 2, 6, 6);
    }
}

/* An own live sample that differs from FRAME: a gap malformed with an alarm, also after the header was read again. */
static void relay_frame_that_differs_is_malformed_with_alarm(void **state)
{
    (void)state;
    world_run_until(world_at(1, 55000));
    world.spoil[SG_FRAME_RECORDS + 20 + SG_REC_VAB + 1] = 1;
    world.spoil_kind = GW_READ_FRAME;
    world.spoil_times = 1000;
    world_run_until(world_at(2, 15000));
    assert_int_equal(world.nkept, 2);
    world_gap(1, 1, LG_REASON_MALFORMED);
    assert_true(world.kept[1].alarm);
    world.spoil_times = 0;
    world_run_until(world_at(4, 5000));
    assert_int_equal(world.nkept, 4); /* no second outcome for it from the RING */
    world_body(3, 3, 6, 6);
}

/* A live block whose BOOT_ID never is the header's is malformed, with pauses: it cannot keep the gateway busy. */
static void relay_boot_id_that_never_fits_is_malformed(void **state)
{
    (void)state;
    world_run_until(world_at(1, 5000));
    world.spoil[SG_REG_BOOT_ID2 + 1 - SG_LIVE_BASE] = 1;
    world.spoil_kind = GW_READ_LIVE;
    world.spoil_times = 100000;
    world.njobs = 0;
    world_run_until(world_at(2, 30000));
    assert_int_equal(world.state, SG_EMALFORMED);
    assert_in_range(world.njobs, 5, 200);
}

/* A relay that is down is asked seldom, and found again within the longest pause. */
static void relay_down_is_asked_with_backoff(void **state)
{
    (void)state;
    world_run_until(world_at(1, 5000));
    world.err = SG_EREFUSED;
    world.connection = 0;
    world.njobs = 0;
    world_run_until(world_at(11, 5000));
    assert_in_range(world.njobs, 100, 140);
    world.err = 0;
    world_run_until(world.wall + GW_BACKOFF_MAX_MS + 10);
    assert_int_equal(world.state, 0);
}

/* A connection that ends behind the header is a failure when the relay ended it, and none when a request to another unit did. */
static void relay_cut_off_by_another_unit_is_no_failure(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        struct gw_job job;
        struct gw_step step;

        (void)world_setup(state);
        world_run_until(world_at(0, 25100)); /* the header and the latch of 20 s */
        assert_int_equal(world.asked[GW_READ_HEADER], 1);
        assert_int_equal(world.asked[GW_READ_LIVE], 1);
        world.connection = 0;
        world_run_until(world_at(0, 25500)); /* again the header, and nothing else is due */
        assert_int_equal(world.asked[GW_READ_HEADER], 2);
        world.connection = 0;
        if (other)
            gw_relay_cut_off(&world.r);
        gw_relay_next(&world.r, &job, &step, (struct gw_now){.wall_ms = world.wall, .run_ms = world.run},
            world.connection);
        assert_int_equal(gw_relay_healthy(&world.r), other);
        assert_int_equal(step.has_state, !other);
        assert_int_equal(step.state, other ? 0 : SG_ECLOSED);
    }
}

/* A job that is left undone is asked for again at once: what was not asked has no pause. */
static void relay_job_left_undone_comes_again(void **state)
{
    struct gw_now now = {.wall_ms = world.wall, .run_ms = world.run};
    struct gw_job job;
    struct gw_step step;

    (void)state;
    for (int i = 0; i < 3; i++) {
        gw_relay_next(&world.r, &job, &step, now, 0);
        assert_false(job.wait);
        assert_int_equal(job.kind, GW_READ_HEADER);
    }
}

#define T(f) cmocka_unit_test_setup(f, world_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(relay_whole_minutes_are_bodies_with_six_live),
        T(relay_known_down_is_a_gap_at_once_and_recovered),
        T(relay_lost_at_the_end_is_retried),
        T(relay_lost_at_the_end_and_gone_is_a_gap),
        T(relay_frame_refused_is_exception),
        T(relay_restart_in_a_minute_is_committed_as_it_is),
        T(relay_restart_behind_a_connection_is_noticed),
        T(relay_restart_after_the_end_is_stopped),
        T(relay_restart_between_latch_and_frame_is_stopped),
        T(relay_stopped_for_a_while_is_incomplete),
        T(relay_without_latches_is_nosample),
        T(relay_of_another_device_is_identity),
        T(relay_malformed_once_is_retried),
        T(relay_frame_that_differs_is_malformed_with_alarm),
        T(relay_boot_id_that_never_fits_is_malformed),
        T(relay_down_is_asked_with_backoff),
        T(relay_cut_off_by_another_unit_is_no_failure),
        T(relay_job_left_undone_comes_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
