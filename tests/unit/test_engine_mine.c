/* When a node mines, on which block, and when a rival's block makes that needless. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/mine_stage.h"

/* The first in the order has one statement of slot S0 to mine. */
static void mine_one(struct mine *x, unsigned bits)
{
    mine_init(x, 0, (struct maker_config){.bits = bits});
    give(x, say(x, 0, S0), end_of(S0) + 200);
}

/* Lets the work on slot S0 begin, at the turn that it returns. */
static sg_ms first_turn(struct mine *x)
{
    const sg_ms turn = end_of(S0) + COLLECT;
    assert_code(rig_tick(x->r, turn), 0);
    return turn;
}

/* Each position works at its own millisecond, collect_ms and its position times stagger_ms after the minute, and not before; the block
 * has the time of the start of the work, is judged, stored and told. */
static void mine_each_position_works_at_its_turn(void **state)
{
    (void)state;
    for (unsigned p = 0; p < 4; p++) {
        struct mine x;
        mine_init(&x, p, (struct maker_config){.bits = 4});
        assert_int_equal(rig_wake(x.r), INT64_MAX);
        const struct lg_statement *s = say(&x, 0, S0);
        give(&x, s, end_of(S0) + 200);
        sg_ms turn = end_of(S0) + COLLECT + (sg_ms)p * STAGGER;
        assert_int_equal(rig_wake(x.r), turn);
        assert_code(rig_tick(x.r, turn - 1), 0);
        assert_false(x.r->working);
        assert_int_equal(rig_wake(x.r), turn);
        assert_code(rig_tick(x.r, turn), 0);
        assert_true(x.r->working);
        assert_int_equal(x.r->job.header.time, turn);
        assert_int_equal(rig_wake(x.r), end_of(S0 + 1));
        rig_forget(x.r);
        assert_code(rig_solve(x.r, turn + 300), 0);
        assert_int_equal(rig_state(x.r).tip.height, 2);
        assert_int_equal(rig_state(x.r).tip.weight, 1);
        assert_int_equal(rig_state(x.r).pool_statements, 0);
        assert_int_equal(rig_count(x.r, RIG_BLOCK), 1);
        assert_int_equal(rig_wake(x.r), INT64_MAX);
        mine_fini(&x);
    }
}

/* With an empty pool nothing is worked on and nothing is waited for; a statement that comes after the turn starts the work at once. */
static void mine_late_statement_starts_the_work_at_once(void **state)
{
    (void)state;
    struct mine x;
    mine_init(&x, 1, (struct maker_config){0});
    assert_code(rig_tick(x.r, end_of(S0) + 20000), 0);
    assert_int_equal(rig_wake(x.r), INT64_MAX);
    give(&x, say(&x, 0, S0), end_of(S0) + 30000);
    assert_true(x.r->working);
    mine_fini(&x);
}

/* Only the newest closed minute is mined: when the next one is over the job of the old one stops, and what was left goes into the new slot
 * at this node's turn there. */
static void mine_old_minute_is_given_up(void **state)
{
    (void)state;
    struct mine x;
    mine_one(&x, 0);
    assert_code(rig_tick(x.r, end_of(S0) + COLLECT), 0);
    assert_true(x.r->working);
    uint64_t old = x.r->job.id;
    sg_ms next = end_of(S0 + 1);
    assert_int_equal(rig_wake(x.r), next);
    assert_code(rig_tick(x.r, next), 0);
    assert_false(x.r->working);
    int p = lg_rank_position(x.m.g, &x.at.hash, S0 + 1, chain_maker_kid(&x.m, x.order[0]));
    assert_int_equal(rig_wake(x.r), next + COLLECT + p * STAGGER);
    assert_code(lg_engine_pow.solved(x.r->engine, old, 0, next + 1), 0); /* comes too late */
    assert_int_equal(rig_state(x.r).tip.height, 1);
    assert_code(rig_tick(x.r, rig_wake(x.r)), 0);
    assert_true(x.r->working);
    assert_int_equal(x.r->job.header.slot, S0 + 1);
    assert_code(rig_solve(x.r, rig_wake(x.r) - 1000), 0);
    assert_int_equal(rig_state(x.r).tip.slot, S0 + 1);
    mine_fini(&x);
}

/* A leader that is dead costs one stagger: the second works when its turn has come and no block has. */
static void mine_dead_leader_costs_one_stagger(void **state)
{
    (void)state;
    struct mine x;
    mine_init(&x, 1, (struct maker_config){0});
    for (unsigned i = 0; i < 4; i++)
        give(&x, say(&x, i, S0), end_of(S0) + 200);
    assert_code(rig_tick(x.r, end_of(S0) + COLLECT + STAGGER), 0);
    assert_true(x.r->working);
    assert_code(rig_solve(x.r, end_of(S0) + COLLECT + STAGGER), 0);
    assert_int_equal(rig_state(x.r).tip.weight, 4);
    mine_fini(&x);
}

