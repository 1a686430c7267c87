/* Progress of a chain that is being fetched: when something is said, how fast it goes, how long it takes. */
#include "ledger/core/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lg_c0.h"

enum { EVERY = 10000 };

/* A few blocks behind is what comes and goes: nothing is said. */
static void meter_few_blocks_behind_is_silent(void **state)
{
    (void)state;
    struct lg_meter m = {0};
    assert_int_equal(lg_meter_step(&m, 100, 100, 0, EVERY), LG_METER_NOTHING);
    assert_int_equal(lg_meter_step(&m, 100, 100 + LG_METER_BEHIND - 1, 20000, EVERY), LG_METER_NOTHING);
    assert_false(m.running);
}

/* While a chain is fetched something is said each EVERY, with the rate of late and what is left at it; at the end once that it is done. */
static void meter_long_chain_is_told_at_intervals(void **state)
{
    (void)state;
    struct lg_meter m = {0};
    assert_int_equal(lg_meter_step(&m, 0, 100000, 1000, EVERY), LG_METER_NOTHING);
    assert_true(m.running);
    assert_int_equal(lg_meter_eta_s(&m), -1);
    assert_int_equal(lg_meter_step(&m, 4000, 100000, 1000 + LG_METER_SPAN_MS, EVERY), LG_METER_NOTHING);
    assert_int_equal(m.rate_milli, 2000000);
    assert_int_equal(lg_meter_eta_s(&m), 48);
    assert_int_equal(lg_meter_step(&m, 20000, 100000, 1000 + EVERY - 1, EVERY), LG_METER_NOTHING);
    assert_int_equal(lg_meter_step(&m, 20000, 100000, 1000 + EVERY, EVERY), LG_METER_PROGRESS);
    assert_int_equal(lg_meter_step(&m, 20001, 100000, 1001 + EVERY, EVERY), LG_METER_NOTHING);
    assert_int_equal(lg_meter_step(&m, 100000, 100000, 60000, EVERY), LG_METER_DONE);
    assert_int_equal(lg_meter_step(&m, 100000, 100000, 90000, EVERY), LG_METER_NOTHING);
}

/* A claim of any size, a peer that goes away and a branch that is shorter break nothing. */
static void meter_strange_heights_are_survived(void **state)
{
    (void)state;
    struct lg_meter m = {0};
    assert_int_equal(lg_meter_step(&m, 50, LG_C0_MAX_INT, 0, EVERY), LG_METER_NOTHING);
    assert_int_equal(lg_meter_step(&m, 60, LG_C0_MAX_INT, EVERY, EVERY), LG_METER_PROGRESS);
    assert_int_equal(m.rate_milli, 1000);
    assert_int_equal(lg_meter_eta_s(&m), LG_C0_MAX_INT - 60);
    assert_int_equal(lg_meter_step(&m, 40, LG_C0_MAX_INT, 2 * EVERY, EVERY), LG_METER_PROGRESS);
    assert_int_equal(m.rate_milli, 0);
    assert_int_equal(lg_meter_eta_s(&m), -1);
    assert_int_equal(lg_meter_step(&m, 40, 0, 2 * EVERY + 1, EVERY), LG_METER_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meter_few_blocks_behind_is_silent),
        cmocka_unit_test(meter_long_chain_is_told_at_intervals),
        cmocka_unit_test(meter_strange_heights_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
