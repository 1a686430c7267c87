/* The clock: real, virtual, and the waits computed from it. */
#include "sg_clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static sg_ms machine_ms(clockid_t id)
{
    struct timespec t;

    assert_int_equal(clock_gettime(id, &t), 0);
    return (sg_ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void init_virtual(struct sg_clock *c, sg_ms virtual_ms, sg_ms real_ms, const char *speed)
{
    struct sg_fault fault;
    char spec[100];

    (void)snprintf(spec, sizeof spec, "%lld@%lldx%s", (long long)virtual_ms, (long long)real_ms, speed);
    assert_int_equal(sg_clock_init(c, spec, &fault), 0);
}

/* Without a spec the three clocks are the machine's. */
static void clock_real_is_the_machines(void **state)
{
    struct sg_clock c;
    struct sg_fault fault;
    sg_ms before, now, after;

    (void)state;
    assert_int_equal(sg_clock_init(&c, NULL, &fault), 0);
    assert_false(c.is_virtual);
    assert_int_equal(c.speed_milli, 1000);
    before = machine_ms(CLOCK_REALTIME);
    now = c.wall_ms(&c);
    after = machine_ms(CLOCK_REALTIME);
    assert_true(before <= now && now <= after);
    before = machine_ms(CLOCK_MONOTONIC);
    now = c.mono_ms(&c);
    assert_true(c.run_ms(&c) >= now);
    after = machine_ms(CLOCK_MONOTONIC);
    assert_true(before <= now && now <= after);
}

/* now = virtual_ms + (real_now_ms - real_ms) x speed, for whole and fractional speeds. */
static void clock_virtual_follows_the_formula(void **state)
{
    static const struct {
        const char *text;
        int64_t milli;
    } speeds[] = {{"20", 20000}, {"1", 1000}, {"0.5", 500}, {"1.25", 1250}, {"0.001", 1}, {"1000", 1000000},
        {"999.999", 999999}, {"1000.000", 1000000}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(speeds); i++) {
        sg_ms start = machine_ms(CLOCK_REALTIME) - 5000;
        sg_ms before, now, after;
        struct sg_clock c;

        init_virtual(&c, INT64_C(1632830280000), start, speeds[i].text);
        assert_true(c.is_virtual);
        assert_int_equal(c.speed_milli, speeds[i].milli);
        before = machine_ms(CLOCK_REALTIME);
        now = c.wall_ms(&c);
        after = machine_ms(CLOCK_REALTIME);
        assert_true(now >= INT64_C(1632830280000) + (before - start) * speeds[i].milli / 1000);
        assert_true(now <= INT64_C(1632830280000) + (after - start) * speeds[i].milli / 1000);
    }
}

/* Durations of work run at the virtual speed, deadlines of I/O do not. */
static void clock_virtual_speeds_run_and_not_mono(void **state)
{
    struct sg_clock c;
    sg_ms before, after;

    (void)state;
    init_virtual(&c, 0, 0, "1000");
    before = machine_ms(CLOCK_MONOTONIC);
    assert_true(c.run_ms(&c) >= before * 1000);
    assert_true(c.mono_ms(&c) >= before);
    after = machine_ms(CLOCK_MONOTONIC);
    assert_true(c.run_ms(&c) >= after * 1000);
    assert_true(before <= after);
    assert_true(c.mono_ms(&c) < after + 60000);
}

/* Beyond both ends of time the wall clock stops at the last instant that a document can carry. */
static void clock_virtual_stays_within_the_calendar(void **state)
{
    struct sg_clock c;

    (void)state;
    init_virtual(&c, SG_MS_END - 1, 0, "1000");
    assert_true(c.wall_ms(&c) == SG_MS_END - 1);
    init_virtual(&c, 0, SG_MS_END - 1, "1000");
    assert_true(c.wall_ms(&c) == 0);
}

/* A real clock before real_ms rounds down, so that time never stands still twice as long at the start. */
static void clock_virtual_before_its_start_rounds_down(void **state)
{
    sg_ms start = machine_ms(CLOCK_REALTIME) + 3600000;
    sg_ms before, now, after;
    struct sg_clock c;

    (void)state;
    init_virtual(&c, 1000000000, start, "0.001");
    before = machine_ms(CLOCK_REALTIME);
    now = c.wall_ms(&c);
    after = machine_ms(CLOCK_REALTIME);
    assert_true(now >= 1000000000 - (start - before + 999) / 1000);
    assert_true(now <= 1000000000 - (start - after) / 1000);
}

/* A malformed spec is a configuration error that quotes it; the clock is not touched. */
static void clock_malformed_spec_is_a_fault(void **state)
{
    static const char *const bad[] = {"", "0", "0@0", "0@0x", "@0x1", "0@x1", "0x0@1", "0@0x0", "0@0x0.0",
        "0@0x0.0001", "0@0x1001", "0@0x1000.001", "0@0x-1", "0@0x+1", "0@0x1.", "0@0x.5", "0@0x1e1",
        "0@0x1.2.3", "0@0x1 ", " 0@0x1", "-1@0x1", "0@-1x1", "01@0x1", "0@0x01", "0@0xx1", "0@0@0x1",
        "253402300800000@0x1", "0@253402300800000x1", "9223372036854775808@0x1", "0.5@0x1", "0@0X1",
        "0@0x1,5"};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++) {
        struct sg_clock c = {.speed_milli = 7};
        struct sg_fault fault = {.err = 0};

        assert_int_equal(sg_clock_init(&c, bad[i], &fault), SG_ECONFIG);
        assert_int_equal(fault.err, SG_ECONFIG);
        assert_non_null(strstr(fault.text, SG_CLOCK_ENV));
        assert_non_null(strstr(fault.text, bad[i]));
        assert_int_equal(c.speed_milli, 7);
    }
}

/* However long the spec, the fault is one whole text. */
static void clock_long_spec_is_cut_in_the_fault(void **state)
{
    struct sg_fault fault;
    struct sg_clock c;
    char spec[2000];

    (void)state;
    memset(spec, '9', sizeof spec - 1);
    spec[sizeof spec - 1] = 0;
    assert_int_equal(sg_clock_init(&c, spec, &fault), SG_ECONFIG);
    assert_true(strlen(fault.text) < sizeof fault.text);
}

static sg_ms at_one_million(const struct sg_clock *c)
{
    (void)c;
    return 1000000;
}

/* What has come needs no wait; what is ahead waits at least 20 ms real, else its time at the clock's speed, rounded up. */
static void clock_wait_has_a_floor_and_rounds_up(void **state)
{
    static const struct {
        int64_t speed_milli;
        sg_ms until, wait;
    } rows[] = {{1000, 999999, 0}, {1000, 1000000, 0}, {1000, 0, 0}, {1000, INT64_MIN, 0},
        {1000, 1000001, 20}, {1000, 1000020, 20}, {1000, 1000021, 21}, {20000, 1000001, 20},
        {20000, 1000400, 20}, {20000, 1000401, 21}, {20000, 1001000, 50}, {500, 1000100, 200},
        {1, 1001000, 1000000}, {1000, INT64_MAX, INT64_MAX - 1000000}, {1, INT64_MAX, INT64_MAX}};

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        struct sg_clock c = {.wall_ms = at_one_million, .speed_milli = rows[i].speed_milli};

        assert_true(sg_clock_wait_ms(&c, rows[i].until) == rows[i].wait);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_real_is_the_machines),
        cmocka_unit_test(clock_virtual_follows_the_formula),
        cmocka_unit_test(clock_virtual_speeds_run_and_not_mono),
        cmocka_unit_test(clock_virtual_stays_within_the_calendar),
        cmocka_unit_test(clock_virtual_before_its_start_rounds_down),
        cmocka_unit_test(clock_malformed_spec_is_a_fault),
        cmocka_unit_test(clock_long_spec_is_cut_in_the_fault),
        cmocka_unit_test(clock_wait_has_a_floor_and_rounds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