/* A leader that works leaves nothing to do; its block also stops work that has begun. */
static void mine_good_rival_stops_the_work(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct mine x;
        mine_init(&x, 1, (struct maker_config){0});
        const struct lg_statement *s[4];
        for (unsigned i = 0; i < 4; i++) {
            s[i] = say(&x, i, S0);
            give(&x, s[i], end_of(S0) + 200);
        }
        sg_ms turn = end_of(S0) + COLLECT + STAGGER;
        if (late) {
            assert_code(rig_tick(x.r, turn), 0);
            assert_true(x.r->working);
        }
        take(&x, rival(&x, x.order[0], s, 4), turn + 100);
        assert_false(x.r->working);
        assert_int_equal(rig_count(x.r, RIG_STOP), late);
        assert_code(rig_tick(x.r, turn + 200), 0);
        assert_false(x.r->working);
        assert_int_equal(rig_wake(x.r), INT64_MAX);
        mine_fini(&x);
    }
}

/* Condition (a): a rival that weighs one less than the own candidate is left alone, one that weighs two less is overruled, and the candidate
 * then carries the rival's statements too. P26b: so a member that mines first and leaves all others out wins nothing. */
static void mine_lighter_rival_is_overruled_by_two(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 4; n++) { /* statements in the rival's block */
        struct mine x;
        mine_init(&x, 1, (struct maker_config){0});
        const struct lg_statement *s[4];
        for (unsigned i = 0; i < 4; i++) {
            s[i] = say(&x, i, S0);
            give(&x, s[i], end_of(S0) + 200);
        }
        take(&x, rival(&x, x.order[0], s, n), end_of(S0) + COLLECT + 100);
        assert_code(rig_tick(x.r, end_of(S0) + COLLECT + STAGGER), 0);
        assert_int_equal(x.r->working, n < 3);
        if (n < 3) {
            assert_int_equal(x.r->job.header.weight, 4);
            assert_int_equal(x.r->job.header.height, 2);
            assert_code(rig_solve(x.r, end_of(S0) + COLLECT + STAGGER + 10), 0);
            assert_int_equal(rig_state(x.r).tip.weight, 4);
            assert_int_equal(rig_state(x.r).reorgs, 1);
            assert_int_equal(rig_state(x.r).pool_statements, 0);
        }
        mine_fini(&x);
    }
}

/* Condition (b): a statement that was held for the whole slot and is left out overrules a rival that weighs enough; one that came during the
 * slot does not. */
static void mine_rival_that_leaves_out_a_held_statement_is_overruled(void **state)
{
    (void)state;
    for (unsigned held = 0; held < 2; held++) {
        struct mine x;
        const struct lg_statement *s[4];
        sg_ms came = S0 * SG_MINUTE_MS + (held ? 0 : 1);
        mine_init_at(&x, 1, (struct maker_config){0}, S0 - 2); /* slot S0 - 1 went by without a block */
        s[2] = make_statement(
            &x.m, &(struct maker_say){
                      .gw = 2, .slot = S0 - 1, .after = x.last[2], .tip = &x.at.hash, .ts = end_of(S0 - 1)});
        give(&x, s[2], came);
        for (unsigned i = 0; i < 4; i++) {
            if (i != 2) {
                s[i] = say(&x, i, S0);
                give(&x, s[i], end_of(S0) + 200);
            }
        }
        const struct lg_statement *others[3] = {s[0], s[1], s[3]};
        take(&x, rival(&x, x.order[0], others, 3), end_of(S0) + COLLECT + 100);
        assert_code(rig_tick(x.r, end_of(S0) + COLLECT + STAGGER), 0);
        assert_int_equal(x.r->working, held);
        if (held) {
            assert_code(rig_solve(x.r, end_of(S0) + COLLECT + STAGGER + 1), 0);
            struct lg_block *mine = rig_block_at(x.r, 2);
            assert_int_equal(mine->nstatements, 4);
            assert_true(block_has(mine, s[2]));
            lg_block_free(mine);
        }
        mine_fini(&x);
    }
}

