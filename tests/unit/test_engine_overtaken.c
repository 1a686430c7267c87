/* A body that one statement took with it when it was overtaken, and that another one still reads. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/pool.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define S0   (MAKER_MINUTE + 1500) /* far enough from the genesis for old minutes */
#define LATE end_of(S0 + 20)

/* Gateways 1 and 2 read one body; this node is gateway 0's, and gateway 3 mines. */
struct world {
    struct maker m;
    struct rig *r;
    const struct lg_body *d;
    const struct lg_statement *s1, *s2;
    const struct lg_statement *last; /* of gateway 1's second incarnation */
    struct lg_block_info at;
};

static void world_init(struct world *w)
{
    chain_maker_init(&w->m, &(struct maker_config){0});
    w->r = rig_new(&w->m, 0);
    w->d = make_body(&w->m, 0, S0 - 3, 1);
    w->s1 = make_statement(&w->m, &(struct maker_say){.gw = 1, .slot = S0, .bodies = &w->d, .nbodies = 1});
    w->last = NULL;
    lg_block_info_genesis(&w->at, w->m.g);
}

static void take(struct world *w, const struct lg_block *b)
{
    enum lg_block_verdict v;
    assert_code(rig_offer_block(w->r, &v, b, LATE), 0);
    assert_int_equal(v, LG_BLOCK_ACCEPTED);
    rig_forget(w->r);
}

/* A new incarnation of gateway 1, four blocks deep, overtakes its statement S1. */
static void overtake_s1(struct world *w)
{
    for (int i = 0; i < 4; i++) {
        w->last = make_statement(&w->m,
            &(struct maker_say){
                .gw = 1, .slot = S0 + 2 + i, .inc = MAKER_START + 77, .after = w->last, .tip = &w->at.hash});
        const struct lg_block *b = make_block(&w->m, &(struct maker_mine){.parent = i == 0 ? NULL : &w->at,
                                                         .miner = 3,
                                                         .slot = S0 + 2 + i,
                                                         .statements = &w->last,
                                                         .nstatements = 1});
        w->at = make_info(&w->m, b, i == 0 ? NULL : &w->at);
        take(w, b);
    }
    assert_int_equal(rig_statement_state(w->r, w->s1), LG_DOC_OVERTAKEN);
}

/* In the node's own turn S2 and its body are mined. */
static void assert_mined(struct world *w)
{
    for (sg_ms turn = LATE + 30000; turn < LATE + 200000; turn += 60000) {
        assert_code(rig_tick(w->r, turn), 0);
        if (w->r->working) {
            assert_code(rig_solve(w->r, turn + 1), 0);
        }
        rig_forget(w->r);
    }
    assert_int_equal(rig_statement_state(w->r, w->s2), LG_DOC_MINED);
    assert_int_equal(rig_body_state(w->r, w->d), LG_DOC_MINED);
}

/* A body that was overtaken with its reader comes in a block with another reader; a heavier block takes that off. Both are in the pool then, and
 * both are mined. */
static void overtaken_body_returns_with_another_reader(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    assert_code(rig_say(w.r, w.s1, &w.d, 1, end_of(S0 + 1)), 0);
    overtake_s1(&w);
    assert_int_equal(rig_body_state(w.r, w.d), LG_DOC_OVERTAKEN);
    w.s2 = make_statement(&w.m, &(struct maker_say){.gw = 2, .slot = S0 + 10, .bodies = &w.d, .nbodies = 1});
    struct maker_mine mine = {.parent = &w.at,
        .miner = 3,
        .slot = S0 + 10,
        .statements = &w.s2,
        .nstatements = 1,
        .bodies = &w.d,
        .nbodies = 1};
    take(&w, make_block(&w.m, &mine));
    assert_int_equal(rig_statement_state(w.r, w.s2), LG_DOC_MINED);
    const struct lg_statement *two[2] = {
        make_statement(&w.m, &(struct maker_say){.gw = 0, .slot = S0 + 11, .tip = &w.at.hash}),
        make_statement(
            &w.m, &(struct maker_say){.gw = 1, .slot = S0 + 11, .after = w.last, .tip = &w.at.hash})};
    mine = (struct maker_mine){
        .parent = &w.at, .miner = 3, .slot = S0 + 11, .statements = two, .nstatements = 2};
    take(&w, make_block(&w.m, &mine));
    assert_int_equal(rig_state(w.r).reorgs, 1);
    assert_int_equal(rig_statement_state(w.r, w.s2), LG_DOC_POOLED);
    assert_int_equal(rig_body_state(w.r, w.d), LG_DOC_POOLED);
    assert_code(rig_say(w.r, w.s2, &w.d, 1, LATE), SG_EKNOWN);
    assert_mined(&w);
    rig_end(&w.m, w.r);
}

/* S1 in memory and S2, for which there is no room there, read one body: it does not leave the pool with S1, and is mined with S2. */
static void overtaken_statement_leaves_a_body_that_one_on_disk_reads(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    const struct lg_statement *large =
        make_statement(&w.m, &(struct maker_say){.gw = 2, .slot = S0, .ngaps = 1390});
    w.s2 = make_statement(
        &w.m, &(struct maker_say){.gw = 2, .slot = S0 + 1, .after = large, .bodies = &w.d, .nbodies = 1});
    assert_code(rig_say(w.r, w.s1, &w.d, 1, end_of(S0 + 1) + 200), 0);
    assert_code(rig_say(w.r, large, NULL, 0, end_of(S0 + 1) + 200), 0);
    assert_code(rig_say(w.r, w.s2, &w.d, 1, end_of(S0 + 1) + 200), 0);
    lg_engine_pow.close(w.r->engine);
    struct lg_engine_config c = {.genesis = w.m.g,
        .crypto = w.m.crypto,
        .store = w.r->vtable,
        .host = &w.r->host,
        .has_key = true,
        .kid = chain_maker_kid(&w.m, 0),
        .max_pool_bytes = lg_pool_statement_cost(large) * 8 / 5 + 100};
    assert_code(lg_engine_pow.open(&w.r->engine, &c), 0);
    assert_int_equal(rig_state(w.r).pool_statements, 2); /* S2 is on disk only */
    overtake_s1(&w);
    assert_int_equal(rig_body_state(w.r, w.d), LG_DOC_POOLED);
    assert_int_equal(rig_state(w.r).pool_bodies, 0); /* nothing in memory reads it */
    assert_mined(&w);
    rig_end(&w.m, w.r);
}

/* A body that was marked as overtaken under a pooled statement, as nodes of before did, is mined with it all the same. */
static void overtaken_body_is_mined_with_a_pooled_reader(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.s2 = make_statement(&w.m, &(struct maker_say){.gw = 2, .slot = S0 + 10, .bodies = &w.d, .nbodies = 1});
    assert_code(rig_say(w.r, w.s2, &w.d, 1, LATE), 0);
    assert_code(w.r->vtable->begin(w.r->vtable->ctx), 0);
    assert_code(w.r->vtable->overtake_body(w.r->vtable->ctx, &w.d->digest), 0);
    assert_code(w.r->vtable->commit(w.r->vtable->ctx), 0);
    rig_reopen(w.r);
    assert_int_equal(rig_body_state(w.r, w.d), LG_DOC_OVERTAKEN);
    assert_mined(&w);
    rig_end(&w.m, w.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overtaken_body_returns_with_another_reader),
        cmocka_unit_test(overtaken_statement_leaves_a_body_that_one_on_disk_reads),
        cmocka_unit_test(overtaken_body_is_mined_with_a_pooled_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
