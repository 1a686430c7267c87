/* Civil dates, against the C library as an independent witness and against known instants. */
#include "sg_time.h"
#include "sg_err.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_as_libc(sg_ms ms)
{
    time_t s = (time_t)(ms / 1000);
    struct sg_civil c;
    struct tm tm;

    assert_non_null(gmtime_r(&s, &tm));
    sg_civil_of_ms(&c, ms, 0);
    assert_int_equal(c.year, tm.tm_year + 1900);
    assert_int_equal(c.month, tm.tm_mon + 1);
    assert_int_equal(c.day, tm.tm_mday);
    assert_int_equal(c.hour, tm.tm_hour);
    assert_int_equal(c.minute, tm.tm_min);
    assert_int_equal(c.second, tm.tm_sec);
    assert_int_equal(c.ms, ms % 1000);
}

/* Dates agree with the C library over the whole range, and around every year's edge and leap day. */
static void civil_whole_range_agrees_with_libc(void **state)
{
    const sg_ms day = 86400000;

    (void)state;
    for (sg_ms ms = 0; ms < SG_MS_END; ms += 97 * day + 12345678)
        assert_as_libc(ms);
    for (sg_ms d = 0; d < 150 * 366; d++) { /* 1970..2119: 2000 is a leap year, 2100 is not */
        assert_as_libc(d * day);
        assert_as_libc(d * day + day - 1);
    }
    assert_as_libc(SG_MS_END - 1);
}

/* A zone shifts the date over the edges of day and year, to both sides. */
static void civil_zone_shifts_over_the_year(void **state)
{
    struct sg_civil c;

    (void)state;
    sg_civil_of_ms(&c, INT64_C(1632830291088), -300); /* the paper's first block, Bogotá */
    assert_int_equal(c.year, 2021);
    assert_int_equal(c.month, 9);
    assert_int_equal(c.day, 28);
    assert_int_equal(c.hour, 6);
    assert_int_equal(c.minute, 58);
    assert_int_equal(c.second, 11);
    assert_int_equal(c.ms, 88);
    sg_civil_of_ms(&c, 0, -720);
    assert_int_equal(c.year, 1969);
    assert_int_equal(c.month, 12);
    assert_int_equal(c.day, 31);
    assert_int_equal(c.hour, 12);
    sg_civil_of_ms(&c, SG_MS_END - 1, 840);
    assert_int_equal(c.year, 10000);
    assert_int_equal(c.month, 1);
    assert_int_equal(c.day, 1);
    assert_int_equal(c.hour, 13);
}

/* Every instant is written with milliseconds and Z, and reads back as itself. */
static void rfc3339_round_trips(void **state)
{
    char text[SG_RFC3339_SIZE];
    sg_ms back = -1;

    (void)state;
    sg_rfc3339_of_ms(text, 0);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    sg_rfc3339_of_ms(text, SG_MS_END - 1);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    sg_rfc3339_of_ms(text, INT64_C(1763999999007));
    assert_string_equal(text, "2025-11-24T15:59:59.007Z");
    for (sg_ms ms = 0; ms < SG_MS_END; ms += INT64_C(50001234567)) {
        sg_rfc3339_of_ms(text, ms);
        assert_int_equal(sg_ms_of_rfc3339(&back, text, strlen(text)), 0);
        assert_true(back == ms);
    }
}

/* The spellings that RFC 3339 allows mean the same instant; digits beyond milliseconds are cut. */
static void rfc3339_allowed_spellings_are_read(void **state)
{
    static const struct {
        const char *text;
        sg_ms ms;
    } rows[] = {
        {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
        {"2000-02-29t00:00:00z", INT64_C(951782400000)},
        {"2000-02-29T00:00:00+00:00", INT64_C(951782400000)},
        {"2000-02-29T00:00:00-00:00", INT64_C(951782400000)},
        {"2000-02-28T19:00:00-05:00", INT64_C(951782400000)},
        {"2000-02-29T05:45:00+05:45", INT64_C(951782400000)},
        {"2000-02-29T00:00:00.5Z", INT64_C(951782400500)},
        {"2000-02-29T00:00:00.0789999999999Z", INT64_C(951782400078)},
        {"1970-01-01T23:59:00+23:59", 0},
        {"9999-12-31T00:00:59.999-23:59", SG_MS_END - 1},
    };
    sg_ms ms = -1;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(rows); i++) {
        assert_int_equal(sg_ms_of_rfc3339(&ms, rows[i].text, strlen(rows[i].text)), 0);
        assert_true(ms == rows[i].ms);
    }
}