/* A node makes at most one block of its own per (parent, slot), over a restart too. */
static void mine_one_block_per_parent_and_slot(void **state)
{
    (void)state;
    for (unsigned restart = 0; restart < 2; restart++) {
        struct mine x;
        mine_one(&x, 0);
        sg_ms turn = first_turn(&x);
        assert_code(rig_solve(x.r, turn), 0);
        if (restart)
            rig_reopen(x.r);
        for (unsigned i = 1; i < 4; i++) /* much heavier than its own block now */
            give(&x, say(&x, i, S0), turn + 100);
        assert_code(rig_tick(x.r, turn + 200), 0);
        assert_false(x.r->working);
        assert_int_equal(rig_count(x.r, RIG_WORK), 1);
        assert_true(rig_wake(x.r) >= end_of(S0 + 1) + COLLECT);
        mine_fini(&x);
    }
}

/* A statement that comes while work is going on replaces the job; one that changes nothing leaves it. */
static void mine_new_statement_replaces_the_job(void **state)
{
    (void)state;
    struct mine x;
    mine_one(&x, 0);
    sg_ms turn = first_turn(&x);
    struct lg_job first = x.r->job;
    assert_code(rig_tick(x.r, turn + 50), 0);
    assert_int_equal(x.r->job.id, first.id);
    give(&x, say(&x, 1, S0), turn + 100);
    assert_true(x.r->job.id > first.id);
    assert_int_equal(x.r->job.header.weight, 2);
    assert_code(lg_engine_pow.solved(x.r->engine, first.id, 0, turn + 150), 0);
    assert_int_equal(rig_state(x.r).tip.height, 1);
    give(&x,
        make_statement(
            &x.m, &(struct maker_say){.gw = 2, .slot = S0 + 1, .after = x.last[2], .ts = turn + 60000}),
        turn + 56000); /* early: not for this slot */
    assert_int_equal(x.r->job.header.weight, 2);
    assert_code(rig_solve(x.r, turn + 57000), 0);
    assert_int_equal(rig_state(x.r).tip.height, 2);
    mine_fini(&x);
}

/* A nonce that does not meet the target is no block; the search is asked for again. */
static void mine_wrong_nonce_is_asked_for_again(void **state)
{
    (void)state;
    struct mine x;
    mine_one(&x, 12);
    sg_ms turn = first_turn(&x);
    int64_t good;
    assert_int_equal(lg_work_search(&good, &x.r->job.header, 0, UINT64_C(1) << 24), 0);
    uint64_t id = x.r->job.id;
    assert_code(lg_engine_pow.solved(x.r->engine, id, good + 1, turn), 0);
    assert_int_equal(rig_state(x.r).tip.height, 1);
    assert_true(x.r->working && x.r->job.id > id);
    assert_code(rig_solve(x.r, turn + 1), 0);
    assert_int_equal(rig_state(x.r).tip.height, 2);
    mine_fini(&x);
}

/* While the node forbids it nothing is mined; work that runs is stopped with the next operation, and begins again when it is allowed. */
static void mine_forbidden_stops_the_work(void **state)
{
    (void)state;
    struct mine x;
    mine_one(&x, 0);
    sg_ms turn = first_turn(&x);
    assert_true(x.r->working);
    lg_engine_pow.allow_mining(x.r->engine, false);
    assert_code(rig_tick(x.r, turn + 1), 0);
    assert_false(x.r->working);
    assert_int_equal(rig_wake(x.r), INT64_MAX);
    lg_engine_pow.allow_mining(x.r->engine, true);
    assert_code(rig_tick(x.r, turn + 2), 0);
    assert_true(x.r->working);
    mine_fini(&x);
}

/* An observer, and a clock that is behind the chain, mine nothing. */
static void mine_clock_behind_the_tip_does_not_work(void **state)
{
    (void)state;
    struct mine x;
    mine_one(&x, 0);
    assert_code(rig_tick(x.r, end_of(S0 - 3) + 30000), 0);
    assert_false(x.r->working);
    int p = lg_rank_position(x.m.g, &x.at.hash, S0, chain_maker_kid(&x.m, x.order[0]));
    assert_int_equal(rig_wake(x.r), end_of(S0) + COLLECT + p * STAGGER);
    assert_code(rig_tick(x.r, end_of(S0) + COLLECT), 0);
    assert_true(x.r->working);
    mine_fini(&x);
}

/* A block of its own that waits for its time (the clock stepped back while it was searched) is the one block of its slot too. */
static void mine_own_early_block_is_held_and_not_made_twice(void **state)
{
    (void)state;
    struct mine x;
    mine_one(&x, 0);
    sg_ms turn = end_of(S0) + COLLECT;
    assert_code(rig_tick(x.r, turn + 500), 0);
    assert_code(rig_solve(x.r, turn), 0);
    assert_int_equal(rig_state(x.r).held, 1);
    assert_int_equal(rig_state(x.r).tip.height, 1);
    give(&x, say(&x, 1, S0), turn + 10);
    assert_false(x.r->working);
    assert_int_equal(rig_wake(x.r), turn + 500);
    assert_code(rig_tick(x.r, turn + 500), 0);
    assert_int_equal(rig_state(x.r).tip.height, 2);
    mine_fini(&x);
}

