/* Reorganisations: what goes back to the pool, what is taken again, and stores that fail in the middle. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/branch_maker.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/vectors.h"

#define S0   (MAKER_MINUTE + 10)
#define LATE ((S0 + 6000) * SG_MINUTE_MS)

struct world {
    struct maker m;
    struct rig *r;
    struct branch first, common, a, b; /* first: common's first block */
};

static void extend(
    struct maker *m, struct branch *s, sg_minute slot, const unsigned *gws, unsigned n, int64_t variant)
{
    branch_extend(
        m, s, &(struct branch_block){.slot = slot, .gws = gws, .n = n, .miner = gws[0], .variant = variant});
}

static void offer_all(struct rig *r, const struct branch *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        enum lg_block_verdict v;
        assert_code(rig_offer_block(r, &v, s->blocks[i], LATE), 0);
        assert_int_equal(v, LG_BLOCK_ACCEPTED);
    }
}

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    chain_maker_init(&w->m, &(struct maker_config){0});
    w->r = rig_new(&w->m, UINT_MAX);
    branch_init(&w->common, w->m.g);
    const unsigned all[] = {0, 1, 2, 3};
    for (unsigned i = 0; i < 3; i++) {
        extend(&w->m, &w->common, S0 + i, all, 4, 1);
        if (i == 0)
            branch_on(&w->first, &w->common);
    }
    branch_on(&w->a, &w->common);
    branch_on(&w->b, &w->common);
}

static void world_fini(struct world *w)
{
    rig_free(w->r);
    chain_maker_fini(&w->m);
}

static void assert_block_docs(struct rig *r, const struct lg_block *b, enum lg_doc_state want)
{
    for (unsigned i = 0; i < b->nstatements; i++)
        assert_int_equal(rig_statement_state(r, b->statements[i]), want);
    for (unsigned i = 0; i < b->nbodies; i++)
        assert_int_equal(rig_body_state(r, b->bodies[i]), want);
}

/* A heavier branch takes the lighter one's documents off into the pool, in memory as on disk; when the first branch grows heavier in
 * its turn they are mined again and the others return. */
static void reorg_returns_documents_and_a_second_takes_them_again(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    const unsigned two[] = {0, 1}, rest[] = {2, 3}, three[] = {0, 1, 2};
    extend(&w.m, &w.a, S0 + 3, two, 2, 2);
    extend(&w.m, &w.b, S0 + 3, rest, 2, 3);
    extend(&w.m, &w.b, S0 + 4, rest, 2, 3);
    extend(&w.m, &w.a, S0 + 5, three, 3, 2);
    offer_all(w.r, &w.common, 0, 3);
    offer_all(w.r, &w.a, 0, 1);
    assert_int_equal(rig_state(w.r).pool_statements, 0);
    offer_all(w.r, &w.b, 0, 2);
    assert_true(rig_tip_is(w.r, &w.b.at.hash));
    assert_block_docs(w.r, w.a.blocks[0], LG_DOC_POOLED);
    assert_int_equal(rig_state(w.r).pool_statements, 2);
    assert_int_equal(rig_state(w.r).pool_bodies, 1);
    assert_int_equal(rig_state(w.r).reorgs, 1);
    offer_all(w.r, &w.a, 1, 2);
    assert_true(rig_tip_is(w.r, &w.a.at.hash));
    assert_block_docs(w.r, w.a.blocks[0], LG_DOC_MINED);
    assert_block_docs(w.r, w.b.blocks[0], LG_DOC_POOLED);
    assert_block_docs(w.r, w.b.blocks[1], LG_DOC_POOLED);
    assert_int_equal(rig_state(w.r).pool_statements, 4);
    assert_int_equal(rig_state(w.r).pool_bodies, 2);
    assert_int_equal(rig_state(w.r).deepest_reorg, 2);
    assert_int_equal(rig_last(w.r, RIG_EVENT)->event.kind, LG_EVENT_REORG);
    assert_int_equal(rig_last(w.r, RIG_EVENT)->event.depth, 2);
    world_fini(&w);
}

