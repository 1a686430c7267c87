/* Which block is extended when there are several. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/mine_stage.h"

/* A heavier block on the genesis: weight 4 against the 3 of the tip before S0. */
struct two_parents {
    const struct lg_block *light; /* the tip before S0, of gateways 0..2 */
    const struct lg_block *heavy; /* all four, in another incarnation */
    struct lg_block_info heavy_info;
    const struct lg_statement *heavy_last[4];
};

static void two_parents_init(struct mine *x, struct two_parents *t)
{
    memset(x, 0, sizeof *x);
    chain_maker_init(&x->m, &(struct maker_config){0});
    for (unsigned i = 0; i < 4; i++) {
        x->last[i] = make_statement(&x->m, &(struct maker_say){.gw = i, .slot = S0 - 1});
        t->heavy_last[i] = make_statement(
            &x->m, &(struct maker_say){.gw = i, .slot = S0 - 2, .inc = MAKER_START - 1000 + i});
    }
    t->light =
        make_block(&x->m, &(struct maker_mine){.slot = S0 - 1, .statements = x->last, .nstatements = 3});
    t->heavy = make_block(
        &x->m, &(struct maker_mine){.slot = S0 - 2, .statements = t->heavy_last, .nstatements = 4});
    x->at = make_info(&x->m, t->light, NULL);
    t->heavy_info = make_info(&x->m, t->heavy, NULL);
    rank_order(x, &x->at.hash, S0);
    x->r = rig_new(&x->m, x->order[0]);
}

/* The statements of the tip before S0 come in time, then the heavy block, then the light one. */
static void two_parents_known(struct mine *x, const struct two_parents *t)
{
    for (unsigned i = 0; i < 3; i++)
        give(x, x->last[i], end_of(S0 - 1) + 100);
    take(x, t->heavy, end_of(S0 - 1) + 2000);
    take(x, t->light, end_of(S0 - 1) + 2100);
}

/* A better block of a smaller slot that comes late is what is then extended: the work on the other parent is given up, and begins
 * again at this node's turn on the new one. */
static void base_better_parent_that_comes_late_is_extended(void **state)
{
    (void)state;
    struct mine x;
    struct two_parents t;
    two_parents_init(&x, &t);
    take(&x, t.light, end_of(S0 - 1) + 2000);
    give(&x, say(&x, 0, S0), end_of(S0) + 200);
    sg_ms turn = end_of(S0) + COLLECT;
    assert_code(rig_tick(x.r, turn), 0);
    assert_true(x.r->working);
    assert_memory_equal(&x.r->job.header.prev, &x.at.hash, sizeof x.at.hash);
    take(&x, t.heavy, turn + 1);
    rank_order(&x, &t.heavy_info.hash, S0);
    unsigned p = 0;
    while (x.order[p] != x.r->gw)
        p++;
    sg_ms again = turn + (sg_ms)p * STAGGER;
    if (p > 0)
        assert_int_equal(rig_wake(x.r), again);
    assert_code(rig_tick(x.r, again + 1), 0);
    assert_true(x.r->working);
    assert_memory_equal(&x.r->job.header.prev, &t.heavy_info.hash, sizeof x.at.hash);
    assert_int_equal(x.r->job.header.leaves, 4); /* of the lost block three, and the new one */
    mine_fini(&x);
}

/* When a block of the newest slot makes a lighter parent's branch the best, the better parent is still the one to extend as long as the
 * votes of the slot count for both, and the candidate there carries what the best branch holds, though the pool does not. */
