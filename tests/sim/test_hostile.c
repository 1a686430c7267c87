/* One hostile member with a valid key against three honest nodes, plan by plan, on real engines; and a partition 2:2.
 *
 * Every promise of the simulator is demanded all the time: one tip, no statement of an honest gateway off the chain for more than three slots,
 * no pair lost; and of depth what sim_script.h allows. Without arguments tests; with arguments
 *
 *   test_hostile SEEDS [FROM [VERBOSE]]
 *
 * so many seeds of each plan, with the worst that was seen. */
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/sim.h"
#include "tests/sim/sim_alloc.h"

static bool fast; /* no sanitizer */

struct worst {
    uint64_t shown, reorgs, depth, honest, slots, violations;
    unsigned evidence; /* the fewest pairs against the member that an honest node holds at the end */
    char what[440];
};

static void greater(uint64_t *a, uint64_t b)
{
    *a = b > *a ? b : *a;
}

static void count_evidence(struct worst *w, const struct sim *s)
{
    for (unsigned m = 0; m < s->nnodes && s->hostile < s->ngws; m++) {
        unsigned n = mem_store_evidence(s->machines[m].node.store, s->g->gateways[s->hostile].id);
        if (m != s->hostile && n < w->evidence)
            w->evidence = n;
    }
}

static void run_one(struct worst *w, enum sim_script script, uint64_t seed, bool verbose)
{
    struct sim_options o = {.seed = seed, .nodes = 4, .script = script, .verbose = verbose};
    struct sim *s = sim_new(&o);
    sim_run(s);
    w->shown += s->script.shown;
    w->reorgs += s->stats.reorgs;
    greater(&w->depth, s->stats.deepest_calm);
    greater(&w->honest, s->script.deepest_honest);
    greater(&w->slots, s->stats.slots_calm);
    count_evidence(w, s);
    if (s->broken && w->violations++ == 0)
        snprintf(w->what, sizeof w->what, "seed %" PRIu64 ": %s", seed, s->violation);
    sim_free(s);
}

static struct worst run_some(enum sim_script script, uint64_t from, uint64_t seeds, bool verbose)
{
    struct worst w = {.evidence = UINT_MAX};
    for (uint64_t i = 0; i < seeds; i++)
        run_one(&w, script, from + i, verbose);
    printf("%-34s %6" PRIu64 " blocks shown, %6" PRIu64 " reorganisations, deepest %" PRIu64 ", %" PRIu64
           " of honest miners; a statement waited %" PRIu64 " slots; %" PRIu64 " violations%s%s\n",
        sim_script_names[script], w.shown, w.reorgs, w.depth, w.honest, w.slots, w.violations,
        w.violations > 0 ? ": " : "", w.what);
    fflush(stdout);
    return w;
}

/* ---- tests ---- */

/* The plan acts, and every promise holds. */
static void keeps_every_promise(enum sim_script script)
{
    struct worst w = run_some(script, 1, fast ? 8 : 2, false);
    assert_int_equal(w.violations, 0);
    assert_true(script == SIM_TWO_AND_TWO || w.shown > 0);
    assert_in_range(w.honest, 0, SIM_HONEST_DEPTH); /* on these seeds by splits too */
    assert_in_range(w.slots, 0, 3);
    /* Of most slots, on every honest node. Of some a node sees both statements in blocks, whatever becomes of what is offered. */
    if (script == SIM_TWO_FACED || script == SIM_TWO_TONGUED)
        assert_true(w.evidence >= SIM_SCRIPT_SLOTS / 2);
}

#define PROMISES(name, script)                                                                               \
    static void name(void **state)                                                                           \
    {                                                                                                        \
        (void)state;                                                                                         \
        keeps_every_promise(script);                                                                         \
    }
PROMISES(hostile_leaving_all_out_keeps_none_off, SIM_LEAVES_ALL)
PROMISES(hostile_leaving_one_out_keeps_it_off_for_three_slots_at_most, SIM_LEAVES_ONE)
PROMISES(hostile_seesaw_moves_two_honest_blocks_at_most, SIM_SEESAW)
PROMISES(hostile_censor_keeps_none_off_for_long, SIM_CENSOR)
PROMISES(hostile_branch_shown_now_and_then_moves_two_honest_blocks_at_most, SIM_WITHHELD_ONCE)
PROMISES(hostile_branch_shown_in_every_slot_moves_two_honest_blocks_at_most, SIM_WITHHELD)
PROMISES(hostile_backdated_blocks_move_two_honest_blocks_at_most, SIM_BACKDATED)
PROMISES(hostile_split_of_the_votes_stays_shallow, SIM_SPLIT)
PROMISES(hostile_block_for_one_voter_stays_shallow, SIM_SPLIT_ALONE)
PROMISES(hostile_two_faced_member_is_evident_and_changes_nothing, SIM_TWO_FACED)
PROMISES(hostile_two_tongued_member_is_evident_and_changes_nothing, SIM_TWO_TONGUED)
PROMISES(hostile_at_every_moment_stays_shallow, SIM_EVERYTHING)
PROMISES(hostile_flood_of_siblings_moves_two_honest_blocks_at_most, SIM_FLOOD)
PROMISES(partition_of_two_and_two_heals_with_nothing_lost, SIM_TWO_AND_TWO)

static int command(int argc, char **argv)
{
    bool good = true;
    for (unsigned i = 1; i < SIM_SCRIPTS; i++) {
        struct worst w = run_some((enum sim_script)i, argc > 2 ? strtoull(argv[2], NULL, 10) : 1,
            strtoull(argv[1], NULL, 10), argc > 3);
        good = good && w.violations == 0;
    }
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_leaving_all_out_keeps_none_off),
        cmocka_unit_test(hostile_leaving_one_out_keeps_it_off_for_three_slots_at_most),
        cmocka_unit_test(hostile_seesaw_moves_two_honest_blocks_at_most),
        cmocka_unit_test(hostile_censor_keeps_none_off_for_long),
        cmocka_unit_test(hostile_branch_shown_now_and_then_moves_two_honest_blocks_at_most),
        cmocka_unit_test(hostile_branch_shown_in_every_slot_moves_two_honest_blocks_at_most),
        cmocka_unit_test(hostile_backdated_blocks_move_two_honest_blocks_at_most),
        cmocka_unit_test(hostile_split_of_the_votes_stays_shallow),
        cmocka_unit_test(hostile_block_for_one_voter_stays_shallow),
        cmocka_unit_test(hostile_two_faced_member_is_evident_and_changes_nothing),
        cmocka_unit_test(hostile_two_tongued_member_is_evident_and_changes_nothing),
        cmocka_unit_test(hostile_at_every_moment_stays_shallow),
        cmocka_unit_test(hostile_flood_of_siblings_moves_two_honest_blocks_at_most),
        cmocka_unit_test(partition_of_two_and_two_heals_with_nothing_lost),
    };
    fast = sim_alloc_start();
    return argc > 1 ? command(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
