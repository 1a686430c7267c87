/* Disputes: what differs about a minute stays on record, whatever becomes of the statements and of the branch. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "tests/lib/engine_rig.h"
#include "tests/lib/store_fixture.h"
#include "tests/lib/synth.h"

#define INC  INT64_C(1764000000000)
#define S0   (MAKER_MINUTE + 10)
#define LATE ((S0 + 6000) * SG_MINUTE_MS)

struct world {
    struct fixture f;
    struct synth s;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    fixture_init(&w->f);
    synth_init(&w->s, w->f.g);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    synth_fini(&w->s);
    fixture_fini(&w->f);
    free(w);
    return 0;
}

struct seen {
    unsigned n;
    struct lg_reader_dispute at[80];
};

static int take(void *arg, const struct lg_reader_dispute *d)
{
    struct seen *s = arg;
    assert_true(s->n < SG_ARRAY_LEN(s->at));
    s->at[s->n++] = *d;
    return 0;
}

static struct seen disputes_in(const char *dir, const struct lg_genesis *g)
{
    struct seen seen = {0};
    struct sg_fault fault = {0};
    struct lg_reader *r = NULL;
    assert_code(lg_reader_open(&r, dir, g, &fault), 0);
    assert_code(lg_reader_disputes(r, INT64_MAX, 200, take, &seen), 0);
    lg_reader_close(r);
    return seen;
}

static struct seen disputes(const struct world *w)
{
    return disputes_in(w->f.dir, w->f.g);
}

/* gw's statement seq that reads a variant of (relay-1, genesis minute), into the pool or, as evidence, beside it; the two leaves. */
static void say(
    struct world *w, unsigned gw, int64_t seq, int64_t variant, bool evidence, struct lg_hash out[2])
{
    const struct lg_store *s = w->f.s;
    struct lg_body *b = synth_body(&w->s, 0, w->f.g->minute, variant);
    struct lg_statement *x = synth_statement(&w->s, gw, INC, seq, &w->f.g->id, &b, 1, 3);
    assert_code(s->begin(s->ctx), 0);
    if (!evidence)
        assert_code(s->put_body(s->ctx, b), 0);
    assert_code(evidence ? s->put_evidence(s->ctx, x) : s->put_statement(s->ctx, x), 0);
    assert_code(s->commit(s->ctx), 0);
    out[0] = x->leaf;
    out[1] = b->digest;
    lg_statement_free(x);
    lg_body_free(b);
}

static void assert_side(const struct lg_reader_dispute_side *side, const struct lg_hash said[2], lg_kid gw)
{
    assert_memory_equal(&side->read.statement, &said[0], sizeof said[0]);
    assert_memory_equal(&side->read.digest, &said[1], sizeof said[1]);
    assert_true(side->read.gw == gw);
    assert_int_equal(side->read.live, 3);
}

/* Another digest for a minute is on record with both statements, once; the same digest is nothing; both overtaken and the store opened again, it
 * is there, and so are its documents. */
static void dispute_outlasts_overtaking_and_restart(void **state)
{
    struct world *w = *state;
    const struct lg_store *s = w->f.s;
    struct lg_hash a[2], b[2], other[2];
    say(w, 0, 1, 1, false, a);
    say(w, 1, 1, 1, false, other);
    assert_int_equal(disputes(w).n, 0);
    say(w, 2, 1, 2, false, b);
    say(w, 3, 1, 2, false, other);
    assert_code(s->begin(s->ctx), 0);
    assert_code(s->overtake_statement(s->ctx, &a[0]), 0);
    assert_code(s->overtake_statement(s->ctx, &b[0]), 0);
    assert_code(s->overtake_body(s->ctx, &a[1]), 0);
    assert_code(s->overtake_body(s->ctx, &b[1]), 0);
    assert_code(s->commit(s->ctx), 0);
    fixture_close(&w->f);
    fixture_open(&w->f);
    const struct seen seen = disputes(w);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.at[0].relay, "relay-1");
    assert_int_equal(seen.at[0].min, w->f.g->minute);
    assert_side(&seen.at[0].side[0], a, w->f.g->gateways[0].id);
    assert_side(&seen.at[0].side[1], b, w->f.g->gateways[2].id);
    enum lg_doc_state doc;
    s = w->f.s;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(seen.at[0].side[i].body_height, 0);
        assert_code(s->statement_state(s->ctx, &doc, NULL, &seen.at[0].side[i].read.statement), 0);
        assert_int_equal(doc, LG_DOC_OVERTAKEN);
        assert_code(s->body_state(s->ctx, &doc, NULL, &seen.at[0].side[i].read.digest), 0);
        assert_int_equal(doc, LG_DOC_OVERTAKEN);
    }
    say(w, 4, 1, 3, false, other); /* against what was overtaken */
    assert_int_equal(disputes(w).n, 2);
}