static void base_better_parent_is_extended_against_the_tip(void **state)
{
    (void)state;
    struct mine x;
    struct two_parents t;
    two_parents_init(&x, &t);
    take(&x, t.heavy, end_of(S0 - 1) + 2000);
    take(&x, t.light, end_of(S0 - 1) + 2100);
    assert_true(rig_tip_is(x.r, &t.heavy_info.hash));
    sg_ms now = end_of(S0) + 9000; /* after every turn */
    assert_code(rig_tick(x.r, now), 0);
    const struct lg_statement *s[3];
    for (unsigned i = 0; i < 3; i++)
        s[i] = make_statement(&x.m, &(struct maker_say){.gw = i, .slot = S0, .after = x.last[i]});
    take(&x, rival(&x, x.order[1], s, 3), now + 1);
    assert_int_equal(rig_state(x.r).tip.slot, S0);
    give(&x,
        make_statement(&x.m,
            &(struct maker_say){.gw = 3, .slot = S0, .after = t.heavy_last[3], .tip = &t.heavy_info.hash}),
        now + 2);
    assert_true(x.r->working);
    assert_memory_equal(&x.r->job.header.prev, &t.heavy_info.hash, sizeof x.at.hash);
    assert_int_equal(x.r->job.header.leaves, 7); /* two of each of the three, and the fourth's */
    assert_int_equal(x.r->job.header.weight, 4);
    assert_code(rig_solve(x.r, now + 3), 0);
    assert_int_equal(rig_state(x.r).tip.weight_sum, 8);
    assert_int_equal(rig_state(x.r).pool_statements, 0);
    mine_fini(&x);
}

/* Is this the base of S0, in the state and for the miner? */
static void assert_base(struct mine *x, const struct lg_hash *hash)
{
    struct lg_engine_state s = rig_state(x->r);
    assert_true(s.has_base);
    assert_int_equal(s.slot, S0);
    assert_memory_equal(&s.base.hash, hash, sizeof *hash);
}

/* A better block that is shown when the votes of the slot have been signed moves the tip, and not what is extended: the votes count on the other
 * parent only. */
static void base_block_shown_after_the_votes_is_not_extended(void **state)
{
    (void)state;
    struct mine x;
    struct two_parents t;
    two_parents_init(&x, &t);
    take(&x, t.light, end_of(S0 - 1) + 2000);
    give(&x, say(&x, 0, S0), end_of(S0) + 200);
    assert_base(&x, &x.at.hash);
    give(&x, say(&x, 1, S0), end_of(S0) + 210);
    take(&x, t.heavy, end_of(S0) + 300);
    assert_true(rig_tip_is(x.r, &t.heavy_info.hash));
    assert_base(&x, &x.at.hash);
    sg_ms turn = end_of(S0) + COLLECT;
    assert_int_equal(rig_wake(x.r), turn);
    assert_code(rig_tick(x.r, turn), 0);
    assert_true(x.r->working);
    assert_memory_equal(&x.r->job.header.prev, &x.at.hash, sizeof x.at.hash);
    assert_code(rig_solve(x.r, turn + 1), 0);
    assert_int_equal(rig_state(x.r).tip.weight_sum, 6); /* with what the heavy block holds of the fourth */
    mine_fini(&x);
}

/* One vote less, and the sums are equal: the order of branches decides, here for the branch of greater weight before the votes; votes that
 * come later turn it round. A second statement of a gateway for the slot is no second vote. */
static void base_votes_of_the_slot_choose_the_parent(void **state)
{
    (void)state;
    struct mine x;
    struct two_parents t;
    two_parents_init(&x, &t);
    two_parents_known(&x, &t);
    assert_code(rig_tick(x.r, end_of(S0)), 0);
    assert_base(&x, &t.heavy_info.hash);
    const struct lg_statement *first = say(&x, 0, S0);
    give(&x, first, end_of(S0) + 200);
    struct lg_hash first_base = rig_state(x.r).base.hash;
    give(&x,
        make_statement(&x.m,
            &(struct maker_say){
                .gw = 0, .slot = S0, .inc = end_of(S0), .tip = &t.heavy_info.hash, .ts = end_of(S0) + 1}),
        end_of(S0) + 201);
    assert_base(&x, &first_base);
    give(&x, say(&x, 1, S0), end_of(S0) + 202);
    assert_base(&x, &x.at.hash);
    mine_fini(&x);
}