/* A longer but lighter branch does not move the tip, and is not told to the peers (P26c in earnest). */
static void reorg_longer_but_lighter_branch_is_not_adopted(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    const unsigned three[] = {0, 1, 2}, one[] = {3};
    extend(&w.m, &w.a, S0 + 3, three, 3, 2);
    for (unsigned i = 0; i < 2; i++)
        extend(&w.m, &w.b, S0 + 3 + i, one, 1, 3);
    offer_all(w.r, &w.common, 0, 3);
    offer_all(w.r, &w.a, 0, 1);
    rig_forget(w.r);
    offer_all(w.r, &w.b, 0, 2);
    assert_true(rig_tip_is(w.r, &w.a.at.hash));
    assert_int_equal(rig_count(w.r, RIG_BLOCK), 0);
    extend(&w.m, &w.b, S0 + 5, one, 1, 3); /* now as heavy, and longer: more work */
    offer_all(w.r, &w.b, 2, 3);
    assert_true(rig_tip_is(w.r, &w.b.at.hash));
    assert_int_equal(rig_count(w.r, RIG_BLOCK), 1);
    world_fini(&w);
}

/* One that takes off what was called confirmed is alarmed, from the very depth on. */
static void reorg_is_alarmed_from_the_depth_of_confirmation_on(void **state)
{
    (void)state;
    for (unsigned depth = 2; depth <= 3; depth++) { /* confirm_depth is 3 */
        struct world w;
        unsigned alarms = 0;
        world_init(&w);
        const unsigned one[] = {0}, two[] = {1, 2};
        for (unsigned i = 0; i < depth; i++) {
            extend(&w.m, &w.a, S0 + 3 + i, one, 1, 2);
            extend(&w.m, &w.b, S0 + 3 + i, two, 2, 3);
        }
        offer_all(w.r, &w.common, 0, 3);
        offer_all(w.r, &w.a, 0, depth);
        offer_all(w.r, &w.b, 0, depth);
        assert_int_equal(rig_state(w.r).deepest_reorg, depth);
        for (unsigned i = 0; i < w.r->nnotes; i++)
            alarms += w.r->notes[i].kind == RIG_EVENT && w.r->notes[i].event.kind == LG_EVENT_ALARM;
        assert_int_equal(alarms, depth == 3);
        world_fini(&w);
    }
}

/* P11: a reorganisation 288 deep ends on the heavier branch, is one transaction, is alarmed, and the engine then equals one that is
 * opened anew on the same store. */
static void reorg_deep_is_one_transaction_and_equals_a_fresh_engine(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    const unsigned one[] = {0}, two[] = {1, 2};
    for (unsigned i = 0; i < 288; i++)
        extend(&w.m, &w.a, S0 + 3 + i, one, 1, 2);
    for (unsigned i = 0; i < 145; i++)
        extend(&w.m, &w.b, S0 + 3 + i, two, 2, 3);
    offer_all(w.r, &w.common, 0, 3);
    offer_all(w.r, &w.a, 0, 288);
    offer_all(w.r, &w.b, 0, 144);
    assert_true(rig_tip_is(w.r, &w.a.at.hash));
    uint64_t commits = mem_store_commits(w.r->store);
    rig_forget(w.r);
    offer_all(w.r, &w.b, 144, 145);
    assert_true(rig_tip_is(w.r, &w.b.at.hash));
    assert_int_equal(mem_store_commits(w.r->store), commits + 1);
    assert_int_equal(rig_state(w.r).deepest_reorg, 288);
    assert_string_equal(rig_last(w.r, RIG_EVENT)->event.alarm, "deep_reorg");
    struct lg_engine_state before = rig_state(w.r);
    assert_int_equal(before.pool_statements, 288);
    rig_reopen(w.r);
    struct lg_engine_state after = rig_state(w.r);
    assert_int_equal(after.pool_statements, before.pool_statements);
    assert_int_equal(after.pool_bodies, before.pool_bodies);
    assert_int_equal(after.pool_bytes, before.pool_bytes);
    world_fini(&w);
}