/* A nonce that comes when the clock has left the minute of its job, forwards or backwards, is not used and raises no alarm: only the newest
 * closed minute is mined. */
static void mine_nonce_of_another_minute_is_not_used(void **state)
{
    (void)state;
    const sg_ms jumps[] = {60000, -60000, -70405959};
    for (unsigned i = 0; i < SG_ARRAY_LEN(jumps); i++) {
        struct mine x;
        mine_one(&x, 0);
        assert_code(rig_tick(x.r, end_of(S0) + COLLECT), 0);
        assert_true(x.r->working);
        rig_forget(x.r);
        assert_code(rig_solve(x.r, end_of(S0) + COLLECT + jumps[i]), 0);
        assert_int_equal(rig_state(x.r).tip.height, 1);
        assert_int_equal(rig_state(x.r).held, 0);
        assert_int_equal(rig_state(x.r).pool_statements, 1);
        assert_int_equal(rig_count(x.r, RIG_EVENT), 0);
        mine_fini(&x);
    }
}

/* Set back inside of the minute by more than a block may be early: the block is not kept, there is no alarm, and it is made again with the
 * time as it is now. */
static void mine_clock_set_back_inside_the_minute_mines_again(void **state)
{
    (void)state;
    struct mine x;
    mine_one(&x, 0);
    assert_code(rig_tick(x.r, end_of(S0) + 40000), 0);
    assert_true(x.r->working);
    rig_forget(x.r);
    assert_code(rig_solve(x.r, end_of(S0) + 20000), 0);
    assert_int_equal(rig_state(x.r).tip.height, 1);
    assert_int_equal(rig_count(x.r, RIG_EVENT), 0);
    assert_true(x.r->working);
    assert_int_equal(x.r->job.header.time, end_of(S0) + 20000);
    assert_code(rig_solve(x.r, end_of(S0) + 20300), 0);
    assert_int_equal(rig_state(x.r).tip.height, 2);
    mine_fini(&x);
}

/* A store that fails during the decision or the making of a block, at any call: the engine goes on afterwards and the block is made once. */
static void mine_with_a_store_that_fails_goes_on(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (bool failed = true; failed; n++) {
        struct mine x;
        mine_one(&x, 0);
        sg_ms turn = end_of(S0) + COLLECT;
        mem_store_fail(x.r->store, n, SG_EIO, false);
        int err = rig_tick(x.r, turn);
        if (err == 0)
            err = rig_solve(x.r, turn + 1);
        failed = mem_store_failures(x.r->store) > 0;
        mem_store_fail(x.r->store, 0, 0, false);
        assert_code(err, failed ? SG_EIO : 0);
        struct lg_engine_state left = rig_state(x.r);
        rig_reopen(x.r);
        assert_true(rig_tip_is(x.r, &left.tip.hash));
        assert_code(rig_tick(x.r, turn + 2), 0);
        if (x.r->working)
            assert_code(rig_solve(x.r, turn + 3), 0);
        assert_int_equal(rig_state(x.r).tip.height, 2);
        assert_int_equal(rig_state(x.r).pool_statements, 0);
        mine_fini(&x);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mine_each_position_works_at_its_turn),
        cmocka_unit_test(mine_late_statement_starts_the_work_at_once),
        cmocka_unit_test(mine_old_minute_is_given_up),
        cmocka_unit_test(mine_dead_leader_costs_one_stagger),
        cmocka_unit_test(mine_good_rival_stops_the_work),
        cmocka_unit_test(mine_lighter_rival_is_overruled_by_two),
        cmocka_unit_test(mine_rival_that_leaves_out_a_held_statement_is_overruled),
        cmocka_unit_test(mine_one_block_per_parent_and_slot),
        cmocka_unit_test(mine_new_statement_replaces_the_job),
        cmocka_unit_test(mine_wrong_nonce_is_asked_for_again),
        cmocka_unit_test(mine_forbidden_stops_the_work),
        cmocka_unit_test(mine_clock_behind_the_tip_does_not_work),
        cmocka_unit_test(mine_own_early_block_is_held_and_not_made_twice),
        cmocka_unit_test(mine_nonce_of_another_minute_is_not_used),
        cmocka_unit_test(mine_clock_set_back_inside_the_minute_mines_again),
        cmocka_unit_test(mine_with_a_store_that_fails_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