/* A gateway that reads a minute twice and differently is in dispute with itself. */
static void dispute_of_a_gateway_with_itself(void **state)
{
    struct world *w = *state;
    struct lg_hash a[2], b[2];
    say(w, 0, 1, 1, false, a);
    say(w, 0, 2, 2, false, b);
    const struct seen seen = disputes(w);
    assert_int_equal(seen.n, 1);
    assert_side(&seen.at[0].side[0], a, w->f.g->gateways[0].id);
    assert_side(&seen.at[0].side[1], b, w->f.g->gateways[0].id);
}

/* 64 pairs of an ordered pair of gateways are on record, and others' still are. */
static void dispute_is_bounded_for_two_gateways(void **state)
{
    struct world *w = *state;
    struct lg_hash x[2];
    say(w, 0, 1, 1, false, x);
    for (int64_t i = 1; i <= 66; i++)
        say(w, 1, i, 1 + i, false, x);
    assert_int_equal(disputes(w).n, 64);
    say(w, 2, 1, 1000, false, x);
    assert_int_equal(disputes(w).n, 65);
}

/* What is evidence alone disputes nothing, for nobody had to show its bodies; a block that has it and them does. What a transaction wrote
 * goes with it. */
static void dispute_of_evidence_waits_for_a_block(void **state)
{
    struct world *w = *state;
    const struct lg_store *s = w->f.s;
    struct lg_block_info info;
    struct lg_hash a[2], b[2];
    say(w, 0, 1, 1, false, a);
    say(w, 0, 1, 2, true, b);
    assert_int_equal(disputes(w).n, 0);
    struct lg_body *body = synth_body(&w->s, 0, w->f.g->minute, 2);
    struct lg_statement *x = synth_statement(&w->s, 0, INC, 1, &w->f.g->id, &body, 1, 3);
    struct lg_block *block = synth_block(&w->s, &info, &w->f.info[0], &x, 1, &body, 1);
    for (int i = 0; i < 2; i++) {
        assert_code(s->begin(s->ctx), 0);
        assert_code(s->put_block(s->ctx, block, &info), 0);
        assert_code(s->connect(s->ctx, block, &info), 0);
        if (i == 0)
            s->rollback(s->ctx);
        else
            assert_code(s->commit(s->ctx), 0);
        assert_int_equal(disputes(w).n, i);
    }
    const struct seen seen = disputes(w);
    assert_side(&seen.at[0].side[1], b, w->f.g->gateways[0].id);
    assert_int_equal(seen.at[0].side[1].read.height, 1);
    assert_int_equal(seen.at[0].side[1].body_height, 1);
    assert_int_equal(seen.at[0].side[1].body_index, 1);
    lg_block_free(block);
    lg_statement_free(x);
    lg_body_free(body);
}