/* A side branch of depth d is judged with O(d) calls of the store in all, not O(d^2). */
static void reorg_side_branch_costs_the_same_per_block(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    const unsigned all[] = {0, 1, 2, 3}, one[] = {3};
    extend(&w.m, &w.a, S0 + 3, all, 4, 2);
    for (unsigned i = 0; i < 60; i++) /* heavy enough never to be overtaken */
        extend(&w.m, &w.a, S0 + 4 + i, all, 4, 2);
    for (unsigned i = 0; i < 200; i++)
        extend(&w.m, &w.b, S0 + 3 + i, one, 1, 3);
    offer_all(w.r, &w.common, 0, 3);
    offer_all(w.r, &w.a, 0, 61);
    offer_all(w.r, &w.b, 0, 10);
    mem_store_fail(w.r->store, 0, 0, false);
    offer_all(w.r, &w.b, 10, 11);
    uint64_t early = mem_store_calls(w.r->store);
    offer_all(w.r, &w.b, 11, 199);
    mem_store_fail(w.r->store, 0, 0, false);
    offer_all(w.r, &w.b, 199, 200);
    assert_true(mem_store_calls(w.r->store) <= early + 2);
    assert_true(rig_tip_is(w.r, &w.a.at.hash));
    world_fini(&w);
}

/* A block of gateway gw's statement, mined by miner. */
static void extend_by(
    struct maker *m, struct branch *s, sg_minute slot, unsigned gw, unsigned miner, int64_t variant)
{
    const struct lg_statement **last = &s->last[gw];
    *last = make_statement(
        m, &(struct maker_say){
               .gw = gw, .slot = slot, .inc = MAKER_START + variant, .after = *last, .tip = &s->at.hash});
    const struct lg_block *b = make_block(
        m, &(struct maker_mine){
               .parent = &s->at, .miner = miner, .slot = slot, .statements = last, .nstatements = 1});
    s->at = make_info(m, b, &s->at);
    s->blocks[s->n++] = b;
}

static int rank_cmp(const struct branch *a, const struct branch *b, unsigned i)
{
    struct lg_hash ra, rb;
    const struct lg_header *ha = &a->blocks[i]->header, *hb = &b->blocks[i]->header;
    lg_rank(&ra, &ha->prev, ha->slot, ha->miner_kid);
    lg_rank(&rb, &hb->prev, hb->slot, hb->miner_kid);
    return lg_hash_cmp(&ra, &rb);
}

/* Two branches of equal weight and work: the first block that differs decides by its rank, not the tip by its own. */
static void reorg_equal_branches_are_decided_at_the_fork(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct branch a, b;
    bool found = false;
    for (unsigned i = 0; i < 256 && !found; i++) { /* miners so that the ranks disagree */
        a = b = w.common;
        a.n = b.n = 0;
        extend_by(&w.m, &a, S0 + 3, 0, i & 3, 2);
        extend_by(&w.m, &b, S0 + 3, 1, i >> 2 & 3, 3);
        extend_by(&w.m, &a, S0 + 4, 0, i >> 4 & 3, 2);
        extend_by(&w.m, &b, S0 + 4, 1, i >> 6 & 3, 3);
        found = rank_cmp(&a, &b, 0) < 0 && rank_cmp(&a, &b, 1) > 0;
    }
    assert_true(found);
    for (unsigned order = 0; order < 2; order++) {
        struct rig *r = rig_new(&w.m, UINT_MAX);
        offer_all(r, &w.common, 0, 3);
        offer_all(r, order ? &a : &b, 0, 2);
        offer_all(r, order ? &b : &a, 0, 2);
        assert_true(rig_tip_is(r, &a.at.hash));
        rig_free(r);
    }
    world_fini(&w);
}

/* A side branch that hangs on a branch which was the best and is no longer is judged by its own past: nothing that was remembered of
 * it before the reorganisation misleads. */