/* A vote that lies ahead of the clock counts when its time has come. */
static void base_early_vote_counts_when_it_is_due(void **state)
{
    (void)state;
    struct mine x;
    struct two_parents t;
    two_parents_init(&x, &t);
    two_parents_known(&x, &t);
    for (unsigned gw = 0; gw < 2; gw++)
        give(&x,
            make_statement(&x.m,
                &(struct maker_say){
                    .gw = gw, .slot = S0, .after = x.last[gw], .tip = &x.at.hash, .ts = end_of(S0) + 2000}),
            end_of(S0) + 200);
    assert_base(&x, &t.heavy_info.hash);
    assert_code(rig_tick(x.r, end_of(S0) + 1999), 0);
    assert_base(&x, &t.heavy_info.hash);
    assert_code(rig_tick(x.r, end_of(S0) + 2000), 0);
    assert_base(&x, &x.at.hash);
    mine_fini(&x);
}

/* The votes of the slot count also when a block has carried them off the pool, and after a restart the other branches are known again. */
static void base_other_branches_are_known_after_a_restart(void **state)
{
    (void)state;
    struct mine x;
    struct two_parents t;
    two_parents_init(&x, &t);
    two_parents_known(&x, &t);
    give(&x, say(&x, 0, S0), end_of(S0) + 200);
    give(&x, say(&x, 1, S0), end_of(S0) + 201);
    assert_base(&x, &x.at.hash);
    rig_reopen(x.r);
    assert_code(rig_tick(x.r, end_of(S0) + 300), 0);
    assert_base(&x, &x.at.hash);
    const struct lg_statement *s[2] = {x.last[0], x.last[1]};
    take(&x, rival(&x, x.order[1], s, 2), end_of(S0) + 2000);
    assert_int_equal(rig_statement_state(x.r, s[1]), LG_DOC_MINED);
    assert_base(&x, &x.at.hash);
    mine_fini(&x);
}

/* A better branch that carries all statements as mere data empties the pool; their votes are mined on their own parent nonetheless, from what
 * the best branch holds. */
static void base_branch_that_carries_all_does_not_stop_the_mining(void **state)
{
    (void)state;
    struct mine x;
    struct two_parents t;
    two_parents_init(&x, &t);
    for (unsigned i = 0; i < 3; i++)
        give(&x, x.last[i], end_of(S0 - 1) + 100);
    take(&x, t.light, end_of(S0 - 1) + 2000);
    const struct lg_statement *carried[] = {x.last[0], x.last[1], x.last[2]};
    give(&x, say(&x, 0, S0), end_of(S0) + 200);
    give(&x, say(&x, 1, S0), end_of(S0) + 210);
    take(&x, t.heavy, end_of(S0) + 300);
    const struct lg_block *data =
        make_block(&x.m, &(struct maker_mine){.parent = &t.heavy_info,
                             .miner = x.order[1],
                             .slot = S0,
                             .time = end_of(S0) + 300,
                             .statements = (const struct lg_statement *[]){carried[0], x.last[0], carried[1],
                                 x.last[1], carried[2]},
                             .nstatements = 5});
    take(&x, data, end_of(S0) + 400);
    assert_int_equal(rig_state(x.r).tip.height, 2);
    assert_int_equal(rig_state(x.r).pool_statements, 0);
    assert_base(&x, &x.at.hash);
    assert_code(rig_tick(x.r, end_of(S0) + COLLECT), 0);
    assert_true(x.r->working);
    assert_memory_equal(&x.r->job.header.prev, &x.at.hash, sizeof x.at.hash);
    mine_fini(&x);
}

/* What a block has carried has been held since it was pooled: a reorganisation that brings it back does not make it young again, so a rival
 * that leaves it out is overruled. */
