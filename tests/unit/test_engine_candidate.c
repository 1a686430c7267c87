/* What a miner puts into its block, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/mine_stage.h"

/* A body that stands on the branch already is not carried again; one that two statements read is carried once. */
static void candidate_bodies_are_carried_once(void **state)
{
    (void)state;
    struct mine x;
    mine_init(&x, 0, (struct maker_config){0});
    const struct lg_body *b[2] = {make_body(&x.m, 0, S0 - 1, 1), make_body(&x.m, 0, S0, 1)};
    for (unsigned i = 0; i < 2; i++) {
        x.last[i] = make_statement(
            &x.m, &(struct maker_say){
                      .gw = i, .slot = S0, .after = x.last[i], .tip = &x.at.hash, .bodies = b, .nbodies = 2});
        assert_code(rig_say(x.r, x.last[i], b, 2, end_of(S0) + 200), 0);
    }
    assert_code(rig_tick(x.r, end_of(S0) + COLLECT), 0);
    assert_code(rig_solve(x.r, end_of(S0) + COLLECT), 0);
    struct lg_block *mined = rig_block_at(x.r, 2);
    assert_int_equal(mined->nbodies, 2);
    lg_block_free(mined);
    x.last[2] = make_statement(
        &x.m, &(struct maker_say){
                  .gw = 2, .slot = S0 + 1, .after = x.last[2], .tip = &x.at.hash, .bodies = b, .nbodies = 2});
    assert_code(rig_say(x.r, x.last[2], b, 2, end_of(S0 + 1) + 200), 0);
    assert_int_equal(rig_state(x.r).pool_bodies, 0);
    assert_code(rig_tick(x.r, rig_wake(x.r)), 0);
    assert_code(rig_solve(x.r, end_of(S0 + 1) + 20000), 0);
    mined = rig_block_at(x.r, 3);
    assert_int_equal(mined->nstatements, 1);
    assert_int_equal(mined->nbodies, 0);
    lg_block_free(mined);
    mine_fini(&x);
}

/* Statements of a gateway go in the order (inc, seq); a later incarnation only when the earlier one has nothing mineable left; and what is
 * newer than the slot closes the lane. */
static void candidate_incarnations_in_their_order(void **state)
{
    (void)state;
    struct mine x;
    mine_init(&x, 0, (struct maker_config){0});
    const struct lg_statement *next = make_statement(&x.m,
        &(struct maker_say){
            .gw = 1, .slot = S0 + 2, .inc = MAKER_START + 500, .tip = &x.at.hash, .ts = end_of(S0 + 2)});
    give(&x, say(&x, 1, S0), end_of(S0 + 2));
    give(&x, say(&x, 1, S0 + 1), end_of(S0 + 2));
    give(&x, next, end_of(S0 + 2));
    assert_code(rig_tick(x.r, rig_wake(x.r)), 0);
    assert_code(rig_solve(x.r, end_of(S0 + 2) + 20000), 0);
    struct lg_block *b = rig_block_at(x.r, 2);
    assert_int_equal(b->nstatements, 3); /* all are valid one after the other */
    assert_int_equal(b->statements[0]->slot, S0);
    assert_int_equal(b->statements[2]->slot, S0 + 2);
    lg_block_free(b);
    mine_fini(&x);
}

/* An earlier incarnation's statement whose time has not come closes the lane: taking the later incarnation's would lose it. */
static void candidate_early_statement_keeps_its_place(void **state)
{
    (void)state;
    struct mine x;
    mine_init(&x, 0, (struct maker_config){0});
    sg_ms turn = end_of(S0) + COLLECT;
    struct maker_say say_first = {
        .gw = 1, .slot = S0, .inc = MAKER_START + 300, .tip = &x.at.hash, .ts = turn + 3000};
    struct maker_say say_second = say_first;
    say_second.inc = MAKER_START + 400;
    say_second.ts = turn - 100;
    give(&x, make_statement(&x.m, &say_first), turn - 50);
    give(&x, make_statement(&x.m, &say_second), turn - 50);
    assert_code(rig_tick(x.r, turn), 0);
    assert_false(x.r->working);
    assert_int_equal(rig_wake(x.r), turn + 3000);
    assert_code(rig_tick(x.r, turn + 3000), 0);
    assert_true(x.r->working);
    assert_int_equal(x.r->job.header.leaves, 1);
    mine_fini(&x);
}

/* A full block: one statement a gateway in turn, the gateway first that was served longest ago; what does not fit closes its gateway's
 * lane, so that the order (inc, seq) holds; and the block never exceeds max_block_bytes. */