static void reorg_side_branch_of_a_side_branch_is_judged_by_its_own_past(void **state)
{
    (void)state;
    struct world w;
    enum lg_block_verdict v;
    world_init(&w);
    const unsigned all[] = {0, 1, 2, 3}, two[] = {0, 1}, three[] = {3}, gw2[] = {2};
    extend(&w.m, &w.a, S0 + 3, two, 2, 2);
    extend(&w.m, &w.b, S0 + 3, three, 1, 1);
    extend(&w.m, &w.b, S0 + 4, three, 1, 1);
    extend(&w.m, &w.b, S0 + 5, gw2, 1, 1); /* continues what stands on the common blocks */
    for (unsigned i = 0; i < 4; i++)
        extend(&w.m, &w.first, S0 + 1 + i, all, 4, 7);
    offer_all(w.r, &w.common, 0, 3);
    offer_all(w.r, &w.a, 0, 1);
    assert_code(rig_offer_block(w.r, &v, w.b.blocks[0], LATE), 0);
    assert_code(rig_offer_block(w.r, &v, w.b.blocks[1], LATE), 0);
    offer_all(w.r, &w.first, 0, 4);
    assert_true(rig_tip_is(w.r, &w.first.at.hash));
    assert_code(rig_offer_block(w.r, &v, w.b.blocks[2], LATE), 0);
    assert_int_equal(v, LG_BLOCK_ACCEPTED);
    world_fini(&w);
}

enum fault { FAULT_SIGNATURE, FAULT_ROOT, FAULT_WEIGHT, FAULT_DUPLICATE, FAULT_COUNT };

/* The next block of all four gateways, with a fault. */
static void extend_badly(struct maker *m, struct branch *s, sg_minute slot, enum fault fault)
{
    for (unsigned i = 0; i < 4; i++)
        s->last[i] = make_statement(
            m, &(struct maker_say){.gw = i, .slot = slot, .after = s->last[i], .tip = &s->at.hash});
    const struct lg_body *again = make_body(m, 0, S0, 1); /* of the first common block */
    const struct lg_block *b = make_block(m, &(struct maker_mine){.parent = &s->at,
                                                 .slot = slot,
                                                 .statements = s->last,
                                                 .nstatements = 4,
                                                 .bodies = &again,
                                                 .nbodies = fault == FAULT_DUPLICATE,
                                                 .weight = fault == FAULT_WEIGHT ? 128 : 4,
                                                 .bad_root = fault == FAULT_ROOT,
                                                 .bad_signature = fault == FAULT_SIGNATURE});
    s->at = make_info(m, b, &s->at);
    s->blocks[s->n++] = b;
}

/* P8, P9: a branch that would be the best, with a fault in its first, a middle or its last block, is adopted up to the fault and no
 * further, whatever its followers claim. */
static void reorg_branch_with_a_fault_is_adopted_up_to_it(void **state)
{
    (void)state;
    const int codes[FAULT_COUNT] = {SG_ESIGNATURE, SG_EROOT, SG_EWEIGHT, SG_EDUPLICATE_BODY};
    const unsigned all[] = {0, 1, 2, 3}, one[] = {0};
    for (unsigned fault = 0; fault < FAULT_COUNT; fault++) {
        for (unsigned bad = 0; bad < 5; bad += 2) {
            struct world w;
            enum lg_block_verdict v;
            world_init(&w);
            extend(&w.m, &w.a, S0 + 3, one, 1, 2);
            struct lg_hash good = w.a.at.hash;
            for (unsigned i = 0; i < 5; i++) {
                if (i == bad)
                    extend_badly(&w.m, &w.b, S0 + 3 + i, (enum fault)fault);
                else
                    extend(&w.m, &w.b, S0 + 3 + i, all, 4, 3);
                good = i < bad ? w.b.at.hash : good;
            }
            offer_all(w.r, &w.common, 0, 3);
            offer_all(w.r, &w.a, 0, 1);
            offer_all(w.r, &w.b, 0, bad);
            assert_code(rig_offer_block(w.r, &v, w.b.blocks[bad], LATE), codes[fault]);
            for (unsigned i = bad + 1; i < 5; i++) {
                int err = rig_offer_block(w.r, &v, w.b.blocks[i], LATE);
                assert_true(err == SG_EPREV || (err == 0 && v == LG_BLOCK_ORPHAN));
            }
            assert_true(rig_tip_is(w.r, &good));
            world_fini(&w);
        }
    }
}

