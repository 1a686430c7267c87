/* Side blocks in the real store: what is counted of them, and what goes when one is given up. */
#include "ledger/store_db.h"
#include "tests/lib/store_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void raw_sql(const char *dir, const char *sql)
{
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/chain.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int drop(struct fixture *f, int64_t h)
{
    int err = f->s->begin(f->s->ctx);
    if (err == 0)
        err = f->s->drop_block(f->s->ctx, &f->info[h].hash);
    if (err == 0)
        return f->s->commit(f->s->ctx);
    f->s->rollback(f->s->ctx);
    return err;
}

/* Blocks 7 and 8 beside the best branch. */
static void put_sides(struct fixture *f)
{
    fixture_connect(f, 1, 6);
    assert_code(f->s->begin(f->s->ctx), 0);
    for (int64_t h = 7; h <= 8; h++)
        assert_code(f->s->put_block(f->s->ctx, f->blocks[h - 1], &f->info[h]), 0);
    assert_code(f->s->commit(f->s->ctx), 0);
}

/* A block that is given up and comes again leaves a store as it was; one of the best branch, or with children, is not given up. */
static void store_given_up_and_put_again_is_identical(void **state)
{
    struct fixture *f = *state;
    int64_t bytes = -1;
    fixture_connect(f, 1, 8);
    char *before = fixture_dump(f);
    assert_code(drop(f, 8), SG_EINVAL);
    assert_code(f->s->side_bytes(f->s->ctx, &bytes), 0);
    assert_int_equal(bytes, 0);
    fixture_disconnect(f, 8, 7);
    assert_code(f->s->side_bytes(f->s->ctx, &bytes), 0);
    assert_true(bytes > (int64_t)f->blocks[6]->bodies[0]->doc_len);
    assert_code(drop(f, 7), SG_EINVAL);
    assert_code(drop(f, 8), 0);
    assert_code(drop(f, 8), SG_EINVAL);
    assert_code(drop(f, 7), 0);
    assert_code(f->s->side_bytes(f->s->ctx, &bytes), 0);
    assert_int_equal(bytes, 0);
    fixture_connect(f, 7, 8);
    char *after = fixture_dump(f);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

/* What only a given up block held goes with it, but for what the comparison of reads names. */
static void store_given_up_block_keeps_first_reads(void **state)
{
    struct fixture *f = *state;
    struct lg_block_info info;
    bool best;
    put_sides(f);
    assert_code(drop(f, 8), 0);
    assert_code(drop(f, 7), 0);
    assert_code(f->s->block_info(f->s->ctx, &info, &best, &f->info[7].hash), SG_ENOT_FOUND);
    unsigned there = 0, gone = 0;
    for (unsigned k = 6; k < 8; k++)
        for (unsigned i = 0; i < f->blocks[k]->nstatements; i++) {
            enum lg_doc_state doc;
            assert_code(f->s->statement_state(f->s->ctx, &doc, NULL, &f->blocks[k]->statements[i]->leaf), 0);
            assert_true(doc == LG_DOC_SIDE || doc == LG_DOC_NONE);
            there += doc == LG_DOC_SIDE;
            gone += doc == LG_DOC_NONE;
        }
    assert_true(there > 0 && gone > 0); /* the first reader of a minute, and those after it */
}

/* A database of the version before has no rows of side blocks: they are those that this program would have written. */
static void store_upgrade_counts_side_blocks(void **state)
{
    struct fixture *f = *state;
    put_sides(f);
    fixture_close(f);
    char *before = fixture_dump(f);
    raw_sql(f->dir, "DROP TABLE side; DROP TABLE side_doc; DROP TABLE side_gateway; PRAGMA user_version=2");
    fixture_open(f);
    fixture_close(f);
    char *after = fixture_dump(f);
    assert_string_equal(after, before);
    free(before);
    free(after);
    fixture_open(f);
}

static bool keep_none(void *arg, const struct lg_hash *hash)
{
    (void)arg;
    (void)hash;
    return false;
}

/* A count of children that has flipped makes no block the next one that cannot be given up: it would be chosen for ever. */
static void store_next_to_give_up_has_no_child_whatever_its_row_says(void **state)
{
    struct fixture *f = *state;
    struct lg_hash hash;
    put_sides(f);
    fixture_close(f);
    raw_sql(f->dir,
        "UPDATE side SET kids = 0; UPDATE side SET kids = 1 WHERE block = (SELECT max(block) FROM side)");
    fixture_open(f);
    assert_code(f->s->side_next(f->s->ctx, &hash, keep_none, NULL), SG_ENOT_FOUND);
    fixture_close(f);
    raw_sql(f->dir, "UPDATE side SET kids = 0");
    fixture_open(f);
    assert_code(f->s->side_next(f->s->ctx, &hash, keep_none, NULL), 0);
    assert_true(lg_hash_eq(&hash, &f->info[8].hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            store_given_up_and_put_again_is_identical, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            store_given_up_block_keeps_first_reads, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            store_next_to_give_up_has_no_child_whatever_its_row_says, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(store_upgrade_counts_side_blocks, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