static void base_statement_that_comes_back_is_as_old_as_before(void **state)
{
    (void)state;
    struct mine x;
    mine_init_at(&x, 1, (struct maker_config){0}, S0 - 3);
    const struct lg_statement *first[] = {say(&x, 0, S0 - 2), say(&x, 1, S0 - 2)}, *old = say(&x, 3, S0 - 2);
    give(&x, first[0], end_of(S0 - 2) + 100);
    give(&x, first[1], end_of(S0 - 2) + 100);
    give(&x, old, end_of(S0 - 2) + 100);
    take(&x,
        make_block(&x.m,
            &(struct maker_mine){
                .parent = &x.at, .miner = x.order[2], .slot = S0 - 2, .statements = &old, .nstatements = 1}),
        end_of(S0 - 2) + 4000);
    assert_int_equal(rig_statement_state(x.r, old), LG_DOC_MINED);
    const struct lg_block *better = make_block(&x.m,
        &(struct maker_mine){
            .parent = &x.at, .miner = x.order[2], .slot = S0 - 1, .statements = first, .nstatements = 2});
    struct lg_block_info better_info = make_info(&x.m, better, &x.at);
    take(&x, better, end_of(S0) + 10);
    assert_int_equal(rig_statement_state(x.r, old), LG_DOC_POOLED);
    const struct lg_statement *votes[] = {say(&x, 0, S0), say(&x, 1, S0)};
    give(&x, votes[0], end_of(S0) + 200);
    give(&x, votes[1], end_of(S0) + 200);
    take(&x,
        make_block(&x.m, &(struct maker_mine){.parent = &better_info,
                             .miner = x.order[2],
                             .slot = S0,
                             .statements = votes,
                             .nstatements = 2}),
        end_of(S0) + 4000);
    assert_code(rig_tick(x.r, end_of(S0) + COLLECT + 4 * STAGGER), 0);
    assert_true(x.r->working);
    assert_memory_equal(&x.r->job.header.prev, &better_info.hash, sizeof better_info.hash);
    assert_int_equal(x.r->job.header.leaves, 3);
    mine_fini(&x);
}

/* It has no base, and looks for none: an operation costs nothing that grows with the chain. Once the clock is right the base is the tip, and side
 * branches are known. */
static void base_clock_behind_the_chain_walks_nothing(void **state)
{
    (void)state;
    struct mine x;
    struct two_parents t;
    two_parents_init(&x, &t);
    two_parents_known(&x, &t);
    struct lg_block_info at = t.heavy_info;
    for (unsigned i = 0; i < 40; i++) {
        const struct lg_statement *s = make_statement(
            &x.m, &(struct maker_say){.gw = 3, .slot = S0 + i, .after = t.heavy_last[3], .tip = &at.hash});
        const struct lg_block *b = make_block(&x.m,
            &(struct maker_mine){
                .parent = &at, .miner = x.order[1], .slot = S0 + i, .statements = &s, .nstatements = 1});
        take(&x, b, end_of(S0 + i) + 3000);
        t.heavy_last[3] = s;
        at = make_info(&x.m, b, &at);
    }
    rig_reopen(x.r);
    assert_code(rig_tick(x.r, 1000), 0);
    uint64_t before = mem_store_calls(x.r->store);
    assert_code(rig_tick(x.r, 2000), 0);
    assert_code(rig_tick(x.r, end_of(S0 + 1)), 0);
    assert_int_equal(mem_store_calls(x.r->store) - before, 0);
    assert_false(rig_state(x.r).has_base);
    assert_code(rig_tick(x.r, end_of(S0 + 40) + 1), 0);
    assert_true(rig_state(x.r).has_base);
    assert_true(rig_tip_is(x.r, &at.hash));
    struct lg_hash base = rig_state(x.r).base.hash;
    assert_memory_equal(&base, &at.hash, sizeof at.hash);
    mine_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_better_parent_that_comes_late_is_extended),
        cmocka_unit_test(base_better_parent_is_extended_against_the_tip),
        cmocka_unit_test(base_block_shown_after_the_votes_is_not_extended),
        cmocka_unit_test(base_votes_of_the_slot_choose_the_parent),
        cmocka_unit_test(base_early_vote_counts_when_it_is_due),
        cmocka_unit_test(base_other_branches_are_known_after_a_restart),
        cmocka_unit_test(base_branch_that_carries_all_does_not_stop_the_mining),
        cmocka_unit_test(base_statement_that_comes_back_is_as_old_as_before),
        cmocka_unit_test(base_clock_behind_the_chain_walks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