/* What the pool and the tip are, for comparison. */
static void assert_same(struct lg_engine_state a, struct lg_engine_state b)
{
    assert_memory_equal(&a.tip.hash, &b.tip.hash, sizeof a.tip.hash);
    assert_int_equal(a.pool_statements, b.pool_statements);
    assert_int_equal(a.pool_bodies, b.pool_bodies);
    assert_int_equal(a.pool_bytes, b.pool_bytes);
}

/* A store that fails at its n-th call, for every n, during a reorganisation with a pool: the engine either has done nothing or
 * has done it; it then equals a fresh engine on the same store, and the same block again leads to the same end. */
static void reorg_with_a_store_that_fails_stays_consistent(void **state)
{
    (void)state;
    const int errors[] = {SG_EIO, SG_ENOSPC};
    const unsigned two[] = {0, 1}, three[] = {1, 2, 3};
    for (size_t e = 0; e < SG_ARRAY_LEN(errors); e++) {
        uint64_t n = 1;
        for (bool failed = true; failed; n++) {
            struct world w;
            enum lg_block_verdict v;
            world_init(&w);
            for (unsigned i = 0; i < 5; i++)
                extend(&w.m, &w.a, S0 + 3 + i, two, 2, 2);
            for (unsigned i = 0; i < 4; i++)
                extend(&w.m, &w.b, S0 + 3 + i, three, 3, 3);
            const struct lg_statement *s =
                make_statement(&w.m, &(struct maker_say){.gw = 3, .slot = S0 + 3, .inc = MAKER_START + 2});
            offer_all(w.r, &w.common, 0, 3);
            offer_all(w.r, &w.a, 0, 5);
            offer_all(w.r, &w.b, 0, 3);
            assert_code(rig_say(w.r, s, NULL, 0, LATE), 0);
            struct lg_engine_state before = rig_state(w.r);
            mem_store_fail(w.r->store, n, errors[e], false);
            int err = rig_offer_block(w.r, &v, w.b.blocks[3], LATE);
            failed = mem_store_failures(w.r->store) > 0;
            mem_store_fail(w.r->store, 0, 0, false);
            assert_code(err, failed ? errors[e] : 0);
            assert_false(mem_store_in_transaction(w.r->store));
            if (rig_tip_is(w.r, &before.tip.hash))
                assert_same(rig_state(w.r), before);
            assert_code(rig_tick(w.r, LATE), 0);
            struct lg_engine_state left = rig_state(w.r);
            rig_reopen(w.r);
            assert_same(rig_state(w.r), left);
            assert_code(rig_offer_block(w.r, &v, w.b.blocks[3], LATE), 0);
            assert_true(rig_tip_is(w.r, &w.b.at.hash));
            world_fini(&w);
        }
        assert_true(n > 30);
    }
}

