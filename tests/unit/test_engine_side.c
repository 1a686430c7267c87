/* The bound on side blocks (ledger/core/side.c): a flood is given up and nothing else, what was given up can come again and win, and the
 * store in memory and the real one give up the same.
 * run-tests: no valgrind (some thousand blocks on two stores; the sanitized flavours look) */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledger/core/side.h"
#include "ledger/store.h"
#include "tests/lib/branch_maker.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/store_fixture.h"
#include "tests/lib/vectors.h"

#define S0     (MAKER_MINUTE + 1500)
#define LATE   ((S0 + 6000) * SG_MINUTE_MS)
#define COMMON 3
#define FLOOD  120
#define BOUND  2000000 /* some fifty blocks of the flood */

/* Two nodes that are told the same: one on the store in memory, one on the real one. */
struct world {
    struct maker m;
    struct rig *r[2];
    char dir[64];
    struct lg_sqlite *db;
    struct branch common, a, b;
};

static void extend(
    struct maker *m, struct branch *s, unsigned first, unsigned n, int64_t variant, unsigned ngaps)
{
    branch_extend(m, s,
        &(struct branch_block){.slot = s->at.height == 0 ? S0 : s->at.slot + 1,
            .first = first,
            .n = n,
            .miner = first + s->n % n,
            .variant = variant,
            .ngaps = ngaps});
}

static void world_init(struct world *w, int64_t bound)
{
    struct sg_fault fault = {0};
    memset(w, 0, sizeof *w);
    chain_maker_init(&w->m, &(struct maker_config){0});
    strcpy(w->dir, "/tmp/gridwitness-side-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    if (lg_sqlite_open(&w->db, w->dir, w->m.g, &fault) != 0)
        fail_msg("%s", fault.text);
    for (unsigned i = 0; i < 2; i++) {
        w->r[i] = rig_new(&w->m, UINT_MAX);
        w->r[i]->max_side_bytes = bound;
    }
    rig_reopen(w->r[0]);
    rig_move(w->r[1], lg_sqlite_store(w->db));
    branch_init(&w->common, w->m.g);
    for (unsigned i = 0; i < COMMON; i++)
        extend(&w->m, &w->common, 0, 4, 1, 0);
    branch_on(&w->a, &w->common);
    branch_on(&w->b, &w->common);
}

static void world_fini(struct world *w)
{
    lg_engine_pow.close(w->r[1]->engine);
    w->r[1]->engine = NULL;
    lg_sqlite_close(w->db);
    rig_free(w->r[0]);
    rig_free(w->r[1]);
    fixture_remove_dir(w->dir);
    chain_maker_fini(&w->m);
}

/* Both stores say the same of their side blocks; how many bytes they are. */
static int64_t side_bytes(struct world *w)
{
    int64_t bytes[2];
    for (unsigned i = 0; i < 2; i++) {
        const struct lg_store *s = w->r[i]->vtable;
        assert_code(s->side_bytes(s->ctx, &bytes[i]), 0);
    }
    assert_int_equal(bytes[0], bytes[1]);
    return bytes[0];
}

static enum lg_block_verdict offer_from(struct world *w, const struct lg_block *b, int from)
{
    enum lg_block_verdict v[2];
    for (unsigned i = 0; i < 2; i++) {
        assert_code(lg_engine_pow.offer_block(w->r[i]->engine, &v[i], b->doc, b->doc_len, LATE, from), 0);
        rig_forget(w->r[i]);
    }
    assert_int_equal(v[0], v[1]);
    return v[0];
}

static enum lg_block_verdict offer_one(struct world *w, const struct lg_block *b)
{
    return offer_from(w, b, -1);
}

static void offer_all(struct world *w, const struct branch *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        assert_int_equal(offer_one(w, s->blocks[i]), LG_BLOCK_ACCEPTED);
}

static bool has(struct world *w, const struct lg_block *b)
{
    int err[2];
    for (unsigned i = 0; i < 2; i++) {
        struct lg_block_info info;
        bool best;
        const struct lg_store *s = w->r[i]->vtable;
        err[i] = s->block_info(s->ctx, &info, &best, &b->hash);
    }
    assert_int_equal(err[0], err[1]);
    assert_true(err[0] == 0 || err[0] == SG_ENOT_FOUND);
    return err[0] == 0;
}

/* Another minute, and what the engines ask to be woken for at once. How many ticks that took. */
static unsigned next_minute(struct world *w, unsigned minute)
{
    const sg_ms now = LATE + minute * SG_MINUTE_MS;
    unsigned n = 0;
    do {
        for (unsigned i = 0; i < 2; i++)
            assert_code(rig_tick(w->r[i], now), 0);
        assert_true(++n < 100);
    } while (rig_wake(w->r[0]) <= now || rig_wake(w->r[1]) <= now);
    return n;
}

static bool tip_is(struct world *w, const struct lg_hash *hash)
{
    assert_int_equal(rig_tip_is(w->r[0], hash), rig_tip_is(w->r[1], hash));
    return rig_tip_is(w->r[0], hash);
}

/* One member makes block after block beside the best branch: the store keeps within the bound, but for those that could be extended this
 * very minute; the branch of others that stood there before stays, and wins when it has grown. */
static void side_flood_is_given_up_and_nobody_elses_branch(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, BOUND);
    for (unsigned i = 0; i < 30; i++)
        extend(&w.m, &w.a, 0, 2, 2, 0);
    for (unsigned i = 0; i < 21; i++)
        extend(&w.m, &w.b, 1, 3, 3, 0);
    offer_all(&w, &w.common, 0, COMMON);
    offer_all(&w, &w.a, 0, 30);
    offer_all(&w, &w.b, 0, 10);
    assert_true(tip_is(&w, &w.a.at.hash));
    int64_t one = 0;
    for (unsigned i = 0; i < FLOOD; i++) {
        struct branch f;
        branch_on(&f, &w.common);
        extend(&w.m, &f, 0, 1, 100 + i, 1000);
        one = (int64_t)f.blocks[0]->doc_len;
        assert_int_equal(offer_one(&w, f.blocks[0]), LG_BLOCK_ACCEPTED);
        assert_in_range(side_bytes(&w), 1, BOUND + 34 * one);
        if (i % 10 == 9)
            next_minute(&w, 1 + i / 10);
    }
    assert_in_range(side_bytes(&w), 1, BOUND);
    assert_true(side_bytes(&w) + one > BOUND); /* and no more than is needed */
    assert_in_range(rig_state(w.r[0]).side_given_up, FLOOD - 50, FLOOD);
    for (unsigned i = 0; i < 10; i++)
        assert_true(has(&w, w.b.blocks[i]));
    assert_true(tip_is(&w, &w.a.at.hash));
    offer_all(&w, &w.b, 10, 21);
    assert_true(tip_is(&w, &w.b.at.hash));
    world_fini(&w);
}

