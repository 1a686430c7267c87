/* The engine on the real store: after every step it stands where the same engine on the store in memory stands, and after a restart too. */
#include <limits.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/store.h"
#include "tests/lib/engine_rig.h"
#include "tests/lib/store_fixture.h"

#define S0   (MAKER_MINUTE + 10)
#define STEP 40

struct pair {
    struct maker m;
    char dir[64];
    struct lg_sqlite *db;
    struct rig *mem, *sql;
    uint64_t random;
};

static void open_db(struct pair *p)
{
    struct sg_fault fault = {0};
    if (lg_sqlite_open(&p->db, p->dir, p->m.g, &fault) != 0)
        fail_msg("%s", fault.text);
    rig_move(p->sql, lg_sqlite_store(p->db));
}

static void raw_sql(const struct pair *p, const char *sql)
{
    char path[96], *what = NULL;
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/chain.db", p->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &what) != SQLITE_OK)
        fail_msg("%s: %s", sql, what);
    sqlite3_close(db);
}

static unsigned draw(struct pair *p, unsigned below)
{
    p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((p->random >> 33) % below);
}

static void assert_pair(const struct pair *p)
{
    struct lg_engine_state a = rig_state(p->mem), b = rig_state(p->sql);
    assert_memory_equal(&a.tip.hash, &b.tip.hash, sizeof a.tip.hash);
    assert_int_equal(a.pool_statements, b.pool_statements);
    assert_int_equal(a.pool_bodies, b.pool_bodies);
    assert_int_equal(a.pool_bytes, b.pool_bytes);
    assert_int_equal(a.reorgs, b.reorgs);
}

/* One branch in the making. */
struct side {
    struct lg_block_info at;
    const struct lg_statement *last[4];
};

/* A block of one or two gateways on one of three branches that start at the genesis; sometimes its statements are offered first. */
static const struct lg_block *grow(struct pair *p, struct side *s, unsigned branch, sg_ms now)
{
    const struct lg_statement *st[2];
    unsigned n = 1 + draw(p, 2), first = draw(p, 4);
    sg_minute slot = s->at.slot + 1 + draw(p, 2);
    const struct lg_body *body = make_body(&p->m, 0, slot, branch);
    for (unsigned i = 0; i < n; i++) {
        unsigned gw = (first + i) % 4;
        s->last[gw] = make_statement(&p->m, &(struct maker_say){.gw = gw,
                                                .slot = slot,
                                                .inc = MAKER_START + branch,
                                                .after = s->last[gw],
                                                .tip = &s->at.hash,
                                                .bodies = &body,
                                                .nbodies = 1});
        st[i] = s->last[gw];
        if (draw(p, 2) == 0) {
            int a = rig_say(p->mem, st[i], &body, 1, now), b = rig_say(p->sql, st[i], &body, 1, now);
            assert_int_equal(a, b);
        }
    }
    const struct lg_block *b = make_block(&p->m, &(struct maker_mine){.parent = &s->at,
                                                     .miner = first,
                                                     .slot = slot,
                                                     .statements = st,
                                                     .nstatements = n,
                                                     .bodies = &body,
                                                     .nbodies = 1});
    s->at = make_info(&p->m, b, &s->at);
    return b;
}

/* The genesis has three children: as many as are asked for, that of the best branch first, and the same ones in both stores. */
static void assert_children(const struct pair *p)
{
    const struct lg_store *stores[] = {p->mem->vtable, p->sql->vtable};
    for (unsigned i = 0; i < 2; i++) {
        const struct lg_store *s = stores[i];
        struct lg_block_info first;
        struct lg_hash hashes[4];
        assert_code(s->block_at(s->ctx, &first, 1), 0);
        for (unsigned max = 1; max <= 4; max++) {
            unsigned n = 0;
            memset(hashes, 0, sizeof hashes);
            assert_code(s->children(s->ctx, hashes, max, &n, &p->m.g->id), 0);
            assert_int_equal(n, max < 3 ? max : 3);
            assert_memory_equal(&hashes[0], &first.hash, sizeof first.hash);
            for (unsigned k = 1; k < 4; k++)
                assert_true(lg_hash_eq(&hashes[k], &(struct lg_hash){0}) == (k >= n));
        }
    }
}

