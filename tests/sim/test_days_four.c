/* Two hundred days of four nodes, one seed a day. A sanitizer looks at a part of it (make sim runs it all). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/sim/sim_alloc.h"
#include "tests/sim/sim_command.h"

#define DAYS 200

static bool fast; /* no sanitizer */

/* All promises hold on every day, whatever faults its seed draws. */
static void days_of_four_keep_every_promise(void **state)
{
    (void)state;
    struct sim_totals t = {0};
    for (uint64_t seed = 1; seed <= (fast ? DAYS : 2); seed++) {
        struct sim_options o = {.seed = seed, .minutes = SIM_DAY, .nodes = 4, .faults = UINT32_MAX};
        (void)sim_seed(&o, &t);
    }
    assert_int_equal(t.violations, 0);
    assert_true(t.stats.node_minutes > 0 && t.stats.reorgs > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(days_of_four_keep_every_promise)};
    fast = sim_alloc_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