/* With room for nothing a losing branch is given up whole, from its end down, and its blocks are not known any more; when it comes again in
 * order, as a peer gives it, it wins. */
static void side_branch_given_up_comes_again_and_wins(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 150; i++)
        extend(&w.m, &w.a, 0, 2, 2, 0);
    for (unsigned i = 0; i < 101; i++)
        extend(&w.m, &w.b, 1, 3, 3, 0);
    offer_all(&w, &w.common, 0, COMMON);
    offer_all(&w, &w.a, 0, 150);
    offer_all(&w, &w.b, 0, 80);
    for (unsigned i = 0; i < 80; i++)
        assert_true(has(&w, w.b.blocks[i])); /* while it grows nothing of it is taken away */
    assert_true(next_minute(&w, 1) > 1);     /* two transactions at least */
    assert_int_equal(side_bytes(&w), 0);
    assert_false(has(&w, w.b.blocks[0]));
    assert_int_equal(rig_state(w.r[0]).side_given_up, 80);
    assert_int_equal(offer_one(&w, w.b.blocks[100]), LG_BLOCK_ORPHAN);
    offer_all(&w, &w.b, 0, 100);
    assert_true(tip_is(&w, &w.b.at.hash)); /* the orphan was waiting for it */
    world_fini(&w);
}

/* What a peer gave last stays with all below it, whatever is flooded beside it and however long it takes; what it gave before does not. */
static void side_branch_that_a_peer_gives_is_left_alone(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, 1);
    for (unsigned i = 0; i < 60; i++)
        extend(&w.m, &w.a, 0, 2, 2, 0);
    for (unsigned i = 0; i < 41; i++)
        extend(&w.m, &w.b, 1, 3, 3, 0);
    struct branch other;
    branch_on(&other, &w.common);
    extend(&w.m, &other, 3, 1, 4, 0);
    offer_all(&w, &w.common, 0, COMMON);
    offer_all(&w, &w.a, 0, 60);
    assert_int_equal(offer_from(&w, other.blocks[0], 7), LG_BLOCK_ACCEPTED);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(offer_from(&w, w.b.blocks[i], 7), LG_BLOCK_ACCEPTED);
    for (unsigned i = 0; i < 50; i++) {
        struct branch f;
        branch_on(&f, &w.common);
        extend(&w.m, &f, 0, 1, 100 + i, 100);
        offer_all(&w, &f, 0, 1);
    }
    next_minute(&w, 1);
    assert_false(has(&w, other.blocks[0]));
    for (unsigned i = 0; i < 30; i++)
        assert_true(has(&w, w.b.blocks[i]));
    for (unsigned i = 30; i < 41; i++)
        assert_int_equal(offer_from(&w, w.b.blocks[i], 7), LG_BLOCK_ACCEPTED);
    assert_true(tip_is(&w, &w.b.at.hash));
    world_fini(&w);
}