static void both_stores_agree_after_every_step(void **state)
{
    (void)state;
    struct pair p = {.random = 7};
    struct side sides[3] = {0};
    sg_ms now = (S0 + 1000) * SG_MINUTE_MS;
    chain_maker_init(&p.m, &(struct maker_config){0});
    strcpy(p.dir, "/tmp/gridwitness-engine-XXXXXX");
    assert_non_null(mkdtemp(p.dir));
    p.mem = rig_new(&p.m, UINT_MAX);
    p.sql = rig_new(&p.m, UINT_MAX);
    open_db(&p);
    for (unsigned i = 0; i < 3; i++)
        lg_block_info_genesis(&sides[i].at, p.m.g);
    for (unsigned i = 0; i < STEP; i++) {
        enum lg_block_verdict va, vb;
        unsigned branch = draw(&p, 3);
        const struct lg_block *b = grow(&p, &sides[branch], branch, now);
        assert_int_equal(rig_offer_block(p.mem, &va, b, now), 0);
        assert_int_equal(rig_offer_block(p.sql, &vb, b, now), 0);
        assert_int_equal(va, vb);
        assert_pair(&p);
    }
    assert_true(rig_state(p.sql).reorgs > 2);
    assert_children(&p);
    struct lg_engine_state before = rig_state(p.sql);
    lg_engine_pow.close(p.sql->engine);
    p.sql->engine = NULL;
    lg_sqlite_close(p.db);
    open_db(&p);
    struct lg_engine_state after = rig_state(p.sql);
    assert_memory_equal(&before.tip.hash, &after.tip.hash, sizeof after.tip.hash);
    assert_int_equal(before.pool_statements, after.pool_statements);
    assert_int_equal(before.pool_bodies, after.pool_bodies);
    rig_free(p.sql);
    rig_free(p.mem);
    lg_sqlite_close(p.db);
    fixture_remove_dir(p.dir);
    chain_maker_fini(&p.m);
}

/* Sums of a tip that were damaged when the engine read them would go on in every later block: after a repair it reads them again. */
static void tip_is_read_again_after_a_repair(void **state)
{
    (void)state;
    struct pair p = {.random = 7};
    struct side side = {0};
    enum lg_block_verdict v;
    const sg_ms now = (S0 + 1000) * SG_MINUTE_MS;
    chain_maker_init(&p.m, &(struct maker_config){0});
    strcpy(p.dir, "/tmp/gridwitness-engine-XXXXXX");
    assert_non_null(mkdtemp(p.dir));
    p.mem = rig_new(&p.m, UINT_MAX);
    p.sql = rig_new(&p.m, UINT_MAX);
    open_db(&p);
    lg_block_info_genesis(&side.at, p.m.g);
    for (unsigned i = 0; i < 3; i++) {
        const struct lg_block *b = grow(&p, &side, 0, now);
        assert_int_equal(rig_offer_block(p.mem, &v, b, now), 0);
        assert_int_equal(rig_offer_block(p.sql, &v, b, now), 0);
    }
    const int64_t sum = rig_state(p.sql).tip.weight_sum;
    raw_sql(&p, "UPDATE block SET weight_sum = weight_sum + 64 WHERE height = 3");
    rig_move(p.sql, lg_sqlite_store(p.db));
    assert_int_equal(rig_state(p.sql).tip.weight_sum, sum + 64);
    raw_sql(&p, "UPDATE block SET weight_sum = weight_sum - 64 WHERE height = 3");
    assert_int_equal(lg_engine_pow.repaired(p.sql->engine, now), 0);
    assert_int_equal(rig_state(p.sql).tip.weight_sum, sum);
    assert_true(rig_tip_is(p.sql, &side.at.hash));
    rig_free(p.sql);
    rig_free(p.mem);
    lg_sqlite_close(p.db);
    fixture_remove_dir(p.dir);
    chain_maker_fini(&p.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_stores_agree_after_every_step),
        cmocka_unit_test(tip_is_read_again_after_a_repair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