/* A row that says what its statements do not is not answered; the others are. */
static void dispute_row_that_lies_is_left_out(void **state)
{
    static const char *const lies[] = {"first_digest = zeroblob(32)", "second_gw = 0", "min = min + 1",
        "first_live = 4", "first = second", "relay = relay + 1"};
    struct world *w = *state;
    struct lg_hash x[2];
    char path[96], sql[128];
    sqlite3 *h;
    say(w, 0, 1, 1, false, x);
    say(w, 1, 1, 2, false, x);
    say(w, 2, 1, 3, false, x);
    snprintf(path, sizeof path, "%s/chain.db", w->f.dir);
    for (size_t i = 0; i < SG_ARRAY_LEN(lies); i++) {
        assert_int_equal(disputes(w).n, 2);
        assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
        assert_int_equal(
            sqlite3_exec(h, "CREATE TEMP TABLE kept AS SELECT * FROM dispute WHERE id = 1", NULL, NULL, NULL),
            SQLITE_OK);
        snprintf(sql, sizeof sql, "UPDATE dispute SET %s WHERE id = 1", lies[i]);
        assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
        const struct seen seen = disputes(w);
        assert_int_equal(seen.n, 1);
        assert_int_equal(seen.at[0].id, 2);
        assert_int_equal(
            sqlite3_exec(h, "REPLACE INTO dispute SELECT * FROM kept", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(h);
    }
}

/* A database of version 1 can be read as it is; it is brought up to date when it is written again, and what its branch has read counts. */
static void dispute_tables_are_added_to_an_old_database(void **state)
{
    struct world *w = *state;
    struct lg_hash x[2];
    struct lg_reader *r = NULL;
    struct lg_block_info tip;
    struct sg_fault fault = {0};
    char path[96];
    sqlite3 *h;
    fixture_connect(&w->f, 1, 2);
    fixture_close(&w->f);
    snprintf(path, sizeof path, "%s/chain.db", w->f.dir);
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h,
                         "DROP TABLE first_read; DROP TABLE dispute; DROP TABLE side; DROP TABLE side_doc; "
                         "DROP TABLE side_gateway;"
                         " PRAGMA user_version=1",
                         NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(h);
    assert_code(lg_reader_open(&r, w->f.dir, w->f.g, &fault), 0);
    assert_code(lg_reader_tip(r, &tip), 0);
    assert_int_equal(tip.height, 2);
    lg_reader_close(r);
    fixture_open(&w->f);
    const struct lg_body *mined = w->f.blocks[0]->bodies[0];
    struct lg_body *b = synth_body(&w->s, 0, mined->min, 77);
    struct lg_statement *s = synth_statement(&w->s, 4, INC + 9, 1, &w->f.g->id, &b, 1, 3);
    assert_code(w->f.s->begin(w->f.s->ctx), 0);
    assert_code(w->f.s->put_body(w->f.s->ctx, b), 0);
    assert_code(w->f.s->put_statement(w->f.s->ctx, s), 0);
    assert_code(w->f.s->commit(w->f.s->ctx), 0);
    x[0] = s->leaf;
    x[1] = b->digest;
    const struct seen seen = disputes(w);
    assert_int_equal(seen.n, 1);
    assert_memory_equal(&seen.at[0].side[0].read.digest, &mined->digest, sizeof mined->digest);
    assert_int_equal(seen.at[0].side[0].body_height, 1);
    assert_side(&seen.at[0].side[1], x, w->f.g->gateways[4].id);
    lg_statement_free(s);
    lg_body_free(b);
}

/* A block of one gateway on *at that reads relay-1's minute. */
static const struct lg_statement *extend(struct maker *m, struct rig *r, struct lg_block_info *at,
    unsigned gw, sg_minute slot, int64_t variant, const struct lg_statement *after)
{
    enum lg_block_verdict v;
    const struct lg_body *body = make_body(m, 0, slot, variant);
    const struct lg_statement *st = make_statement(m, &(struct maker_say){.gw = gw,
                                                          .slot = slot,
                                                          .inc = MAKER_START + variant,
                                                          .after = after,
                                                          .tip = &at->hash,
                                                          .bodies = &body,
                                                          .nbodies = 1});
    const struct lg_block *b = make_block(m, &(struct maker_mine){.parent = at,
                                                 .miner = gw,
                                                 .slot = slot,
                                                 .statements = &st,
                                                 .nstatements = 1,
                                                 .bodies = &body,
                                                 .nbodies = 1});
    assert_code(rig_offer_block(r, &v, b, LATE), 0);
    assert_int_equal(v, LG_BLOCK_ACCEPTED);
    rig_forget(r);
    *at = make_info(m, b, at);
    return st;
}

/* Two branches read a minute differently. The one that loses leaves its statement behind, first in the pool, then overtaken for good: the
 * dispute was on record when the second branch was stored, and still is. */
static void dispute_outlasts_the_branch(void **state)
{
    char dir[] = "/tmp/gridwitness-dispute-XXXXXX";
    struct maker m;
    struct lg_sqlite *db = NULL;
    struct sg_fault fault = {0};
    struct lg_block_info a, b;
    (void)state;
    assert_non_null(mkdtemp(dir));
    chain_maker_init(&m, &(struct maker_config){0});
    struct rig *r = rig_new(&m, UINT_MAX);
    assert_code(lg_sqlite_open(&db, dir, m.g, &fault), 0);
    rig_move(r, lg_sqlite_store(db));
    lg_block_info_genesis(&a, m.g);
    b = a;
    const struct lg_statement *lost = extend(&m, r, &a, 0, S0, 1, NULL);
    const struct lg_statement *won = extend(&m, r, &b, 1, S0, 2, NULL);
    assert_int_equal(disputes_in(dir, m.g).n, 1);
    (void)extend(&m, r, &b, 0, S0 + 1, 4, NULL); /* the first gateway again, in a new incarnation */
    const struct lg_statement *last = NULL;
    for (sg_minute i = 2; i < 8; i++)
        last = extend(&m, r, &b, 2, S0 + i, 3, last);
    assert_true(rig_tip_is(r, &b.hash));
    lg_engine_pow.close(r->engine);
    r->engine = NULL;
    lg_sqlite_close(db);
    assert_code(lg_sqlite_open(&db, dir, m.g, &fault), 0);
    const struct lg_store *s = lg_sqlite_store(db);
    enum lg_doc_state doc;
    assert_code(s->statement_state(s->ctx, &doc, NULL, &lost->leaf), 0);
    assert_int_equal(doc, LG_DOC_OVERTAKEN);
    const struct seen seen = disputes_in(dir, m.g);
    assert_int_equal(seen.n, 1);
    assert_memory_equal(&seen.at[0].side[0].read.statement, &lost->leaf, sizeof lost->leaf);
    assert_memory_equal(&seen.at[0].side[1].read.statement, &won->leaf, sizeof won->leaf);
    assert_int_equal(seen.at[0].side[0].body_height, 0);
    assert_int_equal(seen.at[0].side[1].body_height, 1);
    lg_sqlite_close(db);
    rig_free(r);
    fixture_remove_dir(dir);
    chain_maker_fini(&m);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(dispute_outlasts_overtaking_and_restart),
        CASE(dispute_of_a_gateway_with_itself),
        CASE(dispute_is_bounded_for_two_gateways),
        CASE(dispute_of_evidence_waits_for_a_block),
        CASE(dispute_row_that_lies_is_left_out),
        CASE(dispute_tables_are_added_to_an_old_database),
        cmocka_unit_test(dispute_outlasts_the_branch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
