/* Minutes that somebody wants from the RING: what was before the start of the process, or an outcome that nobody took. */
#include "tests/lib/fault_memory.h"
#include "tests/lib/relay_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A body's bytes are the only memory of the conversation. */
void *__wrap_realloc(void *p, size_t n);
void *__real_realloc(void *p, size_t n);

void *__wrap_realloc(void *p, size_t n)
{
    return fault_memory_ours() ? NULL : __real_realloc(p, n);
}

static struct gw_now now(void)
{
    return (struct gw_now){.wall_ms = world.wall, .run_ms = world.run};
}

static void want(int minute)
{
    gw_relay_want(&world.r, WORLD_M0 + minute, 0, now());
}

/* A minute before the start is read from the RING when it is wanted, with live 0, once, and each running minute is as punctual as
 * without it; the relay has run since WORLD_M0 - 2. */
static void wanted_minutes_before_the_start_are_read_once_with_live_0(void **state)
{
    (void)state;
    want(-1);
    want(-2);
    world_run_until(world_at(3, 30000));
    assert_int_equal(world.nkept, 5);
    world_body(0, -2, 6, 0);
    world_body(1, -1, 6, 0);
    for (unsigned i = 2; i < 5; i++) {
        world_body(i, (int)i - 2, 6, i == 2 ? 4 : 6);
        assert_in_range(world.kept[i].wall - world_at((int)i - 1, 0), 0, 300);
    }
}

/* What the relay does not have, because it started later, is asked for once and told by nobody. */
static void wanted_minute_from_before_the_boot_is_no_outcome(void **state)
{
    (void)state;
    want(-3);
    want(-59);
    world_run_until(world_at(2, 30000));
    assert_int_equal(world.nkept, 2);
    world_body(0, 0, 6, 4);
    assert_int_equal(world.asked[GW_READ_RING], 0);
    assert_in_range(world.asked[GW_READ_RING_TAIL], 0, 2);
}

/* The minute in which the relay started is taken as it is, without a sample from before. */
static void wanted_minute_of_the_boot_is_incomplete(void **state)
{
    (void)state;
    world_run_until(world_at(0, 35000));
    world_relay_boot(78);
    world_run_until(world_at(1, 20000));
    world_gateway_start(5000);
    world.nkept = 0;
    want(0);
    want(-1);
    world_run_until(world_at(1, 40000));
    assert_int_equal(world.nkept, 1);
    world_body(0, 0, 2, 0);
}

/* The minute that runs, one that is owed, and one that the RING has lost are not wanted: each has its own way. */
static void want_refuses_what_is_owed_or_gone(void **state)
{
    struct gw_minutes *m = &world.r.minutes;

    (void)state;
    world_run_until(world_at(0, 40000));
    assert_false(gw_minutes_want(m, WORLD_M0));
    assert_false(gw_minutes_want(m, WORLD_M0 + 1));
    assert_false(gw_minutes_want(m, WORLD_M0 - 61));
    assert_false(gw_minutes_want(m, -1));
    assert_true(gw_minutes_want(m, WORLD_M0 - 60));
    assert_true(gw_minutes_want(m, WORLD_M0 - 1));
}

/* An outcome that nobody took is told again, with what was seen live while that is remembered. */
static void want_of_an_untaken_outcome_tells_it_again(void **state)
{
    (void)state;
    world_run_until(world_at(2, 1000));
    assert_int_equal(world.nkept, 2);
    gw_relay_want(&world.r, WORLD_M0 + 1, 20000, now());
    world_run_until(world_at(2, 20500));
    assert_int_equal(world.nkept, 2);
    world_run_until(world_at(2, 40000));
    assert_int_equal(world.nkept, 3);
    world_body(2, 1, 6, 6);
}

/* A relay that refuses the RING is asked once for each minute, and is no worse for it. */
static void wanted_minute_of_a_relay_without_ring_harms_nothing(void **state)
{
    (void)state;
    world.err_of[GW_READ_RING_TAIL] = SG_EEXCEPTION;
    want(-1);
    want(-2);
    world_run_until(world_at(3, 30000));
    assert_int_equal(world.asked[GW_READ_RING_TAIL], 2);
    assert_int_equal(world.state, 0);
    assert_int_equal(world.nkept, 3);
    world_body(2, 2, 6, 6);
}

/* One that does not answer such a request is asked again after a pause, and the running minutes lose nothing. */
static void wanted_minute_without_answer_waits(void **state)
{
    (void)state;
    world.err_of[GW_READ_RING_TAIL] = SG_ETIMEOUT;
    want(-1);
    world_run_until(world_at(1, 30000));
    assert_in_range(world.asked[GW_READ_RING_TAIL], 2, 14);
    world.err_of[GW_READ_RING_TAIL] = 0;
    world_run_until(world_at(2, 30000));
    assert_int_equal(world.nkept, 3);
    world_body(0, 0, 6, 4);
    world_body(1, -1, 6, 0);
    world_body(2, 1, 6, 6);
}

/* Without memory for its body a wanted minute is asked for again. */
static void wanted_minute_without_memory_comes_later(void **state)
{
    (void)state;
    want(-1);
    fault_memory_arm(FAULT_OURS, 1, false);
    world_run_until(world_at(0, 40000));
    assert_true(fault_memory_fired());
    fault_memory_disarm();
    assert_int_equal(world.nkept, 1);
    world_body(0, -1, 6, 0);
}

#define T(name) cmocka_unit_test_setup(name, world_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(wanted_minutes_before_the_start_are_read_once_with_live_0),
        T(wanted_minute_from_before_the_boot_is_no_outcome),
        T(wanted_minute_of_the_boot_is_incomplete),
        T(want_refuses_what_is_owed_or_gone),
        T(want_of_an_untaken_outcome_tells_it_again),
        T(wanted_minute_of_a_relay_without_ring_harms_nothing),
        T(wanted_minute_without_answer_waits),
        T(wanted_minute_without_memory_comes_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
