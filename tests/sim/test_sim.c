/* A few seeds as tests; with arguments it is the simulator's command (sim_command.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/sim/sim_command.h"

/* ---- tests ---- */

/* Every promise holds on the first seeds, whatever faults they draw. */
static void sim_first_seeds_keep_every_promise(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct sim_totals t = {0};
        struct sim_options o = {.seed = seed, .minutes = 10, .faults = UINT32_MAX};
        (void)sim_seed(&o, &t);
        assert_int_equal(t.violations, 0);
        assert_true(t.stats.blocks > 5);
        assert_true(t.stats.pairs > 5);
    }
}

/* One seed is one run: the hash over all that happens is the same again, and another for another seed. */
static void sim_same_seed_gives_same_trace(void **state)
{
    (void)state;
    struct sim_totals t = {0};
    struct sim_options o = {.seed = 7, .minutes = 10, .faults = UINT32_MAX}, other = o;
    other.seed = 8;
    uint64_t first = sim_seed(&o, &t);
    assert_true(first == sim_seed(&o, &t));
    assert_true(first != sim_seed(&other, &t));
}

/* What is shared between nodes is no part of what happens: without it the run is the same to the last bit. */
static void sim_run_is_the_same_when_nothing_is_shared(void **state)
{
    (void)state;
    struct sim_totals t = {0};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct sim_options o = {.seed = seed, .minutes = 10, .faults = UINT32_MAX};
        uint64_t shared = sim_seed(&o, &t);
        sim_share_documents(false);
        uint64_t alone = sim_seed(&o, &t);
        sim_share_documents(true);
        assert_true(shared == alone);
    }
    assert_int_equal(t.violations, 0);
}

/* With SHA-256 in the place of the simulator's hash every promise holds as well. */
static void sim_seeds_with_sha256_keep_every_promise(void **state)
{
    (void)state;
    struct sim_totals t = {0};
    sim_share_fast_hash(false);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct sim_options o = {.seed = seed, .minutes = 10, .faults = UINT32_MAX};
        (void)sim_seed(&o, &t);
    }
    sim_share_fast_hash(true);
    assert_int_equal(t.violations, 0);
}

/* Whatever links of four nodes are cut, one way or both, after the healing there is one branch and nothing is lost: a sample of the
 * 4,095 sets of links (make sim-links tries all). */
static void sim_cut_links_heal(void **state)
{
    (void)state;
    struct sim_totals t = {0};
    for (uint32_t cut = 1; cut < SIM_CUTS; cut += 97) {
        struct sim_options o = {.seed = cut, .minutes = 8, .nodes = 4, .cut = cut};
        (void)sim_seed(&o, &t);
    }
    assert_int_equal(t.violations, 0);
    assert_true(t.stats.reorgs > 20); /* the cuts were felt */
}

/* Sixteen nodes in two halves become one network again. */
static void sim_halves_of_sixteen_heal(void **state)
{
    (void)state;
    struct sim_totals t = {0};
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct sim_options o = {.seed = seed, .minutes = 8, .nodes = SIM_MAX_NODES, .halves = true};
        (void)sim_seed(&o, &t);
    }
    assert_int_equal(t.violations, 0);
    assert_true(t.stats.reorgs > 8);
}

static void find(enum sim_bug bug, uint32_t faults)
{
    struct sim_totals t = {0};
    for (uint64_t seed = 1; seed <= 200 && t.violations == 0; seed++) {
        struct sim_options o = {.seed = seed, .faults = faults, .bug = bug};
        (void)sim_seed(&o, &t);
    }
    if (t.violations == 0)
        fail_msg("%s is not found", sim_bug_names[bug]);
}

/* Each seeded fault breaks a promise within 200 seeds: the promises can be broken. */
static void sim_seeded_faults_are_found(void **state)
{
    (void)state;
    for (unsigned bug = SIM_BUG_NONE + 1; bug < SIM_BUGS; bug++)
        find((enum sim_bug)bug, UINT32_MAX);
}

/* So do some of them when nothing else goes wrong than one class of faults: that class bites. */
static void sim_single_classes_find_their_seeded_fault(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SIM_ALONE; i++)
        find(sim_alone[i].bug, UINT32_C(1) << sim_alone[i].fault);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sim_first_seeds_keep_every_promise),
        cmocka_unit_test(sim_same_seed_gives_same_trace),
        cmocka_unit_test(sim_run_is_the_same_when_nothing_is_shared),
        cmocka_unit_test(sim_seeds_with_sha256_keep_every_promise),
        cmocka_unit_test(sim_cut_links_heal),
        cmocka_unit_test(sim_halves_of_sixteen_heal),
        cmocka_unit_test(sim_seeded_faults_are_found),
        cmocka_unit_test(sim_single_classes_find_their_seeded_fault),
    };
    return argc > 1 ? sim_command(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