/* The same for statements: a failing store means that nothing of the request is in the pool or passed on. */
static void offer_with_a_store_that_fails_leaves_nothing(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (bool failed = true; failed; n++) {
        struct world w;
        struct lg_offer offer;
        world_init(&w);
        offer_all(w.r, &w.common, 0, 3);
        const struct lg_body *b[2] = {make_body(&w.m, 0, S0 + 3, 5), make_body(&w.m, 0, S0 + 4, 5)};
        const struct lg_statement *s[4];
        s[0] = make_statement(
            &w.m, &(struct maker_say){.slot = S0 + 3, .after = w.common.last[0], .bodies = b, .nbodies = 1});
        s[1] = make_statement(
            &w.m, &(struct maker_say){.slot = S0 + 4, .after = s[0], .bodies = b, .nbodies = 2});
        s[2] = make_statement(&w.m, &(struct maker_say){.gw = 1, .slot = S0 + 3, .after = w.common.last[1]});
        s[3] = make_statement(/* of the slot of another: evidence */
            &w.m, &(struct maker_say){.gw = 1, .slot = S0 + 4, .after = w.common.last[1]});
        rig_forget(w.r);
        struct lg_engine_state before = rig_state(w.r);
        mem_store_fail(w.r->store, n, SG_EIO, false);
        int err = rig_offer(w.r, &offer, s, 4, b, 2, LATE);
        failed = mem_store_failures(w.r->store) > 0;
        mem_store_fail(w.r->store, 0, 0, false);
        assert_code(err, failed ? SG_EIO : SG_ECONFLICT);
        assert_false(mem_store_in_transaction(w.r->store));
        if (failed) {
            assert_same(rig_state(w.r), before);
            assert_int_equal(rig_count(w.r, RIG_STATEMENTS), 0);
            assert_int_equal(rig_statement_state(w.r, s[0]), LG_DOC_NONE);
            assert_code(rig_offer(w.r, &offer, s, 4, b, 2, LATE), SG_ECONFLICT);
        }
        assert_int_equal(offer.accepted, 3);
        lg_offer_fini(&offer);
        struct lg_engine_state left = rig_state(w.r);
        rig_reopen(w.r);
        assert_same(rig_state(w.r), left);
        world_fini(&w);
    }
    assert_true(n > 15);
}

/* A pool larger than the bound on memory comes back from the disk in the order in which it is mined: nothing is lost, and it flows
 * in again as blocks make room. */
static void reorg_spilled_pool_is_loaded_again_when_there_is_room(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    offer_all(w.r, &w.common, 0, 3);
    const struct lg_statement *s[90];
    for (unsigned i = 0; i < SG_ARRAY_LEN(s); i++) {
        s[i] = make_statement(&w.m,
            &(struct maker_say){
                .slot = S0 + 3 + i, .after = i == 0 ? w.common.last[0] : s[i - 1], .tip = &w.common.at.hash});
        assert_code(rig_say(w.r, s[i], NULL, 0, LATE), 0);
    }
    lg_engine_pow.close(w.r->engine);
    struct lg_engine_config c = {.genesis = w.m.g,
        .crypto = w.m.crypto,
        .store = mem_store_vtable(w.r->store),
        .host = &w.r->host,
        .max_pool_bytes = 32 << 10};
    assert_code(lg_engine_pow.open(&w.r->engine, &c), 0);
    unsigned held = rig_state(w.r).pool_statements;
    assert_true(held > 5 && held < 60);
    assert_code(rig_say(w.r, s[89], NULL, 0, LATE), SG_EKNOWN); /* on disk only */
    struct lg_block_info at = w.common.at;
    for (unsigned i = 0; i < SG_ARRAY_LEN(s); i++) {
        enum lg_block_verdict v;
        const struct lg_block *b = make_block(&w.m,
            &(struct maker_mine){.parent = &at, .slot = S0 + 3 + i, .statements = &s[i], .nstatements = 1});
        at = make_info(&w.m, b, &at);
        assert_true(rig_state(w.r).pool_statements > 0);
        assert_code(rig_offer_block(w.r, &v, b, LATE), 0);
    }
    assert_int_equal(rig_state(w.r).pool_statements, 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reorg_returns_documents_and_a_second_takes_them_again),
        cmocka_unit_test(reorg_longer_but_lighter_branch_is_not_adopted),
        cmocka_unit_test(reorg_is_alarmed_from_the_depth_of_confirmation_on),
        cmocka_unit_test(reorg_deep_is_one_transaction_and_equals_a_fresh_engine),
        cmocka_unit_test(reorg_side_branch_costs_the_same_per_block),
        cmocka_unit_test(reorg_equal_branches_are_decided_at_the_fork),
        cmocka_unit_test(reorg_side_branch_of_a_side_branch_is_judged_by_its_own_past),
        cmocka_unit_test(reorg_branch_with_a_fault_is_adopted_up_to_it),
        cmocka_unit_test(reorg_with_a_store_that_fails_stays_consistent),
        cmocka_unit_test(offer_with_a_store_that_fails_leaves_nothing),
        cmocka_unit_test(reorg_spilled_pool_is_loaded_again_when_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
