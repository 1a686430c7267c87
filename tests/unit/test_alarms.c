/* Alarms: on, counted, over; states end when they are ended, incidents when they are quiet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/alarms.h"

#define WALL 1764000000000

/* The first raise turns it on, further ones are counted; after its end the next one turns it on anew. */
static void alarm_raised_is_on_until_it_is_ended(void **state)
{
    struct lg_alarms a = {0};
    struct lg_alarm out = {0};
    (void)state;
    assert_true(lg_alarms_raise(&a, &out, "uncommitted", WALL, 5));
    assert_string_equal(out.code, "uncommitted");
    assert_int_equal(out.since_ms, WALL);
    assert_int_equal(out.until_ms, 0);
    assert_false(lg_alarms_raise(&a, &out, "uncommitted", WALL + 1, 6));
    assert_true(lg_alarms_end(&a, &out, "uncommitted", WALL + 2));
    assert_int_equal(out.count, 2);
    assert_int_equal(out.since_ms, WALL);
    assert_int_equal(out.until_ms, WALL + 2);
    assert_false(lg_alarms_end(&a, &out, "uncommitted", WALL + 3));
    assert_true(lg_alarms_raise(&a, &out, "uncommitted", WALL + 4, 9));
    assert_int_equal(out.count, 3);
    assert_int_equal(out.since_ms, WALL + 4);
    assert_int_equal(a.n, 1);
}

/* One that was never raised cannot end. */
static void alarm_never_raised_does_not_end(void **state)
{
    struct lg_alarms a = {0};
    struct lg_alarm out;
    (void)state;
    assert_false(lg_alarms_end(&a, &out, "clock", WALL));
    assert_false(lg_alarms_quiet(&a, &out, WALL, INT64_MAX));
}

/* An incident is over when it has not come again for the time of quiet; each raise begins it anew; a state waits for its end. */
static void alarm_incident_ends_by_quiet(void **state)
{
    struct lg_alarms a = {0};
    struct lg_alarm out;
    (void)state;
    assert_true(lg_alarms_raise(&a, &out, "disk_full", WALL, 0));
    assert_true(lg_alarms_raise(&a, &out, "deep_reorg", WALL, 0));
    assert_true(lg_alarms_raise(&a, &out, "new_kind", WALL, 0));
    assert_false(lg_alarms_raise(&a, &out, "deep_reorg", WALL, 1000));
    assert_false(lg_alarms_quiet(&a, &out, WALL + 7, LG_ALARM_QUIET_MS - 1));
    assert_true(lg_alarms_quiet(&a, &out, WALL + 7, LG_ALARM_QUIET_MS));
    assert_string_equal(out.code, "new_kind");
    assert_false(lg_alarms_quiet(&a, &out, WALL + 7, LG_ALARM_QUIET_MS));
    assert_true(lg_alarms_quiet(&a, &out, WALL + 8, LG_ALARM_QUIET_MS + 1000));
    assert_string_equal(out.code, "deep_reorg");
    assert_int_equal(out.until_ms, WALL + 8);
    assert_false(lg_alarms_quiet(&a, &out, WALL + 9, INT64_MAX));
    assert_true(lg_alarms_end(&a, &out, "disk_full", WALL + 9));
}

/* The table is bounded: one kind too many is not on, and harms nothing. */
static void alarm_table_is_bounded(void **state)
{
    struct lg_alarms a = {0};
    struct lg_alarm out;
    char code[16];
    (void)state;
    for (unsigned i = 0; i <= LG_MAX_ALARMS; i++) {
        snprintf(code, sizeof code, "kind_%u", i);
        assert_int_equal(lg_alarms_raise(&a, &out, code, WALL, 0), i < LG_MAX_ALARMS);
    }
    assert_int_equal(a.n, LG_MAX_ALARMS);
}

/* Every code has words for a person; an unknown one is its own. */
static void alarm_has_a_text(void **state)
{
    (void)state;
    assert_non_null(strstr(lg_alarm_text("disk_full"), "full"));
    assert_string_equal(lg_alarm_text("new_kind"), "new_kind");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alarm_raised_is_on_until_it_is_ended),
        cmocka_unit_test(alarm_never_raised_does_not_end),
        cmocka_unit_test(alarm_incident_ends_by_quiet),
        cmocka_unit_test(alarm_table_is_bounded),
        cmocka_unit_test(alarm_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