static void candidate_full_block_takes_turns(void **state)
{
    (void)state;
    struct mine x;
    mine_init(&x, 0, (struct maker_config){0});
    /* Gateway 0 was served in a later block than the others. */
    const struct lg_statement *s = say(&x, 0, S0);
    const struct lg_block *b1 = rival(&x, x.order[0], &s, 1);
    take(&x, b1, end_of(S0) + 3000);
    x.at = make_info(&x.m, b1, &x.at);
    sg_ms now = end_of(S0 + 20);
    for (unsigned k = 1; k <= 4; k++) { /* each of ~20 KB: six fit */
        for (unsigned i = 0; i < 4; i++) {
            x.last[i] = make_statement(
                &x.m, &(struct maker_say){
                          .gw = i, .slot = S0 + k, .after = x.last[i], .tip = &x.at.hash, .ngaps = 499});
            give(&x, x.last[i], now);
        }
    }
    size_t one = x.last[0]->doc_len;
    unsigned fit = (unsigned)((131072 - 700) / one);
    assert_in_range(fit, 5, 11);
    assert_code(rig_tick(x.r, rig_wake(x.r)), 0);
    assert_true(x.r->working);
    assert_code(rig_solve(x.r, now + 30000), 0);
    struct lg_block *b = rig_block_at(x.r, 3);
    assert_true(b->doc_len <= 131072);
    assert_true(b->doc_len + one > 131072 - 700);
    unsigned count[4] = {0};
    for (unsigned i = 0; i < b->nstatements; i++)
        for (unsigned g = 0; g < 4; g++)
            count[g] += b->statements[i]->gw == chain_maker_kid(&x.m, g);
    assert_int_equal(b->nstatements, fit);
    assert_in_range(fit % 4, 1, 3);
    for (unsigned g = 1; g < 4; g++) /* turns of 1, 2, 3 come before those of 0 */
        assert_int_equal(count[g], fit / 4 + (g - 1 < fit % 4));
    assert_int_equal(count[0], fit / 4);
    lg_block_free(b);
    mine_fini(&x);
}

/* A rival whose block is full of statements of gateways that were as long unserved is not overruled for leaving one out; a rival that
 * filled it with several statements of one gateway is, and the candidate begins with whom it left out. */
static void candidate_full_rival_is_excused_only_when_fair(void **state)
{
    (void)state;
    for (unsigned fair = 0; fair < 2; fair++) {
        struct mine x;
        mine_init_at(&x, 1, (struct maker_config){0}, S0 - 20);
        const struct lg_statement *in[3], *out = NULL;
        sg_ms came = end_of(S0 - 8);
        for (unsigned k = 0; k < 4; k++) { /* 35 KB each: three fill a block */
            unsigned gw = fair ? k : (k < 3 ? 0 : 1);
            x.last[gw] = make_statement(&x.m,
                &(struct maker_say){
                    .gw = gw, .slot = S0 - 12 + k, .after = x.last[gw], .tip = &x.at.hash, .ngaps = 880});
            give(&x, x.last[gw], came);
            if (k < 3)
                in[k] = x.last[gw];
            else
                out = x.last[gw];
        }
        assert_true(out->doc_len * 4 > 131072);
        take(&x, rival(&x, x.order[0], in, 3), end_of(S0) + COLLECT + 100);
        assert_code(rig_tick(x.r, end_of(S0) + COLLECT + STAGGER), 0);
        assert_int_equal(x.r->working, !fair);
        if (!fair) {
            assert_code(rig_solve(x.r, end_of(S0) + COLLECT + STAGGER + 1), 0);
            struct lg_block *mined = rig_block_at(x.r, 2);
            assert_true(block_has(mined, out));
            assert_true(block_has(mined, in[0]));
            assert_true(block_has(mined, in[1]));
            assert_false(block_has(mined, in[2]));
            lg_block_free(mined);
        }
        mine_fini(&x);
    }
}

/* A rival that carries every third of one gateway's incarnations is overruled for those before, between and behind: the candidate has all. */
static void candidate_takes_what_a_rival_left_out_between_its_own(void **state)
{
    (void)state;
    struct mine x;
    mine_init_at(&x, 1, (struct maker_config){0}, S0 - 20);
    const struct lg_statement *s[11], *in[3];
    for (unsigned i = 0; i < SG_ARRAY_LEN(s); i++) {
        s[i] = make_statement(
            &x.m, &(struct maker_say){
                      .gw = 2, .slot = S0 - 14 + i, .inc = MAKER_START + 500 + i, .tip = &x.at.hash});
        give(&x, s[i], end_of(S0 - 2));
        if (i % 3 == 2)
            in[i / 3] = s[i];
    }
    give(&x, say(&x, 1, S0 - 3), end_of(S0 - 2)); /* so that the candidate weighs more */
    take(&x, rival(&x, x.order[0], in, 3), end_of(S0) + COLLECT + 100);
    assert_code(rig_tick(x.r, end_of(S0) + COLLECT + STAGGER), 0);
    assert_true(x.r->working);
    assert_code(rig_solve(x.r, end_of(S0) + COLLECT + STAGGER + 1), 0);
    struct lg_block *mined = rig_block_at(x.r, 2);
    assert_int_equal(mined->nstatements, 1 + SG_ARRAY_LEN(s));
    for (unsigned i = 0; i < SG_ARRAY_LEN(s); i++)
        assert_true(lg_hash_eq(&mined->statements[1 + i]->leaf, &s[i]->leaf));
    lg_block_free(mined);
    mine_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidate_bodies_are_carried_once),
        cmocka_unit_test(candidate_incarnations_in_their_order),
        cmocka_unit_test(candidate_early_statement_keeps_its_place),
        cmocka_unit_test(candidate_full_block_takes_turns),
        cmocka_unit_test(candidate_full_rival_is_excused_only_when_fair),
        cmocka_unit_test(candidate_takes_what_a_rival_left_out_between_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