/* A branch that is hopelessly behind is not exempt from the bound, whoever goes on giving it: what goes beyond is not kept, an orphan that
 * waits for it goes on waiting, and that ends. */
static void side_branch_far_behind_is_not_exempt(void **state)
{
    struct world w;
    unsigned i = 0;
    (void)state;
    world_init(&w, 1);
    for (unsigned k = 0; k < 110; k++)
        extend(&w.m, &w.a, 0, 4, 2, 0);
    for (unsigned k = 0; k < 110; k++)
        extend(&w.m, &w.b, 3, 1, 3, 0);
    offer_all(&w, &w.common, 0, COMMON);
    offer_all(&w, &w.a, 0, 110);
    while (i < 110 && offer_one(&w, w.b.blocks[i]) == LG_BLOCK_ACCEPTED)
        i++;
    assert_int_equal(i, LG_SIDE_BEHIND / 3 + 1); /* the one before was taken, and given up at once */
    assert_false(has(&w, w.b.blocks[i - 1]));
    assert_int_equal(offer_one(&w, w.b.blocks[i]), LG_BLOCK_ORPHAN);
    next_minute(&w, 1);
    assert_int_equal(side_bytes(&w), 0);
    assert_true(tip_is(&w, &w.a.at.hash));
    world_fini(&w);
}

/* A store that fails at its n-th call while it gives up: nothing is half done, and the next tick does it. */
static void side_with_a_store_that_fails_stays_consistent(void **state)
{
    const int errors[] = {SG_EIO, SG_ENOSPC, SG_ENOMEM};
    (void)state;
    for (size_t e = 0; e < SG_ARRAY_LEN(errors); e++) {
        bool failed = true;
        uint64_t n = 1;
        for (; failed; n++) {
            struct maker m;
            struct rig *r;
            struct branch common, b;
            enum lg_block_verdict v;
            int64_t bytes;
            rig_begin(&m, &r, (struct maker_config){0});
            r->max_side_bytes = 1;
            rig_reopen(r);
            branch_init(&common, m.g);
            extend(&m, &common, 0, 4, 1, 0);
            branch_on(&b, &common);
            for (unsigned i = 1; i < 6; i++)
                extend(&m, &common, 0, 4, 1, 0);
            for (unsigned i = 0; i < 3; i++)
                extend(&m, &b, 3, 1, 2, 0);
            for (unsigned i = 0; i < 6; i++)
                assert_code(rig_offer_block(r, &v, common.blocks[i], LATE), 0);
            for (unsigned i = 0; i < 3; i++)
                assert_code(rig_offer_block(r, &v, b.blocks[i], LATE), 0);
            mem_store_fail(r->store, n, errors[e], false);
            const int err = rig_tick(r, LATE + SG_MINUTE_MS);
            failed = mem_store_failures(r->store) > 0;
            mem_store_fail(r->store, 0, 0, false);
            assert_code(err, failed ? errors[e] : 0);
            assert_false(mem_store_in_transaction(r->store));
            assert_code(r->vtable->side_bytes(r->vtable->ctx, &bytes), 0);
            assert_true(err == 0 ? bytes == 0 : bytes >= 0);
            rig_reopen(r);
            assert_true(rig_tip_is(r, &common.at.hash));
            assert_code(rig_tick(r, LATE + SG_MINUTE_MS), 0);
            assert_code(r->vtable->side_bytes(r->vtable->ctx, &bytes), 0);
            assert_int_equal(bytes, 0);
            rig_end(&m, r);
        }
        assert_true(n > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(side_flood_is_given_up_and_nobody_elses_branch),
        cmocka_unit_test(side_branch_given_up_comes_again_and_wins),
        cmocka_unit_test(side_branch_that_a_peer_gives_is_left_alone),
        cmocka_unit_test(side_branch_far_behind_is_not_exempt),
        cmocka_unit_test(side_with_a_store_that_fails_stays_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