/* Dates that do not exist, other notations and instants that no document carries are invalid. */
static void rfc3339_other_texts_are_invalid(void **state)
{
    static const char *const bad[] = {"", "2000", "2000-02-29", "2000-02-29T00:00Z", "2000-02-29T00:00:00",
        "2000-02-29 00:00:00Z", "2001-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2000-00-01T00:00:00Z",
        "2000-13-01T00:00:00Z", "2000-01-00T00:00:00Z", "2000-04-31T00:00:00Z", "2000-01-01T24:00:00Z",
        "2000-01-01T00:60:00Z", "2000-01-01T00:00:60Z", "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00,5Z",
        "2000-01-01T00:00:00+24:00", "2000-01-01T00:00:00+00:60", "2000-01-01T00:00:00+0000",
        "2000-01-01T00:00:00+00", "2000-01-01T00:00:00ZZ", "2000-01-01T00:00:00Z ", " 2000-01-01T00:00:00Z",
        "200-01-01T00:00:00Z", "20000-01-01T00:00:00Z", "2000-1-01T00:00:00Z", "-001-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00Z"};
    sg_ms ms = -7;

    (void)state;
    for (size_t i = 0; i < SG_ARRAY_LEN(bad); i++)
        assert_int_equal(sg_ms_of_rfc3339(&ms, bad[i], strlen(bad[i])), SG_EINVAL);
    assert_int_equal(sg_ms_of_rfc3339(&ms, "2000-01-01T00:00:00\0", 20), SG_EINVAL);
    assert_true(ms == -7);
}

/* No prefix of a good text is good: the reader never looks beyond its length. */
static void rfc3339_every_prefix_is_invalid(void **state)
{
    const char *text = "2000-01-01T00:00:00.123+01:00";
    sg_ms ms;

    (void)state;
    for (size_t n = 0; n < strlen(text); n++)
        assert_int_equal(sg_ms_of_rfc3339(&ms, text, n), SG_EINVAL);
    assert_int_equal(sg_ms_of_rfc3339(&ms, text, strlen(text)), 0);
}

/* T4: in a zone with summer time, an hour that is skipped and one that comes twice are hours like any other; the second that is inserted has no
 * number, so the minute before it and the one after it are neighbours. */
static void civil_in_a_zone_with_summer_time_is_utc(void **state)
{
    static const struct {
        sg_ms ms;
        const char *text;
        int local_hour; /* by the C library, in that zone: it does change */
    } rows[] = {{INT64_C(1762063200000), "2025-11-02T06:00:00.000Z", 1}, /* 02:00 becomes 01:00 */
        {INT64_C(1762059600000), "2025-11-02T05:00:00.000Z", 1},
        {INT64_C(1741503600000), "2025-03-09T07:00:00.000Z", 3},  /* 02:00 becomes 03:00 */
        {INT64_C(1483228799999), "2016-12-31T23:59:59.999Z", 18}, /* 23:59:60 followed */
        {INT64_C(1483228800000), "2017-01-01T00:00:00.000Z", 19}};

    (void)state;
    assert_int_equal(setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1), 0);
    tzset();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[SG_RFC3339_SIZE];
        time_t s = (time_t)(rows[i].ms / 1000);
        struct tm tm;
        sg_ms ms;

        assert_non_null(localtime_r(&s, &tm));
        assert_int_equal(tm.tm_hour, rows[i].local_hour);
        sg_rfc3339_of_ms(text, rows[i].ms);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(sg_ms_of_rfc3339(&ms, text, strlen(text)), 0);
        assert_int_equal(ms, rows[i].ms);
    }
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(civil_whole_range_agrees_with_libc),
        cmocka_unit_test(civil_zone_shifts_over_the_year),
        cmocka_unit_test(civil_in_a_zone_with_summer_time_is_utc),
        cmocka_unit_test(rfc3339_round_trips),
        cmocka_unit_test(rfc3339_allowed_spellings_are_read),
        cmocka_unit_test(rfc3339_other_texts_are_invalid),
        cmocka_unit_test(rfc3339_every_prefix_is_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
